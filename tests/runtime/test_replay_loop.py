"""The log and the pass of an invocation: what is read, what is kept, what is retained (§3.4)."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.engine import LoopErrors, PassMode, WaitPush, gather, race, sleep
from simworld.errors import WorldError
from simworld.ports import Message
from simworld.runtime import Client
from tests.runtime.programs import program, sequence, single, work
from tests.runtime.rig import FIXED, MERGE, Wrapped, play

SCRATCH = attrs.evolve(FIXED, passes=PassMode.SCRATCH)


async def mixed():
    """A bit of everything that suspends."""
    first = await race(work("a", 2_000), sleep(1_000))
    rest = await gather(work("b"), work("c", 500), sleep(3_000))
    return [first.which, rest[:2], [await work(n) for n in range(3)]]


@pytest.mark.parametrize("function", [mixed, sequence])
def test_a_retained_pass_makes_the_same_run_as_passes_from_scratch(function):
    args = () if function is mixed else (4,)
    retained, scratch = (play(program(function), *args, policy=each) for each in (FIXED, SCRATCH))
    assert retained.run == scratch.run
    assert retained.log == scratch.log
    assert not any(scratch.retained)
    assert any(retained.retained)


def test_a_pass_is_retained_only_where_that_is_legal():
    illegal = attrs.evolve(MERGE, passes=PassMode.RETAINED)  # D0, C0
    assert not any(play(program(sequence), 3, policy=illegal).retained)


def test_a_log_that_was_read_anew_gets_a_fresh_pass_and_a_mark():
    before = marks.snapshot()
    played = play(program(sequence), 5, policy=FIXED)
    # The preload came without a cursor: the second iteration reads everything again.
    assert played.retained == [False, False, True, True, True, True]
    assert marks.since(before)["pass.not_retained"] == 1


class Behind(Wrapped):
    """The first event that is read after the first load belongs before what was read already."""

    done = False

    async def events(self, run_id, cursor=None):
        page = await self.inner.events(run_id, cursor)
        if cursor is None or self.done or not page.events:
            return page
        self.done = True
        moved = attrs.evolve(page.events[0], position=1)
        return page._replace(events=[moved, *page.events[1:]])


def test_an_event_that_belongs_before_the_last_one_ends_retention():
    played = play(program(sequence), 5, policy=FIXED, around=Behind)
    assert played.run.status == "completed"
    assert played.retained == [False] * 6


@pytest.mark.parametrize("refresh", [False, True])
def test_a_run_that_has_ended_meanwhile_is_noticed_before_the_pass(refresh):
    """The terminal check behind the elapsed waits exists only where the log is read again."""

    async def flow():
        await sleep(1_000)
        return await work("up")

    class Ends(Wrapped):
        async def create(self, run_id, fact):
            answer = await self.inner.create(run_id, fact)
            if fact.type == "wait_completed":
                await Client(services[0]).cancel(run_id)
            return answer

    services = []

    async def acts(given):
        services.append(given)
        await Client(given).start()

    policy = attrs.evolve(MERGE, wait_push=WaitPush.REFRESH if refresh else WaitPush.LOCAL)
    played = play(program(flow), policy=policy, around=Ends, acts=acts)
    assert played.run.status == "cancelled"
    assert played.passes == (1 if refresh else 2)


class Torn(Wrapped):
    """A first page that announces more and does not say where to go on."""

    torn = 0

    async def events(self, run_id, cursor=None):
        page = await self.inner.events(run_id, cursor)
        self.torn += 1
        return page._replace(cursor=None, has_more=True) if self.torn == 1 else page


def test_a_page_that_leads_nowhere_is_a_fault_of_the_world():
    policy = attrs.evolve(MERGE, loop_errors=LoopErrors.RETHROW)
    played = play(program(sequence), 2, policy=policy, around=Torn)
    assert played.run.status == "completed"
    assert played.delivered == ["start/flow", "start/flow~2"]
    merged = play(program(sequence), 2, around=Torn)
    assert merged.run.error_code == "USER_ERROR"
    assert "announces more events" in merged.notes[0][1]["error"]


def test_a_fault_while_the_run_is_failed_is_thrown_and_not_taken_for_its_error():
    async def flow():
        raise ValueError("wrong")

    down = {"run_failed": [WorldError("down", status=503)]}
    played = play(program(flow), errors=down)
    assert played.run.error_code == "USER_ERROR"
    assert "ValueError" in str(played.run.error)
    assert played.delivered == ["start/flow", "start/flow~2"]


@pytest.mark.parametrize("policy", [MERGE, FIXED], ids=["v2_merge", "fixed"])
def test_a_wake_up_while_a_step_runs_changes_nothing_in_the_result(policy):
    async def acts(services):
        run_id = await Client(services).start()
        await services.clock.sleep_ms(500)
        await services.queue.send(Message(run_id))

    played = play(single(work, "x", 1_000), policy=policy, acts=acts)
    assert played.run.status == "completed"
    assert played.types.count("step_completed") == 1
