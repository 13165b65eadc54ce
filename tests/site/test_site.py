"""The site is built as it is published, and then looked at as a browser would.

It is built in a folder of its own, so that it disturbs nobody who builds it where it belongs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # zensical brings it

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))["project"]
SOURCES = (
    "cachu_core",
    "cachu_file",
    "cachu_redis",
    "overrides",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
)


@dataclass
class Page:
    """What a page says about others, and what others may say about it."""

    anchors: set[str] = field(default_factory=set)
    links: set[str] = field(default_factory=set)
    loads: set[str] = field(default_factory=set)


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attributes if value}
        self.page.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.page.links.add(given["href"])
        elif tag == "link" and given.get("rel") not in {"canonical", "prev", "next"}:
            self.page.loads.add(given["href"])
        elif "src" in given:
            self.page.loads.add(given["src"])


@dataclass
class Site:
    folder: Path
    said: str
    pages: dict[Path, Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Build the site, and read all of it."""
    here = tmp_path_factory.mktemp("site").resolve()
    shutil.copy(ROOT / "zensical.toml", here)
    shutil.copytree(DOCS, here / "docs")
    for source in SOURCES:
        (here / source).symlink_to(ROOT / source)
    command = [sys.executable, "-m", "zensical", "build", "--clean", "--strict"]
    built = subprocess.run(
        command, cwd=here, capture_output=True, text=True, check=False, timeout=600
    )
    said = built.stdout + built.stderr
    assert built.returncode == 0, said
    pages = {}
    for path in (here / "site").rglob("*.html"):
        if path.name == "page.html":
            continue  # a template of an example
        reader = Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        pages[path] = reader.page
    return Site(here / "site", said, pages)


def leaves(navigation: list[Any]) -> Iterator[str]:
    for entry in navigation:
        for value in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, list):
                yield from leaves(value)
            else:
                yield value


def target(site: Site, page: Path, link: str) -> Path:
    """Return the file that a link on *page* leads to."""
    place = unquote(urlsplit(link).path)
    # A page for what is not found is shown anywhere, so its links begin at the root of the server.
    root = urlsplit(SETTINGS["site_url"]).path
    found = (
        site.folder / place.removeprefix(root)
        if place.startswith("/")
        else page.parent / place
        if place
        else page
    ).resolve()
    return found / "index.html" if found.is_dir() else found


def is_foreign(link: str) -> bool:
    return bool(urlsplit(link).netloc) and not link.startswith(SETTINGS["site_url"])


def test_it_is_built_without_a_warning(site: Site) -> None:
    remarks = [line for line in site.said.splitlines() if line.strip()]
    expected = {"Build started", "No issues found", "Build finished"}  # in whatever order
    assert {line.partition(" in ")[0] for line in remarks} == expected, site.said


def test_every_page_is_in_the_navigation_once() -> None:
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")]
    assert sorted(leaves(SETTINGS["nav"])) == sorted(pages)


def test_every_link_leads_somewhere(site: Site) -> None:
    broken = []
    assert sum(len(page.links) for page in site.pages.values()) > 1000
    for path, page in site.pages.items():
        for link in page.links | page.loads:
            if urlsplit(link).scheme in {"mailto", "data"} or is_foreign(link):
                continue
            if path.name == "404.html" and link == "#__skip":
                continue  # the theme's own, to a heading that this page has not
            found = target(site, path, link.removeprefix(SETTINGS["site_url"]))
            anchor = unquote(urldefrag(link).fragment)
            if not found.is_file() or (anchor and anchor not in site.pages[found].anchors):
                broken.append(f"{path.relative_to(site.folder)}: {link}")
    assert not broken


def test_nothing_is_loaded_from_elsewhere(site: Site) -> None:
    loads = {link for page in site.pages.values() for link in page.loads if is_foreign(link)}
    for sheet in site.folder.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import)\s*[\"']?([^\"')]+)", sheet.read_text("utf-8"))
        loads |= {link for link in found if is_foreign(link)}
    assert not loads


def test_every_picture_says_what_it_shows() -> None:
    for path in DOCS.rglob("*.md"):
        for text, picture in re.findall(r"!\[([^]]*)\]\(([^)]+)\)", path.read_text("utf-8")):
            assert text, f"{path.name} shows {picture} without words"
            assert "<title>" in (path.parent / picture).read_text("utf-8")


def test_the_reference_says_types_and_defaults_once(site: Site) -> None:
    """They stand in the signature; the list below it has names and meanings."""
    page = (site.folder / "reference" / "cachu" / "index.html").read_text("utf-8")
    parameter = re.search(r"<b><code>key_prefix</code></b>(.*?)</li>", page, re.DOTALL)
    assert parameter
    assert "Part of every key" in parameter[1]
    assert "default:" not in parameter[1]


@pytest.mark.parametrize("name", cachu.__all__)
def test_every_public_name_is_in_the_reference(site: Site, name: str) -> None:
    anchors = set[str]()
    for path, page in site.pages.items():
        if path.relative_to(site.folder).parts[0] == "reference":
            anchors |= page.anchors
    assert anchors & {f"cachu.{name}", f"cachu.errors.{name}", f"cachu.backends.{name}"}


def test_the_links_of_the_readme_lead_somewhere() -> None:
    """They are absolute, for PyPI shows the page, too."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"https://github\.com/bissli/cachu/blob/main/(\S+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
