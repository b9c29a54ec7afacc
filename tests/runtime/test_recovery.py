"""A pass and its log that do not fit, and deliveries that take too long (spec §5.5, R-66)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    ReplayTimerCovers,
    StepCompleted,
    StepCreated,
    UnconsumedEvents,
    decode_error,
    gather,
    sleep,
)
from simworld.ports import Message
from simworld.records import Crash, QueueProfile
from simworld.runtime import Client
from tests.runtime.programs import program, sequence, work
from tests.runtime.rig import FIXED, MERGE, V1, Wrapped, play

# --- events that nobody asked for ----------------------------------------------------------------


def with_a_stranger():
    """A client whose run has a step in its log that its workflow never asks for."""

    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        await services.storage.create(run_id, StepCreated("step_alien", "work", b""))
        await services.storage.create(run_id, StepCompleted("step_alien", b"\xc0"))

    return acts


async def slow():
    """Something that is still to be replayed when the stranger is there."""
    await sleep(1_000)
    return await work("x")


@pytest.mark.parametrize(
    ("unconsumed", "code", "messages"),
    [
        (UnconsumedEvents.U0, "RUNTIME_ERROR", 1),
        (UnconsumedEvents.U1, "", 1),
        (UnconsumedEvents.U2, "CORRUPTED_EVENT_LOG", 4),
        (UnconsumedEvents.U3, "CORRUPTED_EVENT_LOG", 4),
    ],
)
def test_what_an_event_that_nobody_asked_for_does(unconsumed, code, messages):
    policy = attrs.evolve(MERGE, unconsumed=unconsumed)
    played = play(program(slow), policy=policy, acts=with_a_stranger())
    assert played.run.error_code == code
    assert played.messages["flow"] == messages
    if code:
        error = decode_error(played.run.error)
        assert error["name"] == "ReplayDivergence"
        assert "step_alien" in error["message"]
        assert "sleep#1" in error["message"]
        assert "run failed" in [phrase for phrase, _ in played.notes]


class Holed(Wrapped):
    """So many loads of the whole log miss the end of the sleep that the step came after."""

    def __init__(self, inner, loads):
        super().__init__(inner)
        self.loads = loads

    async def events(self, run_id, cursor=None):
        page = await self.inner.events(run_id, cursor)
        if cursor or not self.loads or not any(each.type == "step_started" for each in page.events):
            return page
        self.loads -= 1
        return page._replace(events=[each for each in page.events if each.type != "wait_completed"])


async def long_step():
    """A sleep, then a step that takes long enough for a wake-up."""
    await sleep(1_000)
    return await work("x", 10_000)


async def poked(services):
    """Wake the run while its step runs."""
    run_id = await Client(services).start()
    await services.clock.sleep_ms(3_000)
    await services.queue.send(Message(run_id))


@pytest.mark.parametrize(
    ("loads", "recoveries", "code"), [(0, 0, ""), (3, 3, ""), (4, 3, "CORRUPTED_EVENT_LOG")]
)
def test_a_divergence_that_heals_is_recovered_from(loads, recoveries, code):
    policy = attrs.evolve(MERGE, unconsumed=UnconsumedEvents.U2)
    played = play(
        program(long_step), policy=policy, around=lambda inner: Holed(inner, loads), acts=poked
    )
    assert played.run.error_code == code
    assert played.messages["flow"] == 2 + recoveries
    noted = [fields for phrase, fields in played.notes if phrase == "replay diverged"]
    assert [fields["recovery"] for fields in noted] == list(range(1, recoveries + 1))


class Doubled(Wrapped):
    """The first read that ends with a certain result has it twice."""

    def __init__(self, inner):
        super().__init__(inner)
        self.doubled = []

    async def events(self, run_id, cursor=None):
        page = await self.inner.events(run_id, cursor)
        last = page.events[-1]
        if last.type != "step_completed" or last.event_id in self.doubled:
            return page
        self.doubled.append(last.event_id)
        return page._replace(events=[*page.events, last])


def test_a_pass_that_fits_ends_the_chain_of_recoveries():
    """Two divergences, but not one after the other."""
    policy = attrs.evolve(MERGE, unconsumed=UnconsumedEvents.U2, recoveries_max=1, dedupe=False)
    played = play(program(sequence), 3, policy=policy, around=Doubled)
    assert played.run.status == "completed"
    noted = [fields["recovery"] for phrase, fields in played.notes if phrase == "replay diverged"]
    assert noted == [1, 1]


# --- the replay timer ----------------------------------------------------------------------------


def timed(base, covers, limit_ms=5_000):
    return attrs.evolve(base, replay_limit_ms=limit_ms, replay_timer=covers)


@pytest.mark.parametrize("base", [MERGE, FIXED, V1], ids=["v2_merge", "fixed", "v1"])
def test_a_delivery_that_takes_too_long_is_killed_and_the_fourth_fails_the_run(base):
    policy = timed(base, ReplayTimerCovers.DELIVERY)
    queue = QueueProfile(redelivery_ms=1_000_000)  # beyond every lease
    policy = attrs.evolve(policy, crashes_max=10)
    played = play(program(one_step), 20_000, policy=policy, queue=queue)
    assert (played.run.status, played.run.error_code) == ("failed", "REPLAY_TIMEOUT")
    # V2 dies once in its inline body; then it is the step's message that is killed three times.
    assert played.crashes == (4 if base is V1 else 5)
    assert [each.why for each in played.of(Crash)] == [
        "the replay took longer than 5000 ms"
    ] * played.crashes


async def one_step(duration_ms):
    """A step of that length."""
    return await work("x", duration_ms)


@pytest.mark.parametrize("base", [MERGE, FIXED, V1], ids=["v2_merge", "fixed", "v1"])
def test_a_timer_for_the_replay_pauses_while_a_body_runs(base):
    policy = timed(base, ReplayTimerCovers.REPLAY)
    played = play(program(one_step), 20_000, policy=policy)
    assert (played.run.status, played.crashes) == ("completed", 0)


def test_side_by_side_bodies_pause_the_timer_until_the_last_one_has_ended():
    policy = attrs.evolve(timed(MERGE, ReplayTimerCovers.REPLAY), max_inline=2)

    async def flow():
        return await gather(work("x", 1_000), work("y", 20_000))

    played = play(program(flow), policy=policy)
    assert (played.run.status, played.crashes) == ("completed", 0)


def test_time_that_a_paused_timer_has_spent_stays_spent():
    """The world is slow to record: 3 s before the body, 3 s behind it."""

    class Slow(Wrapped):
        async def create(self, run_id, fact):
            if fact.type in ("step_created", "step_completed"):
                await clock[-1].sleep_ms(3_000)
            return await self.inner.create(run_id, fact)

    clock = []

    async def acts(services):
        clock.append(services.clock)
        await Client(services).start(20_000)

    for limit_ms, crashes in ((6_001, 0), (5_999, 1)):
        policy = timed(MERGE, ReplayTimerCovers.REPLAY, limit_ms)
        played = play(program(one_step), policy=policy, around=Slow, acts=acts)
        assert played.crashes == crashes, limit_ms


def test_without_a_limit_no_timer_runs():
    played = play(program(one_step), 300_000)
    assert played.run.status == "completed"
    assert not [each for each in played.path if "timer" in each]
