"""``pg_writes=append``: one statement per commit, calls that go together, leaders that fail."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    HookCreated,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    IndefiniteFailure,
    RunExpiredError,
    UsageError,
    WorldError,
)
from simworld.worlds import TableWitness
from tests.worlds.doubles import now
from tests.worlds.postgres.rig import APPEND, MERGED, REPAIRED, Rig
from tests.worlds.postgres.stepped import Latch, Session, play

CREATED = RunCreated("flow", b"in")
STARTED = RunStarted()


def step(number):
    return StepCreated(f"s{number}", "work", b"")


def started(profile=APPEND):
    return Rig(profile).given(CREATED, STARTED)


def statements(rig):
    """What has been done so far, statement by statement."""
    done, rig.stepped.log = rig.stepped.log, []
    return done


def warm(rig):
    """A process that knows the run."""
    storage = rig.storage(rig.stepped)
    Session(storage.create("r1", WaitCreated("w0", 5))).finish()
    statements(rig)
    return storage


# --- what it costs --------------------------------------------------------------------------------


def test_whoever_knows_the_run_needs_one_statement():
    rig = started()
    storage = warm(rig)
    facts = [step(1), StepStarted("s1", "work"), StepCompleted("s1", b"1"), step(2)]
    answers = Session(storage.append("r1", facts, after=3)).finish()
    assert [each.event.position for each in answers] == [4, 5, 6, 7]
    assert [each.step.status for each in answers] == ["pending", "running", "completed", "pending"]
    last = Session(storage.append("r1", [WaitCompleted("w0"), RunCompleted(b"out")])).finish()[-1]
    assert last.run.output == b"out"
    assert statements(rig) == ["record", "end the run"]
    state = rig.state()
    assert state.runs["r1"] == last.run
    assert state.waits == {}
    assert state.steps["r1", "s1"] == answers[2].step


def test_a_stranger_reads_the_log_first():
    rig = started()
    Session(rig.storage(rig.stepped).create("r1", step(1))).finish()
    assert statements(rig) == ["read the log", "record"]


def test_a_run_is_opened_by_one_statement():
    rig = Rig(APPEND)
    answer = Session(rig.slow.create("r1", RunStarted("flow", b"in"))).finish()
    assert [each.type for each in answer.preload] == ["run_created", "run_started"]
    assert statements(rig) == ["read the log", "open the run"]


def test_the_end_lets_go_of_tokens_and_waits():
    rig = started().given(HookCreated("h", "t"), WaitCreated("w", 5))
    now(rig.world.create("r1", RunCancelled()))
    rig.given(CREATED, HookCreated("h", "t"), run_id="r2")
    state = rig.state()
    assert [each.status for each in state.hooks.values()] == ["disposed", "live"]
    assert state.waits == {}


# --- calls that go together -----------------------------------------------------------------------


def side_by_side(*coroutines):
    """Sessions of one process, each at its first point."""
    sessions = [Session(each) for each in coroutines]
    for each in sessions:
        each.step()
    return sessions


def test_calls_that_come_meanwhile_go_together_and_each_gets_its_answer():
    rig = started()
    storage = warm(rig)
    first, *others = side_by_side(
        storage.create("r1", step(1)),
        storage.create("r1", step(2)),
        storage.create("r1", StepCompleted("nobody", b"")),
        storage.append("r1", [step(3), step(2)]),
        storage.create("r1", step(4)),
    )
    assert all(isinstance(each.at, Latch) for each in others)
    first.finish()
    for each in others:
        each.step()
    results = [each.finish() for each in others]
    assert [each.event.position for each in (first.result, results[0], results[3])] == [4, 5, 6]
    assert [results[1].status, results[2].reason] == [404, "exists"]
    assert statements(rig) == ["record", "record"]
    assert set(rig.state().steps) == {("r1", "s1"), ("r1", "s2"), ("r1", "s4")}


def test_nobody_is_refused_by_what_was_read_before_the_call():
    rig = started().given(step(1))
    storage = warm(rig)
    rig.given(StepStarted("s1", "work"))
    answer = Session(storage.create("r1", StepCompleted("s1", b"1"))).finish()
    assert answer.step.status == "completed"
    assert statements(rig) == ["record", "read the log", "record"]


def test_what_comes_behind_an_end_is_refused_in_the_next_commit():
    rig = started()
    storage = warm(rig)
    first, end, late = side_by_side(
        storage.create("r1", step(1)),
        storage.create("r1", RunCompleted(b"")),
        storage.create("r1", StepStarted("s1", "work")),
    )
    first.finish()
    end.step()
    late.step()
    assert end.finish().run.status == "completed"
    late.step()
    assert isinstance(late.finish(), RunExpiredError)


@pytest.mark.parametrize("profile", [APPEND, REPAIRED])
def test_of_two_who_append_after_the_same_event_one_is_refused(profile):
    def both(rig):
        return {
            name: rig.storage(rig.stepped).append("r1", [step(number)], after=2)
            for number, name in enumerate("ab")
        }

    rig = started(profile)
    results = [each.result for each in play(both(rig), lambda count: count - 1).values()]
    (refusal,) = [each for each in results if isinstance(each, EntityConflictError)]
    assert refusal.reason == "moved"
    assert rig.types()[2:] == ["step_created"]


# --- leaders that fail ----------------------------------------------------------------------------


def failing(rig, error, *, done):
    """The next commit fails, after it was done or instead."""
    ask = rig.stepped.inner

    class Failing:
        def __getattr__(self, name):
            return getattr(ask, name)

        async def run(self, statement, **values):
            if statement.name != "record":
                return await ask.run(statement, **values)
            rig.stepped.inner = ask
            if done:
                await ask.run(statement, **values)
            raise error

    rig.stepped.inner = Failing()


@pytest.mark.parametrize("done", [True, False])
def test_who_went_with_a_leader_that_failed_is_recorded_once(done):
    rig = started()
    storage = warm(rig)
    waits, leads, follows = side_by_side(
        storage.create("r1", step(1)),
        storage.create("r1", step(2)),
        storage.append("r1", [step(3), StepStarted("s3", "work")]),
    )
    waits.finish()
    failing(rig, IndefiniteFailure("lost"), done=done)
    leads.step()
    follows.step()
    with pytest.raises(IndefiniteFailure):
        leads.finish()
    answers = follows.finish()
    assert [each.step.status for each in answers] == ["pending", "running"]
    types = rig.types()
    assert types.count("step_started") == 1
    assert types.count("step_created") == (3 if done else 2)
    assert [each.event for each in answers] == rig.state().logs["r1"][-2:]


def test_a_refusal_after_a_commit_in_doubt_promises_nothing():
    rig = started()
    storage = warm(rig)
    waits, leads, follows = side_by_side(
        storage.create("r1", WaitCreated("w1", 5)),
        storage.create("r1", step(1)),
        storage.create("r1", StepStarted("s1", "work")),
    )
    waits.finish()
    failing(rig, IndefiniteFailure("lost"), done=False)
    leads.step()
    follows.step()
    with pytest.raises(IndefiniteFailure):
        leads.finish()
    with pytest.raises(IndefiniteFailure, match="whether it was recorded is not known"):
        follows.finish()


def test_a_text_that_no_column_holds_is_its_own_callers_mistake():
    rig = started().given(step(1))
    storage = warm(rig)
    first, bad, good = side_by_side(
        storage.create("r1", step(2)),
        storage.create("r1", StepStarted("s1", "work", owner="a\0b")),
        storage.create("r1", step(3)),
    )
    first.finish()
    bad.step()
    good.step()
    assert bad.finish().status == 400
    assert good.finish().step.status == "pending"


# --- what cannot be -------------------------------------------------------------------------------


def test_a_world_without_slots_appends_nothing():
    with pytest.raises(UsageError, match="commits=each"):
        now(Rig(MERGED).world.append("r1", [step(1)]))


def test_positions_that_are_minted_cannot_be_compared():
    with pytest.raises(UsageError, match="pg_position=slots"):
        Rig(attrs.evolve(APPEND, pg_position="minted"))


# --- the end, and the harness ---------------------------------------------------------------------


@pytest.mark.parametrize("profile", [APPEND, REPAIRED, MERGED])
def test_whoever_waits_for_the_end_is_told(profile):
    rig = started(profile)
    waits = Session(rig.world.wait_end("r1", 60_000))
    waits.step()
    rig.given(step(1))
    assert waits.waits
    rig.given(RunCompleted(b""))
    assert not waits.waits
    waits.finish()
    now(rig.world.wait_end("r1", 60_000))


@pytest.mark.parametrize("profile", [APPEND, REPAIRED])
def test_the_harness_sees_each_event_of_a_commit_with_its_rows_right_after_it(profile):
    rig, seen = started(profile), []
    witness = TableWitness(rig.memory)
    rig.memory.on_commit = lambda inserted: seen.extend(witness.published(inserted))
    for facts in (
        [step(1), StepStarted("s1", "work"), WaitCreated("w", 5)],
        [WaitCompleted("w"), StepCompleted("s1", b"1"), RunCompleted(b"out")],
    ):
        answers = now(rig.world.append("r1", facts))
        told = [(each.event, (each.run, each.step, each.hook, each.wait)) for each in answers]
        if facts[-1].type == "run_completed":
            assert seen[0][1].wait is None  # it is gone by then
            told[0] = (told[0][0], seen[0][1])
        assert seen == told
        seen.clear()


def test_a_definite_failure_leaves_nobody_in_doubt():
    rig = started()
    storage = warm(rig)
    waits, leads, follows = side_by_side(
        storage.create("r1", WaitCreated("w1", 5)),
        storage.create("r1", step(1)),
        storage.create("r1", StepStarted("s1", "work")),
    )
    waits.finish()
    failing(rig, DefiniteFailure("away"), done=False)
    leads.step()
    follows.step()
    assert isinstance(leads.finish(), DefiniteFailure)
    assert isinstance(follows.finish(), WorldError)
