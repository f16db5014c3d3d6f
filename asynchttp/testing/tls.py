"""The server's side of TLS without a socket, so that a script can cut it wherever it likes."""

from __future__ import annotations

import contextlib
import ssl

__all__ = ["TlsSide"]

_RECORD = 2**16  # more than a record holds: one read takes all that is there


class TlsSide:
    """Turns the bytes of a connection into those of its scripts, and back; nothing is sent that is not asked for.

    `ready` is true once the handshake is done, and `over` once the peer has said close_notify.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        """Wait for the peer's first flight."""
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ready = False
        self.over = False

    def feed(self, data: bytes) -> bytes:
        """What `data` says; b"" while the handshake goes on.

        Raises:
            ssl.SSLError: it is not TLS, or the handshake failed; the alert for the peer is in `taken`.
        """
        self._incoming.write(data)
        plain = bytearray()
        with contextlib.suppress(ssl.SSLWantReadError):
            if not self.ready:
                self._tls.do_handshake()
                self.ready = True
            while not self.over:
                piece = self._tls.read(_RECORD)
                plain += piece
                self.over = not piece
        return bytes(plain)

    def taken(self) -> bytes:
        """What is to be sent now: the next flight of the handshake, or an alert."""
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """The records that say `data`, once the handshake is done."""
        self._tls.write(data)
        return self._outgoing.read()

    def close(self) -> bytes:
        """The record that says close_notify; b"" before the handshake is done."""
        if self.ready:
            with contextlib.suppress(ssl.SSLError):  # the peer's own close_notify is not waited for
                self._tls.unwrap()
        return self._outgoing.read()
