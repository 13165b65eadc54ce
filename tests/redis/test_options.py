"""The options of the Redis backend: what is taken, what is refused, and in which words."""

from __future__ import annotations

import subprocess
import sys

import pytest
from redis.asyncio import Redis as AsyncRedis

import cachu
from cachu.errors import ConfigurationError

SEVERAL = "redis://:pw@a:7000,b:7001/0"


def test_s6_the_defaults_are_those_of_the_readme() -> None:
    config = cachu.get_config(package="redis_defaults")
    assert config.redis_url == "redis://localhost:6379/0"
    assert config.redis_distributed is False
    assert config.redis_near_cache == 0


@pytest.mark.parametrize(
    "options",
    [
        {"redis_url": "redis://localhost"},
        {"redis_url": "rediss://:pw@redis-a:6380/1"},
        {"redis_url": "unix:///run/redis.sock?db=1"},
        {"redis_url": SEVERAL, "redis_cluster": True},
        {"redis_url": SEVERAL, "redis_sentinel": "mymaster", "redis_sentinel_password": "other"},
        {"redis_timeout": 1, "redis_connect_timeout": 0.5, "redis_pool_size": 1},
        {"redis_health_check_interval": 0, "redis_lease": 10},
    ],
)
def test_s6_what_clients_understand_is_taken(options: dict[str, object]) -> None:
    config = cachu.configure(package="redis_taken", **options)
    assert {name: getattr(config, name) for name in options} == options
    cachu.configure(package="redis_taken", **dict.fromkeys(options, cachu.DEFAULT))


@pytest.mark.parametrize("url", ["", "localhost:6379", "http://localhost", 6379, b"redis://h"])
def test_s6_any_other_address_is_refused_at_once(url: object) -> None:
    with pytest.raises(ConfigurationError, match="redis_url"):
        cachu.configure(package="redis_wrong", redis_url=url)


def test_s6_a_refused_address_does_not_show_its_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        cachu.configure(package="redis_wrong", redis_url="rediz://:hunter2@localhost")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"redis_distributed": "yes"}, "redis_distributed"),
        ({"redis_timeout": 0}, "redis_timeout is a number of seconds"),
        ({"redis_connect_timeout": float("inf")}, "redis_connect_timeout"),
        ({"redis_lease": 0.01}, "redis_lease"),
        ({"redis_health_check_interval": -1}, "redis_health_check_interval"),
        ({"redis_pool_size": 0}, "redis_pool_size is at least 1"),
        ({"redis_near_cache": -1}, "redis_near_cache"),
        ({"redis_near_cache": True}, "redis_near_cache"),
        ({"redis_url": SEVERAL}, "several addresses; set redis_cluster=True"),
        ({"redis_sentinel": ""}, "'mymaster'"),
        ({"redis_cluster": True, "redis_sentinel": "mymaster"}, "exclude each other"),
        ({"redis_url": "unix:///s", "redis_cluster": True}, "unix://"),
        ({"redis_client": "redis://localhost"}, "redis_client is a client of redis-py"),
        ({"redis_async_client": AsyncRedis()}, "needs a redis_client"),
        ({"redis_timeuot": 1}, "Did you mean 'redis_timeout'"),
    ],
)
def test_s6_what_cannot_be_meant_is_refused_at_once(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        cachu.configure(package="redis_wrong", **options)


def test_asking_for_the_options_imports_no_client() -> None:
    code = (
        "import sys, cachu\n"
        "cachu.configure(backend='redis', redis_url='redis://h', redis_cluster=True)\n"
        "assert 'redis' not in sys.modules and 'asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
