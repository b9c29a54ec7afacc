"""How the repaired SQL world creates: one transaction that locks the run's row first.

Under that lock it reads the entity, lets the engine decide, writes the row and the event, and frees
tokens together with what ends them: all of it or nothing.

There are no deadlocks.  A transaction takes one lock of a row that others want, its own run's, and
takes it first; the only other thing it may wait for is an insert of its token under the unique
index.  Whoever owns that token has made its own insert already, so it waits for nobody any more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from simworld.engine import (
    AttrSet,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookFact,
    HookReceived,
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
    StepStarted,
    WaitCompleted,
    WaitCreated,
    WaitFact,
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
from simworld.marks import reached
from simworld.ports import Answer
from simworld.records import PostgresPosition
from simworld.worlds.moved import check_unmoved
from simworld.worlds.names import check_names
from simworld.worlds.postgres.creating import Creating, Setup, one
from simworld.worlds.postgres.rows import (
    hook_values,
    run_of,
    run_values,
    step_values,
    wait_values,
)
from simworld.worlds.postgres.statements import (
    ADD_HOOK,
    ADD_RUN,
    ADD_STEP,
    ADD_WAIT,
    COMPLETE_WAIT,
    DISPOSE_HOOK,
    LOCK_RUN,
    START_RUN,
)


async def create_repaired(setup: Setup, run_id: str, fact: Any) -> Answer:
    """``Storage.create`` as one transaction."""
    minting = setup.profile.pg_position is PostgresPosition.MINTED
    minted = setup.ids.event_id() if minting else ""
    async with setup.tables.transaction() as session:
        creating = Creating(setup, session, run_id, 0, minted)
        run = await creating.run(lock=True)
        creating.now_ms = setup.clock.now_ms()
        return await _CREATES[type(fact)](creating, run, fact)


async def append_repaired(
    setup: Setup, run_id: str, facts: Sequence[Any], after: int | None
) -> list[Answer]:
    """``Storage.append`` as one transaction."""
    async with setup.tables.transaction() as session:
        creating = Creating(setup, session, run_id, 0, "")
        row = await one(session, LOCK_RUN, run_id=run_id)
        check_unmoved(run_id, after, 0 if row is None else row["last_position"])
        creating.now_ms = setup.clock.now_ms()
        run = None if row is None else run_of(row)
        return [await _CREATES[type(fact)](creating, run, fact) for fact in facts]


async def _run(creating: Creating, run: RunRow | None, fact: RunFact) -> Answer:
    run_id, now_ms = creating.run_id, creating.now_ms
    if run is None and isinstance(fact, RunCreated | RunStarted):
        after = apply_run(None, run_id, fact, now_ms)
        check_names(run_id, fact)
        assert after is not None
        if await creating.change(ADD_RUN, **run_values(after)) is None:
            # Somebody has created it since we looked; now there is a row to lock.
            return await _run(creating, await creating.run(lock=True), fact)
        if isinstance(fact, RunCreated):
            return await creating.append(fact)
        reached("run.created_by_start")
        await creating.append(RunCreated(fact.workflow_name, fact.input))
        return await creating.with_preload(await creating.append(RunStarted()))
    if isinstance(fact, RunCreated) and not creating.setup.profile.pg_run_conflict:
        return await creating.append(fact)
    after = apply_run(run, run_id, fact, now_ms)
    assert run is not None
    if after is None:
        return Answer(None, run)
    if isinstance(fact, RunStarted):
        await creating.change(START_RUN)
        return await creating.with_preload(await creating.append(RunStarted()))
    assert isinstance(fact, RunCompleted | RunFailed | RunCancelled)
    await creating.end_run(fact)
    await creating.release()
    return await creating.append(fact)


async def _step(creating: Creating, run: RunRow | None, fact: StepFact) -> Answer:
    row = await creating.step(fact.correlation_id)
    check_step(run, row, fact, creating.now_ms, creating.setup.run_ended)
    if row is None:
        check_names(creating.run_id, fact)
        row = apply_step(None, creating.run_id, fact, creating.now_ms)
        await creating.change(ADD_STEP, **step_values(row))
    else:
        if fact.type == "step_started" and row.status == "running":
            reached("start.accepted_while_running")
        row = await creating.change_step(fact)
    return await creating.append(fact, step=row)


async def _hook(creating: Creating, run: RunRow | None, fact: HookFact) -> Answer:
    row = await creating.hook(fact.correlation_id)
    check_hook(run, row, fact, creating.setup.run_ended)
    if isinstance(fact, HookCreated):
        return await _hook_created(creating, fact)
    assert row is not None
    if isinstance(fact, HookDisposed):
        row = release_hook(row)
        await creating.change(DISPOSE_HOOK, correlation_id=row.correlation_id, token=row.token)
    return await creating.append(fact, hook=row)


async def _hook_created(creating: Creating, fact: HookCreated) -> Answer:
    check_names(creating.run_id, fact)
    told: HookFact = fact
    while True:
        owner = await creating.owner(fact.token)
        if owner is not None:
            told = HookConflict(fact.correlation_id, fact.token, owner.run_id)
        row = apply_hook(None, creating.run_id, told, creating.now_ms)
        if await creating.change(ADD_HOOK, **hook_values(row)) is not None:
            return await creating.append(told, hook=row)
        # Somebody has taken the token since we looked, and may even have given it back.


async def _wait(creating: Creating, run: RunRow | None, fact: WaitFact) -> Answer:
    row = await creating.wait(fact.correlation_id)
    check_wait(run, row, fact, creating.setup.run_ended)
    if row is None:
        check_names(creating.run_id, fact)
        row = apply_wait(None, creating.run_id, fact, creating.now_ms)
        await creating.change(ADD_WAIT, **wait_values(row))
    else:
        row = apply_wait(row, creating.run_id, fact, creating.now_ms)
        await creating.change(COMPLETE_WAIT, correlation_id=fact.correlation_id)
    return await creating.append(fact, wait=row)


async def _attr(creating: Creating, run: RunRow | None, fact: AttrSet) -> Answer:
    check_attr(run, creating.run_id, fact)
    return await creating.append(fact)


_CREATES: dict[type[Any], Callable[[Creating, RunRow | None, Any], Awaitable[Answer]]] = {
    **dict.fromkeys((RunCreated, RunStarted, RunCompleted, RunFailed, RunCancelled), _run),
    **dict.fromkeys((StepCreated, StepStarted, StepCompleted, StepFailed, StepRetrying), _step),
    **dict.fromkeys((HookCreated, HookReceived, HookDisposed), _hook),
    **dict.fromkeys((WaitCreated, WaitCompleted), _wait),
    AttrSet: _attr,
}
