"""What clients that come from one another share."""

from __future__ import annotations

from typing import Any

import pytest

from asynchttp import CircuitBreaker, Client, ClientClosed, Hedge, Limits, Response
from asynchttp.testing import MockTransport

pytestmark = pytest.mark.asyncio
URL = "https://example.com/"


async def test_with_shares_what_it_does_not_change():
    """Transport, clocks, slots and budget are shared; what is changed is new; closing a child leaves its parent open."""
    transport: Any = MockTransport(lambda request: Response(200))
    parent = Client(transport=transport)
    child, limited = parent.with_(headers={"A": "b"}), parent.with_(limits=Limits(concurrency=1))
    grandchild = limited.with_(budget=None)
    assert child._core.state.gate is parent._core.state.gate
    assert limited._core.state.gate is not parent._core.state.gate
    assert grandchild._core.state.gate is limited._core.state.gate
    assert limited._core.state.budget is parent._core.state.budget
    assert grandchild._core.state.budget is None
    await child.aclose()
    with pytest.raises(ClientClosed):
        await child.get(URL)
    with pytest.raises(ClientClosed):
        child.with_(timeout=1)
    assert (await parent.get(URL)).ok
    assert not transport.closed
    await parent.aclose()
    assert transport.closed
    with pytest.raises(ClientClosed):
        await grandchild.get(URL)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"limits": Limits(per_host=3)}, "gate"),
        ({"budget": None}, "budget"),
        ({"breaker": CircuitBreaker()}, "circuits"),
        ({"hedge": Hedge(delay=1)}, "tails"),
        ({"cookies": {}}, "cookies"),
        ({"transport": MockTransport(lambda request: Response(200))}, "transport"),
        ({"headers": {"A": "b"}}, None),
    ],
)
async def test_what_a_change_makes_anew(change, part):
    """The state of the policy that is changed, and of no other."""
    settings: dict[str, Any] = {"breaker": CircuitBreaker(cooldown=1), "hedge": Hedge(delay=2)}
    async with Client(transport=MockTransport(lambda request: Response(200)), **settings) as parent:
        mine, theirs = parent._core.state, parent.with_(**change)._core.state
        parts = ("gate", "budget", "circuits", "tails", "cookies", "transport", "deadlines", "term", "clock", "keyring")
        assert [name for name in parts if getattr(mine, name) is not getattr(theirs, name)] == ([part] if part else [])
