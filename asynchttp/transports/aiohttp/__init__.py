"""Bytes moved by aiohttp, in two lanes behind one interface."""

from asynchttp.transports.aiohttp.transport import AiohttpTransport

__all__ = ["AiohttpTransport"]
