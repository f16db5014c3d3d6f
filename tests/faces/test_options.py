"""The options as checkers, help and errors show them."""

import inspect

import pytest

import asynchttp
from asynchttp.faces.options import CallOptions, ClientOptions, FanOutOptions, RequestOptions, check_known, signature_of
from asynchttp.faces.settings import Settings


def test_the_options_of_a_client_are_its_settings():
    """One source of truth: what a checker knows is what the constructor takes."""
    assert ClientOptions.__annotations__.keys() | {"base_url"} == set(signature_of(Settings).parameters)


def test_the_options_of_a_request_are_its_arguments():
    """The same for the verbs."""
    arguments = inspect.signature(asynchttp.Request).parameters.keys() - {"method", "url"}
    assert RequestOptions.__annotations__.keys() == arguments


@pytest.mark.parametrize("client", [asynchttp.Client, asynchttp.SyncClient])
def test_help_shows_every_option_with_its_default(client):
    """A notebook's `Client?` tells what there is and what holds if nothing is said."""
    parameters = inspect.signature(client).parameters
    assert next(iter(parameters)) == "base_url"
    assert parameters["retry"].default == asynchttp.Retry()
    assert parameters["redirects"].default == 10
    assert parameters["limits"].kind is inspect.Parameter.KEYWORD_ONLY


@pytest.mark.parametrize("client", [asynchttp.Client, asynchttp.SyncClient])
def test_help_shows_the_arguments_of_a_call(client):
    """A notebook's `client.get?` tells what there is, by name and with its default, and not ``**options``."""
    request = inspect.signature(asynchttp.Request).parameters
    for verb in ("request", "get", "head", "options", "post", "put", "patch", "delete", "query", "submit", "stream"):
        shown = inspect.signature(getattr(client, verb)).parameters
        assert shown.keys() >= RequestOptions.__annotations__.keys() - ({"into"} if verb == "stream" else set())
        assert all(shown[name].default is request[name].default for name in CallOptions.__annotations__)
        assert not any(each.kind is each.VAR_KEYWORD for each in shown.values())
    for verb in ("map", "as_completed", "gather", "first"):
        shown = inspect.signature(getattr(client, verb)).parameters
        assert shown.keys() >= FanOutOptions.__annotations__.keys() | {"into"}
        assert (shown["errors"].default, shown["concurrency"].default) == ("return", None)
        assert "width" not in shown
    assert inspect.signature(client.get).return_annotation == "Response"


def test_an_unknown_option_names_itself_and_the_others():
    """A typing mistake is answered with what there is."""
    check_known("a fan-out", {"buffer": 1}, FanOutOptions)
    with pytest.raises(TypeError, match=r"a fan-out has no option bufer; it has accept, .*buffer, concurrency"):
        check_known("a fan-out", {"bufer": 1}, FanOutOptions)
    with pytest.raises(TypeError, match="a fan-out has no option concurency"):
        asynchttp.Client().map([], concurency=1)  # type: ignore[call-overload]  # the mistake that is meant
