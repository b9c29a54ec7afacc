"""The tests that the reviewers of the pull request found missing (spec §6.1), each by search.

Beside every right outcome stands the faulty knob with which the same search, from the same seed,
breaks it; and the thing that the test is about must really have happened.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.campaign import Case, Hunter, Scenario, Trial, claimed_variant, load_scenarios
from simworld.engine import (
    EXHAUSTED,
    AttemptGuard,
    EnginePolicy,
    StartedBy,
    StepContext,
    StepFailed,
    StepRow,
    StepStatus,
    before_body,
    create_hook,
    gather,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import BodyBegan, FaultBudget, Workload
from simworld.runtime import Client

SCENARIOS = load_scenarios()


def trials(scenario: Scenario, case: str, system: str, count: int) -> Iterator[Trial]:
    """So many trials from seed 0."""
    hunter = Hunter(scenario, claimed_variant(system), seed=0, case=case)
    return (hunter.trial(number) for number in range(count))


def broken_by(scenario: Scenario, case: str, system: str, count: int, law: str) -> bool:
    """Whether so many trials break the law."""
    return any(
        anomaly.law == law
        for trial in trials(scenario, case, system, count)
        for anomaly in trial.anomalies
    )


# --- 1. the dedupe path, with an interleaved new event (R-39, R-40) -------------------------------

SLEEP_MS = 1_000


@step
async def note(ctx: StepContext, what: str) -> str:
    """Tells what has happened."""
    return what


async def when_told() -> str:
    return await note(await create_hook("news"))


async def when_awake() -> str:
    await sleep(SLEEP_MS)
    first = await note("awake")
    return f"{first} and {await note('up')}"


@workflow
async def both() -> list[str]:
    """A payload and the end of a sleep: both are awaited, and their order does not matter."""
    return await gather(when_told(), when_awake())


async def client(user: Client, workload: Workload) -> None:
    """Start the run, and resume its hook about when the sleep ends."""
    await user.start()
    await user.sleep(workload.value("told_ms", SLEEP_MS))
    for _ in range(20):
        try:
            await user.resume_hook("news", "told")
        except HookNotFoundError:
            await user.sleep(100)  # not yet created
        else:
            return


def moment(stream: Stream) -> Workload:
    return Workload(steps=1, extra=(("told_ms", stream.choice((999, 1_000, 1_000, 1_001))),))


_DEDUPE_PATH = Scenario(
    name="dedupe_path",
    title="a pushed wait comes back beside an event that came meanwhile",
    law="I-17",
    laws=("I-04", "I-06", "I-16", "I-18", "I-20", "L-02", "L-05"),
    workflow=both,
    steps=(note,),
    args=lambda workload: (),
    client=client,
    oracle=lambda workload, log: ["told", "awake and up"],
    targets=lambda workload: [],
    cases=(Case(name="R-39", title="", draw=moment, budget=FaultBudget(), expect={}),),
)
PUSHED = "fixed unconsumed=U0 wait_push=local"


def test_the_dedupe_path_with_an_interleaved_event() -> None:
    """No event comes twice, and nobody waits for one in vain."""
    before = marks.snapshot()
    for trial in trials(_DEDUPE_PATH, "R-39", PUSHED, 400):
        assert trial.anomalies == []
        assert trial.ended_count == trial.runs_count
    assert "wait.completed_beside_news" in marks.since(before)


def test_without_dedupe_the_pushed_wait_comes_twice() -> None:
    assert broken_by(_DEDUPE_PATH, "R-39", f"{PUSHED} dedupe=false", 100, "I-17")


def test_a_moved_cursor_leaves_the_interleaved_event_behind() -> None:
    """As the review suggested, instead of the dedupe."""
    moved = f"{PUSHED} cursor_move=true dedupe=false"
    assert broken_by(_DEDUPE_PATH, "R-39", moved, 400, "I-17")


# --- 2. L198: more starts than tries, and no error (R-01) -----------------------------------------


L198_TRIALS = 100


def starts(attempt: int, error: bytes) -> StepRow:
    """A step that has been started so often; with an error, it was tried again."""
    return StepRow(
        "wrun_1",
        "step_1",
        "work",
        StepStatus.RUNNING,
        b"",
        0,
        attempt=attempt,
        error=error,
        retries=1 if error else 0,
        starts=("",) * attempt,
    )


@given(max_retries=st.integers(0, 10), beyond=st.integers(1, 10))
def test_l198_lets_a_step_without_error_run_however_often_it_was_started(
    max_retries: int, beyond: int
) -> None:
    def verdict(guard: AttemptGuard, error: bytes) -> str:
        row, by = starts(max_retries + 1 + beyond, error), StartedBy("msg_1", "msg_1.1", 1)
        return before_body(EnginePolicy(attempt_guard=guard), row, by, max_retries)

    assert verdict(AttemptGuard.G1, b"") == ""
    assert verdict(AttemptGuard.G1, b"why") == EXHAUSTED
    assert verdict(AttemptGuard.G0, b"") == EXHAUSTED


def test_l198_in_a_search() -> None:
    scenario = SCENARIOS["concurrent_first_attempts"]
    beyond = 0
    for trial in trials(scenario, "R-01", "v2_merge", L198_TRIALS):
        assert trial.anomalies == []
        tries = 1 + max(step.max_retries for step in scenario.steps)
        beyond += any(isinstance(each, BodyBegan) and each.start > tries for each in trial.records)
    assert beyond
    assert broken_by(scenario, "R-01", "v2_merge attempt_guard=G0", L198_TRIALS, "I-12")


# --- 3. scenarios B and D (R-03, R-02) ------------------------------------------------------------

SCENARIO_B, SCENARIO_D = "R-03", "R-02"


def given_up(trial: Trial) -> tuple[int, int, int] | None:
    """Of the first step that has failed: its starts, bodies and retries; None: no step has."""
    for log in trial.logs.values():
        for event in log:
            if not isinstance(event.fact, StepFailed):
                continue
            of_step = [each.type for each in log if each.correlation_id == event.correlation_id]
            bodies = sum(
                isinstance(each, BodyBegan) and each.step_id == event.correlation_id
                for each in trial.records
            )
            return of_step.count("step_started"), bodies, of_step.count("step_retrying")
    return None


@pytest.mark.parametrize("case", [SCENARIO_B, SCENARIO_D])
def test_one_failure_beside_duplicates_is_not_the_end(case: str) -> None:
    """What the merged guards make of it; the same values, budget and seed are right when fixed."""
    scenario = SCENARIOS["inflated_attempts"]
    hunter = Hunter(scenario, claimed_variant("v2_merge"), seed=0, case=case)
    fixed = Hunter(scenario, claimed_variant("fixed"), seed=0, case=case)
    for number in range(2_000):
        trial = hunter.trial(number)
        if any(each.law == "I-12" for each in trial.anomalies):
            break
    assert fixed.trial(number).anomalies == []
    ended = given_up(trial)
    assert ended is not None
    started, bodies, retries = ended
    if case == SCENARIO_D:
        assert (started >= 4, retries) == (True, 0)
    else:
        assert (started >= 5, bodies < started, retries) == (True, True, 1)
