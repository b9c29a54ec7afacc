"""Goal: when all steps of a fan-out have ended, somebody goes on (R-13, R-16, R-83).

Method: two or three steps side by side, awaited together, and a host that dies anywhere, a message
that is delivered twice, or reads that miss what was just recorded.  Right outcome: the run ends
(L-01), in time (L-02), with the results of its steps (I-18).

What breaks it: two last completers, each of whose reads misses the other's result; steps that only
their creator may put into the queue; a handler that is told that the step has ended and leaves the
rest to whoever has ended it.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

BODIES_MS = (0, 0, 100, 1_000)


@step
async def work(ctx: StepContext, number: int, duration_ms: int) -> int:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return number


@workflow
async def fan_out(durations_ms: list[int]) -> list[int]:
    """All side by side."""
    return list(await gather(*[work(number, each) for number, each in enumerate(durations_ms)]))


def two(stream: Stream) -> Workload:
    """One inline, one in the background."""
    return _steps(stream, 2)


def three(stream: Stream) -> Workload:
    """One inline, two in the background."""
    return _steps(stream, 3)


def _steps(stream: Stream, count: int) -> Workload:
    return Workload(count, durations_ms=tuple(stream.choice(BODIES_MS) for _ in range(count)))


scenario = Scenario(
    name="somebody_goes_on",
    title="when all steps of a fan-out have ended, somebody goes on with the run",
    law="L-01",
    laws=("I-13", "I-16", "I-17", "I-18", "I-21", "L-02"),
    workflow=fan_out,
    steps=(work,),
    args=lambda workload: (list(workload.durations_ms),),
    oracle=lambda workload, log: list(range(workload.steps)),
    cases=(
        Case(
            name="R-13",
            title="each of two last completers reads a log without the other's result",
            races=("R-13",),
            draw=two,
            budget=FaultBudget(stale_reads=2),
            expect={"fixed": "PASS", "fixed bg_after=last_completer": "PASS"},
        ),
        Case(
            name="R-16",
            title="the creator of the steps dies before it has queued them",
            races=("R-16",),
            draw=three,
            budget=FaultBudget(crashes=1),
            expect={
                "v1": "PASS",
                "v1 dispatch=owned_only": "FAIL L-01",
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed dispatch=owned_only": "FAIL L-01",
            },
            marks=("handler.crashed",),
        ),
        Case(
            name="R-83",
            title="a step is completed by a host that dies; its message is delivered again",
            races=("R-83",),
            draw=two,
            budget=FaultBudget(crashes=1, duplicates=1),
            expect={
                "v1": "PASS",
                "v1 on_409=acknowledge": "FAIL L-01",
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed on_409=acknowledge": "FAIL L-01",
            },
            marks=("delivery.duplicate", "handler.crashed"),
        ),
    ),
)

races = (
    Race(
        id="R-13",
        title="nobody is the last completer",
        trigger="work#1 and work#2 are completed by two handlers at once; each of the two then "
        "reads a log that misses the other's result, finds one step pending, and ends silently.",
        laws=("L-01",),
        scenario="somebody_goes_on",
        case="R-13",
        faulty="fixed bg_after=last_completer @ hosted",
        fixes=(
            Fix(system="fixed @ hosted"),
            Fix(system="fixed bg_after=last_completer"),
            Fix(system="fixed bg_after=last_completer log_position=mint_at_start"),
            Fix(system="v2_merge @ local-pr"),
            Fix(system="v2_merge @ postgres-merged"),
        ),
        source="spec §6 R-13, derived; review of #3457",
    ),
    Race(
        id="R-16",
        title="steps are created, and their creator dies before it has queued them",
        trigger="The first handler records all step_created and dies; the one that comes after it "
        "owns none of the steps, and only an owner may queue them.",
        laws=("L-01",),
        scenario="somebody_goes_on",
        case="R-16",
        faulty="fixed dispatch=owned_only",
        fixes=(
            Fix(system="v1"),
            Fix(system="v2_merge"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-16; #776, #2345, #2346",
    ),
    Race(
        id="R-83",
        title="completed, then dead; its twin is told that all is done",
        trigger="One delivery of the message for work#2 records step_completed and its host dies "
        "before it goes on; the other delivery is refused with 409, and acknowledges the message.",
        laws=("L-01",),
        scenario="somebody_goes_on",
        case="R-83",
        faulty="fixed on_409=acknowledge",
        fixes=(
            Fix(system="v1"),
            Fix(system="v2_merge"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-83; vercel-py #146",
    ),
)
