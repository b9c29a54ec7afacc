"""The SDK's own local world behind our ports, and what its embedded queue does with keys."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

pytest.importorskip("vercel.workflow", reason="needs simworld[vercel]")
pytest.importorskip("time_machine", reason="needs simworld[vercel]")

from vercel.queue._internal import constants, embedded
from vercel.workflow._internal import world as sdk
from vercel.workflow._internal.worlds import local

from simworld.campaign import (
    Hunter,
    check_possible,
    load_scenarios,
    placed,
    preset,
    run_trial,
)
from simworld.engine import (
    HookCreated,
    HookStatus,
    RunCompleted,
    RunCreated,
    RunStarted,
    RunStatus,
    StepCompleted,
    StepCreated,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import UsageError
from simworld.ports import StreamInfo
from simworld.records import SubjectCursor, SubjectErrors
from simworld.subjects import own_world
from simworld.subjects.vercel.envelope import pack
from simworld.subjects.vercel.local import SdkRefusal
from simworld.worlds import QUEUES
from tests.worlds.doubles import Clock, now

ROOT = Path(__file__).parents[2]
RUN = "wrun_1"
BEGUN = pack(b"devl1", deploymentId="dpl_1", specVersion=5)
T0_MS = 1_700_000_000_123


class Latch:
    """Tells whether it was set."""

    def __init__(self):
        self.told = False

    def set(self):
        self.told = True

    def __await__(self):
        yield

    async def wait(self):
        while not self.told:
            await self


class Tasks:
    """Enough of ``ports.Tasks`` for streams."""

    def latch(self, wish):
        return Latch()


@pytest.fixture
def clock():
    return Clock(T0_MS)


@pytest.fixture
def own(clock):
    world = own_world("vercel-workflow", clock=clock, tasks=Tasks())
    yield world
    world.release()


def create(own, *facts):
    """The answer to the last of them."""
    return [now(own.storage.create(RUN, fact)) for fact in facts][-1]


def test_a_call_happens_at_the_kernel_s_time_and_answers_the_rows_right_after(own, clock):
    create(own, RunCreated("order", BEGUN), RunStarted(), StepCreated("step_1", "work", b"devl2"))
    clock.ms += 5
    answer = create(own, StepStarted("step_1", ""))
    assert answer.event.position == 4
    assert answer.event.created_at_ms == T0_MS + 5
    assert answer.run.status is RunStatus.RUNNING
    assert (answer.step.attempt, answer.step.started_at_ms) == (1, T0_MS + 5)
    assert isinstance(answer.original, sdk.EventResult)


def test_ids_rise_and_the_log_is_in_the_order_of_the_calls(own):
    create(own, RunCreated("order", BEGUN), RunStarted())
    for number in range(30):
        create(own, StepCreated(f"step_{number}", "work", b"devl2"))
    page = now(own.storage.events(RUN))
    assert [event.position for event in page.events] == list(range(1, 33))
    assert (page.cursor, page.has_more) == (None, False)
    assert page.original.data[0].event_type == "run_created"


def test_a_start_that_brings_its_run_records_two_events(own):
    answer = create(own, RunStarted("order", BEGUN))
    assert [event.type for event in answer.preload] == ["run_created", "run_started"]
    assert answer.event.position == 2
    again = create(own, RunStarted("order", BEGUN))
    assert (again.event, again.run.status) == (None, RunStatus.RUNNING)


def test_a_refusal_carries_what_was_raised_and_no_name_of_a_folder(own):
    create(own, RunCreated("order", BEGUN))
    with pytest.raises(SdkRefusal) as refused:
        create(own, RunCreated("order", BEGUN))
    assert isinstance(refused.value.original, sdk.EntityConflictError)
    assert refused.value.status == 409
    assert str(refused.value.original) == f"File already exists: .workflow-data/runs/{RUN}.json"
    for call in (own.storage.run("wrun_2"), own.storage.hook("t"), own.storage.events(RUN, "7")):
        with pytest.raises(SdkRefusal) as refused:
            now(call)
        assert refused.value.status in (404, 501)


def test_the_judges_see_what_its_files_hold(own, clock):
    create(own, RunCreated("order", BEGUN), RunStarted(), HookCreated("hook_1", "t"))
    create(own, StepCreated("step_1", "work", b"devl2"), StepStarted("step_1", ""))
    create(own, WaitCreated("wait_1", T0_MS + 9), WaitCompleted("wait_1"))
    last = create(own, StepCompleted("step_1", b"devl3"))
    state = own.state()
    assert state.runs == {RUN: attrs.evolve(last.run)}
    assert state.steps == {(RUN, "step_1"): last.step}
    assert state.hooks[RUN, "hook_1"].status is HookStatus.LIVE
    assert state.waits[RUN, "wait_1"].completed_at_ms == T0_MS
    assert state.logs[RUN] == list(now(own.storage.events(RUN)).events)
    assert now(own.storage.active_runs()) == [RUN]
    ended = create(own, RunCompleted(b"devl4"))
    state = own.state()
    assert (state.runs[RUN], state.waits) == (ended.run, {})
    assert state.hooks[RUN, "hook_1"].status is HookStatus.DISPOSED
    assert now(own.storage.active_runs()) == []


def test_a_stream_is_read_as_it_was_written_and_its_readers_are_woken(own):
    streams = own.streams
    assert now(streams.info(RUN, "strm_1")) == StreamInfo(-1, False)
    follower = streams.read(RUN, "strm_1", 1, live=True)
    assert follower.send(None) is None, "it waits"
    now(streams.write(RUN, "strm_1", [b"a", b"b"]))
    with pytest.raises(StopIteration) as stopped:
        follower.send(None)
    assert stopped.value.value == ((b"b",), False)
    now(streams.close(RUN, "strm_1"))
    assert now(streams.read(RUN, "strm_1", 0, live=False)) == ((b"a", b"b"), True)
    assert now(streams.read(RUN, "strm_1", 9, live=True)) == ((), True)
    assert now(streams.info(RUN, "strm_1")) == StreamInfo(1, True)
    assert now(streams.names(RUN)) == ("strm_1",)
    assert own.state().streams == {(RUN, "strm_1"): ((b"a", b"b"), True)}


def test_its_folder_is_its_own_and_gone_after_it(clock, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKFLOW_LOCAL_DATA_DIR", str(tmp_path))
    world = own_world("vercel-workflow", clock=clock, tasks=Tasks())
    create(world, RunCreated("order", BEGUN))
    assert list(tmp_path.iterdir()) == []
    assert os.environ["WORKFLOW_LOCAL_DATA_DIR"] == str(tmp_path)
    world.release()
    with pytest.raises(SdkRefusal):
        now(world.storage.run(RUN))


# --- as a place -----------------------------------------------------------------------------------


def test_our_own_engine_does_not_stand_on_it():
    with pytest.raises(UsageError, match="a subject's own"):
        placed(preset("fixed"), "sdk-local")


def test_a_subject_gets_its_words_and_its_queue_there():
    at = placed(preset("vercel-workflow"), "sdk-local")
    assert at.adapter.subject_errors is SubjectErrors.LOCAL
    assert at.adapter.subject_cursor is SubjectCursor.NONE
    assert at.queue == QUEUES["sdk-local"]
    assert at.changed == ()


def test_the_faults_it_may_have():
    check_possible("sdk-local", "crashes")
    check_possible("sdk-local", "server_errors")
    for kind in ("torn_writes", "power_losses", "stale_reads"):
        with pytest.raises(UsageError, match="world sdk-local has no"):
            check_possible("sdk-local", kind)


@pytest.mark.parametrize("case", ["quiet", "duplicates", "crashes", "lost_answers"])
def test_the_same_trial_on_it_is_the_same_trace(case):
    scenario = load_scenarios(str(ROOT / "scenarios" / "vercel"))["vercel_gather"]
    hunter = Hunter(scenario, placed(preset("vercel-workflow"), "sdk-local"), case=case)
    for number in range(3):
        trials = [run_trial(hunter.setup(number)) for _ in range(2)]
        assert len({trial.digest for trial in trials}) == 1
        assert len({repr(trial.records) for trial in trials}) == 1
        assert trials[0].ended_count or trials[0].anomalies


# --- its queue ------------------------------------------------------------------------------------


@pytest.fixture
def queue():
    """The embedded queue's server, on a clock that is moved by hand."""
    server = embedded.create_embedded_queue_app(manual_clock=True).server
    yield server
    server.state.close()


def put(server, payload, key="", **headers):
    """Send; the message that a receiver will ever see."""
    if key:
        headers["Vqs-Idempotency-Key"] = key
    return server.put("topic", payload, headers)


def delivered(server):
    """What is delivered now, each with the number of its delivery."""
    found = iter(lambda: server.push_delivery("topic", "default"), None)
    return [(each.body, int(each.headers["ce-vqsdeliverycount"])) for each in found]


def test_a_key_suppresses_its_own_payload_for_ever_and_no_other(queue):
    put(queue, b"1", "k")
    put(queue, b"1", "k")
    put(queue, b"2", "k")
    put(queue, b"1", "other")
    put(queue, b"1")
    assert delivered(queue) == [(b"1", 1), (b"2", 1), (b"1", 1), (b"1", 1)]
    for message in queue.state.messages:
        message.acknowledge_for("default")
    put(queue, b"1", "k")
    assert delivered(queue) == [], "it was acknowledged"
    queue.shift(embedded.DEFAULT_RETENTION_SECONDS + 1)
    put(queue, b"1", "k")
    assert delivered(queue) == [], "it has expired, too"


def test_the_preset_says_what_the_embedded_queue_does(queue):
    profile = QUEUES["sdk-local"]
    assert profile.redelivery_ms == constants.DEFAULT_RETRY_AFTER_SECONDS * 1_000
    assert profile.dead_after == embedded.DEFAULT_RETENTION_SECONDS * 1_000 // profile.redelivery_ms
    assert profile.delay_max_s == local.MAX_DELAY_SECONDS
    put(queue, b"1", **{"Vqs-Delay-Seconds": "5"})
    assert delivered(queue) == []
    queue.shift(5)
    assert delivered(queue) == [(b"1", 1)]
    assert delivered(queue) == [], "it is leased"
    queue.shift(301)
    assert delivered(queue) == [(b"1", 2)], "its lease was not renewed"
