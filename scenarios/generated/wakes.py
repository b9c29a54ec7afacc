"""Goal: whoever is woken again and again tells every wake once, and is never late for a timer.

Method (spec §8.6).  wake-loop: a run listens to a hook beside a heartbeat of 4 s; every wake takes
a cycle of four steps of 0.6 to 1.1 s, and after five cycles a run of the same workflow takes over.
A client sends 12 wakes of 8 kB, 0.2 to 1.5 s apart, some in bursts of four, some after a while of
idleness; half of them are fresh, the others repeat the number before.  inline-hang: a step that
hangs for ten minutes, longer than anybody waits, beside a hook and a sleep of 5 s, eight times;
a handler that runs it serves neither.  control: the same without a step.
Hunts play fewer wakes and rounds; values ``wakes`` 12 and ``rounds`` 8 make them those of the
field.  Where the source gives a number without a meaning (continue, fresh, idle), this is ours.
Right outcome: the runs tell every payload that the log has, in its order, once (I-18); races are
decided by the log and go on at once (I-20, L-03, L-04, L-05), whatever the losers still do.

What breaks it: a step that runs inline beside a timer (R-12), or in front of the messages of its
run (R-82), and whose delivery is repeated meanwhile (R-22).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from simworld.campaign import Case, Scenario
from simworld.check import LAWS
from simworld.engine import (
    Event,
    HookReceived,
    RunCompleted,
    StepContext,
    StepCreated,
    create_hook,
    decode,
    race,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import HookNotFoundError
from simworld.records import FaultBudget, Workload
from simworld.runtime import Client

TRIALS_MAX = 400
TURNS_MAX = 40_000

# --- wake-loop -----------------------------------------------------------------------------------

WAKES = 4
"""Of a hunt's trial; in the field 12."""
TOKEN = "wake"
HEARTBEAT_MS = 4_000
CYCLE_STEPS = 4
STEP_MS, STEP_SPREAD_MS = 600, 500
PAYLOAD = "x" * 8_192
CONTINUE_EVERY = 5
CYCLES = 8
"""Of a hunt's trial, heartbeats and wakes together; in the field 80."""
FRESH, IDLE, BURST, BURST_WAKES = 0.5, 0.3, 0.25, 4
GAP_MS, GAP_MAX_MS = 200, 1_500
IDLE_MS = 6_000
"""Longer than a heartbeat."""
TRIES, TRY_AGAIN_MS = 40, 700


@step
async def stage(ctx: StepContext, number: int, index: int, wake: int) -> int:
    """One of the four steps of a cycle."""
    await ctx.sleep(STEP_MS + (97 * (number + index)) % STEP_SPREAD_MS)
    return wake


@step
async def take_over(ctx: StepContext, cycles: int, wakes: int) -> str:
    """Another run goes on from here."""
    return await ctx.start_child(wake_loop, cycles, wakes)


@workflow
async def wake_loop(cycles: int, wakes: int) -> list[int]:
    """The wakes of up to five cycles; then the next run, until none is left of either."""
    told: list[int] = []
    async with create_hook(TOKEN) as hook:
        arriving = hook.next()
        for number in range(min(CONTINUE_EVERY, cycles)):
            woken, payload = await race(arriving, sleep(HEARTBEAT_MS))
            if woken == 0:
                arriving = hook.next()
                for index in range(CYCLE_STEPS):
                    wake = await stage(number, index, payload["wake"])
                told.append(wake)
            if len(told) == wakes:
                return told
    if cycles > CONTINUE_EVERY:
        await take_over(cycles - CONTINUE_EVERY, wakes - len(told))
    return told


async def wake(user: Client, workload: Workload) -> None:
    """Send wakes: one after the other, in bursts, after idleness; half of them are fresh."""
    wakes = workload.value("wakes", 1)
    await user.start_run(wake_loop, workload.value("cycles", 1), wakes)
    moments = Stream(workload.value("moments", 0))
    number, sent = 0, 0
    while sent < wakes:
        idle = moments.chance(IDLE)
        await user.sleep(IDLE_MS if idle else moments.between(GAP_MS, GAP_MAX_MS))
        for _ in range(BURST_WAKES if moments.chance(BURST) else 1):
            number += moments.chance(FRESH)
            if sent < wakes and not await _sent(user, number):
                return
            sent += 1


async def _sent(user: Client, number: int) -> bool:
    for _ in range(TRIES):
        try:
            await user.resume_hook(TOKEN, {"wake": number, "load": PAYLOAD})
        except HookNotFoundError:
            await user.sleep(TRY_AGAIN_MS)
        else:
            return True
    return False


def told_wakes(workload: Workload, log: Sequence[Event]) -> list[int]:
    """Of the payloads in the log those that had their cycles, in its order."""
    payloads = [decode(event.fact.payload) for event in log if isinstance(event.fact, HookReceived)]
    stages = sum(
        isinstance(event.fact, StepCreated) and event.fact.step_name == "stage" for event in log
    )
    return [payload["wake"] for payload in payloads[: stages // CYCLE_STEPS]]


def drawn_wakes(stream: Stream) -> Workload:
    """A few wakes, and the client's moments."""
    size = (("wakes", WAKES), ("cycles", CYCLES))
    return Workload(steps=0, extra=(*size, ("moments", stream.below(1_000))))


# --- inline-hang, and the control ----------------------------------------------------------------

ROUNDS = 3
"""Of a hunt's trial; in the field 8."""
HANG_MS = 600_000
SLEEP_MS = 5_000
RESUME_MS = (0, 1_000, 4_000, 4_999, 5_000, 5_001)


@step(max_retries=0)
async def hang(ctx: StepContext, number: int) -> int:
    """Do nothing, for longer than anybody waits."""
    await ctx.sleep(HANG_MS)
    return number


@workflow
async def hanging(rounds: int, hangs: int) -> list[Any]:
    """In each round a hook is raced against a sleep, and against a step that hangs.

    Where ``hangs`` is 2, there is no sleep in every other round: then the step may run inline.
    """
    told: list[Any] = []
    for number in range(rounds):
        async with create_hook(f"round-{number}") as hook:
            beside: list[Any] = [hang(number)] if hangs else []
            if hangs < 2 or number % 2:
                beside.append(sleep(SLEEP_MS))
            which, value = await race(hook.next(), *beside)
        told.append(f"resumed with {value}" if which == 0 else "not resumed")
    return told


async def resume(user: Client, workload: Workload) -> None:
    """Resume the hook of every round, before its sleep ends or just then."""
    rounds = workload.value("rounds", 1)
    await user.start_run(hanging, rounds, workload.value("hangs", 0))
    moments = Stream(workload.value("moments", 0))
    for number in range(rounds):
        await user.sleep(moments.choice(RESUME_MS))
        try:
            await user.resume_hook(f"round-{number}", number)
        except HookNotFoundError:
            continue  # not yet created, or the sleep has won


def told_rounds(workload: Workload, log: Sequence[Event]) -> list[str]:
    """A round whose hook has no payload was not resumed; of the others I-20 judges the winner."""
    (output,) = (decode(event.fact.output) for event in log if isinstance(event.fact, RunCompleted))
    received = {event.fact.token for event in log if isinstance(event.fact, HookReceived)}
    return [
        told if f"round-{number}" in received else "not resumed"
        for number, told in enumerate(output)
    ]


# --- the storms ----------------------------------------------------------------------------------


def simpler(workload: Workload) -> Iterator[Workload]:
    """A wake, a cycle or a round less."""
    for name, value in workload.extra:
        if name in ("wakes", "cycles", "rounds") and value > 1:
            fewer = {**dict(workload.extra), name: value - 1}
            yield attrs.evolve(workload, extra=tuple(fewer.items()))


def told(workload: Workload) -> list[str]:
    """The storm's size; the moments are the client's own."""
    sizes = [f"{name} {value}" for name, value in workload.extra if name != "moments"]
    return [f"The run: {', '.join(sizes) or 'the smallest'}."]


def _rounds(hangs: int) -> Callable[[Stream], Workload]:
    def draw(stream: Stream) -> Workload:
        size = (("rounds", ROUNDS), ("hangs", hangs))
        return Workload(steps=0, extra=(*size, ("moments", stream.below(1_000))))

    return draw


def _case(name: str, title: str, draw: Callable[[Stream], Workload], **more: Any) -> Case:
    given: dict[str, Any] = {"budget": FaultBudget(), "expect": {"fixed": "PASS"}, **more}
    return Case(name=name, title=title, draw=draw, **given)


def _both(
    draw: Callable[[Stream], Workload], claims: Mapping[str, str], **struck: str
) -> tuple[Case, Case]:
    expect = {"fixed": "PASS", **claims}
    return (
        _case("calm", "no fault", draw, expect=expect),
        _case("struck", "duplicates and a crash", draw, budget=STRUCK, expect={**expect, **struck}),
    )


STRUCK = FaultBudget(duplicates=2, crashes=1)
LATE = "FAIL L-02 I-06 I-09 I-16 I-20 L-03 L-04"
"""The run waits for a step that nobody waits for."""
INLINE = "v2_merge inline_with_wait=true"
COMMON: dict[str, Any] = {
    "laws": tuple(LAWS),
    "args": lambda workload: (),  # its client starts the run
    "targets": lambda workload: [],
    "simpler": simpler,
    "told": told,
    "generated": True,
    "trials_max": TRIALS_MAX,
    "turns_max": TURNS_MAX,
}

wake_loop_storm = Scenario(
    name="wake_loop",
    title="woken again and again, a run tells every wake, and others go on from there",
    law="I-06",  # a heartbeat has one end, however often it is slept through
    unpromised=("I-06",),
    workflow=wake_loop,
    steps=(stage, take_over),
    client=wake,
    oracle=told_wakes,
    cases=_both(drawn_wakes, {}, v2_merge="FAIL I-06 I-09 I-16 I-18 L-01 L-02"),
    **COMMON,
)
inline_hang = Scenario(
    name="inline_hang",
    title="a step that hangs keeps neither payloads nor timers from its run",
    law="L-02",
    workflow=hanging,
    steps=(hang,),
    client=resume,
    oracle=told_rounds,
    cases=(
        *_both(_rounds(2), {"v2_merge": LATE, INLINE: LATE}),
        _case(
            "beyond leases",
            "bodies that outlive their leases by far, and die again and again",
            _rounds(1),
            knobs=("lease_ms=30000",),
            expect={"fixed": "PASS", INLINE: LATE},
        ),
    ),
    **COMMON,
)
hook_sleep_control = Scenario(
    name="hook_sleep_control",
    title="hooks race sleeps, and no step is in their way",
    law="I-20",
    workflow=hanging,
    steps=(hang,),
    client=resume,
    oracle=told_rounds,
    cases=_both(_rounds(0), {"v2_merge": "FAIL I-20 I-06 I-09 I-16"}),
    **COMMON,
)
