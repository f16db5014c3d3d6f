"""asynchttp: many HTTP requests at once, each answer or error kept, within limits, with retries.

::

    async with asynchttp.Client() as client:
        async for result in client.map(urls):
            print(result)
"""

from asynchttp import sync
from asynchttp.batch.results import Results
from asynchttp.faces.client import Client
from asynchttp.faces.combine import all_, first, race, settle, some
from asynchttp.faces.functions import amap, run
from asynchttp.faces.future import Future
from asynchttp.faces.netrc import NetrcAuth
from asynchttp.faces.oneliners import delete, gather, get, head, options, patch, post, put, query, request
from asynchttp.faces.queue import Queue
from asynchttp.faces.sync import SyncClient, SyncResults
from asynchttp.faces.syncfuture import SyncFuture
from asynchttp.faces.synclasting import SyncEvents, SyncWebSocket
from asynchttp.faces.synclonger import SyncOperation, SyncPages
from asynchttp.faces.syncstream import SyncStreamResponse
from asynchttp.middleware.cookies import CookieJar
from asynchttp.middleware.observe import LogEvents
from asynchttp.policy.adaptive import AdaptiveLimit
from asynchttp.policy.backoff import Backoff
from asynchttp.policy.breaker import CircuitBreaker
from asynchttp.policy.budget import RetryBudget
from asynchttp.policy.credentials import ApiKeyAuth, Auth, BasicAuth, BearerAuth
from asynchttp.policy.digest import DigestAuth
from asynchttp.policy.failures import MaxFailures
from asynchttp.policy.followup import Redirects
from asynchttp.policy.hedge import Hedge
from asynchttp.policy.limits import Limits
from asynchttp.policy.network import Network
from asynchttp.policy.operation import Polling
from asynchttp.policy.pacing import Pacing
from asynchttp.policy.page import Cursor, Offset, PageNumber
from asynchttp.policy.rate import RateLimit
from asynchttp.policy.reconnect import Reconnect
from asynchttp.policy.retry import IDEMPOTENT, Outcome, Retry
from asynchttp.policy.sse import Event
from asynchttp.streams.download import Downloaded
from asynchttp.streams.events import Events
from asynchttp.streams.operation import Operation
from asynchttp.streams.pages import Pages
from asynchttp.streams.websocket import WebSocket
from asynchttp.transports.sinks import Discard, Lines, SaveTo
from asynchttp.transports.stream import StreamResponse
from asynchttp.values.cookie import Cookie
from asynchttp.values.errors import (
    AttemptTimeout,
    BodyTooLarge,
    CertificateError,
    CircuitOpen,
    ClientClosed,
    ConnectError,
    ConnectionClosed,
    ConnectTimeout,
    DecodeError,
    DNSError,
    HeadersTooLarge,
    HTTPError,
    InvalidRedirect,
    InvalidURL,
    NetworkError,
    OperationFailed,
    ProtocolError,
    ProxyError,
    QueueTimeout,
    ReadError,
    ReadTimeout,
    RedirectError,
    RequestError,
    ServerDisconnected,
    StatusError,
    StreamConsumed,
    TimeoutError,  # noqa: A004  named by the public contract
    TLSError,
    TooManyFailures,
    TooManyRedirects,
    TotalTimeout,
    TransportError,
    TruncatedResponse,
    UnsafeRedirect,
    WriteError,
)
from asynchttp.values.events import (
    AttemptFinished,
    AttemptStarted,
    CallFinished,
    CallStarted,
    CircuitChanged,
    Coalesced,
    Detoured,
    EarlyHints,
    HedgeStarted,
    LimitChanged,
    OriginPaused,
    Redirected,
    RetryRefused,
    RetryScheduled,
)
from asynchttp.values.files import FileSlice
from asynchttp.values.into import Receiver, Sink
from asynchttp.values.metrics import Latency, Metrics, OriginMetrics
from asynchttp.values.request import Request
from asynchttp.values.response import Response
from asynchttp.values.result import Attempt, Progress, Result, Timings, Transfer
from asynchttp.values.timeout import Timeout
from asynchttp.values.typed import TypedResponse
from asynchttp.version import __version__

__all__ = [
    "AdaptiveLimit",
    "ApiKeyAuth",
    "Attempt",
    "AttemptFinished",
    "AttemptStarted",
    "AttemptTimeout",
    "Auth",
    "Backoff",
    "BasicAuth",
    "BearerAuth",
    "BodyTooLarge",
    "CallFinished",
    "CallStarted",
    "CertificateError",
    "CircuitBreaker",
    "CircuitChanged",
    "CircuitOpen",
    "Client",
    "ClientClosed",
    "Coalesced",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionClosed",
    "Cookie",
    "CookieJar",
    "Cursor",
    "DNSError",
    "DecodeError",
    "Detoured",
    "DigestAuth",
    "Discard",
    "Downloaded",
    "EarlyHints",
    "Event",
    "Events",
    "FileSlice",
    "Future",
    "HTTPError",
    "HeadersTooLarge",
    "Hedge",
    "HedgeStarted",
    "IDEMPOTENT",
    "InvalidRedirect",
    "InvalidURL",
    "Latency",
    "LimitChanged",
    "Limits",
    "Lines",
    "LogEvents",
    "MaxFailures",
    "Metrics",
    "NetrcAuth",
    "Network",
    "NetworkError",
    "Offset",
    "Operation",
    "OperationFailed",
    "OriginMetrics",
    "OriginPaused",
    "Outcome",
    "Pacing",
    "PageNumber",
    "Pages",
    "Polling",
    "Progress",
    "ProtocolError",
    "ProxyError",
    "Queue",
    "QueueTimeout",
    "RateLimit",
    "ReadError",
    "ReadTimeout",
    "Receiver",
    "Reconnect",
    "RedirectError",
    "Redirected",
    "Redirects",
    "Request",
    "RequestError",
    "Response",
    "Result",
    "Results",
    "Retry",
    "RetryBudget",
    "RetryRefused",
    "RetryScheduled",
    "SaveTo",
    "ServerDisconnected",
    "Sink",
    "StatusError",
    "StreamConsumed",
    "StreamResponse",
    "SyncClient",
    "SyncEvents",
    "SyncFuture",
    "SyncOperation",
    "SyncPages",
    "SyncResults",
    "SyncStreamResponse",
    "SyncWebSocket",
    "TLSError",
    "Timeout",
    "TimeoutError",
    "Timings",
    "TooManyFailures",
    "TooManyRedirects",
    "TotalTimeout",
    "Transfer",
    "TransportError",
    "TruncatedResponse",
    "TypedResponse",
    "UnsafeRedirect",
    "WebSocket",
    "WriteError",
    "__version__",
    "all_",
    "amap",
    "delete",
    "first",
    "gather",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "query",
    "race",
    "request",
    "run",
    "settle",
    "some",
    "sync",
]
