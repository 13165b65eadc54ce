"""What the page of an example shows of its source stands there, letter by letter."""

import re
import textwrap
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
PAGES = sorted(path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*/README.md"))


@pytest.mark.parametrize("page", PAGES)
def test_excerpts_are_of_the_source(page):
    path = EXAMPLES / page
    excerpts = re.findall(r"^```py\n(.+?)^```$", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    sources = [source.read_text("utf-8") for source in path.parent.rglob("*.py")]
    assert excerpts
    assert [each for each in excerpts if not is_in(sources, each)] == []


def is_in(sources, excerpt):
    deep = [textwrap.indent(excerpt, " " * depth) for depth in (0, 4, 8)]
    return any(each in source for each in deep for source in sources)
