"""What a server in trouble sees and gives, as a drawing: good answers through an overload, and sends to the dead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks.outage import BEFORE, DIP, OURS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, LABEL, VALUE = 860, 190, 90  # of the drawing and its parts, in pixels
TITLE, ROW, BAR, HEIGHT, GAP = 34, 20, 13, 56, 10
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 14px }
  .ours { fill: #2563a8; stroke: #2563a8 } .peer { fill: #b9bec6; stroke: #8b919b } .dip { fill: #d9534f; opacity: 0.15 }
  polyline { fill: none !important; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .ours { fill: #6aa5e8; stroke: #6aa5e8 } .peer { fill: #565c66; stroke: #8b919b }
  }
"""


def chart(facts: Mapping[str, Mapping[str, Any]]) -> str:
    """The whole drawing, from the facts of the sections."""
    about = "A server in trouble, and what retries make of it"
    sends = facts["outage-dead"]["sends_a_call"]
    goodput = facts["outage-overload"]["goodput"]
    top = TITLE + TITLE + ROW * len(sends) + GAP
    height = top + TITLE + (HEIGHT + GAP) * len(goodput)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(about)}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="0" y="16">{escape(about)}</text>',
            _bars("Sends a call to a dead origin (less is better)", sends, TITLE),
            _lines("Good answers a second, as a share of the calls, through an overload (marked)", goodput, top),
            "</svg>\n",
        ]
    )


def _kind(variant: str) -> str:
    return "ours" if variant.startswith(OURS) else "peer"


def _bars(title: str, figures: Mapping[str, float], top: int) -> str:
    scale = (WIDTH - LABEL - VALUE) / (max(figures.values()) or 1.0)
    lines = [f'<g transform="translate(0 {top})">', f'<text class="title" x="0" y="16">{escape(title)}</text>']
    for number, (variant, value) in enumerate(figures.items()):
        y, width = TITLE - 8 + ROW * number, value * scale
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 11}" text-anchor="end">{escape(variant)}</text>',
            f'<rect class="{_kind(variant)}" x="{LABEL}" y="{y}" width="{width:.1f}" height="{BAR}"/>',
            f'<text x="{LABEL + width + 6:.1f}" y="{y + 11}">{value:.2f}</text>',
        ]
    return "\n".join([*lines, "</g>"])


def _lines(title: str, figures: Mapping[str, Sequence[float]], top: int) -> str:
    most = max(1.0, *(value for series in figures.values() for value in series))
    lines = [f'<g transform="translate(0 {top})">', f'<text class="title" x="0" y="16">{escape(title)}</text>']
    for number, (variant, series) in enumerate(figures.items()):
        bottom = TITLE - 8 + (HEIGHT + GAP) * number + HEIGHT
        step = (WIDTH - LABEL - VALUE) / max(1, len(series) - 1)
        points = " ".join(
            f"{LABEL + step * second:.1f},{bottom - HEIGHT * value / most:.1f}" for second, value in enumerate(series)
        )
        lines += [
            f'<text x="{LABEL - 8}" y="{bottom - HEIGHT / 2 + 4}" text-anchor="end">{escape(variant)}</text>',
            f'<rect class="dip" x="{LABEL + step * BEFORE:.1f}" y="{bottom - HEIGHT}" width="{step * DIP:.1f}" height="{HEIGHT}"/>',
            f'<polyline class="{_kind(variant)}" points="{points}"/>',
        ]
    return "\n".join([*lines, "</g>"])
