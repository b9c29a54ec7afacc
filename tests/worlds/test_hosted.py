"""The hosted world: the atomic world's answers, unless a replica gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import (
    HookCreated,
    RunCompleted,
    RunCreated,
    RunStarted,
    RunStatus,
    StepCreated,
    StepStarted,
    WaitCreated,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    UsageError,
    WorldError,
)
from simworld.ports import Replica
from simworld.records import HostedProfile, WorldProfile
from simworld.worlds import AtomicWorld, HostedStreams, HostedWorld, MemoryStreams
from tests.worlds.doubles import Clock, Ids, Timeline, now

RUN = "wrun_1"
FACTS = (
    RunCreated("flow", b"in"),
    RunStarted(),
    StepCreated("step_1", "work", b""),
    HookCreated("hook_1", "order-7"),
    StepStarted("step_1", "work"),
    WaitCreated("wait_1", 5_000),
    StepStarted("step_2", "work"),  # refused: there is none
    RunCompleted(b"out"),
    RunCompleted(b"again"),  # refused: it has ended
)
APPENDED = [StepCreated("step_8", "work", b""), StepStarted("step_8", "work")]


class DirectWire:
    """``ports.Wire`` without a way to go; reads are answered by ``replica``."""

    def __init__(self):
        self.replica = Replica()
        self.requests = []

    async def call(self, request, perform):
        self.requests.append(request)
        return await perform(self.replica)


class Rig:
    def __init__(self, *, lag_max=3, page_max=1_000):
        profile = WorldProfile(page_max=page_max)
        self.server = AtomicWorld(clock=Clock(), ids=Ids(), profile=profile)
        self.wire = DirectWire()
        self.world = HostedWorld(
            self.wire, server=self.server, profile=HostedProfile(lag_max=lag_max)
        )

    def records(self, *facts):
        for fact in facts:
            now(self.world.create(RUN, fact))
        return self

    def positions(self, *, lag=0, hole=0, cursor=None):
        """(positions, cursor, whether there is more) of a page."""
        self.wire.replica = Replica(lag, hole)
        page = now(self.world.events(RUN, cursor))
        return [event.position for event in page.events], page.cursor, page.has_more

    def status(self, lag):
        self.wire.replica = Replica(lag)
        return now(self.world.run(RUN)).status


def answer(coroutine):
    """What a call came to, errors included."""
    try:
        return now(coroutine)
    except WorldError as error:
        return type(error), str(error)


def test_without_replicas_every_answer_is_the_atomic_worlds():
    hosted = Rig(page_max=3).world
    atomic = AtomicWorld(clock=Clock(), ids=Ids(), profile=WorldProfile(page_max=3))
    for fact in FACTS:
        for call in (
            lambda world, fact=fact: world.create(RUN, fact),
            lambda world: world.run(RUN),
            lambda world: world.events(RUN),
            lambda world: world.events(RUN, "2"),
            lambda world: world.append(RUN, APPENDED),
            lambda world: world.append(RUN, APPENDED, after=3),
            lambda world: world.hook("order-7"),
            lambda world: world.active_runs(),
        ):
            assert answer(call(hosted)) == answer(call(atomic))


def test_what_is_not_there_is_not_there_on_a_replica_either():
    rig = Rig()
    rig.wire.replica = Replica(lag=2)
    with pytest.raises(EntityNotFoundError):
        now(rig.world.run(RUN))
    assert rig.positions(lag=2) == ([], None, False)
    with pytest.raises(HookNotFoundError):
        now(rig.world.hook("order-7"))
    with pytest.raises(UsageError):
        now(rig.world.events(RUN, "no cursor"))


# --- lag ----------------------------------------------------------------------------------------


def test_a_replica_shows_the_row_and_the_log_of_an_earlier_commit():
    rig = Rig().records(*FACTS[:2])
    assert [rig.status(lag) for lag in (0, 1)] == [RunStatus.RUNNING, RunStatus.PENDING]
    rig.records(*FACTS[2:5])
    assert rig.positions() == ([1, 2, 3, 4, 5], "5", False)
    assert rig.positions(lag=2) == ([1, 2, 3], "3", False)


def test_a_runs_first_commit_is_everywhere():
    rig = Rig().records(FACTS[0])
    assert rig.positions(lag=3) == ([1], "1", False)
    other = Rig().records(RunStarted("flow", b"in"))  # it creates the run, in the same commit
    assert other.positions(lag=1) == ([1, 2], "2", False)


def test_no_replica_lags_further_than_the_profile_says():
    rig = Rig(lag_max=2).records(*FACTS[:6])
    assert rig.positions(lag=2) == rig.positions(lag=9) == ([1, 2, 3, 4], "4", False)


def test_refused_and_idle_creates_are_no_commits():
    rig = Rig().records(*FACTS[:3])
    now(rig.world.create(RUN, RunStarted()))  # it runs already: nothing is recorded
    with pytest.raises(EntityConflictError):
        rig.records(FACTS[2])
    assert rig.positions(lag=1) == ([1, 2], "2", False)


def test_an_append_is_one_commit_and_one_request():
    rig = Rig().records(*FACTS[:2])
    now(rig.world.append(RUN, APPENDED, after=2))
    assert rig.positions(lag=1) == ([1, 2], "2", False)
    assert rig.positions() == ([1, 2, 3, 4], "4", False)
    asked = next(each for each in rig.wire.requests if each.verb == "append")
    assert (asked.run_id, asked.facts, asked.writes) == (RUN, tuple(APPENDED), True)
    with pytest.raises(EntityConflictError):  # as when an answer was lost, and it is sent again
        now(rig.world.append(RUN, APPENDED))
    assert rig.positions(lag=1) == ([1, 2], "2", False)


def test_a_reader_ahead_of_a_replica_sees_nothing_new_and_loses_nothing():
    rig = Rig().records(*FACTS[:5])
    assert rig.positions(lag=2, cursor="4") == ([], None, False)
    assert rig.positions(cursor="4") == ([5], "5", False)


def test_creates_and_tokens_are_never_stale():
    rig = Rig().records(*FACTS[:4])
    rig.wire.replica = Replica(lag=3, hole=1)
    assert now(rig.world.hook("order-7")).correlation_id == "hook_1"
    with pytest.raises(EntityConflictError):
        rig.records(FACTS[2])


# --- holes --------------------------------------------------------------------------------------


def test_a_hole_is_passed_by_the_cursor_of_the_last_event_shown():
    rig = Rig().records(*FACTS[:5])
    assert rig.positions(hole=2) == ([1, 2, 3, 5], "5", False)
    assert rig.positions(cursor="5") == ([], None, False)  # so event 4 is never seen
    rig.records(FACTS[5])
    assert rig.positions(hole=3, cursor="2") == ([3, 5, 6], "6", False)
    assert rig.positions(hole=4, cursor="5") == ([6], "6", False)


def test_a_hole_at_the_very_end_is_a_lag():
    rig = Rig().records(*FACTS[:5])
    assert rig.positions(hole=1) == rig.positions(lag=1) == ([1, 2, 3, 4], "4", False)


def test_a_hole_never_takes_the_first_event():
    rig = Rig().records(*FACTS[:2])
    assert rig.positions(hole=2) == rig.positions(hole=5) == ([1, 2], "2", False)


def test_pages_around_a_hole():
    rig = Rig(page_max=2).records(*FACTS[:6])
    assert rig.positions(hole=4) == ([1, 2], "2", True)
    assert rig.positions(hole=4, cursor="2") == ([4, 5], "5", True)
    assert rig.positions(hole=4, cursor="5") == ([6], "6", False)


@given(
    count=st.integers(1, 6),
    reads=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=8),
    page_max=st.integers(1, 4),
)
def test_a_reader_who_follows_the_cursors_sees_every_event_once_or_not_at_all(
    count, reads, page_max
):
    rig = Rig(page_max=page_max).records(*FACTS[:count])
    seen, cursor = [], None
    for lag, hole in [*reads, *[(0, 0)] * 6]:
        positions, next_cursor, _ = rig.positions(lag=lag, hole=hole, cursor=cursor)
        assert (next_cursor is None) == (not positions)
        seen += positions
        cursor = next_cursor or cursor
    assert seen == sorted(set(seen))
    assert seen[-1] == count
    if not any(hole for _, hole in reads):
        assert seen == list(range(1, count + 1))


# --- requests -----------------------------------------------------------------------------------


def test_a_request_says_what_it_is_about():
    rig = Rig().records(*FACTS[:2])
    now(rig.world.events(RUN))
    now(rig.world.run(RUN))
    with pytest.raises(HookNotFoundError):
        now(rig.world.hook("order-7"))
    now(rig.world.active_runs())
    told = [(each.verb, each.run_id, each.name, each.writes) for each in rig.wire.requests]
    assert told == [
        ("create", RUN, "", True),
        ("create", RUN, "", True),
        ("events", RUN, "", False),
        ("run", RUN, "", False),
        ("hook", "", "order-7", False),
        ("active runs", "", "", False),
    ]
    assert [each.fact for each in rig.wire.requests[:2]] == list(FACTS[:2])


def test_streams_of_a_server():
    wire = DirectWire()
    streams = HostedStreams(wire, server=MemoryStreams(tasks=Timeline()))
    now(streams.write(RUN, "out", [b"1", b"2"]))
    assert now(streams.read(RUN, "out", 1, live=True)).chunks == [b"2"]
    assert now(streams.info(RUN, "out")).tail == 1
    assert now(streams.names(RUN)) == ("out",)
    now(streams.close(RUN, "out"))
    with pytest.raises(EntityConflictError):
        now(streams.write(RUN, "out", [b"3"]))
    assert now(streams.read(RUN, "out", 0, live=False)).closed
    told = [(each.verb, each.writes, each.waits) for each in wire.requests]
    assert told == [
        ("write to stream", True, False),
        ("follow stream", False, True),
        ("look at stream", False, False),
        ("list the streams", False, False),
        ("close stream", True, False),
        ("write to stream", True, False),
        ("read stream", False, False),
    ]
