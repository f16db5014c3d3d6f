"""What looks on at an attempt: policies as plain functions, called by one driver, whichever way the attempt goes.

The breaker, the adaptive limit and hedging each look at an attempt when it begins and when it has come to its end. A
coroutine for each would cost more than what they do. So each is a `Watcher`, and one of two drivers calls it: the layer
below, or `straight`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Sequence

    from asynchttp.runtime.call import Call
    from asynchttp.values.protocols import Handler
    from asynchttp.values.request import Request


class Verdict(Protocol):
    """Has the last word about what an attempt comes to, where others have run beside it."""

    def over(self, answer: Any, error: BaseException | None) -> Awaitable[Any]:
        """The answer that counts, for one of an answer and an error. Raises the error that counts."""
        ...


class Watcher(Protocol):
    """Looks on at attempts. What `begin` gives is told again at the end, by just one of the other two, whatever happens."""

    def begin(self, request: Request, call: Call, key: Hashable) -> Any:
        """An attempt to the host `key` has its slot, and is sent now; what it raises, the attempt ends with, unsent."""
        ...

    def answered(self, request: Request, call: Call, key: Hashable, token: Any, answer: Any) -> Verdict | None:
        """It brought an answer."""
        ...

    def failed(self, request: Request, call: Call, key: Hashable, token: Any, error: BaseException) -> Verdict | None:
        """It ended with an error, or was cancelled."""
        ...


class Both:
    """Two as one; only the first may raise when an attempt begins, and only the second may have a verdict."""

    __slots__ = ("_first", "_second")

    def __init__(self, first: Watcher, second: Watcher) -> None:
        """Ask them in this order."""
        self._first = first
        self._second = second

    def begin(self, request: Request, call: Call, key: Hashable) -> Any:
        """Both look on."""
        return self._first.begin(request, call, key), self._second.begin(request, call, key)

    def answered(self, request: Request, call: Call, key: Hashable, token: Any, answer: Any) -> Verdict | None:
        """Tell both."""
        one, other = token
        self._first.answered(request, call, key, one, answer)
        return self._second.answered(request, call, key, other, answer)

    def failed(self, request: Request, call: Call, key: Hashable, token: Any, error: BaseException) -> Verdict | None:
        """Tell both."""
        one, other = token
        self._first.failed(request, call, key, one, error)
        return self._second.failed(request, call, key, other, error)


def together(watchers: Sequence[Watcher]) -> Watcher | None:
    """All of them as one; None for none."""
    if not watchers:
        return None
    first, *others = watchers
    rest = together(others)
    return first if rest is None else Both(first, rest)


class WatchLayer:
    """Around an attempt, inside the limits, where its slot is still held."""

    __slots__ = ("_key", "_next", "_watcher")

    def __init__(self, handler: Handler, watcher: Watcher, key: Callable[[Request], Hashable] | None) -> None:
        """Wrap `handler`; `key` says what counts as one host, None by origin."""
        self._next = handler
        self._watcher = watcher
        self._key = key

    async def handle(self, request: Request) -> Any:
        """One attempt, watched. Raises what it ends with."""
        call: Call = request._call
        key = request._origin or request.origin if self._key is None else self._key(request)
        watcher = self._watcher
        token = watcher.begin(request, call, key)
        try:
            answer = await self._next(request)
        except BaseException as error:
            verdict = watcher.failed(request, call, key, token, error)
            if verdict is None:
                raise
            return await verdict.over(None, error)
        verdict = watcher.answered(request, call, key, token, answer)
        return answer if verdict is None else await verdict.over(answer, None)
