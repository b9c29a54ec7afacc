"""Several events in one commit on slots: one file, all of it or nothing, and nobody comes between.

The oracle is the atomic world, as in ``test_slots``.
"""

from __future__ import annotations

import contextlib

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from simworld import marks
from simworld.conformance import Turns, check_concurrent
from simworld.engine import (
    HookCreated,
    RunCancelled,
    RunCompleted,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import EntityConflictError, SimworldError, UsageError, WorldError
from simworld.ports import Answer, Page
from simworld.substrates import MemoryFiles, open_host
from simworld.worlds.codec import decode_events, encode_events
from simworld.worlds.local.layout import slot_path
from tests.conformance.real import fail
from tests.worlds.doubles import Ids
from tests.worlds.local.makers import instance, local
from tests.worlds.local.stepping import CREATED, STARTED, Call, Rig, same_as_atomic

RUN = "wrun_1"
STEPS = [StepCreated(f"step_{number}", "work", b"") for number in range(1, 4)]
START, DONE = StepStarted("step_1", "work"), StepCompleted("step_1", b"out")
END = RunCompleted(b"out")


def append(world, *facts, run=RUN, after=None):
    return Call(world.append(run, facts, after=after))


def begun(**knobs):
    """A rig with a run that has begun, and one process that knows it."""
    rig = Rig(**knobs)
    world = rig.process()
    rig.create(world, CREATED, STARTED)
    return rig, world


def positions(world, cursor=None):
    page: Page = Call(world.events(RUN, cursor)).finish()
    return [event.position for event in page.events], page.cursor, page.has_more


# --- one file -------------------------------------------------------------------------------------


def test_an_append_is_one_operation_and_one_file():
    rig, world = begun()
    done = rig.done_by(append(world, *STEPS, START))
    assert [each for each in done if each != "mint"] == [f"link {slot_path(RUN, 3)}"]
    assert sorted(rig.memory.contents) == [slot_path(RUN, slot) for slot in (1, 2, 3)]
    assert rig.types()[2:] == ["step_created"] * 3 + ["step_started"]
    same_as_atomic(rig)


def test_an_answer_has_the_rows_right_after_its_event():
    rig, world = begun()
    answers = append(world, STEPS[0], START, DONE, END).finish()
    assert [answer.step and answer.step.status for answer in answers] == [
        "pending", "running", "completed", None,
    ]  # fmt: skip
    assert [answer.run.status for answer in answers] == ["running"] * 3 + ["completed"]
    assert [answer.cursor for answer in answers] == ["3", "4", "5", "6"]
    assert [answer.event for answer in answers] == rig.events[2:]


def test_the_next_file_is_numbered_after_the_last_event():
    rig, world = begun()
    append(world, *STEPS).finish()
    rig.create(world, START)
    rig.create(rig.process(), DONE)
    names = [path.rpartition("/")[2] for path in sorted(rig.memory.contents)]
    assert names == ["00000001", "00000002", "00000003", "00000006", "00000007"]


def test_the_file_of_one_event_is_what_it_always_was():
    (event,) = decode_events(one := encode_events(begun()[0].events[:1]))
    assert event.position == 1
    assert one.startswith(b'{"runId":"wrun_1",')
    assert encode_events(begun()[0].events).startswith(b'[{"runId":"wrun_1",')


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [False, True])
@pytest.mark.parametrize("page_max", [1, 2, 3, 4, 100])
@pytest.mark.parametrize("knows", [False, True])
def test_pages_may_end_inside_of_a_file(page_max, memory, knows):
    rig, world = begun(page_max=page_max, local_memory=memory)
    append(world, *STEPS).finish()
    append(world, START, DONE).finish()
    found, cursor, more = [], None, True
    while more:
        reader = world if knows else rig.process()  # who has not seen where files begin
        page, cursor, more = positions(reader, cursor)
        found += page
    assert found == [1, 2, 3, 4, 5, 6, 7]
    assert positions(rig.process(), "7") == ([], None, False)
    assert positions(rig.process(), "9") == ([], None, False)


def test_who_keeps_what_was_read_reads_on():
    rig, world = begun(local_memory=True)
    append(world, *STEPS).finish()
    assert positions(world)[0] == [1, 2, 3, 4, 5]
    rig.create(rig.process(), START)
    assert rig.done_by(call := Call(world.events(RUN))) == ["read_all 8"]
    assert [event.position for event in call.answer.events] == [1, 2, 3, 4, 5, 6]


def test_a_file_may_reach_beyond_its_bucket():
    rig, world = begun()
    many = [StepCreated(f"s{number}", "work", b"") for number in range(253)]
    append(world, *many).finish()
    append(world, *STEPS).finish()  # slots 256 to 258
    rig.create(world, START)
    assert [path for path in rig.memory.contents if "/000001/" in path] == [slot_path(RUN, 259)]
    assert Call(rig.process().run(RUN)).finish().status == "running"
    assert positions(rig.process(), "257")[0] == [258, 259]
    same_as_atomic(rig)


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("facts", "after", "status"),
    [
        ([STEPS[0], STEPS[0]], None, 409),
        ([STEPS[0], START, DONE, StepFailed("step_1", b"")], None, 409),
        ([STEPS[0], DONE, StepStarted("step_9", "work")], None, 404),
        ([STEPS[0], StepCreated("", "work", b"")], None, 400),
        ([STEPS[0]], 1, 409),
        ([STEPS[0]], 3, 409),
    ],
)
def test_the_first_refusal_refuses_all(facts, after, status):
    rig, world = begun()
    with pytest.raises(WorldError) as caught:
        append(world, *facts, after=after).finish()
    assert caught.value.status == status
    assert len(rig.types()) == 2
    rig.create(world, STEPS[0])
    same_as_atomic(rig)


def test_whoever_was_first_refuses_who_knows_less():
    rig, world = begun()
    other = rig.process()
    late = append(world, STEPS[0], START, after=2)
    append(other, *STEPS[1:], after=2).finish()
    with pytest.raises(EntityConflictError, match="ends at position 4, not at 2") as caught:
        late.finish()
    assert caught.value.reason == "moved"
    append(world, STEPS[0], START, after=4).finish()
    same_as_atomic(rig)


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ([], "no facts"),
        ([RunStarted()], "run_started cannot be appended"),
        ([HookCreated("hook_1", "token")], "hook_created cannot be appended"),
        ([RunCancelled()], "run_cancelled cannot be appended"),
        ([END, STEPS[0]], "append it last"),
    ],
)
def test_what_cannot_be_recorded_together(facts, told):
    _, world = begun()
    with pytest.raises(UsageError, match=told):
        append(world, *facts).finish()


def test_a_world_whose_rows_are_files_has_no_appends():
    world = Rig(local_log="minted").process()
    with pytest.raises(UsageError, match="commits=each"):
        append(world, *STEPS).finish()


# --- tokens ---------------------------------------------------------------------------------------


def held():
    """A run that holds two tokens, another one that would like the first, and a process each."""
    rig, world = begun()
    rig.create(world, HookCreated("hook_1", "a"), HookCreated("hook_2", "b"), *STEPS)
    other = rig.process()
    rig.create(other, CREATED, STARTED, run="wrun_2")
    return rig, world, other


def test_an_end_beside_others_frees_the_tokens():
    rig, world, other = held()
    append(world, START, DONE, END).finish()
    assert rig.create(other, HookCreated("hook_1", "a"), run="wrun_2").event.type == "hook_created"
    same_as_atomic(rig)


def test_who_dies_anywhere_in_an_end_beside_others_leaves_all_of_it_or_nothing():
    whole, before = set(), marks.snapshot()
    for steps in range(1, 20):
        rig, world, other = held()
        end = append(world, START, DONE, END)
        if end.step(steps):
            break
        for token in ("a", "b"):
            rig.create(other, HookCreated(f"hook_{token}", token), run="wrun_2")
        told = rig.types()[7:]
        assert told in ([], ["step_started", "step_completed", "run_completed"])
        whole.add(bool(told))
        oracle = same_as_atomic(rig)
        assert {row.run_id for row in oracle.tokens.values()} == {"wrun_2" if told else RUN}
        if not end.over:
            with contextlib.suppress(SimworldError):
                end.finish()  # it was not dead, only slow
            same_as_atomic(rig)
            assert rig.types()[7:] == ["step_started", "step_completed", "run_completed"]
    assert steps > 5
    assert whole == {False, True}
    assert "slots.placed_for_another" in marks.since(before)


def test_an_announced_end_whose_slot_is_taken_can_be_announced_again():
    rig, world, other = held()
    end = append(world, START, DONE, END)
    while not rig.files.done[-1].startswith("link tokens/b"):
        end.step()
    rig.create(rig.process(), StepStarted("step_2", "work"))  # takes the slot it is for
    assert rig.create(other, HookCreated("hook_1", "a"), run="wrun_2").event.type == "hook_conflict"
    assert [answer.event.position for answer in end.finish()] == [9, 10, 11]
    assert rig.create(other, HookCreated("hook_3", "a"), run="wrun_2").event.type == "hook_created"
    same_as_atomic(rig)


# --- side by side ---------------------------------------------------------------------------------

KNOBS = [{}, {"local_commits": "grouped"}, {"local_commits": "grouped", "local_memory": True}]
RUNS = st.sampled_from(["wrun_1", "wrun_2"])
PARTS = st.sampled_from([*STEPS, START, DONE, StepStarted("step_2", "work", input=b"in")])
BATCHES = st.tuples(
    st.lists(st.one_of(PARTS, st.just(WaitCreated("wait_1", 5))), min_size=1, max_size=3),
    st.sampled_from([None, None, END]),
).map(lambda drawn: [*drawn[0], *([drawn[1]] if drawn[1] else [])])
CALLS = st.one_of(
    BATCHES,
    PARTS,
    st.builds(HookCreated, st.sampled_from(["hook_1", "hook_2"]), st.sampled_from(["a", "b"])),
    st.sampled_from([RunCancelled(), END, WaitCompleted("wait_1")]),
)


@given(
    calls=st.lists(
        st.tuples(RUNS, CALLS, st.sampled_from([None, None, 2])), min_size=2, max_size=8
    ),
    order=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 4)), max_size=40),
    dead=st.lists(st.integers(0, 2), max_size=2),
    knobs=st.sampled_from(KNOBS),
)
def test_calls_of_several_processes_in_any_order_with_any_of_them_dead(calls, order, dead, knobs):
    rig = Rig(**knobs)
    worlds = [rig.process() for _ in range(3)]
    for run in ("wrun_1", "wrun_2"):
        rig.create(rig.process(), CREATED, STARTED, run=run)
    going = []
    for number, (run, asked, after) in enumerate(calls):
        world = worlds[number % 3]
        if isinstance(asked, list):
            going.append(append(world, *asked, run=run, after=after))
        else:
            going.append(Call(world.create(run, asked)))
    for which, steps in order:
        going[which % len(going)].step(steps)
    alive = [call for number, call in enumerate(going) if number % 3 not in dead]
    for _ in range(10_000):  # in turns: who follows waits for who leads
        over = [call.step() for call in alive]
        if all(over):
            break
    else:
        raise AssertionError("it never ends")
    rig.create(rig.process(), CREATED, HookCreated("hook_9", "a"), run="wrun_9")
    rig.create(rig.process(), HookCreated("hook_8", "b"), run="wrun_9")
    same_as_atomic(rig)
    told = [
        answer.event.event_id
        for call in going
        if call.answer is not None
        for answer in ([call.answer] if isinstance(call.answer, Answer) else call.answer)
        if answer.event is not None
    ]
    assert len(told) == len(set(told)), "two were told that they had recorded the same event"
    assert set(told) <= {event.event_id for event in rig.events}


@pytest.mark.parametrize("knobs", KNOBS[1:], ids=["grouped", "grouped, kept"])
@pytest.mark.parametrize("processes", [1, 2])
def test_some_order_explains_calls_at_the_same_time(processes, knobs):
    turns = Turns()
    make_world = local(turns=turns, processes=processes, **knobs)
    report = check_concurrent(make_world, turns=turns, cases=60)
    assert report.ok, report


# --- the end --------------------------------------------------------------------------------------


def heard(ender):
    """Whether somebody in process 0 who waits for the end hears of it from process ``ender``."""

    async def main():
        async with open_host(on_error=fail) as host:
            files, ids = MemoryFiles(tasks=host.tasks), Ids()
            worlds = [instance(files, host.clock, ids, tasks=host.tasks) for _ in range(2)]
            for fact in (CREATED, STARTED):
                await worlds[0].create(RUN, fact)
            heard_of = trio.Event()

            async def wait():
                await worlds[0].wait_end(RUN, 60_000)
                heard_of.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(wait)
                await trio.sleep(1)
                await worlds[1].append(RUN, STEPS)
                await trio.sleep(1)
                assert not heard_of.is_set()
                await worlds[ender].append(RUN, [START, END])
                await trio.sleep(1)
                found = heard_of.is_set()
                nursery.cancel_scope.cancel()
            await worlds[0].wait_end(RUN, 60_000)  # it has ended
            return found

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("ender", [0, 1])
def test_who_waits_for_the_end_is_told_by_any_process(ender):
    assert heard(ender)


def test_nobody_waits_longer_than_asked():
    async def main():
        async with open_host(on_error=fail) as host:
            tasks, memory = host.tasks, MemoryFiles(tasks=host.tasks)
            world = instance(memory, host.clock, Ids(), tasks=tasks)
            await world.create(RUN, CREATED)
            for run in (RUN, "wrun_2"):  # there is no second one yet
                await world.wait_end(run, 5_000)
            await trio.sleep(1)
            return trio.current_time(), len(host.nursery.child_tasks)

    clock = trio.testing.MockClock(autojump_threshold=0)
    assert trio.run(main, clock=clock) == (11, 0)
