"""Goal: what a handler has cached of the log is the log, whatever was written meanwhile.

Method: rounds in which a hook races a sleep, and the winner decides which steps are asked for; a
client resumes the hook at the moment the sleep ends, so that wait_completed and hook_received meet.
Right outcome: every pass, in every handler and in a cold replay, sees the same order (I-16), no
event comes twice or never (I-17), the run completes and tells the winners of the log (I-18).

What breaks it: wait_completed pushed into the cache instead of read (R-37), pushed and read again
without dedupe (R-39), a cursor moved to what was pushed (R-40), keys minted before they are visible
(R-45), a world that gives no cursor with its last page (R-41, a matter of cost), a lost race for
wait_completed that leaves a hole in the cache (R-38).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from simworld.campaign import Case, Scenario
from simworld.check import Cost
from simworld.engine import (
    Event,
    HookReceived,
    StepContext,
    create_hook,
    decode,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client

SLEEP_MS = 1_000
ROWS_MAX = 200
"""Events that reads of a run's log may answer in all, without faults."""
RESUME_MS = (0, 999, 1_000, 1_000, 1_000, 1_001)
"""How long after the start, and then after its last one, the client resumes the hook."""


@step
async def settle(ctx: StepContext, number: int, payload: int) -> str:
    """The hook has won."""
    await ctx.sleep(0)
    return f"settled {number} by {payload}"


@step
async def recover(ctx: StepContext, number: int) -> str:
    """The sleep has won."""
    return f"recovered {number}"


@step
async def finalize(ctx: StepContext, number: int) -> int:
    """The same in both branches: only its place tells them apart."""
    return number


@workflow
async def rounds(count: int, beside: int = 0) -> list[str]:
    """In each round a hook races a sleep; the winner decides what is asked for next.

    ``beside``: steps that a round begins with, and that it ends with: they end when they like.
    """
    told: list[str] = []
    for number in range(count):
        others = [recover(-1 - each) for each in range(beside)]
        async with create_hook(f"round-{number}") as hook:
            first = await race(hook, sleep(SLEEP_MS))
        if others:
            await gather(*others)
        if first.which == 0:
            told.append(await settle(number, first.value))
        else:
            told.append(await recover(number))
            await finalize(number)
        await finalize(number)
    return told


async def client(user: Client, workload: Workload) -> None:
    """Start the run, then resume the hook of every round about when its sleep ends."""
    beside = workload.value("beside", 0)
    await user.start(workload.steps, *([beside] if beside else []))
    for number in range(workload.steps):
        await user.sleep(workload.value(f"resume-{number}", SLEEP_MS))
        try:
            await user.resume_hook(f"round-{number}", workload.value(f"payload-{number}", number))
        except HookNotFoundError:
            continue  # not yet created, or the sleep has won


def oracle(workload: Workload, log: Sequence[Event]) -> list[str]:
    """Direct interpretation: in each round the winner is whichever event comes first in the log."""
    sleeps = [event.correlation_id for event in log if event.type == "wait_created"]
    told: list[str] = []
    for number, wait_id in enumerate(sleeps):
        for event in log:
            fact = event.fact
            if isinstance(fact, HookReceived) and fact.token == f"round-{number}":
                told.append(f"settled {number} by {decode(fact.payload)}")
                break
            if event.type == "wait_completed" and event.correlation_id == wait_id:
                told.append(f"recovered {number}")
                break
    return told


def drawn(stream: Stream) -> Workload:
    """One to three rounds, each with its moment for the client."""
    count = stream.between(1, 3)
    extra = tuple((f"resume-{number}", stream.choice(RESUME_MS)) for number in range(count))
    return Workload(steps=count, extra=extra)


@st.composite
def values(draw: st.DrawFn, case: str) -> tuple[str, Workload, FaultBudget]:
    """Rounds, steps beside them, moments, payloads, and a duplicate or a crash."""
    count = draw(st.integers(1, 3))
    moments = st.sampled_from(sorted(set(RESUME_MS)))
    extra = tuple((f"resume-{number}", draw(moments)) for number in range(count))
    extra += tuple((f"payload-{number}", draw(st.integers(0, 9))) for number in range(count))
    extra += (("beside", draw(st.integers(0, 2))),)
    budget = FaultBudget(duplicates=draw(st.integers(0, 2)), crashes=draw(st.integers(0, 1)))
    return case, Workload(steps=count, max_retries=draw(st.integers(0, 3)), extra=extra), budget


def quiet(stream: Stream) -> Workload:
    """Three rounds that the sleep wins: the client comes too late."""
    return Workload(steps=3, extra=(("resume-0", 60_000), ("rows_max", ROWS_MAX)))


def cost(workload: Workload) -> Cost | None:
    """Judged only where the rounds are quiet: what a lost race costs is nobody's to bound."""
    rows_max = workload.value("rows_max", 0)
    return Cost(rows_max=rows_max) if rows_max else None


def _case(name: str, title: str, expect: dict[str, str], **more: Any) -> Case:
    given: dict[str, Any] = {"draw": drawn, "budget": FaultBudget(), **more}
    return Case(name=name, title=title, races=(name,), expect={"fixed": "PASS", **expect}, **given)


LOCAL = "fixed wait_push=local"
REPLAYS_OTHERWISE = "FAIL I-17 I-02 I-16 I-18"
MINTED = "fixed log_position=mint_at_start"

scenario = Scenario(
    name="cursor_dedupe",
    title="what a handler has cached of the log is the log, whatever is written meanwhile",
    law="I-17",
    laws=("I-02", "I-04", "I-06", "I-07", "I-08", "I-16", "I-18", "I-27", "L-02", "L-03"),
    workflow=rounds,
    steps=(settle, recover, finalize),
    args=lambda workload: (workload.steps,),  # its client starts the run
    client=client,
    oracle=oracle,
    targets=lambda workload: [],
    cost=cost,
    cases=(
        _case(
            "R-37",
            "a wait is completed from a snapshot that misses the payload before it",
            {
                "v2_merge": "FAIL I-17 I-16 I-18",
                "b12": "PASS",
                "b30": "PASS",
                LOCAL: "FAIL I-17 I-18",
            },
            marks=("wait.completed_beside_news",),
        ),
        _case(
            "R-38",
            "who loses the race for wait_completed has a hole in its cache",
            {LOCAL: "FAIL I-27"},
            draw=quiet,
            budget=FaultBudget(duplicates=2),
            marks=("wait.completed_by_another",),
        ),
        _case(
            "R-39",
            "a wait pushed into the cache is read again",
            {"v2_merge": "PASS", "v2_merge dedupe=false": "FAIL I-17 I-18", LOCAL: "PASS"},
            draw=quiet,
        ),
        _case(
            "R-40",
            "the order of the cache is not the order of the log; a moved cursor loses an event",
            {
                f"{MINTED} wait_push=local": REPLAYS_OTHERWISE,
                "fixed cursor_move=true log_position=mint_at_start wait_push=local": (
                    REPLAYS_OTHERWISE
                ),
            },
        ),
        _case(
            "R-41",
            "a world that gives no cursor with its last page is read whole, again and again",
            {"v2_merge": "PASS", "fixed last_cursor=null": "FAIL I-27"},
            draw=quiet,
        ),
        _case(
            "R-45",
            "keys minted before they are visible: a cursor passes an event by",
            {MINTED: "FAIL I-17 I-07 I-18"},
        ),
    ),
    workloads=lambda: values("R-37"),
)
