"""Goal: a token belongs to one live hook, and whoever may have it gets it.

Method: runs whose hooks want one token: one hook after the other in one run (R-27), a second run
once the first has ended (R-28), two handlers that create the same hook (R-29), two runs at once
(R-30).
Right outcome: a token has at most one owner, and only a token that another hook owns is refused
(I-08); a run that is refused nothing returns what it was sent (I-18).

What breaks it: creations sent before disposals; a run that has ended before its tokens are free; a
world that compares tokens but not who owns them; a world that looks for the owner, and inserts
without an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from simworld.campaign import Case, Scenario
from simworld.engine import Event, HookConflictError, HookReceived, create_hook, decode, workflow
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Fix, Race, Workload
from simworld.runtime import Client, RunFailedError

TOKEN = "the-token"
CALM_MS = 1_000
"""Time goes on when nobody has anything to do: by then a hook is there, or has gone."""
LOOKS = 30
"""How often the client looks for the owner of the token; a crash costs some of them."""


async def send(user: Client, payload: int) -> None:
    """Resume the hook that owns the token, once whoever wants it has had its chance."""
    for _ in range(LOOKS):
        await user.sleep(CALM_MS)
        with suppress(HookNotFoundError):
            await user.resume_hook(TOKEN, payload)
            return


async def outcome(user: Client, run_id: str) -> None:
    """Wait until the run has ended, however it has."""
    with suppress(RunFailedError):
        await user.result(run_id)


def payloads(log: Sequence[Event]) -> list[int]:
    """What was sent, in the order of the log."""
    return [decode(event.fact.payload) for event in log if isinstance(event.fact, HookReceived)]


# --- one run, one hook after the other ------------------------------------------------------------


@workflow
async def in_turn(count: int) -> list[int]:
    """Take the token, one payload, and let it go; as often as asked for."""
    told = []
    for _ in range(count):
        async with create_hook(TOKEN, payload=int) as hook:
            told.append(await hook)
    return told


async def one_by_one(user: Client, workload: Workload) -> None:
    """Start the run and send every hook its payload."""
    await user.start(workload.steps)
    for number in range(workload.steps):
        await send(user, number)


taken_again = Scenario(
    name="token_is_taken_again",
    title="a run that lets a token go and takes it again gets it",
    law="I-08",
    laws=("I-02", "I-04", "I-07", "I-16", "I-17", "I-18", "I-25"),
    workflow=in_turn,
    steps=(),
    args=lambda workload: (workload.steps,),
    client=one_by_one,
    oracle=lambda workload, log: payloads(log)[: workload.steps],
    cases=(
        Case(
            name="R-27",
            title="a hook is disposed of and the next one created in one suspension",
            draw=lambda stream: Workload(steps=stream.between(2, 3)),
            budget=FaultBudget(),
            races=("R-27",),
            expect={"fixed": "PASS", "fixed hook_order=creations_first": "FAIL I-18"},
        ),
    ),
)

# --- two runs -------------------------------------------------------------------------------------


@workflow
async def holder() -> int:
    """Hold the token until a payload comes."""
    return await create_hook(TOKEN, payload=int)


async def after_the_first(user: Client, workload: Workload) -> None:
    """Start the second run when the first one has returned."""
    for number in range(2):
        run_id = await user.start()
        await send(user, number)
        await outcome(user, run_id)


free_again = Scenario(
    name="token_is_free_after_the_end",
    title="once a run is seen to have ended, others may have its token",
    law="I-08",
    laws=("I-02", "I-04", "I-07", "I-16", "I-17", "I-18"),
    workflow=holder,
    steps=(),
    args=lambda workload: (),
    client=after_the_first,
    oracle=lambda workload, log: payloads(log)[0],
    cases=(
        Case(
            name="R-28",
            title="the first run has just ended",
            draw=lambda stream: Workload(steps=0),
            budget=FaultBudget(),
            races=("R-28",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)


async def seen_twice(user: Client, workload: Workload) -> None:
    """Start a run, have it looked at by a second handler, and send its payload."""
    run_id = await user.start()
    await user.reenqueue(run_id)
    await send(user, 0)


own_token = Scenario(
    name="own_token_is_no_conflict",
    title="a hook that two handlers create is created once, and is in conflict with nobody",
    law="I-08",
    laws=("I-02", "I-04", "I-07", "I-16", "I-17", "I-18"),
    workflow=holder,
    steps=(),
    args=lambda workload: (),
    client=seen_twice,
    oracle=lambda workload, log: payloads(log)[0],
    cases=(
        Case(
            name="R-29",
            title="two handlers at once, or one after another that died half-way",
            draw=lambda stream: Workload(steps=0),
            budget=FaultBudget(crashes=1),
            races=("R-29",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
        ),
    ),
)


@workflow
async def contender(number: int) -> str:
    """Hold the token until a payload comes, or say that somebody else has it."""
    try:
        payload = await create_hook(TOKEN, payload=int)
    except HookConflictError:
        return "refused"
    return f"got {payload}"


async def side_by_side(user: Client, workload: Workload) -> None:
    """Start all runs at once, then send as many payloads."""
    await user.together(*[user.start(number) for number in range(workload.steps)])
    for number in range(workload.steps):
        await send(user, number)


one_owner = Scenario(
    name="token_has_one_owner",
    title="of runs that want one token at once, one gets it and the others are told",
    law="I-08",
    laws=("I-02", "I-04", "I-07", "I-16", "I-17", "I-18", "I-25"),
    workflow=contender,
    steps=(),
    args=lambda workload: (0,),
    client=side_by_side,
    cases=(
        Case(
            name="R-30",
            title="two or three runs at once",
            draw=lambda stream: Workload(steps=stream.between(2, 3)),
            budget=FaultBudget(),
            races=("R-30",),
            expect={"v2_merge": "PASS", "fixed": "PASS"},
            marks=("hook.conflict",),
        ),
    ),
)

REPAIRED_WORLDS = (
    Fix(system="fixed"),
    Fix(system="fixed @ postgres"),
    Fix(system="fixed @ local"),
)

races = (
    Race(
        id="R-27",
        title="a token let go and taken again in one suspension is refused",
        trigger="The code disposes of a hook and creates the next one under the same token; the "
        "handler records all creations first, so the run meets its own hook.",
        laws=("I-18",),
        scenario="token_is_taken_again",
        case="R-27",
        faulty="fixed hook_order=creations_first",
        fixes=(Fix(system="v2_merge hook_order=code_order"), *REPAIRED_WORLDS),
        source="spec §6 R-27; #2777, #2779",
    ),
    Race(
        id="R-28",
        title="a token is held by a run that has ended",
        trigger="The first run's row says that it has completed, its hook still owns the token; "
        "the client sees the end and starts the second run, which is refused the token.",
        laws=("I-08",),
        scenario="token_is_free_after_the_end",
        case="R-28",
        faulty="fixed local_log=minted @ local",
        fixes=(Fix(system="v2_merge @ local"), *REPAIRED_WORLDS),
        source="spec §6 R-28; #2778",
    ),
    Race(
        id="R-29",
        title="a hook is in conflict with itself",
        trigger="Two handlers, or one and its successor after a crash, create the same hook; the "
        "world finds its token taken and does not look by whom.",
        laws=("I-08",),
        scenario="own_token_is_no_conflict",
        case="R-29",
        faulty="fixed local_log=minted local_token_owner=false @ local",
        fixes=(Fix(system="v2_merge @ local"), *REPAIRED_WORLDS),
        source="spec §6 R-29; #2283, #2295, vercel-py #154",
    ),
    Race(
        id="R-30",
        title="two runs own one token",
        trigger="Two handlers, each for a run of its own, look for the owner of the token and find "
        "none; both insert their hook, and no index refuses the second.",
        laws=("I-08",),
        scenario="token_has_one_owner",
        case="R-30",
        faulty="fixed pg_unique_tokens=false @ postgres",
        fixes=(
            Fix(system="v2_merge @ postgres"),
            *REPAIRED_WORLDS,
        ),
        source="spec §6 R-30; #4173, #1970, #2764",
    ),
)
