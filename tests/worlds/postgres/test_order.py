"""What one create consists of: the statements of spec §2.2 in order, and the repaired form."""

from __future__ import annotations

import pytest

from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from tests.worlds.postgres.rig import MERGED, REPAIRED, Rig
from tests.worlds.postgres.stepped import Session

CREATED = RunCreated("flow", b"in")
STARTED = RunStarted()
STEP = StepCreated("s", "work", b"")
HOOK = HookCreated("h", "t")
WAIT = WaitCreated("w", 5)
ENDED = ["end the run", "release the run's tokens", "delete the run's waits"]

MERGED_FORM = [
    ((), CREATED, ["add the run"]),
    (
        (),
        RunStarted("flow", b"in"),
        ["read the run", "begin", "add the run", "publish the event", "commit", "start the run"],
    ),
    ((CREATED,), STARTED, ["read the run", "start the run"]),
    ((CREATED,), RunCompleted(b""), ["read the run", *ENDED]),
    ((CREATED,), RunFailed(b"", "USER_ERROR"), ["read the run", *ENDED]),
    ((CREATED,), RunCancelled(), ["read the run", *ENDED]),
    ((CREATED,), STEP, ["read the run", "add the step"]),
    (
        (CREATED, STEP),
        StepStarted("s", "work"),
        ["read the run", "read the step", "start the step"],
    ),
    (
        (CREATED,),
        StepStarted("s", "work", input=b"lazy"),
        ["read the run", "read the step", "add the step"],
    ),
    ((CREATED, STEP), StepCompleted("s", b""), ["end the step"]),
    ((CREATED, STEP), StepFailed("s", b""), ["read the run", "end the step"]),
    ((CREATED, STEP), StepRetrying("s", b""), ["read the step", "put the step back"]),
    ((CREATED,), HOOK, ["read the run", "find the owner of the token", "add the hook"]),
    ((CREATED, HOOK), HookReceived("h", "t", b""), ["read the run", "read the hook"]),
    ((CREATED, HOOK), HookDisposed("h", "t"), ["read the hook", "dispose of the hook"]),
    ((CREATED,), WAIT, ["read the run", "add the wait"]),
    ((CREATED, WAIT), WaitCompleted("w"), ["read the run", "complete the wait"]),
    ((CREATED,), AttrSet("a", b"{}"), ["read the run"]),
]

ENTITY = {"step": ["read the step"], "hook": ["read the hook"], "wait": ["read the wait"]}


@pytest.mark.parametrize(("before", "fact", "statements"), MERGED_FORM)
def test_as_merged_each_statement_is_a_transaction_of_its_own(before, fact, statements):
    rig = Rig(MERGED).given(*before)
    session = Session(rig.creates(fact))
    session.finish()
    preload = ["read the log"] if fact.type == "run_started" else []
    assert rig.stepped.log == [*statements, "publish the event", *preload]
    assert rig.types()[-1] == fact.type


@pytest.mark.parametrize(("before", "fact", "statements"), MERGED_FORM)
def test_repaired_one_transaction_locks_the_run_first(before, fact, statements):
    rig = Rig(REPAIRED).given(*before)
    Session(rig.creates(fact)).finish()
    begin, lock, *rest, commit = rig.stepped.log
    assert [begin, lock, commit] == ["begin", "lock the run", "commit"]
    assert rest[: len(ENTITY.get(fact.type[:4], []))] == ENTITY.get(fact.type[:4], [])
    assert [each for each in rest if each.startswith("publish")]
    changes = [each for each in statements if each.split()[0] in ("add", "end", "delete")]
    assert [each for each in rest if each in changes] == changes


@pytest.mark.parametrize(("before", "fact", "statements"), MERGED_FORM)
def test_repaired_a_process_that_dies_anywhere_has_done_all_or_nothing(before, fact, statements):
    """And nothing it has locked stays locked: the same create goes through afterwards."""
    died = 0
    while True:
        rig = Rig(REPAIRED).given(*before)
        untouched = rig.state()
        session = Session(rig.creates(fact))
        for _ in range(died + 1):
            session.step()
        if session.is_over:
            break
        rig.memory.abandon(None)
        session.coroutine.close()
        assert rig.state() == untouched
        rig.given(fact)
        assert rig.types()[-1] == fact.type
        died += 1
    assert died == len([each for each in rig.stepped.log if each != "begin"])


@pytest.mark.parametrize(("before", "fact", "statements"), MERGED_FORM)
def test_every_statement_names_the_rows_it_touches(before, fact, statements):
    for profile in (MERGED, REPAIRED):
        rig = Rig(profile).given(*before)
        ran = []
        rig.stepped.on_run = lambda statement, values, ran=ran: ran.append((statement, values))
        Session(rig.creates(fact)).finish()
        for statement, values in ran:
            touched = statement.touches(values)
            assert touched, statement.name
            assert all("r1" in name or name == "token t" for name in touched)
            writes = not statement.sql.startswith("SELECT") or "FOR UPDATE" in statement.sql
            assert any(touched.values()) == writes
