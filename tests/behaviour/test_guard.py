"""C3: a backend that fails costs nobody a result, is told of once, and then is left alone."""

import asyncio
import gc
import logging
from collections import Counter
from threading import Event
from weakref import WeakSet, ref

import pytest
import shelves

import cachu
from cachu import plugins, regions, sharing
from cachu.backends import Capability
from cachu.backends.stores import AsyncStore
from cachu.errors import BackendError, ConfigurationError
from cachu.hookspecs import hookimpl
from cachu.testing.suite.colours import waiting

OPERATIONS = (
    *("load", "store", "delete", "clear", "count", "regions", "load_many"),
    *("begin", "commit", "abandon", "get_or_create"),
)


class Faults:
    """Which operations fail, and with what; and which were tried."""

    def __init__(self):
        self.failing, self.tried, self.error = set(), Counter(), OSError

    def down(self, *operations):
        self.failing = set(operations or OPERATIONS)

    def up(self):
        self.failing = set()

    def touch(self, operation):
        self.tried[operation] += 1
        if operation in self.failing:
            message = "the disk is gone"
            raise self.error(message)


FAULTS = Faults()


def unreliable(base):
    """Return *base* with operations that fail while they are told to."""

    def plain(operation):
        def method(self, *args, **options):
            FAULTS.touch(operation)
            return getattr(super(made, self), operation)(*args, **options)

        return method

    def asynchronous(operation):
        async def method(self, *args, **options):
            FAULTS.touch(operation)
            return await getattr(super(made, self), operation)(*args, **options)

        return method

    wrap = asynchronous if base.__name__.startswith("Async") else plain
    methods = {name: wrap(name) for name in OPERATIONS if hasattr(base, name)}
    made = type(base.__name__, (base,), methods)
    return made


class AsyncFullStore(shelves.AsyncDictStore):
    """Everything but leases, in coroutines."""

    capabilities = shelves.FullStore.capabilities & ~Capability.REGIONS

    def __init__(self, shelf, rack):
        self.plain = shelves.FullStore(shelf, rack)

    async def clear(self, tag=None):
        return self.plain.clear(tag)

    async def count(self, tag=None, function=None):
        return self.plain.count(tag, function)


class UnreliableWhole(shelves.WholePlugin):
    """Both colours of a whole backend, either of which fails."""

    @shelves.hookimpl
    def cachu_make_async_backend(self, name, region):
        if name != self.name:
            return None
        return unreliable(shelves.AsyncWholeBackend)(shelves.WholeBackend(self.shelf(region)))


PLUGINS = [
    shelves.StorePlugin("bad-full", unreliable(shelves.FullStore)),
    shelves.StorePlugin("bad-lease", unreliable(shelves.LeaseStore)),
    shelves.AsyncStorePlugin("bad-async", unreliable(AsyncFullStore)),
    UnreliableWhole("bad-whole", unreliable(shelves.WholeBackend)),
]
for each in PLUGINS:
    shelves.register(each)
BACKENDS = [each.name for each in PLUGINS]


@pytest.fixture(params=BACKENDS)
def cachu_backend(request):
    return request.param


@pytest.fixture(autouse=True)
def faults(request):
    for fixture in {"both", "colour"} & set(request.fixturenames):
        request.getfixturevalue(fixture)  # to be closed after this one
    FAULTS.__init__()
    yield FAULTS
    FAULTS.up()
    for guard in sharing.guards():
        guard.reads.recovered()
        guard.writes.recovered()


def told(caplog, level=logging.WARNING):
    return [record.getMessage() for record in caplog.records if record.levelno == level]


def left_over(colour):
    """What is still under way in the package, which is nothing when nobody calls."""
    live = [one for one in regions.all_live() if one.region.package == colour.package]
    shelf = cachu.plugin_manager.present[colour.backend_name].of(colour.package)
    return [
        *(key for one in live for key in one.flights.under_way),
        *(key for one in live for key in one.turns.taken),
        *shelf.leases,
    ]


def test_c3_the_function_runs_and_one_line_is_logged(colour, clock, faults, caplog):
    f = colour.cached()
    f(0)
    faults.down()
    assert [f(1) for _ in range(10)] == [[1, run] for run in range(2, 12)]
    assert f.info().faults >= 10
    (line,) = told(caplog)
    for part in (colour.backend_name, colour.package, "OSError: the disk is gone", "functions run"):
        assert part in line
    assert not left_over(colour)


def test_c3_after_two_faults_it_is_left_alone_and_then_one_caller_tries(colour, clock, faults):
    f = colour.cached()
    f(0)
    faults.down()
    f(1), f(1)
    before = faults.tried["load"]
    for pause in (0.1, 0.2, 0.4, 0.8, 1.0, 1.0):
        f(1)
        clock.advance(pause * 0.99)
        f(1)
        assert faults.tried["load"] == before
        clock.advance(pause * 0.02)
        f(1), f(1)
        before += 1
        assert faults.tried["load"] == before


def test_c3_when_it_is_back_caching_resumes(colour, clock, faults, caplog):
    caplog.set_level(logging.INFO, "cachu")
    f = colour.cached()
    f(0)
    faults.down()
    f(1), f(1)
    faults.up()
    f(1)
    clock.advance(0.11)
    runs = f.runs
    assert f(1) == f(1) == [1, runs + 1]
    assert f(0) == [0, 1]
    assert len(told(caplog)) == 1
    (line,) = told(caplog, logging.INFO)
    assert "can be read again" in line


@pytest.mark.parametrize("length", [1, 2], ids=["single faults", "outages"])
def test_c3_one_that_comes_and_goes_is_told_of_once_a_minute(colour, clock, faults, caplog, length):
    caplog.set_level(logging.INFO, "cachu")
    f = colour.cached()
    f(0)

    def flap(seconds):
        for _ in range(round(seconds / 2)):
            faults.down("load")
            assert [f(0)[0] for _ in range(length)] == [0] * length
            faults.up()
            clock.advance(2)
            assert f(0)[0] == 0

    flap(60)
    assert [len(told(caplog)), len(told(caplog, logging.INFO))] == [1, 1]
    assert "since the last" not in told(caplog)[0]
    counted = f.info().faults
    flap(60)
    assert [len(told(caplog)), len(told(caplog, logging.INFO))] == [2, 2]
    assert f", as {counted - 1} were since the last such line" in told(caplog)[1]
    faults.error = EOFError  # of another kind
    flap(60)
    kinds = [line for line in told(caplog) if "EOFError" in line]
    assert [len(kinds), len(told(caplog))] == [1, 3]


def test_c3_an_outage_that_outlasts_the_minute_of_another_is_told_of(colour, clock, faults, caplog):
    f = colour.cached()
    f(0)
    for _ in range(2):
        faults.down()
        f(1), f(1)
        faults.up()
        clock.advance(0.11)
        f(0)
    assert len(told(caplog)) == 1
    faults.down()
    f(1), f(1)
    clock.advance(58)
    f(1)
    assert len(told(caplog)) == 1
    for _ in range(10):
        clock.advance(2)
        f(1)
    assert len(told(caplog)) == 2


def test_c3_short_outages_that_were_not_told_of_are_once_they_stop(colour, clock, faults, caplog):
    """Within the minute of another they add no lines; but they must not be lost."""
    f = colour.cached()
    f(0)

    def outage():
        faults.down("load")
        f(0), f(0)
        faults.up()
        clock.advance(0.11)
        assert f(0) == [0, 1]

    outage()
    before = f.info().faults
    for _ in range(3):
        clock.advance(10)
        outage()
    more = f.info().faults - before
    clock.advance(58)
    f(0)
    assert len(told(caplog)) == 1
    clock.advance(2)
    f(0), f(0)
    assert len(told(caplog)) == 2
    assert f"{more + 1} more faults" in told(caplog)[1]
    clock.advance(61)
    f(0)
    outage()
    assert len(told(caplog)) == 3
    assert "since the last" not in told(caplog)[2]


def test_c3_fail_open_false_raises_from_the_cause(colour, clock, faults):
    colour.configure(fail_open=False)
    f = colour.cached()
    f(0)
    faults.down()
    tried = faults.tried["load"]
    for _ in range(5):  # the last three without being tried
        with pytest.raises(BackendError, match="the disk is gone") as caught:
            f(1)
        assert isinstance(caught.value.__cause__, OSError)
    assert f.runs == 1
    assert faults.tried["load"] == tried + 2
    faults.up()
    clock.advance(0.11)
    assert f(1) == [1, 2]
    assert not left_over(colour)


def test_o_fail_open_is_an_option_of_the_decorator(colour, faults):
    f, g = colour.cached(fail_open=False), colour.cached()
    f(0), g(0)
    faults.down()
    with pytest.raises(BackendError):
        f(1)
    assert g(1) == [1, 2]


@pytest.mark.parametrize("operation", ["store", "begin", "commit", "get_or_create"])
def test_c3_a_fault_while_storing_costs_no_result_and_no_second_run(
    colour, clock, faults, operation
):
    f = colour.cached()
    f(0)
    faults.down(operation, "abandon")
    tried = faults.tried[operation]
    assert f(1) == [1, 2]
    if faults.tried[operation] == tried:
        pytest.skip(f"the {colour.backend_name} backend does not {operation}")
    assert f(1) == [1, 3]
    assert f.info().faults == 2
    assert not left_over(colour) or operation == "commit"  # where abandon failed, too
    faults.up()
    clock.advance(0.11)
    if operation == "commit":
        f.invalidate(1)  # which fences off what the store believes to be under way
    assert f(1) == f(1) == [1, 4]
    assert not left_over(colour)


def test_c3_a_commit_that_fails_abandons_its_lease(colour, faults):
    f = colour.cached()
    f(0)
    faults.down("commit")
    assert f(1) == [1, 2]
    assert not left_over(colour)


@pytest.mark.parametrize("cachu_backend", ["bad-lease"])
def test_c3_leases_that_are_handed_out_prove_nothing(colour, clock, faults, caplog):
    """A full disk still has locks to give."""
    caplog.set_level(logging.INFO, "cachu")
    f = colour.cached()
    f(0)
    faults.down("commit")
    f(1), f(2)
    tried = faults.tried["begin"]
    f(3), f(4)
    assert faults.tried["begin"] == tried
    clock.advance(0.11)
    f(5), f(6)
    assert faults.tried["begin"] == tried + 1
    assert len(caplog.records) == 1
    faults.up()
    clock.advance(0.21)
    assert f(7) == f(7)
    assert len(caplog.records) == 2
    assert not left_over(colour)


def test_c3_reads_go_on_while_nothing_can_be_written(colour, clock, faults, caplog):
    f = colour.cached()
    f(0)
    faults.down("store", "begin", "commit", "delete", "get_or_create")
    for _ in range(10):
        assert f(0) == [0, 1]
        f(1)
    writes = sum(faults.tried[name] for name in ("begin", "get_or_create", "store"))
    f(2)
    assert sum(faults.tried[name] for name in ("begin", "get_or_create", "store")) == writes
    assert f(0) == [0, 1]
    (line,) = told(caplog)
    assert "cannot be written" in line


def test_c3_what_reads_from_outside_finds_nothing(colour, faults):
    f = colour.cached()
    f.set("value", 1)
    faults.down()
    with pytest.raises(KeyError):
        f.get(1)
    assert colour.call("cache_get", f, 1, default="default") == "default"
    assert f.info().currsize == -1
    assert f.info().faults == 4
    assert f.runs == 0


def test_c3_a_set_that_fails_leaves_nothing_out_of_date(colour, faults):
    f = colour.cached()
    f.set("old", 1)
    faults.down("store")
    f.set("new", 1)
    assert colour.call("cache_get", f, 1, default="gone") == "gone"
    assert f.info().faults == 1


@pytest.mark.parametrize("fail_open", [True, False])
def test_c3_a_set_raises_if_what_is_out_of_date_may_be_left(colour, faults, fail_open):
    f = colour.cached(fail_open=fail_open)
    f.set("old", 1)
    faults.down("store", "delete")
    with pytest.raises(BackendError, match="the disk is gone"):
        f.set("new", 1)
    assert f.info().faults == 1
    faults.up()
    assert f.get(1) == "old"


def test_c3_an_overwriting_call_that_fails_leaves_nothing_out_of_date(colour, faults):
    f = colour.cached()
    assert f(1) == [1, 1]
    faults.down("store", "commit", "get_or_create")
    assert f(1, _overwrite_cache=True) == [1, 2]
    faults.up()
    assert f(1) == [1, 3]


@pytest.mark.parametrize("down", [False, True], ids=["failing", "left alone"])
def test_c3_nobody_is_to_believe_that_something_is_gone(colour, clock, faults, down):
    f = colour.cached()
    f.set("value", 1)
    faults.down()
    if down:
        for _ in range(2):
            with pytest.raises(BackendError):
                f.invalidate(1)
    changes = [
        lambda: f.invalidate(1),
        lambda: colour.call("cache_delete", f, 1),
        colour.clear,
    ]
    for change in changes:
        with pytest.raises(BackendError, match="the disk is gone") as caught:
            change()
        assert isinstance(caught.value.__cause__, OSError)
    faults.up()
    clock.advance(2)
    assert f.get(1) == "value"


def test_c3_direct_access_raises(colour, faults):
    if colour.backend_name == "bad-whole":
        pytest.skip("a Backend of a plugin is reached as it is")
    backend = colour.get_backend()
    backend.set("own", 1)
    faults.down()
    operations = [
        lambda: backend.get("own", None),
        lambda: backend.set("own", 2),
        lambda: backend.delete("own"),
        backend.clear,
        backend.count,
    ]
    for operation in operations:
        with pytest.raises(BackendError, match="the disk is gone") as caught:
            operation()
        assert isinstance(caught.value.__cause__, OSError)


def test_c3_c1_a_crowd_runs_the_function_twice_though_nothing_can_be_kept(colour, clock, faults):
    """The first run is for who called before it began, the second for all who came meanwhile."""
    crowded = lambda: f.runs > 1 or waiting() >= colour.crowd - 1  # noqa: E731
    f = colour.cached(lambda x: colour.hold(crowded, [x]))
    colour.cached()(0)
    faults.down()
    values = colour.together(f, colour.crowd)
    assert values == [[1]] * colour.crowd
    assert f.runs == 2
    assert len({id(value) for value in values}) == colour.crowd  # as if each had been stored
    assert not left_over(colour)


@pytest.mark.parametrize("down", [("store", "commit", "get_or_create"), OPERATIONS])
def test_s8_c3_a_crowd_takes_nothing_over_that_another_host_cleared(both, clock, faults, down):
    """Whoever calls after the clear must not be given what was made before."""
    colour, gate = both.asynchronous, Event()
    truth = ["before the clear"]

    def body(x):
        made = truth[0]
        return colour.hold(gate.is_set, made)

    f = colour.cached(body)
    colour.cached()(0)

    async def scenario():
        leader = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: f.runs == 1)
        truth[0] = "after the clear"
        waiters = [asyncio.create_task(f.raw(1)) for _ in range(5)]
        await colour.hold(lambda: waiting() >= 5)
        gate.set()
        return await asyncio.gather(leader, *waiters)

    faults.down(*down)
    assert colour.lift(scenario()) == ["before the clear", *["after the clear"] * 5]
    assert f.runs == 2
    assert not left_over(colour)


def test_c3_a_crowd_takes_nothing_over_that_was_deleted_meanwhile(both, clock, faults):
    colour, gate = both.asynchronous, Event()
    f = colour.cached(lambda x: colour.hold(gate.is_set, x) if f.runs == 1 else -x)
    colour.cached()(0)

    async def scenario():
        leader = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: f.runs == 1)
        waiter = asyncio.create_task(f.raw(1))
        await colour.hold(lambda: waiting() >= 1)
        with pytest.raises(BackendError):
            await f.raw.invalidate(1)
        gate.set()
        return await asyncio.gather(leader, waiter)

    faults.down()
    assert colour.lift(scenario()) == [1, -1]
    assert not left_over(colour)


def test_c3_interruptions_are_no_faults(colour, faults, caplog):
    class Interruption(BaseException):
        pass

    f = colour.cached()
    f(0)
    faults.error = Interruption
    faults.down()
    with pytest.raises(Interruption):
        colour.start(f, 1).result()
    faults.up()
    assert f.info().faults == 0
    assert not told(caplog)
    assert not left_over(colour)
    assert f(1) == f(1)


def test_what_the_configuration_gets_wrong_is_no_fault(colour, faults, caplog):
    f = colour.cached()
    f(0)
    faults.error = ConfigurationError
    faults.down()
    for _ in range(3):
        with pytest.raises(ConfigurationError, match="the disk is gone"):
            f(1)
    faults.up()
    assert f(1) == f(1) == [1, 2]
    assert f.info().faults == 0
    assert not told(caplog)


class NodeError(OSError):
    """What a plugin raises when one node of several has failed."""

    partial = True


def test_c3_one_node_that_fails_leaves_the_others_in_use(colour, clock, faults, caplog):
    f, strict = colour.cached(), colour.cached(fail_open=False)
    f(0), strict(0)
    faults.error = NodeError
    faults.down("load")
    tried = faults.tried["load"]
    for call in range(1, 6):
        f(1)
        with pytest.raises(BackendError, match="the disk is gone"):
            strict(1)
        assert faults.tried["load"] >= tried + 2 * call
    assert f.info().faults == strict.info().faults == 5
    assert len(told(caplog)) == 1
    assert not left_over(colour)


def test_c3_one_node_that_fails_neither_opens_nor_closes_the_breaker(colour, clock, faults):
    f = colour.cached(fail_open=False)
    f(0)

    def fail(error):
        faults.error, tried = error, faults.tried["load"]
        with pytest.raises(BackendError):
            f(1)
        return faults.tried["load"] > tried

    faults.down("load")
    assert fail(OSError)
    assert fail(NodeError)
    assert fail(OSError)  # the second that counts
    assert not fail(NodeError)
    clock.advance(0.11)
    assert fail(NodeError)  # the one that tries
    assert not fail(NodeError)


def test_the_guard_is_the_packages(colour, clock, faults):
    """Two regions have one breaker, another package has its own."""
    f, g = colour.cached(ttl=60), colour.cached(ttl=90)
    other = colour.beside()
    h = other.cached()
    f(0), g(0), h(0)
    faults.down()
    f(1), f(1)
    tried = faults.tried["load"]
    g(1)
    assert faults.tried["load"] == tried
    h(1)
    assert faults.tried["load"] == tried + 1
    faults.up()
    other.close()


def test_a_store_that_is_gone_keeps_nothing_of_its_callers_alive(both, clock, faults):
    class Local:
        """Something that a caller has at hand."""

    def call(f):
        local = Local()
        f(1)
        return ref(local)

    colour = both.plain
    f = colour.cached()
    f(0)
    faults.down()
    locals_ = [call(f) for _ in range(3)]
    gc.collect()
    assert [local() for local in locals_] == [None] * 3


def test_faults_now_and_then_do_not_fill_the_log(colour, clock, faults, caplog):
    f = colour.cached()
    f(0)
    for _ in range(20):
        faults.down("load")
        f(0)
        faults.up()
        f(0)
        clock.advance(1)
    assert f.info().faults == 20
    assert len(told(caplog)) == 1
    clock.advance(60)
    faults.down("load")
    f(0)
    assert len(told(caplog)) == 2


def test_a_clock_that_is_set_back_keeps_nobody_waiting(colour, clock, faults):
    f = colour.cached()
    f(0)
    faults.down()
    f(1), f(1)
    faults.up()
    clock.set(clock.now - 3600)
    assert f(2) == f(2)


def test_one_that_tries_and_never_ends_keeps_nobody_waiting(both, clock, faults):
    colour = both.asynchronous
    f = colour.cached()
    f(0)
    faults.down()
    f(1), f(1)
    clock.advance(0.11)
    faults.error = asyncio.CancelledError
    with pytest.raises(asyncio.CancelledError):
        colour.lift(f.raw(1))
    faults.up()
    tried = faults.tried["load"]
    f(1)
    assert faults.tried["load"] == tried
    clock.advance(1)
    assert f(1) == f(1)


def test_the_error_of_the_function_matters_more(colour, faults):
    def body(x):
        raise ZeroDivisionError

    f = colour.cached(body, fail_open=False)
    colour.cached()(0)
    faults.down("abandon", "store", "commit")
    with pytest.raises(ZeroDivisionError):
        f(1)


def test_what_cannot_be_read_or_deleted_is_a_miss(colour, clock, faults):
    if colour.backend_name == "bad-whole":
        pytest.skip("it keeps no bytes")
    f = colour.cached()
    f(1)
    rows = cachu.plugin_manager.present[colour.backend_name].of(colour.package).rows
    rows[f.key(1)] = (b"garbage", *rows[f.key(1)][1:])
    faults.down("delete")
    assert not f.holds(1)
    assert f(1) == [1, 2]
    faults.up()
    clock.advance(0.11)
    assert f(1) == f(1) == [1, 3]


class BadLocks:
    """Locks that fail when they are taken, or when they are given back."""

    def __init__(self, taking):
        self.taking = taking

    def mutex(self, key):
        return BadLock(self.taking)

    def async_lock(self, key):
        return BadLock(self.taking)


class BadLock:
    def __init__(self, taking):
        self.taking = taking

    def acquire(self, wait=True):
        self._fail_if(self.taking)
        return True

    def release(self):
        self._fail_if(not self.taking)

    async def __aenter__(self):
        self.acquire()

    async def __aexit__(self, *error):
        self.release()

    def _fail_if(self, failing):
        if failing:
            message = "the lock is gone"
            raise OSError(message)


@pytest.mark.parametrize("taking", [True, False], ids=["taking", "giving back"])
def test_c3_a_lock_that_fails_is_a_fault_too(colour, clock, taking):
    if colour.backend_name in {"bad-lease", "bad-whole"}:
        pytest.skip("it takes no locks")
    f = colour.cached(lock=BadLocks(taking))
    assert f(1) == [1, 1]
    assert f(1) == ([1, 2] if taking else [1, 1])
    assert f.info().faults > 0
    assert not left_over(colour)
    strict = colour.cached(lock=BadLocks(taking), fail_open=False)
    clock.advance(2)
    with pytest.raises(BackendError, match="the lock is gone"):
        strict(1)


class Opening(shelves.StorePlugin):
    """Makes stores that fail when they are made."""

    @shelves.hookimpl
    def cachu_make_backend(self, name, region):
        if name == self.name:
            FAULTS.touch("open")
            return self.make(self.shelf(region), self.rack)
        return None


shelves.register(Opening("opening", shelves.FullStore))


@pytest.mark.parametrize("cachu_backend", ["opening"])
def test_c3_a_store_that_cannot_even_be_made(colour, clock, faults, caplog):
    f, g = colour.cached(), colour.cached(fail_open=False, ttl=60)
    cachu.clear_backends()
    faults.down("open")
    for run in range(1, 6):
        assert f(1) == [1, run]
    assert faults.tried["open"] == 2
    with pytest.raises(BackendError, match="the disk is gone"):
        g(1)
    with pytest.raises(BackendError, match="the disk is gone"):
        colour.clear()
    assert f.info().currsize == -1
    assert len(told(caplog)) == 1
    faults.up()
    clock.advance(0.11)
    assert f(1) == f(1) == [1, 6]
    assert g(1) == g(1) == [1, 1]


class Down(AsyncStore):
    async def load(self, key, tag=None):
        raise ConnectionError("down")

    async def store(self, key, data, ttl, tag=""):
        raise ConnectionError("down")

    async def delete(self, key):
        raise ConnectionError("down")


class DownPlugin:
    @hookimpl
    def cachu_make_async_backend(self, name, region):
        return Down() if name == "down" else None


@pytest.fixture
async def down():
    """The backend "down", which no later clear of everything finds and asks."""
    plugins.register(DownPlugin(), "down")
    yield
    await cachu.clear_async_backends()
    plugins.unregister("down")


async def test_c3_what_is_handed_over_is_what_the_function_returned(down):
    """C3, V2: not what its first caller has made of it since."""

    started = asyncio.Event()

    @cachu.cache(backend="down", package="handed_over")
    async def rows():
        await started.wait()
        return [1, 2]

    async def first():
        found = await rows()
        found.append("mine")

    async def other():
        return await rows()

    leading = asyncio.create_task(first())
    others = [asyncio.create_task(other()) for _ in range(5)]
    await asyncio.sleep(0)
    started.set()
    await leading
    assert await asyncio.gather(*others) == [[1, 2]] * 5


async def test_c3_a_long_outage_keeps_nothing_of_what_was_handed_over(down):
    """C3: though a task that once ran the function is still there, and knows that it did."""
    copies = WeakSet()

    class Row:
        def __deepcopy__(self, memo):
            copy = Row()
            copies.add(copy)
            return copy

    runs, begun, go = [], asyncio.Event(), asyncio.Event()

    @cachu.cache(backend="down", package="handed_over")
    async def row():
        runs.append(None)
        begun.set()
        await go.wait()
        go.clear()
        return Row()

    async def stay():
        await row()
        await asyncio.Event().wait()

    tasks = [asyncio.create_task(stay())]
    for _ in range(20):
        await begun.wait()
        begun.clear()
        # Too late for the run that has begun, so it makes the next one.
        tasks.append(asyncio.create_task(row()))
        await asyncio.sleep(0)
        go.set()
    await begun.wait()
    go.set()
    await asyncio.gather(*tasks[1:])
    staying, *others = tasks
    del tasks, others
    await asyncio.sleep(0)  # the loop lets go of them, too
    gc.collect()
    assert len(runs) == 21
    assert len(copies) <= 2
    staying.cancel()
