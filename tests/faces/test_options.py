"""The keyword arguments that type checkers know."""

from __future__ import annotations

import inspect

from asynchttp import Request
from asynchttp.faces.options import RequestOptions


def test_every_verb_takes_what_a_request_takes():
    """A new argument of Request is one of all verbs, of submit and of queue items."""
    parameters = set(inspect.signature(Request).parameters) - {"method", "url"}
    assert set(RequestOptions.__annotations__) == parameters
