"""The holes of the merge era, each in every order of its statements: open, and closed.

A race is played exhaustively.  With the faulty value of its knob the right outcome is missed in
some order; with the fixed value it is met in all of them.
"""

from __future__ import annotations

import contextlib

import attrs
import pytest

from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, WorldError
from tests.worlds.doubles import now
from tests.worlds.postgres.rig import APPEND, MERGED, REPAIRED, Rig, outcomes
from tests.worlds.postgres.stepped import Session

CREATED = RunCreated("flow", b"in")
STARTED = RunStarted()
STEP = StepCreated("s", "work", b"")
HOOK = HookCreated("h", "t")
WAIT = WaitCreated("w", 5)


def knobs(profile, **new):
    return attrs.evolve(profile, **new)


def race(**sessions):
    """Named sessions, each the facts it records one after the other."""
    return lambda rig: {name: rig.creates(*facts) for name, facts in sessions.items()}


def given(*facts):
    return lambda rig: rig.given(*facts)


def check(hole, *, open_with, closed_with):
    """The hole is there with one profile, and with the others it is not."""
    orders, held = outcomes(open_with, *hole)
    assert held < orders
    for each in closed_with:
        orders, held = outcomes(each, *hole)
        assert held == orders > 1


def test_r30_a_token_has_one_owner():
    def prepare(rig):
        return rig.given(CREATED).given(CREATED, run_id="r2")

    def both(rig):
        return {run_id: rig.creates(HOOK, run_id=run_id) for run_id in ("r1", "r2")}

    def one_owner(rig, _):
        rows = rig.state().hooks.values()
        return sorted(row.status for row in rows) == ["conflict", "live"] and (
            sorted(rig.types("r1") + rig.types("r2"))[:2] == ["hook_conflict", "hook_created"]
        )

    check(
        (prepare, both, one_owner),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_unique_tokens=True), REPAIRED, APPEND],
    )
    check(
        (prepare, both, one_owner),
        open_with=knobs(REPAIRED, pg_unique_tokens=False),
        closed_with=[knobs(REPAIRED, pg_position="minted")],
    )


@pytest.mark.parametrize("fact", [STEP, HOOK])
def test_r55_an_entity_is_created_once(fact):
    def one_creation(rig, _):
        return rig.types().count(fact.type) == 1

    check(
        (given(CREATED), race(a=[fact], b=[fact]), one_creation),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_unique_creations=True), REPAIRED, APPEND],
    )


def test_r59_a_run_is_created_once():
    def one_creation(rig, _):
        return rig.types().count("run_created") == 1

    check(
        (given(), race(a=[CREATED], b=[RunStarted("flow", b"in")]), one_creation),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_run_conflict=True), REPAIRED, APPEND],
    )


def test_r60_a_cancelled_run_stays_cancelled():
    def cancelled(rig, _):
        return rig.state().runs["r1"].status == "cancelled"

    check(
        (given(CREATED), race(a=[STARTED], b=[RunCancelled()]), cancelled),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_guarded_start=True), REPAIRED, APPEND],
    )


def test_r60_a_run_starts_once():
    def one_start(rig, _):
        return rig.types().count("run_started") == 1

    check(
        (given(CREATED), race(a=[STARTED], b=[STARTED]), one_start),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_guarded_start=True), REPAIRED, APPEND],
    )


def last(event_type):
    """No event comes after the one of that type."""
    return lambda rig, _: rig.types()[-1] == event_type


HOOKED = (CREATED, STARTED, HOOK)
RECEIVED = HookReceived("h", "t", b"payload")


def test_r26_no_payload_comes_after_the_disposal():
    check(
        (given(*HOOKED), race(a=[RECEIVED], b=[HookDisposed("h", "t")]), last("hook_disposed")),
        open_with=knobs(MERGED, pg_position="slots"),
        closed_with=[REPAIRED, APPEND],
    )


def test_r31_no_payload_comes_after_the_end():
    check(
        (given(*HOOKED), race(a=[RECEIVED], b=[RunCompleted(b"")]), last("run_completed")),
        open_with=knobs(MERGED, pg_position="slots"),
        closed_with=[REPAIRED, APPEND],
    )


def test_r54_no_start_comes_after_the_end_of_its_step():
    start = StepStarted("s", "work")
    check(
        (
            given(CREATED, STARTED, STEP, start),
            race(a=[start], b=[StepCompleted("s", b"")]),
            last("step_completed"),
        ),
        open_with=knobs(MERGED, pg_position="slots"),
        closed_with=[REPAIRED, APPEND],
    )


def test_r45_whoever_reads_on_from_a_cursor_misses_nothing():
    async def reads_on(rig):
        seen, cursor = [], None
        for _ in range(3):
            page = await rig.slow.events("r1", cursor)
            seen += page.events
            cursor = page.cursor or cursor
        return seen

    def both_and_a_reader(rig):
        return {
            "a": rig.creates(AttrSet("s", b"{}")),
            "b": rig.creates(AttrSet("u", b"{}")),
            "reader": reads_on(rig),
        }

    def misses_nothing(rig, sessions):
        seen = sessions["reader"].result
        log = rig.state().logs["r1"]
        return seen == log[: len(seen)]

    hole = (given(CREATED), both_and_a_reader, misses_nothing)
    for writes in ("autocommit", "transaction"):
        orders, held = outcomes(knobs(MERGED, pg_writes=writes), *hole)
        assert 0 < held < orders
        orders, held = outcomes(knobs(MERGED, pg_writes=writes, pg_position="slots"), *hole)
        assert held == orders > 100


# --- what its conditions hold even as merged ------------------------------------------------------


@pytest.mark.parametrize("profile", [MERGED, REPAIRED])
@pytest.mark.parametrize(
    ("before", "fact"),
    [
        ([], RunCompleted(b"")),
        ([HOOK], HookDisposed("h", "t")),
        ([WAIT], WaitCompleted("w")),
        ([STEP], StepCompleted("s", b"")),
        ([], StepStarted("s", "work", input=b"lazy")),
        ([], WAIT),
    ],
)
def test_of_two_who_do_the_same_thing_one_is_refused(profile, before, fact):
    def one_refused(rig, sessions):
        refused = [each for each in sessions.values() if isinstance(each.result, WorldError)]
        return len(refused) == 1 and rig.types().count(fact.type) == 1

    orders, held = outcomes(
        profile, given(CREATED, STARTED, *before), race(a=[fact], b=[fact]), one_refused
    )
    assert held == orders > 1


def test_the_unique_index_answers_for_a_wait_whose_row_is_gone():
    """The run's end deletes the row of a wait; then only the log knows that it was created."""

    def refused(rig, sessions):
        return isinstance(sessions["b"].result, EntityConflictError)

    check(
        (given(CREATED, STARTED, WAIT), race(a=[RunCompleted(b"")], b=[WAIT]), refused),
        open_with=MERGED,
        closed_with=[knobs(MERGED, pg_unique_creations=True), REPAIRED, APPEND],
    )


@pytest.mark.parametrize("profile", [MERGED, REPAIRED])
@pytest.mark.parametrize("said", [StepFailed("s", b"", "you"), StepRetrying("s", b"", 0, "you")])
def test_only_the_owner_of_the_latest_start_tells_of_a_failure(profile, said):
    rig = Rig(profile).given(CREATED, STARTED, STEP, StepStarted("s", "work", "me"))
    with pytest.raises(EntityConflictError) as refused:
        rig.given(said)
    assert refused.value.reason == "not_owner"
    rig.given(attrs.evolve(said, owner="me"))


SLEPT = (CREATED, STARTED, WAIT)


def crashed(rig, fact, statements):
    """The process dies when it has done so many statements (a commit is one)."""
    session = Session(rig.creates(fact))
    for _ in range(statements + 1):
        if session.is_over:
            return False
        session.step()
    rig.memory.abandon(None)
    session.coroutine.close()
    return not session.is_over


@pytest.mark.parametrize("profile", [MERGED, REPAIRED])
def test_r36_a_wait_that_is_completed_has_its_event(profile):
    """As merged a crash leaves the row without its event, and nobody can ever write it."""
    livelocks = statements = 0
    while crashed(rig := Rig(profile).given(*SLEPT), WaitCompleted("w"), statements):
        statements += 1
        with contextlib.suppress(EntityConflictError):
            rig.given(WaitCompleted("w"))
        livelocks += "wait_completed" not in rig.types()
    assert statements == (3 if profile is MERGED else 5)
    assert livelocks == (1 if profile is MERGED else 0)


RESERVED = knobs(REPAIRED, pg_position="reserved")


def test_r58_a_reserved_position_is_filled_or_free():
    """Autocommit: who dies behind the reservation leaves a hole that readers never get past."""
    for profile, statements_max, holes_max in (
        (knobs(RESERVED, pg_writes="autocommit"), 3, 1),
        (RESERVED, 4, 0),
        (knobs(REPAIRED, pg_writes="autocommit"), 2, 0),
    ):
        holes = statements = 0
        while crashed(rig := Rig(profile).given(CREATED, STARTED), AttrSet("a", b""), statements):
            statements += 1
            rig.given(AttrSet("b", b""))
            seen = now(rig.world.events("r1")).events
            holes += [event.type for event in seen] != rig.types()
        assert (statements, holes) == (statements_max, holes_max)


def test_r58_a_reader_stops_at_a_hole_until_it_is_filled():
    rig = Rig(knobs(RESERVED, pg_writes="autocommit")).given(CREATED)
    late = Session(rig.creates(AttrSet("late", b"")))
    while rig.memory.peek("runs", ("r1",))["last_position"] < 2:
        late.step()
    rig.given(STARTED)
    page = now(rig.world.events("r1"))
    assert [event.position for event in page.events] == [1]
    assert not now(rig.world.events("r1", page.cursor)).events
    while not late.is_over:
        late.step()
    behind = now(rig.world.events("r1", page.cursor))
    assert [event.position for event in behind.events] == [2, 3]
