"""Earlier releases of cachu: same import name, so each races in a process of its own.

They are installed beside this file and run against the same reference, so that their ratios
compare with those of the first process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import contenders
from harness import Cell, Pace, Race

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).resolve().parent


def install(version: str) -> Path:
    """Install a release and what it needs into a folder of its own, unless it is there already."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    target = HERE / ".peers" / f"cachu-{version}-python{python}"
    if not (target / "cachu").is_dir():
        uv = [sys.executable, "-m", "uv", "--no-config", "pip", "install", "--quiet"]
        where = ["--python", sys.executable, "--target", str(target)]
        subprocess.run([*uv, *where, f"cachu=={version}"], check=True, capture_output=True)
    return target


def results(
    version: str, races: list[Race], pace: Pace
) -> Iterator[tuple[str, str, dict[str, Cell]]]:
    """Yield race, column and figures of one release, or a note that it cannot be had."""
    name = contenders.release(version).name
    try:
        target = install(version)
    except (OSError, subprocess.CalledProcessError):
        for race in races:
            for column in race.columns:
                yield race.name, column.name, {name: Cell(note="not installed")}
        return
    path = os.pathsep.join([str(HERE), str(target)])
    environment = {**os.environ, "PYTHONPATH": path, contenders.RELEASE: version}
    order = json.dumps({"races": [race.name for race in races], "pace": asdict(pace)})
    # Without site-packages, where this cachu is.
    command = [sys.executable, "-S", str(HERE / "old_cachu.py"), order]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                found = json.loads(line)
                cells = found["cells"]
                mine = {name: Cell(*cells[name])} if name in cells else {}
                yield found["race"], found["column"], mine


def main() -> None:
    """Race, in the process of one release, and print a line for each column."""
    from races import every

    order = json.loads(sys.argv[1])
    pace = Pace(**order["pace"])
    for race in every():
        if race.name in order["races"]:
            for column, cells in race.run(contenders.everyone(), pace):
                print(json.dumps({"race": race.name, "column": column, "cells": cells}), flush=True)


if __name__ == "__main__":
    main()
