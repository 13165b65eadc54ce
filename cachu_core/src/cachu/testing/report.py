"""The report at the end of a test run: what the suite proved, and what it did not, and why."""

from __future__ import annotations

from collections import Counter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["lines"]


class _Subject:
    """What became of the tests of one backend, serializer or lock provider in one module."""

    def __init__(self) -> None:
        self.details = ""
        self.areas: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()

    def add(self, outcome: str, details: str, area: str, reason: str) -> None:
        self.details = details or self.details
        if outcome == "skipped":
            self.reasons[reason] += 1
        elif outcome == "passed":
            self.areas[area] += 1
        else:
            self.failed[area] += 1

    def lines(self) -> Iterator[str]:
        if self.details:
            yield f"  declares {self.details}"
        yield f"  proved {_counted(self.areas)}"
        if self.failed:
            yield f"  FAILED {_counted(self.failed)}"
        for reason, times in self.reasons.most_common():
            yield f"  skipped {times}: {reason}"


def lines(reports: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """Return the lines of the report.

    Args:
        reports: The outcome and pytest's report of each test of the suite.
    """
    subjects: dict[tuple[str, str], _Subject] = {}
    for outcome, report in reports:
        for name, value in report.user_properties:
            if name == "cachu_suite":
                what, details, area = value
                place = f"{what} in {report.nodeid.partition('::')[0]}"
                subject = subjects.setdefault((place, details), _Subject())
                subject.add(outcome, details, area, _reason(report, what))
    for (place, _), subject in subjects.items():
        yield place
        yield from subject.lines()


def _counted(areas: Counter[str]) -> str:
    each = ", ".join(f"{area} {number}" for area, number in areas.items())
    return f"{areas.total()}: {each}" if len(areas) > 1 else str(areas.total())


def _reason(report: Any, what: str) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return str(told).removeprefix("Skipped: ").removeprefix(f"{what}: ")
