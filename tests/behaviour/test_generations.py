"""Stores that can only load, store and delete are cleared by generation, across processes too."""

import json
import subprocess
import sys
import textwrap
from math import inf
from pathlib import Path

import pytest
import shelves

import cachu
from cachu.backends import generations, registries
from cachu.testing.suite.colours import wait_until

HERE = Path(__file__).parent


PLUGINS = {
    "dict": shelves.DICT,
    "async-dict": shelves.ASYNC_DICT,
    "batch": shelves.BATCH,
    "leases-only": shelves.LEASES_ONLY,
}


@pytest.fixture(params=PLUGINS)
def cachu_backend(request):
    return request.param


def rack_of(colour):
    return PLUGINS[colour.backend_name].rack


def rows_of(colour):
    return PLUGINS[colour.backend_name].of(colour.package).rows


def tokens_of(colour):
    starts = (f"{generations.OWN}region:", f"{generations.OWN}tag:")
    return [key for key in rows_of(colour) if key.startswith(starts)]


def test_s3_a_clear_counts_nothing_and_says_so(colour):
    f = colour.cached(tag="t")
    assert colour.clear() == 0
    f(1)
    assert colour.clear() == -1
    assert colour.clear() == 0
    f(1)
    assert colour.clear(tag="other") == 0
    assert colour.clear(tag="t") == -1
    assert f(1) == [1, 3]


def test_s8_what_is_written_expires(colour, clock):
    f, g = colour.cached(ttl=60, tag="t"), colour.cached(ttl=60)
    f(1), g(1)
    g.invalidate(1)
    # Those of other tests are there, too, and may be for ever.
    own = [shelf for shelf in rack_of(colour).values() if shelf.name[0] == colour.package]
    rows = [row for shelf in own for row in shelf.rows.values()]
    assert len(rows) >= 4
    assert all(row[1] < inf for row in rows)


def test_tokens_outlive_their_entries(colour, clock):
    """Whenever an entry is made, it lives as long as it was to."""
    f = colour.cached(ttl=7000)
    for step in range(30):
        run = f(step)
        clock.advance(6999)
        assert f(step) == run
        clock.advance(1)
        assert f(step) != run


def test_entries_that_never_expire_are_cleared_all_the_same(colour, clock):
    f = colour.cached(ttl=None)
    f(1)
    clock.advance(10_000_000)
    assert f(1) == [1, 1]
    assert colour.clear() == -1
    assert f(1) == [1, 2]


def test_entries_of_other_times_to_live(colour, clock):
    backend = colour.get_backend(60)
    backend.set("short", 1, ttl=1)
    backend.set("long", 1, ttl=10_000_000)
    backend.set("lasting", 1, ttl=None)
    clock.advance(1)
    assert [backend.get(key, 0) for key in ("short", "long", "lasting")] == [0, 1, 1]
    clock.advance(5_000_000)
    assert [backend.get(key, 0) for key in ("long", "lasting")] == [1, 1]
    cachu.clear_backends()
    assert colour.clear() == -1
    backend = colour.get_backend(60)
    assert [backend.get(key, 0) for key in ("long", "lasting")] == [0, 0]


def test_a_token_that_was_evicted_clears_and_revives_nothing(colour):
    f, g = colour.cached(tag="t"), colour.cached()
    f(1), g(1)
    for key in tokens_of(colour):
        if ":t" in key:
            del rows_of(colour)[key]
    assert (f(1), g(1)) == ([1, 2], [1, 1])
    for key in tokens_of(colour):
        del rows_of(colour)[key]
    assert (f(1), g(1)) == ([1, 3], [1, 2])


def test_keys_that_look_like_ours_are_no_tokens(colour):
    backend = colour.get_backend()
    backend.set("own", 1, tag="t")
    backend.set("mine", 1)
    for key in [*tokens_of(colour), f"{generations.OWN}changed:own"]:
        backend.set(key, "mine")
        assert backend.get(key) == "mine"
        assert backend.delete(key) is True
    assert (backend.get("own"), backend.get("mine")) == (1, 1)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\xff" * 40, b"\x01x" + bytes(40), b"\x00" + b"\xff" * 40]
)
def test_v3_foreign_bytes_are_a_miss(colour, caplog, data):
    f = colour.cached()
    f(1)
    row = rows_of(colour)[f.key(1)]
    rows_of(colour)[f.key(1)] = (data, *row[1:])
    assert f(1) == f(1) == [1, 2]
    assert len(caplog.records) == 1


class Elsewhere:
    """Another process, as far as the store can tell: it shares nothing with this one but data."""

    def __init__(self, colour, ttl=300.0):
        plugin, package = PLUGINS[colour.backend_name], colour.package
        kind = shelves.DictStore if colour.backend_name == "async-dict" else plugin.make
        inner = kind(plugin.of(package), plugin.rack)
        reserved = next(shelf for shelf in plugin.rack.values() if shelf.name[0] != package)
        registry = kind(reserved, plugin.rack)
        self.store = cachu.backends.clearable.ClearableStore(inner, registry, (package, "", ttl))


@pytest.mark.parametrize("change", ["delete", "clear", "clear_tag", "store", "force"])
def test_c1_what_was_overtaken_elsewhere_is_not_kept(colour, change):
    gate = []
    f = colour.cached(
        lambda x: colour.hold(lambda: gate, "old") if f.runs == 2 else "new", tag="users"
    )
    f(0)
    running = colour.start(f, 1)
    wait_until(lambda: f.runs == 2)
    store, key = Elsewhere(colour).store, f.key(1)
    if change == "delete":
        assert store.delete(key) is False
    elif change == "store":
        store.store(key, b"theirs", 300, "users")
    elif change == "force":
        store.commit(store.begin(key, "users", force=True), b"theirs", 300, "users")
    else:
        assert store.clear("users" if change == "clear_tag" else None) == -1
    gate.append(1)
    assert running.result() == "old"
    if change in {"store", "force"}:
        assert store.load(key, "users") == b"theirs"
        store.delete(key)
    assert f(1) == f(1) == "new"


def test_a_change_between_the_last_look_and_the_store_wins(both):
    """The mark is looked at once more after the entry was stored."""
    colour = both.plain
    f = colour.cached()
    f(1)
    store = Elsewhere(colour).store
    lease = store.begin("key")
    inner = store.inner.store

    def overtaken(key, data, ttl, tag=""):
        if key == "key":
            Elsewhere(colour).store.delete("key")
        inner(key, data, ttl, tag)

    store.inner.store = overtaken
    assert store.commit(lease, b"old", 300) is False
    assert Elsewhere(colour).store.load("key") is None


def test_a_hit_is_one_round_trip_where_the_store_can(colour):
    if colour.backend_name != "batch":
        pytest.skip("its store looks for one key at a time")
    f, g = colour.cached(tag="t"), colour.cached()
    f(1), g(1)
    calls = shelves.BATCH.of(colour.package).calls
    before = calls["load"]
    assert (f(1), g(1)) == ([1, 1], [1, 1])
    assert calls["load"] == before + 2


def test_lock_names_change_with_every_change(colour):
    """Who computes after a clear or delete does not wait for those who began before."""
    colour.cached()(1)
    store = Elsewhere(colour).store
    seen = [store.lock_name("key", "t")]
    assert store.lock_name("key", "t") == seen[0]
    for change in (store.clear, lambda: store.clear("t"), lambda: store.delete("key")):
        change()
        seen.append(store.lock_name("key", "t"))
    assert len(set(seen)) == len(seen)


def reserved_of(colour):
    (shelf,) = (s for s in rack_of(colour).values() if s.name[0] == registries.RESERVED)
    return shelf.rows


def test_s3_a_region_that_was_lost_from_the_registry_is_listed_again(colour, clock):
    """Of two processes that register at once one may be lost; it looks again soon."""
    f = colour.cached()
    f(1)
    reserved_of(colour).clear()
    clock.advance(10)
    f(2)
    cachu.clear_backends()
    assert colour.clear() == -1
    assert f(2) == [2, 3]


def test_a_damaged_registry_is_written_anew(colour, clock):
    f = colour.cached()
    f(1)
    for damage in (b"\xff", b"{}", b"[1]", b'[["a", "b"]]', b"null"):
        for key, row in list(reserved_of(colour).items()):
            reserved_of(colour)[key] = (damage, *row[1:])
        assert {region[0] for region in colour.get_backend().regions()} == set()
        clock.advance(10)
        f.refresh(1)
        listed = [each for each in colour.get_backend().regions() if each[0] == colour.package]
        assert listed == [(colour.package, "", 300.0)]


def test_s8_regions_that_nobody_uses_any_more_leave_the_registry(colour, clock):
    colour.cached(ttl=60)(1)
    clock.advance(3 * 86_400)
    assert (colour.package, "", 60.0) not in list(colour.get_backend().regions())
    for ttl in range(61, 120):  # one of which shares its record
        colour.cached(ttl=ttl)(1)
    listed = [region for data, *_ in reserved_of(colour).values() for region in json.loads(data)]
    assert [region for region in listed if region[:3] == [colour.package, "", "60"]] == []


SCRIPT = """
    import sys
    sys.path.insert(0, {here!r})
    import asyncio, cachu, folders

    folders.register({folder!r})
    cachu.configure(backend={backend!r}, package="app")

    @cachu.cache(package="app", name="f", ttl=60, tag="users")
    def f(x):
        return [x, {run}]

    @cachu.cache(package="app", name="g")
    async def g(x):
        return [x, {run}]

    {code}
"""


def python(folder, backend, code, run=1):
    """Run *code* in another process and return what it printed."""
    text = textwrap.dedent(SCRIPT).format(
        here=str(HERE), folder=str(folder), backend=backend, code=code, run=run
    )
    command = [sys.executable, "-W", "error", "-c", text]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("backend", ["folder", "async-folder"])
def test_s3_a_clear_from_a_process_that_never_called_the_functions(tmp_path, backend):
    calls = "print(f(1), asyncio.run(g(1)))"
    assert python(tmp_path, backend, calls) == "[1, 1] [1, 1]"
    assert python(tmp_path, backend, calls, run=2) == "[1, 1] [1, 1]"
    clear = "print(cachu.cache_clear({0}package='app'))"
    assert python(tmp_path, backend, clear.format("'nobody', ")) == "0"
    assert python(tmp_path, backend, clear.format("'users', ")) == "-1"
    assert python(tmp_path, backend, calls, run=3) == "[1, 3] [1, 1]"
    clear_async = "print(asyncio.run(cachu.async_cache_clear(ttl=300, package='*')))"
    assert python(tmp_path, backend, clear_async) == "-1"
    assert python(tmp_path, backend, calls, run=4) == "[1, 3] [1, 4]"
    assert python(tmp_path, backend, clear.format("")) == "-1"
    assert python(tmp_path, backend, clear.format("")) == "0"
    assert python(tmp_path, backend, calls, run=5) == "[1, 5] [1, 5]"


@pytest.mark.parametrize("change", ["cachu.cache_clear(package='app')", "f.invalidate(1)"])
def test_c1_a_change_in_another_process_during_the_computation_wins(tmp_path, change):
    script = textwrap.dedent(SCRIPT).format(
        here=str(HERE), folder=str(tmp_path), backend="folder", code="", run=1
    )
    script += textwrap.dedent(
        """
        @cachu.cache(package="app", name="f", ttl=60, tag="users")
        def f(x):
            print("inside", flush=True)
            return sys.stdin.readline().strip()
        print(f(1))
        """
    )
    command = [sys.executable, "-W", "error", "-c", script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline().strip() == "inside"
        python(tmp_path, "folder", change)
        out, _ = process.communicate("old\n", timeout=60)
    assert out.strip() == "old"
    assert python(tmp_path, "folder", "print(f(1))", run=2) == "[1, 2]"
