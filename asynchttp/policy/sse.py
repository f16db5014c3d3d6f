"""Server-sent events: bytes to events, piece by piece, by the algorithm of the HTML standard (9.2.6)."""

from __future__ import annotations

import codecs
import json as _json
from typing import Any, Final, NamedTuple

from asynchttp.values.convert import Unfit, read_json
from asynchttp.values.errors import DecodeError
from asynchttp.values.response import _shown

#: The longest event that is kept, in characters, all its lines together: a server must not fill the memory.
MAX_EVENT: Final = 16 * 2**20
# More digits are no wait that anybody means; the limit of Python's own int() is an exception.
_DIGITS: Final = 15


class Event(NamedTuple):
    """One server-sent event.

    Attributes:
        event: its type, "message" where the server names none.
        data: its text; several lines are joined by line feeds.
        id: what to pass as `last_event_id` to go on after this event; "" where the server has set none.
        retry: milliseconds to wait before a reconnect, where this event sets them, else None.

    Example:
        >>> Event("price", '{"eur": 7}').json()
        {'eur': 7}
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self, type: Any = None) -> Any:
        """The data as JSON (RFC 8259), or as a value of `type`, which may be what `Response.json` takes; O(length).

        Raises:
            DecodeError: it is not JSON, with its start in the message, or does not fit the type, with its `path`.
        """
        try:
            return _json.loads(self.data) if type is None else read_json(self.data.encode(), type)
        except Unfit as error:
            msg = f"the data of the event {self.event!r} does not fit its type: {error}"
            raise DecodeError(msg, path=error.path, sent=True) from error
        except (ValueError, RecursionError) as error:
            shown = repr(_shown(self.data[:240], 60)) if self.data else "nothing"
            msg = f"the data of the event {self.event!r} is not JSON: {error}; it starts with {shown}"
            raise DecodeError(msg, sent=True) from error


class EventParser:
    r"""Finds the events in a stream, however it is cut into pieces.

    UTF-8 always, whatever the headers say; bytes that are not become U+FFFD. A block that no blank line ends is no event.
    Comments, unknown fields, ids with NUL and bad `retry` values are ignored. Memory is that of one event.

    Args:
        last_event_id: what the events carry until the stream sets another: that of the connection before.
        limit: characters of one line, and of the data of one event.

    Attributes:
        last_event_id: the id to go on from.
        retry: milliseconds that the stream asked to wait before a reconnect, or None.

    Raises:
        DecodeError: a line or an event is larger than `limit`; from `feed`, or from `check` after the events before it.

    Example:
        >>> parser = EventParser()
        >>> parser.feed(b"id: 7\ndata: a\r"), parser.feed(b"\ndata: b\n\ndata")
        ([], [Event(event='message', data='a\nb', id='7', retry=None)])
    """

    __slots__ = (
        "_after_cr",
        "_data",
        "_decode",
        "_error",
        "_event",
        "_fresh",
        "_held",
        "_id",
        "_limit",
        "_parts",
        "_retry",
        "_size",
        "last_event_id",
        "retry",
    )

    def __init__(self, last_event_id: str = "", limit: int = MAX_EVENT) -> None:
        """Begin before the first byte."""
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._error: DecodeError | None = None
        self._limit = limit
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._fresh = True  # nothing was decoded yet: a byte order mark may come
        self._after_cr = False
        self._parts: list[str] = []  # of the line that is not ended
        self._held = 0  # characters in them
        self._data: list[str] = []  # of the block that is not ended, as are those below
        self._size = 0  # characters in it
        self._event = ""
        self._id = last_event_id
        self._retry: int | None = None

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete; O(bytes), however small the pieces.

        An event that is too large ends it: the events before it are given first.
        """
        self.check()
        text = self._decode(data)
        events = self._parse(self._lines(text)) if text else []
        if not events:
            self.check()
        return events

    def check(self) -> None:
        """Raise what the bytes so far were refused for, if they were; O(1)."""
        if self._error is not None:
            raise self._error

    def _lines(self, text: str) -> list[str]:
        """The lines that `text` completes; the start of the next is kept."""
        if self._fresh:
            self._fresh = False
            text = text.removeprefix("\ufeff")
        if self._after_cr and text:
            self._after_cr = False
            text = text.removeprefix("\n")
        if "\r" in text:
            self._after_cr = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        rest = lines.pop()
        if lines and self._parts:
            self._parts.append(lines[0])
            lines[0] = "".join(self._parts)
            self._parts.clear()
            self._held = 0
        if rest:
            self._parts.append(rest)
            self._held += len(rest)
            if self._held > self._limit and not lines:
                self._refuse(f"a line of {self._held} characters or more")
        return lines

    def _parse(self, lines: list[str]) -> list[Event]:  # noqa: PLR0912  one branch for each field of the standard
        events: list[Event] = []
        data, limit = self._data, self._limit
        for line in lines:
            if not line:
                self.last_event_id = self._id
                if data:
                    text = data[0] if len(data) == 1 else "\n".join(data)
                    events.append(Event(self._event or "message", text, self._id, self._retry))
                    data.clear()
                self._event, self._retry, self._size = "", None, 0
                continue
            if line[:6] == "data: ":  # most lines are
                value = line[6:]
                field = "data"
            else:
                field, _, value = line.partition(":")
                if value[:1] == " ":
                    value = value[1:]
            if field == "data":
                data.append(value)
                self._size += len(value) + 1
                if self._size > limit:
                    self._refuse(f"an event of {self._size} characters or more")
                    break
            elif len(line) > limit:
                self._refuse(f"a line of {len(line)} characters")
                break
            elif field == "event":
                self._event = value
            elif field == "id":
                if "\0" not in value:
                    self._id = value
            elif field == "retry" and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
                self.retry = self._retry = int(value)
        return events

    def _refuse(self, what: str) -> None:
        msg = (
            f"the stream of events has {what}, more than {self._limit}; is this an event stream? "
            "Read it with iter_bytes() if it is not"
        )
        self._error = DecodeError(msg, sent=True)
        self._parts.clear()
        self._data.clear()
