"""Positions that are minted before the event is visible (``log_position=mint_at_start``, R-45)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.engine import (
    RunCreated,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepStarted,
)
from simworld.errors import EntityConflictError, InternalError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, Timeline, now

RUN = "wrun_1"


class Writer:
    """A create that is held where its position is minted and nothing is visible yet."""

    def __init__(self, world, fact):
        self._call = world.create(RUN, fact)
        self._call.send(None)

    def publish(self):
        try:
            self._call.send(None)
        except StopIteration as stop:
            return stop.value
        raise AssertionError("it waited again")


def minting(*facts, clock=None, **profile):
    """A world that mints at the start, with these facts recorded."""
    line = Timeline()
    world = AtomicWorld(
        clock=clock or line,
        ids=Ids(),
        profile=WorldProfile(log_position="mint_at_start", **profile),
        tasks=line,
    )
    for fact in facts:
        Writer(world, fact).publish()
    return world


def step(number):
    return StepCreated(f"step_{number}", "work", b"")


def positions(world):
    return [event.position for event in world.logs[RUN]]


def test_nothing_is_visible_until_it_is_published():
    world = minting(RunCreated("order", b""))
    writer = Writer(world, step(1))
    assert (positions(world), dict(world.steps)) == ([1], {})
    answer = writer.publish()
    assert (answer.event.position, positions(world)) == (2, [1, 2])
    assert world.steps[RUN, "step_1"] == answer.step


def test_a_reader_that_has_read_on_never_gets_the_late_one():
    world = minting(RunCreated("order", b""))
    before = marks.snapshot()
    late, quick = Writer(world, step(1)), Writer(world, step(2))
    quick.publish()
    page = now(world.events(RUN))
    assert [event.position for event in page.events] == [1, 3]
    late.publish()
    assert positions(world) == [1, 2, 3]
    assert list(now(world.events(RUN, page.cursor)).events) == []
    assert [event.position for event in now(world.events(RUN)).events] == [1, 2, 3]
    assert marks.since(before) == {"event.behind_others": 1}


def test_id_and_time_are_those_of_the_start():
    clock = Clock(1_000)
    world = minting(clock=clock)
    late = Writer(world, RunCreated("order", b""))
    clock.ms = 5_000
    answer = late.publish()
    assert answer.event.created_at_ms == answer.run.created_at_ms == 1_000
    assert answer.event.event_id == "evnt_1"


def test_checks_are_made_when_the_event_is_published():
    """Two creations of one step: both have a position, the second to be published is refused."""
    world = minting(RunCreated("order", b""))
    first, second = Writer(world, step(1)), Writer(world, step(1))
    second.publish()
    with pytest.raises(EntityConflictError):
        first.publish()
    assert positions(world) == [1, 3]  # the refused one has left a gap
    assert Writer(world, step(2)).publish().event.position == 4


def test_pages_go_on_behind_the_cursor_whatever_gaps_there_are():
    world = minting(RunCreated("order", b""), step(1), page_max=3)
    for number in (1, 2):
        with pytest.raises(EntityConflictError):
            Writer(world, step(1)).publish()
        Writer(world, step(number * 10)).publish()
    seen, cursor = [], None
    while True:
        page = now(world.events(RUN, cursor))
        seen += [event.position for event in page.events]
        cursor = page.cursor
        if not page.has_more:
            break
    assert seen == positions(world) == [1, 2, 4, 6]


def test_a_start_that_creates_its_run_comes_behind_the_creation():
    world = minting()
    late = Writer(world, RunCreated("order", b"in"))
    answer = Writer(world, RunStarted("order", b"in")).publish()
    assert [event.type for event in world.logs[RUN]] == ["run_created", "run_started"]
    assert positions(world) == [2, 3]
    assert list(answer.preload) == world.logs[RUN]
    with pytest.raises(EntityConflictError):
        late.publish()


def test_nothing_comes_before_the_creation_of_its_run():
    """The first handler may be on its way to the world before the client's run_created is."""
    world = minting()
    start = Writer(world, RunStarted("order", b"in"))
    Writer(world, RunCreated("order", b"in")).publish()
    start.publish()
    assert [event.type for event in world.logs[RUN]] == ["run_created", "run_started"]
    assert positions(world) == [2, 3]


def test_a_commit_without_a_coroutine_mints_and_publishes_at_once():
    world = minting(RunCreated("order", b""))
    late = Writer(world, step(1))
    assert world.commit(RUN, step(2)).event.position == 3
    assert late.publish().event.position == 2


def test_a_world_without_tasks_cannot_let_others_in():
    profile = WorldProfile(log_position="mint_at_start")
    world = AtomicWorld(clock=Clock(), ids=Ids(), profile=profile)
    with pytest.raises(InternalError, match="needs tasks"):
        now(world.create(RUN, RunCreated("order", b"")))


@given(st.lists(st.integers(0, 4), max_size=25))
def test_the_log_is_always_sorted_and_says_what_the_rows_say(plan):
    """Writers of one step start and publish in any order; draws pick the next to publish."""
    world = minting(RunCreated("order", b""), StepCreated("step_1", "work", b""))
    open_, published = [], []
    for draw in plan:
        if draw >= len(open_):
            done = draw == 4
            fact = StepCompleted("step_1", b"") if done else StepStarted("step_1", "work")
            open_.append(Writer(world, fact))
            continue
        try:
            published.append(open_.pop(draw).publish().event.position)
        except EntityConflictError:
            assert world.steps[RUN, "step_1"].status == "completed"
    assert positions(world) == sorted([1, 2, *published])
    types = [event.type for event in world.logs[RUN]]
    assert world.steps[RUN, "step_1"].attempt == types.count("step_started")
    assert types.count("step_completed") <= 1
