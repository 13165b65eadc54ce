"""What tests of code that caches need, and what tests of backends need.

`FakeClock` moves time without waiting for it, `Recording` and `Chaos` are backends to test with;
pytest has all of them as fixtures. `cachu.testing.suite` is what every backend has to pass, those
that ship with cachu and those of plugins; `cachu.testing.key_suite`, `value_suite` and `lock_suite`
are the same for key serializers, value serializers and lock providers. The suites need pytest.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cachu.testing.chaos import Chaos, ChaosError
    from cachu.testing.clock import FakeClock
    from cachu.testing.recording import Operation, Recording

__all__ = ["Chaos", "ChaosError", "FakeClock", "Operation", "Recording"]

_ROOMS = {
    "Chaos": "chaos",
    "ChaosError": "chaos",
    "FakeClock": "clock",
    "Operation": "recording",
    "Recording": "recording",
}

# Where there is a pytest, it is to explain the asserts of the suites.
if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(
        *(f"{__name__}.{suite}" for suite in ("suite", "key_suite", "value_suite", "lock_suite"))
    )


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
