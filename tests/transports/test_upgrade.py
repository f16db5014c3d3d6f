"""What a WebSocket is above the transport."""

from asynchttp.transports.upgrade import UPGRADE, Closed, Upgrade


def test_the_defaults():
    """No subprotocol, no heartbeat, 4 MiB, no compression; a close has no reason unless it says one."""
    assert Upgrade() == ((), None, 4 * 2**20, False)
    assert Closed(1000).reason == ""


def test_a_handshake_is_asked_for_in_its_context():
    """There is none outside of one."""
    assert UPGRADE.get(None) is None
