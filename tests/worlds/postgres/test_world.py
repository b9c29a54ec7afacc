"""The repaired SQL world is the atomic world: in order, side by side, and in what it refuses."""

from __future__ import annotations

import itertools

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
from simworld.errors import EntityNotFoundError, HookNotFoundError, UsageError, WorldError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld, TableWitness
from tests.worlds.doubles import Clock, Ids, now
from tests.worlds.postgres.rig import APPEND, MERGED, REPAIRED, Rig
from tests.worlds.postgres.stepped import play

RUN_IDS = st.sampled_from(["r1", "r2"])
FACTS = st.sampled_from(
    [
        RunCreated("flow", b"in"),
        RunStarted(),
        RunStarted("flow", b"in"),
        RunCompleted(b"out"),
        RunFailed(b"error", "USER_ERROR"),
        RunCancelled(),
        StepCreated("s", "work", b"in"),
        StepStarted("s", "work"),
        StepStarted("s", "work", "me", 60_000, "lease_free"),
        StepStarted("u", "work", input=b"lazy"),
        StepCompleted("s", b"result"),
        StepFailed("s", b"error"),
        StepFailed("s", b"error", "me"),
        StepRetrying("s", b"error", 5_000),
        HookCreated("h", "t"),
        HookCreated("g", "t", b"meta", is_webhook=True),
        HookReceived("h", "t", b"payload"),
        HookDisposed("h", "t"),
        HookDisposed("g", "t"),
        WaitCreated("w", 5),
        WaitCompleted("w", 5),
        AttrSet("a", b"{}"),
    ]
)


def told(result):
    """What a caller can tell of an answer or a refusal, whatever the ids and positions are."""
    if isinstance(result, WorldError):
        return type(result), result.status, getattr(result, "reason", None)
    event = result.event
    told_event = None if event is None else (event.run_id, event.type, event.fact)
    preload = None if result.preload is None else [each.type for each in result.preload]
    return told_event, result.run, result.step, result.hook, result.wait, preload


async def attempts(storage, facts):
    """Record facts one after the other; what became of each."""
    results = []
    for run_id, fact in facts:
        try:
            results.append(told(await storage.create(run_id, fact)))
        except WorldError as refusal:
            results.append(told(refusal))
    return results


def unordered(results):
    """The same, whatever the order of a preload."""
    return [
        (*rest, sorted(preload) if isinstance(preload, list) else preload)
        for *rest, preload in results
    ]


def logs(state):
    return {run_id: [each.fact for each in log] for run_id, log in state.items()}


def atomic_world(facts):
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    return world, now(attempts(world, facts))


def rows(state):
    return state.runs, state.steps, state.hooks, state.waits


@given(st.lists(st.tuples(RUN_IDS, FACTS), max_size=25), st.sampled_from([REPAIRED, APPEND]))
def test_one_after_the_other_it_is_the_atomic_world(facts, profile):
    rig = Rig(profile)
    atomic, expected = atomic_world(facts)
    assert now(attempts(rig.world, facts)) == expected
    state = rig.state()
    assert rows(state) == rows(atomic)
    assert state.logs == atomic.logs


PREPARED = [("r1", RunCreated("flow", b"in")), ("r2", RunCreated("flow", b"in"))]
PREPARED += [
    ("r1", RunStarted()),
    ("r1", StepCreated("s", "work", b"")),
    ("r1", HookCreated("h", "t")),
]
SHORT = st.lists(st.tuples(RUN_IDS, FACTS), min_size=1, max_size=3)


@settings(max_examples=150)
@given(
    st.integers(0, len(PREPARED)),
    SHORT,
    SHORT,
    st.lists(st.integers(0, 1), max_size=60),
    st.sampled_from([REPAIRED, attrs.evolve(REPAIRED, pg_position="minted"), APPEND]),
    st.booleans(),
)
def test_side_by_side_it_is_the_atomic_world_in_some_order(
    prepared, first, second, order, profile, apart
):
    rig = Rig(profile)
    other = rig.storage(rig.stepped) if apart else rig.slow
    before = PREPARED[:prepared]
    now(attempts(rig.world, before))
    turns = iter(order)
    sessions = play(
        {"first": attempts(rig.slow, first), "second": attempts(other, second)},
        lambda count: next(turns, 0) % count,
    )
    state = rig.state()
    minted = profile.pg_position == "minted"
    compared = unordered if minted else list  # its logs are not in the order of the commits
    seen = [compared(sessions[each].result) for each in ("first", "second")]
    tried = len(first) + len(second)
    for places in itertools.combinations(range(tried), len(first)):
        queues = iter(first), iter(second)
        merged = [next(queues[each not in places]) for each in range(tried)]
        atomic, results = atomic_world(before + merged)
        results = results[prepared:]
        mine = [result for each, result in enumerate(results) if each in places]
        theirs = [result for each, result in enumerate(results) if each not in places]
        if (
            [compared(mine), compared(theirs)] == seen
            and rows(atomic) == rows(state)
            and (minted or logs(atomic.logs) == logs(state.logs))
        ):
            return
    raise AssertionError("no order of the creates explains what came of them")


def test_slots_are_dense_and_in_the_order_of_commits():
    rig = Rig(REPAIRED).given(RunCreated("flow", b""))
    sessions = {name: rig.creates(AttrSet(name, b"{}")) for name in "abc"}
    play(sessions, lambda count: count - 1)
    log = rig.state().logs["r1"]
    assert [event.position for event in log] == [1, 2, 3, 4]
    assert [event.correlation_id for event in log] == ["", "c", "b", "a"]


def test_pages_follow_each_other_by_their_cursors():
    facts = [RunCreated("flow", b""), *(AttrSet(name, b"{}") for name in "abcd")]
    rig = Rig(REPAIRED, page_max=2).given(*facts)
    pages, cursor = [], None
    while (page := now(rig.world.events("r1", cursor))).events:
        pages.append((len(page.events), page.has_more))
        cursor = page.cursor
    assert pages == [(2, True), (2, True), (1, False)]
    assert page.cursor is None
    assert now(rig.world.events("r9")).events == []


def test_the_last_page_may_have_no_cursor():
    rig = Rig(REPAIRED, page_max=1, last_cursor="null")
    rig.given(RunCreated("flow", b""), RunStarted())
    first = now(rig.world.events("r1"))
    assert (first.cursor, first.has_more) == ("1", True)
    assert now(rig.world.events("r1", first.cursor)).cursor is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.5", "²", "9" * 40, "1'; DROP TABLE runs"])
def test_a_cursor_that_nobody_gave_is_refused(cursor):
    with pytest.raises(UsageError, match="is not a cursor of this world"):
        now(Rig().world.events("r1", cursor))


@pytest.mark.parametrize("status", [409, 410])
def test_a_creation_after_the_end_is_answered_as_the_profile_says(status):
    for profile in (MERGED, REPAIRED, APPEND):
        rig = Rig(profile, terminal_create=str(status))
        rig.given(RunCreated("flow", b""), RunCancelled())
        with pytest.raises(WorldError) as refused:
            now(rig.world.create("r1", StepCreated("s", "work", b"")))
        assert refused.value.status == status


@pytest.mark.parametrize("profile", [MERGED, REPAIRED, APPEND])
@pytest.mark.parametrize("bad", ["", "a\0b", "a\nb", "\ud800", "x" * 2_000])
def test_bad_names_are_refused_before_anything_is_written(profile, bad):
    rig = Rig(profile).given(RunCreated("flow", b""))
    untouched = rig.state()
    for fact in (
        StepCreated(bad, "work", b""),
        StepCreated("s", bad, b""),
        HookCreated(bad, "t"),
        HookCreated("h", bad),
        WaitCreated(bad, 5),
    ):
        with pytest.raises(WorldError) as refused:
            now(rig.world.create("r1", fact))
        assert refused.value.status == 400
    for run_id, fact in ((bad, RunCreated("flow", b"")), (bad, RunStarted("flow", b""))):
        with pytest.raises(WorldError) as refused:
            now(rig.world.create(run_id, fact))
        assert refused.value.status == 400
    assert rig.state() == untouched


@pytest.mark.parametrize("bad", ["nobody", "a\0b", "\ud800"])
def test_what_never_got_in_is_merely_not_found(bad):
    """And what no server would take for a text is not even sent."""
    rig = Rig()
    world = rig.world if bad == "nobody" else rig.slow
    with pytest.raises(EntityNotFoundError):
        now(world.run(bad))
    with pytest.raises(HookNotFoundError):
        now(world.hook(bad))
    with pytest.raises(EntityNotFoundError):
        now(world.create(bad, StepCompleted(bad, b"")))
    assert not now(world.events(bad)).events


def test_the_runs_that_have_not_ended_are_listed():
    rig = Rig()
    for run_id in ("r3", "r1", "r2"):
        rig.given(RunCreated("flow", b""), run_id=run_id)
    rig.given(RunCancelled(), run_id="r2")
    assert now(rig.world.active_runs()) == ["r1", "r3"]


def test_the_harness_sees_each_event_with_its_rows_right_after_the_commit():
    rig, seen = Rig(), []

    witness = TableWitness(rig.memory)
    rig.memory.on_commit = lambda inserted: seen.extend(witness.published(inserted))
    facts = [
        RunStarted("flow", b"in"),
        StepCreated("s", "work", b""),
        StepStarted("s", "work"),
        HookCreated("h", "t"),
        WaitCreated("w", 5),
        AttrSet("a", b"{}"),
    ]
    answers = [now(rig.world.create("r1", fact)) for fact in facts]
    assert [event for event, _ in seen] == [
        *answers[0].preload,
        *(each.event for each in answers[1:]),
    ]
    for answer, (_, after) in zip(answers, seen[1:], strict=True):
        assert after == (answer.run, answer.step, answer.hook, answer.wait)
