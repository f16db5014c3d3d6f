"""Servers that the examples talk to, with aiohttp.web, and one with hypercorn: ``python -m examples.servers.events`` runs one of them."""
