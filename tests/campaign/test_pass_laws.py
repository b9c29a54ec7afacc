"""The laws of passes on whole trials: what breaks each is found, and `fixed` keeps them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import attrs
import pytest

from simworld.campaign import (
    Case,
    Hunter,
    Scenario,
    load_scenarios,
    placed,
    preset,
    with_knob,
)
from simworld.campaign.cold import PREFIX_EVENTS_MAX, PREFIXES_ONE_IN, ColdReplays
from simworld.engine import Event, PassResult, StepContext, race, sleep, step, workflow
from simworld.records import Decided, FaultBudget, HandedOver, InlineOwned, Passed, Workload

LAWS = ("I-15", "I-16", "I-19", "I-20", "I-22", "I-23", "L-04")
LONG_MS, SHORT_MS = 30_000, 1_000
FAULTS = FaultBudget(server_errors=1)
"""Beyond what the scenarios allow."""


@step
async def lasts(ctx: StepContext, duration_ms: int) -> int:
    """Take some time."""
    await ctx.sleep(duration_ms)
    return duration_ms


@workflow
async def overtaken() -> list[int]:
    """A long step against a short one, then against a short sleep."""
    long = lasts(LONG_MS)
    first = await race(long, lasts(SHORT_MS))
    second = await race(long, sleep(SHORT_MS))
    return [first.which, second.which]


@workflow
async def deadline() -> int:
    """A long step against a short sleep, from the start."""
    return (await race(lasts(LONG_MS), sleep(SHORT_MS))).which


def _races(name: str, flow: object) -> Scenario:
    case = Case(
        name="rough",
        title="a duplicate and a crash",
        draw=lambda stream: Workload(durations_ms=(LONG_MS,)),
        budget=FaultBudget(duplicates=1, crashes=1),
        expect={},
    )
    return Scenario(
        name=name,
        title="the loser of a race takes its time",
        law="L-04",
        workflow=flow,  # type: ignore[arg-type]
        steps=(lasts,),
        args=lambda workload: (),
        targets=lambda workload: [],
        cases=(case,),
    )


SCENARIOS = {
    **load_scenarios("scenarios"),
    "overtaken": _races("overtaken", overtaken),
    "deadline": _races("deadline", deadline),
}


def hunter(
    name: str,
    variant: str = "fixed",
    *knobs: str,
    world: str = "atomic",
    faults: FaultBudget = FAULTS,
) -> Hunter:
    """Of a scenario that is judged by the laws of passes alone."""
    system = placed(preset(variant), world)
    for knob in knobs:
        system = with_knob(system, knob)
    judged = attrs.evolve(SCENARIOS[name], law=LAWS[0], laws=LAWS[1:], marks=())
    return Hunter(judged, system, faults=faults)


def found(of: Hunter, count: int) -> set[str]:
    """How so many trials break the laws of passes."""
    told = [each for number in range(count) for each in of.trial(number).anomalies]
    return {f"{each.law} {each.kind}" for each in told if each.law in LAWS}


class Broken(NamedTuple):
    """A faulty system, and how it must be found out."""

    kind: str
    scenario: str
    variant: str
    knobs: tuple[str, ...]
    trials: int


BROKEN = {
    "R-11 nobody owns": Broken(
        "I-15 two-inline-owners", "generated_programs", "fixed", ("inline_gate=none",), 40
    ),
    "R-46 one badge, two persons": Broken(
        "I-19 result-of-another-call",
        "cursor_dedupe",
        "fixed",
        ("ids=monotonic", "validate=false", "wait_push=local"),
        60,
    ),
    "R-37 a hole in the cache": Broken(
        "I-20 winner-not-first", "cursor_dedupe", "fixed", ("wait_push=local",), 60
    ),
    "R-12 a step blocks its timer": Broken(
        "I-20 late-timer",
        "deadline",
        "fixed",
        ("inline_with_wait=true", "wait_dispatch=return_value"),
        10,
    ),
    "R-14 a fault fails the run": Broken(
        "I-22 fault-charged-to-user", "generated_programs", "fixed", ("loop_errors=fail_run",), 60
    ),
    "R-15 a fault fails a body": Broken(
        "I-22 fault-charged-to-body", "generated_programs", "fixed", ("complete_errors=user",), 60
    ),
    "R-43 the clock is moved by a peek": Broken(
        "I-23 reading-changed", "generated_programs", "v2_merge", (), 60
    ),
    "R-09 the winner is starved": Broken(
        "L-04 late-continuation", "overtaken", "fixed", ("bg_after=last_completer",), 10
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_breaks_a_law_of_passes_is_found(name: str) -> None:
    kind, scenario, variant, knobs, trials = BROKEN[name]
    assert kind in found(hunter(scenario, variant, *knobs), trials)
    assert found(hunter(scenario), trials) == set()


@pytest.mark.parametrize("world", ["local", "postgres"])
@pytest.mark.parametrize("name", ["cursor_dedupe", "generated_programs", "overtaken"])
def test_fixed_keeps_the_laws_of_passes_on_every_world(name: str, world: str) -> None:
    assert found(hunter(name, world=world), 20) == set()


def test_passes_tell_what_the_laws_need() -> None:
    kinds = {type(each) for each in hunter("overtaken").trial(0).records}
    assert kinds >= {Passed, Decided, HandedOver, InlineOwned}


def test_a_decision_is_told_once() -> None:
    records = hunter("overtaken", "v2_merge").trial(0).records
    told = [each.decision for each in records if isinstance(each, Decided)]
    assert [each.race for each in told] == [1, 2]


def test_prefixes_are_replayed_in_a_share_of_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[list[int]] = []
    replay = ColdReplays.__call__

    def counted(self: ColdReplays, run_id: str, log: Sequence[Event]) -> PassResult:
        lengths[-1].append(len(log))
        return replay(self, run_id, log)

    monkeypatch.setattr(ColdReplays, "__call__", counted)
    for variant, whole in (("fixed", True), ("v2_merge", False)):
        of = hunter("overtaken", variant, faults=FaultBudget())
        lengths.clear()
        for number in range(8 * PREFIXES_ONE_IN):
            lengths.append([])
            of.trial(number)
        thorough = [each for each in lengths if {1, 2, 3} <= set(each)]
        assert (0 < len(thorough) < 20) is whole
        assert all(max(each) <= PREFIX_EVENTS_MAX for each in thorough)
