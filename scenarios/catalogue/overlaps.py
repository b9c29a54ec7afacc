"""Goal: handlers of one run may meet, and neither run a step twice nor its history into the ground
(R-11, R-73).

Method: (R-11) a long step beside a hook; the first handler runs the step inline, and a client sends
payloads meanwhile, each of which wakes another handler; (R-73) two stages of steps, where whoever
ends one wakes another handler.  Right outcome: as long as the owner of a start lives and its lease
lasts, nobody else begins a body of the step (I-14); every pass finds a use for every event (I-17).

What breaks it: a handler that cannot tell a step that somebody runs inline, and which is therefore
in no queue, from one that nobody runs; passes that meet the events of a start that came too late.
"""

from __future__ import annotations

from scenarios.catalogue import continuing
from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, create_hook, gather, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

TOKEN = "order"
BODY_MS = (0, 1_000, 5_000)
MOMENTS_MS = (0, 0, 500, 1_000, 3_000)
TRIES_MAX = 10


@step
async def work(ctx: StepContext, duration_ms: int) -> str:
    """Take a while, and leave a trace outside."""
    await ctx.effect("charge")
    await ctx.sleep(duration_ms)
    return "worked"


@workflow
async def step_and_hook(duration_ms: int) -> list[str]:
    """A step beside a hook; both are needed."""
    async with create_hook(TOKEN) as hook:
        worked, approved = await gather(work(duration_ms), hook.next())
    return [worked, approved]


async def client(user: Client, workload: Workload) -> None:
    """Start the run, then send it payloads until one is taken, and perhaps another."""
    await user.start(*workload.durations_ms)
    wanted = workload.value("payloads", 1)
    for number in range(TRIES_MAX):
        await user.sleep(workload.value(f"moment-{number}", 100))
        try:
            await user.resume_hook(TOKEN, f"approved {number}")
        except HookNotFoundError:
            continue  # not yet created, or already disposed of
        wanted -= 1
        if not wanted:
            return


def drawn(stream: Stream) -> Workload:
    """How long the step takes, and when the client acts."""
    count = stream.between(1, 3)
    moments = tuple((f"moment-{n}", stream.choice(MOMENTS_MS)) for n in range(count))
    body_ms = stream.choice(BODY_MS)
    return Workload(1, durations_ms=(body_ms,), extra=(("payloads", count), *moments))


woken = Scenario(
    name="woken_while_a_step_runs",
    title="a wake-up while a step runs inline does not run it a second time",
    law="I-14",
    laws=("I-12", "I-13", "I-16", "L-02", "L-05"),
    workflow=step_and_hook,
    steps=(work,),
    args=lambda workload: workload.durations_ms,
    client=client,
    unpromised=("I-14",),
    cases=(
        Case(
            name="R-11",
            title="payloads for a hook wake the run while its step runs inline",
            races=("R-11",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "v2_merge": "FAIL I-14",
                "v2_merge inline_gate=owner_stamp": "FAIL I-14",
                "fixed": "PASS",
            },
        ),
    ),
)

replays = Scenario(
    name="replays_side_by_side",
    title="handlers that replay one run at once find a use for all that the others have recorded",
    law="I-17",
    laws=("I-16", "I-18", "L-02"),
    workflow=continuing.stages,
    steps=(continuing.work,),
    args=continuing.scenario.args,
    oracle=continuing.oracle,
    turns_max=600,
    cases=(
        Case(
            name="R-73",
            title="every step that ends wakes a handler, and each runs what it finds pending",
            races=("R-73",),
            draw=continuing.twice_two,
            budget=FaultBudget(),
            expect={
                "v2_draft log_position=mint_at_start unconsumed=U0": "FAIL I-17 I-05 I-18",
                "v2_merge": "PASS",
                "fixed": "PASS",
            },
        ),
    ),
)

MINTED = "log_position=mint_at_start unconsumed=U0"

races = (
    Race(
        id="R-11",
        title="a wake-up during an inline body runs the body twice",
        trigger="The first handler runs work#2 inline, so its key is free; a payload for hook#1 "
        "wakes another handler, which finds the step pending and not its own, and queues it.",
        laws=("I-14",),
        scenario="woken_while_a_step_runs",
        case="R-11",
        faulty="v2_merge",
        fixes=(
            Fix(
                system="v2_merge inline_gate=owner_stamp",
                remains="between its creation and its start a step has no stamp yet, and whoever "
                "is woken then still queues it",
            ),
            Fix(system="v2_merge inline_gate=owner_stamp lazy_create=true"),
            Fix(system="v2_merge attempt_guard=G8"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-11; #2780, #2848",
    ),
    Race(
        id="R-73",
        title="replays of one run in one process trip over each other",
        trigger="Continuations of two steps replay at once, and each runs inline what it finds "
        "pending; the start of the slower one gets a place in the log behind the step's end, where "
        "the next pass has no use for it.",
        laws=("I-17", "I-05"),
        scenario="replays_side_by_side",
        case="R-73",
        faulty=f"v2_draft {MINTED}",
        fixes=(
            Fix(system=f"v2_draft {MINTED} workers=1"),
            Fix(system="v2_draft unconsumed=U0"),
            Fix(system="fixed log_position=mint_at_start"),
            Fix(system="fixed"),
            Fix(
                system="v2_draft log_position=mint_at_start",
                remains="such events are skipped, and a step is still started after its end",
            ),
            Fix(
                system=f"v2_draft inline_gate=owned {MINTED}",
                remains="the next flow message queues a step that its owner runs inline",
            ),
        ),
        source="spec §6 R-73",
    ),
)
