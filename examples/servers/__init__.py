"""Servers that the examples talk to, with aiohttp.web: ``python -m examples.servers.events`` runs one of them."""
