"""What can be made of messages that come one after another: iteration, JSON, callbacks."""

from __future__ import annotations

import json as _json
from typing import TYPE_CHECKING, Any, Self

from asynchttp.streams.hooks import check_hook, tell
from asynchttp.values.body import encode_json
from asynchttp.values.convert import Unfit, read_json
from asynchttp.values.errors import ConnectionClosed, DecodeError, HTTPError
from asynchttp.values.response import _shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from asynchttp.streams.hooks import Hook
    from asynchttp.values.request import Request


class Messages:
    """What `WebSocket` has beside `send` and `receive`."""

    ended: ConnectionClosed | None
    _request: Request
    _on_error: Hook | None

    if TYPE_CHECKING:

        async def send(self, message: str | bytes) -> None:
            """Send one."""

        async def receive(self) -> str | bytes:
            """Wait for one."""
            ...

        async def __aenter__(self) -> Self: ...
        async def __aexit__(self, *exc: object) -> None: ...

    async def send_json(self, value: Any) -> None:
        """`send` the value as JSON text.

        Raises:
            TypeError, ValueError: what JSON cannot say, with its path.
        """
        await self.send(encode_json(value).decode())

    async def receive_json(self, type: Any = None) -> Any:
        """The next message, which is JSON; a value of `type`, which may be what `Response.json` takes.

        Raises:
            DecodeError: it is not, or does not fit the type, with its `path`.
        """
        message = await self.receive()
        try:
            if type is None:
                return _json.loads(message)
            return read_json(message.encode() if isinstance(message, str) else message, type)
        except Unfit as error:
            msg = f"a message of the WebSocket does not fit its type: {error}"
            raise DecodeError(msg, path=error.path, request=self._request, sent=True) from error
        except (ValueError, RecursionError) as error:
            start = message[:240] if isinstance(message, str) else bytes(message[:240]).decode(errors="replace")
            msg = f"a message of the WebSocket is not JSON: {error}; it starts with {_shown(start, 60)!r}"
            raise DecodeError(msg, request=self._request, sent=True) from error

    def __aiter__(self) -> Self:
        """The messages themselves."""
        return self

    async def __anext__(self) -> str | bytes:
        """The next message; a normal close is the end."""
        try:
            return await self.receive()
        except ConnectionClosed as error:
            if error.clean:
                raise StopAsyncIteration from None
            raise

    async def iter_json(self, type: Any = None) -> AsyncIterator[Any]:
        """The messages as JSON, or as values of `type`; ends as iteration does."""
        while True:
            try:
                value = await self.receive_json(type)
            except ConnectionClosed as error:
                if error.clean:
                    return
                raise
            yield value

    async def run(
        self,
        *,
        on_text: Hook | None = None,
        on_binary: Hook | None = None,
        on_close: Hook | None = None,
        on_error: Hook | None = None,
    ) -> None:
        """Receive to the end, by callbacks: functions or coroutine functions; the next message waits for the one before.

        - `on_text` and `on_binary` are called with each message of their kind.
        - `on_close` is called once at the end, with the `ConnectionClosed`; None where there was none.
        - `on_error` is called with what a connection ended with, where another follows or it was no close.

        `on_open` is an argument of `Client.websocket`. A callback that raises is reported through the loop's exception handler, and stops nothing. What
        ends it other than by a close is told to `on_error`, and raised. Cancelling it closes.
        """
        hooks = {"on_text": on_text, "on_binary": on_binary, "on_close": on_close, "on_error": on_error}
        for name, hook in hooks.items():
            check_hook(name, hook)
        self._on_error = on_error
        try:
            async with self:
                async for message in self:
                    name = "on_text" if isinstance(message, str) else "on_binary"
                    await tell(name, hooks[name], message)
        except ConnectionClosed:
            pass
        except HTTPError as error:
            await tell("on_error", on_error, error)
            raise
        finally:
            await tell("on_close", on_close, self.ended)
