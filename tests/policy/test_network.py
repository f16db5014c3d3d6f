from __future__ import annotations

from types import SimpleNamespace

import pytest

from asynchttp import Network
from asynchttp.policy.network import is_public


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


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"private": 0}, TypeError, "private="),
        ({"private": None}, TypeError, "private="),
        ({"happy_eyeballs": 0}, ValueError, "happy_eyeballs="),
        ({"happy_eyeballs": "1"}, TypeError, "happy_eyeballs="),
        ({"resolver": "dns"}, ValueError, "aiodns"),
        ({"resolver": 5}, TypeError, "resolve"),
        ({"local_address": "localhost"}, ValueError, "local_address="),
        ({"unix_socket": "/run/x.sock", "private": False}, ValueError, "unix_socket="),
    ],
)
def test_bad_settings(options, error, says):
    """Refused at once, by name."""
    with pytest.raises(error, match=says):
        Network(**options)


def test_good_settings():
    """A resolver by name or by its method; no happy eyeballs."""
    own = SimpleNamespace(resolve=print)
    assert [Network(resolver=one).resolver for one in ("aiodns", "threaded", own)] == ["aiodns", "threaded", own]
    assert Network(happy_eyeballs=None, local_address="::1").happy_eyeballs is None


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:4700::1111", True),
        *[
            (one, False)
            for one in ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1")
        ],
        *[(one, False) for one in ("0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1")],
        *[
            (one, False)
            for one in ("::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "fec0::1", "ff02::1", "2001:db8::1")
        ],
        ("3fff::1", False),
        ("::ffff:8.8.8.8", True),
        ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::127.0.0.1", False),
        ("64:ff9b::8.8.8.8", True),
        ("64:ff9b::10.0.0.1", False),
        ("2002:0808:0808::1", True),
        ("2002:0a00:0001::1", False),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),  # Teredo, of 10.0.0.1
        ("example.com", False),
        ("", False),
    ],
)
def test_public_addresses(address, public):
    """What an IPv6 address stands for counts; what is no address is not public."""
    assert is_public(address) is public
