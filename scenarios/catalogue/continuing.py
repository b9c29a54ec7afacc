"""Goal: when all steps of a fan-out have ended, somebody goes on (R-13, R-16, R-83).

Method: two or three steps side by side, awaited together, and a host that dies anywhere, a message
that is delivered twice, or reads that miss what was just recorded.  Right outcome: the run ends
(L-01), in time (L-02), with the results of its steps (I-18).

What breaks it: two last completers, each of whose reads misses the other's result; steps that only
their creator may put into the queue; a handler that is told that the step has ended and leaves the
rest to whoever has ended it.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.engine import Event, StepContext, gather, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

BODIES_MS = (0, 0, 100, 1_000)


@step
async def work(ctx: StepContext, number: int, duration_ms: int) -> int:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return number


@workflow
async def stages(durations_ms: list[int], stages_count: int) -> list[int]:
    """In each stage all steps side by side."""
    results: list[int] = []
    for _ in range(stages_count):
        results += await gather(*[work(number, each) for number, each in enumerate(durations_ms)])
    return results


def two(stream: Stream) -> Workload:
    """One inline, one in the background."""
    return _steps(stream, 2)


def twice_two(stream: Stream) -> Workload:
    """And the same again, asked for by whoever was the last to end a step."""
    return _steps(stream, 2, stages_count=2)


def _steps(stream: Stream, count: int, *, stages_count: int = 1) -> Workload:
    durations_ms = tuple(stream.choice(BODIES_MS) for _ in range(count))
    return Workload(count, durations_ms=durations_ms, extra=(("stages", stages_count),))


def oracle(workload: Workload, log: Sequence[Event]) -> list[int]:
    """Every stage's steps in the order of their calls."""
    return [*range(len(workload.durations_ms))] * workload.value("stages", 1)


scenario = Scenario(
    name="somebody_goes_on",
    title="when all steps of a fan-out have ended, somebody goes on with the run",
    law="L-01",
    laws=("I-13", "I-16", "I-17", "I-18", "I-21", "L-02"),
    workflow=stages,
    steps=(work,),
    args=lambda workload: (list(workload.durations_ms), workload.value("stages", 1)),
    oracle=oracle,
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
            draw=twice_two,
            budget=FaultBudget(crashes=1),
            expect={
                "v1": "PASS",
                "v1 dispatch=owned_only": "FAIL L-01",
                "v2_merge": "FAIL L-01",
                "v2_merge bg_after=always_continue": "PASS",
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
        trigger="work#1 and work#2 are completed by two handlers; whoever is the last then reads "
        "a log that misses a result, its own or the other's, finds a step pending, and ends "
        "silently.",
        laws=("L-01",),
        scenario="somebody_goes_on",
        case="R-13",
        faulty="fixed bg_after=last_completer @ hosted",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed bg_after=last_completer"),
            Fix(system="fixed bg_after=last_completer log_position=mint_at_start"),
            Fix(system="fixed bg_after=last_completer @ postgres"),
            Fix(system="fixed dedup=none @ hosted"),
            Fix(
                system="fixed @ hosted",
                remains="the read of a continuation may miss a result as well, and the step "
                "message that it then sends is absorbed by the key that the queue remembers",
            ),
        ),
        answer="confirmed for reads that lag, refuted for positions that are minted before they "
        "are visible: whoever completes a step records that before it reads, so of two the later "
        "reader sees both.  Continuing always does not repair it where keys are remembered.",
        source="spec §6 R-13, derived; review of #3457",
    ),
    Race(
        id="R-16",
        title="steps are created, and their creator dies before it has queued them",
        trigger="A handler that has recorded all step_created dies before each of the steps has a "
        "message or a result; the one that comes after it owns none of them, and only an owner may "
        "queue them.",
        laws=("L-01",),
        scenario="somebody_goes_on",
        case="R-16",
        faulty="fixed dispatch=owned_only",
        fixes=(
            Fix(system="v1"),
            Fix(system="v2_merge bg_after=always_continue"),
            Fix(system="fixed"),
            Fix(
                system="v2_merge",
                remains="a creator that was woken by a step message: when that comes again, its "
                "step has ended, another one is pending, and it is acknowledged",
            ),
        ),
        answer="confirmed; refuted is that the merged engine has repaired it: that holds where a "
        "flow message comes again, not where a step message does.",
        source="spec §6 R-16; #776, #2345, #2346",
    ),
    Race(
        id="R-83",
        title="completed, then dead; its twin is told that all is done",
        trigger="One handler runs work#2 and records its step_completed, and its host dies before "
        "it goes on with the run; the handler of the step's own message is refused with 409, and "
        "acknowledges that message.",
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
