"""The repaired file world: what each call costs, and that nothing can come between or be torn.

The oracle is the atomic world: it is told every event in the order in which they were published,
and must have recorded the same each time.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.conformance import Turns, check_concurrent
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
from simworld.errors import (
    EntityConflictError,
    HookNotFoundError,
    SimworldError,
    UsageError,
    WorldError,
)
from simworld.substrates import MemoryFiles
from simworld.worlds.local.layout import slot_path
from tests.worlds.doubles import Clock, Ids, now
from tests.worlds.local.makers import instance, local
from tests.worlds.local.stepping import CREATED, STARTED, Call, Point, Rig, same_as_atomic

SLOT = "link runs/wrun_1/000000/{:08d}"
STEP, BEGUN = StepCreated("step_1", "work", b""), StepStarted("step_1", "work")


def cost(rig, call):
    return [each for each in rig.done_by(call) if each != "mint"]


# --- costs ------------------------------------------------------------------------------------


def test_a_create_of_who_knows_the_log_is_one_operation():
    rig = Rig()
    world = rig.process()
    for number, fact in enumerate((CREATED, STARTED, STEP, BEGUN), 1):
        assert cost(rig, Call(world.create("wrun_1", fact))) == [SLOT.format(number)]


def test_a_create_of_who_has_just_read_the_log_is_one_operation():
    rig = Rig()
    rig.create(rig.process(), CREATED, STARTED)
    world = rig.process()
    Call(world.events("wrun_1")).finish()
    assert cost(rig, Call(world.create("wrun_1", STEP))) == [SLOT.format(3)]


def test_a_create_of_who_knows_nothing_reads_first():
    rig = Rig()
    rig.create(rig.process(), CREATED, STARTED)
    assert cost(rig, Call(rig.process().create("wrun_1", STEP))) == ["read_all 8", SLOT.format(3)]


@pytest.mark.parametrize("length", [40, 1_000])
def test_a_step_costs_the_same_however_long_the_log_is(length):
    rig = Rig()
    world = rig.process()
    rig.create(world, CREATED, STARTED, *(AttrSet("attr_1", b"") for _ in range(length)))
    cursor = Call(world.events("wrun_1", str(length))).finish().cursor
    done = cost(rig, Call(world.create("wrun_1", STEP)))
    assert done == [f"link {slot_path('wrun_1', length + 3)}"]
    rig.files.done.clear()
    page = Call(world.events("wrun_1", cursor)).finish()
    assert [event.type for event in page.events] == ["step_created"]
    assert rig.files.done == ["read_all 9"]


def test_a_token_that_nobody_has_had_is_one_operation_more():
    rig = Rig()
    world = rig.process()
    rig.create(world, CREATED)
    call = Call(world.create("wrun_1", HookCreated("hook_1", "token")))
    assert cost(rig, call) == ["link tokens/token/00000001", SLOT.format(2)]


# --- others come first ------------------------------------------------------------------------


def test_who_loses_a_slot_decides_again():
    rig = Rig()
    first, second = rig.process(), rig.process()
    rig.create(first, CREATED)
    Call(second.run("wrun_1")).finish()
    calls = [Call(world.create("wrun_1", STEP)) for world in (first, second)]
    assert calls[0].finish().event.position == 2
    with pytest.raises(EntityConflictError) as refusal:
        calls[1].finish()
    assert refusal.value.reason == "exists"
    assert rig.types() == ["run_created", "step_created"]


def test_a_refusal_is_not_decided_by_what_was_read_before():
    rig = Rig()
    first, second = rig.process(), rig.process()
    rig.create(first, CREATED, STARTED, STEP, BEGUN)
    Call(second.run("wrun_1")).finish()
    rig.create(first, StepRetrying("step_1", b"", retry_after_ms=5_000))
    rig.clock.ms = 6_000
    rig.create(first, BEGUN)
    answer = Call(second.create("wrun_1", BEGUN)).finish()
    assert answer.step.attempt == 3


def test_that_a_run_goes_on_is_not_told_by_who_does_not_know_of_its_end():
    rig = Rig()
    first, second = rig.process(), rig.process()
    rig.create(first, CREATED, STARTED)
    Call(second.run("wrun_1")).finish()
    rig.create(first, RunCompleted(b""))
    with pytest.raises(SimworldError, match="completed"):
        Call(second.create("wrun_1", STARTED)).finish()


def test_a_start_that_died_between_its_two_events_leaves_a_pending_run():
    rig = Rig()
    Call(rig.process().create("wrun_1", RunStarted("order", b"in"))).step(1)
    assert rig.types() == ["run_created"]
    answer = rig.create(rig.process(), RunStarted("order", b"in"))
    assert [event.type for event in answer.preload] == ["run_created", "run_started"]
    same_as_atomic(rig)


# --- reading ----------------------------------------------------------------------------------


def test_pages_are_cut_at_their_size():
    rig = Rig(page_max=2)
    world = rig.process()
    rig.create(world, CREATED, STARTED, STEP)
    page = Call(world.events("wrun_1")).finish()
    assert ([event.position for event in page.events], page.cursor, page.has_more) == (
        [1, 2],
        "2",
        True,
    )
    page = Call(world.events("wrun_1", "2")).finish()
    assert ([event.position for event in page.events], page.cursor, page.has_more) == (
        [3],
        "3",
        False,
    )
    assert Call(world.events("wrun_1", "3")).finish() == ([], None, False)


@pytest.mark.parametrize("cursor", ["", "-1", "x", "1000|evnt_1", "9" * 13, "٣"])
def test_what_is_no_cursor_is_refused(cursor):
    with pytest.raises(UsageError, match="not a cursor"):
        Call(Rig().process().events("wrun_1", cursor)).finish()


def test_active_runs_are_those_that_have_not_ended_whatever_they_are_called():
    rig = Rig()
    world = rig.process()
    odd = "../é " + "x" * 190
    for run in ("wrun_1", odd, "wrun_0"):
        rig.create(world, CREATED, run=run)
    rig.create(world, RunCancelled())
    assert Call(rig.process().active_runs()).finish() == sorted(["wrun_0", odd])


def test_a_file_that_somebody_else_wrote_is_named():
    rig = Rig()
    rig.memory.contents["runs/wrun_1/000000/00000001"] = b"{"
    with pytest.raises(UsageError, match="runs/wrun_1/000000/00000001 holds no event"):
        Call(rig.process().run("wrun_1")).finish()


# --- tokens -----------------------------------------------------------------------------------

HOOK = HookCreated("hook_1", "token")


def with_runs(*runs):
    rig = Rig()
    for run in runs:
        rig.create(rig.process(), CREATED, run=run)
    return rig


def owner(rig):
    try:
        return Call(rig.process().hook("token")).finish().run_id
    except HookNotFoundError:
        return None


@pytest.mark.parametrize("steps", [1, 2])
def test_who_died_taking_a_token_is_helped_and_keeps_it(steps):
    rig = with_runs("wrun_1", "wrun_2")
    Call(rig.process().create("wrun_1", HOOK)).step(1 + steps)
    assert rig.create(rig.process(), HOOK, run="wrun_2").event.type == "hook_conflict"
    assert (rig.types(), owner(rig)) == (["run_created", "hook_created"], "wrun_1")
    same_as_atomic(rig)


def test_who_asks_again_after_dying_finds_its_hook_made():
    rig = with_runs("wrun_1")
    Call(rig.process().create("wrun_1", HOOK)).step(2)
    with pytest.raises(EntityConflictError) as refusal:
        rig.create(rig.process(), HOOK)
    assert refusal.value.reason == "exists"
    assert (rig.types(), owner(rig)) == (["run_created", "hook_created"], "wrun_1")


def test_a_token_whose_run_ended_before_the_hook_was_made_is_free():
    rig = with_runs("wrun_1", "wrun_2")
    dying = Call(rig.process().create("wrun_1", HOOK))
    dying.step(2)
    rig.create(rig.process(), RunCancelled())
    assert rig.create(rig.process(), HOOK, run="wrun_2").event.type == "hook_created"
    with pytest.raises(EntityConflictError):
        dying.finish()
    assert owner(rig) == "wrun_2"
    same_as_atomic(rig)


@pytest.mark.parametrize("end", [HookDisposed("hook_1", "token"), RunCompleted(b"")])
def test_who_died_letting_go_of_a_token_is_helped(end):
    rig = with_runs("wrun_1", "wrun_2")
    rig.create(rig.process(), HOOK)
    dying = Call(rig.process().create("wrun_1", end))
    while not any("00000002" in each for each in rig.files.done if "tokens" in each):
        dying.step()
    assert rig.create(rig.process(), HOOK, run="wrun_2").event.type == "hook_created"
    assert dying.finish().event.type == end.type
    assert rig.types().count(end.type) == 1
    same_as_atomic(rig)


def test_a_conflict_is_recorded_while_the_owner_lives():
    rig = with_runs("wrun_1", "wrun_2")
    rig.create(rig.process(), HOOK)
    taker = Call(rig.process().create("wrun_2", HOOK))
    while "link tokens/token/00000002" not in rig.files.done:
        taker.step()
    rig.create(rig.process(), HookDisposed("hook_1", "token"))
    assert [event.type for event in rig.events[-2:]] == ["hook_conflict", "hook_disposed"]
    assert taker.finish().event.type == "hook_conflict"
    same_as_atomic(rig)


# --- every crash, every order -----------------------------------------------------------------

SCRIPT = [
    ("wrun_1", RunStarted("order", b"in")),
    ("wrun_2", RunCreated("order", b"in")),
    ("wrun_1", STEP),
    ("wrun_1", BEGUN),
    ("wrun_1", StepCompleted("step_1", b"")),
    ("wrun_1", HOOK),
    ("wrun_2", HOOK),
    ("wrun_1", HookReceived("hook_1", "token", b"")),
    ("wrun_1", HookDisposed("hook_1", "token")),
    ("wrun_2", HookCreated("hook_2", "token")),
    ("wrun_1", WaitCreated("wait_1", 0)),
    ("wrun_1", WaitCompleted("wait_1")),
    ("wrun_2", RunFailed(b"", "USER_ERROR")),
    ("wrun_1", HookCreated("hook_3", "token")),
    ("wrun_1", RunCompleted(b"")),
]


def tried_out(call):
    with contextlib.suppress(WorldError):
        call.finish()


def tried(world, run, fact):
    """Record a fact as an engine does that may have recorded it before."""
    tried_out(Call(world.create(run, fact)))


def test_a_process_may_die_before_any_operation():
    died = 0
    for number, (run, fact) in enumerate(SCRIPT):
        for steps in range(20):
            rig = Rig()
            world = rig.process()
            for each in SCRIPT[:number]:
                rig.create(world, each[1], run=each[0])
            if Call(world.create(run, fact)).step(steps):
                break
            died += 1
            after = rig.process()
            for each in SCRIPT[number:]:
                tried(after, *each)
            oracle = same_as_atomic(rig)
            assert [row.status for row in oracle.runs.values()] == ["completed", "failed"]
            assert not oracle.tokens
    assert died >= 30


RUNS = st.sampled_from(["wrun_1", "wrun_2", "wrun_3"])
FACTS = st.one_of(
    st.builds(HookCreated, st.sampled_from(["hook_1", "hook_2"]), st.sampled_from(["a", "b"])),
    st.builds(HookDisposed, st.sampled_from(["hook_1", "hook_2"]), st.just("a")),
    st.sampled_from([RunCompleted(b""), RunCancelled(), StepFailed("step_1", b""), STEP, BEGUN]),
)


INTERLEAVINGS = (
    st.lists(st.tuples(RUNS, FACTS), min_size=2, max_size=8),
    st.lists(st.tuples(st.integers(0, 5), st.integers(1, 4)), max_size=40),
    st.lists(st.integers(0, 7), max_size=3),
)


def interleave(calls, order, dead):
    """Calls of three processes, stepped in this order; the dead ones are never finished."""
    rig = Rig()
    worlds = [rig.process() for _ in range(3)]
    for run in ("wrun_1", "wrun_2", "wrun_3"):
        rig.create(rig.process(), CREATED, STARTED, run=run)
    going = [Call(worlds[number % 3].create(run, fact)) for number, (run, fact) in enumerate(calls)]
    for which, steps in order:
        going[which % len(going)].step(steps)
    for number, call in enumerate(going):
        if number not in dead:
            tried_out(call)
    rig.create(rig.process(), CREATED, HookCreated("hook_9", "a"), run="wrun_9")
    rig.create(rig.process(), HookCreated("hook_8", "b"), run="wrun_9")
    same_as_atomic(rig)
    answers = [call.answer for call in going if call.answer is not None]
    told = [answer.event.event_id for answer in answers if answer.event is not None]
    assert len(told) == len(set(told)), "two were told that they had recorded the same event"
    assert set(told) <= {event.event_id for event in rig.events}


@given(*INTERLEAVINGS)
def test_calls_of_several_processes_in_any_order_with_any_of_them_dead(calls, order, dead):
    interleave(calls, order, dead)


@pytest.mark.parametrize("processes", [1, 2])
def test_some_order_explains_calls_at_the_same_time(processes):
    turns = Turns()
    report = check_concurrent(local(turns=turns, processes=processes), turns=turns, cases=60)
    assert report.ok, report


class SlowAnswers:
    """Files whose links answer only when the test says so."""

    def __init__(self, inner):
        self._inner = inner
        self.slow = False

    def __getattr__(self, verb):
        return getattr(self._inner, verb)

    async def link(self, path, data):
        done = await self._inner.link(path, data)
        if self.slow:
            self.slow = False
            await Point()
        return done


def test_an_answer_has_the_rows_right_after_its_event_though_others_have_read_on():
    files = SlowAnswers(MemoryFiles())
    world = instance(files, Clock(), Ids())
    for fact in (RunCreated("order", b""), RunStarted(), StepCreated("step_1", "work", b"")):
        now(world.create("wrun_1", fact))
    files.slow = True
    first = world.create("wrun_1", StepStarted("step_1", "work"))
    first.send(None)  # the event is there, its answer under way
    second = now(world.create("wrun_1", StepStarted("step_1", "work")))
    with pytest.raises(StopIteration) as stop:
        first.send(None)
    assert (stop.value.value.step.attempt, second.step.attempt) == (1, 2)
