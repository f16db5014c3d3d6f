"""Find the Python in Markdown pages, and run it as a reader would: from top to bottom, in one namespace, with top-level await.

A block that cannot be run is marked in the line above it, with the reason::

    <!-- not run: futures come with a later release -->

What a block prints is checked where the page shows it, in a ``text`` block that follows the mark ``<!-- output -->``.
"""

import ast
import asyncio
import contextlib
import inspect
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A fence may be indented: in a list, an admonition or a tab. The group `mark` is the comment directly above.
_FENCE = re.compile(
    r"^(?:[ \t]*<!--[ \t]*(?P<mark>[^>]*?)[ \t]*-->[ \t]*\n)?"
    r"^(?P<indent>[ \t]*)(?P<ticks>`{3,})(?P<info>[^\n`]*)\n"
    r"(?P<body>.*?)"
    r"^(?P=indent)(?P=ticks)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Block:
    """One fenced block: its language, its text, where the text starts, and the mark above it."""

    language: str
    text: str
    line: int
    mark: str

    @property
    def not_run(self) -> str | None:
        """Why this block is not run, or None when it is."""
        return self.mark.removeprefix("not run:").strip() if self.mark.startswith("not run") else None


def blocks(text: str) -> Iterator[Block]:
    """Every fenced block of a page, in order."""
    for match in _FENCE.finditer(text):
        indent, info = match["indent"], match["info"].split()
        body = "".join(line.removeprefix(indent) for line in match["body"].splitlines(keepends=True))
        line = text.count("\n", 0, match.start("body")) + 1
        yield Block(info[0] if info else "", body, line, match["mark"] or "")


def run(path: Path, text: str) -> int:
    """Run the page's Python in one namespace and one loop, and return how many blocks ran.

    A failure's traceback names the page and its line. The page's loop is closed behind it, with the tasks it left.
    """
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    ran, printed = 0, ""
    with asyncio.Runner() as runner:
        for block in blocks(text):
            if block.language == "python" and block.not_run is None:
                printed = runner.run(_execute(path, block, namespace))
                ran += 1
            elif block.mark == "output":
                assert printed == block.text, f"{path}:{block.line} shows what is not printed"
    return ran


async def _execute(path: Path, block: Block, namespace: dict[str, Any]) -> str:
    source = "\n" * (block.line - 1) + block.text  # so that a traceback shows the line of the page
    code = compile(source, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        result = eval(code, namespace)  # the documentation's own code
        if inspect.isawaitable(result):
            await result
    return output.getvalue()
