"""How much longer a process takes that imports a contender: whole processes, taking turns."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING

from harness import Cell, Column, Pace, Race, Results

if TYPE_CHECKING:
    from collections.abc import Sequence

    from contenders import Peer

BARE = "python -c pass"


def flags() -> list[str]:
    """Return the options that a process like this one is started with."""
    return ["-S"] if sys.flags.no_site else []


def _environment() -> dict[str, str]:
    """Return an environment in which what was compiled once is kept, as it is for users."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


def _process(code: str) -> float:
    start = time.perf_counter_ns()
    subprocess.run([sys.executable, *flags(), "-c", code], check=True, env=_environment())
    return (time.perf_counter_ns() - start) / 1e6


def _run(peers: Sequence[Peer], pace: Pace) -> Results:
    imported = {peer.name: f"import {peer.module}" for peer in peers if peer.installed}
    codes = {BARE: "pass", **imported}
    times: dict[str, list[float]] = {name: [] for name in codes}
    order = list(codes)
    for code in codes.values():
        _process(code)
    for _ in range(pace.processes):
        for name in order:
            times[name].append(_process(codes[name]))
        order.reverse()
    bare = times[BARE]
    more = {
        name: Cell(median(mine - theirs for mine, theirs in zip(taken, bare)))
        for name, taken in times.items()
        if name != BARE
    }
    yield "more", {BARE: Cell(median(bare), note="the whole process"), **more}


def races() -> list[Race]:
    columns = [Column("more", "ms more than python -c pass", "ms")]
    return [Race("imports", "Importing it", columns, _run, reference="")]
