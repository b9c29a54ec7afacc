"""The crash strip: nothing is left out, and it finds what it should, where it should."""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    Scenario,
    Strip,
    crash_strip,
    load_scenarios,
    placed,
    preset,
    replay,
    with_knob,
)
from simworld.records import Workload
from simworld.runtime import Client

SCENARIOS = load_scenarios()
LAST = with_knob(preset("fixed"), "bg_after=last_completer")


PAIRS = 100


def the_run() -> Scenario:
    """The run with one of each."""
    return SCENARIOS["crash_strip"]


@pytest.fixture(scope="module")
def last() -> Strip:
    """Of an engine in which some loops are nobody's."""
    return crash_strip(the_run(), LAST, pairs_max=PAIRS)


def laws(strip: Strip) -> dict[str, list[str]]:
    """Law → where a single fault breaks it."""
    found: dict[str, list[str]] = {}
    for row in strip.rows:
        if row.struck:
            found.setdefault(row.law, []).append(row.struck)
    return found


@pytest.mark.parametrize("variant", ["fixed", "fast"])
def test_the_repaired_engine_recovers_wherever_it_is_struck(variant: str) -> None:
    strip = crash_strip(the_run(), preset(variant), pairs_max=100)
    assert strip.rows == ()
    assert strip.undecided == ""
    assert strip.singles > strip.operations  # most are struck in both ways
    assert 90 <= strip.pairs <= 100 < strip.pairs_possible


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["fixed", "fast"])
@pytest.mark.parametrize("world", ["local", "postgres", "hosted"])
def test_and_so_it_does_on_every_world(world: str, variant: str) -> None:
    strip = crash_strip(the_run(), placed(preset(variant), world), pairs_max=50)
    assert (strip.rows, strip.undecided) == ((), "")


def test_a_loop_that_nobody_goes_on_with_is_found_where_its_handler_dies(last: Strip) -> None:
    assert set(laws(last)) == {"L-01"}
    places = laws(last)["L-01"]
    assert "crash before record step_started of tell#7" in places
    assert "crash before end the body of tell#7" in places
    assert not [each for each in places if "work#1" in each]  # a flow message is delivered again
    assert last.singles_failed == sum(row.count for row in last.rows if row.struck)


def test_a_fault_that_fails_the_run_is_found_at_every_read() -> None:
    strip = crash_strip(the_run(), with_knob(preset("fixed"), "loop_errors=fail_run"), pairs_max=0)
    found = laws(strip)
    assert "answer lost: read the log" in found["I-21"]
    assert not [each for places in found.values() for each in places if each.startswith("crash")]


def test_every_row_has_a_repro_that_shows_it_again(last: Strip) -> None:
    assert {bool(row.struck) for row in last.rows} == {True, False}
    for row in last.rows:
        story = replay(row.repro, SCENARIOS)
        assert story is not None
        assert (story.anomaly.law, story.anomaly.kind) == (row.law, row.kind)
        assert len(row.repro.faults) == (1 if row.struck else 2)


def test_a_pair_counts_where_its_first_fault_alone_does_not_do_it(last: Strip) -> None:
    alone = [row.repro.faults[0] for row in last.rows if row.struck]
    pairs = [row for row in last.rows if not row.struck]
    assert sum(row.count for row in pairs) == last.pairs_failed
    assert pairs
    for row in pairs:
        story = replay(row.repro, SCENARIOS)
        assert story is not None
        firsts = [turn.task for turn in story.turns]
        first = min(row.repro.faults, key=lambda fault: firsts.index(fault.target))
        assert first not in alone


@pytest.mark.slow
def test_equal_seeds_strike_equal_pairs(last: Strip) -> None:
    assert crash_strip(the_run(), LAST, pairs_max=PAIRS) == last
    other = crash_strip(the_run(), LAST, pairs_max=PAIRS, seed=1)
    assert (other.singles, other.pairs_possible) == (last.singles, last.pairs_possible)
    assert other.rows != last.rows


def test_what_fails_undisturbed_is_told_once() -> None:
    scenario = attrs.evolve(the_run(), oracle=lambda workload, log: [])
    strip = crash_strip(scenario, LAST, pairs_max=0)
    assert strip.undisturbed == ("I-18 wrong-output",)
    assert set(laws(strip)) == {"L-01"}


async def hasty(user: Client, workload: Workload) -> None:
    """A client that looks for its hook once, and too early."""
    await user.start(1)


def test_a_run_that_stays_open_is_not_taken_for_one_that_recovers() -> None:
    scenario = attrs.evolve(the_run(), client=hasty)
    strip = crash_strip(scenario, preset("fixed"), pairs_max=0)
    assert "waits for a payload for the hook 'go'" in strip.undecided


def test_ctrl_c_keeps_what_is_done() -> None:
    def press(done: int, total: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    strip = crash_strip(the_run(), LAST, pairs_max=0, progress=press)
    assert strip.interrupted
    assert 0 < strip.singles < 20
