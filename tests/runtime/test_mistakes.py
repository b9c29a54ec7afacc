"""Mistakes in the author's code: told with run, workflow or step, and the author's line."""

from __future__ import annotations

import sys

import attrs
import pytest

from simworld.engine import (
    Program,
    create_abort,
    create_hook,
    get_writable,
    race,
    sleep,
    step,
    workflow,
)
from simworld.errors import UsageError
from simworld.records import Fault
from simworld.runtime import Client
from tests.runtime.programs import program, work
from tests.runtime.rig import POLICIES, play

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def told(main, **options):
    with pytest.raises(UsageError) as caught:
        play(main, **options)
    return str(caught.value)


def line_of(function, offset=1):
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


@attrs.frozen
class Order:
    """What a hook's payload is to become."""

    number: int


async def sleeps_backwards():
    await sleep(-5)


async def races_nothing():
    await race()


async def sends_a_set():
    await work({1, 2})


async def wants_an_order():
    await create_hook("door", payload=Order)


@every_policy
@pytest.mark.parametrize("function", [sleeps_backwards, races_nothing, sends_a_set])
def test_a_workflows_mistake_has_a_place_and_a_line(function, policy):
    place = f"workflow {function.__name__} (run wrun_1), {line_of(function)}: "
    assert told(program(function), policy=policy).startswith(place)


def test_a_payload_that_does_not_fit_names_the_line_that_awaits_it():
    async def acts(services):
        client = Client(services)
        await client.start()
        await client.sleep(100)
        await client.resume_hook("door", {"n": 1})

    place = f"workflow wants_an_order (run wrun_1), {line_of(wants_an_order)}: "
    assert told(program(wants_an_order), acts=acts).startswith(f"{place}a payload of hook 'door'")


def test_a_webhooks_request_has_no_other_fields():
    async def acts(services):
        await Client(services).resume_webhook("door", {"metod": "PUT"})

    said = "unknown field of a webhook request 'metod'; did you mean method?"
    assert told(program(wants_an_order), acts=acts) == said


def test_what_no_except_may_hide_has_a_place_too():
    async def flow():
        sys.exit(7)

    place = f"workflow flow (run wrun_1): {line_of(flow)} calls sys.exit()"
    assert told(program(flow)).startswith(place)


async def calls_a_step(ctx):
    await work(1)


async def writes_text(ctx):
    await ctx.get_writable("a").write("text")


async def sleeps_a_while_ago(ctx):
    await ctx.sleep(-5)


async def sleeps_half_a_millisecond(ctx):
    await ctx.sleep(0.5)


def with_body(body):
    faulty = step(body)

    async def flow():
        await faulty()

    return Program.of(workflow(flow), faulty, work)


BODIES = [calls_a_step, writes_text, sleeps_a_while_ago, sleeps_half_a_millisecond]


@every_policy
@pytest.mark.parametrize("body", BODIES)
def test_a_bodys_mistake_has_a_place_and_a_line(body, policy):
    said = told(with_body(body), policy=policy)
    assert said.startswith(f"step {body.__name__} (step_")
    assert f", run wrun_1), {line_of(body)}: " in said


def test_a_streams_mistake_has_a_place_and_a_line():
    async def source():
        yield "text"

    async def body(ctx):
        return ctx.stream(source())

    said = told(with_body(body))
    assert said.startswith("a stream of step body (step_")
    assert "a chunk of stream" in said

    async def mistaken_source():
        yield b"one"
        work(1)

    async def other(ctx):
        return ctx.stream(mistaken_source())

    assert f", run wrun_1), {line_of(mistaken_source, 2)}: " in told(with_body(other))


async def exits(ctx):
    sys.exit(7)


def test_no_body_and_no_script_can_end_simworld():
    assert told(with_body(exits)).startswith(f"{line_of(exits)} calls sys.exit()")

    async def script(services):
        sys.exit(7)

    assert told(program(sends_a_set), acts=script).startswith(f"{line_of(script)} calls sys.exit()")


class Mute(Exception):
    """An author's error whose own text is broken."""

    def __str__(self):
        raise KeyError("no such field")


@every_policy
def test_an_error_without_a_text_fails_its_step_and_its_run(policy):
    @step(max_retries=0)
    async def mute(ctx):
        raise Mute

    async def flow():
        await mute()

    played = play(Program.of(workflow(flow), mute), policy=policy)
    assert played.steps["mute#1"].status == "failed"

    async def alone():
        raise Mute

    assert play(program(alone), policy=policy).run.error_code == "USER_ERROR"


# --- aborts ------------------------------------------------------------------------------------


@every_policy
@pytest.mark.parametrize("turn", range(1, 24))
def test_a_step_called_after_an_abort_sees_it_wherever_a_host_dies(turn, policy):
    @step
    async def look(ctx, signal):
        return [await ctx.aborted(signal), signal.reason]

    async def flow():
        controller = create_abort()
        before = await look(controller.signal)
        controller.abort("late")
        return [before, await look(controller.signal)]

    played = play(
        Program.of(workflow(flow), look),
        policy=policy,
        watched=True,
        faults=(Fault("crash", "start/flow", turn),),
    )
    assert played.answer == [[False, None], [True, "late"]]


# --- waiting -----------------------------------------------------------------------------------


def test_whoever_follows_a_stream_that_nobody_ends_is_said_to():
    @step
    async def follow(ctx, stream):
        async for _ in ctx.read(stream):
            pass

    async def flow():
        await follow(get_writable())

    played = play(Program.of(workflow(flow), follow))
    assert played.waiting == ["start/flow waits to see more of stream output"]
