"""Goal: whatever decides a race or ends a step, the run goes on at once (R-09, R-10, R-12).

Method: two steps race each other, or a step races a sleep, at the run's beginning or behind a batch
of steps, so that the sleep's timer is carried by another message each time.  Right outcome: the
run goes on when the first branch is decided (L-04), a sleep ends when it is due (L-03), and a sleep
that is due long before a step's result wins (I-20), however long the loser takes.

What breaks it: a background step that ends silently because another one is pending, a timer that
only the message of an ended step carries, a body that runs between a handler and its timer.
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, gather, race, sleep, step, workflow
from simworld.entropy import Stream
from simworld.records import FaultBudget, Fix, Race, Workload

QUICK_MS = (0, 100, 1_000)
SLOW_MS = (0, 3_000, 10_000, 20_000)
SLEEP_MS = (1_000, 2_000, 5_000)


@step
async def work(ctx: StepContext, branch: str, duration_ms: int) -> str:
    """Take a while."""
    await ctx.sleep(duration_ms)
    return branch


@workflow
async def first_of_two(slow_ms: int, quick_ms: int) -> str:
    """Two steps race each other; the first one of them runs inline."""
    first = await race(work("slow", slow_ms), work("quick", quick_ms))
    winner: str = first.value
    return winner


def durations(stream: Stream) -> Workload:
    """How long either of them takes."""
    return Workload(2, durations_ms=(stream.choice(SLOW_MS), stream.choice(QUICK_MS)))


steps_race = Scenario(
    name="winner_is_heard_at_once",
    title="a race of steps goes on when the first of them ends, whatever the loser still does",
    law="L-04",
    laws=("I-16", "I-17", "I-18", "I-20", "L-02"),
    workflow=first_of_two,
    steps=(work,),
    args=lambda workload: workload.durations_ms,
    cases=(
        Case(
            name="R-09",
            title="the winner runs in the background, the loser inline",
            races=("R-09",),
            draw=durations,
            budget=FaultBudget(),
            expect={
                "v1": "PASS",
                "v2_merge": "FAIL L-04",
                "fixed": "PASS",
                "fixed bg_after=last_completer": "FAIL L-04",
                "fixed bg_after=replay_if_new": "PASS",
            },
        ),
    ),
)


@workflow
async def batch_then_timeout(batch_ms: list[int], long_ms: int, sleep_ms: int) -> str:
    """A batch of steps side by side; then a long step against a timeout."""
    await gather(*[work(f"batch {number}", each) for number, each in enumerate(batch_ms)])
    first = await race(work("long", long_ms), sleep(sleep_ms))
    return "timeout" if first.which else first.value


def with_batch(stream: Stream) -> Workload:
    """A batch of two, or a third one beside them."""
    batch = tuple(stream.choice(QUICK_MS) for _ in range(stream.between(2, 3)))
    return _timed(stream, batch)


def without_batch(stream: Stream) -> Workload:
    """The race alone."""
    return _timed(stream, ())


def _timed(stream: Stream, batch_ms: tuple[int, ...]) -> Workload:
    times = (("long_ms", stream.choice(SLOW_MS)), ("sleep_ms", stream.choice(SLEEP_MS)))
    return Workload(len(batch_ms) + 1, durations_ms=batch_ms, extra=times)


step_and_sleep = Scenario(
    name="sleep_ends_when_due",
    title="a sleep that races a step ends when it is due, whoever carries its timer",
    law="L-03",
    laws=("I-16", "I-17", "I-18", "I-20", "L-02", "L-04"),
    workflow=batch_then_timeout,
    steps=(work,),
    args=lambda workload: (
        list(workload.durations_ms),
        workload.value("long_ms", 0),
        workload.value("sleep_ms", 1_000),
    ),
    cases=(
        Case(
            name="R-10",
            title="the timer is carried by the message of a step that has ended",
            races=("R-10",),
            draw=with_batch,
            budget=FaultBudget(),
            expect={
                "v1": "PASS",
                "v2_merge": "FAIL L-03 I-20",
                "v2_merge wait_dispatch=message": "PASS",
                "fixed": "PASS",
            },
        ),
        Case(
            name="R-12",
            title="the step that races the timer runs in between",
            races=("R-12",),
            draw=without_batch,
            budget=FaultBudget(),
            expect={
                "v1": "PASS",
                "v2_merge inline_with_wait=true": "FAIL L-03 I-20",
                "v2_merge inline_with_wait=true wait_dispatch=message": "PASS",
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed inline_with_wait=true": "PASS",
            },
        ),
    ),
)

races = (
    Race(
        id="R-09",
        title="the winner of a race is starved by the loser",
        trigger="work#1 (slow) runs inline, work#2 (quick) in the background; work#2 ends first, "
        "and its handler ends silently because work#1 is still pending.",
        laws=("L-04",),
        scenario="winner_is_heard_at_once",
        case="R-09",
        faulty="fixed bg_after=last_completer",
        fixes=(
            Fix(system="fixed"),
            Fix(system="fixed bg_after=replay_if_new"),
            Fix(system="v2_merge bg_after=always_continue"),
        ),
        answer="confirmed: the result of a background step waits for as long as any other step is "
        "pending.  Continuing always, and replaying to see whether anything new is asked for, both "
        "repair it.",
        source="spec §6 R-09, derived from the rule of the merged engine; review of #1338",
    ),
    Race(
        id="R-10",
        title="a timer carried by the message of an ended step is swallowed",
        trigger="The last completer of the batch goes on to the race, and has its own step message "
        "delivered again when the sleep is due; that step has ended, the long one is pending, so "
        "the message is acknowledged and nobody completes the sleep.",
        laws=("L-03", "I-20"),
        scenario="sleep_ends_when_due",
        case="R-10",
        faulty="v2_merge",
        fixes=(
            Fix(system="v2_merge wait_dispatch=message"),
            Fix(system="v2_merge bg_after=always_continue"),
            Fix(system="fixed bg_after=last_completer"),
            Fix(system="fixed"),
        ),
        answer="confirmed: the sleep ends when the long step does, and the step wins a race that "
        "it had lost by seconds.  A message of the wait's own repairs it; so does a continuation "
        "after every background step, since then no step message ever carries a timer.",
        source="spec §6 R-10, derived; knob wait_dispatch of b15",
    ),
    Race(
        id="R-12",
        title="an inline step blocks the timer that it races",
        trigger="The handler that has created sleep#2 runs work#1 inline before it asks for its "
        "own redelivery, so nobody looks at sleep#2 until the body has ended.",
        laws=("L-03", "I-20"),
        scenario="sleep_ends_when_due",
        case="R-12",
        faulty="v2_merge inline_with_wait=true",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="v2_merge inline_with_wait=true wait_dispatch=message"),
            Fix(system="fixed inline_with_wait=true"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-12; #1924, #1925",
    ),
)
