"""Goal: a run costs what it needs, and no more: messages, deliveries, replay (spec §3.12).

Method: steps one after the other, each of which looks at an abort signal that nobody ever gives
(R-71); more and more of them (R-75); a client that cancels while a pass asks for steps (R-76); a
host that dies when a body has acted (R-78).
Right outcome: n steps in a row are one message and one delivery, and passes go through each event a
few times at most, however long the run is (I-27); a cancelled run starts no new body (I-26), though
a creation that its world refuses is taken for one that somebody else has made; a body that was
killed is tried again, under the same step id.

What breaks it: whoever reads counted as an operation that a step waits for; passes from scratch.
The other two are benign and must stay green.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.check import Cost
from simworld.engine import (
    AbortSignal,
    Event,
    StepContext,
    create_abort,
    gather,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import EntityConflictError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

LAWS = ("I-16", "I-17", "I-18", "I-21", "L-02")
EVENTS_PER_STEP = 3


def counted(stream: Stream) -> Workload:
    """How many steps there are."""
    return Workload(steps=stream.between(2, 12))


# --- who only watches -----------------------------------------------------------------------


@step
async def watch(ctx: StepContext, signal: AbortSignal, number: int) -> int:
    """Go on unless it is aborted."""
    return -1 if await ctx.aborted(signal) else number


@workflow
async def watching(count: int) -> list[int]:
    """Steps one after the other, all with one signal that nobody ever gives."""
    abort = create_abort()
    return [await watch(abort.signal, number) for number in range(count)]


watched = Scenario(
    name="watching_costs_nothing",
    title="steps that watch an abort signal run in one delivery, as others do",
    law="I-27",
    laws=LAWS,
    workflow=watching,
    steps=(watch,),
    args=lambda workload: (workload.steps,),
    oracle=lambda workload, log: list(range(workload.steps)),
    cost=lambda workload: Cost(messages_max=1, deliveries_max=1),
    cases=(
        Case(
            name="R-71",
            title="a step waits for its look at a signal as if that could end",
            races=("R-71",),
            draw=counted,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "fixed": "PASS",
                "fixed reader_operations=true": "FAIL I-27",
            },
        ),
    ),
)

# --- quadratic replay -----------------------------------------------------------------------

TIMES = 2
"""How often passes may go through each event of a run, on average."""


@step
async def add(ctx: StepContext, number: int) -> int:
    """One more."""
    return number + 1


@workflow
async def counting(count: int) -> int:
    """Steps one after the other."""
    total = 0
    for _ in range(count):
        total = await add(total)
    return total


def replayed(workload: Workload) -> Cost:
    """In proportion to the length of the log."""
    return Cost(replayed_max=TIMES * (EVENTS_PER_STEP + EVENTS_PER_STEP * workload.steps))


long_runs = Scenario(
    name="replay_is_linear",
    title="a step costs the same, however long the run is",
    law="I-27",
    laws=LAWS,
    workflow=counting,
    steps=(add,),
    args=lambda workload: (workload.steps,),
    oracle=lambda workload, log: workload.steps,
    cost=replayed,
    cases=(
        Case(
            name="R-75",
            title="every pass begins with the first event",
            races=("R-75",),
            draw=lambda stream: Workload(steps=stream.between(10, 30)),
            budget=FaultBudget(),
            expect={"fixed": "PASS", "fixed passes=scratch": "FAIL I-27", "v2_merge": "FAIL I-27"},
        ),
    ),
)

# --- work for a cancelled run ---------------------------------------------------------------


@step
async def part(ctx: StepContext, number: int) -> int:
    """Take a while."""
    await ctx.sleep(100)
    return number


@workflow
async def in_rounds() -> int:
    """Two rounds of two steps and a sleep, all asked for at once."""
    for number in range(2):
        rest = sleep(1_000)
        await gather(part(2 * number), part(2 * number + 1))
        await rest
    return 4


async def cancels(client: Client, workload: Workload) -> None:
    """Start the run, and cancel it a little later."""
    run_id = await client.start()
    await client.sleep(workload.value("cancel", 0))
    try:
        await client.cancel(run_id)
    except EntityConflictError:
        return  # it has ended before


def cancelled(stream: Stream) -> Workload:
    """Cancelled about when a round begins."""
    return Workload(steps=2, extra=(("cancel", stream.choice((0, 0, 0, 100, 1_000, 1_000))),))


dead_runs = Scenario(
    name="cancelled_runs_start_nothing",
    title="what is still sent for a cancelled run is acknowledged and starts nothing",
    law="I-26",
    laws=("I-02", "I-17", "L-02", "L-07"),
    workflow=in_rounds,
    steps=(part,),
    args=lambda workload: (),
    client=cancels,
    cases=(
        Case(
            name="R-76",
            title="a step is created when its run has been cancelled",
            races=("R-76",),
            draw=cancelled,
            budget=FaultBudget(),
            expect={
                "v2_merge": "PASS",
                "v2_merge terminal_create=410": "PASS",
                "fixed": "PASS",
                "fixed terminal_create=410": "PASS",
            },
            marks=("creation.after_end",),
        ),
    ),
)

# --- side effects come twice ----------------------------------------------------------------


@step
async def charge(ctx: StepContext) -> str:
    """An act in the world outside, under a key that is the same in every body of the step."""
    await ctx.effect("charge the card")
    await ctx.sleep(10)
    return ctx.step_id


@workflow
async def paying() -> str:
    """One step that acts."""
    return await charge()


def key_of_step(workload: Workload, log: Sequence[Event]) -> str:
    """The step's own id."""
    return next(event.correlation_id for event in log if event.type == "step_created")


paid = Scenario(
    name="effects_come_at_least_once",
    title="a body whose host dies is run again, under the same key",
    law="I-13",
    laws=(*LAWS, "I-12", "I-13a"),
    workflow=paying,
    steps=(charge,),
    args=lambda workload: (),
    oracle=key_of_step,
    cases=(
        Case(
            name="R-78",
            title="a host dies behind a body's act and before its result is recorded",
            races=("R-78",),
            draw=lambda stream: Workload(steps=1),
            budget=FaultBudget(crashes=1, kill_bodies=1),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("effect.repeated", "handler.crashed_in_body"),
        ),
    ),
)

scenarios = (watched, long_runs, dead_runs, paid)

races = (
    Race(
        id="R-71",
        title="a reader that never ends is an operation to wait for",
        trigger="Each step looks at an abort signal; its reader counts as work in the background, "
        "which is not done when the body is, so the handler hands over to a new message after "
        "every step.",
        laws=("I-27",),
        scenario="watching_costs_nothing",
        case="R-71",
        faulty="fixed reader_operations=true",
        fixes=(Fix(system="v2_merge"), Fix(system="fixed"), Fix(system="fixed @ local")),
        source="spec §6 R-71; #2795, #2807, #2412",
    ),
    Race(
        id="R-75",
        title="quadratic replay",
        trigger="After every step the workflow is run from its first line over the whole log, so "
        "the n-th step costs n times as much as the first.",
        laws=("I-27",),
        scenario="replay_is_linear",
        case="R-75",
        faulty="fixed passes=scratch",
        fixes=(Fix(system="fixed"), Fix(system="fixed @ local"), Fix(system="fixed @ postgres")),
        source="spec §6 R-75; #3232",
    ),
    Race(
        id="R-76",
        title="409 has two meanings",
        trigger="A client cancels the run while a pass asks for steps; their creation is refused "
        "as the run has ended, which the handler takes for another's creation of them, and sends "
        "their messages.",
        scenario="cancelled_runs_start_nothing",
        case="R-76",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="fixed"),
            Fix(system="v2_merge terminal_create=410"),
            Fix(system="fixed terminal_create=410"),
            Fix(system="fixed @ postgres"),
        ),
        answer="confirmed: it breaks no law and costs messages. In 600 trials, cancelled about as "
        "a round begins, v2_merge sent 414 step messages for cancelled runs, and 156 where such a "
        "creation is answered with 410; all were acknowledged and no body began.",
        source="spec §6 R-76; [derived]",
    ),
    Race(
        id="R-78",
        title="side effects come at least once",
        trigger="A body has acted, and its host dies before step_completed is recorded; the body "
        "is run again and acts once more, under the same step id.",
        scenario="effects_come_at_least_once",
        case="R-78",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="fixed"),
            Fix(system="fixed @ local"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-78",
    ),
)
