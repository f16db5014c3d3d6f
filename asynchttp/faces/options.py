"""The keyword arguments of the client and its verbs, for type checkers."""

from __future__ import annotations

import inspect
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
