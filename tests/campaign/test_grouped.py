"""``local_commits=grouped`` in simulation: deliveries of one process share their links, and their
fate."""

from __future__ import annotations

from collections import Counter

import attrs
import pytest

from simworld import marks
from simworld.campaign import Hunter, Trial, load_scenarios, placed, preset, run_trial, with_knob
from simworld.records import PASS, Fault
from simworld.sim import RecordedFaults

NUMBERS = range(8)


def hunter(*knobs: str, base: str = "fixed") -> Hunter:
    """Of all deliveries in one process, on the file world."""
    variant = with_knob(placed(preset(base), "local"), "hosts=1")
    for knob in knobs:
        variant = with_knob(variant, knob)
    return Hunter(load_scenarios()["inflated_attempts"], variant, seed=3)


def traced(hunter: Hunter, number: int, *faults: Fault) -> Trial:
    """Trial ``number`` with no faults but these."""
    setup = hunter.setup(number)
    return run_trial(attrs.evolve(setup, faults=RecordedFaults(faults), full_trace=True))


def links(hunter: Hunter) -> int:
    """How often somebody tries to link a slot, in a few trials."""
    turns = [turn for number in NUMBERS for turn in traced(hunter, number).trace]
    return sum(": link runs/" in turn.op for turn in turns)


def test_there_are_fewer_links() -> None:
    assert links(hunter("local_commits=grouped")) < 0.9 * links(hunter())


@pytest.mark.parametrize("base", ["fast", pytest.param("fixed", marks=pytest.mark.slow)])
def test_wherever_the_process_dies_its_callers_go_on(base: str) -> None:
    grouped = hunter("local_commits=grouped", "local_memory=true", base=base)
    for number in NUMBERS:
        before = marks.snapshot()
        whole = traced(grouped, number)
        if "slots.grouped" in marks.since(before):
            break
    counts: Counter[str] = Counter()
    crashed = 0
    for turn in whole.trace:
        counts[turn.task] += 1
        trial = traced(grouped, number, Fault("crash", turn.task, counts[turn.task]))
        assert (trial.verdict.outcome, trial.anomalies) == (PASS, []), turn
        crashed += len(trial.faults)
    assert crashed > 20
