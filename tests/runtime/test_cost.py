"""What a run costs: exact under the all-zero schedule, bounds under all others (spec §3.12)."""

from __future__ import annotations

import itertools
import sys

import attrs
import pytest

from simworld.engine import (
    BackgroundAfter,
    Draws,
    IdScheme,
    Program,
    RunIdentity,
    Seed,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.explore import Uniform
from simworld.records import Delivered, Profile, Sent
from tests.runtime.programs import broken, program, sequence, single, together
from tests.runtime.rig import FIXED, MERGE, POLICIES, V1, play
from tests.runtime.test_waits import nap

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
ENGINES = {"v1": V1, "v2_merge": MERGE, "fixed": FIXED}
every_engine = pytest.mark.parametrize("engine", ENGINES)


@step
async def writing(ctx, number):
    """A step with a stream of its own, whose operations settle."""
    writer = ctx.get_writable(f"part {number}")
    await writer.write(b"some")
    await writer.write(b"more")
    await writer.close()
    return number


async def writers(count):
    """One writing step after another."""
    return [await writing(number) for number in range(count)]


PROGRAMS = {
    "sequence": program(sequence),
    "writers": Program.of(workflow(writers), writing),
    "sleep and step": program(nap),
    "together": program(together),
}
TABLE = [
    # workflow, arguments, engine → (messages, invocations, passes, events)
    # Passes: None where they depend on how many steps end before the first continuation looks.
    *[
        (shape, (count,), engine, cost)
        for shape in ("sequence", "writers")
        for count in (0, 1, 2, 10)
        for engine, cost in (
            ("v1", (2 * count + 1, 2 * count + 1, count + 1, 3 + 3 * count)),
            ("v2_merge", (1, 1, count + 1, 3 + 3 * count)),
            ("fixed", (1, 1, count + 1, 3 + 3 * count)),
        )
    ],
    ("sleep and step", (), "v1", (3, 4, 3, 8)),
    ("sleep and step", (), "v2_merge", (1, 2, 3, 8)),
    ("sleep and step", (), "fixed", (2, 2, 3, 8)),
    *[
        ("together", (count,), engine, cost)
        for count in (2, 3, 8)
        for engine, cost in (
            ("v1", (2 * count + 1, 2 * count + 1, None, 3 + 3 * count)),
            ("v2_merge", (count, count, 3, 3 + 3 * count)),
            ("fixed", (2 * count - 1, 2 * count - 1, None, 3 + 3 * count)),
        )
    ],
]


@pytest.mark.parametrize(("shape", "args", "engine", "cost"), TABLE)
def test_the_cost_table(shape, args, engine, cost):
    played = play(PROGRAMS[shape], *args, policy=ENGINES[engine])
    assert played.run.status == "completed"
    messages, invocations, passes, events = cost
    assert (played.messages.total(), played.invocations, len(played.log)) == (
        messages,
        invocations,
        events,
    )
    assert played.passes == passes or passes is None


@every_engine
@pytest.mark.parametrize("failures", [0, 1, 3])
def test_a_step_costs_three_events_and_each_retry_two_more(engine, failures):
    flakes = tuple(("work#1", number + 1) for number in range(failures))
    played = play(program(sequence), 1, policy=ENGINES[engine], failures=flakes)
    assert played.run.status == "completed"
    assert len(played.log) == 3 + 3 + 2 * failures


def test_v1_reads_the_whole_log_every_time():
    played = play(program(sequence), 10, policy=V1)
    assert played.reads == list(range(5, 35, 3))


# --- any other schedule --------------------------------------------------------------------------

SCHEDULES = 1_000


def scheduled(shape, args, engine):
    """The workflow under that many random schedules."""
    for seed in range(SCHEDULES):
        explorer = Uniform()
        explorer.begin(Stream(seed), Profile((), {}))
        played = play(PROGRAMS[shape], *args, policy=ENGINES[engine], explorer=explorer)
        assert played.run.status == "completed", seed
        yield played


@every_engine
@pytest.mark.parametrize(("shape", "args"), [("sequence", (3,)), ("sleep and step", ())])
def test_without_concurrency_the_cost_does_not_depend_on_the_schedule(shape, args, engine):
    exact = next(cost for *row, cost in TABLE if row == [shape, (2,) if args else (), engine])
    if args:
        exact = {"v1": (7, 7, 4, 12)}.get(engine, (1, 1, 4, 12))
    for played in scheduled(shape, args, engine):
        counted = (played.messages.total(), played.invocations, played.passes, len(played.log))
        assert counted == exact


@every_engine
@pytest.mark.parametrize("count", [2, 4])
def test_side_by_side_a_redispatch_costs_a_message_and_what_it_brings(count, engine):
    """A step that has just got its result may be sent again by a handler that has not seen it."""
    again_seen = 0
    for played in scheduled("together", (count,), engine):
        assert played.bodies.total() == count
        assert len(played.log) == 3 + 3 * count
        steps = sum(1 for each in played.of(Sent) if each.step and each.message)
        messages, invocations = played.messages.total(), played.invocations
        if engine == "v1":
            again = steps - count
            assert messages == invocations == 2 * count + 1 + 2 * again
            assert 2 <= played.passes <= count + 1 + again
        elif engine == "v2_merge":
            again = steps - (count - 1)
            assert messages == invocations == count + again
            assert again < count
            assert 2 <= played.passes <= count + 1 + again
        else:
            again = steps - (count - 1)
            assert 2 * count - 1 + again <= messages <= 2 * count - 1 + 2 * again
            assert invocations <= 2 * count - 1 + 3 * again
            assert 2 <= played.passes <= count + 1 + again
        again_seen += again
    assert again_seen > 0


# --- the cost of one more step -------------------------------------------------------------------


def calls_per_step(policy, count):
    """How many calls of Python functions each iteration of a sequence makes."""
    seen = [0]
    totals = []

    def profile(_frame, event, _argument):
        if event == "call":
            seen[0] += 1

    def ended(report):
        totals.append(seen[0])

    sys.setprofile(profile)
    try:
        played = play(program(sequence), count, policy=policy, turns_max=100_000, on_pass=ended)
    finally:
        sys.setprofile(None)
    assert played.run.status == "completed"
    return [after - before for before, after in itertools.pairwise(totals)], played


def test_under_retained_passes_a_step_costs_the_same_however_long_the_run_is():
    calls, played = calls_per_step(FIXED, 1_000)
    # The first pass saw the preload; the second is another one, for the log was read anew.
    assert played.retained == [False, False, *[True] * 999]
    # The cheapest of some: the harness itself runs a pass again here and there.
    assert min(calls[980:999]) <= 1.1 * min(calls[5:20])


def test_from_scratch_a_step_costs_more_the_longer_the_run_is():
    calls, played = calls_per_step(attrs.evolve(FIXED, passes="scratch"), 60)
    assert not any(played.retained)
    assert calls[58] > 1.5 * calls[10]


# --- details of the all-zero schedule ------------------------------------------------------------


def test_sequential_steps_read_only_what_is_new():
    played = play(program(sequence), 10)
    assert played.prefixes == list(range(2, 33, 3))
    # The first pass has the preload; the second reads everything once to get a cursor.
    assert played.reads == [5, *[3] * 9]


@pytest.mark.parametrize("count", [2, 3, 8])
def test_parallel_steps_cost_one_inline_step_and_a_message_for_each_other(count):
    played = play(program(together), count)
    assert played.run.status == "completed"
    others = {f"work#{number}": 1 for number in range(2, count + 1)}
    assert played.messages == {"flow": 1, **others}
    assert played.invocations == count
    assert played.bodies == {"work#1": 1, **others}
    # The handler of the inline step looks once more and sends again what is still pending.
    assert played.dropped == count - 1
    assert played.passes == 3
    assert len(played.log) == 3 + 3 * count


@pytest.mark.parametrize("count", [2, 3, 8])
def test_a_continuation_per_background_step_costs_as_many_messages_again(count):
    draft = attrs.evolve(MERGE, bg_after=BackgroundAfter.ALWAYS_CONTINUE)
    for policy in (draft, FIXED):
        played = play(program(together), count, policy=policy)
        assert played.run.status == "completed"
        assert played.messages["flow"] == count
        assert played.invocations == 2 * count - 1
        assert played.bodies.total() == count


def test_the_inline_step_runs_on_the_flow_message_and_the_others_on_their_own():
    played = play(program(together), 3)
    tasks = [each.task for each in played.of(Delivered)]
    assert tasks == ["start/flow", "start/flow/work#2", "start/flow/work#3"]
    began = {each.step: each.task for each in played.records if type(each).__name__ == "BodyBegan"}
    assert began == {
        "work#1": "start/flow",
        "work#2": "start/flow/work#2",
        "work#3": "start/flow/work#3",
    }


def test_steps_get_the_ids_of_the_runs_identity():
    played = play(program(together), 3)
    identity = RunIdentity("wrun_1", "together", played.run.started_at_ms)
    ids = Draws(identity, IdScheme.MONOTONIC, Seed.STARTED_AT)
    assert [each.correlation_id for each in played.log if each.type == "step_created"] == [
        ids.draw("step", b"") for _ in range(3)
    ]


@every_policy
@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_a_step_that_always_fails_runs_exactly_max_retries_plus_one_bodies(policy, max_retries):
    played = play(single(broken, max_retries=max_retries), policy=policy)
    assert played.bodies == {"broken#1": max_retries + 1}
    assert played.outcomes == ["error"] * (max_retries + 1)
    assert played.types.count("step_retrying") == max_retries
    assert played.types.count("step_failed") == 1
    assert played.run.status == "failed"


@every_policy
def test_a_small_page_costs_more_reads_and_changes_nothing_else(policy):
    small = play(program(together), 4, policy=policy, page_max=2)
    large = play(program(together), 4, policy=policy)
    assert small.types == large.types
    assert (small.messages, small.passes) == (large.messages, large.passes)
    assert max(small.reads) == 2 < max(large.reads)


def test_an_invocation_beyond_its_limit_hands_over_to_a_new_message():
    policy = attrs.evolve(MERGE, inline_limit_ms=1_500)
    played = play(program(sequence), 4, 1_000, policy=policy)
    assert played.run.status == "completed"
    assert [each.task for each in played.of(Delivered)] == [
        "start/flow",
        "start/flow/flow",
        "start/flow/flow/flow",
    ]
    assert played.messages == {"flow": 3}
    assert played.bodies == {f"work#{number}": 1 for number in range(1, 5)}
    assert played.times("step_started") == [0, 1_000, 2_000, 3_000]


def test_an_invocation_at_its_limit_hands_over_and_one_below_does_not():
    at, below = (
        play(program(sequence), 2, 1_000, policy=attrs.evolve(MERGE, inline_limit_ms=limit_ms))
        for limit_ms in (1_000, 1_001)
    )
    # The limit is looked at before each pass: at 1 s, and (in the second invocation) at 2 s.
    assert at.invocations == 3
    assert below.invocations == 2
