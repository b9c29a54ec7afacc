"""Goal: a fault of the world is never taken for one of the author's (R-14, R-15).

Method: a step, a sleep and another step, and calls of the storage that are refused with a definite
error (5xx), or whose answer is lost.  Right outcome: the message is delivered again and the run
completes; nothing that the author wrote has failed, so neither a step nor the run may (I-21, I-22),
and no body that succeeded is counted as one that failed (I-12).

What breaks it: a replay loop that ends the run by whatever it catches; an executor that catches the
refusal of step_completed together with the errors of the body.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

BODY_MS = (0, 100)
CALLS = ("charge#1", "charge#3")
"""The sleep between them is the second thing that the run asks for."""


@step
async def charge(ctx: StepContext, duration_ms: int) -> str:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return "charged"


@workflow
async def charge_twice(duration_ms: int) -> list[str]:
    """A step, a sleep, and the step again."""
    first = await charge(duration_ms)
    await sleep(1_000)
    return [first, await charge(duration_ms)]


def drawn(stream: Stream) -> Workload:
    """How long the bodies take."""
    return Workload(2, max_retries=2, durations_ms=(stream.choice(BODY_MS),))


def flaky(stream: Stream) -> Workload:
    """The first body of either step fails, which uses up the retries of that step."""
    failures = ((stream.choice(CALLS), 1),)
    body_ms = stream.choice(BODY_MS)
    return Workload(2, max_retries=1, durations_ms=(body_ms,), failures=failures)


scenario = Scenario(
    name="faults_stay_outside",
    title="a fault of the world fails neither a step nor the run",
    law="I-21",
    laws=("I-12", "I-13", "I-16", "I-18", "I-22", "L-02"),
    workflow=charge_twice,
    steps=(charge,),
    args=lambda workload: workload.durations_ms,
    oracle=lambda workload, log: ["charged", "charged"],
    targets=lambda workload: CALLS,
    marks=("operation.failed",),
    cases=(
        Case(
            name="R-14",
            title="the log cannot be read, or an event of the loop cannot be written",
            races=("R-14",),
            draw=drawn,
            budget=FaultBudget(server_errors=1),
            expect={
                "v2_merge": "FAIL I-21 I-16 I-18 I-22",
                "fixed": "PASS",
                "fixed loop_errors=fail_run": "FAIL I-21 I-16 I-18 I-22",
            },
        ),
        Case(
            name="R-15",
            title="a body has succeeded, and its result cannot be written",
            races=("R-15",),
            draw=flaky,
            budget=FaultBudget(server_errors=1, lost_answers=1),
            expect={
                "fixed": "PASS",
                "fixed complete_errors=user": "FAIL I-21 I-12 I-22",
            },
        ),
    ),
)

races = (
    Race(
        id="R-14",
        title="a fault of the world inside the loop fails the run",
        trigger="A read of the log, wait_completed or run_completed is refused (5xx) in the "
        "replay loop, which takes that for an error of the workflow.",
        laws=("I-21", "I-22", "I-18"),
        scenario="faults_stay_outside",
        case="R-14",
        faulty="fixed loop_errors=fail_run",
        fixes=(
            Fix(system="fixed"),
            Fix(system="v2_merge complete_errors=rethrow loop_errors=rethrow"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-14, from the merged engine; #1339",
    ),
    Race(
        id="R-15",
        title="a result that cannot be written is taken for a failure of the body",
        trigger="The second body of a charge succeeds; its step_completed is refused (5xx), which "
        "counts as a failure of that body, too, and the retries are used up.",
        laws=("I-21", "I-12", "I-13"),
        scenario="faults_stay_outside",
        case="R-15",
        faulty="fixed complete_errors=user",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(
                system="v2_merge complete_errors=rethrow loop_errors=rethrow",
                remains="the message comes again, and its start counts as an attempt, so that the "
                "next failure of a body is the last one allowed",
            ),
        ),
        source="spec §6 R-15; #2666, #2675",
    ),
)
