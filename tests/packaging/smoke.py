"""Run by the Python of a fresh environment, outside the tree, with what should be installed.

python smoke.py '{"cachu-core": "cachu", ...}' '["memory", "null", ...]'
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from importlib import import_module
from importlib.metadata import distribution, distributions, entry_points
from pathlib import Path

import cachu

packages, plugins = json.loads(sys.argv[1]), json.loads(sys.argv[2])
runs = []


@cachu.cache(ttl=300)
def double(number: int) -> int:
    runs.append(number)
    return 2 * number


@cachu.async_cache(ttl=300)
async def triple(number: int) -> int:
    runs.append(number)
    return 3 * number


async def twice() -> tuple[int, int]:
    return await triple(2), await triple(2)


assert (double(1), double(1)) == (2, 2)
assert asyncio.run(twice()) == (6, 6)
assert runs == [1, 2]
cachu.clear_backends()

installed = {d.metadata["Name"] for d in distributions() if d.metadata["Name"].startswith("cachu")}
assert installed == packages.keys(), installed
for name, module in packages.items():
    files = [str(file) for file in distribution(name).files or ()]
    assert any("dist-info" in file and file.endswith("LICENSE") for file in files), name
    assert distribution(name).version == cachu.__version__
    if module:
        assert Path(import_module(module).__file__ or "").with_name("py.typed").is_file(), module
        files = [file for file in files if ".dist-info" not in file and "__pycache__" not in file]
        files = [file for file in files if not file.endswith(("/bin/cachu", "/cachu.exe"))]
        roots = {file.partition("/")[0] for file in files}
        # Beside it, what stands guard over it, and what pytest loads.
        assert roots - {"cachu.py", "pytest_cachu"} == {module}, files

found = {each.name: each.load() for each in entry_points(group="cachu")}
assert found.keys() == set(plugins), found
assert importlib.util.find_spec("tests") is None
print("as it should be")
