"""What stands for a connection's transport where a test plays the bytes by hand."""

from __future__ import annotations

import asyncio
from typing import Any


class Wires(asyncio.Transport):
    """A transport that does nothing but remember."""

    def __init__(self, tls: Any = None, unsent: int = 0) -> None:
        super().__init__({"ssl_object": tls})
        self.unsent = unsent
        self.did: list[str] = []
        self.written: Any = b""
        self.protocol: asyncio.BaseProtocol | None = None

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return "close" in self.did or "abort" in self.did

    def write(self, data: Any) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.did.append("pause")

    def resume_reading(self) -> None:
        self.did.append("resume")

    def close(self) -> None:
        self.did.append("close")

    def abort(self) -> None:
        self.did.append("abort")
