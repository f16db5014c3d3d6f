from __future__ import annotations

import pytest

from asynchttp import Network


def test_defaults():
    """By default aiohttp decides, and an idle connection is kept for 15 seconds."""
    network = Network()
    assert (network.resolver, network.local_address, network.unix_socket, network.keepalive) == (None, None, None, 15.0)
    assert network == Network(keepalive=15)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0, ValueError),
        (-1, ValueError),
        (float("inf"), ValueError),
        ("5", TypeError),
        (True, TypeError),
        (None, TypeError),
    ],
)
def test_keepalive_is_seconds(value, error):
    """Seconds above zero; anything else is refused by name."""
    with pytest.raises(error) as caught:
        Network(keepalive=value)
    assert "Network(keepalive=)" in str(caught.value)


@pytest.mark.parametrize("beside", [{"resolver": object()}, {"local_address": "127.0.0.2"}])
def test_a_unix_socket_has_no_address(beside):
    """What only TCP has contradicts a unix socket."""
    with pytest.raises(ValueError, match="no meaning beside it"):
        Network(unix_socket="/run/x.sock", **beside)
    assert Network(unix_socket="/run/x.sock").unix_socket == "/run/x.sock"
