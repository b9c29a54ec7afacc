"""Laws of payloads, streams and circles on whole trials: faulty variants break them, fixed ones
do not, with the same seeds and budgets.
"""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    Case,
    Hunter,
    Scenario,
    Variant,
    hunt,
    placed,
    preset,
    run_trial,
    with_knob,
)
from simworld.engine import StepContext, create_hook, decode, sleep, step, workflow
from simworld.records import (
    FAIL,
    PASS,
    UNKNOWN,
    Anomaly,
    ClientCall,
    FaultBudget,
    Result,
    Workload,
)
from simworld.runtime import Client, RunFailedError
from tests.campaign.talking import LISTENING, TALKING

WORLDS = ("atomic", "local", "postgres", "hosted")


def kinds(result: Result, law: str) -> set[str]:
    """How a law was broken."""
    return {each.anomaly.kind for each in result.findings if each.anomaly.law == law}


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("scenario", [LISTENING, TALKING], ids=lambda each: each.name)
def test_nothing_is_lost_or_late_on_fixed(scenario: Scenario, world: str) -> None:
    result = hunt(scenario, placed(preset("fixed"), world), trials=80)
    assert (result.verdict.outcome, result.findings) == (PASS, ())
    assert result.overlap_share > 0.3


def test_a_buffered_writer_loses_its_tail() -> None:
    result = hunt(TALKING, with_knob(preset("fixed"), "stream_write=buffered"), trials=40)
    assert (result.verdict.outcome, result.verdict.law) == (FAIL, "I-24")
    assert kinds(result, "I-24") == {"tail-lost"}


def test_a_wake_waits_behind_a_body() -> None:
    """R-82."""
    result = hunt(LISTENING, with_knob(preset("fixed"), "flow_order=one_by_one"), trials=60)
    assert (result.verdict.outcome, result.verdict.law) == (FAIL, "L-05")
    assert kinds(result, "L-05") == {"late-payload"}


def test_what_a_client_asks_is_a_history() -> None:
    """Every call begins and is over; what it asked for and what came of it are told."""
    calm = attrs.evolve(LISTENING.cases[0], budget=FaultBudget())
    trial = run_trial(Hunter(attrs.evolve(LISTENING, cases=(calm,)), preset("fixed")).setup(0))
    lines = [each for each in trial.records if isinstance(each, ClientCall)]
    begun = [each for each in lines if each.phase == "invoke"]
    assert [each.number for each in begun] == list(range(1, len(begun) + 1))
    assert (begun[0].verb, begun[-1].verb) == ("start", "result")
    over = {each.number: each.phase for each in lines if each.phase != "invoke"}
    assert over.keys() == {each.number for each in begun}
    resumes = [each for each in begun if each.verb == "resume_hook"]
    assert {each.target for each in resumes} == {"ear"}
    assert [decode(each.payload) for each in resumes if over[each.number] == "ok"] == [0, 1, 2]
    assert {over[each.number] for each in resumes} <= {"ok", "fail"}


@step
async def work(ctx: StepContext) -> int:
    """Do something."""
    return 1


@workflow
async def napping() -> int:
    """Sleep, then work."""
    await sleep(2_000)
    return await work()


NAPPING = Scenario(
    name="napping",
    title="a sleep whose row and event may part",
    law="L-07",
    laws=("L-03",),
    workflow=napping,
    steps=(work,),
    args=lambda workload: (),
    targets=lambda workload: (),
    cases=(
        Case(
            name="nap",
            title="crashes",
            draw=lambda stream: Workload(steps=0),
            budget=FaultBudget(crashes=2, lost_answers=1),
            expect={},
        ),
    ),
)


def test_a_wait_whose_row_and_event_part_is_a_livelock() -> None:
    """R-36: refused for ever, and asked again for ever."""
    repaired = placed(preset("fixed"), "postgres")
    found = anomalies(with_knob(repaired, "pg_writes=autocommit"))
    told = [each.message for each in found if each.kind == "livelock"]
    assert told
    assert "flow: deliver flow" in told[0]
    assert "flow: ask for redelivery" in told[0]
    assert "run waits for" in told[0]
    assert anomalies(repaired) == []


def anomalies(variant: Variant) -> list[Anomaly]:
    """What sixty trials of the nap have broken."""
    hunter = Hunter(attrs.evolve(NAPPING, turns_max=800), variant)
    return [each for number in range(60) for each in run_trial(hunter.setup(number)).anomalies]


# --- who polls ------------------------------------------------------------------------------------


@workflow
async def deaf() -> int:
    """Wait for a payload that nobody sends."""
    async with create_hook("deaf", payload=int) as hook:
        return await hook.next()


async def polls(client: Client, workload: Workload) -> None:
    """Wait for the result, however long that takes."""
    run_id = await client.start()
    try:
        await client.result(run_id)
    except RunFailedError:
        return


def polled(scenario: Scenario) -> Scenario:
    return attrs.evolve(scenario, client=polls)


def test_who_waits_for_a_payload_is_not_stuck() -> None:
    waiting = attrs.evolve(polled(NAPPING), workflow=deaf, steps=(), turns_max=400)
    result = hunt(waiting, preset("fixed"), trials=5)
    assert (result.verdict.outcome, result.findings) == (UNKNOWN, ())
    assert "over and over: client: " in result.verdict.reason
    assert "a payload for the hook 'deaf'" in result.verdict.reason


def test_who_polls_hides_nobody_who_is_stuck() -> None:
    """Nothing but the client's looks goes on; that is as quiet as it gets."""
    knobs = with_knob(preset("v2_merge"), "attempt_guard=G4")
    crashes = attrs.evolve(NAPPING.cases[0], budget=FaultBudget(crashes=2))
    asked = attrs.evolve(polled(NAPPING), turns_max=800, law="L-01", laws=(), cases=(crashes,))
    result = hunt(asked, knobs, trials=60)
    assert (result.verdict.outcome, result.verdict.law) == (FAIL, "L-01")
    (finding,) = [each for each in result.findings if each.anomaly.place == "run/work#2"]
    assert "work#2 is running (since its step_started at " in finding.anomaly.message
    assert ", which ran it, has died" in finding.anomaly.message
    assert "step_started was refused there (409)" in finding.anomaly.message
