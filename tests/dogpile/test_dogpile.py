"""Backends of dogpile.cache behind `backend="dogpile.cache.NAME"`: names, arguments, engines."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import memcached
import pymemcache
import pytest
from dogpile.cache import register_backend
from dogpile.cache.api import NO_VALUE, BytesBackend

import cachu
from cachu import ConfigurationError, UnknownPluginError
from cachu.backends import Capability
from cachu.testing.suite.colours import wait_until

NAMES = {"dogpile.cache.dbm": {"filename": "cache"}, "dogpile.cache.pymemcache": {"url": "here"}}


@pytest.fixture
def server():
    return memcached.shared()


@pytest.fixture
def package(request):
    name = f"dogpile_{request.node.name}"
    yield name
    cachu.configure(cachu.DEFAULT, package=name, dogpile_arguments=cachu.DEFAULT)
    cachu.clear_backends()


def use(package, name, **arguments):
    return cachu.configure(f"dogpile.cache.{name}", package=package, dogpile_arguments=arguments)


def sockets() -> int:
    links = list(Path("/proc/self/fd").iterdir())
    return sum(link.is_symlink() and "socket:" in str(link.readlink()) for link in links)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("dogpile.cache.pymemcach", r"Did you mean 'dogpile.cache.pymemcache'\? There are: .*dbm"),
        ("dogpile.cache.pylibmc", "needs pylibmc, which is not installed.*pip install pylibmc"),
        ("dogpile.cache.memcached", "pip install python-memcached"),
        ("dogpile", "stands for many backends.*backend='dogpile.cache.dbm'"),
        ("dogpile.nobody.knows", "no backend called 'nobody.knows'"),
        ("memory.fast", "No cachu plugin is called 'memory.fast'"),
        ("file.fast", "No cachu plugin is called 'file.fast'"),
        ("dogpil.cache.dbm", "No cachu plugin is called 'dogpil.cache.dbm'"),
    ],
)
def test_s6_a_name_that_leads_nowhere(package, name, says):
    with pytest.raises(UnknownPluginError, match=says):
        cachu.configure(name, package=package)
    assert cachu.get_config(package).backend == "memory"

    @cachu.cache(backend=name, package=package)
    def f():
        return 1

    with pytest.raises(UnknownPluginError, match=says):
        f()


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("dbm", {}, "dogpile.cache.dbm needs dogpile_arguments={'filename': ...}"),
        ("pymemcache", {"server": "x"}, "dogpile_arguments={'url': ...}"),
        ("pymemcache", {"url": "x", "memcached_expire_time": 9}, "leave it out and use @cache"),
        ("pymemcache", {"url": "x", "distributed_lock": True}, "needs 'lock_timeout'"),
        ("dbm", "cache", "dogpile_arguments must be dict"),
    ],
)
def test_s6_arguments_are_checked_when_they_are_configured(package, name, arguments, says):
    with pytest.raises(ConfigurationError, match="(?s)" + says.replace("{", r"\{")):
        cachu.configure(f"dogpile.cache.{name}", package=package, dogpile_arguments=arguments)
    assert cachu.get_config(package) == cachu.Config(package)


def test_s6_the_arguments_may_come_before_the_backend(package, tmp_path):
    cachu.configure(package=package, dogpile_arguments={"filename": str(tmp_path / "dbm")})
    cachu.configure("dogpile.cache.dbm", package=package)
    cachu.get_backend(package=package).set("own", 1)
    assert cachu.get_backend(package=package).get("own") == 1


def test_arguments_of_several_backends_are_told_apart_by_name(package, tmp_path, server):
    cachu.configure(
        package=package,
        dogpile_arguments={
            "dogpile.cache.dbm": {"filename": str(tmp_path / "dbm")},
            "dogpile.cache.pymemcache": {"url": server.url},
        },
    )
    for name in ("dogpile.cache.dbm", "dogpile.cache.pymemcache"):
        cachu.get_backend(name, package=package).set("own", name)
    assert cachu.get_backend("dogpile.cache.dbm", package=package).get("own").endswith("dbm")
    assert list(tmp_path.iterdir())
    assert cachu.cache_clear(package=package) == -1
    assert cachu.get_backend("dogpile.cache.pymemcache", package=package).get("own", 0) == 0


def test_other_arguments_are_another_cache(package, tmp_path):
    for name in "ab":
        use(package, "dbm", filename=str(tmp_path / name))
        assert cachu.get_backend(package=package).get("own", None) is None
        cachu.get_backend(package=package).set("own", name)
    use(package, "dbm", filename=str(tmp_path / "a"))
    assert cachu.get_backend(package=package).get("own") == "a"


class Drawer(BytesBackend):
    """A third party's: the few methods that dogpile.cache asks for."""

    rows: ClassVar[dict[str, bytes]] = {}

    def __init__(self, arguments):
        assert arguments == {"size": 3}

    def get_serialized(self, key):
        return self.rows.get(key, NO_VALUE)

    def set_serialized(self, key, value):
        self.rows[key] = value

    def delete(self, key):
        self.rows.pop(key, None)


@pytest.mark.parametrize("registered", ["dogpile.cache.drawer", "oslo_like.drawer"])
def test_a_third_partys_backend_is_reached(package, registered, monkeypatch):
    module = ModuleType("somebody_elses")
    module.Drawer = Drawer
    monkeypatch.setitem(sys.modules, "somebody_elses", module)
    register_backend(registered, "somebody_elses", "Drawer")
    name = registered if registered.startswith("dogpile.") else f"dogpile.{registered}"
    cachu.configure(name, package=package, dogpile_arguments={"size": 3})
    runs = []

    @cachu.cache(ttl=60, tag="t", package=package)
    def f(x):
        runs.append(x)
        return [x]

    assert f(1) == f(1) == [1]
    assert all(key.startswith("cachu:") for key in Drawer.rows)
    backend = cachu.get_backend(package=package)
    assert Capability.BATCH not in backend.capabilities
    assert cachu.cache_clear(tag="t", backend=name, package=package) == -1
    assert f(1) == [1]
    assert runs == [1, 1]


def test_s8_memcached_gets_keys_that_it_takes_and_times_to_live(package, server):
    server.ask("flush_all", "OK")
    use(package, "pymemcache", url=server.url)
    backend = cachu.get_backend(ttl=60, package=package)
    hostile = ["plain", "with space", "new\nline", "\x00", "é", "\ud800", "x" * 300, "x" * 10**6]
    for key in hostile:
        backend.set(key, key)
    backend.set("ever", 1, ttl=None)
    assert [backend.get(key) for key in hostile] == hostile
    assert backend.get("ever") == 1
    keys = server.times()
    assert all(key.startswith("cachu:") and len(key) <= 250 for key in keys)
    assert any(key.endswith(":plain") for key in keys)
    # All but "ever", the token that it depends on, and the record of a region that lasts.
    assert sum(expires == -1 for expires in keys.values()) <= 3
    assert sum(expires != -1 for expires in keys.values()) >= len(hostile)


def test_v3_a_pickle_that_somebody_planted_is_not_loaded(package, server, caplog):
    use(package, "pymemcache", url=server.url)
    backend = cachu.get_backend(ttl=60, package=package)
    backend.set("own", 1)
    found = (key for key in server.times() if f":{package}:" in key and key.endswith(":own"))
    (key,) = (key for key in found if "cachu!" not in key)
    client = pymemcache.Client(server.url, serde=pymemcache.serde.pickle_serde)
    client.set(key, Planted(), noreply=False)
    client.close()
    assert backend.get("own", None) is None
    assert Planted.loaded == []
    assert "was not used" in caplog.text


class Planted:
    loaded: ClassVar[list[int]] = []

    def __reduce__(self):
        return Planted.loaded.append, (1,)


def test_c3_memcached_may_go(package, caplog):
    server = memcached.Memcached()
    use(package, "pymemcache", url=server.url)

    @cachu.cache(ttl=60, package=package)
    def f(x):
        return [x]

    assert f(1) == f(1) == [1]
    server.stop()
    assert [f(1) for _ in range(20)] == [[1]] * 20
    assert f.info().faults > 0
    assert len(caplog.records) == 1
    with pytest.raises(cachu.BackendError):
        f.invalidate(1)
    server.stop()


def test_c4_nothing_stays_open(package, server):
    gc.collect()  # what earlier tests have left
    before = sockets()
    use(package, "pymemcache", url=server.url)
    backend = cachu.get_backend(package=package)
    backend.set("own", 1)  # from here on there is the region
    threads = [threading.Thread(target=backend.set, args=(f"own {n}", n)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_until(lambda: sockets() == before + 1)  # those of the threads that ended are closed
    cachu.clear_backends()
    assert sockets() == before
    assert cachu.get_backend(package=package).get("own 3") == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_c4_a_forked_child_talks_over_a_connection_of_its_own(package, server):
    use(package, "pymemcache", url=server.url)
    backend = cachu.get_backend(package=package)
    backend.set("own", 0)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            for n in range(200):
                backend.set(f"child {n}", n)
                assert backend.get(f"child {n}") == n
            status = 0
        finally:
            os._exit(status)
    for n in range(200):
        backend.set(f"parent {n}", n)
        assert backend.get(f"parent {n}") == n
    assert os.waitpid(child, 0)[1] == 0
    assert backend.get("child 7") == 7


ELSEWHERE = """
import sys, pickle, cachu
package, options, code = pickle.loads(bytes.fromhex(sys.argv[1]))
cachu.configure(package=package, **options)
exec(code)
cachu.clear_backends()
"""


def elsewhere(package, code, **options):
    """Run *code* in another process, with the package configured as here."""
    told = pickle.dumps((package, options, code)).hex()
    command = [sys.executable, "-c", ELSEWHERE, told]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("name", ["dbm", "pymemcache"])
def test_s3_a_clear_from_a_process_that_never_called_the_function(package, name, tmp_path, server):
    own = {"filename": str(tmp_path / "dbm")} if name == "dbm" else {"url": server.url}
    config = use(package, name, **own)

    @cachu.cache(ttl=77, tag="t", package=package)
    def f(x):
        return [x]

    f(1)
    code = f"print(cachu.cache_clear(tag='t', package={package!r}))"
    done = elsewhere(package, code, backend=config.backend, dogpile_arguments=own)
    assert done.communicate(timeout=30) == ("-1\n", None)
    with pytest.raises(KeyError):
        f.get(1)


COMPUTE = """
import time
@cachu.cache(ttl=60, name="shared", package=package)
def f(x):
    print("ran", flush=True)
    time.sleep(0.3)
    return x
@cachu.cache(ttl=60, name="shared", package=package)
async def g(x):
    print("ran", flush=True)
    time.sleep(0.3)
    return x
import asyncio
assert (f(1) if {plain} else asyncio.run(g(1))) == 1
"""


def test_c1_locks_of_memcached_let_one_process_compute(package, server):
    arguments = {"url": server.url, "distributed_lock": True, "lock_timeout": 20}
    options = {"backend": "dogpile.cache.pymemcache", "dogpile_arguments": arguments}
    cachu.configure(package=package, **options)
    cachu.get_backend(ttl=60, package=package).set("own", 1)  # from here on there is the region
    started = [
        elsewhere(package, COMPUTE.format(plain=number % 2), **options) for number in range(4)
    ]
    said = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4
    assert "".join(said) == "ran\n"
    assert all(key.startswith("cachu:") for key in server.times())


def test_nothing_of_dogpile_is_imported_before_one_is_named():
    code = (
        "import sys, cachu\n"
        "cachu.configure(backend='memory', dogpile_arguments={'url': 'x'})\n"
        "cachu.cache(lambda x: x)(1)\n"
        "print('dogpile.cache' in sys.modules, 'cachu.backends.dogpile_store' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_s3_a_clear_of_everything_minds_whose_arguments_those_are(package, tmp_path):
    """Another package has no arguments for it, and nothing there."""
    use(package, "dbm", filename=str(tmp_path / "dbm"))
    backend = cachu.get_backend(package=package)
    backend.set("own", 1)
    assert cachu.cache_clear(package=f"{package}_beside") == 0
    assert backend.get("own") == 1
    assert cachu.cache_clear(package=package) == -1
    assert backend.get("own", None) is None
    backend.set("own", 2)
    assert cachu.cache_clear(backend="dogpile.cache.dbm", package="*") == -1
    assert backend.get("own", None) is None
