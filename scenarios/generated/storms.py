"""Goal: under storms of steps, payloads and timers a run's ledger is complete, and true to its log.

Method (spec §8.6): rounds of many branches at once; each races what it waits for against a
watchdog, so that both come about together; whoever loses is a straggler, and after the round there
is a step for each.  step-storm: a branch races a step of 1.7 to 2.7 s against 2.5 s, while a client
pokes a hook that nobody ever awaits.  hook-storm: a branch races a hook of its own, which the
client resumes, one every 400 ms.  blocked-branch: as hook-storm, but every branch first awaits a
step, one longer than the other, so that some come late to their race; the client sends a burst.
Hunts play a small storm; values ``rounds`` 6 and ``width`` 8 make it the one of the field.
Right outcome: every branch of every round is in the ledger with the winner that comes first in the
log (I-18, I-20), and as many steps follow a round as it had stragglers, and two.

What breaks it: a cursor that passes an event by (R-45), a position taken for another one (R-46),
results handed over in another order than that of the log (R-47, R-49), branches that have not yet
drawn their ids (R-50).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import attrs

from simworld.campaign import Case, Scenario
from simworld.check import LAWS
from simworld.engine import (
    Event,
    StepContext,
    StepCreated,
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

ROUNDS, WIDTH = 2, 4
"""Of a hunt's trial; in the field 6 and 8."""
TRIALS_MAX = 400
BASE = 2
"""Steps that follow every round, beside one for every straggler."""
SETTLE_MS, STAGGER_MS = 2_200, 250
PAUSE_MS = 1_000
WATCHDOG_MS = {"steps": 2_500, "hooks": 2_500, "blocked": 8_000}
LAUNCH_MS = 300
POKE_MS, POKE_SPREAD_MS, POKES_MAX, POKES_DECAY = 750, 250, 64, 8
"""The client pokes at random moments around these; the pauses grow up to so many times as long."""
HOOK_STAGGER_MS = 400
BURST_MS, BURST_SPREAD_MS = 4_000, 1_200
POKED = "poked"

Acts = Callable[[Client, Workload], Coroutine[Any, Any, None]]


# --- the workflow --------------------------------------------------------------------------------


@step
async def settle(ctx: StepContext, number: int, index: int) -> str:
    """Record an attribute, and take a while that differs from branch to branch."""
    await ctx.set_attributes(settling=f"{number}:{index}")
    late = (3 * number + 5 * index) % 5 - 2
    await ctx.sleep(SETTLE_MS + late * STAGGER_MS)
    return f"settled {number}:{index}"


@step
async def launch(ctx: StepContext, number: int, index: int) -> int:
    """What a branch has to wait for before it may race."""
    await ctx.sleep(index * LAUNCH_MS)
    return index


@step
async def recover(ctx: StepContext, number: int, index: int) -> int:
    """The watchdog has won."""
    return index


@step
async def finalize(ctx: StepContext, number: int, index: int) -> int:
    """The same for both winners: only its place tells them apart."""
    return index


@step
async def release(ctx: StepContext, number: int, index: int) -> int:
    """The end of every branch."""
    return index


@step
async def reconcile(ctx: StepContext, number: int, index: int) -> int:
    """After a round: two of these, and one for each straggler."""
    return index


@workflow
async def storm(kind: str, rounds: int, width: int) -> list[Any]:
    """Rounds of branches; the ledger of their winners, and how many steps followed each."""
    ledger: list[Any] = []
    async with create_hook(POKED):  # which nobody awaits
        for number in range(rounds):
            branches = [_branch(kind, number, index) for index in range(width)]
            winners = await gather(*branches)
            stragglers = winners.count("watchdog")
            followed = await gather(*[reconcile(number, n) for n in range(BASE + stragglers)])
            await sleep(PAUSE_MS)
            ledger.append([winners, len(followed)])
    return ledger


async def _branch(kind: str, number: int, index: int) -> str:
    if kind == "blocked":
        await launch(number, index)
    if kind == "steps":
        winner = await race(settle(number, index), sleep(WATCHDOG_MS[kind]))
    else:
        async with create_hook(token_of(number, index)) as hook:
            winner = await race(hook.next(), sleep(WATCHDOG_MS[kind]))
    if winner.which:
        await recover(number, index)
    await finalize(number, index)
    await release(number, index)
    return "watchdog" if winner.which else "settled"


def token_of(number: int, index: int) -> str:
    """The token of the hook of a branch."""
    return f"storm:{number}:{index}"


# --- the client ----------------------------------------------------------------------------------


async def poke(user: Client, workload: Workload) -> None:
    """Resume the hook that nobody awaits, less and less often, until the run lets go of it."""
    await _start(user, "steps", workload)
    moments = Stream(workload.value("moments", 0))
    for number in range(POKES_MAX):
        spread_ms = moments.between(-POKE_SPREAD_MS, POKE_SPREAD_MS)
        more = number * (POKES_DECAY - 1) // POKES_MAX
        await user.sleep((POKE_MS + spread_ms) * (1 + more))
        if not await _resumed(user, POKED, number):
            return


async def deliver(user: Client, workload: Workload) -> None:
    """Resume one hook after the other, 400 ms apart; a round's hooks when the round begins."""
    await _start(user, "hooks", workload)
    moments = Stream(workload.value("moments", 0))
    rounds, width = size_of(workload)
    for number in range(rounds):
        await user.sleep(moments.below(HOOK_STAGGER_MS))
        for index in moments.shuffled(range(width)):
            await _resumed(user, token_of(number, index), index)
            await user.sleep(HOOK_STAGGER_MS)
        await user.sleep(PAUSE_MS)


async def burst(user: Client, workload: Workload) -> None:
    """Resume all hooks of a round in a burst, four seconds after it has begun."""
    await _start(user, "blocked", workload)
    moments = Stream(workload.value("moments", 0))
    rounds, width = size_of(workload)
    for number in range(rounds):
        await user.sleep(BURST_MS + moments.below(BURST_SPREAD_MS))
        for index in moments.shuffled(range(width)):
            await _resumed(user, token_of(number, index), index)
        await user.sleep(PAUSE_MS)


async def _start(user: Client, kind: str, workload: Workload) -> None:
    rounds, width = size_of(workload)
    await user.start(kind, rounds, width)


async def _resumed(user: Client, token: str, payload: int) -> bool:
    try:
        await user.resume_hook(token, payload)
    except HookNotFoundError:
        return False  # not yet created, or let go of
    return True


def size_of(workload: Workload) -> tuple[int, int]:
    """Rounds and branches of a storm."""
    return workload.value("rounds", 1), workload.value("width", 1)


# --- the oracle ----------------------------------------------------------------------------------


def oracle(workload: Workload, log: Sequence[Event]) -> list[Any]:
    """The ledger that the log spells: a branch that had to recover has lost to its watchdog."""
    rounds, width = size_of(workload)
    recovered = _created(log, "recover")
    ledger: list[Any] = []
    for number in range(rounds):
        winners = [
            "watchdog" if (number, index) in recovered else "settled" for index in range(width)
        ]
        ledger.append([winners, BASE + winners.count("watchdog")])
    return ledger


def _created(log: Sequence[Event], name: str) -> list[tuple[int, int]]:
    """The arguments of all steps of this name."""
    return [
        tuple(decode(event.fact.input)[0])
        for event in log
        if isinstance(event.fact, StepCreated) and event.fact.step_name == name
    ]


# --- the storms ----------------------------------------------------------------------------------


def drawn(stream: Stream) -> Workload:
    """A small storm, and the client's moments."""
    size = (("rounds", ROUNDS), ("width", WIDTH))
    return Workload(steps=0, extra=(*size, ("moments", stream.below(1_000))))


def simpler(workload: Workload) -> Iterator[Workload]:
    """A round less, a branch less."""
    (rounds, width), moments = size_of(workload), workload.value("moments", 0)
    for fewer in ((1, width), (rounds - 1, width), (rounds, 2), (rounds, width - 1)):
        if min(fewer) >= 1 and fewer < (rounds, width):
            extra = (("rounds", fewer[0]), ("width", fewer[1]), ("moments", moments))
            yield attrs.evolve(workload, extra=extra)


def told(workload: Workload) -> list[str]:
    """The storm's size; the moments are the client's own."""
    rounds, width = size_of(workload)
    return [f"The run: {rounds} rounds of {width} branches."]


SWAPPED = "FAIL I-19 I-06 I-09 I-14 I-16 I-17 I-18 I-20 I-21 I-23"
"""A step is taken for another one, and then nothing fits any more."""
MINTED = "fixed ids=monotonic log_position=mint_at_start"


def _storm(name: str, title: str, client: Acts, races: tuple[str, ...], **struck: str) -> Scenario:
    """``struck``: what is claimed of the case with faults alone."""
    calm = {MINTED: SWAPPED} if name != "hook_storm" else {}
    claims = {"fixed": "PASS", **calm}
    return Scenario(
        name=name,
        title=title,
        law="I-19",
        laws=tuple(LAWS),
        workflow=storm,
        steps=(settle, launch, recover, finalize, release, reconcile),
        args=lambda workload: (),  # its client starts the run
        client=client,
        oracle=oracle,
        simpler=simpler,
        told=told,
        targets=lambda workload: [],
        generated=True,
        trials_max=TRIALS_MAX,
        turns_max=40_000,
        cases=(
            Case(
                name="calm",
                title="no fault; the order of turns alone",
                draw=drawn,
                budget=FaultBudget(),
                expect=claims,
                races=races,
            ),
            Case(
                name="struck",
                title="duplicates and a crash",
                draw=drawn,
                budget=FaultBudget(duplicates=2, crashes=1),
                expect={**claims, **struck},
                races=races,
            ),
        ),
    )


step_storm = _storm(
    "step_storm",
    "steps race watchdogs, round after round, beside a poked hook",
    poke,
    ("R-45", "R-46"),
    v2_merge=SWAPPED,
)
hook_storm = _storm(
    "hook_storm",
    "hooks race watchdogs, round after round, resumed one by one",
    deliver,
    ("R-47", "R-49"),
    v2_merge=SWAPPED,
)
blocked_branch = _storm(
    "blocked_branch",
    "branches come late to their races, and payloads in a burst",
    burst,
    ("R-50",),
    v2_merge=SWAPPED,
)
