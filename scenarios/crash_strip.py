"""Goal: wherever its processes die, and whichever answer is lost, a run comes to its right end.

Method: one small run with everything that is recovered differently: steps in a row, steps side by
side, a hook that the client resumes, a sleep, a body that fails once, a stream.  A hunt draws
where it strikes; ``campaign.strip`` takes this run's operations one after the other, and strikes
at every one of them (issue 5).  It is judged by all laws.
Right outcome: the run completes, with the output that its log spells, however it was disturbed.

What breaks it: a fault of the world that fails the run (R-14, ``loop_errors=fail_run``), and a
crash in a loop that the message of a step has started: redelivered, it has nothing left to do, and
nobody goes on with the loop (R-05, ``bg_after=last_completer``).
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.campaign import Case, Scenario
from simworld.check import LAWS
from simworld.engine import (
    Event,
    StepContext,
    StreamRef,
    create_hook,
    gather,
    get_writable,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client

TOKEN = "go"
PAYLOAD = 7
POLL_MS, POLL_MAX_MS = 500, 600_000
POLLS = 60
"""The client looks for the hook, less and less often, and for longer than several leases last."""
SLEEP_MS = 1_000
FAILING = "work#6"
"""The step after the hook (4) and the sleep (5)."""


@step
async def work(ctx: StepContext, value: int) -> int:
    """Act visibly and give the value back."""
    await ctx.effect("work")
    return value


@step
async def tell(ctx: StepContext, stream: StreamRef, value: int) -> int:
    """Write to a stream of the run."""
    writer = ctx.get_writable(stream)
    await writer.write(str(value).encode())
    return value


@workflow
async def everything(start: int) -> list[int]:
    """One of each."""
    first = await work(start)
    left, right = await gather(work(first + 1), work(first + 2))
    async with create_hook(TOKEN, payload=int) as hook:
        said = await hook
    await sleep(SLEEP_MS)
    again = await work(said)
    told = await tell(get_writable("told"), again)
    return [first, left, right, said, told]


async def client(user: Client, workload: Workload) -> None:
    """Start the run and resume its hook as soon as there is one."""
    await user.start(1)
    for number in range(POLLS):
        try:
            await user.resume_hook(TOKEN, PAYLOAD)
        except HookNotFoundError:
            await user.sleep(min(POLL_MS << number, POLL_MAX_MS))
            continue
        return


def oracle(workload: Workload, log: Sequence[Event]) -> list[int]:
    """Nothing that strikes it changes what it returns."""
    return [1, 2, 3, PAYLOAD, PAYLOAD]


def drawn(stream: Stream) -> Workload:
    """Always the same run."""
    return Workload(steps=1, failures=((FAILING, 1),))


LAST = "fixed bg_after=last_completer"
FAIL_RUN = "fixed loop_errors=fail_run"
STUCK = {"v2_merge": "FAIL L-01", LAST: "FAIL L-01", "b37": "FAIL L-01"}
"""Nobody goes on with the loop that a handler had in hand when it died."""
SURFACES = {FAIL_RUN: "FAIL I-21 I-16 I-18 I-22"}


def _case(name: str, title: str, budget: FaultBudget, mark: str, **expect: str) -> Case:
    claims = {"fixed": "PASS", **STUCK, **expect}
    return Case(
        name=name,
        title=title,
        draw=drawn,
        budget=budget,
        races=("R-05", "R-14"),
        expect=claims,
        marks=(mark,),
    )


scenario = Scenario(
    name="crash_strip",
    title="a run with one of each, struck anywhere, comes to its right end",
    law="I-21",
    laws=tuple(LAWS),
    workflow=everything,
    steps=(work, tell),
    args=lambda workload: (1,),
    client=client,
    oracle=oracle,
    targets=lambda workload: ["work#1", "work#2", "work#3", FAILING, "tell#7"],
    cases=(
        _case(
            "crashes",
            "up to two processes die",
            FaultBudget(crashes=2),
            "handler.crashed_in_body",
            **{FAIL_RUN: "PASS"},
        ),
        _case(
            "answers",
            "up to two answers are lost",
            FaultBudget(lost_answers=2),
            "delivery.thrown",
            **SURFACES,
            v2_merge="-",  # it gets stuck, too, and either may come first
        ),
        _case(
            "both",
            "a process dies and an answer is lost",
            FaultBudget(crashes=1, lost_answers=1),
            "handler.crashed",
            **SURFACES,
            v2_merge="FAIL I-21 I-16 I-18 I-22 L-01",
        ),
    ),
)
