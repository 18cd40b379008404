"""The chart of a bench run: panels of horizontal bars, as one SVG without fonts or scripts in it.

Readable as an image on light and dark pages: it brings its own background. A panel that nothing was
measured for is left out.
"""
from html import escape
from typing import NamedTuple, Optional

from cases import FLOWS, MISSES
from paper import RINGS
from rows import OURS

WIDTH, MARGIN, LABEL, VALUE = 960, 24, 350, 130
BAR, GAP, TITLE, HEAD, NOTE = 20, 8, 44, 52, 16
OURS_COLOR, PEER_COLOR, TEXT, FAINT, PAPER = "#1a6fb5", "#a9b4c0", "#1c2733", "#66727f", "#ffffff"


class Panel(NamedTuple):
    title: str
    part: str
    metric: str
    cases: Optional[tuple] = None   # None: all of that part and metric


PANELS = [
    Panel("NAT, 60-byte frames, loss-free", "rings", "loss-free rate", (RINGS[1],)),
    Panel("NAT, 60-byte frames, delivered of 2 M/s offered", "rings", "delivered of 2 M/s",
          (RINGS[1],)),
    Panel("Round trip, busy polling", "latency", "round trip p50", ("busy",)),
    Panel("First packet after silence, ringlb asleep", "latency", "first after silence p50",
          ("adaptive",)),
    Panel("Bulk TCP", "clients", "throughput", ("bulk TCP",)),
    Panel("New connections", "clients", "rate", ("connections",)),
    Panel("Keep-alive requests", "clients", "rate", ("keep-alive requests",)),
    Panel("The path alone", "path", "time a packet",
          tuple(case.name for case in [*FLOWS, *MISSES])),
]


def _text(x, y, text, size=13, color=TEXT, anchor="start", weight="normal"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}" '
            f'font-weight="{weight}">{escape(text)}</text>')


def _panel_rows(panel, rows):
    return [row for row in rows if row["samples"] and row["part"] == panel.part and
            row["metric"] == panel.metric and (panel.cases is None or row["case"] in panel.cases)]


def _draw_panel(panel, rows, top, number):
    """The panel's elements and where it ends."""
    unit, better = rows[0]["unit"], rows[0]["better"]
    parts = [_text(MARGIN, top + 22, panel.title, 15, weight="bold"),
             _text(WIDTH - MARGIN, top + 22, f"{unit}, {better} is better", 12, FAINT, "end")]
    room = WIDTH - 2 * MARGIN - LABEL - VALUE
    largest = max(row["max"] for row in rows) or 1
    several = len({row["case"] for row in rows}) > 1
    peers = any(row["subject"] != OURS for row in rows)
    y = top + TITLE - 8
    for row in rows:
        ours = row["subject"] == OURS
        label = row["subject"] if not several else (
            row["case"] if ours else f"{row['case']}, {row['subject']}")
        x, middle = MARGIN + LABEL, y + BAR / 2
        length = max(1.0, row["median"] / largest * room)
        parts += [
            _text(x - 10, middle + 4.5, label, anchor="end",
                  weight="bold" if ours and peers else "normal"),
            f'<rect x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
            f'fill="{OURS_COLOR if ours else PEER_COLOR}"/>',
        ]
        low, high = (x + row[key] / largest * room for key in ("min", "max"))
        if row["max"] > row["min"]:
            parts.append(f'<path d="M{low:.1f} {middle} H{high:.1f} M{low:.1f} {middle - 4} v8 '
                         f'M{high:.1f} {middle - 4} v8" stroke="{TEXT}" fill="none"/>')
        parts.append(_text(max(x + length, high) + 8, middle + 4.5, number(row["median"])))
        y += BAR + GAP
    return parts, y + 12


def draw(rows, machine, number, quick):
    """`number` writes a figure, as the table does."""
    parts = [_text(MARGIN, 34, "ringlb: measured by make bench", 19, weight="bold")]
    y = HEAD
    for panel in PANELS:
        fitting = _panel_rows(panel, rows)
        if fitting:
            drawn, y = _draw_panel(panel, fitting, y, number)
            parts += drawn
    for line in ("Medians; thin lines reach from the smallest to the largest sample." +
                 (" A quick run: few and short samples." if quick else ""),
                 f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
                 f"{machine['date']}, commit {machine['commit']}."):
        y += NOTE
        parts.append(_text(MARGIN, y, line, 11, FAINT))
    height = y + MARGIN
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="Helvetica, Arial, sans-serif" '
        'role="img" aria-label="Figures of make bench">',
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>', *parts, "</svg>", ""])
