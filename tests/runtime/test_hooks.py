"""Hooks, webhooks, aborts and attributes, as the handler records them (spec §3.6, §3.8)."""

from __future__ import annotations

import pytest

from simworld.engine import (
    HookConflictError,
    HookReceived,
    Program,
    create_abort,
    create_hook,
    create_webhook,
    encode,
    gather,
    race,
    set_attributes,
    sleep,
    step,
    workflow,
)
from simworld.errors import EntityConflictError, HookNotFoundError, RunExpiredError, WorldError
from simworld.ports import Message
from simworld.records import Delivered, Fault
from simworld.runtime import Client
from simworld.sim import EPOCH_MS
from tests.runtime.programs import program, work
from tests.runtime.rig import FIXED, MERGE, V1, Wrapped, play

every_engine = pytest.mark.parametrize(
    "policy", [V1, MERGE, FIXED], ids=["v1", "v2_merge", "fixed"]
)


def resuming(token, *payloads, after_ms=100):
    """A client that starts the run, then sends payloads one after another."""

    async def acts(services):
        run_id = await Client(services).start()
        for payload in payloads:
            await services.clock.sleep_ms(after_ms)
            hook = await services.storage.hook(token)
            fact = HookReceived(hook.correlation_id, token, encode(payload))
            await services.storage.create(hook.run_id, fact)
            await services.queue.send(Message(run_id))

    return acts


async def two_payloads():
    """Take two payloads, let go of the hook, do a step."""
    async with create_hook("order") as hook:
        got = [await hook, await hook]
    return await work(got)


@every_engine
def test_payloads_reach_the_workflow_and_the_hook_is_disposed(policy):
    played = play(program(two_payloads), policy=policy, acts=resuming("order", 1, 2))
    assert played.run.status == "completed"
    assert [kind for kind in played.types if kind.startswith("hook")] == [
        "hook_created",
        "hook_received",
        "hook_received",
        "hook_disposed",
    ]
    assert played.run.output == encode([1, 2])


def test_hooks_are_written_before_the_steps_of_the_same_suspension():
    async def flow():
        first = work("calls the hook")
        hook = create_hook("order")
        return await gather(first, sleep(1_000), hook)

    played = play(program(flow), acts=resuming("order", "x", after_ms=5_000))
    assert played.run.status == "completed"
    created = [kind for kind in played.types if kind.endswith("_created")]
    assert created == ["run_created", "hook_created", "step_created", "wait_created"]


def test_a_disposed_hook_is_created_first_if_both_happen_in_one_suspension():
    async def flow():
        create_hook("order").dispose()
        return await work("x")

    played = play(program(flow))
    assert played.run.status == "completed"
    assert [kind for kind in played.types if kind.startswith("hook")] == [
        "hook_created",
        "hook_disposed",
    ]


async def contender():
    """Wait for a payload under a token, or say who has it."""
    try:
        return await create_hook("taken")
    except HookConflictError as conflict:
        return conflict.conflicting_run_id


@every_engine
def test_a_conflict_tells_the_workflow_at_once(policy):
    async def acts(services):
        client = Client(services)
        await client.start()
        await services.clock.sleep_ms(100)
        await client.start()

    played = play(program(contender), policy=policy, acts=acts)
    assert played.run.status == "running"
    other = played.runs["wrun_2"]
    assert (other.status, other.output) == ("completed", encode("wrun_1"))
    # The delivery that met the conflict comes back without a delay.
    assert other.completed_at_ms == other.started_at_ms
    assert "hook conflict" in [phrase for phrase, _ in played.notes]


def test_a_webhook_is_one_in_the_log():
    async def flow():
        return await create_webhook("site")

    played = play(program(flow), acts=resuming("site", {"method": "GET"}))
    assert played.run.status == "completed"
    (created,) = [each.fact for each in played.log if each.type == "hook_created"]
    assert (created.token, created.is_webhook, created.is_system) == ("site", True, False)


# --- what is swallowed where -------------------------------------------------------------------

CONFLICT = EntityConflictError("somebody has done it", reason="exists")
EXPIRED = RunExpiredError("the run has ended")
UNKNOWN = HookNotFoundError("no such hook")


class Deaf(Wrapped):
    """Performs everything, and answers one event type with an error."""

    def __init__(self, inner, kind, error):
        super().__init__(inner)
        self.kind, self.error = kind, error

    async def create(self, run_id, fact):
        answer = await self.inner.create(run_id, fact)
        if fact.type == self.kind and self.error is not None:
            error, self.error = self.error, None
            raise error
        return answer


async def everything():
    """A hook that is let go of, an abort, a wait and a step."""
    abort = create_abort()
    create_hook("order").dispose()
    abort.abort("enough")
    return await gather(work("x"), sleep(1_000))


SWALLOWED = [
    ("hook_created", CONFLICT, True),
    ("hook_created", EXPIRED, True),
    ("hook_disposed", CONFLICT, True),
    ("hook_disposed", EXPIRED, True),
    ("hook_disposed", UNKNOWN, True),
    ("hook_received", CONFLICT, True),
    ("hook_received", EXPIRED, True),
    ("hook_received", UNKNOWN, False),
    ("step_created", CONFLICT, True),
    ("step_created", EXPIRED, False),
    ("wait_created", CONFLICT, True),
    ("wait_created", EXPIRED, False),
    ("hook_created", WorldError("down", status=503), False),
    ("hook_disposed", WorldError("down", status=503), False),
]


@pytest.mark.parametrize(("kind", "error", "swallowed"), SWALLOWED)
def test_which_refusals_of_a_suspension_are_swallowed(kind, error, swallowed):
    played = play(program(everything), around=lambda inner: Deaf(inner, kind, error))
    assert played.run.status == "completed"
    # What is not swallowed leaves the handler: the message is delivered again after the backoff.
    again = next(each for each in played.of(Delivered) if each.task == "start/flow~2")
    assert (again.now_ms - EPOCH_MS == 5_000) == (not swallowed)


# --- aborts ------------------------------------------------------------------------------------


@step
async def patient(ctx, signal):
    """Work until told to stop."""
    for turn in range(10):
        if await ctx.aborted(signal):
            return turn
        await ctx.sleep(1_000)
    return -1


async def giving_up():
    """Give a step up after 2.5 s, then take its result."""
    abort = create_abort()
    running = patient(abort.signal)
    await race(running, sleep(2_500))
    abort.abort("enough")
    return await running


@every_engine
def test_an_abort_is_in_the_log_and_in_the_signals_stream(policy):
    played = play(Program.of(workflow(giving_up), patient), policy=policy, watched=True)
    assert played.run.status == "completed"
    assert played.answer in (3, 4)
    (received,) = [each.fact for each in played.log if each.type == "hook_received"]
    assert received.payload == encode("enough")
    (created,) = [each.fact for each in played.log if each.type == "hook_created"]
    assert created.is_system
    ((_, name),) = played.streams
    assert name == f"abort/{received.token}"
    assert played.streams["wrun_1", name].closed


# --- attributes --------------------------------------------------------------------------------


async def attributes_then_steps():
    """Set attributes, wait for them, then do two steps."""
    await set_attributes(stage="begun")
    return await gather(work(1), work(2))


@every_engine
def test_awaiting_attributes_goes_on_as_soon_as_they_are_recorded(policy):
    played = play(program(attributes_then_steps), policy=policy)
    assert played.run.status == "completed"
    assert played.types[2] == "attr_set"
    if policy is not V1:
        assert played.invocations == (2 if policy is MERGE else 3)
    assert played.times("run_completed") == [0]


def test_a_step_created_beside_attributes_is_still_ours_in_the_next_pass():
    async def flow():
        first = work(1)
        await set_attributes(stage="begun")
        return await first

    played = play(program(flow))
    assert played.run.status == "completed"
    assert (played.invocations, played.messages, played.dropped) == (1, {"flow": 1}, 0)


# --- crashes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [MERGE, FIXED], ids=["v2_merge", "fixed"])
@pytest.mark.parametrize("turn", range(1, 12))
def test_a_crash_while_a_suspension_is_recorded_loses_nothing(policy, turn):
    faults = (Fault("crash", "start/flow", turn),)
    played = play(program(everything), policy=policy, faults=faults)
    assert played.run.status == "completed"
    for kind in ("hook_created", "step_created", "wait_created"):
        assert played.types.count(kind) == (2 if kind == "hook_created" else 1)
