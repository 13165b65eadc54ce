"""Play the scenes in full: `python benchmarks/soak/run.py [--only name] [--quick]`."""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from stage import Figure

SCENES = (
    "kills",
    "turns",
    "writers",
    "disks",
    "damage",
    "contents",
    "lifetimes",
    "safety",
    "agreement",
    "redis_stampede",
    "redis_races",
    "redis_clears",
    "redis_faults",
)
QUICK = 0.05


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=SCENES, help="only this one; repeat")
    parser.add_argument(
        "--quick", action="store_true", help="a twentieth of it, in a minute or two"
    )
    parser.add_argument(
        "--place", type=Path, help="a directory on the disk to try, by default /tmp"
    )
    return parser.parse_args()


def play(name: str, place: Path, scale: float) -> list[Figure]:
    """Play one scene and show its figures as they come."""
    found: list[Figure] = []
    start = time.perf_counter()
    try:
        for figure in importlib.import_module(name).run(place, scale):
            found.append(figure)
            verdict = "ok" if figure.ok else "MISSED"
            print(f"| {figure.name} | {figure.measured} | {figure.limit} | {verdict} |", flush=True)
    except Exception as error:
        traceback.print_exc()
        found.append(Figure(name, f"{type(error).__name__}: {error}"[:200], "no error", ok=False))
        print(f"| {name} | {found[-1].measured} | no error | MISSED |", flush=True)
    print(f"| {name}, in all | {time.perf_counter() - start:.1f} s | | |", flush=True)
    return found


def main() -> None:
    chosen = options()
    scale = QUICK if chosen.quick else 1.0
    print(f"Python {sys.version.split()[0]}\n")
    print("| | measured | limit | |\n| --- | ---: | ---: | --- |")
    missed = 0
    for name in chosen.only or SCENES:
        place = Path(tempfile.mkdtemp(prefix=f"soak-{name}-", dir=chosen.place))
        try:
            missed += sum(not figure.ok for figure in play(name, place, scale))
        finally:
            shutil.rmtree(place, ignore_errors=True)
    print(f"\n{missed} missed" if missed else "\nall within their limits")
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
