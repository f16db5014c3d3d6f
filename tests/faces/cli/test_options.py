"""The values of options."""

import click
import pytest

from asynchttp.faces.cli import options
from asynchttp.values.unset import UNSET

CONTEXT = click.Context(click.Command("x"))
PARAM = click.Option(["--option"])


def test_values_are_checked_and_converted():
    """Each by the function that the library uses."""
    assert options.seconds(CONTEXT, PARAM, "1.5") == 1.5
    assert options.method(CONTEXT, PARAM, "post") == "POST"
    assert options.json(CONTEXT, PARAM, ' {"a": null}') == {"a": None}
    assert options.json(CONTEXT, PARAM, "null") is None
    found = options.headers(CONTEXT, PARAM, ["X-A: 1", "x-a:2: 3", "Empty:"])
    assert found is not None
    assert list(found.items()) == [("X-A", "1"), ("x-a", "2: 3"), ("Empty", "")]


def test_what_is_left_out_is_none():
    """So that the client's own setting holds."""
    assert options.seconds(CONTEXT, PARAM, None) is None
    assert options.method(CONTEXT, PARAM, None) is None
    assert options.json(CONTEXT, PARAM, None) is UNSET
    assert options.headers(CONTEXT, PARAM, []) is None


@pytest.mark.parametrize(
    ("convert", "value"),
    [
        *((options.seconds, value) for value in ("0", "-1", "nan", "inf", "five", "", "1e999")),
        *((options.method, value) for value in ("", "G T", "CONNECT", "GÉT")),
        *((options.json, value) for value in ("", "{", "NaN", "[" * 99_999, "1" * 9_999)),
        *((options.headers, [value]) for value in ("X", ": 1", "X Y: 1", "X: a\nb", "X: €", "Connection: close")),
    ],
)
def test_what_is_wrong_names_its_option(convert, value):
    """A usage error, which click shows with the option's name and ends with status 2."""
    with pytest.raises(click.BadParameter) as told:
        convert(CONTEXT, PARAM, value)
    assert told.value.param is PARAM
    assert told.value.exit_code == 2


def test_a_header_without_a_colon_is_not_shown():
    """It may be a secret."""
    with pytest.raises(click.BadParameter) as told:
        options.headers(CONTEXT, PARAM, ["s3cr3t"])
    assert "s3cr3t" not in str(told.value)
