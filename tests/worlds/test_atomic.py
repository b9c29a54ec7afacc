"""The atomic world: rows and log move together or not at all, and reads are prefixes (spec §2)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import (
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFact,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    apply_run,
    apply_step,
)
from simworld.errors import EntityNotFoundError, UsageError, WorldError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, now

RUN = "wrun_1"
CREATED = RunCreated("order", b"in")


def made(*facts, clock=None, **profile):
    """A world in which these facts have been recorded."""
    world = AtomicWorld(clock=clock or Clock(), ids=Ids(), profile=WorldProfile(**profile))
    for fact in facts:
        now(world.create(RUN, fact))
    return world


def state(world):
    """Everything a world holds, as values."""
    return dict(world.runs), dict(world.steps), {key: list(log) for key, log in world.logs.items()}


def types(world, run_id=RUN):
    return [event.type for event in world.logs[run_id]]


# --- what is accepted -------------------------------------------------------------------------


def test_a_whole_run_leaves_rows_and_a_dense_log():
    clock = Clock()
    world = made(clock=clock)
    facts = [
        CREATED,
        RunStarted(),
        StepCreated("step_1", "work", b"in"),
        StepStarted("step_1", "work"),
        StepRetrying("step_1", b"why"),
        StepStarted("step_1", "work"),
        StepCompleted("step_1", b"out"),
        RunCompleted(b"done"),
    ]
    for fact in facts:
        clock.ms += 10
        now(world.create(RUN, fact))
    log = world.logs[RUN]
    assert [event.fact for event in log] == facts
    assert [event.position for event in log] == list(range(1, 9))
    assert [event.created_at_ms for event in log] == list(range(1_010, 1_090, 10))
    assert len({event.event_id for event in log}) == 8
    assert {event.run_id for event in log} == {RUN}
    assert [event.correlation_id for event in log] == ["", "", *["step_1"] * 5, ""]
    assert (world.runs[RUN].status, world.runs[RUN].output) == ("completed", b"done")
    step = world.steps[RUN, "step_1"]
    assert (step.status, step.attempt, step.retries) == ("completed", 2, 1)


def test_an_answer_holds_the_event_and_the_rows_right_after_it():
    world = made(CREATED, RunStarted(), StepCreated("step_1", "work", b"in"))
    answer = now(world.create(RUN, StepStarted("step_1", "work", "msg_1.1", 99)))
    assert answer.event == world.logs[RUN][-1]
    assert (answer.run, answer.step) == (world.runs[RUN], world.steps[RUN, "step_1"])
    assert (answer.step.attempt, answer.step.owner, answer.preload) == (1, "msg_1.1", None)


def test_run_started_preloads_the_log_once_and_is_then_accepted_without_event():
    world = made(CREATED)
    first = now(world.create(RUN, RunStarted()))
    assert list(first.preload) == world.logs[RUN]
    assert [event.type for event in first.preload] == ["run_created", "run_started"]
    before = state(world)
    again = now(world.create(RUN, RunStarted()))
    assert (again.event, again.preload, again.run.status) == (None, None, "running")
    assert state(world) == before


def test_a_preload_is_a_snapshot():
    world = made(CREATED)
    preload = now(world.create(RUN, RunStarted())).preload
    now(world.create(RUN, RunCancelled()))
    assert len(preload) == 2


def test_a_second_cancellation_is_recorded_again():
    world = made(CREATED, RunCancelled(), RunCancelled())
    assert types(world) == ["run_created", "run_cancelled", "run_cancelled"]


def test_a_straggling_completion_after_the_runs_end_is_recorded():
    start = StepStarted("step_1", "work")
    facts = [CREATED, RunStarted(), StepCreated("step_1", "work", b""), start, RunCompleted(b"")]
    world = made(*facts, StepCompleted("step_1", b"late"))
    assert types(world)[-2:] == ["run_completed", "step_completed"]
    assert world.steps[RUN, "step_1"].output == b"late"
    assert world.runs[RUN].output == b""


def test_runs_do_not_share_steps_or_positions():
    world = made(CREATED, RunStarted(), StepCreated("step_1", "work", b"one"))
    now(world.create("wrun_2", CREATED))
    now(world.create("wrun_2", StepCreated("step_1", "work", b"two")))
    assert [event.position for event in world.logs["wrun_2"]] == [1, 2]
    assert world.steps[RUN, "step_1"].input == b"one"
    assert world.steps["wrun_2", "step_1"].input == b"two"


# --- what is refused --------------------------------------------------------------------------


START = StepStarted("step_1", "work")
PENDING = [CREATED, RunStarted(), StepCreated("step_1", "work", b"in")]
LEASED = [*PENDING, StepStarted("step_1", "work", "msg_1.1", 60_000, "lease_free")]
REFUSED = {
    "run_created twice": ([CREATED], CREATED, 409),
    "run_started on nothing": ([], RunStarted(), 404),
    "run_completed on nothing": ([], RunCompleted(b""), 404),
    "run_started after the end": ([CREATED, RunCancelled()], RunStarted(), 410),
    "run_completed twice": ([CREATED, RunCompleted(b"")], RunCompleted(b"2"), 409),
    "run_failed after completion": ([CREATED, RunCompleted(b"")], RunFailed(b"", ""), 409),
    "run_cancelled after completion": ([CREATED, RunCompleted(b"")], RunCancelled(), 409),
    "step_created without run": ([], PENDING[2], 404),
    "step_created twice": (PENDING, PENDING[2], 409),
    "step_created after the end": ([CREATED, RunCancelled()], PENDING[2], 409),
    "step_started on nothing": ([CREATED], START, 404),
    "step_started too early": ([*PENDING, START, StepRetrying("step_1", b"", 9_000)], START, 425),
    "step_started after the end": ([*PENDING, RunCancelled()], START, 410),
    "step_started after its end": ([*PENDING, StepFailed("step_1", b"")], START, 409),
    "step_started while running": (
        [*PENDING, START],
        StepStarted("step_1", "work", admit="not_running"),
        409,
    ),
    "step_started while leased": (
        LEASED,
        StepStarted("step_1", "work", "msg_1.2", 60_000, "lease_free"),
        425,
    ),
    "step_completed on nothing": ([CREATED], StepCompleted("step_1", b""), 404),
    "step_completed twice": (
        [*PENDING, StepCompleted("step_1", b"1")],
        StepCompleted("step_1", b"2"),
        409,
    ),
    "step_failed after completion": (
        [*PENDING, StepCompleted("step_1", b"1")],
        StepFailed("step_1", b""),
        409,
    ),
    "step_failed by a former owner": (LEASED, StepFailed("step_1", b"", "msg_0.1"), 409),
    "step_retrying by a former owner": (LEASED, StepRetrying("step_1", b"", 0, "msg_0.1"), 409),
    "step_retrying after its end": (
        [*PENDING, StepFailed("step_1", b"1")],
        StepRetrying("step_1", b"2"),
        409,
    ),
}


@pytest.mark.parametrize(("facts", "fact", "status"), REFUSED.values(), ids=REFUSED)
def test_a_refusal_leaves_rows_and_log_untouched(facts, fact, status):
    world = made(*facts)
    before = state(world)
    with pytest.raises(WorldError) as caught:
        now(world.create(RUN, fact))
    assert caught.value.status == status
    assert state(world) == before


def test_a_refusal_uses_up_no_position():
    world = made(*PENDING)
    with pytest.raises(WorldError):
        now(world.create(RUN, PENDING[2]))
    assert now(world.create(RUN, START)).event.position == 4


STEPS = st.sampled_from(["step_1", "step_2"])
OWNERS = st.sampled_from(["", "a", "b"])
FACTS = st.one_of(
    st.sampled_from([CREATED, RunStarted(), RunStarted("order", b"other")]),
    st.builds(StepCreated, STEPS, st.just("work"), st.binary(max_size=1)),
    st.builds(
        StepStarted,
        STEPS,
        st.just("work"),
        OWNERS,
        st.integers(0, 3_000),
        st.sampled_from(["always", "not_running", "lease_free"]),
        st.sampled_from([b"", b"in"]),
    ),
    st.builds(StepRetrying, STEPS, st.binary(max_size=1), st.integers(0, 3_000), OWNERS),
    st.builds(StepFailed, STEPS, st.binary(max_size=1), OWNERS),
    st.builds(StepCompleted, STEPS, st.binary(max_size=1)),
    st.sampled_from([RunCompleted(b"x"), RunFailed(b"y", "USER_ERROR"), RunCancelled()]),
)


@given(st.lists(st.tuples(FACTS, st.integers(0, 400)), max_size=30))
def test_rows_are_what_the_log_says_whatever_is_tried(tries):
    """Any sequence of legal and illegal facts: the log alone explains the rows."""
    clock = Clock(0)
    world = made(clock=clock)
    for fact, passing_ms in [(CREATED, 0), *tries]:
        clock.ms += passing_ms
        before = state(world)
        try:
            answer = now(world.create(RUN, fact))
        except WorldError:
            assert state(world) == before
        else:
            grown = len(world.logs[RUN]) - len(before[2].get(RUN, []))
            assert grown == (answer.event is not None)
    run, steps = None, {}
    for position, event in enumerate(world.logs[RUN], start=1):
        assert event.position == position
        if isinstance(event.fact, RunFact):
            run = apply_run(run, RUN, event.fact, event.created_at_ms)
        else:
            key = (RUN, event.correlation_id)
            steps[key] = apply_step(steps.get(key), RUN, event.fact, event.created_at_ms)
    assert world.runs == {RUN: run}
    assert world.steps == steps


# --- reading ----------------------------------------------------------------------------------


def test_a_run_can_be_read_and_a_missing_one_is_404():
    world = made(CREATED)
    assert now(world.run(RUN)) == world.runs[RUN]
    with pytest.raises(EntityNotFoundError, match="wrun_2"):
        now(world.run("wrun_2"))


def long_log(page_max):
    facts = [StepCreated(f"step_{number}", "work", b"") for number in range(5)]
    return made(CREATED, RunStarted(), *facts, page_max=page_max)


@pytest.mark.parametrize("page_max", [1, 2, 3, 7, 8])
def test_pages_follow_one_another_without_gap_and_end(page_max):
    world = long_log(page_max)
    positions, cursor, reads = [], None, 0
    while True:
        reads += 1
        page = now(world.events(RUN, cursor))
        assert 1 <= len(page.events) <= page_max
        assert page.cursor is not None  # also on the last page
        positions += [event.position for event in page.events]
        assert page.has_more == (len(positions) < 7)
        cursor = page.cursor
        if not page.has_more:
            break
    assert positions == list(range(1, 8))
    assert reads == -(-7 // page_max)


def test_the_cursor_is_null_exactly_when_the_page_is_empty():
    world = long_log(10)
    first = now(world.events(RUN))
    assert first.cursor is not None
    last = now(world.events(RUN, first.cursor))
    assert (list(last.events), last.cursor, last.has_more) == ([], None, False)
    unknown = now(world.events("wrun_2"))
    assert (list(unknown.events), unknown.cursor, unknown.has_more) == ([], None, False)


def test_a_cursor_finds_what_was_appended_later():
    world = made(CREATED, RunStarted())
    cursor = now(world.events(RUN)).cursor
    now(world.create(RUN, StepCreated("step_1", "work", b"")))
    page = now(world.events(RUN, cursor))
    assert [event.type for event in page.events] == ["step_created"]
    assert page.cursor != cursor


def test_a_page_is_a_snapshot():
    world = made(CREATED)
    page = now(world.events(RUN))
    now(world.create(RUN, RunStarted()))
    assert len(page.events) == 1


@given(st.lists(st.booleans(), max_size=20), st.integers(1, 4))
def test_an_incremental_reader_sees_every_event_once_in_order(plan, page_max):
    """Reads and writes alternate as drawn; at the end the reader catches up."""
    world = made(CREATED, page_max=page_max)
    seen, cursor = [], None

    def read():
        nonlocal cursor
        page = now(world.events(RUN, cursor))
        seen.extend(event.position for event in page.events)
        cursor = page.cursor or cursor
        return page.has_more

    for number, writes in enumerate(plan):
        if writes:
            now(world.create(RUN, StepCreated(f"step_{number}", "work", b"")))
        else:
            read()
    while read():
        pass
    assert seen == list(range(1, len(world.logs[RUN]) + 1))


@pytest.mark.parametrize("cursor", ["", "-1", "last", "1.5", "evnt_1"])
def test_a_cursor_of_another_world_is_refused(cursor):
    world = made(CREATED)
    with pytest.raises(UsageError, match="is not a cursor of this world"):
        now(world.events(RUN, cursor))


# --- several facts in one commit ----------------------------------------------------------------

BATCH = [StepCreated("step_2", "work", b""), StepStarted("step_2", "work")]


def test_an_append_is_what_creates_one_after_the_other_would_be():
    together, apart = made(*PENDING), made(*PENDING)
    answers = now(together.append(RUN, [*BATCH, RunCompleted(b"")], after=3))
    assert list(answers) == [now(apart.create(RUN, each)) for each in [*BATCH, RunCompleted(b"")]]
    assert state(together) == state(apart)


@pytest.mark.parametrize(
    ("facts", "after", "status"),
    [
        ([*BATCH, StepCreated("step_1", "work", b"")], None, 409),
        ([START, StepCompleted("step_1", b"1"), StepFailed("step_1", b"2")], None, 409),
        ([START, StepStarted("step_9", "work"), RunCompleted(b"")], None, 404),
        ([START, StepCreated("", "work", b"")], None, 400),
        ([START], 2, 409),
        ([START], 4, 409),
    ],
)
def test_a_refused_append_leaves_rows_and_log_untouched(facts, after, status):
    world = made(*PENDING)
    before = state(world)
    with pytest.raises(WorldError) as caught:
        now(world.append(RUN, facts, after=after))
    assert caught.value.status == status
    assert state(world) == before


@pytest.mark.parametrize("facts", [[], [CREATED], [RunCompleted(b""), START], [RunCancelled()]])
def test_what_cannot_be_appended_is_a_mistake(facts):
    with pytest.raises(UsageError, match=r"give at least one|create it|append it last"):
        now(made(*PENDING).append(RUN, facts))
