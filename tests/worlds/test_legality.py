"""What the atomic world does in every cell of the legality matrix (spec §1.3).

Each cell's rows are put into its tables directly, because some of them no history leads to.
"""

from __future__ import annotations

import pytest

from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRow,
    HookStatus,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunRow,
    RunStarted,
    RunStatus,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStarted,
    StepStatus,
    WaitCompleted,
    WaitCreated,
    WaitRow,
    WaitStatus,
)
from simworld.errors import (
    EntityNotFoundError,
    HookNotFoundError,
    RunExpiredError,
    TooEarlyError,
    WorldError,
)
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from tests.engine.legality import cells
from tests.worlds.doubles import Clock, Ids, now

RUN, ID, TOKEN = "wrun_1", "id_1", "token"

FACTS = {
    "run_created": RunCreated("order", b"in"),
    "run_started": RunStarted(),
    "run_started, data": RunStarted("order", b"in"),
    "run_completed": RunCompleted(b"out"),
    "run_failed": RunFailed(b"why", "USER_ERROR"),
    "run_cancelled": RunCancelled(),
    "attr_set": AttrSet(ID, b"changes"),
    "step_created": StepCreated(ID, "work", b"in"),
    "step_started": StepStarted(ID, "work"),
    "step_started, lazy": StepStarted(ID, "work", input=b"in"),
    "step_completed": StepCompleted(ID, b"out"),
    "step_failed": StepFailed(ID, b"why"),
    "step_retrying": StepRetrying(ID, b"why"),
    "hook_created": HookCreated(ID, TOKEN),
    "hook_created, token taken": HookCreated(ID, TOKEN),
    "hook_received": HookReceived(ID, TOKEN, b"payload"),
    "hook_disposed": HookDisposed(ID, TOKEN),
    "wait_created": WaitCreated(ID, 9_000),
    "wait_completed": WaitCompleted(ID),
}
"""The fact of each line of the matrix."""

NAMES = {
    EntityNotFoundError: "missing",
    HookNotFoundError: "hook",
    RunExpiredError: "run ended",
    TooEarlyError: "too early",
}


def world_in(event, state, run, **profile):
    """A world whose tables hold what the cell says."""
    world = AtomicWorld(clock=Clock(1_000), ids=Ids(), profile=WorldProfile(**profile))
    key = (RUN, ID)
    if run != "missing":
        world.runs[RUN] = RunRow(RUN, RunStatus(run), "order", b"in", 0)
    if event == "hook_created, token taken":
        world.tokens[TOKEN] = HookRow("wrun_2", "id_2", TOKEN, HookStatus.LIVE, 0)
    kind = event.partition("_")[0]
    if state == "missing" or kind in ("run", "attr"):
        return world
    if kind == "step":
        status = StepStatus("pending" if state == "early" else state)
        later = 1_001 if state == "early" else 0
        world.steps[key] = StepRow(RUN, ID, "work", status, b"in", 0, retry_after_ms=later)
    elif kind == "hook":
        world.hooks[key] = HookRow(RUN, ID, TOKEN, HookStatus(state), 0)
        if state == "live":
            world.tokens.setdefault(TOKEN, world.hooks[key])
    else:
        world.waits[key] = WaitRow(RUN, ID, WaitStatus(state), 9_000, 0)
    return world


def tables(world):
    return (
        dict(world.runs),
        dict(world.steps),
        dict(world.hooks),
        dict(world.tokens),
        dict(world.waits),
        {run: list(log) for run, log in world.logs.items()},
    )


def told(world, event):
    """What the world answers, in the words of the matrix; a refusal must leave no trace."""
    before = tables(world)
    try:
        answer = now(world.create(RUN, FACTS[event]))
    except WorldError as refusal:
        assert tables(world) == before
        return f"{refusal.status} {NAMES.get(type(refusal)) or refusal.reason}"
    if answer.event is None:
        assert tables(world) == before
        return "ok, no event"
    assert world.logs[RUN][-1] == answer.event
    if event == "attr_set":
        assert tables(world)[:5] == before[:5]
        return "ok"
    row = answer.step or answer.hook or answer.wait or answer.run
    kept = {"run": world.runs.get(RUN)} | {
        kind: table.get((RUN, ID))
        for kind, table in (("step", world.steps), ("hook", world.hooks), ("wait", world.waits))
    }
    assert row == kept[event.partition("_")[0]]
    return f"ok -> {row.status}"


@pytest.mark.parametrize("create", ["409", "410"])
def test_the_world_does_what_the_matrix_says_in_every_cell(create):
    expected = cells(terminal_create=create)
    done = {
        (event, state, run): told(world_in(event, state, run, terminal_create=create), event)
        for event, state, run in expected
    }
    assert done == expected


def test_every_fact_that_may_be_asked_for_is_in_the_matrix():
    assert {event for event, _, _ in cells()} == set(FACTS)
