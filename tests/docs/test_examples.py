"""The documentation is true: every Python block in README.md and docs/ runs, every example runs, every doctest holds."""

import asyncio
import doctest
import gc
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import asynchttp
import asynchttp.engine
from tests.docs import pages
from tests.docs.world import World

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted(path.stem for path in (ROOT / "examples").glob("[!_]*.py"))  # the demo, a folder, has its own tests
MODULES = [
    name
    for _, name, _ in pkgutil.walk_packages(asynchttp.__path__, "asynchttp.")
    if not name.endswith("__main__")  # it runs the command line
]
BESIDE = sorted((ROOT / "docs" / "how-to").glob("from-*.md"))  # another library's code beside ours
THEIRS = 9  # blocks there that are Python: that library is not installed, or would ask a real network
NOT_RUN = 1 + THEIRS  # blocks that are marked `not run`; a new one needs a better reason than "it fails"


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.fixture
def world(monkeypatch):
    """Clients made without a transport talk to `tests.docs.world`."""
    real = asynchttp.engine.default_transport
    monkeypatch.setattr(
        asynchttp.engine, "default_transport", lambda *args, **kwargs: World(lambda: real(*args, **kwargs))
    )


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("path", PAGES, ids=_name)
def test_the_python_of_a_page_runs(path):
    """From top to bottom, as a reader would paste it, and nothing is left open behind it."""
    pages.run(Path(_name(path)), path.read_text(encoding="utf-8"))
    gc.collect()  # an unclosed client would warn here, and warnings are errors


def test_every_public_name_is_in_the_reference():
    """By itself, or with the module that its page describes."""
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "reference").glob("*.md"))
    named = set(re.findall(r"^::: (\S+)", text, re.MULTILINE))
    modules = [sys.modules[name] for name in named if name in sys.modules]
    public = {name for name in asynchttp.__all__ if name != "__version__"}
    assert {
        name
        for name in public
        if f"asynchttp.{name}" not in named
        and not any(getattr(module, name, None) is getattr(asynchttp, name) for module in modules)
    } == set()


def test_few_blocks_are_not_run():
    """The mark is for what cannot run, with a reason; code that is not Python needs none."""
    marked = [
        block for path in PAGES for block in pages.blocks(path.read_text(encoding="utf-8")) if block.not_run is not None
    ]
    assert len(marked) == NOT_RUN
    assert all(block.language == "python" and len(block.not_run or "") > 10 for block in marked)


@pytest.mark.parametrize("path", BESIDE, ids=_name)
def test_their_code_has_ours_beside_it(path):
    """Each pair is in a grid, and of the two it is ours that is run."""
    grids = re.findall(r'<div class="grid" markdown>\n(.*?)</div>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert grids
    for grid in grids:
        theirs, ours = pages.blocks(grid)
        assert theirs.language == "java" or theirs.not_run
        assert ours.language == "python"
        assert ours.not_run is None
        assert "asynchttp" in ours.text or "client" in ours.text


def test_most_pages_show_code():
    """A runner that finds no blocks would pass every page."""
    assert sum("python" in {b.language for b in pages.blocks(path.read_text(encoding="utf-8"))} for path in PAGES) >= 12


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name, capsys):
    """As `python -m examples.<name>` would, over real sockets, and it shows something."""
    main = importlib.import_module(f"examples.{name}").main
    if inspect.iscoroutinefunction(main):
        asyncio.run(main())
    else:
        main()
    gc.collect()
    assert capsys.readouterr().out


def test_there_are_examples():
    """A runner that finds no examples would pass all of them."""
    assert len(EXAMPLES) >= 4


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("module", MODULES)
def test_the_examples_in_docstrings_hold(module):
    """Every `>>>` of the package."""
    found = doctest.testmod(
        importlib.import_module(module), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    )
    assert found.failed == 0


def test_there_are_doctests():
    """The same for doctests."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for module in MODULES for test in finder.find(importlib.import_module(module))]
    assert sum(len(test.examples) for test in tests) >= 10
