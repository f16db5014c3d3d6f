"""The side-by-side benchmark: every client gets right answers, obstacles are told, targets judged, the chart drawn; nothing is timed."""

import json
import shutil
from xml.etree import ElementTree as ET

import pytest

from benchmarks import peers, publish, report
from benchmarks.harness import Section, loops, run_on
from benchmarks.peers import checks, job, measure, scenarios, servers, tables
from benchmarks.peers.chart import PANELS, chart
from benchmarks.peers.clients import AIOMETER, CONTENDERS, GET, HTTPX2, MAP, OURS, RAW, installed
from benchmarks.peers.targets import Measured, Target, targets
from benchmarks.server import BODY

TINY = dict.fromkeys(peers.FULL, 1) | {"width": 3, "connections": 3, "hosts": 4, "inputs": 12, "idle_milliseconds": 10}
SAMPLE = {
    "us": 10.0,
    "per_second": 100.0,
    "p50_ms": 1.0,
    "p99_ms": 2.0,
    "mb": 3.0,
    "descriptors": 9,
    "right": 5,
    "sent": 5,
    "warm_right": 2,
    "warm": 2,
}
KINDS = {
    "small": scenarios.small(3, requests=12),
    "posted": scenarios.POST,
    "https": scenarios.HTTPS,
    "closing": scenarios.NEW,
    "10 KB": scenarios.MIDDLE,
    "1 MB": scenarios.LARGE,
    "hosts": scenarios.Scenario(name="hosts", hosts=12),
    "streamed": scenarios.Scenario(name="streamed", path="/1m", size=2**20, stream=True),
}


def _site(kind, tmp_path_factory):
    if kind == "nginx":
        return servers.site()
    folder = tmp_path_factory.mktemp("bare")
    servers._write_certificates(folder)
    return servers.bare(folder)


@pytest.fixture(
    scope="module",
    params=["bare", pytest.param("nginx", marks=pytest.mark.skipif(not shutil.which("nginx"), reason="no nginx"))],
)
def site(request, tmp_path_factory):
    """Either server that may be measured against."""
    with _site(request.param, tmp_path_factory) as found:
        yield found


def _sample(client, kind, site, loop="asyncio"):
    scenario = KINDS[kind]
    spec = scenario.spec(client, loop, site, 1) | {"requests": 12 if scenario.size < 10**6 else 2, "connections": 3}
    work = job.Job(spec)
    run = CONTENDERS[client].run
    found = run(work) if client in measure.BLOCKING else run_on(loop, lambda: run(work))
    return measure.checked(found)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", [RAW, GET])
def test_each_kind_of_request_is_answered_right(client, kind, site):
    """Both servers answer every scenario, and every answer is checked, on our side and on aiohttp's."""
    found = _sample(client, kind, site)
    assert found["sent"] >= 2
    assert found["p50_ms"] <= found["p99_ms"]


@pytest.mark.parametrize("client", [name for name in CONTENDERS if installed(name)])
def test_each_client_gets_right_answers(client, site):
    """Whoever is installed does the work, on the loop it would be measured on."""
    found = _sample(client, "small", site, loops()[0])
    assert len(tables.cells([found | {"mb": 1.0}], None)) == len(tables.COLUMNS)


def test_fan_outs_post_too(site):
    """What a map reads has its body with it."""
    assert _sample(MAP, "posted", site)["sent"] == 12


@pytest.mark.parametrize("client", [name for name in CONTENDERS if name not in OURS and installed(name)])
def test_peers_do_every_kind_that_they_are_asked_for(client, site):
    """A peer that is installed posts JSON and trusts the certificate as the others do."""
    for kind in ("posted", "https", "streamed") if client in scenarios.READERS else ("https",):
        _sample(client, kind, site, loops()[0])


def test_a_wrong_answer_is_seen():
    """Status, content and length count; of a long body both ends do."""
    spec = KINDS["small"].spec(RAW, "asyncio", servers.Site(server="", http=1, https=2, ca=""), 1)
    small = job.Job(spec)
    assert small.right(200, BODY)
    assert not small.right(500, BODY)
    assert not small.right(200, BODY[:-1] + b"?")
    large = job.Job(spec | {"size": 1000})
    assert large.right(200, bytes(1000))
    assert large.right(200, 1000)
    assert not large.right(200, 999)
    assert not large.right(200, bytes(999))
    assert not large.right(200, bytes(999) + b"x")


def test_the_server_refuses_what_is_not_json(site):
    """A client that posts something else does not pass for quick."""
    with pytest.raises(RuntimeError, match="answers"):
        measure.checked(measure_wrong_post(site))


def measure_wrong_post(site):
    """What comes of a GET where JSON is to be posted."""
    spec = KINDS["posted"].spec(GET, "asyncio", site, 1) | {"requests": 2, "connections": 1, "post": False}
    return run_on("asyncio", lambda: CONTENDERS[GET].run(job.Job(spec)))


def test_hosts_are_distinct():
    """Every number is an address of its own in 127.0.0.0/8."""
    found = [job.host(number) for number in (0, 1, 255, 256, 65_535, 65_536)]
    assert found == ["127.1.0.0", "127.1.0.1", "127.1.0.255", "127.1.1.0", "127.1.255.255", "127.2.0.0"]


def test_slow_clients_send_less_and_nobody_too_little():
    """A pace divides, connections are all used, and a full run sends what the scenario says."""
    assert scenarios.MAIN.count(RAW, 100) == 6000
    assert scenarios.MAIN.count(HTTPX2, 100) == 1200
    assert scenarios.MAIN.count(RAW, 1) == 100
    assert scenarios.LARGE.count(RAW, 1) == 4
    assert scenarios.BUFFERED.count(RAW, 1) == scenarios.LEAST


def test_the_shape_says_how_far_it_goes():
    """No more connections and hosts than asked for."""
    assert [one.hosts for one in scenarios.distinct({"hosts": 64_000})] == [1000, 8000, 64_000]
    assert [one.hosts for one in scenarios.distinct({"hosts": 4000})] == [1000, 4000]
    assert [one.connections for one in scenarios.wide({"connections": 1000})] == [1000]
    assert len(scenarios.elsewhere(peers.FULL)) == 14


def test_who_cannot_take_part_is_told_why(monkeypatch):
    """Not installed, too few descriptors, or a machine with one loopback address."""
    many = scenarios.Scenario(name="hosts", hosts=64_000)
    monkeypatch.setattr(scenarios, "installed", lambda name: name != AIOMETER)
    monkeypatch.setattr(scenarios, "most_descriptors", lambda: 2000)
    assert scenarios.obstacle(AIOMETER, scenarios.MAIN) == "not installed"
    assert "64,200" in str(scenarios.obstacle(RAW, many))
    assert "4,200" in str(scenarios.obstacle(MAP, scenarios.small(4000)))
    assert "each request" in str(scenarios.obstacle(HTTPX2, scenarios.small(1000)))
    assert "asked" in str(scenarios.obstacle(HTTPX2, many))
    monkeypatch.setattr(scenarios, "many_addresses", lambda: False)
    assert "one loopback address" in str(scenarios.obstacle(MAP, many))
    monkeypatch.setattr(scenarios, "many_addresses", lambda: True)
    assert scenarios.obstacle(MAP, many) is None


def test_a_peer_that_fails_is_left_out_and_we_are_not(monkeypatch):
    """Its last words are kept; a failure of ours, or a wrong answer, ends the run."""

    def in_child(_module, spec):
        if spec["fails"]:
            raise RuntimeError("it failed:\nPoolTimeout")
        return SAMPLE | {"right": spec["right"]}

    monkeypatch.setattr(measure, "in_child", in_child)
    fine, broken, wrong = {"fails": 0, "right": 5}, {"fails": 1, "right": 5}, {"fails": 0, "right": 4}
    samples, failed = measure.in_rounds({RAW: fine, HTTPX2: broken, AIOMETER: wrong}, 2)
    assert samples == {RAW: [SAMPLE, SAMPLE]}
    assert failed == {HTTPX2: "PoolTimeout", AIOMETER: "of 7 answers 6 were right"}
    with pytest.raises(RuntimeError, match="PoolTimeout"):
        measure.in_rounds({RAW: fine, MAP: broken}, 1)


def test_a_child_reports_memory_above_its_imports(site):
    """A process of its own gives all figures of a row."""
    spec = KINDS["small"].spec(MAP, loops()[0], site, 1) | {"timed": False}
    sample = measure.together({MAP: spec})[MAP][0]
    assert set(sample) == set(SAMPLE)
    assert sample["p50_ms"] is None
    assert 0 <= sample["mb"] < 1000


def test_a_run_has_all_its_tables(monkeypatch):
    """The main scenario on each loop, the others, the checks and the targets, from real children."""
    main = scenarios.small(100, clients=(RAW, GET, AIOMETER))
    monkeypatch.setattr(scenarios, "MAIN", main)
    monkeypatch.setattr(scenarios, "elsewhere", lambda shape: [*scenarios.distinct(shape)])
    monkeypatch.setattr(scenarios, "installed", lambda name: name != AIOMETER)
    first, others, judged = found = peers.run(TINY)
    for section in found:
        assert section.rows
        assert all(len(row) == len(section.columns) for row in section.rows)
        assert json.loads(json.dumps(section.to_dict()))["name"] == section.name
    assert [row[:2] for row in first.rows] == [[loop, name] for loop in loops() for name in (RAW, GET)]
    assert others.facts["left_out"] == [f"{AIOMETER}: not installed"]
    assert {row[0] for row in others.rows} == {"4 distinct hosts", "12 inputs"}
    assert set(judged.raw) == {RAW, GET}
    assert all(0 < check["connections"] <= 3 for check in judged.raw.values())


def test_connections_that_did_not_stay_open_are_seen():
    """Idleness is not measured where there is nothing to be idle; what is open is closed all the same."""
    closed = []

    async def close():
        closed.append(True)

    with pytest.raises(RuntimeError, match="only 2 of 3"):
        run_on("asyncio", lambda: checks._watch({"connections": 3, "milliseconds": 0}, 2, close))
    assert closed


def _measured(us):
    raw, ours = [SAMPLE | {"us": 100.0}], [SAMPLE | {"us": us}]
    main = {loop: {RAW: raw, MAP: ours, GET: ours} for loop in ("uvloop", "asyncio")}
    return Measured(shape=peers.FULL, loops=["uvloop", "asyncio"], found={scenarios.MAIN.name: main}, checks={})


def test_targets_are_met_missed_or_not_measured():
    """The ratio is to raw aiohttp in the same round, and what is missing passes for nothing."""
    by_claim = {target.claim: target for target in targets(_measured(38.0))}
    assert by_claim["CPU, small JSON, 100 connections: `map`"].met is False
    assert by_claim["CPU, small JSON, 100 connections: `get`"].met is True
    assert by_claim["CPU, HTTPS: `get`"].met is None
    assert len(by_claim) == 22
    assert Target(claim="a", limit=1.3, measured=1.0, at_least=True).row() == ["a", "at least 1.30", "1.00", "**no**"]
    assert Target(claim="a", limit=1000, measured=900).row() == ["a", "at most 1,000", "900", "yes"]
    assert Target(claim="a", limit=1, measured=None).row()[2:] == ["", "not measured"]


def test_missed_targets_are_named():
    """Below the table stands what is not reached."""
    judged = tables.sections(_measured(90.0), "a server", {}, [])[-1]
    assert "CPU, small JSON, 100 connections: `map`" in judged.notes[0]
    assert "HTTPS" not in judged.notes[0]


def test_the_chart_has_a_bar_for_each_client():
    """Well-formed, one panel for each figure; ours and aiohttp stand out."""
    figures = {key: SAMPLE[key] for key in tables.FIGURES}
    drawn = ET.fromstring(chart({RAW: figures, GET: figures, HTTPX2: figures | {"p99_ms": None}}, "Small <JSON>"))
    kinds = [str(bar.get("class")) for bar in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert sorted(kinds) == sorted(["raw", "ours", "peer"] * len(PANELS))
    assert drawn.get("aria-label") == "Small <JSON>"


def test_the_numbers_of_a_page_are_replaced(tmp_path):
    """Only what stands between the marks changes, and a run without the tables is refused."""
    found = tables.sections(_measured(38.0), "a server", {"aiohttp": "3"}, ["wreq: not installed"])
    run = report.to_dict(found, shape="quick")
    page = tmp_path / "numbers.md"
    page.write_text(f"# Before\n\n{publish.BEGIN}\nold\n{publish.END}\n\nAfter\n", encoding="utf-8")
    once = publish.publish(run, page), page.read_text(encoding="utf-8")
    assert once[0].read_text(encoding="utf-8").startswith("<svg")
    assert once == (publish.publish(run, page), page.read_text(encoding="utf-8"))
    assert once[1].startswith("# Before\n\n")
    assert once[1].endswith("\n\nAfter\n")
    assert "old" not in once[1]
    assert "wreq: not installed" in once[1]
    other = Section(name="layers", question="?", columns=["a"], rows=[["1"]], facts={})
    with pytest.raises(ValueError, match="peers"):
        publish.publish(report.to_dict([other], shape="quick"), page)


def test_the_documentation_has_the_marks():
    """The page can be filled again."""
    text = publish.PAGE.read_text(encoding="utf-8")
    assert text.index(publish.BEGIN) < text.index(publish.END)
    assert publish.PAGE.with_suffix(".svg").name in text
