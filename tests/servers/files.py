"""A server of one file that knows ranges, as a handler for the mock transport, with the faults that downloads meet."""

from __future__ import annotations

from typing import Any

from asynchttp import Response, StreamResponse, TruncatedResponse
from tests.torture import Body

STEP = 10_000  # bytes of a chunk


class FileServer:
    """Serves `data` as `etag`; each answer breaks off after the next of `cuts` bytes, while there are some."""

    def __init__(self, data: bytes, *cuts: int, etag: str | None = '"a"', ranges: bool = True, headers=None) -> None:
        self.data = data
        self.cuts = list(cuts)
        self.etag = etag
        self.ranges = ranges
        self.headers = headers or {}
        self.asked: list[str | None] = []
        self.sent = 0
        self.bodies: list[Body] = []
        self.wait: Any = None

    def __call__(self, request):
        shown = request.headers.get("Range")
        self.asked.append(shown)
        assert request.headers["Accept-Encoding"] == "identity"
        headers = dict(self.headers) if self.etag is None else {"ETag": self.etag, **self.headers}
        start = 0
        if shown is not None and self.ranges and request.headers.get("If-Range") == self.etag:
            start = int(shown.removeprefix("bytes=").removesuffix("-"))
            if start >= len(self.data):
                return Response(416, headers={**headers, "Content-Range": f"bytes */{len(self.data)}"})
            headers["Content-Range"] = f"bytes {start}-{len(self.data) - 1}/{len(self.data)}"
        headers.setdefault("Content-Length", str(len(self.data) - start))
        end = len(self.data)
        chunks: list[bytes | BaseException] = []
        if self.cuts and start + self.cuts[0] < end:
            end = start + self.cuts.pop(0)
            chunks = [TruncatedResponse("cut", part="body", sent=True)]
        self.sent += end - start
        pieces = [self.data[at : min(at + STEP, end)] for at in range(start, end, STEP)]
        self.bodies.append(Body(*pieces, *chunks, wait=self.wait))
        return StreamResponse(206 if start else 200, headers=headers, stream=self.bodies[-1])
