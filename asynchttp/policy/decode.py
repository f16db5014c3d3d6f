"""Content codings (RFC 9110, 8.4) undone piece by piece, so that a bomb never stands in memory whole."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from asynchttp.values.errors import DecodeError, TruncatedResponse

if TYPE_CHECKING:
    from collections.abc import Sequence

# What zlib says when the data is whole and its trailer (RFC 1952, 2.3.1; RFC 1950, 2.2) does not fit.
_CHECKS: Final = ("incorrect data check", "incorrect length check")
#: More than this many codings on one body is an attack, not a format (curl allows five too).
MAX_CODINGS: Final = 5
#: Decoded bytes per received byte; deflate itself cannot exceed 1032. Below the floor nothing is refused.
MAX_RATIO: Final = 1000
RATIO_FLOOR: Final = 2**20

# The most that one step makes, and what a chain of codings holds between two of its stages.
_STEP: Final = 64 * 1024
# A gzip member or zstd frame without content costs the work of this many bytes: a chain could have millions of them.
_MEMBER_COST: Final = 1024
# Input goes in by blocks, because zlib copies what is left of its input at the end of each gzip member.
_BLOCK: Final = 16 * 1024
# RFC 9659: a zstd body for the web needs a window of 8 MiB at most; the format itself allows 2 GiB.
_ZSTD_WINDOW_LOG: Final = 23


@dataclass(frozen=True, slots=True)
class Unknown:
    """A coding that cannot be undone here: the body is given as it came, marked `undecoded`."""

    coding: str


class ContentDecoder:
    """Undoes the content codings of one body; made by `decoder_for`.

    Feed it what arrives, then call `finish`. With `max_length` each call gives at most that many bytes; while `pending`
    is true, ``feed(b"", max_length)`` gives more. Memory is O(received piece + max_length), whatever the body claims.

    Raises:
        DecodeError: from `feed` and `finish`: the data is corrupt, something follows its end, or it grows to more
            than 1000 times what was received (beyond 1 MiB).
        TruncatedResponse: from `finish`: the data ended before its own end mark.
    """

    __slots__ = ("_decoded", "_stages", "pending", "received")

    def __init__(self, stages: Sequence[_Stage]) -> None:
        """Take the stages in the order in which they undo: the last coding that was applied comes first."""
        self._stages = stages
        self._decoded = [0] * len(stages)
        #: Bytes fed so far, as they came over the wire.
        self.received = 0
        #: Whether the last call stopped at its `max_length`.
        self.pending = False

    def feed(self, data: bytes, max_length: int | None = None) -> bytes:
        """Decode the next piece of the body; O(input + output)."""
        stages = self._stages
        if data:
            self.received += len(data)
            stages[0].push(data)
        last = len(stages) - 1
        pieces: list[bytes] = []
        room = max_length
        while room is None or room > 0:
            piece = self._pull(last, _STEP if room is None or room > _STEP else room)
            if not piece:
                self.pending = False
                break
            pieces.append(piece)
            if room is not None:
                room -= len(piece)
        else:
            self.pending = True
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> bytes:
        """Give what is left and check that every coding has come to its end; an empty body is whole. O(output)."""
        rest = self.feed(b"")
        for stage in self._stages:
            if not stage.whole():
                raise TruncatedResponse(
                    f"the body ended in the middle of its {stage.coding} data, after {self.received} bytes: "
                    "the server or something before it stopped early",
                    sent=True,
                    part="body",
                    received=self.received,
                )
        return rest

    def _pull(self, index: int, size: int) -> bytes:
        """At most `size` bytes out of one stage, which asks the stage before it for what it needs."""
        stage = self._stages[index]
        while True:
            piece = stage.pull(size)
            self._count(index, len(piece))
            if piece:
                return piece
            if index == 0:
                return b""
            data = self._pull(index - 1, _STEP)
            if not data:
                return b""
            stage.push(data)

    def _count(self, index: int, size: int) -> None:
        # Every stage is held against the wire, so that a chain cannot multiply what each of its stages may do.
        self._decoded[index] += size
        stage = self._stages[index]
        grown = self._decoded[index] + _MEMBER_COST * (stage.opened - 1)
        if grown > RATIO_FLOOR and grown > MAX_RATIO * self.received:
            raise DecodeError(
                f"{self.received} bytes of {stage.coding} data grew to {grown}, more than {MAX_RATIO} times as many: "
                "this looks like a decompression bomb and was not read further",
                sent=True,
            )


def decoder_for(encodings: Sequence[str]) -> ContentDecoder | Unknown | None:
    """What undoes the codings of these Content-Encoding values: None when there is nothing to undo.

    gzip and deflate (with or without the zlib wrapper, as servers send both) always; br and zstd where a module for them is
    installed. One coding that is not known makes the whole body `Unknown`. O(values).

    Raises:
        DecodeError: more than five codings.

    Example:
        >>> decoder = decoder_for(["gzip"])
        >>> decoder.feed(zlib.compress(b"hello", wbits=31)) + decoder.finish()
        b'hello'
    """
    codings = [coding for value in encodings for part in value.split(",") if (coding := part.strip().lower())]
    codings = [coding for coding in codings if coding != "identity"]
    if not codings:
        return None
    if len(codings) > MAX_CODINGS:
        raise DecodeError(
            f"the body has {len(codings)} content codings; more than {MAX_CODINGS} are not undone", sent=True
        )
    stages: list[_Stage] = []
    for coding in reversed(codings):
        stage = _stage_for(coding)
        if stage is None:
            return Unknown(coding)
        stages.append(stage)
    return ContentDecoder(stages)


@cache
def accept_encoding() -> str:
    """The Accept-Encoding that this installation can keep: ``gzip, deflate``, then br and zstd if they can be undone."""
    return ", ".join(coding for coding in ("gzip", "deflate", "br", "zstd") if _stage_for(coding) is not None)


class _Stage(Protocol):
    """One coding being undone."""

    @property
    def coding(self) -> str: ...

    @property
    def opened(self) -> int:
        """Members or frames begun so far."""

    def push(self, data: bytes) -> None:
        """Take input; only after `pull` has said with ``b""`` that it wants some."""

    def pull(self, size: int) -> bytes:
        """At most `size` bytes of output, or ``b""`` when input is needed."""

    def whole(self) -> bool:
        """Whether the input so far ends where the coding says that it ends."""


class _Zlib:
    """gzip (RFC 1952), one member or several, and deflate with (RFC 1950) or without (RFC 1951) its wrapper."""

    __slots__ = ("_block", "_engine", "_full", "_input", "_position", "coding", "opened")

    def __init__(self, coding: str) -> None:
        self.coding = coding
        self._engine: Any = None
        self.opened = 0
        self._input = b""
        self._position = 0
        self._block = b""
        self._full = False

    def push(self, data: bytes) -> None:
        # A user who was given less than there is may feed the next piece before the rest was fetched.
        rest = self._input[self._position :]
        self._input = rest + data if rest else data
        self._position = 0

    def pull(self, size: int) -> bytes:
        while True:
            if not self._block:
                self._block = self._input[self._position : self._position + _BLOCK]
                self._position += len(self._block)
                if not self._block and not self._full:
                    return b""
            piece = self._decode(size)
            if piece:
                return piece

    def whole(self) -> bool:
        return self._engine is None

    def _decode(self, size: int) -> bytes:
        engine = self._engine or self._open()
        try:
            piece: bytes = engine.decompress(self._block, size)
        except zlib.error as error:
            raise _corrupt(self.coding, error) from error
        # Output may wait inside zlib although all of the input is taken: then the piece has the full size.
        self._full = len(piece) == size and not engine.eof
        self._block = engine.unconsumed_tail
        if engine.eof:
            self._block = engine.unused_data
            self._engine = None
        return piece

    def _open(self) -> Any:
        """A decompressor for the first member, or for one more of gzip."""
        first = self._block[0]
        if self.opened and (self.coding != "gzip" or first != 0x1F):
            raise _corrupt(self.coding, "data follows its end")
        self.opened += 1
        wbits = zlib.MAX_WBITS
        if self.coding == "gzip":
            wbits += 16
        elif first & 0x0F != 8:  # RFC 1950, 2.2: the low half of a zlib stream's first byte is 8; raw blocks avoid it
            wbits = -wbits
        self._engine = zlib.decompressobj(wbits)
        return self._engine


class _Brotli:
    """br (RFC 7932), by Brotli or brotlicffi, 1.2 or newer: the first that can stop at a size."""

    __slots__ = ("_engine", "_error", "_full", "_input", "_spare", "opened")
    coding = "br"

    def __init__(self, module: Any) -> None:
        self._engine = module.Decompressor()
        self._error: type[Exception] = module.error
        self._input = b""
        self._spare = b""
        self._full = False
        self.opened = 0

    def push(self, data: bytes) -> None:
        self._input += data
        self.opened = 1

    def pull(self, size: int) -> bytes:
        piece = self._spare or self._decode(size)
        self._spare = piece[size:]  # the library stops near the size, not at it
        return piece[:size]

    def whole(self) -> bool:
        return not self.opened or bool(self._engine.is_finished())

    def _decode(self, size: int) -> bytes:
        engine = self._engine
        try:
            # As in zlib, output may wait inside although all of the input is taken.
            while not engine.is_finished() and (self._input or self._full or not engine.can_accept_more_data()):
                data = b""
                if engine.can_accept_more_data():
                    data, self._input = self._input, b""
                piece: bytes = engine.process(data, output_buffer_limit=size)
                self._full = len(piece) >= size
                if piece:
                    return piece
        except self._error as error:
            raise _corrupt(self.coding, error) from error
        if self._input:
            raise _corrupt(self.coding, "data follows its end")
        return b""


class _Zstd:
    """zstd (RFC 8878), one frame or several, by Python's own module (3.14) or its backport."""

    __slots__ = ("_engine", "_input", "_module", "opened")
    coding = "zstd"

    def __init__(self, module: Any) -> None:
        self._module = module
        self._engine: Any = None
        self._input = b""
        self.opened = 0

    def push(self, data: bytes) -> None:
        self._input += data

    def pull(self, size: int) -> bytes:
        while self._input or (self._engine is not None and not self._engine.needs_input):
            piece = self._decode(size)
            if piece:
                return piece
        return b""

    def whole(self) -> bool:
        return self._engine is None

    def _decode(self, size: int) -> bytes:
        if self._engine is None:
            window = {self._module.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
            self._engine = self._module.ZstdDecompressor(options=window)
            self.opened += 1
        data, self._input = self._input, b""
        try:
            piece: bytes = self._engine.decompress(data, size)
        except self._module.ZstdError as error:
            raise _corrupt(self.coding, error) from error
        if self._engine.eof:
            self._input = self._engine.unused_data
            self._engine = None
        return piece


def _corrupt(coding: str, why: object) -> DecodeError:
    if str(why).endswith(_CHECKS):
        msg = f"the body was damaged on its way: all of its {coding} data came, and its checksum is wrong: {why}"
        return DecodeError(msg, sent=True, damaged=True)
    return DecodeError(f"the body is not valid {coding} data although its Content-Encoding says so: {why}", sent=True)


def _stage_for(coding: str) -> _Stage | None:
    if coding in {"gzip", "x-gzip"}:
        return _Zlib("gzip")
    if coding == "deflate":
        return _Zlib("deflate")
    if coding == "br" and (brotli := _brotli()) is not None:
        return _Brotli(brotli)
    if coding == "zstd" and (zstd := _zstd()) is not None:
        return _Zstd(zstd)
    return None


@cache
def _brotli() -> Any | None:
    module = _find("brotli", "brotlicffi")
    return module if hasattr(getattr(module, "Decompressor", None), "can_accept_more_data") else None


@cache
def _zstd() -> Any | None:
    return _find("compression.zstd", "backports.zstd")


def _find(*names: str) -> Any | None:
    for name in names:
        try:
            return import_module(name)
        except ImportError:
            continue
    return None
