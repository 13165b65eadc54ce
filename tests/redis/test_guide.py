"""The examples of the guide run against a server, also those that its page leaves to this test."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cachu

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "redis.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.fixture
def page(server):
    module = ModuleType(f"guide_redis_{server.port}")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]
    cachu.clear_backends()


def test_every_example_runs(page, server):
    hits, cleared, *others = (
        block.replace("redis://localhost:6379/0", server.url) for block in BLOCKS
    )
    for block in (hits, cleared):
        exec(compile(block, str(GUIDE), "exec"), vars(page))  # noqa: S102 - the text is ours
        vars(page)["cachu"] = cachu
    sent = server.commands()
    assert sent["mget"] >= 1
    assert server.send("KEYS", "cachu:s:*") == []  # cleared
    assert page.rate("EUR") == page.rate("EUR") == 1.0
    assert page.rate.info().hits == 1
    for block in others:
        exec(compile(block, str(GUIDE), "exec"), vars(page))  # noqa: S102 - the text is ours


def test_the_rules_of_the_guide_are_enough(server):
    """The user that the guide makes may do all that cachu does, and nothing beside it."""
    (rules,) = re.findall(
        r"^ACL SETUSER cachu (.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE
    )
    server.send("ACL", "SETUSER", "cachu", *rules.split())
    cachu.configure(
        package="guide_rules",
        backend="redis",
        redis_url=server.url.replace("://", "://cachu:secret@"),
        redis_near_cache=10,
        redis_distributed=True,
    )
    f = cachu.cache(lambda x: x, package="guide_rules", name="f", tag="users")
    assert [f(1), f(1), f.info().faults] == [1, 1, 0]
    assert cachu.cache_clear("users", "redis", package="guide_rules") == 1
    assert server.send("ACL", "LOG") == []
    cachu.clear_backends()
