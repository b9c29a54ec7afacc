"""What every ``create`` of the SQL world is made of: reads by key, rows, the event at the end."""

from __future__ import annotations

import hashlib

import attrs

from simworld.engine import (
    Event,
    Fact,
    HookRow,
    RunCancelled,
    RunCompleted,
    RunEnded,
    RunFailed,
    RunRow,
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    WaitRow,
)
from simworld.errors import EntityConflictError, InternalError, UniqueViolation
from simworld.marks import reached
from simworld.ports import Answer, Clock, Ids, Row, Session, Statement, Tables
from simworld.records import PostgresPosition, PostgresProfile
from simworld.worlds.codec import encode_fact, minted_position
from simworld.worlds.postgres.rows import (
    event_of,
    hook_of,
    run_of,
    step_of,
    wait_of,
)
from simworld.worlds.postgres.statements import (
    APPEND_MINTED,
    APPEND_SLOT,
    DELETE_WAITS,
    END_RUN,
    END_STEP,
    FIND_HOOK,
    LOCK_RUN,
    READ_HOOK,
    READ_LOG,
    READ_RUN,
    READ_STEP,
    READ_WAIT,
    RELEASE_HOOKS,
    RESERVE_SLOT,
    RETRY_STEP,
    START_STEP,
    place,
)


@attrs.frozen
class Setup:
    """What all creates of a world share."""

    tables: Tables
    clock: Clock
    ids: Ids
    profile: PostgresProfile
    run_ended: RunEnded


@attrs.define
class Creating:
    """One create: the session of its statements, and what its event will carry."""

    setup: Setup
    session: Session
    run_id: str
    now_ms: int
    minted: str
    """The event id that was minted when the create began, if the log is in the order of ids."""

    async def run(self, *, lock: bool = False) -> RunRow | None:
        """The run's row; ``lock``: nobody else changes it before the transaction ends."""
        row = await one(self.session, LOCK_RUN if lock else READ_RUN, run_id=self.run_id)
        return None if row is None else run_of(row)

    async def step(self, correlation_id: str) -> StepRow | None:
        """A step's row."""
        row = await self._entity(READ_STEP, correlation_id)
        return None if row is None else step_of(row)

    async def hook(self, correlation_id: str) -> HookRow | None:
        """A hook's row."""
        row = await self._entity(READ_HOOK, correlation_id)
        return None if row is None else hook_of(row)

    async def wait(self, correlation_id: str) -> WaitRow | None:
        """A wait's row."""
        row = await self._entity(READ_WAIT, correlation_id)
        return None if row is None else wait_of(row)

    async def owner(self, token: str) -> HookRow | None:
        """The live hook that owns a token."""
        row = await one(self.session, FIND_HOOK, token=token)
        return None if row is None else hook_of(row)

    async def _entity(self, statement: Statement, correlation_id: str) -> Row | None:
        return await one(self.session, statement, run_id=self.run_id, correlation_id=correlation_id)

    async def change(self, statement: Statement, **values: object) -> Row | None:
        """Insert or change one row of the run; None if the statement's condition did not hold."""
        rows = await self.session.run(
            statement, **{"run_id": self.run_id, "now_ms": self.now_ms, **values}
        )
        return rows[0] if rows else None

    async def change_step(self, fact: StepFact) -> StepRow | None:
        """Start, end or put back a step that exists; None if it is over, or owned by another."""
        match fact:
            case StepStarted():
                row = await self.change(
                    START_STEP,
                    correlation_id=fact.correlation_id,
                    owner=fact.owner,
                    lease_until_ms=fact.lease_until_ms,
                )
            case StepRetrying():
                row = await self.change(
                    RETRY_STEP,
                    correlation_id=fact.correlation_id,
                    error=fact.error,
                    retry_after_ms=fact.retry_after_ms,
                    owner=fact.owner,
                )
            case StepCompleted():
                row = await self._end_step(fact, "completed", output=fact.result)
            case StepFailed():
                row = await self._end_step(fact, "failed", error=fact.error, owner=fact.owner)
            case StepCreated():
                raise InternalError("a creation changes no step")
        return None if row is None else step_of(row)

    async def _end_step(
        self,
        fact: StepFact,
        status: str,
        *,
        output: bytes = b"",
        error: bytes = b"",
        owner: str = "",
    ) -> Row | None:
        return await self.change(
            END_STEP,
            correlation_id=fact.correlation_id,
            status=status,
            output=output,
            error=error,
            owner=owner,
        )

    async def end_run(self, fact: RunCompleted | RunFailed | RunCancelled) -> RunRow | None:
        """Move the run to its end; None if it has ended otherwise."""
        cancelled = isinstance(fact, RunCancelled)
        row = await self.change(
            END_RUN,
            status=fact.type.removeprefix("run_"),
            output=fact.output if isinstance(fact, RunCompleted) else b"",
            error=fact.error if isinstance(fact, RunFailed) else b"",
            error_code=fact.code if isinstance(fact, RunFailed) else "",
            also="cancelled" if cancelled else "",
            channel=end_channel(self.run_id),
        )
        return None if row is None else run_of(row)

    async def release(self) -> None:
        """The run has ended: its tokens are free, its waits are gone."""
        await self.change(RELEASE_HOOKS)
        await self.change(DELETE_WAITS)

    async def append(
        self,
        fact: Fact,
        *,
        step: StepRow | None = None,
        hook: HookRow | None = None,
        wait: WaitRow | None = None,
    ) -> Answer:
        """Publish the event; the answer to the create."""
        ids, run_id = self.setup.ids, self.run_id
        correlation_id: str = getattr(fact, "correlation_id", "")
        values = {
            "run_id": run_id,
            "created_at_ms": self.now_ms,
            "type": fact.type,
            "correlation_id": correlation_id,
            "fact": encode_fact(fact),
        }
        where = self.setup.profile.pg_position
        slots = where is PostgresPosition.SLOTS
        event_id, self.minted = self.minted or ids.event_id(), ""
        position = 0 if slots else minted_position(event_id)
        if where is PostgresPosition.RESERVED:
            reserved = await self.session.run(RESERVE_SLOT, run_id=run_id)
            position = reserved[0]["last_position"]
        try:
            if slots:
                rows = await self.session.run(APPEND_SLOT, event_id=event_id, **values)
            else:
                rows = await self.session.run(
                    APPEND_MINTED, event_id=event_id, position=place(position), **values
                )
        except UniqueViolation as error:
            raise exists(fact, correlation_id) from error
        position = rows[0]["last_position"] if slots else position
        event = Event(run_id, event_id, position, self.now_ms, fact.type, correlation_id, fact)
        if fact.type == "hook_conflict":
            reached("hook.conflict")
        return Answer(event, run_of(rows[0]), step, cursor=str(position), hook=hook, wait=wait)

    async def with_preload(self, answer: Answer) -> Answer:
        """The answer to a run_started, with the whole log."""
        rows = await self.session.run(READ_LOG, run_id=self.run_id, after="", limit=None)
        if self.setup.profile.pg_position is PostgresPosition.RESERVED:
            rows = before_gap(rows, 0)
        return answer._replace(preload=tuple(event_of(each) for each in rows))


def end_channel(run_id: str) -> str:
    """Where a run's end is told; names of channels hold 63 characters, so this one is a digest."""
    return f"end_{hashlib.blake2b(run_id.encode(errors='replace'), digest_size=16).hexdigest()}"


def before_gap(rows: list[Row], after: int) -> list[Row]:
    """The rows of a log behind a position, up to where one is missing."""
    whole = [row for number, row in enumerate(rows, after + 1) if int(row["position"]) == number]
    if len(whole) < len(rows):
        reached("log.gap")
    return whole


async def one(session: Session, statement: Statement, **key: str) -> Row | None:
    """The first row with such a key; a key that no world takes has none, and is not sent."""
    if not all(each.isprintable() for each in key.values()):
        return None
    rows = await session.run(statement, **key)
    return rows[0] if rows else None


def exists(fact: Fact, correlation_id: str) -> EntityConflictError:
    """The refusal of a second creation."""
    return EntityConflictError(
        f"{fact.type} refused: {correlation_id or 'the run'} exists", reason="exists"
    )
