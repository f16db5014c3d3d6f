"""The Link header, as RFC 8288 writes it and as servers do."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

import asynchttp.values.links as module
from asynchttp.values.links import parse_links

BASE = URL("https://api.example.com/v1/items?page=1")


@pytest.mark.parametrize(
    ("value", "links"),
    [
        ("", {}),
        ("<https://h/2>; rel=next", {"next": "https://h/2"}),
        ('<https://h/2>; rel="next"', {"next": "https://h/2"}),
        ('<?page=2>; rel="next"', {"next": "https://api.example.com/v1/items?page=2"}),
        (
            '</2>; rel="next", </9>; rel="last"',
            {"next": "https://api.example.com/2", "last": "https://api.example.com/9"},
        ),
        ('</a,b;c>; rel="next"', {"next": "https://api.example.com/a,b;c"}),
        ('</2>; title="a, <b>; rel=\\"x\\""; rel=next', {"next": "https://api.example.com/2"}),
        ('</2>; rel="next last"', {"next": "https://api.example.com/2", "last": "https://api.example.com/2"}),
        ("</2>;REL=Next", {"next": "https://api.example.com/2"}),
        (
            "</2> ; rel = next ,</3>;rel=prev",
            {"next": "https://api.example.com/2", "prev": "https://api.example.com/3"},
        ),
        ("</2>; rel=next; rel=last", {"next": "https://api.example.com/2"}),
        ("</2>; rel=next, </3>; rel=next", {"next": "https://api.example.com/2"}),
        ("</2>", {"https://api.example.com/2": "https://api.example.com/2"}),
        ('</2>; rel=""', {"https://api.example.com/2": "https://api.example.com/2"}),
        ("</2>; rel=next; anchor=other", {}),
        ("<//[::1>; rel=next, </3>; rel=last", {"last": "https://api.example.com/3"}),
        ("<>; rel=self", {"self": "https://api.example.com/v1/items?page=1"}),
        ("< /2 >; rel=next", {"next": "https://api.example.com/2"}),
        ("</\udcc3\udcbc\udcff>; rel=next", {"next": "https://api.example.com/%C3%BC%FF"}),
        (
            "garbage, </2>; rel=next garbage, </3>; rel=last",
            {"next": "https://api.example.com/2", "last": "https://api.example.com/3"},
        ),
        ('</2>; rel="next', {"next": "https://api.example.com/2"}),
        ("</2; rel=next", {}),
        ("<<</2>;;; rel=next", {"next": "https://api.example.com/2"}),
        ("</2>; =x; rel=next", {"next": "https://api.example.com/2"}),
        ("<mailto:a@b>; rel=author", {"author": "mailto:a@b"}),
    ],
)
def test_links_by_relation(value, links):
    """Targets resolved, relations in lower case, and what is no link left out."""
    assert {rel: str(link["url"]) for rel, link in parse_links([value], BASE).items()} == links


def test_a_link_has_its_parameters():
    """As the server wrote them, with names in lower case; a flag is empty."""
    link = parse_links(['</2>; rel="next"; Title="a \\"b\\""; title*=UTF-8\'\'%e2%82%ac; flag'], BASE)["next"]
    assert link == {
        "url": URL("https://api.example.com/2"),
        "rel": "next",
        "title": 'a "b"',
        "title*": "UTF-8''%e2%82%ac",
        "flag": "",
    }


def test_several_headers_are_one_list():
    """The first link of a relation counts, over all headers."""
    links = parse_links(["</2>; rel=next", "</3>; rel=next, </1>; rel=prev"], BASE)
    assert str(links["next"]["url"]) == "https://api.example.com/2"
    assert str(links["prev"]["url"]) == "https://api.example.com/1"


def test_a_bad_port_or_host_leaves_the_link_out():
    """A URL that does not parse is nobody's next page."""
    assert parse_links(["<http://h:x/>; rel=next", "<http://h:99999/>; rel=next"], BASE) == {}


@given(st.lists(st.one_of(st.text(st.characters(codec=None)), st.text(alphabet=' <>;,="\\rela/:[]')), max_size=3))
def test_any_header_is_read_without_an_error(values):
    """Whatever arrives, the result is links or nothing."""
    for link in parse_links(values, BASE).values():
        assert isinstance(link["url"], URL)


def test_the_examples_run():
    """The docstrings tell the truth."""
    assert doctest.testmod(module).failed == 0
