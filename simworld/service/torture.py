"""Torture: worker processes are killed at random moments while a client works with them.

The client notes what it was promised: a run it has started, a payload it has sent, a chunk whose
step has completed.  In the end, when all workers are up and every run has had time to end, the
promises and the laws of the simulator are held against what the world really holds.
"""

from __future__ import annotations

import pathlib
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
import trio

from simworld.check import Context
from simworld.engine import AttemptGuard, Workflow
from simworld.entropy import Stream, derive
from simworld.errors import HookNotFoundError, SimworldError
from simworld.records import Anomaly
from simworld.runtime import RunFailedError
from simworld.service import ordeal
from simworld.service.app import App
from simworld.service.evidence import judged, unended
from simworld.service.opening import Settings, dump_world, parse_place
from simworld.service.processes import WorkerProcess, worker_processes
from simworld.service.worker import connect
from simworld.worlds import WorldState

KNOBS = ("lease_ms=2000", "crashes_max=1000", "redelivery_ms=500")
"""Of the workers: who is killed is replaced soon, however often that happens."""
JOB_LEASE_S = "3"
PAUSE_S = 1.0
"""The longest time from a worker's start to its end."""
READY = 0.8
"""How likely a worker is only killed once it works; the others die while they start."""
RESUME_S = 0.02


@attrs.frozen(kw_only=True)
class Torture:
    """One ordeal."""

    world: str
    """``local:DIR`` or ``postgres:DSN``."""
    folder: pathlib.Path
    """For the workers' logs."""
    preset: str = ""
    """The name of the world's preset, as ``simworld serve`` knows it; empty: the repaired one."""
    settings: Settings = attrs.Factory(Settings)
    """The same knobs for the client."""
    knobs: Sequence[str] = ()
    """Those in which the workers differ from the preset: ``name=value``."""
    seed: int = 0
    runs: int = 40
    kills: int = 10
    workers: int = 2
    at_a_time: int = 8
    bound_s: float = 120.0
    """After so long the ordeal is over, whatever has not ended."""


@attrs.frozen(kw_only=True)
class Outcome:
    """What has come of it."""

    runs: int
    kills: int
    promises: int
    """Operations that were acknowledged."""
    refused: int
    """Operations that were not; nobody holds them against the world."""
    lost: tuple[str, ...]
    """Promises that the world has not kept."""
    unended: tuple[str, ...]
    waiting: tuple[str, ...]
    """What the client was still at when its time was over."""
    anomalies: tuple[Anomaly, ...]
    exit_codes: tuple[int, ...]
    """Of the workers, told to stop in the end."""
    events: Counter[str]
    seconds: float

    @property
    def interrupted(self) -> int:
        """Bodies that were killed: starts without an end."""
        ends = ("step_completed", "step_failed", "step_retrying")
        return self.events["step_started"] - sum(self.events[each] for each in ends)

    @property
    def clean(self) -> bool:
        """Nothing was lost, nothing broken, everything has ended."""
        bad = self.lost, self.unended, self.waiting, self.anomalies
        return not (any(bad) or any(self.exit_codes))


class _Promises:
    """What the client was told has happened."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.resumed: list[tuple[str, str]] = []
        """(run, payload)"""
        self.read: dict[str, list[bytes]] = {}
        """What a live reader has got of a run's stream, up to its end."""
        self.outputs: dict[str, object] = {}
        self.doing: dict[int, str] = {}
        """What each part of the client is at."""
        self.refused = 0
        self.kills = 0

    @property
    def count(self) -> int:
        """All of them."""
        return len(self.started) + len(self.resumed) + len(self.read) + len(self.outputs)

    def broken(self, state: WorldState) -> list[str]:
        """Those that a world does not keep."""
        lost = [f"run {each} was started" for each in self.started if each not in state.runs]
        logs = state.logs
        lost += [
            f"run {run_id} was sent {payload!r}"
            for run_id, payload in self.resumed
            if payload not in ordeal.payloads(logs.get(run_id, ()))
        ]
        lost += [
            f"run {run_id} had returned {output!r}"
            for run_id, output in self.outputs.items()
            if ordeal.owed(logs.get(run_id, ())) != output
        ]
        for (run_id, _), stream in state.streams.items():
            chunks = list(stream.chunks)
            if self.read.get(run_id, chunks) != chunks:
                lost.append(f"the stream of {run_id} is not what was read of it")
            attempt = ordeal.produced_by(logs.get(run_id, ()))
            mine = [each for each in chunks if each.startswith(b"%d." % attempt)]
            if attempt and mine != [ordeal.chunk(attempt, n) for n in range(ordeal.CHUNKS)]:
                lost.append(f"chunks of attempt {attempt} of run {run_id} were written: {mine}")
        return lost


async def torture(plan: Torture) -> Outcome:
    """Do it; the workers are gone when this returns."""
    began = time.monotonic()
    promises = _Promises()
    place = parse_place(plan.world)
    options = ["--world", f"{plan.preset or place.kind}:{place.where}", "--log", "json"]
    options += ["--program", "simworld.service.ordeal:PROGRAM", "--grace-s", "5"]
    options += ["--job-lease-s", JOB_LEASE_S]
    for knob in (*KNOBS, *plan.knobs):
        options += ["--set", knob]
    async with worker_processes(plan.workers, options, plan.folder) as hands:
        urls = [hand.url for hand in hands]
        async with connect(plan.world, ordeal.PROGRAM, settings=plan.settings, workers=urls) as app:
            with trio.move_on_after(plan.bound_s):
                await _Ordeal(plan, app, hands, promises).run()
        codes = [await hand.stop() for hand in hands]
    state = await dump_world(place, plan.settings)
    return _outcome(plan, promises, state, codes, time.monotonic() - began)


def _outcome(
    plan: Torture,
    promises: _Promises,
    state: WorldState,
    codes: Sequence[int],
    seconds: float,
) -> Outcome:
    policy = plan.settings.engine
    context = Context(
        oracle=ordeal.owed,
        exclusive_bodies=policy.attempt_guard is AttemptGuard.G8,
        minted=plan.preset not in ("", "local", "postgres"),
    )
    now_ms = time.time_ns() // 1_000_000
    return Outcome(
        runs=len(state.runs),
        kills=promises.kills,
        promises=promises.count,
        refused=promises.refused,
        lost=tuple(promises.broken(state)),
        unended=tuple(unended(state)),
        waiting=tuple(promises.doing.values()),
        anomalies=tuple(judged(state, ordeal.PROGRAM, policy, context, now_ms)),
        exit_codes=tuple(codes),
        events=Counter(event.type for log in state.logs.values() for event in log),
        seconds=seconds,
    )


class _Ordeal:
    """The client and the killer of one ordeal."""

    def __init__(
        self, plan: Torture, app: App, hands: Sequence[WorkerProcess], promises: _Promises
    ) -> None:
        self._plan = plan
        self._app = app
        self._hands = hands
        self._promises = promises
        self._begun = 0
        self._kills_begun = 0

    async def run(self) -> None:
        """Returns once everything has ended."""
        async with trio.open_nursery() as nursery:
            for number, hand in enumerate(self._hands):
                nursery.start_soon(self._kill, number, hand)
            for number in range(self._plan.at_a_time):
                nursery.start_soon(self._work, number)
        while await self._app.active_runs():
            await trio.sleep(0.2)

    @property
    def _goes_on(self) -> bool:
        return self._begun < self._plan.runs or self._promises.kills < self._plan.kills

    async def _kill(self, number: int, hand: WorkerProcess) -> None:
        draws = Stream(derive(self._plan.seed, "kills", number))
        while self._kills_begun < self._plan.kills:
            self._kills_begun += 1
            if draws.chance(READY):
                await hand.ready()
            await trio.sleep(PAUSE_S * draws.random())
            await hand.kill()
            self._promises.kills += 1
            await hand.start()
        await hand.ready()  # who is only starting does not hear yet that it is to stop

    async def _work(self, number: int) -> None:
        draws = Stream(derive(self._plan.seed, "client", number))
        acts = (
            self._sequential,
            self._fan_out,
            self._retrying,
            self._sleeping,
            self._listening,
            self._streaming,
        )
        while self._goes_on:
            self._begun += 1
            act = draws.choice(acts)
            self._promises.doing[number] = act.__name__.strip("_")
            try:
                await act(draws)
            except (SimworldError, RunFailedError):
                self._promises.refused += 1
            del self._promises.doing[number]

    async def _started(self, workflow: Workflow[Any, Any], *args: object) -> str:
        run_id = await self._app.start_run(workflow, *args)
        self._promises.started.append(run_id)
        return run_id

    async def _ends(self, run_id: str) -> None:
        self._promises.outputs[run_id] = await self._app.result(run_id)

    async def _sequential(self, draws: Stream) -> None:
        run_id = await self._started(ordeal.sequential, draws.below(100), draws.between(1, 8))
        await self._ends(run_id)

    async def _fan_out(self, draws: Stream) -> None:
        await self._ends(await self._started(ordeal.fan_out, draws.between(2, 6)))

    async def _retrying(self, draws: Stream) -> None:
        await self._ends(await self._started(ordeal.retrying))

    async def _sleeping(self, draws: Stream) -> None:
        count, duration_ms = draws.between(1, 3), draws.between(1, 400)
        await self._ends(await self._started(ordeal.sleeping, count, duration_ms))

    async def _listening(self, draws: Stream) -> None:
        token = f"token {draws.bits(64)}"
        run_id = await self._started(ordeal.listening, token)
        for payload in (*(f"{token} {n}" for n in range(draws.between(1, 4))), ordeal.STOP):
            while True:
                try:
                    await self._app.resume_hook(token, payload)
                    break
                except HookNotFoundError:
                    await trio.sleep(RESUME_S)
            self._promises.resumed.append((run_id, payload))
        await self._ends(run_id)

    async def _streaming(self, draws: Stream) -> None:
        run_id = await self._started(ordeal.streaming, ordeal.CHUNKS)
        chunks = [each async for each in self._app.read_stream(run_id, ordeal.STREAM)]
        self._promises.read[run_id] = chunks
        await self._ends(run_id)
