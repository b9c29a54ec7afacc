"""The file world whose rows are files (``local_log=minted``; spec §2.2, "LocalWorld").

Every create is a row of file operations in the order of the spec's table: first an id and a time
are minted (M), then rows are read (R), claims are made by exclusive creation (C), rows are written
from what was read before (W), and the event is published last (P).  Nothing holds the operations
together but the claims, and a mutex in the process's memory for the events of one step: the races
are in here on purpose, and each guard is a knob.

Two things are not as upstream has them, because the contract of ``Answer`` needs them: events about
steps read the run's row first, and a hook_conflict writes a row.  A run_started that creates its
run mints a second time, for the event that comes second.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from simworld.engine import (
    RUN_ENDED,
    RUN_ENDED_410,
    RUN_TERMINAL,
    STEP_TERMINAL,
    AttrSet,
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRow,
    HookStatus,
    Refusal,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    RunRow,
    RunStarted,
    RunStatus,
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    WaitCompleted,
    WaitCreated,
    WaitRow,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    check_attr,
    check_hook,
    check_step,
    check_wait,
    release_hook,
)
from simworld.errors import EntityNotFoundError, HookNotFoundError, WorldError
from simworld.marks import reached
from simworld.ports import Answer, Clock, Files, Ids, Page, Tasks
from simworld.records import LocalMutex, LocalProfile, TerminalCreate, WorldProfile
from simworld.worlds.codec import encode_row, minted_position
from simworld.worlds.local.layout import RUNS, claim_path, row_path, run_path
from simworld.worlds.local.minted_log import MintedLog, cursor_of
from simworld.worlds.local.minted_rows import TokenOwner, read_row, token_path
from simworld.worlds.local.mutexes import Mutexes
from simworld.worlds.names import check_names

T = TypeVar("T")


class Mint(NamedTuple):
    """What an event is given before anything else is done."""

    event_id: str
    now_ms: int


class MintedWorld:
    """``ports.Storage``."""

    def __init__(
        self,
        files: Files,
        *,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        profile: LocalProfile,
        world: WorldProfile,
    ) -> None:
        self._files = files
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._profile = profile
        gone = world.terminal_create is TerminalCreate.GONE
        self._run_ended = RUN_ENDED_410 if gone else RUN_ENDED
        self._log = MintedLog(files, profile, world)
        self._mutexes = Mutexes(tasks) if profile.local_mutex is LocalMutex.STEP else None

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        mint = self._mint()
        if self._mutexes is not None and isinstance(fact, _STEP_FACTS):

            async def act() -> Answer:
                return await _CREATES[type(fact)](self, run_id, fact, mint)

            name = fact.correlation_id
            return await self._mutexes.within((run_id, name), name, act)
        return await _CREATES[type(fact)](self, run_id, fact, mint)

    # Pieces of every create.

    def _mint(self) -> Mint:
        return Mint(self._ids.event_id(), self._clock.now_ms())

    async def _read(self, kind: str, run_id: str, name: str, row: type[T]) -> T | None:
        return await read_row(self._files, row_path(kind, run_id, name), row)

    async def _read_run(self, run_id: str) -> RunRow | None:
        return await read_row(self._files, run_path(run_id), RunRow)

    async def _write(self, kind: str, row: StepRow | HookRow | WaitRow) -> None:
        await self._files.replace(
            row_path(kind, row.run_id, row.correlation_id), encode_row(row)
        )

    async def _claim(self, what: str, run_id: str, name: str = "") -> bool:
        return await self._files.create(claim_path(what, run_id, name), b"")

    async def _publish(self, run_id: str, fact: Fact, mint: Mint) -> Event:
        event = _event(run_id, fact, mint)
        await self._log.publish(event)
        return event

    # Runs.

    async def _run_created(self, run_id: str, fact: RunCreated, mint: Mint) -> Answer:
        row = apply_run(None, run_id, fact, mint.now_ms)
        assert row is not None
        check_names(run_id, fact)
        if not await self._files.link(run_path(run_id), encode_row(row)):
            raise Refusal.EXISTS.error(fact.type, f"run {run_id}", "there")
        event = await self._publish(run_id, fact, mint)
        return Answer(event, row, cursor=cursor_of(event))

    async def _run_started(self, run_id: str, fact: RunStarted, mint: Mint) -> Answer:
        before = await self._read_run(run_id)
        after = apply_run(before, run_id, fact, mint.now_ms)
        if before is None:
            created = RunCreated(fact.workflow_name, fact.input)
            pending = apply_run(None, run_id, created, mint.now_ms)
            assert pending is not None
            check_names(run_id, created)
            if await self._files.link(run_path(run_id), encode_row(pending)):
                reached("run.created_by_start")
                await self._publish(run_id, created, mint)
                mint, before = self._mint(), pending
            else:
                before = await self._read_run(run_id)
            after = apply_run(before, run_id, fact, mint.now_ms)
        if after is None:
            assert before is not None
            return Answer(None, before)
        await self._files.replace(run_path(run_id), encode_row(after))
        event = await self._publish(run_id, RunStarted(), mint)
        preload = await self._log.all(run_id)
        return Answer(event, after, preload=preload, cursor=cursor_of(event))

    async def _run_ended_by(self, run_id: str, fact: RunFact, mint: Mint) -> Answer:
        before = await self._read_run(run_id)
        after = apply_run(before, run_id, fact, mint.now_ms)
        claims = before is not None and before.status not in RUN_TERMINAL
        if self._profile.local_run_claim and claims and not await self._claim("run-end", run_id):
            before = await self._read_run(run_id)
            after = apply_run(before, run_id, fact, mint.now_ms)
            if before is not None and before.status not in RUN_TERMINAL:
                raise Refusal.TERMINAL.error(fact.type, f"run {run_id}", "about to end")
        assert after is not None
        await self._files.replace(run_path(run_id), encode_row(after))
        await self._tasks.gather(
            [("hooks", self._release_hooks(run_id)), ("waits", self._delete_waits(run_id))]
        )
        event = await self._publish(run_id, fact, mint)
        return Answer(event, after, cursor=cursor_of(event))

    async def _release_hooks(self, run_id: str) -> None:
        for name in await self._files.list(row_path("hooks", run_id, "").rpartition("/")[0]):
            path = f"{row_path('hooks', run_id, '').rpartition('/')[0]}/{name}"
            row = await read_row(self._files, path, HookRow)
            if row is not None and row.status is HookStatus.LIVE:
                await self._files.unlink(token_path(row.token))
                await self._files.replace(path, encode_row(release_hook(row)))

    async def _delete_waits(self, run_id: str) -> None:
        folder = row_path("waits", run_id, "").rpartition("/")[0]
        for name in await self._files.list(folder):
            await self._files.unlink(f"{folder}/{name}")
