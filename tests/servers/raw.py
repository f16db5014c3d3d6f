"""The server of scripts under the names that the tests use; it is offered to everybody in `asynchttp.testing`."""

from __future__ import annotations

from asynchttp.testing.connection import Connection as Conn
from asynchttp.testing.connection import PeerGone
from asynchttp.testing.server import FaultServer as RawServer
from asynchttp.testing.server import Script
from asynchttp.testing.steps import (
    Cut,
    Drip,
    Endless,
    Fin,
    HalfClose,
    ReadBytes,
    ReadHead,
    ReadNothing,
    ReadRequest,
    ReadSome,
    Repeat,
    Rst,
    Send,
    Stall,
    Step,
    Wait,
)
from asynchttp.testing.wire import ReceivedRequest as RawRequest

__all__ = [
    "Conn",
    "Cut",
    "Drip",
    "Endless",
    "Fin",
    "HalfClose",
    "PeerGone",
    "RawRequest",
    "RawServer",
    "ReadBytes",
    "ReadHead",
    "ReadNothing",
    "ReadRequest",
    "ReadSome",
    "Repeat",
    "Rst",
    "Script",
    "Send",
    "Stall",
    "Step",
    "Wait",
]
