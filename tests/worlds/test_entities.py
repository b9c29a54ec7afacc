"""Hooks, waits, attributes and resilient starts in the atomic world (spec §1.2, §1.3, §2.5)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.engine import (
    AttrSet,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, HookNotFoundError, WorldError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, now

ONE, TWO = "wrun_1", "wrun_2"
HOOK = HookCreated("hook_1", "token", b"meta", is_webhook=True)
ENDS = [RunCompleted(b""), RunFailed(b"", "USER_ERROR"), RunCancelled()]


@pytest.fixture
def world():
    """Two runs that have been started."""
    made = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    for run in (ONE, TWO):
        now(made.create(run, RunStarted("order", b"in")))
    return made


def create(world, fact, run=ONE):
    return now(world.create(run, fact))


def types(world, run=ONE):
    return [event.type for event in world.logs[run]]


# --- hooks ------------------------------------------------------------------------------------


def test_a_live_hook_is_found_by_its_token(world):
    answer = create(world, HOOK)
    assert now(world.hook("token")) == answer.hook == world.hooks[ONE, "hook_1"]
    assert (answer.hook.run_id, answer.hook.metadata, answer.hook.is_webhook) == (
        ONE,
        b"meta",
        True,
    )


def test_payloads_are_in_the_log_only(world):
    row = create(world, HOOK).hook
    for payload in (b"one", b"two", b"two"):
        assert create(world, HookReceived("hook_1", "token", payload)).hook == row
    assert types(world)[-3:] == ["hook_received"] * 3
    assert world.logs[ONE][-1].fact.payload == b"two"


def test_a_taken_token_is_answered_with_a_conflict_that_names_its_owner(world):
    create(world, HOOK)
    before = marks.snapshot()
    answer = create(world, HookCreated("hook_9", "token"), TWO)
    assert answer.event.fact == HookConflict("hook_9", "token", ONE)
    assert (answer.event.type, answer.hook.status) == ("hook_conflict", "conflict")
    assert now(world.hook("token")).run_id == ONE
    assert marks.since(before) == {"hook.conflict": 1}


def test_a_hook_of_the_same_run_conflicts_with_its_sibling(world):
    create(world, HOOK)
    answer = create(world, HookCreated("hook_2", "token"))
    assert answer.event.fact == HookConflict("hook_2", "token", ONE)


def test_the_same_hook_again_is_refused_and_no_conflict(world):
    create(world, HOOK)
    with pytest.raises(EntityConflictError, match="hook_created refused: hook hook_1 is") as caught:
        create(world, HOOK)
    assert caught.value.reason == "exists"
    assert types(world).count("hook_created") == 1


def test_nothing_reaches_a_hook_that_lost_its_token(world):
    create(world, HOOK)
    create(world, HookCreated("hook_9", "token"), TWO)
    for fact in (HookReceived("hook_9", "token", b""), HookDisposed("hook_9", "token")):
        with pytest.raises(HookNotFoundError):
            create(world, fact, TWO)
    assert now(world.hook("token")).run_id == ONE


def test_disposal_frees_the_token_for_another_hook(world):
    create(world, HOOK)
    assert create(world, HookDisposed("hook_1", "token")).hook.status == "disposed"
    with pytest.raises(HookNotFoundError, match="'token'"):
        now(world.hook("token"))
    assert create(world, HookCreated("hook_9", "token"), TWO).hook.status == "live"
    assert now(world.hook("token")).run_id == TWO


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_run_frees_its_tokens_and_nobody_elses(world, end):
    create(world, HOOK)
    create(world, HookCreated("hook_2", "second"))
    create(world, HookCreated("hook_1", "theirs"), TWO)
    create(world, end)
    assert list(world.tokens) == ["theirs"]
    assert [row.status for row in world.hooks.values()] == ["disposed", "disposed", "live"]
    assert types(world)[-1] == end.type  # no hook_disposed of its own
    with pytest.raises(HookNotFoundError):
        create(world, HookReceived("hook_1", "token", b"late"))
    assert create(world, HookCreated("hook_8", "token"), TWO).hook.status == "live"


# --- waits ------------------------------------------------------------------------------------


def test_a_wait_is_kept_with_the_time_it_ends(world):
    answer = create(world, WaitCreated("wait_1", 9_000))
    assert (answer.wait.status, answer.wait.resume_at_ms) == ("waiting", 9_000)
    over = create(world, WaitCompleted("wait_1", 9_000))
    assert over.wait == world.waits[ONE, "wait_1"]
    assert (over.wait.status, over.wait.completed_at_ms) == ("completed", 1_000)


@pytest.mark.parametrize("end", ENDS)
def test_the_end_of_a_run_removes_its_waits_and_nobody_elses(world, end):
    create(world, WaitCreated("wait_1", 9_000))
    create(world, WaitCreated("wait_1", 9_000), TWO)
    create(world, end)
    assert list(world.waits) == [(TWO, "wait_1")]
    with pytest.raises(WorldError) as caught:
        create(world, WaitCompleted("wait_1"))
    assert caught.value.status == 404


# --- attributes -------------------------------------------------------------------------------


@pytest.mark.parametrize("correlation_id", ["attr_1", ""])
def test_attributes_are_in_the_log_only(world, correlation_id):
    before = dict(world.runs)
    answer = create(world, AttrSet(correlation_id, b"changes"))
    assert (answer.event.type, answer.event.correlation_id) == ("attr_set", correlation_id)
    assert (answer.step, answer.hook, answer.wait) == (None, None, None)
    assert world.runs == before


# --- starts that create -----------------------------------------------------------------------


def test_a_start_with_data_creates_the_run_it_does_not_find():
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    before = marks.snapshot()
    answer = create(world, RunStarted("order", b"in"))
    assert [event.fact for event in world.logs[ONE]] == [RunCreated("order", b"in"), RunStarted()]
    assert [event.position for event in world.logs[ONE]] == [1, 2]
    assert list(answer.preload) == world.logs[ONE]
    assert (answer.event, answer.run) == (world.logs[ONE][1], world.runs[ONE])
    assert (answer.run.status, answer.run.workflow_name, answer.run.input) == (
        "running",
        "order",
        b"in",
    )
    assert marks.since(before) == {"run.created_by_start": 1}
    with pytest.raises(EntityConflictError):
        create(world, RunCreated("order", b"in"))


def test_a_start_with_data_of_a_run_that_is_there_starts_it_and_forgets_the_data():
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    create(world, RunCreated("order", b"in"))
    create(world, RunStarted("order", b"in"))
    assert [event.fact for event in world.logs[ONE]] == [RunCreated("order", b"in"), RunStarted()]


def test_a_lazy_start_creates_its_step_in_one_event(world):
    answer = create(world, StepStarted("step_1", "work", input=b"in"))
    assert (answer.step.status, answer.step.attempt, answer.step.input) == ("running", 1, b"in")
    assert types(world)[-1] == "step_started"
    assert answer.event.fact.input == b"in"


# --- whatever is tried ------------------------------------------------------------------------


IDS, TOKENS = st.sampled_from(["id_1", "id_2"]), st.sampled_from(["token", "other"])
TRIES = st.tuples(
    st.sampled_from([ONE, TWO]),
    st.one_of(
        st.builds(HookCreated, IDS, TOKENS),
        st.builds(HookCreated, IDS, TOKENS),
        st.builds(HookReceived, IDS, TOKENS, st.just(b"")),
        st.builds(HookDisposed, IDS, TOKENS),
        st.builds(WaitCreated, IDS, st.integers(0, 9)),
        st.builds(WaitCompleted, IDS),
        st.sampled_from([RunCompleted(b""), RunCancelled(), AttrSet("", b"")]),
    ),
)


@given(st.lists(TRIES, max_size=30))
def test_a_token_has_one_owner_whatever_is_tried(tries):
    """Owners and open waits, told from the accepted events alone (I-06, I-08)."""
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile())
    for run in (ONE, TWO):
        create(world, RunStarted("order", b"in"), run)
    owners, waits = {}, {}
    for run, fact in tries:
        try:
            event = create(world, fact, run).event
        except WorldError:
            continue
        key = (run, event.correlation_id)
        if event.type == "hook_created":
            assert owners.setdefault(fact.token, key) == key
        elif event.type == "hook_conflict":
            assert owners[fact.token][0] == event.fact.conflicting_run_id
        elif event.type == "hook_received":
            assert key in owners.values()
        elif event.type == "hook_disposed":
            del owners[next(token for token, owner in owners.items() if owner == key)]
        elif event.type == "wait_created":
            assert waits.setdefault(key, "waiting") == "waiting"
        elif event.type == "wait_completed":
            assert waits[key] == "waiting"
            waits[key] = "completed"
        elif event.type != "attr_set":
            owners = {token: owner for token, owner in owners.items() if owner[0] != run}
            waits = {key: status for key, status in waits.items() if key[0] != run}
    live = {row.token: key for key, row in world.hooks.items() if row.status == "live"}
    assert live == owners
    assert {token: (row.run_id, row.correlation_id) for token, row in world.tokens.items()} == live
    assert {key: row.status for key, row in world.waits.items()} == waits


# --- cursors ----------------------------------------------------------------------------------


def test_the_cursor_of_an_answer_stands_right_behind_its_event(world):
    facts = [
        StepStarted("step_1", "work", input=b"in"),
        HOOK,
        WaitCreated("wait_1", 9_000),
        AttrSet("", b""),
        RunCompleted(b""),
    ]
    for fact in facts:
        cursor = create(world, fact).cursor
        assert list(now(world.events(ONE, cursor)).events) == []
        behind_the_one_before = str(int(cursor) - 1)
        assert [each.fact for each in now(world.events(ONE, behind_the_one_before)).events] == [
            fact
        ]
    assert create(world, RunStarted("order", b"in"), "wrun_3").cursor == "2"


def test_nothing_recorded_no_cursor(world):
    assert create(world, RunStarted()).cursor == ""


def test_the_last_page_may_come_without_a_cursor():
    profile = WorldProfile(page_max=2, last_cursor="null")
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=profile)
    create(world, RunStarted("order", b"in"))
    create(world, AttrSet("", b""))
    first = now(world.events(ONE))
    assert (len(first.events), first.cursor, first.has_more) == (2, "2", True)
    last = now(world.events(ONE, first.cursor))
    assert (len(last.events), last.cursor, last.has_more) == (1, None, False)
