"""The options of the Redis backend, and what using a store that is not there yet says."""

from __future__ import annotations

import pytest

import cachu
from cachu.errors import ConfigurationError


def test_s6_the_defaults_are_those_of_the_readme() -> None:
    config = cachu.get_config(package="redis_defaults")
    assert config.redis_url == "redis://localhost:6379/0"
    assert config.redis_distributed is False


@pytest.mark.parametrize(
    "url", ["redis://localhost", "rediss://:pw@redis-a:6380/1", "unix:///run/redis.sock?db=1"]
)
def test_s6_an_address_that_clients_understand_is_taken(url: str) -> None:
    assert cachu.configure(package="redis_urls", redis_url=url).redis_url == url


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost", 6379, b"redis://h"])
def test_s6_any_other_address_is_refused_at_once(url: object) -> None:
    with pytest.raises(ConfigurationError, match="redis_url"):
        cachu.configure(package="redis_wrong", redis_url=url)


def test_s6_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        cachu.configure(package="redis_wrong", redis_url="rediz://:hunter2@localhost")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("wrong", [1, "yes"])
def test_s6_distributed_is_true_or_false(wrong: object) -> None:
    with pytest.raises(ConfigurationError, match="redis_distributed"):
        cachu.configure(package="redis_wrong", redis_distributed=wrong)


def test_the_backend_can_be_configured_and_says_that_its_store_is_to_come() -> None:
    assert cachu.configure(package="redis_to_come", backend="redis").backend == "redis"
    with pytest.raises(ConfigurationError, match=r"not in it yet.*backend='memory'"):
        cachu.get_backend("redis", ttl=300, package="redis_to_come")


async def test_the_async_backend_says_the_same() -> None:
    with pytest.raises(ConfigurationError, match="not in it yet"):
        await cachu.get_async_backend("redis", ttl=300, package="redis_to_come")


def test_the_client_says_the_same() -> None:
    with pytest.raises(ConfigurationError, match="not in it yet"):
        cachu.get_redis_client()
