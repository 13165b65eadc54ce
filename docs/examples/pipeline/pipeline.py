# /// script
# requires-python = ">=3.10"
# dependencies = ["cachu", "rich"]
#
# [tool.uv.sources] # the cachu of this clone; leave these lines out to take the released one
# cachu = { path = "../../..", editable = true }
# cachu-core = { path = "../../../cachu_core", editable = true }
# cachu-file = { path = "../../../cachu_file", editable = true }
# ///
"""Find source files that are alike, in many processes; a second run does only what is new.

    uv run docs/examples/pipeline/pipeline.py          # Python's standard library
    uv run docs/examples/pipeline/pipeline.py FOLDER

The processes share their results in files: what one has computed none computes again, be it in
this run or in the next. Keys are made of contents, so a file that was moved or copied is known, and
one that was changed is not.
"""

from __future__ import annotations

import argparse
import os
import re
import sysconfig
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from heapq import nlargest, nsmallest
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import cachu

if TYPE_CHECKING:
    from collections.abc import Iterable

WORD = re.compile(rb"\w+|[^\w\s]")
LEFT_OUT = {".venv", "site-packages", "test", "tests"}
WINDOW, SKETCH = 8, 64  # words per window; windows that stand for a file


@cachu.cache(ttl=None, backend="file", tag="sketches")
def sketch(source: bytes) -> frozenset[int]:
    """Return the smallest hashes of all windows of words: alike for texts that are alike."""
    words = WORD.findall(source)
    windows = range(max(1, len(words) - WINDOW + 1))
    return frozenset(nsmallest(SKETCH, {crc32(b" ".join(words[n : n + WINDOW])) for n in windows}))


class Result(NamedTuple):
    """What a process found out about a file, and what its cache had counted by then."""

    path: Path
    sketch: frozenset[int]
    process: int
    info: cachu.CacheInfo


def work(path: Path) -> Result:
    return Result(path, sketch(path.read_bytes()), os.getpid(), sketch.info())


def set_up(cache: Path) -> None:
    cachu.configure(file_dir=str(cache), file_size_limit=100 * 1024 * 1024)


def sources(folder: Path) -> list[Path]:
    found = folder.rglob("*.py")
    return sorted(path for path in found if LEFT_OUT.isdisjoint(path.relative_to(folder).parts))


def run(paths: list[Path], workers: int, cache: Path, progress: Progress) -> list[Result]:
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=set_up, initargs=(cache,)) as pool:
        results = pool.map(work, paths, chunksize=4)
        return list(progress.track(results, total=len(paths), description="Reading"))


def most_alike(results: Iterable[Result], count: int) -> list[tuple[float, Path, Path]]:
    pairs = combinations([result for result in results if len(result.sketch) == SKETCH], 2)
    alike = ((len(a.sketch & b.sketch) / SKETCH, a.path, b.path) for a, b in pairs)
    return nlargest(count, (pair for pair in alike if pair[0] > 0))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=sysconfig.get_path("stdlib"))
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cache", type=Path, default=tempfile.gettempdir())
    parser.add_argument("--clear", action="store_true", help="begin anew")
    options = parser.parse_args()
    console = Console()
    set_up(options.cache)
    if options.clear:
        console.print(f"Forgot {cachu.cache_clear(tag='sketches', backend='file')} files.")

    paths = sources(Path(options.folder))
    start = time.perf_counter()
    with Progress(console=console) as progress:
        results = run(paths, options.workers, options.cache, progress)
    seconds = time.perf_counter() - start

    table = Table("Alike", "File", "and file", title="What is most alike")
    for share, *files in most_alike(results, 10):
        table.add_row(f"{share:.0%}", *(str(file.relative_to(options.folder)) for file in files))
    console.print(table)
    counted = {result.process: result.info for result in results}.values()  # the last of each
    hits, misses = sum(info.hits for info in counted), sum(info.misses for info in counted)
    console.print(
        f"{len(paths)} files in {seconds:.1f} s by {len(counted)} processes: "
        f"{misses} computed, {hits} known already."
    )


if __name__ == "__main__":
    main()
