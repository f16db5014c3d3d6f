"""The simulation of outages runs, keeps what it promises on a small scale, and fills its page."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from asynchttp import Limits, Retry
from benchmarks import outage, policies, publish, report

SMALL = {"calls": 500, "dead": 200, "outage": 5, "capacity": 50}


@pytest.fixture(scope="module")
def sections():
    came = {
        variant: json.loads(json.dumps(outage.child({"variant": variant, **SMALL}))) for variant in outage.OVERLOADED
    }
    patch = pytest.MonkeyPatch()
    patch.setattr(outage, "side_by_side", lambda _module, _variants: came)
    with patch.context():
        found = outage.run(SMALL)
    patch.undo()
    return {section.name: section for section in found}


def test_the_budget_bounds_what_the_dead_see(sections):
    """Rule 15: at most 100 more than one a call to one origin and 500 more to all; attempts alone cost four each."""
    facts = sections["outage-dead"].facts
    assert facts["extra"]["dead 100"] == outage.SLACK
    assert facts["sends_a_call"][outage.JITTER] == 4
    assert 1.2 <= facts["sends_a_call"][outage.RATIO] <= 1.3
    assert sections["outage-steady"].facts["sends"][outage.OURS] <= SMALL["outage"] * outage.RATE + outage.SLACK


def test_bad_luck_is_overcome_and_a_plain_ratio_is_not_enough(sections):
    """At 30 % and 40 % nearly all calls come through."""
    section = sections["outage-unlucky"]
    assert all(len(row) == len(section.columns) for row in section.rows)
    came = {row[0]: float(row[5].rstrip("%")) for row in section.rows}
    assert came[outage.OURS] > came[outage.RATIO] > came[outage.NO_RETRY]


def test_an_overload_ends_soon_where_less_is_sent(sections):
    """The default client has full goodput within 20 s; attempts alone keep the server busy with what nobody awaits."""
    full = sections["outage-overload"].facts["full"]
    assert full[outage.OURS] <= outage.SOON
    assert full[outage.BROKEN] <= outage.SOON
    assert full[outage.JITTER] is None
    many = full[outage.MANY]
    assert many is None or many > outage.SOON, "without a limit there is the backlog to be worked off"


def test_the_default_client_reaches_what_it_must(sections):
    """Each number of the issue has a row, and is kept."""
    section = sections["outage-reach"]
    assert [row[3] for row in section.rows] == ["yes"] * 6
    assert all(section.facts["kept"].values())
    missed = outage._reached(
        {
            "outage-dead": {
                "extra": {"dead 20": 101, "dead origins": 501},
                "calls": {"dead 20": 20, "dead origins": 20},
            },
            "outage-unlucky": {"ok_at_30%": 0.98, "ok_at_40%": 0.94},
            "outage-overload": {"full": {outage.OURS: None}},
        }
    )
    assert [row[3] for row in missed.rows] == ["**no**"] * 5


def test_ours_is_the_default_client():
    """Nothing is chosen but the attempts that all have, and the limit of the overload is the one that a client has."""
    assert outage.options(outage.OURS) == {"retry": Retry(outage.ATTEMPTS)}
    assert outage.FULL["capacity"] // outage.LIMIT == Limits().concurrency


def test_the_page_is_filled_and_drawn(sections, tmp_path):
    """A bar for each client and a line for each; only what stands between the marks changes."""
    run = report.to_dict(list(sections.values()), shape="full")
    page = tmp_path / "outages.md"
    page.write_text(f"# Before\n\n{publish.BEGIN}\nold\n{publish.END}\n\nAfter\n", encoding="utf-8")
    drawn = ET.fromstring(publish.publish_outages(run, page).read_text(encoding="utf-8"))
    space = "{http://www.w3.org/2000/svg}"
    assert len(list(drawn.iter(f"{space}polyline"))) == len(outage.OVERLOADED)
    assert len(list(drawn.iter(f"{space}rect"))) == len(outage.VARIANTS) + len(outage.OVERLOADED)
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Before")
    assert text.endswith("After\n")
    assert "old" not in text
    assert outage.MANY in text


def test_the_documentation_has_the_marks():
    """The page can be filled again, and shows its drawing."""
    text = publish.OUTAGES.read_text(encoding="utf-8")
    assert text.index(publish.BEGIN) < text.index(publish.END)
    assert publish.OUTAGES.with_suffix(".svg").name in text


def test_each_optional_policy_has_a_price():
    """A row for each client, with the targets of the issue."""
    section = policies.run({"rounds": 1, "calls": 5})
    assert [row[0] for row in section.rows] == list(policies.options())
    assert section.facts["base_us"] > 0
    assert policies.ONE_MORE in section.facts["added_us"]
