"""The proofs of ``bench.subject_proofs``: each shows one failure of an engine that is as it is.

A proof is a function that plays on a stage and returns what was seen.  Its docstring is printed:
what it is about, what is delayed, refused or set, and what would be expected.  Nothing of simworld
is imported here.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import pathlib
import re
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from bench.subject_proof_stage import Stage

HOUR = 3600.0
Fact = str | int
ERROR_WIDTH = 120
AN_ID = r" ?[\"']?[a-z]+_[0-9A-Z]{26}[\"']?"
BLOCKED_S = 8
"""CPU time after which a process is looked at whose loop has come to nothing else meanwhile."""
HANGS = ("endless", "f8_late")
"""Where that is the failure."""


@attrs.frozen
class Seen:
    """What a proof has seen."""

    shown: bool | None
    """Whether it failed as told; None where the version lacks what the proof needs."""
    facts: dict[str, Fact]

    def __str__(self) -> str:
        return ", ".join(f"{name}: {value}" for name, value in self.facts.items())


Act = Callable[["Stage"], Awaitable[Seen]]


def _is_of_step(message: Any) -> bool:
    return bool(getattr(message, "step_id", None))


async def f1(stage: Stage) -> Seen:
    """A step that was recorded but not sent is never sent.

    Set: the first send of the step's message is refused with 503; the step is recorded by then.
    The clock is set forward by 61 s eight times, for the flow's message to come again.

    Expected: the next pass sends the step, and the run completes.
    """
    stage.refuse_send(lambda _, message: _is_of_step(message))
    with stage.clock() as forward:
        run = await stage.start("one_step", 3)
        for _minute in range(8):
            await asyncio.sleep(0.4)
            forward(61)
        status = await stage.status(run)
        facts: dict[str, Fact] = {
            "run after 8 min": status,
            "flow deliveries": stage.deliveries(of_steps=False),
            "step deliveries": stage.deliveries(of_steps=True),
            "bodies": stage.bodies,
        }
    return Seen(status == "running" and stage.bodies == 0, facts)


async def f2(stage: Stage) -> Seen:
    """A sleep of more than 23 hours never ends.

    Set: nothing is delayed or refused.  One run sleeps for "24h", another for "20h"; the clock is
    set forward hour by hour, 55 times.

    Expected: both complete, after 24 and after 20 hours; the shorter one does.
    """
    hours = 55
    ended: dict[str, int] = {}
    with stage.clock() as forward:
        runs = {length: await stage.start("sleeper", length) for length in ("24h", "20h")}
        await asyncio.sleep(1)
        for hour in range(1, hours + 1):
            forward(HOUR)
            await asyncio.sleep(0.15)
            for length, run in runs.items():
                if length not in ended and await stage.status(run) == "completed":
                    ended[length] = hour
        facts: dict[str, Fact] = {
            f"sleep of {length}": f"ended in hour {ended[length]}"
            if length in ended
            else f"{await stage.status(run)} after {hours} h"
            for length, run in runs.items()
        }
    return Seen("24h" not in ended and ended.get("20h") in (20, 21), facts)


async def f2c(stage: Stage) -> Seen:
    """A short sleep never ends if its wake-up comes to a host whose clock is a little behind.

    Set: a sleep of "5s".  The queue has a clock that is right; a second after the run has begun,
    the clock of the process is set back by 100 ms, as that of another host may be.

    Expected: the run completes, a little late at worst; it is given 14 s.
    """
    with stage.clock() as forward:
        await stage.steady_queue()
        run = await stage.start("sleeper", "5s")
        await asyncio.sleep(1)
        forward(-0.1)
        status = await stage.ended(run, 14)
        facts: dict[str, Fact] = {
            "run after 15 s": status,
            "flow deliveries": stage.deliveries(of_steps=False),
            "sleeps ended": (await stage.events(run)).count("wait_completed"),
        }
    return Seen(status == "running", facts)


async def f3a(stage: Stage) -> Seen:
    """The message of a step whose run was cancelled fails until it expires.

    Set: step_created takes half a second, and the run is cancelled meanwhile.  The clock is set
    forward by a minute five times, then by about an hour 26 times.

    Expected: the step is not sent, or its message is acknowledged when it comes; its run has ended.
    """

    async def before(_: str, data: Any) -> None:
        if data.event_type == "step_created":
            await asyncio.sleep(0.5)

    stage.world.before_event = before
    failed: dict[int, int] = {}
    with stage.clock() as forward:
        run = await stage.start("one_step", 3)
        cancel = getattr(run, "terminate", None) or getattr(run, "cancel", None)
        if cancel is None:
            return Seen(None, {"why": "it has no call that cancels a run"})
        await stage.until_event(run, "run_started")
        await cancel()
        await asyncio.sleep(1.2)
        minutes = 0
        for by in [1] * 5 + [61] * 26:
            forward(by * 60.5)
            minutes += by
            await asyncio.sleep(0.12)
            failed[minutes] = sum(bool(step and error) for step, error in stage.world.delivered)
        status = await stage.status(run)
    last = next(minute for minute, count in failed.items() if count == failed[minutes])
    errors = Counter(error for step, error in stage.world.delivered if step and error)
    facts: dict[str, Fact] = {
        "run": status,
        "failed deliveries of its step in 5 min": failed[5],
        "the last one": f"in hour {last // 60 + 1}",
        "error": _short(next(iter(errors), "none")),
    }
    return Seen(status == "cancelled" and failed[5] >= 3, facts)


async def f3c(stage: Stage) -> Seen:
    """A step's body runs again after its run has completed.

    Set: the body takes 4 s; the sleep of 1 s beside it decides, and the run completes.  Then the
    step's message is sent once more, as when a process has died and its lease runs out.

    Expected: the message is acknowledged, and no body runs for a run that has ended.
    """
    run = await stage.start("step_or_sleep", 4)
    status = await stage.ended(run, 15)
    before = stage.bodies
    number = next(i for i, (_, message) in enumerate(stage.world.sent) if _is_of_step(message))
    await stage.send_again(number)
    await asyncio.sleep(5)
    facts: dict[str, Fact] = {
        "run": status,
        "bodies until then": before,
        "bodies afterwards": stage.bodies - before,
        "starts": (await stage.events(run)).count("step_started"),
    }
    return Seen(status == "completed" and stage.bodies > before, facts)


async def f4(stage: Stage) -> Seen:
    """Starts of a step are taken for failures: healthy runs fail.

    Set: nothing is delayed or refused.  Ten runs, one after the other, of three steps side by
    side and a step with max_retries=0 behind them; none of their bodies fails.

    Expected: ten runs complete.
    """
    return await _failing(stage, "gather_then_once", branches=3, runs=10)


async def f5(stage: Stage) -> Seen:
    """A result that could not be recorded counts as a failure of the body.

    Set: the first step_completed is refused with 503; the step has max_retries=0.

    Expected: the result is recorded later, or the message fails and comes again; the body has
    returned, so the step has not failed.
    """
    stage.refuse_event("step_completed")
    run = await stage.start("one_try", 3)
    status = await stage.ended(run, 10)
    facts: dict[str, Fact] = {"run": status, "bodies": stage.bodies}
    if status == "failed":
        facts |= {"error": _short(await stage.error(run))}
    return Seen(status == "failed" and stage.bodies == 1, facts)


async def f6(stage: Stage) -> Seen:
    """A child run that nobody starts stays pending for ever.

    Set: a step starts another run; the first send of such a run's message is refused with 503, and
    the step is tried again.

    Expected: no run is left behind: the first one is sent later, or taken back.
    """
    stage.refuse_send(lambda queue_name, _: "one_step" in queue_name)
    run = await stage.start("parent", 3)
    status = await stage.ended(run, 15)
    await asyncio.sleep(2)
    children = Counter(
        row["status"]
        for row in _rows(stage)
        if "one_step" in (row.get("workflowName") or row.get("workflow_name"))
    )
    facts: dict[str, Fact] = {"parent": status}
    facts |= {f"children {kind}": count for kind, count in sorted(children.items())}
    return Seen(status == "completed" and children["pending"] == 1, facts)


async def f7(stage: Stage) -> Seen:
    """A workflow that takes steps by asyncio.as_completed fails.

    Set: nothing is delayed or refused.  Eight runs, one after the other, of six steps side by side
    that are awaited in the order in which they are done.

    Expected: eight runs complete.
    """
    return await _failing(stage, "as_they_complete", branches=6, runs=8)


async def _failing(stage: Stage, workflow: str, *, branches: int, runs: int) -> Seen:
    """How many of so many runs fail, one after the other."""
    failed, error = 0, ""
    for _number in range(runs):
        run = await stage.start(workflow, branches)
        if await stage.ended(run, 4) == "failed":
            failed += 1
            error = await stage.error(run)
    facts: dict[str, Fact] = {"runs that failed": f"{failed} of {runs}"}
    if error:
        facts |= {"error of the last one": _short(error)}
    return Seen(failed > 0, facts)


async def f8(stage: Stage) -> Seen:
    """The engine's own world records a sleep twice.

    Set: nothing is delayed or refused.  Five runs of three steps side by side and a sleep behind
    them.

    Expected: wait_created is recorded once in each log.
    """
    runs = [await stage.start("gather_then_sleep", 3) for _ in range(5)]
    created = []
    for run in runs:
        await stage.ended(run, 8)
        created.append((await stage.events(run)).count("wait_created"))
    facts: dict[str, Fact] = {
        "logs with more than one wait_created": f"{sum(n > 1 for n in created)} of 5",
        "most in one log": max(created),
    }
    return Seen(max(created) > 1, facts)


async def f8_late(stage: Stage) -> Seen:
    """A sleep that is recorded again behind its end fails the run, or hangs its process.

    Set: the second call of wait_created of a run takes 1.6 s, longer than the sleep; each
    step_completed takes 50 ms.  Six runs, at the same time, of three steps side by side and a
    sleep of a second behind them.

    Expected: the second wait_created is refused, and six runs complete.
    """
    calls = Counter[str]()

    async def before(run_id: str, data: Any) -> None:
        if data.event_type == "step_completed":
            await asyncio.sleep(0.05)
        if data.event_type == "wait_created":
            calls[run_id] += 1
            if calls[run_id] == 2:
                await asyncio.sleep(1.6)

    stage.world.before_event = before
    runs = [await stage.start("gather_then_sleep", 3) for _ in range(6)]
    failed = [run for run in runs if await stage.ended(run, 8) == "failed"]
    facts: dict[str, Fact] = {"runs that failed": f"{len(failed)} of {len(runs)}"}
    if failed:
        waits = [each for each in await stage.events(failed[-1]) if each.startswith("wait_")]
        facts |= {"the last one": " ".join(waits)}
        facts |= {"its error": _short(await stage.error(failed[-1]))}
    return Seen(bool(failed), facts)


async def endless(stage: Stage) -> Seen:
    """A pass never ends, and its process serves nobody any more.

    Set: nothing is delayed or refused.  Two letters are sent, the second one before the step for
    the first one is done.

    Expected: the run completes; it is given 6 s, and a process that is blocked is looked at after
    8 s of CPU time.
    """
    run = await stage.start("two_letters", "post")
    sent, until = 0, time.monotonic() + 5
    while sent < 2 and time.monotonic() < until:
        await asyncio.sleep(0.1)
        try:
            await stage.flows.Letter(str(sent)).resume("post")
        except Exception:  # the hook is not there yet
            continue
        sent += 1
    status = await stage.ended(run, 6)
    return Seen(False, {"run": status, "letters": sent, "bodies": stage.bodies})


def _short(error: str) -> str:
    """Its end, without names of modules and ids, which differ from run to run."""
    for pattern, instead in ((r"\S*//(\w+)'?", r"\1"), (r"\S*\._internal\.\w+\.", ""), (AN_ID, "")):
        error = re.sub(pattern, instead, error)
    words = error.split()
    cut = len(error) > ERROR_WIDTH
    while len(" ".join(words)) > ERROR_WIDTH:
        del words[0]
    return "… " * cut + " ".join(words)


def _rows(stage: Stage) -> list[dict[str, Any]]:
    folder = pathlib.Path(stage.world.data_dir) / "runs"
    return [json.loads(path.read_text()) for path in sorted(folder.iterdir())]


ACTS: dict[str, Act] = {
    act.__name__: act for act in (f1, f2, f2c, f3a, f3c, f4, f5, f6, f7, f8, f8_late, endless)
}


def play(name: str, target: str) -> None:
    """Run one proof in this process, write what it saw, and end the process."""
    from bench.subject_proof_stage import Stage  # noqa: PLC0415  # nobody else needs the engine

    def answer(seen: Seen) -> None:
        pathlib.Path(target).write_text(json.dumps(attrs.asdict(seen)))
        # Threads of the queue, and a pass that never ends, would keep the process.
        os._exit(0)

    def blocked(_: int, frame: FrameType | None) -> None:
        answer(
            Seen(
                name in HANGS, {"process": f"busy for {BLOCKED_S} s of CPU time in {_where(frame)}"}
            )
        )

    async def beat() -> None:
        while True:
            signal.setitimer(signal.ITIMER_VIRTUAL, BLOCKED_S)
            await asyncio.sleep(1)

    async def act() -> None:
        answer(await ACTS[name](Stage()))

    async def both() -> None:
        await asyncio.gather(beat(), act())

    signal.signal(signal.SIGVTALRM, blocked)
    asyncio.run(both())


def _where(frame: FrameType | None) -> str:
    """The function of the engine that keeps the loop: the outermost one that is no coroutine."""
    found = "no function of the engine"
    while frame is not None:
        code = frame.f_code
        if "/vercel/workflow/" in code.co_filename and not code.co_flags & inspect.CO_COROUTINE:
            found = code.co_qualname
        frame = frame.f_back
    return found
