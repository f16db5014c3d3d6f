"""A tour: what lasts longer than one request and one answer, a few lines each, on this machine.

python -m examples.tour
"""

import asyncio
import contextlib
import importlib
import inspect
import io
import textwrap

LINES = 8  # of each step
STEPS = {
    "live_prices": "Server-sent events, over connections that break",
    "chat": "A WebSocket",
    "long_report": "An operation that takes a while, and goes on after a restart",
    "page_by_page": "A list, page by page, the next one on its way",
    "resumed_download": "A download that breaks off, and goes on where it stopped",
}


def main():
    for number, (name, title) in enumerate(STEPS.items(), 1):
        print(f"{number}. {title}: python -m examples.{name}")
        step = importlib.import_module(f"examples.{name}").main
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            if inspect.iscoroutinefunction(step):
                asyncio.run(step())
            else:
                step()
        lines = out.getvalue().splitlines()
        print(textwrap.indent("\n".join(lines[:LINES]), "   "))
        if len(lines) > LINES:
            print(f"   ... {len(lines) - LINES} lines more")


if __name__ == "__main__":
    main()
