"""A process that goes on as another user leaves the cache of the first one alone (C5)."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
OTHER = 12345

# Everything is imported before the change: the other user may not read this installation.
_SCRIPT = """
colour, how = sys.argv[3:5]
cachu.configure(package=package, backend="file", file_dir=root)
decorate = cachu.async_cache if colour == "async" else cachu.cache

if colour == "async":
    loop = asyncio.new_event_loop()

    @cachu.async_cache(package=package, name="f")
    async def g(x):
        return os.geteuid()

    def f(x):
        return loop.run_until_complete(g(x))
else:
    @cachu.cache(package=package, name="f")
    def f(x):
        return os.geteuid()

assert f(1) == 0
assert f(1) == 0
getattr(os, how)(12345)
answers = [f(1), f(2), f(2)]
if colour == "async":
    loop.run_until_complete(cachu.clear_async_backends())
    loop.close()
cachu.clear_backends()
say(*answers)
"""


@pytest.fixture
def everybodys(shelf):
    """A directory in which everybody may make one of his own, as /tmp."""
    shelf.root = Path(tempfile.mkdtemp(prefix="cachu-users-"))
    shelf.root.chmod(0o1777)
    yield shelf.root
    shutil.rmtree(shelf.root)


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
@pytest.mark.parametrize("colour", ["sync", "async"])
@pytest.mark.parametrize("how", ["setuid", "seteuid"])
def test_c5_a_process_that_drops_its_privileges_makes_a_cache_of_its_own(
    shelf, everybodys, colour, how
):
    answers = shelf.run(_SCRIPT, colour, how).split()
    assert answers[1:] == [str(OTHER)] * 2
    assert answers[0] in ("0", str(OTHER))  # what it has read already may be used for a second
    made = {path.name: path.stat().st_uid for path in everybodys.iterdir()}
    assert made == {"cachu-0": 0, f"cachu-{OTHER}": OTHER}
    for path in everybodys.rglob("*"):
        assert path.stat().st_uid == made[path.relative_to(everybodys).parts[0]]
    databases = sorted(everybodys.glob("*/*.db"))
    assert len(databases) == 2
