"""Which steps run inline, who owns them, and what is queued for the others (spec §3.6, §3.10)."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    AttemptGuard,
    BackgroundAfter,
    Dispatch,
    InlineGate,
    KeyPolicy,
    Program,
    StartedBy,
    gather,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import EntityConflictError, ThrottleError
from simworld.ports import Message
from simworld.records import Dedup, Fault, QueueProfile, Sent
from simworld.runtime import Client
from simworld.runtime.dispatch import step_key
from simworld.runtime.log_view import StepView
from simworld.sim import EPOCH_MS
from tests.runtime.programs import broken, program, sequence, single, together, work
from tests.runtime.rig import B30, FIXED, MERGE, play

LAZY = attrs.evolve(MERGE, lazy_create=True)
THREE = attrs.evolve(MERGE, max_inline=3)
STAMP = attrs.evolve(MERGE, inline_gate=InlineGate.OWNER_STAMP)
LEASED = attrs.evolve(MERGE, attempt_guard=AttemptGuard.G5)


def starts(played):
    """Label and owner of every accepted start."""
    return [(each.step, each.event.fact.owner) for each in played.commits("step_started")]


# --- how many, and how they are created ----------------------------------------------------------


def test_lazy_creation_saves_the_created_event_of_inline_steps():
    played = play(program(sequence), 3, policy=LAZY)
    assert played.run.status == "completed"
    assert played.types == [
        "run_created",
        "run_started",
        *["step_started", "step_completed"] * 3,
        "run_completed",
    ]
    assert play(program(sequence), 3).types.count("step_created") == 3


def test_lazy_creation_is_for_those_that_run_inline_only():
    played = play(program(together), 3, policy=LAZY)
    assert played.run.status == "completed"
    assert [each.step for each in played.commits("step_created")] == ["work#2", "work#3"]
    assert played.bodies == {"work#1": 1, "work#2": 1, "work#3": 1}


def test_beside_a_wait_nothing_is_created_lazily():
    async def flow():
        return (await race(work("x"), sleep(5_000))).which

    played = play(program(flow), policy=LAZY)
    assert played.types.count("step_created") == 1
    assert played.messages == {"flow": 1, "work#1": 1}


def test_a_step_that_somebody_else_has_created_is_not_run_by_its_lazy_start():
    taken = {"step_started": [EntityConflictError("it exists", reason="exists")]}
    played = play(program(sequence), 1, policy=LAZY, errors=taken)
    # Skipped: the next pass asks again, and this time the start is accepted.
    assert played.bodies == {"work#1": 1}
    assert played.run.status == "completed"
    assert (played.invocations, played.passes) == (1, 3)


@pytest.mark.parametrize(("policy", "inline"), [(MERGE, 1), (THREE, 3)], ids=["1", "3"])
def test_max_inline_steps_run_side_by_side_without_a_message(policy, inline):
    played = play(program(together), 5, 1_000, policy=policy)
    assert played.run.status == "completed"
    assert played.messages.total() == 1 + 5 - inline
    assert played.times("step_completed") == [1_000] * 5


def test_a_retry_among_inline_steps_has_one_message_and_waits_its_delay():
    async def flow():
        return await gather(work("x"), work("y"), work("z"))

    played = play(program(flow), policy=THREE, failures=(("work#2", 1),))
    assert played.run.status == "completed"
    assert played.messages == {"flow": 1, "work#2": 1}
    assert played.dropped == 0
    assert played.times("step_started") == [0, 0, 0, 1_000]


def test_an_inline_step_among_others_that_is_throttled_brings_the_message_back():
    errors = {"step_started": [ThrottleError("busy", retry_after_s=7)]}
    played = play(program(together), 2, policy=THREE, errors=errors)
    assert played.run.status == "completed"
    assert played.delivered[:2] == ["start/flow", "start/flow~2"]
    assert played.times("step_started") == [0, 7_000]


# --- the gate ------------------------------------------------------------------------------------


def waking(*after_ms):
    """A client that starts the run and wakes it at these times."""

    async def acts(services):
        run_id = await Client(services).start()
        for delay_ms in after_ms:
            await services.clock.sleep_ms(delay_ms)
            await services.queue.send(Message(run_id))

    return acts


async def one_long_step():
    """A step of ten seconds."""
    return await work("x", 10_000)


def test_without_a_gate_whoever_replays_runs_the_first_pending_step():
    draft = attrs.evolve(MERGE, inline_gate=InlineGate.NONE)
    played = play(program(one_long_step), policy=draft, acts=waking(1_000))
    assert played.bodies == {"work#1": 2}
    assert played.messages == {"flow": 2}


def test_an_owned_step_is_queued_by_whoever_does_not_own_it():
    """R-11: the key is free, because the inline step is not in the queue."""
    played = play(program(one_long_step), acts=waking(1_000))
    assert played.bodies == {"work#1": 2}
    assert played.messages == {"flow": 2, "work#1": 1}


def test_a_stamped_step_is_left_to_its_owner_and_looked_at_when_the_lease_is_over():
    played = play(program(one_long_step), policy=STAMP, acts=waking(1_000, 1_000))
    assert played.run.status == "completed"
    assert played.bodies == {"work#1": 1}
    # The client's three, and one backstop: the second replay's has the same key.
    assert played.messages == {"flow": 4}
    assert played.dropped == 1
    (backstop,) = [each for each in played.delivered if each.startswith("start/flow.2/")]
    assert backstop == "start/flow.2/flow"
    assert starts(played) == [("work#1", "msg_1")]


def test_the_backstop_queues_the_step_when_its_owner_is_gone():
    policy = attrs.evolve(STAMP, lease_ms=30_000)
    # The owner dies in its body, and its message is redelivered much later.
    queue = QueueProfile(redelivery_ms=300_000)
    faults = (Fault("kill_bodies", "work#1", 1),)
    played = play(
        program(one_long_step), policy=policy, queue=queue, faults=faults, acts=waking(1_000)
    )
    assert played.run.status == "completed"
    assert played.messages == {"flow": 3, "work#1": 1}
    assert played.times("step_started") == [0, 30_000]


@pytest.mark.parametrize(
    ("policy", "again"),
    [(MERGE, "start/flow~2/work#1"), (STAMP, "start/flow~2"), (LEASED, "start/flow~2")],
    ids=["owned", "owner_stamp", "G5"],
)
def test_a_redelivered_owner_runs_its_own_step_again(policy, again):
    played = play(program(one_long_step), policy=policy, faults=(Fault("crash", "start/flow", 5),))
    assert played.run.status == "completed"
    began = [(each.step, each.task) for each in played.began]
    assert began == [("work#1", again)]


def test_only_inline_starts_are_stamped_and_a_retry_ends_ownership():
    played = play(program(together), 2, policy=STAMP, failures=(("work#1", 1),))
    assert played.run.status == "completed"
    assert starts(played) == [("work#1", "msg_1"), ("work#2", ""), ("work#1", "")]


def test_b30_runs_three_and_leaves_the_rest_to_messages():
    played = play(program(together), 5, 1_000, policy=B30)
    assert played.run.status == "completed"
    assert played.bodies.total() == 5
    assert played.messages == {"flow": 1, "work#4": 1, "work#5": 1}


# --- what is queued ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dispatch", "status"),
    [(Dispatch.UNCONDITIONAL, "completed"), (Dispatch.OWNED_ONLY, "running")],
)
def test_an_orphan_is_queued_only_if_steps_are_dispatched_unconditionally(dispatch, status):
    """R-16: the handler dies between the creation of its step and the dispatch."""
    policy = attrs.evolve(MERGE, dispatch=dispatch)
    played = play(program(together), 2, policy=policy, faults=(Fault("crash", "start/flow", 3),))
    assert played.run.status == status


@pytest.mark.parametrize(
    ("key_policy", "accepted_ms"),
    [(KeyPolicy.PLAIN, [0]), (KeyPolicy.ATTEMPT, [0, 500]), (KeyPolicy.EPOCH, [0, 1_500])],
)
def test_what_a_step_messages_key_consists_of(key_policy, accepted_ms):
    """Two wakes: while the first body runs, and while the step waits for its retry."""

    @step
    async def late(ctx):
        await ctx.sleep(1_000)
        if ctx.attempt == 1:
            raise ValueError("after a second")

    async def flow():
        return await race(late(), sleep(60_000))

    played = play(
        Program.of(workflow(flow), late),
        policy=attrs.evolve(MERGE, key_policy=key_policy),
        queue=QueueProfile(dedup=Dedup.RETENTION),
        acts=waking(500, 1_000),
    )
    sent = [each for each in played.of(Sent) if each.step == "late#1" and each.message]
    assert [each.now_ms - EPOCH_MS for each in sent] == accepted_ms


# --- what a step message does next ---------------------------------------------------------------


async def quick_and_slow():
    """The workflow goes on when the quick one is done."""
    first = await race(work("slow", 30_000), work("quick", 1_000), work("slower", 60_000))
    return await work(first.value)


@pytest.mark.parametrize(
    ("bg_after", "seen_ms"),
    [
        (BackgroundAfter.LAST_COMPLETER, 60_000),
        (BackgroundAfter.ALWAYS_CONTINUE, 1_000),
        (BackgroundAfter.REPLAY_IF_NEW, 1_000),
    ],
)
def test_when_a_background_winner_is_seen(bg_after, seen_ms):
    """R-09: under last_completer the winner wakes nobody while a sibling is pending."""
    policy = attrs.evolve(MERGE, bg_after=bg_after)
    played = play(program(quick_and_slow), policy=policy)
    assert played.run.status == "completed"
    created = played.times("step_created")
    assert created == [0, 0, 0, min(seen_ms, 30_000)]


def test_replay_if_new_ends_silently_where_the_pass_asks_for_nothing_new():
    continues, replays = (
        play(program(together), 4, 1_000, policy=attrs.evolve(MERGE, bg_after=each))
        for each in (BackgroundAfter.ALWAYS_CONTINUE, BackgroundAfter.REPLAY_IF_NEW)
    )
    assert continues.run.status == replays.run.status == "completed"
    assert replays.messages.total() == 4
    assert continues.messages.total() == 7


def test_the_inline_retry_is_without_a_key_and_every_body_fails_in_its_turn():
    played = play(program(broken_twice), policy=FIXED)
    assert played.bodies == {"broken#1": 4, "broken#2": 4}
    assert played.run.status == "failed"


async def broken_twice():
    """Two steps that fail, always."""
    return await gather(broken(), broken())


@pytest.mark.parametrize("guard", ["G1", "G7"])
def test_stamped_and_unstamped_starts_share_one_retry_budget(guard):
    played = play(single(broken), policy=attrs.evolve(STAMP, attempt_guard=guard))
    assert played.bodies == {"broken#1": 4}
    assert played.run.status == "failed"


def test_no_two_epochs_of_a_step_have_one_key():
    """A queue that remembers keys would drop the only message of a step whose host has died."""
    keys = []
    for over in range(4):
        known = StepView()
        known.over = over
        keys += [step_key(FIXED, "step_1", known, StartedBy("msg_1", "", n)) for n in range(1, 5)]
    assert len(set(keys)) == 16
