"""What an answer says about an operation that goes on at the server: ask again, fetch the result, or it is over.

`started` looks at the answer to the call that began it, `judge` at that of each poll; one of the five steps comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from asynchttp.policy.backoff import Backoff
from asynchttp.policy.followup import resolve
from asynchttp.policy.retry_after import parse_retry_after
from asynchttp.values.checks import check_count, check_seconds
from asynchttp.values.errors import DecodeError, HTTPError, InvalidRedirect, RedirectError, UnsafeRedirect
from asynchttp.values.masking import mask_url
from asynchttp.values.paths import ABSENT, check_path, find

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from asynchttp.values.response import Response

    Where: TypeAlias = str | Callable[[Response], Any]

#: What the server asks for is stretched by up to this much, so that those whom it told the same do not come together.
_STRETCH: Final = 0.1
#: Full jitter may wait next to nothing, and a poll that comes too early is a poll for nothing.
_BACKOFF: Final = Backoff.exponential(base=1.0, factor=1.5, max=30.0, jitter="equal")
#: Answers to a poll that say nothing about the operation, and that a later one may not meet again.
_PASSING: Final = frozenset({408, 421, 425, 429, 500, 502, 503, 504})
_MONITORS: Final = ("Operation-Location", "Azure-AsyncOperation")

# Letters alone: "in-progress", "IN_PROGRESS" and "InProgress" are one word.
_RUNNING: Final = frozenset(
    [
        "accepted",
        "active",
        "created",
        "creating",
        "deleting",
        "enqueued",
        "inprogress",
        "notstarted",
        "pending",
        "preparing",
        "processing",
        "queued",
        "running",
        "scheduled",
        "started",
        "starting",
        "submitted",
        "updating",
        "validating",
        "waiting",
        "working",
    ]
)
_SUCCEEDED: Final = frozenset(
    ["complete", "completed", "done", "finished", "ok", "ready", "succeeded", "success", "successful"]
)
_FAILED: Final = frozenset(
    [
        "aborted",
        "canceled",
        "cancelled",
        "error",
        "errored",
        "expired",
        "failed",
        "failure",
        "killed",
        "rejected",
        "stopped",
        "terminated",
        "timedout",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Polling:
    """How an operation is asked for its state, and where its answers say it.

    The wait before each poll is what the server asks for (Retry-After) and up to a tenth more, or else that of `backoff`.

    Args:
        backoff: the wait where the server says none: from 1 to 30 s by default, growing by half.
        max_wait: seconds; what a server asks for beyond them is cut to them.
        attempts: polls in a row that may fail (no answer, or a 429 or 5xx) before the failure is raised; None is no bound.
        state: where the state stands in the body: a dotted path, or ``callable(response)`` that gives "running",
            "succeeded", "failed", or None where the answer says nothing. True is succeeded, False running.
        url: where the body of the first answer has the URL to poll, for servers that name it in no header; as `state`.
        result: where the last body has the URL of the result; left out, ``resourceLocation`` is looked for.

    Raises:
        ValueError, TypeError: a value that cannot be meant, named in the message.

    Example:
        >>> polling = Polling(backoff=Backoff.constant(2))
        >>> polling.wait(1, asked=None, random=lambda: 0.5), polling.wait(1, asked=31_536_000, random=lambda: 0.0)
        (2.0, 300.0)
    """

    backoff: Backoff = _BACKOFF
    max_wait: float = 300.0
    attempts: int | None = 10
    state: Where = "status"
    url: Where | None = None
    result: Where | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        backoff: Any = self.backoff
        if not isinstance(backoff, Backoff):
            msg = f"Polling(backoff=) must be asynchttp.Backoff.exponential(...) or .constant(...), not {backoff!r}"
            raise TypeError(msg)
        seconds: Any = self.max_wait
        if check_seconds("Polling(max_wait=)", seconds) is None:
            raise TypeError("Polling(max_wait=) is None; a wait is a number of seconds")
        check_count("Polling(attempts=)", self.attempts, none=True)
        for name in ("state", "url", "result"):
            where = getattr(self, name)
            if not callable(where) and (where is not None or name == "state"):
                check_path(f"Polling({name}=)", where)

    def wait(self, number: int, *, asked: float | None, random: Callable[[], float]) -> float:
        """Seconds before poll `number` (from 1); `asked` is what the server wants; `random` returns [0, 1). O(1)."""
        if not asked:  # 0 would be a loop without a pause
            return self.backoff.wait(number, random)
        return min(asked, self.max_wait) * (1 + _STRETCH * random())


@dataclass(frozen=True, slots=True)
class Monitor:
    """Where an operation tells its state.

    Attributes:
        url: what is polled.
        tells: whether it answers with a body that has a state; else its 200 is the result.
        result: where the result is, once it has succeeded; None where the answer has it or says it.
    """

    url: URL
    tells: bool = False
    result: URL | None = None


@dataclass(frozen=True, slots=True)
class Poll:
    """It goes on: ask `monitor` again, after what the server asked for, in seconds."""

    monitor: Monitor
    asked: float | None
    state: str = "running"


@dataclass(frozen=True, slots=True)
class Fetch:
    """It has succeeded, and its result is at `url`."""

    url: URL
    state: str = "succeeded"


@dataclass(frozen=True, slots=True)
class Done:
    """It has succeeded, and the answer is its result."""

    state: str = "succeeded"


@dataclass(frozen=True, slots=True)
class Failed:
    """It has failed, or was cancelled; `state` is the server's word for it."""

    state: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """The answer says nothing about the operation: `error` is raised, unless it is `passing` and polls are left."""

    error: HTTPError
    passing: bool = False
    asked: float | None = None


Step: TypeAlias = Poll | Fetch | Done | Failed | Unclear


def started(polling: Polling, answer: Response, wall: float) -> Step:
    """What the answer to the call that began an operation says of it; `wall` is our time in epoch seconds. O(size).

    202 begins one, and so do 200 and 201 with Operation-Location, or where `Polling.url` finds a URL; every other answer
    below 400 is the result at once.
    """
    if answer.status >= 400:
        return Unclear(answer.refusal())
    try:
        monitor = _monitor(polling, answer)
    except RedirectError as error:
        return Unclear(error)
    if monitor is None and answer.status == 202:
        msg = (
            f"{answer._title()} began an operation and does not say where to ask for it, in a Location or Operation-Location; "
            "Polling(url=) says where its body has it"
        )
        return Unclear(InvalidRedirect(msg, request=answer.request, sent=True))
    if monitor is None:
        return Done()
    word = _word(polling, answer)
    kind = _kind(word)
    if answer.status != 202 and monitor.tells and kind in {"succeeded", "failed"}:
        return _over(polling, monitor, answer, word, kind)
    return Poll(monitor, _asked(answer, wall), word if kind == "running" else "running")


def judge(polling: Polling, monitor: Monitor, answer: Response, wall: float) -> Step:
    """What the answer to a poll of `monitor` says of the operation; `wall` is our time in epoch seconds. O(size).

    202 goes on; a 303 leads to the result, whether it was followed or not; a 200 goes by its state. A word that is none
    of the known ones goes on where the answers of the monitor have to tell a state, and is the result's own elsewhere.
    """
    try:
        if answer.status == 202:
            return _goes_on(polling, monitor, answer, wall)
        if answer.status == 303 and "Location" in answer.headers:
            return Fetch(_resolved(answer, "Location"))
        if not 200 <= answer.status < 300:
            return Unclear(answer.refusal(), answer.status in _PASSING, _asked(answer, wall))
        return _by_body(polling, monitor, answer, wall)
    except RedirectError as error:
        return Unclear(error)


def _by_body(polling: Polling, monitor: Monitor, answer: Response, wall: float) -> Step:
    if answer.status == 204 or any(hop.status == 303 for hop in answer.history):
        return Done()
    word = _word(polling, answer)
    kind = _kind(word)
    if kind == "running" or (word and not kind and monitor.tells):
        return Poll(monitor, _asked(answer, wall), word)
    if kind:
        return _over(polling, monitor, answer, word, kind)
    return Unclear(_stateless(polling, answer)) if monitor.tells else Done()


def _goes_on(polling: Polling, monitor: Monitor, answer: Response, wall: float) -> Poll:
    """A 202 may say anew where to ask, and go on telling a state."""
    word = _word(polling, answer)
    name = _MONITORS[0] if monitor.tells else "Location"
    if name in answer.headers:
        monitor = Monitor(_resolved(answer, name), monitor.tells, monitor.result)
    return Poll(monitor, _asked(answer, wall), word if _kind(word) == "running" else "running")


def _over(polling: Polling, monitor: Monitor, answer: Response, word: str, kind: str) -> Step:
    if kind == "failed":
        return Failed(word)
    where = "resourceLocation" if polling.result is None else polling.result
    found = _look(where, answer)
    if isinstance(found, str) and found:
        return Fetch(_against(answer, found, "the place of the result"), word)
    return Done(word) if monitor.result is None else Fetch(monitor.result, word)


def _monitor(polling: Polling, answer: Response) -> Monitor | None:
    """Where to ask, by the first answer."""
    if polling.url is not None:
        found = _look(polling.url, answer)
        return Monitor(_against(answer, found, "url"), True) if isinstance(found, str) and found else None
    for name in _MONITORS:
        if name in answer.headers:
            return Monitor(_resolved(answer, name), True, _result(answer))
    if answer.status != 202:
        return None
    if "Location" in answer.headers:
        return Monitor(_resolved(answer, "Location"))
    return Monitor(answer.url) if answer.request.method == "GET" else None


def _result(answer: Response) -> URL | None:
    """Where the result will be, when a monitor of its own tells the state."""
    if "Location" in answer.headers:
        return _resolved(answer, "Location")
    return answer.url if answer.request.method in {"PUT", "PATCH"} else None


def _resolved(answer: Response, name: str) -> URL:
    values = {value.strip(" \t") for value in answer.headers.getall(name)}
    if len(values) > 1:
        msg = f"{answer._title()} has more than one {name}, and they differ"
        raise InvalidRedirect(msg, request=answer.request, sent=True)
    return _against(answer, values.pop(), name)


def _against(answer: Response, reference: str, name: str) -> URL:
    try:
        return resolve(answer.url, reference)
    except (ValueError, UnsafeRedirect) as error:
        shown = mask_url(reference[:1000])
        msg = f"{answer._title()} names {shown!r} as {name}, which cannot be asked: {error}"
        kind = UnsafeRedirect if isinstance(error, UnsafeRedirect) else InvalidRedirect
        raise kind(msg, request=answer.request, sent=True, location=shown) from None


def _look(where: Where, answer: Response) -> Any:
    if callable(where):
        return where(answer)
    if not answer._content:
        return ABSENT
    try:
        return find(answer.json(), where)
    except HTTPError:  # no JSON, or a body that was dropped: it says nothing
        return ABSENT


def _word(polling: Polling, answer: Response) -> str:
    """The server's word for the state, or ""."""
    found = _look(polling.state, answer)
    if isinstance(found, bool):
        return "succeeded" if found else "running"
    return found[:100] if isinstance(found, str) else ""


def _kind(word: str) -> str:
    letters = "".join(filter(str.isalpha, word.lower()))
    if letters in _RUNNING:
        return "running"
    return "succeeded" if letters in _SUCCEEDED else "failed" if letters in _FAILED else ""


def _asked(answer: Response, wall: float) -> float | None:
    headers = answer.headers
    return parse_retry_after(headers.getall("Retry-After", ()), date=headers.get("Date"), wall=wall)


def _stateless(polling: Polling, answer: Response) -> DecodeError:
    where = "by Polling(state=)" if callable(polling.state) else f"at {polling.state!r}"
    msg = (
        f"{answer._title()} should tell the state of an operation, and has none {where}; its body starts with "
        f"{answer._excerpt(60)!r}"
    )
    return DecodeError(msg, request=answer.request, sent=True)
