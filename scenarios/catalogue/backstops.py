"""Goal: a step that fails is tried again when its retry is due, whoever looks after it.

Method: a step runs inline, under a lease, and fails late; meanwhile the client resumes a hook, so
that another handler sees the step, and queues a wake for when the lease is over (the backstop).
Right outcome: the next body begins about a second after the failure (L-06).

What breaks it: a backstop that has the key which the retry needs (R-19, ``backstop_key=step``): the
retry is taken for a duplicate of it, and the step waits until the lease would have ended.  And then
the backstop, being delivered, still has the key: what it sends for the step is dropped, too (L-01).
"""

from __future__ import annotations

from simworld.campaign import Case, Scenario
from simworld.engine import StepContext, create_hook, gather, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

BODY_MS = 2_000
RESUME_MS = (500, 1_000, 1_500)
"""When the client resumes the hook: the body is still running."""


@step
async def print_label(ctx: StepContext) -> str:
    """Fail once, late."""
    await ctx.sleep(BODY_MS)
    if ctx.attempt == 1:
        raise RuntimeError("no paper")
    return "printed"


@workflow
async def label_order() -> list[str]:
    """A step, and beside it a hook."""

    async def address() -> str:
        async with create_hook("address", payload=str) as hook:
            return await hook

    return list(await gather(print_label(), address()))


async def client(user: Client, workload: Workload) -> None:
    """Start the run, and resume its hook while the body runs."""
    await user.start()
    await user.sleep(workload.value("resume", BODY_MS // 2))
    try:
        await user.resume_hook("address", "Main Street")
    except HookNotFoundError:
        return  # the run is slow to begin


def drawn(stream: Stream) -> Workload:
    """The moment at which the client acts."""
    return Workload(steps=1, extra=(("resume", stream.choice(RESUME_MS)),))


STAMPED = "b37 retry_key=step"
"""Starts have owners and leases, and a step's retry carries the step's key."""

scenario = Scenario(
    name="retry_is_not_the_backstop",
    title="the wake for the end of a lease does not take the place of a retry",
    law="L-06",
    laws=("L-02",),
    workflow=label_order,
    steps=(print_label,),
    args=lambda workload: (),
    client=client,
    may_fail=True,
    oracle=lambda workload, log: ["printed", "Main Street"],
    cases=(
        Case(
            name="R-19",
            title="the backstop absorbs the owner's retry",
            races=("R-19",),
            draw=drawn,
            budget=FaultBudget(),
            expect={
                "fixed": "PASS",
                STAMPED: "PASS",
                "b37 backstop_key=step retry_key=step": "FAIL L-06 L-01",
            },
            marks=("retry.after_error",),
        ),
    ),
)

races = (
    Race(
        id="R-19",
        title="the backstop absorbs the owner's retry",
        trigger="While print_label runs inline, a resumed hook wakes another handler, which queues "
        "a backstop under the step's key; the step fails, and its retry, due in a second, carries "
        "the same key.",
        laws=("L-06",),
        scenario="retry_is_not_the_backstop",
        case="R-19",
        faulty="b37 backstop_key=step retry_key=step",
        fixes=(Fix(system=STAMPED), Fix(system="b37"), Fix(system="fixed")),
        source="spec §6 R-19; b55",
    ),
)
