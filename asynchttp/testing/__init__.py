"""Aids for tests of code that uses the client: mocks, faults, time that jumps, and a look at what is left behind.

The faults that `FaultTransport` plays are in `asynchttp.testing.faults`, the steps that `FaultServer` plays in
`asynchttp.testing.steps`.
"""

from asynchttp.testing import faults, steps
from asynchttp.testing.clock import VirtualClock
from asynchttp.testing.connection import Connection, PeerGone
from asynchttp.testing.leaks import nothing_left
from asynchttp.testing.server import FaultServer
from asynchttp.testing.transport import FaultTransport
from asynchttp.testing.wire import ReceivedRequest
from asynchttp.transports.mock import MockTransport

__all__ = [
    "Connection",
    "FaultServer",
    "FaultTransport",
    "MockTransport",
    "PeerGone",
    "ReceivedRequest",
    "VirtualClock",
    "faults",
    "nothing_left",
    "steps",
]
