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
from typing import NamedTuple, TypeVar

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
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
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
from simworld.errors import EntityNotFoundError, HookNotFoundError, UsageError
from simworld.marks import reached
from simworld.ports import Answer, BatchFact, Clock, Files, Ids, Page, Tasks
from simworld.records import LocalMutex, LocalProfile, TerminalCreate, WorldProfile
from simworld.worlds.codec import encode_row, minted_position
from simworld.worlds.ends import Ends
from simworld.worlds.fold import KINDS, STEP
from simworld.worlds.local.layout import (
    RUNS,
    claim_path,
    row_path,
    rows_folder,
    run_path,
    token_path,
)
from simworld.worlds.local.minted_log import MintedLog, cursor_of
from simworld.worlds.local.minted_rows import TokenOwner, read_row, read_rows
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
        self._ends = Ends(tasks)
        self._mutexes = Mutexes(tasks) if profile.local_mutex is LocalMutex.STEP else None

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        mint = self._mint()
        if self._mutexes is not None and KINDS[fact.type] == STEP:

            async def act() -> Answer:
                return await _CREATES[type(fact)](self, run_id, fact, mint)

            name: str = getattr(fact, "correlation_id", "")
            return await self._mutexes.within((run_id, name), name, act)
        return await _CREATES[type(fact)](self, run_id, fact, mint)

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """Not here: rows are files, and no two of them change at once."""
        raise UsageError(
            "a world whose rows are files records one event at a time; use commits=each with "
            "local_log=minted"
        )

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``; of an end that another process records nobody is told."""
        run = await self._read_run(run_id)
        if run is None or run.status not in RUN_TERMINAL:
            await self._ends.wait(run_id, timeout_ms)

    # Pieces of every create.

    def _mint(self) -> Mint:
        return Mint(self._ids.event_id(), self._clock.now_ms())

    async def _read(self, kind: str, run_id: str, name: str, row: type[T]) -> T | None:
        return await read_row(self._files, row_path(kind, run_id, name), row)

    async def _read_run(self, run_id: str) -> RunRow | None:
        return await read_row(self._files, run_path(run_id), RunRow)

    async def _write(self, kind: str, row: StepRow | HookRow | WaitRow) -> None:
        await self._files.replace(row_path(kind, row.run_id, row.correlation_id), encode_row(row))

    async def _claim(self, what: str, run_id: str, name: str = "run") -> bool:
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
        self._ends.tell(run_id)
        return Answer(event, after, cursor=cursor_of(event))

    async def _release_hooks(self, run_id: str) -> None:
        for row in await read_rows(self._files, rows_folder("hooks", run_id), HookRow):
            if row.status is HookStatus.LIVE:
                await self._files.unlink(token_path(row.token))
                await self._write("hooks", release_hook(row))

    async def _delete_waits(self, run_id: str) -> None:
        folder = rows_folder("waits", run_id)
        for name in await self._files.list(folder):
            await self._files.unlink(f"{folder}/{name}")

    # Steps.

    async def _step_created(self, run_id: str, fact: StepCreated, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        row = None
        if run is not None and (run.status in RUN_TERMINAL or not self._profile.local_create_claim):
            row = await self._read("steps", run_id, name, StepRow)
        check_step(run, row, fact, mint.now_ms, self._run_ended)
        return await self._create_step(run, run_id, fact, mint)

    async def _create_step(
        self, run: RunRow | None, run_id: str, fact: StepCreated | StepStarted, mint: Mint
    ) -> Answer:
        name = fact.correlation_id
        check_names(run_id, fact)
        if self._profile.local_create_claim and not await self._claim("step", run_id, name):
            raise Refusal.EXISTS.error(fact.type, f"step {name}", "claimed")
        return await self._write_step(run, None, run_id, fact, mint)

    async def _write_step(
        self, run: RunRow | None, before: StepRow | None, run_id: str, fact: StepFact, mint: Mint
    ) -> Answer:
        assert run is not None
        row = apply_step(before, run_id, fact, mint.now_ms)
        await self._write("steps", row)
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, row, cursor=cursor_of(event))

    async def _step_started(self, run_id: str, fact: StepStarted, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        row = await self._read("steps", run_id, name, StepRow)
        check_step(run, row, fact, mint.now_ms, self._run_ended)
        if row is None:
            return await self._create_step(run, run_id, fact, mint)
        if row.status is StepStatus.RUNNING:
            reached("start.accepted_while_running")
        again = await self._read("steps", run_id, name, StepRow)
        if again is not None and again.status in STEP_TERMINAL:
            raise Refusal.TERMINAL.error(fact.type, f"step {name}", again.status)
        return await self._write_step(run, row, run_id, fact, mint)

    async def _step_ended(
        self, run_id: str, fact: StepCompleted | StepFailed, mint: Mint
    ) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        row = await self._read("steps", run_id, name, StepRow)
        check_step(run, row, fact, mint.now_ms, self._run_ended)
        if not await self._claim("step-end", run_id, name):
            raise Refusal.TERMINAL.error(fact.type, f"step {name}", "about to end")
        return await self._write_step(run, row, run_id, fact, mint)

    async def _step_retrying(self, run_id: str, fact: StepRetrying, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        row = await self._read("steps", run_id, name, StepRow)
        check_step(run, row, fact, mint.now_ms, self._run_ended)
        if self._profile.local_retry_lock:
            lock = await self._files.read(claim_path("step-end", run_id, name))
            if lock is not None:
                raise Refusal.TERMINAL.error(fact.type, f"step {name}", "about to end")
        return await self._write_step(run, row, run_id, fact, mint)

    # Hooks.

    async def _hook_created(self, run_id: str, fact: HookCreated, mint: Mint) -> Answer:
        name, path = fact.correlation_id, token_path(fact.token)
        run = await self._read_run(run_id)
        row = await self._read("hooks", run_id, name, HookRow)
        mine = TokenOwner(run_id, name, mint.event_id, mint.now_ms)
        if row is not None and row.status is HookStatus.LIVE:
            owner = await read_row(self._files, path, TokenOwner)
        else:
            check_hook(run, row, fact, self._run_ended)
            check_names(run_id, fact)
            owner = None
            while owner is None:  # None again where it has just been set free
                done = await self._files.link(path, encode_row(mine))
                owner = mine if done else await read_row(self._files, path, TokenOwner)
        assert run is not None
        compares = self._profile.local_token_owner
        ours = owner is not None and (owner.run_id, owner.correlation_id) == (run_id, name)
        if owner is not None and ours and (compares or owner is mine):
            return await self._finish_hook(run, row, fact, owner)
        if owner is None or (row is not None and compares):
            raise Refusal.EXISTS.error(fact.type, f"hook {name}", "there")
        conflict = HookConflict(name, fact.token, owner.run_id)
        reached("hook.conflict")
        if row is None:
            row = apply_hook(None, run_id, conflict, mint.now_ms)
            await self._write("hooks", row)
        event = await self._publish(run_id, conflict, mint)
        return Answer(event, run, cursor=cursor_of(event), hook=row)

    async def _finish_hook(
        self, run: RunRow, row: HookRow | None, fact: HookCreated, owner: TokenOwner
    ) -> Answer:
        """Write what follows the claim: for the first time, or for who died behind the claim.

        The claim holds the id of the one event there can be, so two who get here agree.
        """
        if row is None:
            row = apply_hook(None, run.run_id, fact, owner.created_at_ms)
            await self._write("hooks", row)
        event = _event(run.run_id, fact, Mint(owner.event_id, owner.created_at_ms))
        if not await self._log.publish(event):
            raise Refusal.EXISTS.error(fact.type, f"hook {row.correlation_id}", row.status)
        return Answer(event, run, cursor=cursor_of(event), hook=row)

    async def _hook_received(self, run_id: str, fact: HookReceived, mint: Mint) -> Answer:
        run = await self._read_run(run_id)
        row = await self._read("hooks", run_id, fact.correlation_id, HookRow)
        check_hook(run, row, fact, self._run_ended)
        assert run is not None
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, cursor=cursor_of(event), hook=row)

    async def _hook_disposed(self, run_id: str, fact: HookDisposed, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        row = await self._read("hooks", run_id, name, HookRow)
        check_hook(run, row, fact, self._run_ended)
        assert run is not None
        assert row is not None
        claims = self._profile.local_dispose_claim
        if claims and not await self._claim("hook-disposal", run_id, name):
            raise Refusal.TERMINAL.error(fact.type, f"hook {name}", "about to be disposed")
        await self._files.unlink(token_path(row.token))
        row = release_hook(row)
        await self._write("hooks", row)
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, cursor=cursor_of(event), hook=row)

    # Waits and attributes.

    async def _wait_created(self, run_id: str, fact: WaitCreated, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        claimed = True
        if run is not None and run.status not in RUN_TERMINAL:
            check_names(run_id, fact)
            if self._profile.local_create_claim:
                claimed = await self._claim("wait", run_id, name)
        row = await self._read("waits", run_id, name, WaitRow)
        check_wait(run, row, fact, self._run_ended)
        assert run is not None
        if not claimed:
            raise Refusal.EXISTS.error(fact.type, f"wait {name}", "claimed")
        row = apply_wait(None, run_id, fact, mint.now_ms)
        await self._write("waits", row)
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, cursor=cursor_of(event), wait=row)

    async def _wait_completed(self, run_id: str, fact: WaitCompleted, mint: Mint) -> Answer:
        name = fact.correlation_id
        run = await self._read_run(run_id)
        claims = self._profile.local_wait_claim
        claimed = run is not None and (not claims or await self._claim("wait-end", run_id, name))
        row = await self._read("waits", run_id, name, WaitRow)
        if claimed and claims and row is None:
            await self._files.unlink(claim_path("wait-end", run_id, name))
        check_wait(run, row, fact, self._run_ended)
        if not claimed:
            raise Refusal.TERMINAL.error(fact.type, f"wait {name}", "about to be completed")
        assert run is not None
        row = apply_wait(row, run_id, fact, mint.now_ms)
        await self._write("waits", row)
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, cursor=cursor_of(event), wait=row)

    async def _attr_set(self, run_id: str, fact: AttrSet, mint: Mint) -> Answer:
        run = await self._read_run(run_id)
        check_attr(run, run_id, fact)
        assert run is not None
        event = await self._publish(run_id, fact, mint)
        return Answer(event, run, cursor=cursor_of(event))

    # Reading.

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``."""
        return await self._log.events(run_id, cursor)

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``."""
        row = await self._read_run(run_id)
        if row is None:
            raise EntityNotFoundError(f"there is no run {run_id}")
        return row

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""
        owner = await read_row(self._files, token_path(token), TokenOwner)
        if owner is not None:
            row = await self._read("hooks", owner.run_id, owner.correlation_id, HookRow)
            if row is not None and row.status is HookStatus.LIVE:
                return row
        raise HookNotFoundError(
            f"no live hook has the token {token!r}: it was never made, has been disposed of, "
            "or its run has ended"
        )

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""
        rows = await read_rows(self._files, RUNS, RunRow)
        return sorted(row.run_id for row in rows if row.status not in RUN_TERMINAL)


def _event(run_id: str, fact: Fact, mint: Mint) -> Event:
    position = minted_position(mint.event_id)
    name = getattr(fact, "correlation_id", "")
    return Event(run_id, mint.event_id, position, mint.now_ms, fact.type, name, fact)


_CREATES: dict[type[Fact], Callable[..., Awaitable[Answer]]] = {
    RunCreated: MintedWorld._run_created,
    RunStarted: MintedWorld._run_started,
    **dict.fromkeys((RunCompleted, RunFailed, RunCancelled), MintedWorld._run_ended_by),
    StepCreated: MintedWorld._step_created,
    StepStarted: MintedWorld._step_started,
    **dict.fromkeys((StepCompleted, StepFailed), MintedWorld._step_ended),
    StepRetrying: MintedWorld._step_retrying,
    HookCreated: MintedWorld._hook_created,
    HookReceived: MintedWorld._hook_received,
    HookDisposed: MintedWorld._hook_disposed,
    WaitCreated: MintedWorld._wait_created,
    WaitCompleted: MintedWorld._wait_completed,
    AttrSet: MintedWorld._attr_set,
}
