"""Content codings: whole, cut, corrupt, too big, and never more memory than asked for."""

from __future__ import annotations

import bz2
import functools
import gzip
import random
import sys
import tracemalloc
import zlib
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asynchttp.policy import decode as module
from asynchttp.policy.decode import ContentDecoder, Unknown, _Zstd, accept_encoding, decoder_for
from asynchttp.values.errors import DecodeError, TruncatedResponse

TEXT = b"".join(b"%d: the quick brown fox\n" % number for number in range(20_000))
NOISE = random.Random(1).randbytes(100_000)
HELLO = b"hello"


def raw_deflate(data):
    """A deflate body without the zlib wrapper, as some servers send it."""
    coder = zlib.compressobj(wbits=-15)
    return coder.compress(data) + coder.flush()


# Python's bz2 has the interface of zstd's module: where no zstd is installed, the same code is tried on it.
STAND_IN = SimpleNamespace(
    DecompressionParameter=SimpleNamespace(window_log_max=0),
    ZstdDecompressor=lambda options: bz2.BZ2Decompressor(),
    ZstdError=OSError,
)
ENCODERS = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", raw_deflate),
    "stand-in": ("stand-in", bz2.compress),
}
# With the extra `speed`. The best that Brotli can do takes it two seconds for half a megabyte.
for _name, _module, _options in (("br", module._brotli(), {"quality": 5}), ("zstd", module._zstd(), {})):
    if _module is not None:
        ENCODERS[_name] = (_name, functools.partial(_module.compress, **_options))
REAL = sorted(set(ENCODERS) - {"stand-in"})
FLUSHING = {"gzip": 31, "zlib": 15, "raw": -15}
codings = pytest.mark.parametrize("name", ENCODERS)


def decoder_of(*values):
    """The decoder of these Content-Encoding values."""
    decoder = ContentDecoder([_Zstd(STAND_IN)]) if values == ("stand-in",) else decoder_for(values)
    assert isinstance(decoder, ContentDecoder)
    return decoder


def decode(values, data, *, cut=None, size=None):
    """The whole body, fed in pieces of `cut` bytes and fetched in pieces of `size`."""
    decoder = decoder_of(*([values] if isinstance(values, str) else values))
    cut = cut or len(data) or 1
    got = []
    for start in range(0, len(data), cut):
        got.append(decoder.feed(data[start : start + cut], size))
        while decoder.pending:
            got.append(decoder.feed(b"", size))
    assert size is None or max(map(len, got), default=0) <= size
    return b"".join(got) + decoder.finish()


@codings
@pytest.mark.parametrize(
    "body", [b"", HELLO, TEXT, NOISE, NOISE + TEXT], ids=["empty", "small", "text", "noise", "both"]
)
@pytest.mark.parametrize(("cut", "size"), [(None, None), (1000, None), (None, 5000), (777, 100_000), (70_000, 65_536)])
def test_a_body_comes_out_whole(name, body, cut, size):
    """Whatever the pieces in and out."""
    coding, encode = ENCODERS[name]
    assert decode(coding, encode(body), cut=cut, size=size) == body


@codings
def test_every_byte_alone(name):
    """A header, a check sum or an end mark may be cut anywhere."""
    coding, encode = ENCODERS[name]
    assert decode(coding, encode(TEXT[:500]), cut=1, size=7) == TEXT[:500]


@pytest.mark.parametrize("name", FLUSHING)
def test_a_flushed_part_is_given_at_once(name):
    """What the server flushed can be read before the body ends (a stream of events)."""
    coder = zlib.compressobj(wbits=FLUSHING[name])
    decoder = decoder_of(ENCODERS[name][0])
    assert decoder.feed(coder.compress(HELLO) + coder.flush(zlib.Z_SYNC_FLUSH)) == HELLO


@codings
def test_a_cut_body_is_truncated_never_success(name):
    """G02: the length is right and the data ends early; at every place after the first byte."""
    coding, encode = ENCODERS[name]
    data = encode(TEXT[:2000])
    for end in {1, 2, 11, len(data) // 2, len(data) - 5, len(data) - 1}:
        with pytest.raises(TruncatedResponse, match="ended in the middle") as caught:
            decode(coding, data[:end])
        assert (caught.value.part, caught.value.received, caught.value.sent) == ("body", end, True)


@codings
@pytest.mark.parametrize("cut", [None, 1])
def test_what_follows_the_end_is_an_error(name, cut):
    """G04: bytes after the end belong to nobody."""
    coding, encode = ENCODERS[name]
    with pytest.raises(DecodeError, match="not valid"):
        decode(coding, encode(HELLO) + b"garbage", cut=cut)


@pytest.mark.parametrize("name", ["zlib", "raw"])
def test_deflate_has_one_stream_only(name):
    """Unlike gzip, nothing says that a second one may follow."""
    coding, encode = ENCODERS[name]
    with pytest.raises(DecodeError, match="data follows its end"):
        decode(coding, encode(HELLO) * 2)


@codings
def test_a_plain_body_is_an_error(name):
    """G01: the header promises what the body is not."""
    with pytest.raises(DecodeError, match="although its Content-Encoding says so"):
        decode(ENCODERS[name][0], b"\xff just plain text, and a good deal of it")


@pytest.mark.parametrize(("name", "tail"), [("gzip", 8), ("zlib", 4)])
def test_a_wrong_check_sum_is_an_error(name, tail):
    """G03: every byte arrived and one of them is wrong."""
    coding, encode = ENCODERS[name]
    data = bytearray(encode(HELLO))
    data[-tail] ^= 1
    with pytest.raises(DecodeError, match="incorrect data check") as caught:
        decode(coding, bytes(data))
    assert caught.value.damaged


@pytest.mark.parametrize("cut", [None, 1, 25])
def test_gzip_may_have_several_members(cut):
    """G05, RFC 1952, 2.2: they follow one another."""
    data = gzip.compress(b"a" * 1200) + gzip.compress(b"") + gzip.compress(b"b" * 1200)
    assert decode("gzip", data, cut=cut) == b"a" * 1200 + b"b" * 1200
    with pytest.raises(TruncatedResponse):
        decode("gzip", data[:-9], cut=cut)


@pytest.mark.parametrize("cut", [None, 1])
@pytest.mark.parametrize("name", sorted({"stand-in", "zstd"} & set(ENCODERS)))
def test_zstd_may_have_several_frames(name, cut):
    """RFC 8878, 3: frames follow one another."""
    coding, encode = ENCODERS[name]
    assert decode(coding, encode(HELLO) * 2, cut=cut) == HELLO * 2


def test_a_zstd_window_over_8_mib_is_refused():
    """RFC 9659: what a browser would refuse may also not take our memory."""
    zstd = module._zstd()
    if zstd is None:
        pytest.skip("needs the extra speed")
    coder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 25})
    data = coder.compress(TEXT * 100) + coder.flush()
    with pytest.raises(DecodeError, match="not valid zstd"):
        decode("zstd", data)


@pytest.mark.parametrize(
    "values",
    [["gzip, deflate"], ["gzip", "deflate"], ["x-gzip ,  DEFLATE"], ["identity, gzip", "", "deflate,"]],
)
def test_chains_are_undone_last_first(values):
    """G12: in one header or several, in any case; identity and empty elements mean nothing."""
    assert decode(values, zlib.compress(gzip.compress(TEXT)), cut=500, size=4000) == TEXT


def test_five_codings_are_undone_and_six_are_not():
    """G09: more than five is an attack, refused before a byte is decoded."""
    data = HELLO
    for _ in range(5):
        data = gzip.compress(data)
    assert decode(["gzip"] * 5, data, cut=3) == HELLO
    with pytest.raises(DecodeError, match="6 content codings"):
        decoder_for(["gzip, gzip", "gzip, gzip, nonsense", "gzip"])


def test_a_chain_is_whole_only_if_every_stage_is():
    """The outer coding may be whole around an inner one that is cut."""
    inner = gzip.compress(TEXT)
    with pytest.raises(TruncatedResponse, match="gzip"):
        decode("gzip, deflate", zlib.compress(inner[:-20]))
    assert decode("gzip, deflate", zlib.compress(b"")) == b""


@pytest.mark.parametrize("values", [[], [""], ["identity"], ["Identity, identity"]])
def test_nothing_to_undo(values):
    """No coding, no decoder."""
    assert decoder_for(values) is None


@pytest.mark.parametrize(
    ("values", "coding"), [(["foo"], "foo"), (["gzip, Foo"], "foo"), (["compress", "gzip"], "compress")]
)
def test_an_unknown_coding_leaves_the_body_as_it_is(values, coding):
    """G10: raw bytes, marked; a chain with an unknown link cannot be undone by halves."""
    assert decoder_for(values) == Unknown(coding)


def test_an_empty_body_needs_no_coding():
    """G11: a gzip header over nothing is what HEAD, 204 and careless servers send."""
    assert decode(["gzip, deflate"], b"") == b""


@codings
def test_a_bomb_stops_at_the_size_that_was_asked_for(name):
    """G08: the caller counts and stops; nothing beyond the piece asked for was made."""
    coding, encode = ENCODERS[name]
    data = encode(bytes(20 * 2**20))
    decoder = decoder_of(coding)
    tracemalloc.start()
    try:
        assert len(decoder.feed(data, 500_000)) == 500_000
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
    assert decoder.pending


@codings
def test_a_bomb_ends_at_a_thousand_to_one(name):
    """Rule 38: beyond 1 MiB, more than 1000 bytes for one is an error, also for those who asked for all of it."""
    coding, encode = ENCODERS[name]
    data = encode(bytes(20 * 2**20))
    with pytest.raises(DecodeError, match="decompression bomb"):
        decode(coding, data[:4000])


@codings
def test_a_small_body_may_be_as_dense_as_it_likes(name):
    """A megabyte of zeros in a few bytes is a sparse file, not an attack."""
    coding, encode = ENCODERS[name]
    assert decode(coding, encode(bytes(2**20))) == bytes(2**20)


def test_a_bomb_inside_a_chain_is_seen():
    """A million empty gzip members in 50 KB give no output at all, and a minute of work."""
    data = zlib.compress(gzip.compress(b"") * 1_000_000)
    decoder = decoder_of("gzip, deflate")
    with pytest.raises(DecodeError, match="gzip data grew"):
        for start in range(0, len(data), 1000):
            assert decoder.feed(data[start : start + 1000]) == b""
    assert decoder.received < 5000


def test_pieces_may_be_fed_before_the_rest_was_fetched():
    """A caller who asks for little and feeds on loses nothing."""
    for coding, encode in ENCODERS.values():
        data = encode(NOISE)
        decoder = decoder_of(coding)
        got = b"".join(decoder.feed(data[start : start + 1000], 10) for start in range(0, len(data), 1000))
        assert got == NOISE[: len(got)]
        assert got + decoder.finish() == NOISE


def test_nothing_asked_for_nothing_given():
    """``max_length=0`` only takes input; it is pending until somebody looks."""
    decoder = decoder_of("gzip")
    assert decoder.feed(gzip.compress(HELLO), 0) == b""
    assert decoder.pending
    assert decoder.finish() == HELLO
    assert not decoder.pending


@settings(deadline=None)
@given(
    body=st.binary(max_size=3000).map(lambda data: data * 20),
    names=st.lists(st.sampled_from(REAL), min_size=1, max_size=5),
    cut=st.integers(1, 5000),
    size=st.none() | st.integers(1, 5000),
)
def test_any_chain_in_any_pieces(body, names, cut, size):
    """Encoding and decoding are inverse, however they are mixed."""
    data = body
    for name in names:
        data = ENCODERS[name][1](data)
    assert decode([ENCODERS[name][0] for name in names], data, cut=cut, size=size) == body


@settings(deadline=None, max_examples=30)
@given(
    name=st.sampled_from(sorted(ENCODERS)),
    body=st.binary(max_size=60),
    size=st.none() | st.integers(1, 40),
)
def test_every_split_in_two_gives_the_same(name, body, size):
    """Wherever a connection cuts the body, also inside of a head, a checksum or an end mark; and cut short it is never whole."""
    coding, encode = ENCODERS[name]
    data = encode(body)
    for at in range(len(data) + 1):
        assert _in_two(coding, data, at, size) == body
        if 0 < at < len(data):
            with pytest.raises(TruncatedResponse):
                _in_two(coding, data[:at], at, size)


def _in_two(coding, data, at, size):
    decoder = decoder_of(coding)
    got = []
    for piece in (data[:at], data[at:]):
        got.append(decoder.feed(piece, size))
        while decoder.pending:
            got.append(decoder.feed(b"", size))
    return b"".join(got) + decoder.finish()


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(ENCODERS)),
    data=st.binary(max_size=200),
    keep=st.integers(0, 60),
    cut=st.integers(1, 50),
)
def test_any_damage_is_one_of_our_errors(name, data, keep, cut):
    """Rule 44: corrupt input ends in DecodeError or TruncatedResponse, or was no damage."""
    coding, encode = ENCODERS[name]
    try:
        decode(coding, encode(TEXT[:400])[:keep] + data, cut=cut, size=100)
    except (DecodeError, TruncatedResponse) as error:
        message = error.message
    else:
        return
    assert {"stand-in": "zstd"}.get(coding, coding) in message


@pytest.fixture
def fresh():
    """Look for the optional modules anew, and forget what a test made believe."""
    caches = (module._brotli, module._zstd, accept_encoding)
    for cache in caches:
        cache.cache_clear()
    yield
    for cache in caches:
        cache.cache_clear()


OPTIONAL = ("brotli", "brotlicffi", "compression", "compression.zstd", "backports", "backports.zstd")


@pytest.mark.usefixtures("fresh")
def test_only_what_can_be_undone_is_asked_for(monkeypatch):
    """Without the modules of `speed`, br and zstd are neither asked for nor known."""
    for name in OPTIONAL:
        monkeypatch.setitem(sys.modules, name, None)
    assert accept_encoding() == "gzip, deflate"
    assert decoder_for(["br"]) == Unknown("br")
    assert decoder_for(["zstd"]) == Unknown("zstd")


@pytest.mark.usefixtures("fresh")
def test_a_brotli_that_cannot_stop_is_not_used(monkeypatch):
    """Before 1.2 it expanded a bomb whole."""
    old = ModuleType("brotli")
    old.__dict__["Decompressor"] = type("Decompressor", (), {"process": None})
    for name in OPTIONAL:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "brotli", old)
    assert accept_encoding() == "gzip, deflate"


@pytest.mark.usefixtures("fresh")
def test_zstd_is_asked_for_where_its_module_is(monkeypatch):
    """Python's own from 3.14 on, its backport before."""
    for name in OPTIONAL:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "backports.zstd", STAND_IN)
    assert accept_encoding() == "gzip, deflate, zstd"
    assert isinstance(decoder_for(["zstd"]), ContentDecoder)
