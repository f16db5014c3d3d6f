"""faults.md, bad inputs: a bad option raises where it is given, and names itself."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from asynchttp import Client, Limits
from asynchttp.faces.settings import Settings
from asynchttp.testing import MockTransport


async def _observer(event):
    pass


class _NoClose:
    async def send(self, request):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("timeout", bad) for bad in (0, -1, float("nan"), float("inf"), "5", True)],
        *[("limits", bad) for bad in (100, None, {"concurrency": 5})],
        *[("retry", bad) for bad in (3, True, "no")],
        *[("budget", bad) for bad in (5, False)],
        *[("redirects", bad) for bad in (-1, None, True, 1.5)],
        *[("max_body", bad) for bad in (0, -1, "1", 1.5)],
        *[
            ("headers", bad)
            for bad in ("A: b", {"": "x"}, {"X Y": "x"}, {"A": None}, {"A": "a\r\nb"}, {"Content-Length": "5"})
        ],
        *[("params", bad) for bad in (5, {"a": None}, {"a": float("nan")}, {"a": object()})],
        *[("auth", bad) for bad in ("token", 5, ("u", "p"), {"https://a/path": ("u", "p")})],
        *[("middlewares", bad) for bad in (print, [5], 5, "abc", None)],
        *[("network_middlewares", bad) for bad in (print, [None])],
        *[("observers", bad) for bad in (print, [5], [_observer])],
        *[("sensitive_headers", bad) for bad in ("X-Key", [None], 5)],
        *[("raise_for_status", bad) for bad in (5, "yes", None)],
        *[("trust_env", bad) for bad in (1, None)],
        *[("strict_base", bad) for bad in (1, None, True)],
        *[("proxy", bad) for bad in (5, "ftp://h", "http://h/path", "h:80", "")],
        *[("tls", bad) for bad in (5, True, "/does/not/exist.pem")],
        *[("network", bad) for bad in (5, "lo")],
        *[("transport", bad) for bad in (5, _NoClose())],
    ],
)
def test_a_bad_option_raises_and_names_itself(name, value):
    """ValueError or TypeError, at once, with the option's name in the message."""
    with pytest.raises((TypeError, ValueError), match=name):
        Client(**{name: value})


@pytest.mark.parametrize("url", [5, "", " ", "ftp://a", "https://a b", "example.com"])
def test_a_bad_base_url(url):
    """A base_url that cannot be requested is refused at once, by its name."""
    with pytest.raises((TypeError, ValueError), match=r"^base_url=: "):
        Client(url)


def test_unknown_options():
    """A name that does not exist is named, with those that do."""
    wrong: Any = {"concurency": 5}
    with pytest.raises(TypeError, match=r"no option concurency; it has .*limits"):
        Client(**wrong)
    with pytest.raises(TypeError, match="no option foo"):
        Client().with_(foo=5)


@pytest.mark.parametrize("owner", ["transport", "session"])
def test_what_a_given_transport_or_session_brings(owner):
    """proxy, tls and network belong to whoever makes the connections."""
    session: Any = SimpleNamespace(request=None, cookie_jar=None)
    given: Any = MockTransport({}) if owner == "transport" else session
    clashes: list[Any] = [{"proxy": "http://p"}, {"tls": False}, {"trust_env": True}]
    for clash in clashes:
        with pytest.raises(ValueError, match=f"{owner}= brings its own {next(iter(clash))}"):
            Client(**{owner: given, **clash})
    with pytest.raises(ValueError, match="session= brings its own transport"):
        Client(session=session, transport=MockTransport({}))


def test_what_is_no_session():
    """Refused at once, not by the first request."""
    wrong: Any = 5
    with pytest.raises(TypeError, match=r"session= must be an aiohttp\.ClientSession, not int"):
        Client(session=wrong)


def test_no_verification_warns():
    """Rule 40: certificates are unchecked only with a warning."""
    with pytest.warns(UserWarning, match="not verified"):
        Client(tls=False)


@pytest.mark.parametrize("path", ["", "no/such/file.pem", __file__, "\ud800", "a\0b"])
def test_a_ca_bundle_that_is_none_is_refused(path):
    """Whatever is wrong with it; an empty path, too, which the standard library takes for the system's CAs."""
    with pytest.raises(ValueError, match=r"tls= names") as caught:
        Client(tls=path)
    assert not isinstance(caught.value, UnicodeError)
    assert str(caught.value).isprintable()


def test_changes_keep_the_rest():
    """`changed` replaces what is named and merges timeouts."""
    settings = Settings(timeout=9, limits=Limits(concurrency=7))
    changed = settings.changed({"retry": None})
    assert (changed.limits, changed.retry, changed.clocks().total) == (settings.limits, None, 9)
