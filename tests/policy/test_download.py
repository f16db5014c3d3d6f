"""What an answer means for the part of a download that is there."""

import json
from pathlib import Path

import pytest

from asynchttp.policy.download import (
    Anew,
    Append,
    Complete,
    Fail,
    Part,
    Refuse,
    check_checksum,
    meaning_of,
    note_of,
    part_of,
    range_headers,
    validator_of,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "retry.json").read_text(encoding="utf-8"))["resume"]
A = '"a"'
URL = "https://example.com/a"
OLD, NOW = "Wed, 01 Jan 2025 00:00:00 GMT", "Wed, 01 Jan 2025 00:01:00 GMT"


def _headers(answer):
    names = {"etag": "ETag", "content_range": "Content-Range", "content_length": "Content-Length"}
    names["content_type"] = "Content-Type"
    return {names[name]: str(value) for name, value in answer.items() if name in names}


def _expected(vector):
    """What the outcome of a vector is called here. The body of the last but one is checked by the driver, as it comes."""
    second, result = vector["second"], vector["result"]
    if second["status"] == 200:
        return Anew
    if result.startswith("already complete"):
        return Complete
    return Append if result == "abcdef" or "EXTRA" in second.get("body", "") else Refuse


@pytest.mark.parametrize("vector", [v for v in VECTORS if "second" in v], ids=lambda v: v["src"])
def test_the_vectors_of_a_second_answer(vector):
    """A part is continued with the same version and the right bytes, or not at all."""
    size = vector.get("local_size", 3)
    part = Part(size, A, 6 if "etag" in vector.get("first", {}) else None)
    headers = _headers(vector["second"])
    if "EXTRA" in vector["second"].get("body", ""):
        headers["ETag"] = A
    assert type(meaning_of(vector["second"]["status"], headers, part)) is _expected(vector)
    if "range" in vector.get("second_request", {}) and "if_match" in vector["second_request"]:
        assert range_headers(part)["If-Range"] == vector["second_request"]["if_match"]


@pytest.mark.parametrize("vector", [v for v in VECTORS if v.get("first", {}).get("status") == 206])
def test_a_part_that_nobody_asked_for_is_refused(vector):
    """Not one of the first answers of the vectors is the whole."""
    assert isinstance(meaning_of(206, _headers(vector["first"]), Part()), Refuse)


def test_a_weak_validator_is_none():
    """So the whole is asked for; content codings are off in any case."""
    weak = next(v for v in VECTORS if v["src"] == "undici weak etag")["first"]
    found = meaning_of(200, _headers(weak), Part())
    assert isinstance(found, Anew)
    assert range_headers(found.part._replace(size=3)) == {"Accept-Encoding": "identity"}


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        ({}, ""),
        ({"ETag": A}, A),
        ({"ETag": '""'}, '""'),
        ({"ETag": 'W/"a"', "Last-Modified": OLD, "Date": NOW}, ""),
        ({"ETag": "a"}, ""),
        ({"ETag": '"é"'}, ""),
        ({"Last-Modified": OLD, "Date": NOW}, OLD),
        ({"Last-Modified": OLD, "Date": NOW.replace("01:00", "00:59")}, ""),
        ({"Last-Modified": OLD}, ""),
        ({"Last-Modified": "yesterday", "Date": NOW}, ""),
    ],
)
def test_strong_validators(headers, validator):
    """A date is strong when it is a minute old (RFC 9110, 8.8.2.2)."""
    assert validator_of(headers) == validator


def test_a_whole_answer_says_what_it_is():
    """Its version and its length, unless it is coded: then there is no going on."""
    headers = {"ETag": A, "Content-Length": "6"}
    for status in (200, 203):
        assert meaning_of(status, headers, Part(3, A)) == Anew(Part(0, A, 6))
    assert meaning_of(200, {**headers, "Content-Encoding": "identity"}, Part()) == Anew(Part(0, A, 6))
    assert meaning_of(200, {**headers, "Content-Encoding": "gzip"}, Part()) == Anew(Part())
    assert meaning_of(200, {"Content-Length": "a"}, Part()) == Anew(Part())


@pytest.mark.parametrize("status", [204, 301, 304, 401, 404, 412, 416, 500])
def test_everything_else_is_a_failure(status):
    """416 too, where no range was asked for."""
    assert meaning_of(status, {}, Part()) == Fail()


@pytest.mark.parametrize(
    ("headers", "total", "meaning"),
    [
        ({"Content-Range": "bytes 3-5/6"}, None, Append(6, 6)),
        ({"Content-Range": "BYTES 3-4/6", "Content-Length": "2"}, 6, Append(5, 6)),
        ({"Content-Range": "bytes 3-5/*"}, None, Append(6, None)),
        ({"Content-Range": "bytes 3-5/*"}, 6, Append(6, 6)),
        ({"Content-Range": "bytes 3-5/7"}, 6, "has 7 bytes now, and had 6"),
        ({"Content-Range": "bytes 3-6/6"}, None, "bytes from 3 on"),
        ({"Content-Range": "bytes 3-2/6"}, None, "bytes from 3 on"),
        ({"Content-Range": "bytes 0-5/6"}, None, "bytes from 3 on"),
        ({"Content-Range": "bytes */6"}, None, "none of a single range"),
        ({"Content-Type": "multipart/byteranges"}, None, "none of a single range"),
        ({"Content-Range": "bytes 3-5/6", "Content-Length": "4"}, None, "not the 3 of"),
        ({"Content-Range": "bytes 3-5/6", "Content-Encoding": "gzip"}, None, "content coding"),
        ({"Content-Range": "bytes 3-5/6", "ETag": '"b"'}, None, "version is another"),
        ({"Content-Range": "bytes 3-5/6", "ETag": 'W/"a"'}, None, "version is another"),
        ({"Content-Range": "bytes 3-5/6", "ETag": None}, None, "version is another"),
    ],
)
def test_the_rest(headers, total, meaning):
    """Every fact of a 206 has to fit."""
    headers = {name: value for name, value in {"ETag": A, **headers}.items() if value is not None}
    found = meaning_of(206, headers, Part(3, A, total))
    if isinstance(meaning, str):
        assert isinstance(found, Refuse)
        assert meaning in found.why
    else:
        assert found == meaning


def test_the_rest_by_date():
    """A 206 to an If-Range may leave Last-Modified out, and not have another one."""
    part, shown = Part(3, OLD), {"Content-Range": "bytes 3-5/6"}
    assert range_headers(part)["If-Range"] == OLD
    assert meaning_of(206, shown, part) == Append(6, 6)
    assert meaning_of(206, {**shown, "Last-Modified": OLD}, part) == Append(6, 6)
    assert isinstance(meaning_of(206, {**shown, "Last-Modified": NOW}, part), Refuse)


@pytest.mark.parametrize(
    ("headers", "total", "meaning"),
    [
        ({"Content-Range": "bytes */3"}, None, Complete),
        ({"Content-Range": "bytes */3", "ETag": A}, 3, Complete),
        ({"Content-Range": "bytes */3", "ETag": '"b"'}, 3, Refuse),
        ({"Content-Range": "bytes */3"}, 4, Refuse),
        ({"Content-Range": "bytes */2"}, None, Refuse),
        ({}, 3, Refuse),
    ],
)
def test_nothing_is_left(headers, total, meaning):
    """416 is success if the server has as many bytes as we."""
    assert isinstance(meaning_of(416, headers, Part(3, A, total)), meaning)


def test_a_note_is_read_again():
    """With the size of the file, which nobody wrote down."""
    part = Part(3, A, 6, "a.zip")
    assert part_of(note_of(part, URL), URL, 5) == part._replace(size=5)
    assert part_of(note_of(Part(3, OLD), URL), URL, 3) == Part(3, OLD)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"url": "https://example.com/b"},
        {"validator": "a\r\nX: y"},
        {"validator": ""},
        {"validator": 7},
        {"total": 2},
        {"total": "6"},
        {"total": True},
        {"name": None},
    ],
)
def test_a_note_that_is_not_to_be_believed(change):
    """Of another URL or format, or one that somebody else has made: the download begins anew."""
    note = json.loads(note_of(Part(3, A, 6), URL))
    assert part_of(json.dumps(note), URL, 3) == Part(3, A, 6)
    assert part_of(json.dumps({**note, **change}), URL, 3) == Part()


@pytest.mark.parametrize("note", ["", "{", "[]", "7", "[" * 100_000])
def test_a_note_that_is_damaged(note):
    """As after a crash of the machine."""
    assert part_of(note, URL, 3) == Part()


def test_checksums():
    """Names with or without a hyphen, in any case."""
    assert check_checksum(None) is None
    assert check_checksum("SHA-256:" + "AB" * 32) == ("sha256", "ab" * 32)
    with pytest.raises(TypeError, match="not bytes"):
        check_checksum(b"md5:")
    with pytest.raises(ValueError, match="must begin with one of md5"):
        check_checksum("crc32:abc")
    with pytest.raises(ValueError, match="a sha1 has 40 hexadecimal digits"):
        check_checksum("sha1:abc")
