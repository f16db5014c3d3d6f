"""The runner of the documentation: what it finds in a page, and that it fails where a page is wrong."""

from pathlib import Path

import pytest

from tests.docs import pages

PAGE = Path("page.md")


def test_blocks_keep_their_line_language_and_mark():
    """A failure can be found in the page."""
    found = list(pages.blocks("a\n```python title='x'\nb = 1\n```\n\n<!-- not run: c -->\n```python\nd\n```\n"))
    assert [(block.language, block.text, block.line, block.not_run) for block in found] == [
        ("python", "b = 1\n", 3, None),
        ("python", "d\n", 8, "c"),
    ]


def test_an_indented_block_is_dedented():
    """Lists, admonitions and tabs indent their blocks."""
    (block,) = pages.blocks("- item\n\n    ```python\n    if x:\n        y\n    ```\n")
    assert block.text == "if x:\n    y\n"


def test_a_mark_holds_only_for_the_block_directly_below():
    """A forgotten mark cannot switch off the rest of the page."""
    first, second = pages.blocks("<!-- not run: a -->\n```python\n```\n```python\n```\n")
    assert (first.not_run, second.not_run) == ("a", None)


def test_blocks_share_a_namespace_and_a_loop():
    """The second block goes on where the first ended, also with its tasks."""
    text = (
        "```python\nimport asyncio\ntask = asyncio.create_task(asyncio.sleep(0, 7))\n```\n"
        "```python\nassert await task == 7\n```\n"
    )
    assert pages.run(PAGE, text) == 2


def test_a_failing_block_names_the_page_and_the_line():
    """What a contributor needs to mend it."""
    with pytest.raises(ZeroDivisionError) as caught:
        pages.run(PAGE, "text\n\n```python\na = 1\na / 0\n```\n")
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno + 1) == (str(PAGE), 5)


def test_shown_output_is_compared():
    """Output that a page shows is output that its code prints."""
    page = "```python\nprint(1)\n```\n\n<!-- output -->\n```text\n{}\n```\n"
    assert pages.run(PAGE, page.format(1)) == 1
    with pytest.raises(AssertionError, match="shows what is not printed"):
        pages.run(PAGE, page.format(2))


def test_blocks_that_are_not_run_do_not_run():
    """A mark switches a block off, other languages never run."""
    assert pages.run(PAGE, "<!-- not run: a -->\n```python\n1/0\n```\n```console\n1/0\n```\n") == 0
