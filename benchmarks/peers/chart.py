"""The main scenario as a drawing: a panel for each figure, a bar for each client. Plain SVG, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from benchmarks.peers.clients import OURS, RAW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: What each panel shows: its title, the figure of its bars, and one that is marked by a line behind the bar's end.
PANELS: tuple[tuple[str, str, str | None], ...] = (
    ("CPU per request, µs (less is better)", "us", None),
    ("Requests a second (more is better)", "per_second", None),
    ("Latency, ms: p50, and p99 as a line", "p50_ms", "p99_ms"),
    ("Peak memory above the imports, MB", "mb", None),
)
WIDTH, LABEL, VALUE, GAP = 860, 190, 90, 14  # of a panel and its parts, in pixels
ROW, BAR, TITLE = 20, 13, 34
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #222 } .title { font-weight: 600; font-size: 14px }
  .ours { fill: #2563a8 } .raw { fill: #6b7280 } .peer { fill: #b9bec6 } .mark { stroke: #888; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .ours { fill: #6aa5e8 } .raw { fill: #9aa1ab } .peer { fill: #565c66 } .mark { stroke: #aaa }
  }
"""


def chart(main: Mapping[str, Mapping[str, float | None]], about: str) -> str:
    """The whole drawing; `main` is the fact of that name in the section "peers"."""
    panels = []
    top = TITLE
    for title, key, mark in PANELS:
        shown = sorted(main.items(), key=lambda item: item[1][key] or 0.0, reverse=key == "per_second")
        panels.append(_panel(title, shown, key, mark, top))
        top += TITLE + ROW * len(shown) + GAP
    head = f'<text class="title" x="0" y="16">{escape(about)}</text>'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img" aria-label="{escape(about)}">',
            f"<style>{STYLE}</style>",
            head,
            *panels,
            "</svg>\n",
        ]
    )


def _panel(title: str, shown: Sequence[tuple[str, Any]], key: str, mark: str | None, top: int) -> str:
    most = max((figures[name] or 0.0 for _, figures in shown for name in (key, mark) if name), default=0.0) or 1.0
    scale = (WIDTH - LABEL - VALUE) / most
    lines = [f'<g transform="translate(0 {top})">', f'<text class="title" x="0" y="16">{escape(title)}</text>']
    for number, (client, figures) in enumerate(shown):
        lines.append(
            _bar(client, figures[key] or 0.0, figures[mark] if mark else None, scale, TITLE - 8 + ROW * number)
        )
    return "\n".join([*lines, "</g>"])


def _bar(client: str, value: float, marked: float | None, scale: float, top: int) -> str:
    width, middle = value * scale, top + BAR / 2
    kind = "raw" if client == RAW else "ours" if client in OURS else "peer"
    end = max(width, (marked or 0.0) * scale)
    line = ""
    if marked is not None:
        line = f'<line class="mark" x1="{LABEL + width:.1f}" x2="{LABEL + end:.1f}" y1="{middle}" y2="{middle}"/>'
    said = _said(value) if marked is None else f"{_said(value)} / {_said(marked)}"
    return (
        f'<text x="{LABEL - 8}" y="{top + 11}" text-anchor="end">{escape(client)}</text>'
        f'<rect class="{kind}" x="{LABEL}" y="{top}" width="{width:.1f}" height="{BAR}"/>{line}'
        f'<text x="{LABEL + end + 6:.1f}" y="{top + 11}">{said}</text>'
    )


def _said(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
