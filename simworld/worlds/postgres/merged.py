"""How the SQL world creates as merged: statement by statement, each committed at once (§2.2).

Between any two of them others may act, and a process may die: rows without events, events behind a
reader's cursor, and decisions on what was read before are what this form is for.  The knobs of
``PostgresProfile`` close single holes; what an UPDATE says in its condition holds in any case.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from simworld.engine import (
    AttrSet,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookStatus,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFact,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    check_attr,
    check_hook,
    check_step,
    check_wait,
)
from simworld.errors import EntityConflictError, HookNotFoundError
from simworld.marks import reached
from simworld.ports import Answer
from simworld.records import PostgresPosition
from simworld.worlds.names import check_names
from simworld.worlds.postgres.creating import Creating, Setup, exists
from simworld.worlds.postgres.rows import (
    hook_of,
    hook_values,
    run_values,
    step_values,
    wait_of,
    wait_values,
)
from simworld.worlds.postgres.statements import (
    ADD_HOOK,
    ADD_RUN,
    ADD_STEP,
    ADD_WAIT,
    COMPLETE_WAIT,
    DISPOSE_HOOK,
    START_ANY_RUN,
    START_RUN,
)


async def create_merged(setup: Setup, run_id: str, fact: Any) -> Answer:
    """``Storage.create``, its time and its id taken before the first statement."""
    minted = setup.profile.pg_position is PostgresPosition.MINTED
    event_id = setup.ids.event_id() if minted else ""
    creating = Creating(setup, setup.tables, run_id, setup.clock.now_ms(), event_id)
    return await _CREATES[type(fact)](creating, fact)


# --- runs -----------------------------------------------------------------------------------------


async def _run_created(creating: Creating, fact: RunCreated) -> Answer:
    check_names(creating.run_id, fact)
    row = apply_run(None, creating.run_id, fact, creating.now_ms)
    assert row is not None
    added = await creating.change(ADD_RUN, **run_values(row))
    if added is None and creating.setup.profile.pg_run_conflict:
        raise exists(fact, "")
    return await creating.append(fact)


async def _run_started(creating: Creating, fact: RunStarted) -> Answer:
    guarded = creating.setup.profile.pg_guarded_start
    while True:
        run = await creating.run()
        after = apply_run(run, creating.run_id, fact, creating.now_ms)
        if run is None:
            await _create_first(creating, fact)
        elif after is None:
            return Answer(None, run)
        if await creating.change(START_RUN if guarded else START_ANY_RUN) is not None:
            answer = await creating.append(RunStarted())
            return await creating.with_preload(answer)
        # Somebody else has moved the run since we read it.


async def _create_first(creating: Creating, fact: RunStarted) -> None:
    """Create the missing run: a small transaction of its own."""
    check_names(creating.run_id, fact)
    created = RunCreated(fact.workflow_name, fact.input)
    row = apply_run(None, creating.run_id, created, creating.now_ms)
    assert row is not None
    reached("run.created_by_start")
    async with creating.setup.tables.transaction() as session:
        inner = Creating(creating.setup, session, creating.run_id, creating.now_ms, creating.minted)
        added = await inner.change(ADD_RUN, **run_values(row))
        if added is not None or not creating.setup.profile.pg_run_conflict:
            await inner.append(created)
            # The creation has taken the id that was minted first: nothing comes before it.
            creating.minted = ""


async def _run_ended(creating: Creating, fact: RunCompleted | RunFailed | RunCancelled) -> Answer:
    while True:
        apply_run(await creating.run(), creating.run_id, fact, creating.now_ms)
        if await creating.end_run(fact) is not None:
            await creating.release()
            return await creating.append(fact)
        # It has ended since we read it: the next look says how.


# --- steps ----------------------------------------------------------------------------------------


async def _step_created(creating: Creating, fact: StepCreated | StepStarted) -> Answer:
    run = await creating.run()
    check_step(run, None, fact, creating.now_ms, creating.setup.run_ended)
    return await _add_step(creating, fact, must_be_new=creating.setup.profile.pg_unique_creations)


async def _add_step(
    creating: Creating, fact: StepCreated | StepStarted, *, must_be_new: bool
) -> Answer:
    check_names(creating.run_id, fact)
    row = apply_step(None, creating.run_id, fact, creating.now_ms)
    added = await creating.change(ADD_STEP, **step_values(row))
    if added is None and must_be_new:
        raise exists(fact, fact.correlation_id)
    return await creating.append(fact, step=row)


async def _step_started(creating: Creating, fact: StepStarted) -> Answer:
    while True:
        run = await creating.run()
        row = await creating.step(fact.correlation_id)
        check_step(run, row, fact, creating.now_ms, creating.setup.run_ended)
        if row is None:
            return await _add_step(creating, fact, must_be_new=True)
        if row.status == "running":
            reached("start.accepted_while_running")
        started = await creating.change_step(fact)
        if started is not None:
            return await creating.append(fact, step=started)
        # The step has ended since we read it: the next look says how.


async def _step_ended(creating: Creating, fact: StepFact) -> Answer:
    if isinstance(fact, StepFailed):
        await creating.run()
    elif isinstance(fact, StepRetrying):
        await creating.step(fact.correlation_id)
    while True:
        row = await creating.change_step(fact)
        if row is not None:
            return await creating.append(fact, step=row)
        run, row = await creating.run(), await creating.step(fact.correlation_id)
        check_step(run, row, fact, creating.now_ms, creating.setup.run_ended)


# --- hooks ----------------------------------------------------------------------------------------


async def _hook_created(creating: Creating, fact: HookCreated) -> Answer:
    run = await creating.run()
    check_hook(run, None, fact, creating.setup.run_ended)
    check_names(creating.run_id, fact)
    told: HookCreated | HookConflict
    while True:
        owner = await creating.owner(fact.token)
        if owner is None:
            told = fact
        elif (owner.run_id, owner.correlation_id) == (creating.run_id, fact.correlation_id):
            raise exists(fact, fact.correlation_id)
        else:
            told = HookConflict(fact.correlation_id, fact.token, owner.run_id)
        row = apply_hook(None, creating.run_id, told, creating.now_ms)
        if await creating.change(ADD_HOOK, **hook_values(row)) is not None:
            return await creating.append(told, hook=row)
        if await creating.hook(fact.correlation_id) is not None:
            if creating.setup.profile.pg_unique_creations:
                raise exists(fact, fact.correlation_id)
            return await creating.append(told, hook=row)
        # Somebody else has taken the token since we looked.


async def _hook_received(creating: Creating, fact: HookReceived) -> Answer:
    run = await creating.run()
    row = await creating.hook(fact.correlation_id)
    check_hook(run, row, fact, creating.setup.run_ended)
    return await creating.append(fact, hook=row)


async def _hook_disposed(creating: Creating, fact: HookDisposed) -> Answer:
    row = await creating.hook(fact.correlation_id)
    if row is None or row.status is not HookStatus.LIVE:
        raise HookNotFoundError(f"hook_disposed refused: {fact.correlation_id} is no live hook")
    changed = await creating.change(
        DISPOSE_HOOK, correlation_id=fact.correlation_id, token=row.token
    )
    if changed is None:
        raise EntityConflictError(
            f"hook_disposed refused: {fact.correlation_id} was disposed of meanwhile",
            reason="terminal",
        )
    return await creating.append(fact, hook=hook_of(changed))


# --- waits and attributes -------------------------------------------------------------------------


async def _wait_created(creating: Creating, fact: WaitCreated) -> Answer:
    run = await creating.run()
    check_wait(run, None, fact, creating.setup.run_ended)
    check_names(creating.run_id, fact)
    row = apply_wait(None, creating.run_id, fact, creating.now_ms)
    if await creating.change(ADD_WAIT, **wait_values(row)) is None:
        raise exists(fact, fact.correlation_id)
    return await creating.append(fact, wait=row)


async def _wait_completed(creating: Creating, fact: WaitCompleted) -> Answer:
    while True:
        run = await creating.run()
        changed = await creating.change(COMPLETE_WAIT, correlation_id=fact.correlation_id)
        if changed is not None:
            return await creating.append(fact, wait=wait_of(changed))
        check_wait(run, await creating.wait(fact.correlation_id), fact, creating.setup.run_ended)


async def _attr(creating: Creating, fact: AttrSet) -> Answer:
    check_attr(await creating.run(), creating.run_id, fact)
    return await creating.append(fact)


_CREATES: dict[type[Any], Callable[[Creating, Any], Awaitable[Answer]]] = {
    RunCreated: _run_created,
    RunStarted: _run_started,
    **dict.fromkeys((RunCompleted, RunFailed, RunCancelled), _run_ended),
    StepCreated: _step_created,
    StepStarted: _step_started,
    **dict.fromkeys((StepCompleted, StepFailed, StepRetrying), _step_ended),
    HookCreated: _hook_created,
    HookReceived: _hook_received,
    HookDisposed: _hook_disposed,
    WaitCreated: _wait_created,
    WaitCompleted: _wait_completed,
    AttrSet: _attr,
}
