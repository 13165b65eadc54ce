"""What a client raises, and what the server said about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cachu.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_WRONG_MODE = {
    ("cluster", "standalone"): (
        "redis_url leads to a node of a Cluster. Set redis_cluster=True, so that cachu finds the "
        "node of each key."
    ),
    ("sentinel", "standalone"): (
        "redis_url leads to a Sentinel. Set redis_sentinel to the name of the service that it "
        "watches, for example redis_sentinel='mymaster', so that cachu asks it for the server."
    ),
    ("standalone", "cluster"): (
        "redis_url leads to a server that is no node of a Cluster. Leave redis_cluster out."
    ),
}


def check_mode(reply: object, expected: str) -> None:
    """Refuse a server of another kind than the one that was configured.

    Args:
        reply: What the server answers to `HELLO`.
        expected: "standalone" or "cluster".

    Raises:
        ConfigurationError: Naming the option to change.
    """
    mode = _described(reply).get("mode")
    message = _WRONG_MODE.get((mode or "", expected))
    if message is not None:
        raise ConfigurationError(message)


def _described(reply: Any) -> Mapping[str, str]:
    if isinstance(reply, dict):
        pairs = list(reply.items())
    elif isinstance(reply, list):
        pairs = list(zip(reply[::2], reply[1::2]))
    else:
        return {}
    return {_text(name): _text(value) for name, value in pairs}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
