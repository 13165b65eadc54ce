"""Bytes of memory per entry: a process for each contender looks at what it occupies itself."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import contenders
from harness import Cell, Column, Pace, Race, Results, define

from races.imports import flags

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

BENCHMARKS = Path(__file__).resolve().parents[1]
CODE = """\
import sys
sys.path.insert(0, {path!r})
from races import memory
print(memory.measure({name!r}, {shape!r}, {entries}))
"""
SHAPES = {"int": ("x", "f(key)"), "three": ("user, key, limit=10", "f('user:42', key)")}


def resident() -> int:
    """Return the bytes of memory that this process occupies."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        command = ["ps", "-o", "rss=", "-p", str(os.getpid())]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) * 1024
    return pages * os.sysconf("SC_PAGE_SIZE")


def measure(name: str, shape: str, entries: int) -> float:
    """Fill a cache, in a process of its own."""
    peer = next(peer for peer in contenders.everyone() if peer.name == name)
    assert peer.plain is not None
    signature, _ = SHAPES[shape]
    f = peer.plain(define(signature, "return 42"))
    call = f if shape == "int" else lambda key: f("user:42", key)
    keys = list(range(10_000, 10_000 + entries))
    for key in range(2_000):
        call(key)
    gc.collect()
    before = resident()
    for key in keys:
        call(key)
    gc.collect()
    return (resident() - before) / entries


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    for shape in SHAPES:
        cells: dict[str, Cell] = {}
        for peer in peers:
            if peer.plain is None or not peer.installed:
                continue
            code = CODE.format(
                path=str(BENCHMARKS), name=peer.name, shape=shape, entries=pace.entries
            )
            command = [sys.executable, *flags(), "-c", code]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            failed = done.stderr.strip().rpartition("\n")[2][:60]
            cells[peer.name] = Cell(note=failed) if failed else Cell(float(done.stdout))
        yield shape, cells


def races() -> list[Race]:
    columns = [Column(shape, call.replace("key", "x"), "B") for shape, (_, call) in SHAPES.items()]
    return [Race("memory", "Bytes per entry", columns, _run, reference="")]
