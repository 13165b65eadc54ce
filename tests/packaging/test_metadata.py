"""What PyPI will say of the four distributions, and what is in them."""

from __future__ import annotations

import re
import tarfile
from email.parser import HeaderParser
from zipfile import ZipFile

import pytest
from venvs import ROOT

import cachu

NAMES = {
    "cachu": None,
    "cachu_core": "cachu",
    "cachu_file": "cachu_file",
    "cachu_redis": "cachu_redis",
}
PYTHONS = {"3.10", "3.11", "3.12", "3.13", "3.14"}
LICENSE = (ROOT / "LICENSE").read_bytes()


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def wheel(dist, name):
    with ZipFile(dist / f"{name}-{cachu.__version__}-py3-none-any.whl") as wheel:
        yield wheel


@pytest.fixture
def sdist(dist, name):
    with tarfile.open(dist / f"{name}-{cachu.__version__}.tar.gz") as sdist:
        yield sdist


@pytest.fixture
def metadata(wheel, name):
    text = wheel.read(f"{name}-{cachu.__version__}.dist-info/METADATA").decode()
    return HeaderParser().parsestr(text)


def test_there_is_nothing_else_to_release(dist):
    version = cachu.__version__
    wheels = {f"{name}-{version}-py3-none-any.whl" for name in NAMES}
    assert {built.name for built in dist.iterdir()} == wheels | {
        f"{name}-{version}.tar.gz" for name in NAMES
    }


def test_the_license_is_named_and_there(metadata, wheel, sdist, name):
    assert metadata["License-Expression"] == "0BSD"
    assert metadata.get_all("License-File") == ["LICENSE"]
    folder = f"{name}-{cachu.__version__}"
    assert wheel.read(f"{folder}.dist-info/licenses/LICENSE") == LICENSE
    assert sdist.extractfile(f"{folder}/LICENSE").read() == LICENSE


def test_the_metadata_is_complete(metadata):
    assert metadata["Version"] == cachu.__version__
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["Summary"]
    assert metadata["Keywords"]
    assert metadata.get("Author") or metadata.get("Author-email")
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL"))
    assert urls.keys() >= {"Repository", "Changelog", "Issues"}
    assert all(url.startswith("https://") for url in urls.values())


def test_the_classifiers_are_those_of_all(metadata):
    classifiers = metadata.get_all("Classifier")
    assert "Development Status :: 5 - Production/Stable" in classifiers
    assert "Typing :: Typed" in classifiers
    pythons = {c.rpartition(" ")[2] for c in classifiers if re.search(r"Python :: 3\.\d+$", c)}
    assert pythons == PYTHONS
    assert not any(each.startswith("License ::") for each in classifiers)  # PEP 639


def test_a_wheel_has_its_package_and_nothing_beside_it(wheel, name):
    files = {file for file in wheel.namelist() if ".dist-info/" not in file}
    module = NAMES[name]
    if module is None:
        assert not files
        return
    modules = [module, "pytest_cachu"] if name == "cachu_core" else [module]
    inside = set()
    for each in modules:
        sources = next(ROOT.glob(f"*/src/{each}"))
        inside |= {
            f"{each}/{path.relative_to(sources).as_posix()}"
            for path in sources.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        }
        assert f"{each}/py.typed" in inside
    beside = {"cachu.py"} if name == "cachu_core" else set()
    assert {file for file in files if not file.endswith("/")} == inside | beside


def test_a_description_links_to_nothing_that_pypi_does_not_have(metadata):
    relative = re.findall(r"\]\((?!https?://|#)([^)]+)\)", metadata.get_payload())
    assert relative == []
