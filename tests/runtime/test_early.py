"""Early starts: run_started in the background (R-63), messages beside creations (R-64)."""

from __future__ import annotations

from contextlib import suppress

import attrs
import pytest

from simworld import marks
from simworld.engine import (
    EarlyStart,
    EnginePolicy,
    Publish,
    RunCancelled,
    Unstartable,
)
from simworld.entropy import Stream
from simworld.errors import EntityConflictError
from simworld.explore import Uniform
from simworld.records import Dedup, Profile, QueueProfile
from simworld.runtime import Client
from tests.runtime.programs import program, sequence, together
from tests.runtime.rig import B30, FIXED, MERGE, play

UNGATED, GATED = (
    attrs.evolve(FIXED, lazy_create=True, early_start=each)
    for each in (EarlyStart.UNGATED, EarlyStart.GATED)
)
BESIDE = attrs.evolve(FIXED, publish=Publish.BESIDE_CREATE)
RETENTION = QueueProfile(dedup=Dedup.RETENTION)
SCHEDULES = 150


def scheduled(policy, *args, shape=sequence, **options):
    """The program under that many random schedules."""
    for seed in range(SCHEDULES):
        explorer = Uniform()
        explorer.begin(Stream(seed), Profile((), {}))
        yield play(program(shape), *args, policy=policy, explorer=explorer, **options)


def started_at(played):
    return played.types.index("run_started")


def test_what_a_gated_delivery_writes_comes_behind_run_started():
    before = marks.snapshot()
    for played in scheduled(GATED, 2):
        assert played.run.status == "completed"
        assert started_at(played) == 1
        assert played.bodies == {"work#1": 1, "work#2": 1}
    assert marks.since(before)["run.begun_early"] > 0


def test_what_an_ungated_one_writes_does_not():
    places = {
        started_at(played) for played in scheduled(UNGATED, 2) if "run_started" in played.types
    }
    assert min(places) == 1
    assert max(places) > 1


def body_and_start(played):
    """The turns at which the first body began and its start was recorded; the latter if it was."""
    starts = played.commits("step_started")
    return played.began[0].turn, starts[0].turn if starts else None


@pytest.mark.parametrize("policy", [UNGATED, GATED])
def test_its_first_body_does_not_wait_for_its_start(policy):
    turns = [body_and_start(played) for played in scheduled(policy, 1)]
    assert any(began < start for began, start in turns)
    assert any(began > start for began, start in turns)


def cancelling(services):
    async def acts():
        run_id = await Client(services).start(1)
        with suppress(EntityConflictError):
            await services.storage.create(run_id, RunCancelled())

    return acts()


def test_the_body_of_a_run_that_was_cancelled_meanwhile_is_in_vain():
    seen = 0
    for played in scheduled(GATED, acts=cancelling):
        assert played.run.status in ("cancelled", "completed")
        if played.began and "step_started" not in played.types:
            assert played.types[-1] == "run_cancelled"
            seen += 1
    assert seen > 0


@pytest.mark.parametrize(
    ("policy", "begins"),
    [(MERGE, False), (B30, False), (UNGATED, True)],
    ids=["v2", "b30", "early"],
)
def test_ids_that_tell_the_time_of_the_start_wait_for_it(policy, begins):
    before = marks.snapshot()
    early = attrs.evolve(policy, early_start=EarlyStart.UNGATED)
    for played in scheduled(early, 1):
        assert played.run.status == "completed"
    assert ("run.begun_early" in marks.since(before)) == begins


# --- messages before their steps ------------------------------------------------------------------


def shares(policy: EnginePolicy, **options):
    """How many of the schedules end the run, and whether any meets a step that is not there."""
    before = marks.snapshot()
    ended = [
        played.run.status == "completed"
        for played in scheduled(policy, 2, shape=together, **options)
    ]
    return sum(ended) / len(ended), "start.before_creation" in marks.since(before)


def test_a_message_may_come_before_its_step():
    assert shares(FIXED, queue=RETENTION) == (1.0, False)
    assert shares(BESIDE, queue=RETENTION) == (1.0, True)


def test_who_takes_that_for_the_steps_end_loses_it():
    final = attrs.evolve(BESIDE, unstartable=Unstartable.FINAL)
    ended, met = shares(final, queue=RETENTION)
    assert ended < 1
    assert met
    assert shares(final) == (1.0, True), "a queue that forgets the key lets it be sent again"


def test_a_step_that_runs_inline_has_no_message():
    played = play(program(together), 3, policy=BESIDE)
    assert played.messages == {"flow": 3, "work#2": 1, "work#3": 1}
    assert played.bodies == {"work#1": 1, "work#2": 1, "work#3": 1}
