"""The faults of the list that need more than a script: resolvers, routes, descriptors, certificates, proxies, expectations."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp.abc import AbstractResolver

from asynchttp.testing.steps import (
    Fin,
    HalfClose,
    ReadHead,
    ReadRequest,
    Repeat,
    Rst,
    Send,
    Stall,
    answer,
)
from tests.servers.case import Case, free_port
from tests.servers.certificates import HOST, bad_certificates, trusting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

__all__ = ["further"]

KEPT: Final = (Repeat((ReadRequest(), Send(answer()))),)
ONCE: Final = (ReadRequest(), Send(answer(headers={"Connection": "close"})), Fin())
EXPECT: Final = {"Expect": "100-continue"}


class Resolver(AbstractResolver):
    """Answers each question with the next of its scripted answers; the last one goes on."""

    def __init__(self, *answers: tuple[str, ...] | OSError) -> None:
        """Keep the answers."""
        self._answers = list(answers)

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        """The next answer, whatever is asked for."""
        del family
        said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(said, OSError):
            raise said
        return [
            {"hostname": host, "host": ip, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
            for ip in said
        ]

    async def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def _black_hole(port: int = 0, address: str = "127.0.0.1") -> Iterator[int]:
    """A port that answers no SYN: a listener whose queue is full, so that the kernel drops all that come."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((address, port))
        listener.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextlib.contextmanager
def _no_descriptors(port: int) -> Iterator[None]:
    """This process may open nothing more; that a client warns of it is not what is asked here."""
    del port
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = socket.socket()
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno(), limits[1]))
    probe.close()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def _once() -> AsyncIterator[bytes]:
    yield b"hello"


def _connecting() -> Mapping[str, Case]:
    def resolved(*answers: tuple[str, ...] | OSError, **options: Any) -> Case:
        return Case(KEPT, resolver=partial(Resolver, *answers), host=HOST, **options)

    alive, dead = ("127.0.0.1",), ("127.0.0.2",)
    return {
        "L02": Case(port=_black_hole),
        "L03": resolved(socket.gaierror(socket.EAI_NONAME, "Name or service not known")),
        "L04": resolved(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")),
        "L04b": resolved(socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), alive),
        "L05": resolved(()),
        "L06": resolved(dead + alive),
        "L07": resolved(dead + alive, beside=partial(_black_hole, address="127.0.0.2"), patience=3),
        "L08": resolved(dead, alive),
        "L09": Case(KEPT, resolver=Resolver, beside=_no_descriptors),
        "L10": Case(port=free_port, host="255.255.255.255"),
    }


def _tls() -> Mapping[str, Case]:
    root, contexts = bad_certificates()
    trust, own = trusting(root)
    named = partial(Resolver, ("127.0.0.1",))
    changing = contexts["good"]
    shown: list[ssl.SSLContext] = []

    def change(connection: ssl.SSLObject, name: str, context: ssl.SSLContext) -> None:
        """Every second handshake has another certificate, of a root that nobody knows."""
        del name, context
        shown.append(changing if len(shown) % 2 == 0 else contexts["T06"])
        connection.context = shown[-1]

    changing.sni_callback = change
    old = bad_certificates()[1]["good"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    bad = {
        name: Case(KEPT, tls=contexts[name], scheme="https", trust=trust, own=own, resolver=named, host=HOST)
        for name in ("T05", "T06", "T08", "T09", "T10", "T11")
    }
    return {
        **bad,
        "T15": Case(KEPT, tls=old, scheme="https", trust=trust),
        "T19": Case(ONCE, calls=2, tls=changing, scheme="https", trust=trust),
    }


def _proxies() -> Mapping[str, Case]:
    def proxied(*steps: Any, **options: Any) -> Case:
        return Case(steps, proxy=True, scheme="https", **options)

    long = answer(b"", 200, {"X-Long": "x" * 20_000})
    return {
        "P01": Case(port=free_port, proxy=True, scheme="https"),
        "P01b": proxied(ReadRequest(), Send(answer(b"", 407, {"Proxy-Authenticate": "Basic"})), Stall()),
        "P01c": proxied(ReadRequest(), Send(answer(b"", 502)), Stall()),
        "P01d": proxied(ReadRequest(), Send(b"\x00\x01 garbage\r\n\r\n"), Stall()),
        "P01e": proxied(ReadRequest(), Fin()),
        "P01f": proxied(ReadRequest(), Send(long), Stall()),
        "P01g": proxied(ReadRequest(), Rst()),
    }


def _uploads() -> Mapping[str, Case]:
    no, moved = Send(answer(b"", 503)), Send(answer(b"", 307, {"Location": "/elsewhere"}))
    return {
        "U04": Case(KEPT, upload=lambda: b"hello", headers=EXPECT, patience=5),
        "U05": Case((ReadHead(), Send(answer(b"", 417)), Stall()), then=KEPT, upload=lambda: b"hello", headers=EXPECT),
        "U06": Case((Repeat((ReadRequest(), no)),), upload=_once),
        "U06b": Case((Repeat((ReadRequest(), moved)),), upload=_once),
        "U08": Case((ReadHead(), Send(answer()), HalfClose(), Stall()), upload=lambda: b"x" * 2**25),
    }


def further() -> Mapping[str, Case]:
    """These faults, by their ids."""
    return {**_connecting(), **_tls(), **_proxies(), **_uploads()}
