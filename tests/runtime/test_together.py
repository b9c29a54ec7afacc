"""Several events in one commit (``commits=together``): what that saves, and what it must not do."""

from __future__ import annotations

import attrs
import pytest

from simworld import marks
from simworld.engine import (
    AttrSet,
    Commits,
    HookReceived,
    RunCancelled,
    StepStarted,
    create_hook,
    decode,
    encode,
    gather,
    now_ms,
    race,
    sleep,
)
from simworld.errors import DefiniteFailure
from simworld.records import Committed, Decided, Fault, InlineOwned, LogRead
from tests.runtime.programs import broken, program, sequence, together, work
from tests.runtime.rig import B30, FAST, FIXED, MERGE, Wrapped, play


def commits(played):
    """The types of the events of every commit."""
    turns = {}
    for each in played.of(Committed):
        turns.setdefault(each.turn, []).append(each.event.type)
    return list(turns.values())


FIRST = ["step_created", "step_started"]
NEXT = ["step_completed", *FIRST]
BEGUN = [["run_created"], ["run_started"]]


def test_a_step_costs_one_commit_and_no_read():
    played = play(program(sequence), 4, policy=FAST)
    assert commits(played) == [*BEGUN, FIRST, *[NEXT] * 3, ["step_completed", "run_completed"]]
    assert played.of(LogRead) == []
    assert played.invocations == 1
    assert sum(played.messages.values()) == 1
    assert played.prefixes == [2, 5, 8, 11, 14]
    assert played.retained == [False, True, True, True, True]


def test_the_log_is_what_it_is_without():
    fast, fixed = (play(program(sequence), 4, policy=each) for each in (FAST, FIXED))
    assert fast.types == fixed.types
    assert [each.step for each in fast.began] == [each.step for each in fixed.began]
    assert fast.run.output == fixed.run.output


def test_steps_side_by_side_are_created_in_one_commit():
    played = play(program(together), 5, policy=FAST)
    assert commits(played)[2] == ["step_created"] * 5 + ["step_started"]
    assert played.messages == {"flow": played.messages["flow"]} | {
        f"work#{number}": 1 for number in range(2, 6)
    }
    assert played.run.status == "completed"


def test_steps_that_run_here_side_by_side_are_started_together():
    played = play(program(together), 5, policy=attrs.evolve(FAST, max_inline=3))
    assert commits(played)[2] == ["step_created"] * 5 + ["step_started"] * 3
    assert played.run.status == "completed"


def test_an_owner_is_told_of_once_its_start_is_recorded():
    played = play(program(sequence), 3, policy=FAST)
    owned = [each.step for each in played.of(InlineOwned)]
    assert owned == ["work#1", "work#2", "work#3"]
    starts = [each.turn for each in played.commits("step_started")]
    assert [each.turn for each in played.of(InlineOwned)] == starts


@pytest.mark.parametrize("base", [MERGE, B30])
def test_engines_that_retain_no_pass_record_what_one_asks_for(base):
    policy = attrs.evolve(base, commits=Commits.TOGETHER)
    alone, played = (play(program(sequence), 3, policy=each) for each in (base, policy))
    assert played.types == alone.types
    assert len(commits(played)) <= len(commits(alone)) - (base is MERGE) * 3


# --- what a pass ahead cannot know ----------------------------------------------------------------


async def times():
    """The workflow's clock after every step."""
    seen = []
    for number in range(3):
        await work(number, 70)
        seen.append(now_ms())
    return seen


async def naps():
    """Steps and sleeps in turn."""
    for number in range(2):
        await work(number, 70)
        await sleep(500)
    return "rested"


@pytest.mark.parametrize("function", [times, naps])
def test_the_time_of_a_result_is_told_only_once_it_is_recorded(function):
    fast, fixed = (play(program(function), policy=each) for each in (FAST, FIXED))
    assert fast.run.output == fixed.run.output
    assert fast.types == fixed.types
    assert fast.times("step_completed") == fixed.times("step_completed")


def test_who_asks_for_the_time_costs_a_commit_more_and_still_reads_nothing():
    played = play(program(times), policy=FAST)
    once = [["step_completed"], FIRST]
    assert commits(played) == [*BEGUN, FIRST, *once * 2, ["step_completed"], ["run_completed"]]
    assert played.of(LogRead) == []


async def races():
    """A race called on a result that a pass ahead was given, and decided by another."""
    await work("first")
    found = await race(work("one"), work("other"))
    return found.which


def test_races_are_told_with_the_events_that_came_about():
    played = play(program(races), policy=FAST)
    ids = {each.event_id: each.type for each in played.log}
    (told,) = {each.decision for each in played.of(Decided)}
    assert ids[told.event_id] == ids[told.called_id] == "step_completed"


async def failing():
    """Fails after its step."""
    await work(1)
    raise ValueError("no")


async def other_ends():
    """A step that fails between others."""
    await work(1)
    try:
        await broken()
    except Exception:
        return await work(2)


@pytest.mark.parametrize("function", [failing, other_ends])
def test_failures_are_what_they_are_without(function):
    fast, fixed = (play(program(function, max_retries=1), policy=each) for each in (FAST, FIXED))
    assert fast.types == fixed.types
    assert fast.run.status == fixed.run.status


# --- somebody else was there ----------------------------------------------------------------------


class Meddling(Wrapped):
    """Somebody records this right before the first result is."""

    fact = None
    before = "step_completed"

    async def append(self, run_id, facts, *, after=None):
        if self.fact is not None and facts[0].type == self.before:
            fact, self.fact = self.fact, None
            await self.inner.create(run_id, fact(self.inner, run_id))
        return await self.inner.append(run_id, facts, after=after)


def meddling(fact, before="step_completed"):
    def around(world):
        wrapped = Meddling(world)
        wrapped.fact, wrapped.before = fact, before
        return wrapped

    return around


async def either():
    """A payload, or what comes behind a step: whichever the log has first."""
    async with create_hook("token") as hook:
        payload = hook.next()
        found = await race(work("step"), payload)
        return [found.which, await work("after", len(str(found.value)))]


def received(world, run_id):
    """A payload for the only hook."""
    hook = world.tokens["token"]
    return HookReceived(hook.correlation_id, hook.token, encode("payload"))


def test_a_payload_that_comes_between_wins_the_race():
    played = play(program(either), policy=FAST, around=meddling(received))
    assert played.types.index("hook_received") < played.types.index("step_completed")
    assert decode(played.run.output) == [1, "after"]
    fast, fixed = (play(program(either), policy=each) for each in (FAST, FIXED))
    assert decode(fast.run.output) == decode(fixed.run.output) == [0, "after"]


def test_labels_are_those_of_passes_that_came_about():
    played = play(program(forks), policy=FAST, around=meddling(received))
    labels = {each.event.correlation_id: each.step for each in played.commits("step_created")}
    assert sorted(labels.values()) == ["work#2", "work#3", "work#4"]
    assert decode(played.run.output) == ["by payload", "by step"]


async def forks():
    """What is asked for second depends on what came first."""
    async with create_hook("token") as hook:

        async def answered():
            await hook.next()
            return await work("by payload")

        async def worked():
            await work("step")
            return await work("by step")

        return await gather(answered(), worked())


def test_nothing_starts_once_the_run_is_cancelled():
    told = meddling(lambda world, run_id: RunCancelled())
    played = play(program(sequence), 3, policy=FAST, around=told)
    assert played.types[4:] == ["run_cancelled", "step_completed"]
    assert played.run.status == "cancelled"
    assert played.bodies == {"work#1": 1}


class Drained(Wrapped):
    """A host that is to go: from its first result on nothing may start here, for a while."""

    refusals = 3

    async def create(self, run_id, fact):
        self.check([fact])
        return await self.inner.create(run_id, fact)

    async def append(self, run_id, facts, *, after=None):
        if facts[0].type == "step_completed" or self.refusals < 3:
            self.check(facts)
        return await self.inner.append(run_id, facts, after=after)

    def check(self, facts):
        if any(isinstance(fact, StepStarted) for fact in facts) and self.refusals:
            self.refusals -= 1
            raise DefiniteFailure("this host is going")


def test_a_host_that_starts_nothing_any_more_still_records_the_result():
    played = play(program(sequence), 2, policy=FAST, around=Drained)
    assert played.run.status == "completed"
    assert commits(played)[2:4] == [FIRST, ["step_completed"]]
    assert played.bodies == {"work#1": 1, "work#2": 1}
    assert played.invocations > 1


class First(Wrapped):
    """Somebody else has created a step right before."""

    done = False

    async def append(self, run_id, facts, *, after=None):
        if not self.done:
            self.done = True
            await self.inner.create(run_id, facts[1])
        return await self.inner.append(run_id, facts, after=after)


def test_what_somebody_else_has_created_is_his_and_the_rest_is_recorded_one_by_one():
    before = marks.snapshot()
    played = play(program(together), 3, policy=FAST, around=First)
    assert marks.since(before)["creation.one_by_one"] == 1
    assert [each.step for each in played.commits("step_created")] == ["work#1", "work#3"]
    assert [each.step for each in played.of(InlineOwned)] == ["work#1"]
    assert played.run.status == "completed"


@pytest.mark.parametrize("kind", ["crash", "lost_answer"])
def test_a_delivery_may_die_or_not_hear_at_any_place(kind):
    program_ = program(sequence, max_retries=3)
    policy = attrs.evolve(FAST, lease_ms=5_000)
    fired = 0
    for place in range(1, 20):
        fault = Fault(kind, "start/flow", place)
        played = play(program_, 3, policy=policy, faults=(fault,))
        assert decode(played.run.output) == [0, 1, 2], place
        assert [each.step for each in played.commits("step_completed")] == [
            "work#1", "work#2", "work#3",
        ]  # fmt: skip
        fired += len(played.fired)
    assert fired >= 5  # the start, the first steps, each of the results


def test_a_result_that_comes_second_is_recorded_by_itself():
    before = marks.snapshot()
    told = meddling(lambda world, run_id: AttrSet("", encode({"a": 1})))
    played = play(program(sequence), 3, policy=FAST, around=told)
    assert marks.since(before)["pass.ahead_in_vain"] == 1
    assert commits(played)[2:5] == [FIRST, ["step_completed"], FIRST]
    assert played.types[4:6] == ["attr_set", "step_completed"]
    assert len(played.of(LogRead)) == 1
    assert played.run.status == "completed"
    assert played.bodies == {"work#1": 1, "work#2": 1, "work#3": 1}


@pytest.mark.parametrize(
    "fault", [Fault("server_error", "start/flow@4", 1), Fault("lost_answer", "start/flow", 4)]
)
def test_a_step_that_is_started_runs_although_another_gets_no_message(fault):
    before = marks.snapshot()
    played = play(program(together, max_retries=0), 2, policy=FAST, faults=(fault,))
    assert marks.since(before)["dispatch.refused_behind_start"] == 1
    assert played.bodies == {"work#1": 1, "work#2": 1}
    assert played.run.status == "completed"
    assert decode(played.run.output) == [0, 1]
