"""The benchmarks run, count right, and report in one shape; nothing here is timed."""

import json
import re

import pytest

from benchmarks import handles, layers, memory, politeness, report, session
from benchmarks.__main__ import BENCHMARKS, main, parse
from benchmarks.harness import Section, added, in_child, loops, paired, typical

SAMPLES = [{"us": 2.0}, {"us": 4.0}, {"us": 9.0}]
HALVES = [{"us": 1.0}, {"us": 2.0}, {"us": 3.0}]


def _check_shape(section):
    assert section.rows
    assert all(len(row) == len(section.columns) for row in section.rows)
    assert all(isinstance(cell, str) for row in section.rows for cell in row)
    assert json.loads(json.dumps(section.to_dict()))["name"] == section.name


def test_layers_price_each_step():
    """Each layer that is on by default has a row, and all of them one together."""
    section = layers.run({"rounds": 1, "batches": 1, "calls": 20})
    _check_shape(section)
    assert [row[0] for row in section.rows] == [
        "bare",
        "+ timeout",
        "+ limits",
        "+ pacing",
        "+ retry",
        "+ budget",
        "+ cookies",
        f"+ {layers.SINK}",
        "all that is on by default",
    ]
    assert section.facts["calls"] == 20 * 8
    assert section.facts["all_us"] > 0
    assert {"RetryLayer", "LimitsLayer"}.isdisjoint(section.facts["bare_chain"])
    assert {"RetryLayer", "LimitsLayer"} <= set(section.facts["full_chain"])


def test_layers_refuse_a_baseline_that_is_not_bare(monkeypatch):
    """A policy that cannot be switched off must not pass for free."""
    sample = {"us": 1.0, "least": 1.0, "calls": 1, "chain": ["LimitsLayer", "AttemptLayer"]}
    monkeypatch.setattr(layers, "in_turns", lambda _module, variants, _rounds: {name: [sample] for name in variants})
    with pytest.raises(RuntimeError, match="LimitsLayer"):
        layers.run({"rounds": 1, "batches": 1, "calls": 1})


def test_the_last_step_of_the_layers_is_the_default_client():
    """What is measured as "all" is what a user gets who chooses nothing."""
    assert layers.options(layers.ALL) == {}
    assert set(layers.options(layers.BARE)) == {"budget", "cookies", "limits", "pacing", "retry", "timeout"}


def test_every_client_gets_every_answer_and_sends_once():
    """The server of the session benchmark receives exactly what the clients sent, and all answers are right."""
    section = session.run({"rounds": 1, "requests": 30, "connections": 3})
    _check_shape(section)
    facts = section.facts
    assert facts["wrong"] == 0
    assert facts["sent"] == facts["received_by_server"] == len(section.rows) * (30 + 2 * 3)
    assert facts["connections_to_server"] <= len(section.rows) * 3
    for ratios in facts["ratio_to_aiohttp"].values():
        assert set(ratios) == set(session.VARIANTS)
        assert ratios[session.RAW] == 1.0


def test_every_handle_gets_every_answer_and_sends_once():
    """Futures, both maps and the peer get right answers only, and the server receives exactly what they sent."""
    section = handles.run({"rounds": 1, "requests": 30, "connections": 3})
    _check_shape(section)
    facts = section.facts
    assert facts["wrong"] == 0
    assert facts["sent"] == facts["received_by_server"] == len(section.rows) * (30 + 2 * 3)
    assert [row[1] for row in section.rows] == [name for loop in loops() for name in handles.variants(loop)]
    assert len(section.notes) == len(loops()) + 2


def test_handles_do_without_the_peer(monkeypatch):
    """Where requests-futures is not installed it is left out, and the report says so."""
    monkeypatch.setattr(handles, "find_spec", lambda _name: None)
    sample = {"us": 1.0, "per_second": 1.0, "right": 1, "sent": 1, "warm": 1}
    monkeypatch.setattr(handles, "in_turns", lambda _module, asked, _rounds: {name: [sample] for name in asked})
    section = handles.run({"rounds": 1, "requests": 1, "connections": 1})
    assert {row[1] for row in section.rows} == {handles.GET, handles.SUBMIT, handles.MAP, handles.SYNC_MAP}
    assert "not installed" in section.notes[-1]


def test_handles_are_compared_within_a_round():
    """A future costs more where it takes more CPU; the peer is beaten by requests a second."""

    def samples(us, per_second):
        return [{"us": us, "per_second": per_second}]

    found = handles.compared(
        {
            handles.GET: samples(10.0, 1.0),
            handles.SUBMIT: samples(12.0, 1.0),
            handles.MAP: samples(10.0, 1.0),
            handles.SYNC_MAP: samples(15.0, 900.0),
            handles.PEER: samples(1.0, 300.0),
            handles.WIDE_PEER: samples(1.0, 450.0),
        }
    )
    assert found == {"submit_to_get": 1.2, "sync_to_async_map": 1.5, "sync_to_peer": 3.0, "sync_to_wide_peer": 2.0}


def test_memory_counts_every_input():
    """Each way gives a good result for each input, and a peak is found."""
    section = memory.run({"few": 10, "many": 50, "tasks": 40})
    _check_shape(section)
    assert section.facts["right"] == section.facts["inputs"] == 3 * (10 + 50) + 10 + 40
    assert set(section.facts["grown_mb"]) == {*memory.MAPS, memory.GLUE}
    assert all(sample["peak_mb"] > 1 for sample in section.raw.values())


@pytest.mark.parametrize("calls", [20, 200])
def test_a_dead_origin_is_spared(calls):
    """At most N + 100 sends for N calls."""
    came = politeness.dead_origin(calls)
    assert came["ok"] == 0
    assert calls <= came["sends"] <= calls + politeness.SLACK


def test_politeness_is_counted_in_virtual_time():
    """A blip loses nothing, turns are near the ideal, and the hand-made peer is not."""
    section = politeness.run({"dead": 50, "urls": 300, "blip": 10, "hosts": 20, "each": 40})
    _check_shape(section)
    facts = section.facts
    assert facts["extra_sends_to_a_dead_origin"].keys() == {"20", "50"}
    assert facts["ok_after_blip"] == 1.0
    assert facts["ok_at_30%"] > 0.9
    assert 1.0 <= facts["to_ideal"] <= 1.3 < facts["to_ideal_by_hand"]


def test_politeness_gives_the_same_numbers_again():
    """Virtual time and seeded dice leave nothing to the machine."""
    assert politeness.random_failures(200, 0.3) == politeness.random_failures(200, 0.3)


def test_figures_are_medians_of_rounds():
    """Ratios and differences are taken within a round."""
    assert typical(SAMPLES, "us") == 4.0
    assert paired(SAMPLES, HALVES, "us") == 2.0
    assert added(SAMPLES, HALVES, "us") == 2.0


def test_a_child_that_fails_says_why():
    """The error of a child process is shown with what it was asked."""
    with pytest.raises(RuntimeError, match="no such variant"):
        in_child("benchmarks.memory", {"variant": "no such variant", "count": 1, "loop": "asyncio"})


@pytest.fixture
def run():
    section = Section(
        name="colours",
        question="Which is it?",
        columns=["colour", "µs"],
        rows=[["red", "1.5"], ["dark blue", "12.0"]],
        facts={"red": 1.5},
        notes=["Both are colours."],
    )
    return report.to_dict([section], shape="quick")


def test_report_is_an_aligned_table(run):
    """Words stand to the left and numbers to the right."""
    assert "colour       µs\n---------  ----\nred         1.5\ndark blue  12.0\n\nBoth are colours." in report.text(run)


def test_report_is_markdown(run):
    """The same table for a page."""
    assert "| colour | µs |\n| --- | ---: |\n| red | 1.5 |\n| dark blue | 12.0 |" in report.markdown(run)


def test_report_is_json_without_the_machine_s_name(run, tmp_path):
    """What is kept says cores and versions, and no host, user or path."""
    path = report.save(run, "test", tmp_path)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-test\.json", path.name)
    assert json.loads(path.read_text(encoding="utf-8")) == run
    assert set(run["machine"]) == {"cores", "cpu", "system", "python", "loops", "aiohttp", "uvloop"}


def test_the_command_runs_what_it_is_asked_for(capsys, monkeypatch):
    """`--quick` takes the quick shape; the table goes to stdout and nothing is written with `--no-save`."""
    monkeypatch.setattr(politeness, "QUICK", {"dead": 20, "urls": 100, "blip": 5, "hosts": 20, "each": 20})
    main(["politeness", "--quick", "--no-save"])
    out, err = capsys.readouterr()
    assert politeness.run(politeness.QUICK).question in out
    assert "Raw numbers" not in err


def test_the_command_refuses_unknown_names(capsys):
    """A name that is no benchmark ends with the names there are."""
    with pytest.raises(SystemExit):
        parse(["speed"])
    assert ", ".join(BENCHMARKS) in capsys.readouterr().err


@pytest.mark.parametrize("module", BENCHMARKS.values(), ids=BENCHMARKS)
def test_quick_and_full_have_the_same_knobs(module):
    """`--quick` changes counts and nothing else."""
    assert module.QUICK.keys() == module.FULL.keys()
    assert all(module.QUICK[key] <= module.FULL[key] for key in module.FULL)
