"""Plots as SVG, in colours that follow the reader's light or dark mode."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from report import short

if TYPE_CHECKING:
    from harness import Cell, Column
    from report import Table

WIDTH = 344  # of a panel: two stand side by side on a screen, and a telephone shows one as it is
LABELS, VALUES, ROW, HEAD = 190, 98, 20, 42
LETTER = 7.2  # what one takes, on average
# What is drawn of races with many columns. Their tables have all of them.
DRAWN = {
    "anatomy": ("int", "miss"),
    "file": ("hit", "set", "hit_1mb", "set_1mb"),
    "file_many": ("open", "count", "clear_tag", "clear"),
    "hits": ("int", "none", "three", "method"),
    "hits_by_type": ("tuple", "dataclass"),
    "memory": ("int",),
    "misses": ("int", "three"),
    "options": ("hit",),
    "stampede": ("threads_runs", "tasks_runs"),
    "threads": ("together",),
}
TITLED = {
    "decoration",
    "imports",
    "memory",
}  # they stand in one row, so each panel says whose it is
STYLE = """
  :root { color-scheme: light dark }
  text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #1f2328 }
  .back { fill: #ffffff } .title { font-weight: 600 } .faint { fill: #59636e }
  .bar { fill: #8c959f } .ours { fill: #0969da } .grid { stroke: #d1d9e0 }
  .line { fill: none; stroke-width: 2 }
  .c0 { stroke: #59636e } .c1 { stroke: #0969da } .c2 { stroke: #bc4c00 } .c3 { stroke: #1a7f37 }
  .c4 { stroke: #8250df } .c5 { stroke: #bf3989 } .c6 { stroke: #9a6700 } .c7 { stroke: #cf222e }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .back { fill: #0d1117 } .faint { fill: #9198a1 }
    .bar { fill: #656c76 } .ours { fill: #4493f8 } .grid { stroke: #3d444d }
    .c0 { stroke: #9198a1 } .c1 { stroke: #4493f8 } .c2 { stroke: #f0883e } .c3 { stroke: #3fb950 }
    .c4 { stroke: #ab7df8 } .c5 { stroke: #db61a2 } .c6 { stroke: #d29922 } .c7 { stroke: #f85149 }
  }
"""


def pictures(table: Table) -> dict[str, str]:
    """Draw a race: all of it as lines, or a panel of bars for each column, by its name."""
    if table.lines:
        return {"lines": lines(table)}
    drawn = DRAWN.get(table.name, [column.name for column in table.columns])
    panels = {}
    for column in table.columns:
        cells = {n: c for n, c in table.cells.get(column.name, {}).items() if c.value is not None}
        if cells and column.name in drawn:
            panels[column.name] = bars(table, column, cells)
    return panels


def bars(table: Table, column: Column, cells: dict[str, Cell]) -> str:
    """Draw the cells of a column: ratios where there are any, else values."""
    sizes = {
        name: abs(cell.value if cell.ratio is None else cell.ratio) for name, cell in cells.items()
    }
    wide = max(sizes.values()) > 30 * max(1e-9, min(sizes.values()))
    floor = min(sizes.values()) / 2 or 0.01
    longest = max(sizes.values()) or 1
    ratios = any(cell.ratio is not None for cell in cells.values())
    of = f"times {table.reference}" if ratios else column.unit
    title = f"{table.title}: {column.title}"
    parts = [
        _text(8, 20, title if table.name in TITLED else column.title, "title"),
        _text(8, 36, of + ", logarithmic" * wide, "faint"),
    ]
    label = 14 + LETTER * max(map(len, cells))
    above = label > LABELS  # a long name stands above its bar
    left = 8 if above else label
    room = WIDTH - VALUES - left
    y = float(HEAD)
    for name, size in sorted(sizes.items(), key=lambda item: item[1]):
        length = size / longest
        if wide:
            length = math.log(max(size, floor) / floor) / math.log(longest / floor)
        kind = "ours" if name == "cachu" or name not in _known(table) else "bar"
        width = max(1, room * length)
        if above:
            parts.append(_text(8, y + 13, name))
            y += ROW - 4
        else:
            parts.append(_text(left - 6, y + 13, name, anchor="end"))
        box = f'x="{left:.0f}" y="{y + 3:.0f}" width="{width:.1f}" height="{ROW - 6}"'
        parts += [
            f'<rect class="{kind}" rx="2" {box}/>',
            _text(left + width + 5, y + 13, _said(cells[name], column.unit)),
        ]
        y += ROW
    return _picture(WIDTH, y + 8, title, parts)


def _known(table: Table) -> set[str]:
    """Return who is not this cachu; in a race of cachu's own options, only the reference."""
    names = set(table.names())
    return names - {"cachu"} if "cachu" in names else {table.reference}


def _said(cell: Cell, unit: str) -> str:
    value = cell.value or 0
    units = ["ns", "us", "ms"]
    while unit in units[:-1] and abs(value) >= 10_000:
        value, unit = value / 1000, units[units.index(unit) + 1]
    said = f"{short(value)} {unit}".removesuffix(" runs")
    if cell.ratio is None:
        return said
    ratio = f"{cell.ratio:.3f}" if cell.ratio < 0.01 else short(cell.ratio)
    return f"{ratio}x  {said}"


def lines(table: Table) -> str:
    """Draw the columns with a number for a name as points of one line for each contender."""
    points = [column for column in table.columns if column.name.isdigit()]
    series: dict[str, list[tuple[float, float]]] = {}
    for column in points:
        for name, cell in table.cells.get(column.name, {}).items():
            if cell.value is not None:
                place = math.log10(int(column.name)), math.log10(cell.value)
                series.setdefault(name, []).append(place)
    left, top, width, height = 72, 40, 270, 260
    xs = [x for line in series.values() for x, _ in line] or [0, 1]
    ys = [y for line in series.values() for _, y in line] or [0, 1]
    low, high = math.floor(min(ys)), math.ceil(max(ys))
    span = max(xs) - min(xs) or 1

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + width * (x - min(xs)) / span
        return across, top + height * (high - y) / max(1, high - low)

    parts = [_text(8, 22, table.title, "title")]
    for power in range(low, high + 1):
        _, y = at(min(xs), power)
        parts.append(f'<line class="grid" x1="{left}" x2="{left + width}" y1="{y}" y2="{y}"/>')
        parts.append(_text(left - 6, y + 4, f"{10**power:,} ns", "faint", "end"))
    for column in points:
        x, _ = at(math.log10(int(column.name)), low)
        if x <= left + width + 1:
            parts.append(_text(x, top + height + 20, column.title, "faint", "middle"))
    for number, name in enumerate(series):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in series[name]))
        parts.append(f'<polyline class="line c{number % 8}" points="{path}"/>')
    taken = -99.0
    # From the end of each line, dots lead to its label, which needs room of its own.
    for y, name in sorted((at(*line[-1])[1], name) for name, line in series.items()):
        taken = max(y, taken + 15)
        end, kind = at(*series[name][-1])[0], list(series).index(name) % 8
        dots = f'x1="{end:.0f}" y1="{y:.0f}" x2="{left + width + 14}" y2="{taken:.0f}"'
        parts.append(f'<line class="line c{kind}" {dots} stroke-dasharray="1 3"/>')
        parts.append(_text(left + width + 18, taken + 4, name))
    return _picture(left + width + 150, top + height + 34, table.title, parts)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _picture(width: float, height: float, title: str, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img">\n<title>{escape(title)}</title>\n'
        f'<style>{STYLE}</style>\n<rect class="back" width="100%" height="100%" rx="6"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )
