"""How runs and steps end: results, failures, retries, and what the client is told."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.engine import (
    BackgroundAfter,
    Program,
    RunCancelled,
    RunCreated,
    StepCreated,
    StepFailedError,
    decode_error,
    encode,
    gather,
    race,
    workflow,
)
from simworld.errors import EntityNotFoundError, UsageError
from simworld.ports import Message
from simworld.records import ClientCall, Fault
from simworld.runtime import Client, RunFailedError
from simworld.sim import EPOCH_MS
from tests.runtime.programs import (
    STEPS,
    attempts,
    broken,
    fatal,
    later,
    program,
    single,
    together,
    work,
)
from tests.runtime.rig import FIXED, MERGE, POLICIES, play

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


# --- the client -------------------------------------------------------------------------------


@every_policy
def test_the_client_gets_the_runs_output(policy):
    played = play(program(together), 3, policy=policy, watched=True)
    assert played.answer == [0, 1, 2]
    assert played.waiting == []


def test_arguments_reach_the_workflow_by_place_and_by_name():
    async def flow(first, *, second):
        return [first, second]

    answers = []

    async def client(services):
        own = Client(services)
        answers.append(await own.result(await own.start("a", second={"b": [1]})))

    play(program(flow), acts=client)
    assert answers == [["a", {"b": [1]}]]


def test_the_run_is_created_beside_the_sending_of_its_first_message():
    played = play(program(together), 0)
    happened = [each for each in played.records if not isinstance(each, ClientCall)]
    assert [type(each).__name__ for each in happened[:3]] == [
        "Sent",
        "Committed",
        "Delivered",
    ]


@every_policy
def test_a_workflow_that_raises_fails_its_run_as_a_user_error(policy):
    async def flow():
        await work(1)
        raise KeyError("mine")

    played = play(program(flow), policy=policy, watched=True)
    assert isinstance(played.answer, RunFailedError)
    assert (played.answer.status, played.answer.code) == ("failed", "USER_ERROR")
    assert "KeyError: 'mine'" in str(played.answer)
    assert (played.run.status, played.run.error_code) == ("failed", "USER_ERROR")
    assert decode_error(played.run.error)["name"] == "KeyError"


def test_a_cancelled_run_has_no_result():
    answers = []

    async def client(services):
        own = Client(services)
        run_id = await own.start(1, 5_000)
        await services.clock.sleep_ms(100)
        await services.storage.create(run_id, RunCancelled())
        try:
            await own.result(run_id)
        except RunFailedError as error:
            answers.append((error.status, error.code))

    played = play(program(together), acts=client)
    assert answers == [("was cancelled", "")]
    # The step was running when the run ended: its completion is a harmless straggler.
    assert played.types[-2:] == ["run_cancelled", "step_completed"]
    assert played.run.status == "cancelled"


def test_the_result_of_a_run_nobody_created_is_not_found():
    caught = []

    async def client(services):
        try:
            await Client(services).result("wrun_7")
        except EntityNotFoundError as error:
            caught.append(str(error))

    play(program(together), acts=client)
    assert len(caught) == 1
    assert "wrun_7" in caught[0]


# --- steps ------------------------------------------------------------------------------------


@every_policy
def test_a_fatal_error_fails_the_step_at_its_first_body(policy):
    played = play(single(fatal), policy=policy, watched=True)
    assert (played.bodies, played.outcomes) == ({"fatal#1": 1}, ["fatal"])
    assert "step_retrying" not in played.types
    assert decode_error(played.steps["fatal#1"].error) == {
        "kind": "fatal",
        "name": "FatalError",
        "message": "no use",
    }
    for told in ("fatal#1", "(fatal)", "FatalError: no use"):
        assert told in str(played.answer)


@every_policy
def test_exhausted_retries_tell_the_last_error(policy):
    played = play(single(broken), policy=policy)
    assert decode_error(played.steps["broken#1"].error) == {
        "kind": "exhausted",
        "name": "ValueError",
        "message": "attempt 4",
    }
    assert played.times("step_started") == [0, 1_000, 2_000, 3_000]


@every_policy
def test_a_workflow_may_go_on_after_a_failed_step(policy):
    async def flow():
        try:
            await broken()
        except StepFailedError as error:
            return [error.kind, await work("instead")]

    assert play(program(flow), policy=policy, watched=True).answer == ["exhausted", "instead"]


@every_policy
@pytest.mark.parametrize(
    ("retry_after_ms", "next_start_ms"),
    [(0, 1_000), (400, 1_000), (1_000, 1_000), (2_500, 3_000), (60_000, 60_000)],
)
def test_a_retryable_errors_delay_is_honoured(policy, retry_after_ms, next_start_ms):
    played = play(single(later, retry_after_ms), policy=policy, watched=True)
    assert played.answer == "now"
    assert played.times("step_started") == [0, next_start_ms]
    retrying = next(each for each in played.log if each.type == "step_retrying")
    assert retrying.fact.retry_after_ms == EPOCH_MS + retry_after_ms


def background(step_, *args):
    """A step that is not the first, hence not inline."""

    async def flow():
        return (await gather(work(), step_(*args)))[1]

    return program(flow)


@every_policy
def test_a_delivery_that_comes_too_early_waits_for_the_rest_of_the_delay(policy):
    before = marks.snapshot()
    played = play(
        background(later, 2_500),
        policy=policy,
        watched=True,
        faults=(Fault("duplicate", "start/flow/later#2", 1),),
    )
    assert marks.since(before)["start.refused_early"] == 1
    assert played.answer == "now"
    later_id = played.steps["later#2"].correlation_id
    starts = [
        each.created_at_ms - EPOCH_MS
        for each in played.log
        if each.type == "step_started" and each.correlation_id == later_id
    ]
    assert starts == [0, 3_000]


@every_policy
def test_an_inline_retry_is_a_new_message_and_a_background_retry_the_same_one(policy):
    inline = play(single(work), policy=policy, failures=(("work#1", 1), ("work#1", 2)))
    assert inline.messages["work#1"] == 1
    assert inline.bodies == {"work#1": 3}
    other = play(background(attempts), policy=policy, failures=(("attempts#2", 1),), watched=True)
    assert other.messages["attempts#2"] == 1
    assert (other.bodies["attempts#2"], other.answer) == (2, 2)


@every_policy
def test_a_step_nobody_knows_fails_for_good_and_the_error_names_the_known_ones(policy):
    async def flow():
        await broken()

    played = play(Program.of(workflow(flow), fatal, work), policy=policy, watched=True)
    assert "step_started" not in played.types
    assert played.bodies == {}
    error = decode_error(played.steps["broken#1"].error)
    assert error["kind"] == "fatal"
    assert error["message"] == (
        "no step is called 'broken' in this program; known: fatal, work; pass it to "
        "Program.of(workflow, *steps)"
    )
    assert played.answer.code == "USER_ERROR"


def test_a_body_is_told_its_run_its_step_and_its_attempt():
    seen = []

    async def nosy(ctx):
        seen.append((ctx.run_id, ctx.step_id, ctx.attempt))
        await ctx.effect("look around")

    nosy = attrs.evolve(STEPS[0], function=nosy, name="nosy")

    async def flow():
        await nosy()

    played = play(Program.of(workflow(flow), nosy), failures=(("nosy#1", 1),))
    assert seen == [("wrun_1", played.steps["nosy#1"].correlation_id, 2)]
    assert "do 'look around' in the body of nosy#1" in played.path


# --- continuing -------------------------------------------------------------------------------


async def quick_or_slow():
    return (await race(work("slow", 5_000), work("quick", 100))).value


def finished_ms(played):
    return played.run.completed_at_ms - EPOCH_MS


def test_the_last_completer_replays_and_the_others_end_silently():
    played = play(program(quick_or_slow), watched=True)
    assert played.answer == "quick"
    assert finished_ms(played) == 5_000  # the winner wakes nobody while a step is pending
    assert played.messages == {"flow": 1, "work#2": 1}


def test_a_continuation_per_step_wakes_the_workflow_at_once():
    policy = attrs.evolve(MERGE, bg_after=BackgroundAfter.ALWAYS_CONTINUE)
    for each in (policy, FIXED):
        played = play(program(quick_or_slow), policy=each, watched=True)
        assert played.answer == "quick"
        assert finished_ms(played) == 100
        assert played.types[-1] == "step_completed"  # the loser's, after the run's end


def test_the_last_completer_counts_failed_steps_as_ended():
    async def flow():
        done = [fatal(), work("b", 200), work("c", 100)]
        results = []
        for each in reversed(done):
            try:
                results.append(await each)
            except StepFailedError as error:
                results.append(error.kind)
        return results

    assert play(program(flow), watched=True).answer == ["c", "b", "fatal"]


# --- messages that find nothing to do ---------------------------------------------------------


@every_policy
def test_messages_for_a_run_nobody_created_are_acknowledged(policy):
    async def client(services):
        await services.queue.send(Message("wrun_1"))
        await services.queue.send(Message("wrun_1", "step_1", "work"))

    played = play(program(together), policy=policy, acts=client)
    assert (played.invocations, played.log, played.steps) == (2, [], {})
    assert len(played.notes) == 2


@every_policy
def test_messages_for_a_run_that_has_ended_are_acknowledged(policy):
    async def client(services):
        run_id = await Client(services).start(1)
        await Client(services).result(run_id)
        await services.queue.send(Message(run_id))
        await services.queue.send(Message(run_id, "step_1", "work"))

    played = play(program(together), policy=policy, acts=client)
    assert played.invocations == 3
    assert played.types[-1] == "run_completed"
    assert played.passes == 2


@pytest.mark.parametrize(("name", "started"), [("v2_merge", False), ("fixed", True)])
def test_whether_a_step_message_goes_on_while_its_run_is_pending(name, started):
    async def client(services):
        await services.storage.create("wrun_1", RunCreated("together", encode([[1], {}])))
        await services.storage.create("wrun_1", StepCreated("step_1", "work", encode([[], {}])))
        await services.queue.send(Message("wrun_1", "step_1", "work"))

    played = play(program(together), policy=POLICIES[name], acts=client)
    assert ("step_started" in played.types) is started


def test_a_log_that_does_not_fit_the_workflow_fails_the_run_as_a_runtime_error():
    async def client(services):
        await services.storage.create("wrun_1", RunCreated("together", encode([[1], {}])))
        await services.storage.create("wrun_1", StepCreated("step_1", "work", encode([[], {}])))
        await services.queue.send(Message("wrun_1"))

    played = play(program(together), acts=client)
    assert (played.run.status, played.run.error_code) == ("failed", "RUNTIME_ERROR")
    assert decode_error(played.run.error)["name"] == "ReplayDivergence"


# --- misuse -----------------------------------------------------------------------------------


class Foreign:
    """Something that another event loop would understand."""

    def __await__(self):
        yield object()


def test_a_foreign_await_stops_the_trial_and_fails_nothing():
    async def flow():
        await Foreign()

    with pytest.raises(UsageError, match=r"test_outcomes\.py:\d+ awaits object"):
        play(program(flow))


def test_a_foreign_await_in_a_body_stops_the_trial_too():
    async def body(ctx):
        await Foreign()

    foreign = attrs.evolve(STEPS[0], function=body, name="foreign")

    async def flow():
        await foreign()

    with pytest.raises(UsageError, match=r"test_outcomes\.py:\d+ awaits object"):
        play(Program.of(workflow(flow), foreign))
