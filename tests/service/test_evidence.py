"""Judging a real world: one that is in order is left alone, and what is wrong is found."""

from __future__ import annotations

import attrs
import pytest
import trio

from simworld.check import Context
from simworld.engine import REPAIRED, RunStatus
from simworld.errors import HookNotFoundError
from simworld.service import ordeal, working
from simworld.service.evidence import judged
from simworld.worlds import WorldState

END_S = 20


async def played():
    """One run of each kind on a world in memory."""
    async with working("memory", ordeal.PROGRAM) as worker:
        app = worker.app
        run_ids = [
            await app.start(1, 3),
            await app.start_run(ordeal.fan_out, 4),
            await app.start_run(ordeal.retrying),
            await app.start_run(ordeal.sleeping, 2, 30),
            await app.start_run(ordeal.streaming, 3),
            await app.start_run(ordeal.listening, "token"),
        ]
        for payload in ("a", "b", ordeal.STOP):
            with trio.fail_after(END_S):
                while True:
                    try:
                        await app.resume_hook("token", payload)
                        break
                    except HookNotFoundError:
                        await trio.sleep(0.01)
        for run_id in run_ids:
            await app.result(run_id, timeout_s=END_S)
        services = app._services
        world = services.storage._storage
        return WorldState(
            world.runs,
            world.steps,
            world.hooks,
            world.waits,
            world.logs,
            services.streams.contents(),
        )


@pytest.fixture(scope="module")
def state():
    return trio.run(played)


def broken(state):
    """The laws a state breaks."""
    context = Context(oracle=ordeal.owed, may_fail=True)
    anomalies = judged(state, ordeal.PROGRAM, REPAIRED, context, 1 << 50)
    return [each.law for each in anomalies]


def without(state, workflow, kind):
    """The state without the first event of a kind in the log of a workflow."""
    run_id = next(each for each, row in state.runs.items() if row.workflow_name == workflow.name)
    log = list(state.logs[run_id])
    log.remove(next(event for event in log if event.type == kind))
    return state._replace(logs={**state.logs, run_id: log})


def test_a_world_in_order_breaks_nothing(state):
    assert len(state.runs) == 6
    assert broken(state) == []


@pytest.mark.parametrize(
    ("workflow", "kind", "law"),
    [
        (ordeal.sequential, "run_created", "I-01"),
        (ordeal.fan_out, "step_created", "I-05"),
        (ordeal.retrying, "step_started", "I-11"),
        (ordeal.sleeping, "wait_created", "I-06"),
        (ordeal.listening, "hook_received", "I-16"),
        (ordeal.sequential, "step_completed", "I-10"),
        (ordeal.streaming, "run_completed", "I-10"),
    ],
)
def test_an_event_that_is_lost_is_found(state, workflow, kind, law):
    assert law in broken(without(state, workflow, kind))


def test_a_run_that_never_ends_is_found(state):
    run_id, row = next(iter(state.runs.items()))
    stuck = attrs.evolve(row, status=RunStatus.RUNNING, completed_at_ms=0, output=b"")
    log = [event for event in state.logs[run_id] if event.type != "run_completed"]
    assert "L-01" in broken(
        state._replace(runs={**state.runs, run_id: stuck}, logs={**state.logs, run_id: log})
    )


def test_an_output_that_is_not_owed_is_found(state):
    run_id, row = next(
        (each, row) for each, row in state.runs.items() if row.workflow_name == "retrying"
    )
    other = next(row for row in state.runs.values() if row.workflow_name == "sequential")
    wrong = attrs.evolve(row, output=other.output)
    assert "I-18" in broken(state._replace(runs={**state.runs, run_id: wrong}))
