"""The host of the Python SDK, driven by hand on the atomic world."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import sys
import time
import warnings

import pytest

from simworld.engine import HookCreated, StepCreated
from simworld.errors import IndefiniteFailure, UsageError, WorldError
from simworld.ports import Message
from simworld.records import ForeignProgram
from simworld.subjects import seam

pytest.importorskip("vercel.workflow", reason="needs the extra 'vercel'")
pytest.importorskip("time_machine", reason="needs the extra 'vercel'")

from vercel.workflow import Run

from simworld.subjects import open_host
from simworld.subjects.vercel import host as module
from tests.subjects import host_flows
from tests.subjects.small_kernel import START_MS, SmallKernel

MODULE = "tests.subjects.host_flows"


@pytest.fixture
def host():
    found = open_host("vercel-workflow")
    yield found
    found.end()


def begun(host, workflow, *args, **options):
    """A kernel and the id of a run that has been started; nothing else has happened."""
    kernel = SmallKernel(host, MODULE, workflow, **options)
    name = kernel.call("start", args=list(args))
    while name not in kernel.ended:
        kernel.step()
    return kernel, kernel.ended[name].value


def outcome(kernel, run_id):
    kernel.drain()
    return kernel.value("result", run_id=run_id)


def asked(kernel, kind):
    return [question for _, _, question in kernel.trace if isinstance(question, kind)]


@pytest.mark.parametrize(("workflow", "result"), [("single", 6), ("fan", 6)])
def test_a_run_comes_to_its_end(host, workflow, result):
    kernel, run_id = begun(host, workflow, 3)
    assert outcome(kernel, run_id) == result


def test_a_run_that_is_waited_for_is_polled(host):
    kernel, run_id = begun(host, "single", 1)
    name = kernel.call("result", run_id=run_id)
    kernel.drain()
    assert kernel.ended[name].value == 2
    assert seam.Sleep(1_000) in [question for of, _, question in kernel.trace if of == name]


def test_strands_are_numbered_in_the_order_of_their_first_ask(host):
    kernel, run_id = begun(host, "fan", 3)
    outcome(kernel, run_id)
    creates = [
        (strand, question.fact.input)
        for activity, strand, question in kernel.trace
        if activity == "msg_0" and isinstance(question, seam.Create)
        if isinstance(question.fact, StepCreated)
    ]
    assert [strand for strand, _ in creates] == [1, 2, 3]
    sends = [s for of, s, q in kernel.trace if of == "msg_0" and isinstance(q, seam.Send)]
    assert sends == [1, 2, 3]


def test_what_a_run_draws_is_named_by_its_ordinal(host):
    kernel, run_id = begun(host, "fan", 3)
    outcome(kernel, run_id)
    drawn = [create.fact for create in asked(kernel, seam.Create)]
    steps = [fact.correlation_id for fact in drawn if isinstance(fact, StepCreated)]
    assert [kernel.names[each] for each in steps] == ["work#1", "work#2", "work#3"]


def test_sleeps_and_hooks_have_names_too(host):
    kernel, run_id = begun(host, "napping", "5s")
    assert outcome(kernel, run_id) == "awake"
    assert "sleep#1" in kernel.names.values()
    host.end()
    kernel, run_id = begun(host, "mailbox", "")
    kernel.drain()
    (hook,) = [c.fact for c in asked(kernel, seam.Create) if isinstance(c.fact, HookCreated)]
    assert kernel.names[hook.correlation_id] == "hook#1"
    assert kernel.names[hook.token] == f"{run_id}/hook#1"


def test_the_clock_moves_only_when_it_is_told(host):
    kernel, run_id = begun(host, "napping", "3d")
    assert outcome(kernel, run_id) == "awake"
    assert kernel.clock.ms >= START_MS + 3 * 86_400_000
    sends = asked(kernel, seam.Send)
    assert kernel.ended["msg_0"].again.delay_s == 82_800
    assert len(sends) == 1


def test_hooks_are_resumed_by_their_token(host):
    kernel, run_id = begun(host, "mailbox", "post")
    kernel.drain()
    kernel.value("resume_hook", token="post", payload={"text": "hello"})
    assert outcome(kernel, run_id) == "hello"


def test_streams_are_read_to_their_end(host):
    kernel, run_id = begun(host, "shouting", ["a", "b"])
    name = kernel.call("read_stream", run_id=run_id, name="", start=0)
    kernel.drain()
    assert kernel.ended[name].value == ["a", "b"]
    assert "user" in kernel.names.values()


def test_a_cancelled_run_has_no_result(host):
    kernel, run_id = begun(host, "mailbox", "post")
    kernel.drain()
    kernel.value("cancel", run_id=run_id)
    name = kernel.call("result", run_id=run_id)
    kernel.drain()
    assert "cancelled" in kernel.ended[name].error


def test_bodies_tell_when_they_begin_and_end(host):
    kernel, run_id = begun(host, "trying", 1)
    assert outcome(kernel, run_id) == 1
    (_, first), (_, failed), (_, second), (_, done) = kernel.bodies
    assert (first.attempt, first.start, second.attempt, second.start) == (1, 1, 2, 2)
    assert (failed.outcome, failed.error) == ("error", "ValueError: not yet")
    assert (done.outcome, done.body) == ("ok", second)
    assert second.run_id == run_id


def test_a_fatal_error_is_told_as_such(host):
    kernel, run_id = begun(host, "failing")
    kernel.drain()
    assert kernel.bodies[-1][1].outcome == "fatal"
    name = kernel.call("result", run_id=run_id)
    kernel.drain()
    assert "never" in kernel.ended[name].error or "failed" in kernel.ended[name].error


def test_a_body_fails_where_the_kernel_wants_it_to(host):
    def refuse(ask):
        first = isinstance(ask.question, seam.BodyBegins) and ask.question.body.start == 1
        return RuntimeError("as planned") if first else None

    kernel, run_id = begun(host, "single", 4, refuse=refuse)
    assert outcome(kernel, run_id) == 8
    (_, failed), (_, second), _ = kernel.bodies
    assert failed.error == "RuntimeError: as planned"
    assert second.start == 2


def test_max_retries_are_set_for_the_trial_only(host):
    program = ForeignProgram("vercel-workflow", MODULE, "trying")
    assert host.steps(program)["flaky"] == 2
    begun(host, "trying", 3, max_retries=0)
    assert host.steps(program)["flaky"] == 0
    host.end()
    assert host.steps(program)["flaky"] == 2


def test_a_refusal_is_raised_where_the_engine_has_asked(host):
    refused = WorldError("no", status=500)

    def refuse(ask):
        return refused if isinstance(ask.question, seam.ReadLog) else None

    kernel, _ = begun(host, "single", 1, refuse=refuse)
    kernel.drain()
    assert kernel.ended["msg_0"].error
    assert kernel.ended["msg_0"].again is None


def fan_whose_first_create_is_lost(host):
    """What is taken back, by how much later it was asked for, and what failed."""
    lost = []

    def refuse(ask):
        question = ask.question
        if isinstance(question, seam.Create) and isinstance(question.fact, StepCreated):
            lost.append(ask.number)
            return IndefiniteFailure("no answer")
        return None

    kernel, _ = begun(host, "fan", 6, refuse=refuse)
    kernel.drain()
    host.end()
    assert len(lost) == 1
    return [each - lost[0] for each in kernel.withdrawn], kernel.ended["msg_0"].error


def test_siblings_of_a_failed_part_take_their_asks_back(host):
    withdrawn, error = fan_whose_first_create_is_lost(host)
    assert error
    assert sorted(withdrawn) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("workflow", ["unordered", "waiting_for_all"])
def test_a_set_has_the_same_order_wherever_its_members_lie_in_memory(host, workflow):
    """In every pass it may be another one, as it is for real, which the SDK then complains of."""
    found, kept = [], []
    for size in range(5):
        kept += [bytearray(100 * size + each) for each in range(100)]
        kernel, _ = begun(host, workflow, 6)
        kernel.drain()
        host.end()
        found.append(kernel.trace)
    assert all(each == found[0] for each in found)


def test_siblings_are_cancelled_in_the_same_order_wherever_they_lie_in_memory(host):
    first, _ = fan_whose_first_create_is_lost(host)
    kept = []
    for size in range(10):
        kept += [bytearray(100 * size + each) for each in range(100)]
        assert fan_whose_first_create_is_lost(host)[0] == first


def test_timers_run_side_by_side_and_can_be_taken_back(host):
    kernel, run_id = begun(host, "abreast")
    assert outcome(kernel, run_id) == [3, 1, 2]
    assert kernel.clock.ms == START_MS + 3_000
    host.end()
    kernel, run_id = begun(host, "racing")
    assert outcome(kernel, run_id) == "done"
    (cancelled,) = kernel.withdrawn
    assert cancelled


def test_an_abandoned_activity_never_goes_on(host):
    kernel, _ = begun(host, "waiting")
    while not kernel.bodies:
        kernel.step()
    host_flows.RAN.clear()
    host.abandon("msg_1")
    kernel.drain()
    assert "msg_1" not in kernel.ended
    assert host_flows.RAN == []
    host.end()


def test_a_pass_that_does_not_come_back_is_left_alone(host, monkeypatch):
    monkeypatch.setattr(module, "PASS_S", 0.05)
    kernel, run_id = begun(host, "spinning")
    kernel.drain()
    assert [activity for activity, _ in kernel.stuck] == ["msg_0"]
    assert "has not come back in 0.05 s of processor time" in kernel.stuck[0][1]
    monkeypatch.setattr(module, "PASS_S", 1_000)
    kernel.send(seam.Send(Message(run_id), "", 0))
    kernel.drain()
    assert [activity for activity, _ in kernel.stuck] == ["msg_0", "msg_1"]
    assert "msg_1" not in kernel.ended


def test_a_version_that_cannot_cancel_says_so(host, monkeypatch):
    monkeypatch.delattr(Run, "terminate", raising=False)
    kernel, run_id = begun(host, "single", 3)
    with pytest.raises(UsageError, match=r"cannot cancel a run: Run\.terminate came with 0\.11"):
        kernel.call("cancel", run_id=run_id)


def test_the_same_seed_gives_the_same_trial(host):
    def trial(seed):
        kernel, run_id = begun(host, "surrounded", seed=seed)
        told = outcome(kernel, run_id)
        host.end()
        return told, kernel.trace, kernel.names

    once, other, again = trial(7), trial(8), trial(7)
    assert once == again
    assert once[0][:3] != other[0][:3]
    assert once[0][3].startswith(str(START_MS))


def test_nothing_of_a_trial_is_left_in_the_process(host):
    logger = logging.getLogger("vercel.workflow")
    before = random.getstate(), os.urandom, logger.disabled
    kernel, run_id = begun(host, "surrounded")
    assert abs(time.time() * 1_000 - START_MS) > 1_000
    assert os.urandom is before[1]
    outcome(kernel, run_id)
    host.end()
    assert (random.getstate(), os.urandom, logger.disabled) == before
    assert asyncio.tasks.Task is asyncio.Task
    assert not hasattr(asyncio.tasks, "set")


def test_a_trial_may_end_anywhere_without_a_word(host, capfd):
    """Nothing is printed, warned of, or left to the garbage collector to finish."""
    unraisable = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for steps in range(0, 40, 3):
                kernel, _ = begun(host, "fan", 3)
                for _ in range(steps):
                    kernel.step()
                host.end()
                del kernel
                gc.collect()
    finally:
        sys.unraisablehook = hook
    assert unraisable == []
    assert capfd.readouterr() == ("", "")


def test_threads_are_refused_at_the_users_line(host):
    kernel, _ = begun(host, "threaded")
    with pytest.raises(UsageError, match=r"host_flows\.py:\d+: loop\.run_in_executor"):
        kernel.drain()


def test_unknown_names_are_told_with_the_nearest(host):
    with pytest.raises(UsageError, match="did you mean single"):
        host.steps(ForeignProgram("vercel-workflow", MODULE, "singel"))
    with pytest.raises(UsageError, match="no_such_module"):
        host.steps(ForeignProgram("vercel-workflow", "no_such_module", "single"))
    with pytest.raises(UsageError, match=r"vercel\.workflow\.Workflows"):
        host.steps(ForeignProgram("vercel-workflow", "simworld.errors", "single"))


def test_workflows_are_listed_with_their_parameters(host):
    listed = host.workflows(MODULE)
    assert listed["single"] == "(number: 'int')"
    program = ForeignProgram("vercel-workflow", MODULE, "single")
    host.check_args(program, [1])
    with pytest.raises(UsageError, match=r"single\(number: 'int'\)"):
        host.check_args(program, [])
