"""World faults, lost answers and crashes: what becomes of the delivery, the step and the run."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    CompleteErrors,
    LoopErrors,
    Program,
    decode_error,
    gather,
    step,
    workflow,
)
from simworld.errors import (
    EntityConflictError,
    RunExpiredError,
    ThrottleError,
    TooEarlyError,
    WorldError,
)
from simworld.ports import Message
from simworld.records import Delivered, Fault
from simworld.sim import EPOCH_MS, RecordedFaults
from tests.runtime.programs import broken, program, sequence, single, together, work
from tests.runtime.rig import FIXED, MERGE, POLICIES, play

USER = attrs.evolve(MERGE, complete_errors=CompleteErrors.USER, loop_errors=LoopErrors.FAIL_RUN)
RETHROW = attrs.evolve(
    MERGE, complete_errors=CompleteErrors.RETHROW, loop_errors=LoopErrors.RETHROW
)
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def unavailable(count=1):
    return [WorldError("the world is down", status=503) for _ in range(count)]


# --- complete_errors --------------------------------------------------------------------------


def test_an_unrecorded_completion_counts_as_a_failed_body_under_user():
    played = play(single(work, "x"), policy=USER, errors={"step_completed": unavailable()})
    assert played.types.count("step_retrying") == 1
    assert played.outcomes == ["ok", "ok"]
    assert played.run.status == "completed"


def test_unrecorded_completions_use_up_the_retries_under_user():
    played = play(single(work, "x"), policy=USER, errors={"step_completed": unavailable(4)})
    assert played.outcomes == ["ok"] * 4
    assert decode_error(played.steps["work#1"].error) == {
        "kind": "exhausted",
        "name": "WorldError",
        "message": "the world is down",
    }
    assert played.run.status == "failed"


@pytest.mark.parametrize("count", [1, 4])
def test_an_unrecorded_completion_is_a_failed_delivery_under_rethrow(count):
    played = play(
        single(work, "x"),
        policy=RETHROW,
        errors={"step_completed": unavailable(count)},
        watched=True,
    )
    assert played.answer == "x"
    assert not {"step_retrying", "step_failed", "run_failed"} & set(played.types)
    assert played.bodies == {"work#1": count + 1}


# --- loop_errors ------------------------------------------------------------------------------

LOOP_FAULTS = ["read", "run_completed"]


@pytest.mark.parametrize("what", LOOP_FAULTS)
def test_a_fault_inside_the_loop_fails_the_run_under_fail_run(what):
    played = play(single(work), policy=USER, errors={what: unavailable()})
    assert (played.run.status, played.run.error_code) == ("failed", "USER_ERROR")
    assert decode_error(played.run.error)["name"] == "WorldError"
    assert played.invocations == 1


@pytest.mark.parametrize("what", LOOP_FAULTS)
def test_a_fault_inside_the_loop_is_a_failed_delivery_under_rethrow(what):
    played = play(single(work, "x"), policy=RETHROW, errors={what: unavailable(2)}, watched=True)
    assert played.answer == "x"
    assert "run_failed" not in played.types
    assert [each.now_ms - EPOCH_MS for each in played.of(Delivered)] == [0, 5_000, 10_000]


@pytest.mark.parametrize("what", ["run_started", "step_created"])
@pytest.mark.parametrize("policy", [USER, RETHROW], ids=["user", "rethrow"])
def test_a_fault_outside_the_loop_is_a_failed_delivery_whatever_the_knobs(what, policy):
    played = play(single(work, "x"), policy=policy, errors={what: unavailable()}, watched=True)
    assert played.answer == "x"
    assert [each.number for each in played.of(Delivered)] == [1, 2]


def test_an_expired_run_is_not_swallowed_where_steps_are_created():
    gone = [RunExpiredError("ended")]
    played = play(single(work, "x"), errors={"step_created": gone}, watched=True)
    assert (played.answer, played.invocations) == ("x", 2)


@pytest.mark.parametrize(
    "refusal", [RunExpiredError("ended"), EntityConflictError("ended", reason="terminal")]
)
def test_somebody_else_ending_the_run_first_is_no_failure(refusal):
    played = play(single(work), errors={"run_completed": [refusal]})
    assert played.invocations == 1
    assert played.types[-1] == "step_completed"


# --- refused starts ---------------------------------------------------------------------------


def test_a_throttled_inline_step_brings_the_flow_message_back():
    busy = [ThrottleError("busy", retry_after_s=2.5)]
    played = play(single(work, "x"), errors={"step_started": busy}, watched=True)
    assert played.answer == "x"
    assert played.times("step_started") == [3_000]
    deliveries = played.of(Delivered)
    assert [each.task for each in deliveries] == [
        "start/flow",
        "start/flow~2",
        "start/flow~2/work#1",
    ]


def test_a_throttled_step_message_comes_back_itself():
    busy = [ThrottleError("busy", retry_after_s=0)] * 2
    played = play(program(together), 2, errors={"step_started": busy}, watched=True)
    assert played.answer == [0, 1]
    assert played.messages == {"flow": 1, "work#1": 1, "work#2": 1}
    assert sorted(played.times("step_started")) == [1_000, 1_000]


def test_an_inline_step_that_is_too_early_is_sent_away_for_so_long():
    early = [TooEarlyError("leased", retry_after_s=7.2)]
    played = play(single(work, "x"), errors={"step_started": early}, watched=True)
    assert played.answer == "x"
    assert played.times("step_started") == [8_000]
    assert played.messages == {"flow": 1, "work#1": 1}


@pytest.mark.parametrize("reason", ["running", "terminal"])
def test_a_refused_start_runs_no_body_and_the_loop_goes_on(reason):
    taken = [EntityConflictError("taken", reason=reason)]
    played = play(single(work, "x"), errors={"step_started": taken}, watched=True)
    assert (played.answer, played.bodies) == ("x", {"work#1": 1})
    assert played.passes == 3


@pytest.mark.parametrize("what", ["step_retrying", "step_failed"])
def test_a_refused_failure_is_somebody_elses_affair(what):
    """The refusal is invented, so the step comes back through the loop as if it were pending."""
    max_retries = 1 if what == "step_retrying" else 0
    taken = [EntityConflictError("taken", reason="terminal")]
    played = play(single(broken, max_retries=max_retries), errors={what: taken})
    assert played.run.status == "failed"
    assert played.types.count("step_failed") == 1


# --- lost answers -----------------------------------------------------------------------------


def positions(task, text, played):
    """At which of its operations a task performs something, in an undisturbed run."""
    count, found, current = 0, [], ""
    for part in played.path:
        if part == "start" or part.startswith("start/"):
            current = part
        elif current == task:
            count += 1
            if part == text:
                found.append(count)
    return found


def test_positions_are_where_answers_get_lost():
    played = play(program(sequence), 2)
    assert positions("start/flow", "read the log", played) == [8, 14]


LOSABLE = [
    "record run_started",
    "record step_created of work#1",
    "record step_started of work#1",
    "record step_completed of work#1",
    "read the log",
    "record step_completed of work#2",
    "record run_completed",
]


@pytest.mark.parametrize("text", LOSABLE)
@pytest.mark.parametrize("policy", [RETHROW, FIXED], ids=["rethrow", "fixed"])
def test_under_rethrow_a_lost_answer_fails_neither_step_nor_run(policy, text):
    position = positions("start/flow", text, play(program(sequence), 2, policy=policy))[0]
    fault = Fault("lost_answer", "start/flow", position)
    played = play(program(sequence), 2, policy=policy, faults=(fault,), watched=True)
    assert (played.fired, played.lost) == ([fault], [text])
    assert played.answer == [0, 1]
    assert not {"step_failed", "step_retrying", "run_failed"} & set(played.types)
    assert played.bodies == {"work#1": 1, "work#2": 1}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("read the log", "failed"),
        *[(each, "completed") for each in LOSABLE if each != "read the log"],
    ],
)
def test_as_merged_only_a_lost_read_fails_the_run(text, status):
    position = positions("start/flow", text, play(program(sequence), 2))[0]
    fault = Fault("lost_answer", "start/flow", position)
    played = play(program(sequence), 2, faults=(fault,))
    assert played.lost == [text]
    assert played.run.status == status
    if status == "failed":
        assert decode_error(played.run.error)["name"] == "IndefiniteFailure"


@every_policy
def test_a_lost_answer_to_a_send_sends_nothing_twice(policy):
    healthy = play(program(together), 3, policy=policy)
    position = positions("start/flow", "send work#2", healthy)[0]
    fault = Fault("lost_answer", "start/flow", position)
    played = play(program(together), 3, policy=policy, faults=(fault,), watched=True)
    assert played.lost == ["send work#2"]
    assert played.answer == [0, 1, 2]
    assert played.messages["work#2"] == 1
    assert played.bodies == {"work#1": 1, "work#2": 1, "work#3": 1}


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_lost_answer_while_steps_are_created_side_by_side(number):
    task = "start/flow/create.work#" + str(number)
    played = play(program(together), 3, faults=(Fault("lost_answer", task, 1),), watched=True)
    assert played.lost == [f"record step_created of work#{number}"]
    assert played.answer == [0, 1, 2]
    assert played.types.count("step_created") == 3
    assert played.bodies == {"work#1": 1, "work#2": 1, "work#3": 1}


# --- crashes ----------------------------------------------------------------------------------


@every_policy
@pytest.mark.parametrize("task", ["start/flow", "start/flow/work#2"])
def test_a_crash_at_any_operation_delays_the_run_and_loses_nothing(policy, task):
    healthy = play(program(together), 2, policy=policy)
    crashes = 0
    for position in range(2, 40):
        fault = Fault("crash", task, position)
        played = play(program(together), 2, policy=policy, faults=(fault,), watched=True)
        crashes += played.crashes
        assert played.answer == [0, 1]
        assert played.types.count("step_completed") == 2
        assert played.bodies.total() <= healthy.bodies.total() + played.crashes
    assert crashes >= 7  # as many operations the task has


async def two_phases():
    """The last completer of the first phase goes on with the second."""
    await gather(work("a"), work("b"))
    return await work("c")


@pytest.mark.parametrize(("name", "ends"), [("v2_merge", False), ("fixed", True)])
def test_a_last_completer_that_dies_after_creating_a_step_leaves_it_to_nobody(name, ends):
    """Right is: the run completes.  ``fixed`` holds, the merged variant does not (L-01): its step
    message comes back, its own step has ended, another step is pending, so it acknowledges, and
    nobody ever dispatches the other one.
    """
    policy = POLICIES[name]
    healthy = play(program(two_phases), policy=policy)
    task = next(
        each
        for each in ("start/flow/work#2", "start/flow/work#2/flow")
        if positions(each, "record step_started of work#3", healthy)
    )
    position = positions(task, "record step_started of work#3", healthy)[0]
    fault = Fault("crash", task, position)
    played = play(program(two_phases), policy=policy, faults=(fault,))
    assert played.crashes == 1
    right = (played.run.status, played.steps["work#3"].attempt) == ("completed", 1)
    assert right is ends


def test_a_message_delivered_too_often_fails_its_run():
    policy = attrs.evolve(RETHROW, deliveries_max=3)
    played = play(single(work), policy=policy, errors={"read": unavailable(99)}, watched=True)
    assert (played.run.error_code, played.answer.code) == (
        "MAX_DELIVERIES_EXCEEDED",
        "MAX_DELIVERIES_EXCEEDED",
    )
    assert played.invocations == 4
    assert played.times("run_failed") == [15_000]


def test_a_step_message_delivered_too_often_fails_the_whole_run():
    policy = attrs.evolve(MERGE, deliveries_max=3)
    killed = Fault("kill_bodies", "work#2", 9)
    played = play(program(together), 2, policy=policy, faults=(killed,), watched=True)
    assert played.answer.code == "MAX_DELIVERIES_EXCEEDED"
    assert (played.bodies["work#2"], played.steps["work#2"].status) == (3, "running")


def test_delivered_too_often_for_a_run_nobody_created():
    async def client(services):
        await services.queue.send(Message("wrun_1"))

    policy = attrs.evolve(MERGE, deliveries_max=0)
    played = play(program(together), policy=policy, acts=client)
    assert (played.invocations, played.log) == (1, [])
    assert [phrase for phrase, _ in played.notes] == [
        "delivered too often",
        "run_failed not recorded",
    ]


# --- who is hit -----------------------------------------------------------------------------------


class Spy(RecordedFaults):
    """Notes which parts were offered to the nemesis."""

    def __init__(self):
        super().__init__(())
        self.parts = {}

    def arm(self, name, part, *, child):
        self.parts[name] = part
        return 0, 0


def test_the_nemesis_hears_the_whole_label_of_a_step_with_a_dot_in_its_name(monkeypatch):
    """A task's path has dots and tildes of its own; a victim is found by the step's whole label."""

    @step(name="billing.charge")
    async def charge(ctx):
        pass

    async def flow():
        await gather(work(), charge())

    spy = Spy()
    monkeypatch.setattr("tests.runtime.rig.RecordedFaults", lambda faults: spy)
    play(Program.of(workflow(flow), work, charge))
    assert spy.parts["start/flow/billing.charge#2"] == "billing.charge#2"
