"""The keyword arguments of the client and its verbs, for type checkers."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar

from asynchttp.batch.launch import launch
from asynchttp.values.request import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from asynchttp.faces.callbacks import Callback
    from asynchttp.policy.breaker import CircuitBreaker
    from asynchttp.policy.budget import RetryBudget
    from asynchttp.policy.failures import ErrorPolicy
    from asynchttp.policy.hedge import Hedge
    from asynchttp.policy.limits import Limits
    from asynchttp.policy.network import Network
    from asynchttp.policy.pacing import Pacing
    from asynchttp.policy.retry import Retry
    from asynchttp.values.request import KeySource
    from asynchttp.values.result import Progress


class CallOptions(TypedDict, total=False):
    """The keyword arguments of every verb but `into`; see `Request`."""

    params: Any
    headers: Any
    cookies: Any
    content: Any
    data: Any
    files: Any
    json: Any
    auth: Any
    timeout: Any
    retry: Any
    redirects: Any
    priority: int
    tag: Any
    idempotency_key: KeySource
    cost: float


class RequestOptions(CallOptions, total=False):
    """The keyword arguments of every verb."""

    into: Any


class SubmitOptions(CallOptions, total=False):
    """The keyword arguments of `submit` but `into`."""

    on_response: Callback | None
    on_error: Callback | None
    on_done: Callback | None
    on_headers: Callback | None
    on_progress: Callback | None
    in_thread: bool


class ClientOptions(TypedDict, total=False):
    """The keyword arguments of `Client`."""

    headers: Any
    params: Any
    cookies: Any
    auth: Any
    limits: Limits
    timeout: Any
    retry: Retry | None
    budget: RetryBudget | None
    pacing: Pacing | None
    breaker: CircuitBreaker | None
    hedge: Hedge | None
    coalesce: bool
    redirects: Any
    raise_for_status: Any
    max_body: int | None
    proxy: Any
    tls: Any
    trust_env: bool
    network: Network | None
    middlewares: Any
    network_middlewares: Any
    observers: Any
    sensitive_headers: Any
    strict_base: bool
    session: Any
    transport: Any


class DownloadOptions(TypedDict, total=False):
    """The keyword arguments of `Client.download_all` but `resume` and `ordered`."""

    concurrency: int | None
    buffer: int | None
    lookahead: int | None
    errors: ErrorPolicy
    batch_timeout: float | None
    progress: bool | Callable[[Progress], object] | None


class FanOutOptions(DownloadOptions, total=False):
    """The keyword arguments of `Client.map` but `ordered`."""

    accept: Callable[[Any], object] | None


def check_known(what: str, options: Mapping[str, object], known: type) -> None:
    """Refuse a name that `known`, one of the classes above, does not have.

    Raises:
        TypeError: it names the option, and those that there are.
    """
    unknown = sorted(options.keys() - known.__annotations__.keys())
    if unknown:
        msg = f"{what} has no option {', '.join(unknown)}; it has {', '.join(sorted(known.__annotations__))}"
        raise TypeError(msg)


def signature_of(settings: type) -> inspect.Signature:
    """The constructor as help and notebooks show it: every option with its default, from the dataclass that holds them."""
    parameters = []
    for field in fields(settings):
        default = field.default if field.default is not MISSING else inspect.Parameter.empty
        named = inspect.Parameter.POSITIONAL_OR_KEYWORD if field.name == "base_url" else inspect.Parameter.KEYWORD_ONLY
        parameters.append(inspect.Parameter(field.name, named, default=default))
    return inspect.Signature(parameters)


T = TypeVar("T")


def spelled(owner: type[T]) -> type[T]:
    """Let help and notebooks show by name, with its default, what the methods of this class take as ``**options``."""
    for function in vars(owner).values():
        if isinstance(function, FunctionType):
            signature = inspect.signature(function)
            last = [*signature.parameters.values()][-1]
            options = _NAMED.get(last.annotation, ()) if last.kind is last.VAR_KEYWORD else ()
            if options:
                named = signature.parameters | {
                    each.name: each for each in options if each.name not in signature.parameters
                }
                del named[last.name]
                vars(function)["__signature__"] = signature.replace(parameters=[*named.values()])
    return owner


def _keywords(function: Callable[..., object], *, but: Collection[str] = ()) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [each for each in parameters if each.kind is each.KEYWORD_ONLY and each.name not in but]


_ACCEPT: Final = inspect.Parameter("accept", inspect.Parameter.KEYWORD_ONLY, default=None)
_NAMED: Final = {
    "Unpack[CallOptions]": _keywords(Request, but={"into"}),
    "Unpack[RequestOptions]": _keywords(Request),
    "Unpack[FanOutOptions]": [*_keywords(launch, but={"width", "ordered"}), _ACCEPT],
}
