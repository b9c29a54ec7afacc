"""Goal: a payload that was accepted is one that the workflow can still take, and is seen by it.

Method: a run waits for one payload and is sent two.  After the first it lets its hook go (R-26), or
ends (R-31), while the second is on its way; or two handlers let the hook go (R-32).
Right outcome: the second payload is recorded while its hook lives, or refused: nothing follows a
hook's disposal (I-07) or a run's end (I-02), and the run completes with the payload that its log
has first (I-18).

What breaks it: a world that looks for the hook, and appends in a second step.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from simworld.campaign import Case, Scenario
from simworld.engine import Event, HookReceived, StepContext, create_hook, decode, step, workflow
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client

TOKEN = "approval"
CALM_MS = 100
"""Time goes on when nobody has anything to do: by then the hook is there."""
BODY_MS = (10, 200)
"""So long the run goes on when its hook has gone: nobody ends it while a payload is on its way."""


@step
async def settle(ctx: StepContext, answer: str, duration_ms: int) -> str:
    """What comes after the answer: the log is read again before the run ends."""
    await ctx.sleep(duration_ms)
    return f"settled with {answer}"


async def send(user: Client, payload: str) -> None:
    """Resume the hook, if there is one."""
    with suppress(HookNotFoundError):
        await user.resume_hook(TOKEN, payload)


def first_answer(log: Sequence[Event]) -> str:
    """The one that counts."""
    facts = [event.fact for event in log if isinstance(event.fact, HookReceived)]
    answer: str = decode(facts[0].payload)
    return answer


async def two_answers(user: Client, workload: Workload) -> None:
    """Start the run and answer twice."""
    await user.start(*args(workload))
    await answer_twice(user)


async def answer_twice(user: Client) -> None:
    """The second time before anybody can have seen the first."""
    await user.sleep(CALM_MS)
    await send(user, "yes")
    await send(user, "no")


async def one_answer(user: Client, workload: Workload) -> None:
    """Start the run, answer once, and have the run looked at by somebody else."""
    run_id = await user.start(*args(workload))
    await user.sleep(CALM_MS)
    await send(user, "yes")
    await user.reenqueue(run_id)


# --- the hook goes --------------------------------------------------------------------------------


@workflow
async def approval(duration_ms: int) -> str:
    """Take one answer, let the hook go, and settle."""
    async with create_hook(TOKEN, payload=str) as hook:
        answer = await hook
    return await settle(answer, duration_ms)


def args(workload: Workload) -> tuple[int]:
    """What ``approval`` is called with."""
    return (workload.value("body_ms", BODY_MS[0]),)


def drawn(stream: Stream) -> Workload:
    """The step behind the disposal takes its time."""
    return Workload(steps=1, extra=(("body_ms", stream.choice(BODY_MS)),))


def settled(workload: Workload, log: Sequence[Event]) -> str:
    """The first answer of the log counts."""
    return f"settled with {first_answer(log)}"


LAWS = ("I-02", "I-04", "I-08", "I-16", "I-17", "I-18", "I-25", "L-05")

late_payload = Scenario(
    name="late_payload_is_refused",
    title="a payload is recorded while its hook lives, or refused",
    law="I-07",
    laws=LAWS,
    workflow=approval,
    steps=(settle,),
    args=args,
    client=two_answers,
    oracle=settled,
    cases=(
        Case(
            name="R-26",
            title="the second payload meets the disposal of its hook",
            draw=drawn,
            budget=FaultBudget(),
            races=("R-26",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

disposed_once = Scenario(
    name="hook_is_disposed_once",
    title="a hook that two handlers let go of is disposed of once",
    law="I-07",
    laws=LAWS,
    workflow=approval,
    steps=(settle,),
    args=args,
    client=one_answer,
    oracle=settled,
    cases=(
        Case(
            name="R-32",
            title="two handlers replay the code that lets it go",
            draw=drawn,
            budget=FaultBudget(),
            races=("R-32",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

# --- the run goes ---------------------------------------------------------------------------------


@workflow
async def question() -> str:
    """Return the first answer, with the hook still there."""
    return await create_hook(TOKEN, payload=str)


async def asked_twice(user: Client, workload: Workload) -> None:
    """Start the run and answer twice."""
    await user.start()
    await answer_twice(user)


ended_run = Scenario(
    name="ended_run_takes_no_payload",
    title="a payload is recorded before its run ends, or refused",
    law="I-02",
    laws=("I-07", *LAWS),
    workflow=question,
    steps=(),
    args=lambda workload: (),
    client=asked_twice,
    oracle=lambda workload, log: first_answer(log),
    cases=(
        Case(
            name="R-31",
            title="the second payload meets the end of the run",
            draw=lambda stream: Workload(steps=0),
            budget=FaultBudget(),
            races=("R-31",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)

races = (
    Race(
        id="R-26",
        title="a payload is recorded behind the disposal of its hook",
        trigger="The client's resume has found the hook alive; the handler disposes of it; then "
        "the client's payload is appended, and no pass can take it.",
        laws=("I-07",),
        scenario="late_payload_is_refused",
        case="R-26",
        faulty="fixed pg_writes=autocommit @ postgres",
        fixes=(
            Fix(system="v2_merge @ postgres"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-26; #2781, #2808, #3645",
    ),
    Race(
        id="R-31",
        title="a payload is recorded behind the end of its run",
        trigger="The client's resume has found the hook alive; the handler writes run_completed; "
        "then the client's payload is appended, acknowledged, and never seen.",
        laws=("I-02",),
        scenario="ended_run_takes_no_payload",
        case="R-31",
        faulty="fixed pg_writes=autocommit @ postgres",
        fixes=(
            Fix(system="v2_merge @ postgres"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-31; #2987",
    ),
    Race(
        id="R-32",
        title="a hook is disposed of twice",
        trigger="Two handlers replay the code that disposes of the hook; both find it alive, and "
        "both record hook_disposed.",
        laws=("I-07",),
        scenario="hook_is_disposed_once",
        case="R-32",
        faulty="fixed local_dispose_claim=false local_log=minted @ local",
        fixes=(
            Fix(system="v2_merge @ local"),
            Fix(system="fixed"),
            Fix(system="fixed @ postgres"),
            Fix(system="fixed @ local"),
        ),
        source="spec §6 R-32; #1523",
    ),
)
