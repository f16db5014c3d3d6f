"""The version, in one place."""

from pathlib import Path

from packaging.version import Version

import asynchttp
from asynchttp.version import __version__

CHANGELOG = Path(__file__).parents[1] / "CHANGELOG.md"


def test_the_version_is_one_that_installers_understand():
    """PEP 440, in its normal form, and the same wherever one looks."""
    assert str(Version(__version__)) == __version__ == asynchttp.__version__


def test_the_changelog_tells_what_is_in_it():
    """No version without an entry."""
    assert f"\n## {__version__}" in CHANGELOG.read_text(encoding="utf-8")
