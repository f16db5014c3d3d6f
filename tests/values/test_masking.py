"""Masking: no secret shows, everything else does, and no input is too strange."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict
from yarl import URL

from asynchttp.values.masking import SENSITIVE_HEADERS, is_secret_header, mask_headers, mask_text, mask_url

SECRET = "hunter2"
#: Anything, and more often than by chance what has a meaning in a URL.
texts = st.text(st.one_of(st.sampled_from("/?#@:&;=%[]\\ha1\n\x1b\u202e\ud800\udce9"), st.characters()), max_size=60)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("https://example.com/a?page=2#top", "https://example.com/a?page=2#top"),
        ("http://ada:pw@h/", "http://***@h/"),
        ("http://ada@h/", "http://***@h/"),
        ("http://a:b@c@h/", "http://***@h/"),
        ("//ada:pw@h/", "//***@h/"),
        ("HTTP://ada:pw@h", "HTTP://***@h"),
        ("https://medium.com/@ada", "https://medium.com/@ada"),
        ("/people/@ada", "/people/@ada"),
        ("http://h:80/a@b", "http://h:80/a@b"),
        ("http://h:/a@b", "http://h:/a@b"),
        ("http://[::1]/a@b", "http://[::1]/a@b"),
        ("http://h/?to=ada@example.com", "http://h/?to=ada@example.com"),
    ],
)
def test_userinfo_is_masked_and_nothing_else(url, shown):
    """The authority loses what stands before its last @; other @ signs stay."""
    assert mask_url(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://u:p/hunter2@h/",
        "http://u:p?hunter2@h/",
        "http://u:p#hunter2@h/",
        "u:hunter2@h/",
        "http:u:hunter2@h",
        "http:/u:hunter2@h",
        "http:///u:hunter2@h/",
        "mailto:hunter2@h",
        "http://h/x//u:hunter2@i/",
    ],
)
def test_a_broken_url_does_not_show_its_password(url):
    """What does not parse is shown in error messages, so it is masked as well."""
    assert SECRET not in mask_url(url)


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "api_key",
        "apiKey",
        "API-KEY",
        "api%5Fkey",
        "subscription-key",
        "token",
        "access_token",
        "nextToken",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "AWSAccessKeyId",
        "password",
        "user_pass",
        "client_secret",
        "auth",
        "jwt",
        "sid",
        "PHPSESSID",
        "sessionId",
        "appid",
        "hmac",
    ],
)
def test_query_values_of_secret_names_are_masked(name):
    """Query and fragment, with & and with ;, keep the name and lose the value."""
    url = f"https://h/a?page=2&{name}=hunter2;{name}=hunter2#{name}=hunter2"
    assert mask_url(url) == f"https://h/a?page=2&{name}=***;{name}=***#{name}=***"
    assert mask_url(URL(url, encoded=True)) == mask_url(url)


@pytest.mark.parametrize("name", ["page", "keyword", "design", "author", "passenger", "assignee", "q", "sort"])
def test_query_values_of_other_names_are_shown(name):
    """A log without the query is of little use."""
    assert mask_url(f"https://h/?{name}=1") == f"https://h/?{name}=1"


def test_an_empty_secret_is_shown_as_empty():
    """That a token is missing is what the reader of the log looks for."""
    assert mask_url("https://h/?token=&a=1") == "https://h/?token=&a=1"


@pytest.mark.parametrize(
    ("value", "masked"),
    [
        ("https%3A%2F%2Fu%3Ahunter2%40h%2F", True),
        ("http://u:hunter2@h", True),
        ("https%3A%2F%2Fh%2F%3Ftoken%3Dhunter2", True),
        ("https%3A%2F%2Fh%2F%3Fpage%3D2", False),
        ("a%20b", False),
    ],
)
def test_a_url_in_a_query_value_is_looked_into(value, masked):
    """Redirects and proxies carry whole URLs in their query."""
    assert mask_url(f"https://h/?next={value}") == f"https://h/?next={'***' if masked else value}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://h/\n\x1b[31m", "http://h/\\n\\x1b[31m"),
        ("http://h/\ud800", "http://h/\\ud800"),
        ("http://h/?a=\u202e", "http://h/?a=\\u202e"),
        ("http://h/é", "http://h/é"),
        ("", ""),
    ],
)
def test_what_does_not_print_is_escaped(url, shown):
    """No URL can move the cursor, split a log line or break a UTF-8 terminal."""
    assert mask_url(url) == shown


@given(texts)
def test_masking_never_raises_and_always_prints(text):
    """Any text at all gives text that can be printed."""
    for shown in (mask_url(text), mask_text(text).replace("\n", "").replace("\t", "")):
        assert shown.isprintable()
        shown.encode()


@given(
    user=st.text("abc:!$&'()*+,;=-._~%", max_size=8),
    name=st.sampled_from(["token", "api_key", "X-Amz-Signature", "pwd"]),
    host=st.sampled_from(["h", "example.com:8080", "[::1]", "127.0.0.1"]),
    path=st.text("abc/@:.-", max_size=8),
)
def test_no_secret_of_a_url_shows(user, name, host, path):
    """Wherever a URL keeps secrets, a message or repr with it shows none."""
    url = f"https://{user}:hunter2@{host}/{path}?q=1&{name}=hunter2"
    assert SECRET not in mask_url(url)
    assert SECRET not in mask_text(f"cannot reach URL('{url}'): ({url}) failed")
    assert host in mask_url(url)


@pytest.mark.parametrize(
    "hostile", ["//" * 30_000 + "@", "@//" + ":" * 60_000, "?" + "token" * 12_000 + "=@", "@" * 60_000]
)
def test_hostile_text_takes_linear_time(hostile):
    """Servers choose what is masked; in quadratic time (3.6e9 steps here) this test would not come to its end."""
    assert mask_url(hostile).isprintable()
    assert mask_text(hostile).isprintable()


def test_a_foreign_message_keeps_its_lines():
    """Line ends and tabs are part of a message; other control characters are not."""
    assert mask_text("400, at:\n\tGET http://u:p@h/?token=x\n\x00") == "400, at:\n\tGET http://***@h/?token=***\n\\x00"
    assert mask_text("no such host") == "no such host"


def test_headers_are_masked_by_name():
    """Every header of the list loses its value; Authorization keeps its scheme."""
    shown = mask_headers({name.title(): SECRET for name in SENSITIVE_HEADERS})
    assert set(shown.values()) == {"***"}
    assert mask_headers({"AUTHORIZATION": "Bearer abc"}) == {"AUTHORIZATION": "Bearer ***"}
    assert mask_headers({"proxy-authorization": "Basic abc"}) == {"proxy-authorization": "Basic ***"}
    assert mask_headers({"Authorization": "hunter2; a b"}) == {"Authorization": "***"}
    assert mask_headers({"Authorization": "Bearer"}) == {"Authorization": "***"}


def test_headers_that_look_secret_are_masked():
    """Services invent names; what looks like a token or a key is taken for one."""
    assert mask_headers({"X-Vault-Token": SECRET, "PRIVATE-TOKEN": SECRET, "X-Goog-Api-Key": SECRET}) == {
        "X-Vault-Token": "***",
        "PRIVATE-TOKEN": "***",
        "X-Goog-Api-Key": "***",
    }
    assert mask_headers({"Idempotency-Key": "7", "Accept": "*/*"}) == {"Idempotency-Key": "7", "Accept": "*/*"}


def test_given_names_are_masked_in_any_case():
    """`sensitive_headers` of the client are names, not spellings."""
    assert mask_headers({"x-tenant": SECRET, "x-other": "1"}, ("X-Tenant",)) == {"x-tenant": "***", "x-other": "1"}


def test_a_repeated_header_has_a_list_of_values():
    """Copies are counted and masked one by one, under the first spelling."""
    headers = CIMultiDict([("Cookie", "a=1"), ("Via", "x"), ("cookie", "b=2"), ("COOKIE", "c=3"), ("via", "y")])
    assert mask_headers(headers) == {"Cookie": ["***", "***", "***"], "Via": ["x", "y"]}


def test_urls_in_other_headers_are_masked():
    """Location and Referer carry URLs, and control characters never reach a terminal."""
    shown = mask_headers({"Location": "https://u:p@h/?token=x", "Server": "a\x1b[2J"})
    assert shown == {"Location": "https://***@h/?token=***", "Server": "a\\x1b[2J"}


def test_what_is_masked_is_the_same_predicate_that_scrubs():
    """`is_secret_header` takes lower-case names and says yes to whatever `mask_headers` masks."""
    assert all(is_secret_header(name) for name in SENSITIVE_HEADERS)
    assert is_secret_header("x-tenant", {"x-tenant"})
    assert not is_secret_header("x-tenant")
    assert not is_secret_header("sec-websocket-key")
