"""What a user's own tests are given: a clean start, a clock, a switch, backends to test with."""

import ast
import asyncio
import subprocess
import sys
import time
from contextlib import suppress

import pytest

import cachu
from cachu.testing import Chaos, ChaosError, Operation, Recording
from cachu.testing.isolation import isolated, switched_off

SHOP = "cachu_shop"


@cachu.cache(ttl=300, package=SHOP)
def price(name):
    return [name]


@cachu.cache(ttl=300, package=SHOP, tag="prices")
async def price_async(name):
    return [name]


@cachu.cache(ttl=300, package=SHOP, backend="redis", tag="stock")
def stock(name):
    return [name]


def test_a_clean_start_has_no_entries_and_no_counts(cachu_clean):
    assert list(price.info()) == [0, 0, 0]
    first = price("apple")
    assert price("apple") is first
    assert list(price.info()) == [1, 1, 1]
    with isolated():
        assert list(price.info()) == [0, 0, 0]
        assert price("apple") is not first
        assert asyncio.run(price_async("apple")) == ["apple"]
        assert list(asyncio.run(price_async.info())) == [0, 1, 1]
    assert list(price.info()) == [0, 0, 0]
    assert list(asyncio.run(price_async.info())) == [0, 0, 0]
    assert price("apple") is not first


def test_a_clean_start_puts_settings_and_switches_back(cachu_clean):
    before = cachu.configure(package=SHOP, key_prefix="before:")
    key = price.key("apple")
    with isolated():
        cachu.configure(package=SHOP, backend="null", key_prefix="inside:")
        cachu.configure(package="cachu_new_shop", key_prefix="inside:")
        cachu.disable()
        assert price.key("apple") != key
    assert cachu.get_config(SHOP) == before
    assert cachu.get_config("cachu_new_shop").key_prefix == ""
    assert not cachu.is_disabled()
    assert price.key("apple") == key
    cachu.disable()
    with isolated():
        cachu.enable()
    assert cachu.is_disabled()
    cachu.enable()


def test_a_clean_start_does_so_after_an_error(cachu_clean):
    with suppress(ZeroDivisionError), isolated():
        cachu.configure(package=SHOP, key_prefix="inside:")
        raise ZeroDivisionError
    assert cachu.get_config(SHOP).key_prefix == ""


async def test_a_clean_start_inside_a_running_loop(cachu_recording):
    """Asynchronous stores are closed by a loop of their own."""
    with Chaos() as chaos, isolated():
        cachu.configure(package=SHOP, backend="chaos")
        await price_async("apple")
        assert chaos.done["store"] == 1


def test_caching_is_off(cachu_disabled):
    assert price("apple") is not price("apple")
    with switched_off():
        assert cachu.is_disabled()
    assert cachu.is_disabled()


def test_the_clock_stands_still(cachu_clean, cachu_clock):
    first = price("apple")
    assert time.time() == cachu_clock.now
    cachu_clock.advance(299.5)
    assert price("apple") is first
    cachu_clock.advance(0.5)
    assert price("apple") is not first


def test_what_is_done_is_recorded(cachu_recording):
    cachu.configure(backend="recording", package=SHOP)
    assert price("apple") == price("apple") == ["apple"]
    key = price.key("apple")
    assert cachu_recording.operations == [
        Operation("load", SHOP, key),
        Operation("store", SHOP, key, ["apple"], "", 300.0),
        Operation("load", SHOP, key, ["apple"]),
    ]
    cachu_recording.forget()
    price.invalidate("apple")
    cachu.cache_clear(backend="recording", package=SHOP)
    assert cachu_recording.names == ["delete", "clear"]
    assert asyncio.run(price_async("pear")) == ["pear"]
    assert [each.tag for each in cachu_recording.of("store")] == ["prices"]
    assert asyncio.run(price_async.info()).currsize == 1
    assert cachu_recording.names[-1] == "count"


def test_both_colours_are_recorded_together(cachu_recording):
    async def scenario():
        backend = await cachu.get_async_backend("recording", package=SHOP)
        await backend.set("own", 1, tag="a")
        return await backend.get("own"), await backend.clear("a"), await backend.delete("own")

    assert asyncio.run(scenario()) == (1, 1, False)
    assert cachu.get_backend("recording", package=SHOP).get("own", None) is None
    assert cachu_recording.names == ["store", "load", "clear", "delete", "load"]


def test_a_recording_takes_the_place_of_others(cachu_recording):
    cachu_recording.replace("redis", "memory")
    assert stock("apple") == stock("apple") == ["apple"]
    price("apple")
    assert [each.tag for each in cachu_recording.of("store")] == ["stock", ""]
    with pytest.raises(cachu.UnknownPluginError, match="Did you mean 'redis'"):
        cachu_recording.replace("rediss")


def test_nothing_is_left_of_a_recording(cachu_clean):
    with Recording() as recording:
        recording.replace("memory")
        price("apple")
    with pytest.raises(cachu.UnknownPluginError):
        cachu.configure(backend="recording", package=SHOP)
    assert price("apple") is price("apple")
    assert recording.names == ["load", "store"]


def test_errors_are_survived_and_counted(cachu_chaos, caplog):
    cachu.configure(backend="chaos", package=SHOP)
    assert price("apple") == ["apple"]
    cachu_chaos.errors = 1.0
    assert price("apple") == asyncio.run(price_async("apple")) == ["apple"]
    assert price.info().faults == 2  # a load, and a look behind the lock
    assert "ChaosError" in caplog.text
    cachu.configure(package=SHOP, fail_open=False)
    with pytest.raises(cachu.BackendError) as caught:
        price("apple")
    cachu_chaos.errors = 0.0
    assert isinstance(caught.value, cachu.BackendError)


def test_errors_reach_whoever_clears(cachu_chaos):
    backend = cachu.get_backend("chaos", package=SHOP)
    cachu_chaos.errors = 1.0
    with pytest.raises(cachu.BackendError) as caught:
        backend.clear()
    assert isinstance(caught.value.__cause__, ChaosError)


def test_garbage_is_a_miss(cachu_chaos, caplog):
    cachu.configure(backend="chaos", package=SHOP)
    cachu_chaos.garbage = 1.0
    for number in range(1, 20):
        assert price("apple") == ["apple"]
        assert price.info().misses == number
    assert cachu_chaos.damaged == 18
    cachu_chaos.garbage = 0.0
    assert price("apple") is not price("apple")
    assert price.info().hits == 2


def test_latency_is_felt(cachu_chaos):
    cachu.configure(backend="chaos", package=SHOP)
    cachu_chaos.latency = 0.02
    started = time.perf_counter()
    price("apple")
    assert time.perf_counter() - started >= 0.04

    async def both():
        return await asyncio.gather(price_async("apple"), price_async("pear"))

    started = time.perf_counter()
    assert asyncio.run(both()) == [["apple"], ["pear"]]
    assert time.perf_counter() - started >= 0.04


def test_a_share_of_operations_fails_as_the_seed_says():
    outcomes = []
    for _ in range(2):
        with Chaos(seed=7) as chaos, isolated():
            chaos.errors = 0.5
            backend = cachu.get_backend("chaos", package=SHOP)
            store = backend.wrapped
            outcomes.append([])
            for _ in range(50):
                try:
                    store.load("key")
                except ChaosError:
                    outcomes[-1].append(True)
                else:
                    outcomes[-1].append(False)
    assert outcomes[0] == outcomes[1]
    assert 10 < sum(outcomes[0]) < 40


def test_pytest_starts_without_cachu(tmp_path):
    """The plugin costs nothing until a fixture of its is used: it imports itself alone."""
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n"
        "def test_nothing():\n"
        "    open(sys.argv[-1], 'w').write(repr(set(sys.modules)))\n"
    )
    (tmp_path / "conftest.py").write_text("def pytest_addoption(parser): parser.addoption('--to')")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    loaded = []
    for without in ([], ["-p", "no:cachu"]):
        listing = tmp_path / "listing"
        plain = ["-p", "no:cacheprovider", *without, "--to", listing]
        command = [sys.executable, "-m", "pytest", "-q", *plain]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "suite proved" not in done.stdout
        loaded.append(ast.literal_eval(listing.read_text()))
    assert loaded[0] - loaded[1] == {"pytest_cachu"}
