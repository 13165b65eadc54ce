"""The examples of the 0.2.1 README that need a Redis server run as they were written then."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import cachu

SEED = Path(__file__).parents[1] / "docs" / "seed" / "cachu-0.2.1-readme.md"
BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", SEED.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


def block(text):
    (found,) = [each for each in BLOCKS if text in each]
    return found


@pytest.fixture
def page(server):
    """A module, and so a package, whose server is ours."""
    module = ModuleType(f"seed_redis_{server.port}")
    module.__dict__.update(cachu=cachu, cache=cachu.cache)
    module.__dict__.update(call_external_api=lambda key: {"key": key})
    module.__dict__.update(parse_config_file=lambda path: {"path": path})
    sys.modules[module.__name__] = module
    cachu.configure(package=module.__name__, redis_url=server.url)
    yield module
    del sys.modules[module.__name__]
    cachu.clear_backends()


def run(source, page):
    exec(compile(source, str(SEED), "exec"), vars(page))  # noqa: S102 - the text is ours


def test_the_client_is_that_of_the_configured_server(page, server):
    run(block("client = get_redis_client()"), page)
    assert server.send("GET", "direct_key") == "value"


def test_a_function_is_cached_on_the_server(page, server):
    run(block("def fetch_external_data(api_key"), page)
    assert page.fetch_external_data("key") == {"key": "key"}
    page.call_external_api = None
    assert page.fetch_external_data("key") == {"key": "key"}
    assert len(server.send("KEYS", "cachu:e:*")) == 1
    assert tuple(cachu.cache_info(page.fetch_external_data)) == (1, 1, 1)
