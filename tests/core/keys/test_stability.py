"""Canonical bytes are the same in every process and version, whatever the hash seed (K3, K4)."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

from cachu.keys import canonical

SAMPLE = """
import collections, dataclasses, datetime, decimal, enum, fractions, functools, ipaddress, math
import pathlib, re, typing, uuid, zoneinfo

class Color(enum.Enum):
    RED = 1
    BLUE = 2

class Right(enum.Flag):
    READ = 1
    WRITE = 2

class Pair(typing.NamedTuple):
    x: object
    y: object

@dataclasses.dataclass
class Point:
    x: object
    y: object = None

@dataclasses.dataclass(init=False)
class Sealed:
    __slots__ = ("x",)
    x: object
    def __init__(self, x):
        self.x = x

@dataclasses.dataclass
class Empty:
    pass

class Bare(tuple):
    __slots__ = ()

class Plain:
    def __init__(self, **attributes):
        vars(self).update(attributes)

class Slots:
    __slots__ = ("__private", "x")
    def __init__(self, x):
        self.x = self.__private = x

class Text(str):
    pass

class Names(set):
    pass

class Items(list):
    pass

class Keyed:
    def __cache_key__(self):
        return "key"

def function():
    pass

names = [f"name {number}" for number in range(20)]
day = datetime.datetime(2024, 10, 27, 2, 30, 1, 5)
est = datetime.timezone(datetime.timedelta(hours=-5), "EST")
zulu = datetime.timezone(datetime.timedelta(0), "Zulu")
late = Point(1)
late.noted = 2
del late.y
"""

GOLDEN = {
    "None": "d21d9178bf0911eb",
    "True": "5e1f6993fb941fa7",
    "False": "2bfcf2d97052c6b0",
    "0": "ac050f9fcf2d9f6b",
    "-1": "50fdc1c57615e90c",
    "7": "6acd22d01418fef3",
    "10**30": "c62b952dd6b8d236",
    "-(2**70)": "cb79aca306b6b2f5",
    "1.5": "9fae9f95638f6444",
    "-0.0": "f8ecdb7381d78372",
    "float('inf')": "f0954e56d32855d8",
    "float('nan')": "7b7c8ccc68a86448",
    "1.5-2j": "c58b7323a157d8b9",
    "'user:42'": "15db43486fbb5f82",
    "''": "250a665ca99db8f4",
    "'J\\xf6rg \\u20ac \\U0001f600'": "f39e1736b88842ee",
    "'\\ud800'": "6c31bcbab9abb4f2",
    "b'\\x00\\xff'": "919a5f0a0338ddde",
    "bytearray(b'abc')": "7f6af05938090410",
    "('user:42', 7, 20)": "5c98b6ca085d8f3e",
    "[1, [2.0, ['3']]]": "2bf89f0cd88d78d0",
    "set(names)": "960120f58434f613",
    "frozenset(names)": "f50d660ed32de2e8",
    "{name: {name} for name in names}": "d330bd6b23eb333d",
    "{1: 'a', '1': 'b', (1, True): None}": "f70adc139427b390",
    "Color.RED": "052b5872bc73b66c",
    "Right.READ | Right.WRITE": "fe01d9938e9647cd",
    "re.IGNORECASE | re.MULTILINE": "8b55e3be0da916fc",
    "day": "0d5552c521aa81ca",
    "day.replace(fold=1)": "4930c9614bf976f7",
    "day.replace(tzinfo=datetime.timezone.utc)": "9f10b869335da3e2",
    "day.replace(tzinfo=est)": "1f8af6e9997114c3",
    "day.replace(tzinfo=zoneinfo.ZoneInfo('UTC'))": "24affd58e0aa1311",
    "day.date()": "7d5e03f48f5f3ee2",
    "day.time()": "6a178d5283e2e2a3",
    "datetime.timedelta(days=-1, microseconds=3)": "e8bcb392644c7965",
    "decimal.Decimal('1.00')": "4e004c898cf47790",
    "decimal.Decimal('-NaN')": "f0131c4720762ae3",
    "fractions.Fraction(1, 3)": "1b41ccf60b67dc55",
    "uuid.UUID(int=2**100)": "966dab60687c3662",
    "pathlib.PurePosixPath('/srv/./data')": "2248d56c0324462a",
    "pathlib.PureWindowsPath('c:/data')": "67d538328ef470e4",
    "type(pathlib.PurePosixPath())": "71bb45af4c6a1432",
    "pathlib.PosixPath('a/b')": "2bd5bc55dda5e66c",
    "ipaddress.ip_address('::1')": "4099597711d7d3ab",
    "ipaddress.ip_network('10.0.0.0/8')": "544b90ef2b2fc24c",
    "range(1, 10, 3)": "fa3d5b2815e439b4",
    "slice(1, None)": "009455829aa8fcf7",
    "Ellipsis": "336e656ce4c28761",
    "NotImplemented": "1312adeba7ed2cba",
    "int": "3f4a1c743764d93c",
    "type(None)": "7cb2e2333bcf358f",
    "Point": "2d481cd767df4c3c",
    "function": "4e1a409e2e77cf1e",
    "len": "62d263a6a62b8b20",
    "math.sin": "754c4e9a2db4e419",
    "datetime.datetime.fromisoformat": "bd63981a4418cc72",
    "Plain().__init__": "85f69e4c8c913deb",
    "'abc'.upper": "3be36fec7e42e972",
    "str.upper": "897e222b2356567c",
    "functools.partial(function, 1, a={'x': 1, 'y': 2})": "55a2ec4412717b31",
    "re.compile('a+', re.IGNORECASE)": "48d3b5b3f276651c",
    "re.compile(b'a')": "00d8d3ede8b26b76",
    "collections.OrderedDict(b=1, a=2)": "5da22bdc9608e371",
    "collections.defaultdict(list, a=[1])": "a0296b2cb2e165ec",
    "collections.Counter('abracadabra')": "82af0fd5120cc4a8",
    "collections.deque([1, 2], 5)": "10a0e8a810d0b5c7",
    "collections.ChainMap({'a': 1}, {'b': 2})": "cd37e22e2f615414",
    "Point(1, {'b': 2, 'a': names})": "87845bcc87668cf8",
    "Pair(1, 'x')": "1d297e73cb669d24",
    "Plain(b=2, a=set(names))": "1ce4daff7e69b975",
    "Slots((1, 2))": "b50553de0442c10b",
    "Text('a')": "1f3cab6082442adc",
    "Names(names)": "dcbf76bd74fee52f",
    "Items([1])": "402cde2c5cd69dfd",
    "Keyed()": "43b9d468cfc24c28",
    "ValueError('bad', 1)": "c1a3beb473039158",
    "day.replace(tzinfo=zulu)": "3a5abfa05154dbde",
    "day.timetz().replace(tzinfo=est)": "6d5f40d061b76468",
    "day.time().replace(fold=1)": "e37c46b03188aba8",
    "est": "b7f0fc16b06833c4",
    "decimal.Decimal('-0.050')": "9bca48a752c29634",
    "decimal.Decimal('1E+30')": "b5b405954e7cdce4",
    "decimal.Decimal('-Infinity')": "cc163cd5c7ed6a1a",
    "Sealed(1)": "67543364cfe4cbb1",
    "Sealed((1, 'a'))": "8c9e67f08e784125",
    "Empty()": "ccd3595037ded9da",
    "late": "6a6f93d8a310434f",
    "Point(Point(1), {Color.RED: day})": "c83b0f50b3c432f4",
    "Bare((1, 2))": "ad579d4b7bd39c87",
    "{'a' * 65: 1}": "8bc06ce075dde557",
}

RUNNER = """
import hashlib, json, sys
import keys_sample
from cachu.keys.canonical import encode
json.dump([
    hashlib.blake2b(encode(eval(each, vars(keys_sample))), digest_size=8).hexdigest()
    for each in json.load(sys.stdin)
], sys.stdout)
"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """A directory with the module whose objects are encoded in other processes."""
    directory = tmp_path_factory.mktemp("sample")
    directory.joinpath("keys_sample.py").write_text(SAMPLE)
    return directory


def pythons():
    found = {sys.executable: pathlib.Path(sys.executable).name}
    root = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    for python in sorted(root.glob("versions/3.1[0-9].*/bin/python")):
        found[str(python)] = python.parent.parent.name
    return [pytest.param(path, id=name) for path, name in found.items()]


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
@pytest.mark.parametrize("python", pythons())
def test_k3_k4_bytes_are_the_same_in_every_process_and_version(python, seed, sample):
    source = pathlib.Path(canonical.__file__).parents[2]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(source), str(sample)]),
        "PYTHONHASHSEED": seed,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-c", RUNNER],
        input=json.dumps(list(GOLDEN)),
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert dict(zip(GOLDEN, json.loads(done.stdout), strict=True)) == GOLDEN
