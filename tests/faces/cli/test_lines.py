"""Lines of a URL file, from bytes to requests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asynchttp.faces.cli.lines import MAX_LINE, BadLine, Defaults, Line, LineSplitter, encoding_problem, parse_line
from asynchttp.values.checks import check_headers
from asynchttp.values.request import Request
from asynchttp.values.timeout import NO_TIMEOUT, Timeout
from asynchttp.values.unset import UNSET

PLAIN = Defaults()


def split(*chunks):
    splitter = LineSplitter()
    return [line for chunk in chunks for line in splitter.feed(chunk)] + splitter.end()


def good(raw, defaults=PLAIN, number=7):
    item = parse_line(number, raw, defaults)
    assert isinstance(item, Request), item
    return item


def bad(raw, number=7):
    item = parse_line(number, raw, PLAIN)
    assert isinstance(item, BadLine), item
    assert item.line.number == number
    return item


# ------------------------------------------------------------------------------------------------------ cutting


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b""], []),
        ([b"a"], [b"a"]),
        ([b"a\n"], [b"a"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a\n\nb\n"], [b"a", b"", b"b"]),
        ([b"a", b"b\nc", b"\n"], [b"ab", b"c"]),
        ([b"a\r", b"\nb"], [b"a\r", b"b"]),
    ],
)
def test_lines_are_cut_at_line_feeds_and_numbered(chunks, lines):
    """A line feed ends a line; the last line counts without one."""
    assert split(*chunks) == list(enumerate(lines, 1))


@given(st.lists(st.binary(max_size=20)))
def test_it_does_not_matter_where_the_chunks_end(chunks):
    """Any division into chunks gives the same lines."""
    whole = b"".join(chunks)
    lines = whole.removesuffix(b"\n").split(b"\n") if whole else []
    assert split(*chunks) == list(enumerate(lines, 1))


def test_of_an_endless_line_only_the_start_is_held():
    """Chunks of a line without an end add nothing once it is too long, and the next line is whole."""
    splitter = LineSplitter()
    for _ in range(100):
        assert splitter.feed(b"x" * 60_000) == []
        assert len(splitter._rest) <= MAX_LINE + 2
    [(first, start), second] = splitter.feed(b"x\nhttp://b/\n")
    assert (first, len(start)) == (1, MAX_LINE + 2)
    assert second == (2, b"http://b/")


@pytest.mark.parametrize(
    ("start", "named"),
    [
        (b"\xff\xfeh\x00", "UTF-16"),
        (b"\xfe\xff\x00h", "UTF-16"),
        (b"\x00\x00\xfe\xff", "UTF-32"),
        (b"\xff\xfe\x00\x00", "UTF-16"),
    ],
)
def test_another_encoding_is_named_with_a_way_out(start, named):
    """A byte order mark of UTF-16 or UTF-32 is told, with the command that converts the file."""
    problem = encoding_problem(start)
    assert problem is not None
    assert named in problem
    assert "iconv" in problem


@pytest.mark.parametrize("start", [b"", b"h", b"http", b"\xef\xbb\xbfh", b"\xff", b"\x00"])
def test_utf8_is_no_problem(start):
    """Everything else is read, line by line."""
    assert encoding_problem(start) is None


# -------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    "raw", [b"", b" ", b"\t", b"\r", b" \t \r", b"#", b"# http://a/", b"  # x\r", b"#\xff", b"#" * 99_999]
)
def test_blank_lines_and_comments_are_skipped(raw):
    """They are neither requests nor errors."""
    assert parse_line(2, raw, PLAIN) is None


@pytest.mark.parametrize("raw", [b"http://a/x", b"http://a/x\r", b"  http://a/x", b"http://a/x \t \r", b"\thttp://a/x"])
def test_what_surrounds_a_url_does_not_count(raw):
    """Spaces, tabs and the CR of a Windows line end are stripped."""
    request = good(raw)
    assert (request.method, str(request.url)) == ("GET", "http://a/x")
    assert request.tag == Line(7, None, "http://a/x")


def test_a_byte_order_mark_counts_only_elsewhere():
    """U+FEFF is left out at the start of the file; in another line it is a wrong character."""
    assert good(b"\xef\xbb\xbfhttp://a/", number=1).tag.url == "http://a/"
    assert parse_line(1, b"\xef\xbb\xbf# comment", PLAIN) is None
    bad(b"\xef\xbb\xbfhttp://a/", number=2)


@pytest.mark.parametrize(
    "raw",
    [
        b"-o /etc/passwd",
        b"-o",
        b"--help",
        b"@file",
        b"example.com",
        b"/path",
        b"//host/",
        b"ftp://a/",
        b"http://",
        b"http://a b/",
        b"http://a/ b",
        b"http://a/\rx",
        b"http://a/\x00",
        b"http://a/\t{}",
        b"$(reboot)",
        b"\x1b[31mhttp://a/",
        b"[1]",
        b"http://a:99999/",
    ],
)
def test_what_is_no_url_is_a_bad_line(raw):
    """Nothing in a file is an option, a file name or a command: it is a bad URL, shown as it was written."""
    item = bad(raw)
    assert isinstance(item.error, ValueError)
    assert str(item.error)
    assert item.line.url == raw.decode()


def test_bytes_that_are_not_utf8_are_shown_escaped():
    """The record of such a line shows which bytes."""
    item = bad(b"http://a/caf\xe9 ok")
    assert item.line.url == "http://a/caf\\xe9 ok"
    assert "\\xe9" in str(item.error)


@pytest.mark.parametrize("end", [b"", b"\r"])
def test_a_line_may_be_as_long_as_allowed_and_no_longer(end):
    """64 KiB is the limit, line end not counted."""
    url = b"http://a/".ljust(MAX_LINE, b"x")
    assert len(str(good(url + end).url)) == MAX_LINE
    item = bad(url + b"x" + end)
    assert "65536 bytes" in str(item.error)
    assert len(item.line.url) < 300


def test_blanks_without_end_are_too_long():
    """A line that was cut may have had anything after its blanks."""
    assert "longer" in str(bad(b" " * (MAX_LINE + 2)).error)


def test_defaults_hold_for_urls():
    """Method and headers of the command line go into each request."""
    request = good(b"http://a/", Defaults(method="HEAD", headers=check_headers([("X-A", "1"), ("X-A", "2")])))
    assert request.method == "HEAD"
    assert request.headers.getall("x-a") == ["1", "2"]


# -------------------------------------------------------------------------------------------------- JSON objects


def test_an_object_says_all_about_its_request():
    """Every key that there is."""
    fields = {"url": "http://a/x", "method": "put", "headers": {"X": "1"}, "params": {"p": [1, 2]}}
    request = good(json.dumps(fields | {"json": {"n": None}, "id": "i", "timeout": 5}).encode() + b"\r")
    assert (request.method, str(request.url), request.headers["X"]) == ("PUT", "http://a/x?p=1&p=2", "1")
    assert (json.loads(request.body), request.timeout) == ({"n": None}, Timeout(total=5))
    assert request.tag == Line(7, "i", "http://a/x")


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, None),
        ({"data": {"a": "1 2"}}, b"a=1+2"),
        ({"body": "äöü"}, "äöü".encode()),
        ({"body": ""}, b""),
        ({"json": None}, b"null"),
        ({"data": None, "body": None, "headers": None, "params": None, "method": None, "id": None}, None),
    ],
)
def test_an_object_has_one_body_or_none(fields, body):
    """null leaves out what it stands for, except as JSON and as a time limit."""
    request = good(json.dumps({"url": "http://a/"} | fields).encode())
    assert request.body == body
    assert request.method == "GET"


def test_null_switches_time_limits_off():
    """As in the library; left out, the limits of the command line hold."""
    assert good(b'{"url": "http://a/", "timeout": null}').timeout == NO_TIMEOUT
    assert good(b'{"url": "http://a/"}').timeout is UNSET


def test_a_header_of_the_object_replaces_those_of_the_command_line():
    """By name, whatever their case and number."""
    defaults = Defaults(headers=check_headers([("Accept", "a"), ("Accept", "b"), ("X", "x")]))
    request = good(b'{"url": "http://a/", "headers": {"accept": "c"}}', defaults)
    assert request.headers.getall("Accept") == ["c"]
    assert request.headers["X"] == "x"
    assert good(b'{"url": "http://a/"}', defaults).headers.getall("Accept") == ["a", "b"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "not a JSON object"),
        (b'{"url": "http://a/"', "not a JSON object"),
        (b'{"url": "http://a/"} x', "not a JSON object"),
        (b'{"url": "http://a/\t"}', "not a JSON object"),
        (b'{"url": "http://a/", "url": "http://b/"}', "'url' is given twice"),
        (b'{"url": "http://a/", "json": {"k": 1, "l": 2, "k": 3}}', "'k' is given twice"),
        (b'{"url": "http://a/", "verb": "GET", "zz": 1}', "unknown key 'verb'"),
        (b"{}", '"url" is missing'),
        (b'{"url": null}', '"url" is missing'),
        (b'{"url": 5}', "url"),
        (b'{"url": "a.com"}', "scheme"),
        (b'{"url": "http://a/", "method": "G T"}', "method"),
        (b'{"url": "http://a/", "method": 5}', "method"),
        (b'{"url": "http://a/", "headers": {"X": 1}}', "headers"),
        (b'{"url": "http://a/", "headers": "X: 1"}', "headers"),
        (b'{"url": "http://a/", "headers": {"X": "a\\nb"}}', "headers"),
        (b'{"url": "http://a/", "params": 5}', "params"),
        (b'{"url": "http://a/", "body": {"a": 1}}', '"body" must be a string'),
        (b'{"url": "http://a/", "data": 5}', "data"),
        (b'{"url": "http://a/", "json": 1, "data": {"a": "b"}}', "json"),
        (b'{"url": "http://a/", "timeout": 0}', "positive"),
        (b'{"url": "http://a/", "timeout": "5"}', "number"),
        (b'{"url": "http://a/", "timeout": true}', "number"),
        (b'{"url": "http://a/", "timeout": 1' + b"0" * 400 + b"}", "positive"),
        (b'{"url": "http://a/", "timeout": 1e999}', "too large"),
        (b'{"url": "http://a/", "timeout": NaN}', "NaN is not JSON"),
        (b'{"url": "http://a/", "json": 1' + b"0" * 9_999 + b"}", "digits"),
        (b'{"url": "http://a/", "json": ' + b"[" * 60_000 + b"}", "nested too deeply"),
        (b'{"url": "http://a/", "id": []}', '"id"'),
        (b'{"url": "http://a/", "body": "\\ud800"}', "surrogate"),
        (b'{"url": "http://a/\\uDFFF"}', "surrogate"),
    ],
)
def test_a_bad_object_is_a_bad_line(raw, said):
    """Whatever is wrong is said, and is wrong with this line alone."""
    item = bad(raw)
    assert said in str(item.error)
    assert len(str(item.error)) < 500


def test_a_bad_object_keeps_what_names_it():
    """Its id and URL, where they could be read."""
    assert bad(b'{"id": 3, "url": "http://a b/"}').line == Line(7, 3, "http://a b/")
    assert bad(b'{"id": {}, "url": 5}').line == Line(7, None, None)


def test_a_pair_of_surrogates_is_a_character():
    """Only halves are refused."""
    assert good(b'{"url": "http://a/", "body": "\\ud83d\\ude00"}').body == "😀".encode()


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda tail: b'{"url":"http://a/","' + tail))
def test_any_line_becomes_something(raw):
    """No line can stop a run."""
    item = parse_line(1, raw, PLAIN)
    assert item is None or isinstance(item, Request | BadLine)
