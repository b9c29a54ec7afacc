"""Callers of one process who want something recorded about one run: one leads, others follow."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from simworld.engine import (
    AttrSet,
    HookCreated,
    RunCancelled,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepStarted,
)
from simworld.errors import DefiniteFailure, EntityConflictError, WorldError
from simworld.substrates import MemoryFiles, open_host
from simworld.worlds.local.lines import PATIENCE_MS
from tests.conformance.real import fail
from tests.worlds.doubles import Clock, Ids
from tests.worlds.local.makers import instance
from tests.worlds.local.stepping import CREATED, STARTED, Call, Rig, same_as_atomic

RUN = "wrun_1"
STEPS = [StepCreated(f"step_{number}", "work", b"") for number in range(50)]


class Gate(MemoryFiles):
    """Files whose next link waits until the gate opens, or fails with an error."""

    def __init__(self, tasks):
        super().__init__(tasks=tasks)
        self.tried, self.linked = 0, []
        self.shut = self.error = None

    async def link(self, path, data):
        self.tried += 1
        shut, error = self.shut, self.error
        self.shut = self.error = None
        if shut is not None:
            await shut.wait()
        if error is not None:
            raise error
        done = await super().link(path, data)
        if done:
            self.linked.append(path)
        return done


class Crowd:
    """Several calls of one process, the first of which stands at the gate."""

    def __init__(self, files, world, nursery):
        self.files, self.world = files, world
        self._nursery = nursery
        self.outcomes = {}
        self.scopes = {}

    async def ask(self, *facts):
        """Have each of these recorded; the first one gets as far as the gate."""
        gate = self.files.shut = trio.Event()
        for number, fact in enumerate(facts):
            self._nursery.start_soon(self._ask, number, fact)
            await trio.testing.wait_all_tasks_blocked()
        return gate

    async def _ask(self, number, fact):
        with trio.CancelScope() as self.scopes[number]:
            try:
                if isinstance(fact, list):
                    answers = await self.world.append(RUN, fact)
                    self.outcomes[number] = [answer.event.position for answer in answers]
                else:
                    answer = await self.world.create(RUN, fact)
                    self.outcomes[number] = answer.event and answer.event.position
            except (WorldError, DefiniteFailure) as error:
                self.outcomes[number] = error


def crowd(scene, **knobs):
    """Run a scene with a crowd, on a clock that moves when everybody waits."""

    async def main():
        async with open_host(on_error=fail) as host, trio.open_nursery() as nursery:
            files = Gate(host.tasks)
            knobs.setdefault("local_commits", "grouped")
            world = instance(files, Clock(), Ids(), tasks=host.tasks, **knobs)
            await world.create(RUN, CREATED)
            await world.create(RUN, STARTED)
            files.tried = 0
            files.linked.clear()
            found = Crowd(files, world, nursery)
            await scene(found)
            await trio.testing.wait_all_tasks_blocked()
            return found

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_fifty_at_once_are_two_files():
    async def scene(crowd):
        (await crowd.ask(*STEPS)).set()

    found = crowd(scene)
    assert (found.files.tried, len(found.files.linked)) == (2, 2)
    assert found.outcomes == {number: number + 3 for number in range(50)}


def test_without_lines_each_of_them_tries_again_and_again():
    async def scene(crowd):
        (await crowd.ask(*STEPS[:10])).set()

    found = crowd(scene, local_commits="each")
    assert len(found.files.linked) == 10
    assert found.files.tried > 10
    assert sorted(found.outcomes.values()) == list(range(3, 13))


def test_each_has_its_own_answer_or_its_own_refusal():
    asked = [
        STEPS[0],
        STEPS[1],
        STEPS[1],
        [STEPS[2], STEPS[1]],
        [STEPS[2], StepStarted("step_2", "work")],
        StepStarted("step_9", "work"),
        StepCreated("", "work", b""),
        RunStarted(),
        StepCompleted("step_2", b""),
    ]

    async def scene(crowd):
        (await crowd.ask(*asked)).set()

    found = crowd(scene)
    told = [found.outcomes[number] for number in range(len(asked))]
    assert [getattr(each, "status", each) for each in told] == [
        3, 4, 409, 409, [5, 6], 404, 400, None, 7,
    ]  # fmt: skip
    assert len(found.files.linked) == 2


def test_what_concerns_tokens_is_linked_alone_and_in_its_order():
    async def scene(crowd):
        (await crowd.ask(STEPS[0], STEPS[1], RunCancelled(), STEPS[2], AttrSet("", b"1"))).set()

    found = crowd(scene)
    assert found.outcomes[2] == 5
    assert isinstance(found.outcomes[3], EntityConflictError)  # the run has ended
    assert [path[-1] for path in found.files.linked] == ["3", "4", "5"]


def test_an_open_hook_does_not_stand_in_the_way():
    async def scene(crowd):
        (await crowd.ask(STEPS[0], HookCreated("hook_1", "token"), STEPS[1], STEPS[2])).set()

    found = crowd(scene)
    assert sorted(found.outcomes.values()) == [3, 4, 5, 6]


def test_who_comes_first_somewhere_else_has_all_of_them_decided_again():
    async def scene(crowd):
        other = instance(crowd.files, Clock(), Ids())
        gate = await crowd.ask(*STEPS[:4])
        await other.create(RUN, STEPS[2])
        gate.set()

    found = crowd(scene)
    told = [
        getattr(found.outcomes[number], "status", found.outcomes[number]) for number in range(4)
    ]
    assert told == [4, 5, 409, 6]


def test_what_fails_fails_for_all_who_share_it():
    async def scene(crowd):
        gate = await crowd.ask(*STEPS[:3])
        crowd.files.error = DefiniteFailure("the disk is full")
        gate.set()

    found = crowd(scene)
    assert found.outcomes[0] == 3
    assert [str(found.outcomes[number]) for number in (1, 2)] == ["the disk is full"] * 2


@pytest.mark.parametrize("who", [0, 1, 3])
def test_who_is_cancelled_takes_only_himself_back(who):
    async def scene(crowd):
        gate = await crowd.ask(*STEPS[:4])
        crowd.scopes[who].cancel()
        await trio.testing.wait_all_tasks_blocked()
        gate.set()

    found = crowd(scene)
    assert sorted(found.outcomes) == [number for number in range(4) if number != who]
    assert sorted(found.outcomes.values()) == [3, 4, 5]


def test_a_leader_that_says_nothing_is_passed_over():
    async def scene(crowd):
        await crowd.ask(*STEPS[:5])  # nobody opens the gate
        await trio.sleep(PATIENCE_MS / 1_000 + 1)
        assert sorted(crowd.outcomes) == [1, 2, 3, 4]
        assert len(crowd.files.linked) == 1
        await crowd.world.create(RUN, STEPS[7])
        crowd.scopes[0].cancel()

    found = crowd(scene)
    assert [found.outcomes[number] for number in range(1, 5)] == [3, 4, 5, 6]


@pytest.mark.parametrize("who_is_first", [0, 1])
def test_who_is_passed_over_may_only_be_slow(who_is_first):
    """Of two leaders that decide for the same calls, either may be first; each is recorded once."""
    asked = [STEPS[0], STEPS[1], AttrSet("attr_1", b"1"), [STEPS[2], AttrSet("attr_2", b"2")]]

    async def scene(crowd):
        gate = await crowd.ask(*asked)
        gates = [trio.Event(), trio.Event()]
        crowd.files.shut = gates[0]
        gate.set()
        await trio.testing.wait_all_tasks_blocked()
        crowd.files.shut = gates[1]
        await trio.sleep(2 * PATIENCE_MS / 1_000 + 1)
        assert crowd.files.tried == 3
        gates[who_is_first].set()
        await trio.testing.wait_all_tasks_blocked()
        gates[1 - who_is_first].set()
        await trio.testing.wait_all_tasks_blocked()
        page = await crowd.world.events(RUN)
        crowd.log = [(event.type, event.correlation_id) for event in page.events]

    found = crowd(scene)
    told = {"attr_1": found.outcomes[2], "step_2": found.outcomes[3][0]}
    told |= {"step_0": found.outcomes[0], "step_1": found.outcomes[1]}
    told["attr_2"] = found.outcomes[3][1]
    assert told == {name: place for place, (_, name) in enumerate(found.log, 1) if name}
    assert len(found.log) == 2 + len(told)


def test_whoever_is_alone_pays_nothing():
    facts = (CREATED, STARTED, STEPS[0], StepStarted("step_0", "work"))
    costs = []
    for commits in ("each", "grouped"):
        rig = Rig(local_commits=commits)
        world = rig.process()
        costs.append([rig.done_by(Call(world.create(RUN, fact))) for fact in facts])
        same_as_atomic(rig)
    assert costs[0] == costs[1]
