"""How does asynchttp compare with other clients, in CPU, throughput, latency and memory?

Each client does the same work in a process of its own, in turns with the others, against one server; every answer is
checked. What counts is the ratio to raw aiohttp in the same round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.harness import Section, loops
from benchmarks.peers import checks, scenarios
from benchmarks.peers.clients import CONTENDERS, versions
from benchmarks.peers.measure import child, in_rounds, together
from benchmarks.peers.servers import site
from benchmarks.peers.tables import sections
from benchmarks.peers.targets import Measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.peers.scenarios import Scenario
    from benchmarks.peers.servers import Site
    from benchmarks.peers.targets import Samples

__all__ = ["FULL", "NAME", "QUICK", "child", "run"]

NAME = "peers"
#: `percent` of each scenario's requests; `width` clients in the scenarios besides the main one; most connections and hosts.
FULL = {
    "main_rounds": 5,
    "rounds": 3,
    "percent": 100,
    "width": len(scenarios.ELSEWHERE),
    "connections": 4000,
    "hosts": 64_000,
    "inputs": 1_000_000,
    "idle_milliseconds": 5000,
}
QUICK = {
    "main_rounds": 1,
    "rounds": 1,
    "percent": 15,
    "width": 3,
    "connections": 1000,
    "hosts": 4000,
    "inputs": 20_000,
    "idle_milliseconds": 1000,
}


def run(shape: dict[str, int]) -> list[Section]:
    """The main scenario on every loop, the others on the quick one, and the checks."""
    left_out: list[str] = []
    found: dict[str, dict[str, Samples]] = {}
    kinds = loops()
    with site() as server:
        found[scenarios.MAIN.name] = {loop: _measured(scenarios.MAIN, loop, server, shape, left_out) for loop in kinds}
        for scenario in scenarios.elsewhere(shape):
            found[scenario.name] = {kinds[0]: _measured(scenario, kinds[0], server, shape, left_out)}
        inputs = scenarios.million(shape)
        specs = _specs(inputs, kinds[0], server, shape, left_out)
        found[inputs.name] = {kinds[0]: together(specs)}
        counted = checks.unused(server, shape, kinds[0])
        kind = server.server
    measured = Measured(shape=shape, loops=kinds, found=found, checks=counted)
    return sections(measured, kind, versions(), left_out)


def _measured(scenario: Scenario, loop: str, server: Site, shape: Mapping[str, int], left_out: list[str]) -> Samples:
    """The samples of all who take part; `left_out` is told who does not, and why."""
    main = scenario is scenarios.MAIN
    samples, failed = in_rounds(
        _specs(scenario, loop, server, shape, left_out), shape["main_rounds" if main else "rounds"]
    )
    left_out.extend(f"{name} ({scenario.name}): {why}" for name, why in failed.items())
    return samples


def _specs(
    scenario: Scenario, loop: str, server: Site, shape: Mapping[str, int], left_out: list[str]
) -> dict[str, dict[str, Any]]:
    main = scenario is scenarios.MAIN
    names: Sequence[str] = scenario.clients if main else scenario.clients[: shape["width"]]
    specs = {}
    for name in names:
        if loop != loops()[0] and not CONTENDERS[name].both_loops:
            continue  # what it costs does not depend on ours
        if why := scenarios.obstacle(name, scenario):
            note = f"{name}: {why}" if why == "not installed" else f"{name} ({scenario.name}): {why}"
            if note not in left_out:
                left_out.append(note)
            continue
        specs[name] = scenario.spec(name, loop, server, shape["percent"] if scenario.timed else 100)
    return specs
