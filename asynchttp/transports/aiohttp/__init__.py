"""Bytes moved by aiohttp, in two lanes behind one interface; the session lane so far."""

from asynchttp.transports.aiohttp.transport import AiohttpTransport

__all__ = ["AiohttpTransport"]
