"""What a step's body may await: streams that outlive it, child runs, hooks, attributes, aborts."""

from __future__ import annotations

import attrs
import pytest

from simworld.engine import (
    FatalError,
    Program,
    StepFailedError,
    create_abort,
    create_hook,
    decode,
    get_writable,
    sleep,
    step,
    workflow,
)
from simworld.errors import HookNotFoundError, UsageError
from simworld.records import Fault
from simworld.runtime import Client
from simworld.sim import EPOCH_MS
from tests.runtime.programs import fatal, work
from tests.runtime.rig import FIXED, MERGE, POLICIES, play

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def observe(program, observer, **options):
    """Start a run and let ``observer(client, run_id)`` look on; what it returns, and the play."""
    seen = []

    async def acts(services):
        client = Client(services)
        run_id = await client.start()
        seen.append(await observer(client, run_id))

    played = play(program, acts=acts, **options)
    return seen[0], played


async def chunks_of(client, ref, start=0):
    return [chunk async for chunk in client.read_stream(ref.run_id, ref.name, start)]


# --- streams ------------------------------------------------------------------------------------


async def numbers(ctx, count, pause_ms=0):
    for number in range(count):
        await ctx.sleep(pause_ms)
        yield b"%d" % number


@step
async def source(ctx, count, pause_ms=0):
    """A stream that is filled in the background."""
    return ctx.stream(numbers(ctx, count, pause_ms))


@step
async def doubled(ctx, stream):
    """Another stream, made of the first one."""

    async def double():
        async for chunk in ctx.read(stream):
            yield chunk + chunk

    return ctx.stream(double())


@step
async def joined(ctx, stream):
    """All of a stream."""
    return b"".join([chunk async for chunk in ctx.read(stream)])


@every_policy
def test_a_step_transforms_the_stream_of_another(policy):
    @workflow
    async def flow():
        plain = await source(3, 20)
        return [plain, await joined(await doubled(plain))]

    async def observer(client, run_id):
        plain, doubles = await client.result(run_id)
        return await chunks_of(client, plain), doubles

    seen, played = observe(Program.of(flow, source, doubled, joined), observer, policy=policy)
    assert seen == ([b"0", b"1", b"2"], b"001122")
    assert played.invocations == 1


@pytest.mark.parametrize(("pause_ms", "invocations"), [(40, 1), (100, 2)])
def test_a_step_waits_for_its_streams_no_longer_than_the_settle_window(pause_ms, invocations):
    @workflow
    async def flow():
        return await source(10, pause_ms)

    async def observer(client, run_id):
        return await chunks_of(client, await client.result(run_id))

    policy = attrs.evolve(MERGE, settle_ms=500, flush_ms=0)
    seen, played = observe(Program.of(flow, source), observer, policy=policy)
    assert seen == [b"%d" % number for number in range(10)], "it goes on after the step"
    assert played.times("step_completed") == [min(500, 10 * pause_ms)]
    assert played.invocations == invocations


def test_a_body_that_reads_is_not_waited_for():
    @step
    async def peek(ctx, stream):
        return await anext(ctx.read(stream))

    @workflow
    async def flow():
        return await peek(await source(100, 50))

    async def observer(client, run_id):
        return await client.result(run_id)

    policy = attrs.evolve(MERGE, settle_ms=10)
    seen, played = observe(Program.of(flow, source, peek), observer, policy=policy)
    assert seen == b"0"
    assert played.times("step_completed")[1] < 100


def test_a_step_whose_stream_breaks_off_in_time_has_failed_and_fills_another():
    @step
    async def flaky(ctx):
        async def some():
            yield b"a"
            if ctx.attempt == 1:
                raise ConnectionError("gone")
            yield b"b"

        return ctx.stream(some())

    @workflow
    async def flow():
        return await flaky()

    async def observer(client, run_id):
        return await chunks_of(client, await client.result(run_id))

    seen, played = observe(Program.of(flow, flaky), observer)
    assert seen == [b"a", b"b"]
    assert played.types.count("step_retrying") == 1


def test_a_stream_that_breaks_off_too_late_has_no_end_and_is_told_of():
    @step
    async def flaky(ctx):
        async def some():
            yield b"a"
            await ctx.sleep(1_000)
            raise ConnectionError("gone")

        return ctx.stream(some())

    @workflow
    async def flow():
        return await flaky()

    async def observer(client, run_id):
        ref = await client.result(run_id)
        await client.sleep(5_000)
        return await client._services.streams.read(ref.run_id, ref.name, 0, live=False)

    seen, played = observe(Program.of(flow, flaky), observer)
    assert (list(seen.chunks), seen.closed) == ([b"a"], False)
    assert [fields["error"] for note, fields in played.notes if note == "stream broken off"] == [
        "ConnectionError('gone')"
    ]


def test_bodies_of_one_step_fill_streams_of_their_own():
    refs = []

    @step
    async def killed(ctx):
        ref = ctx.stream(numbers(ctx, 3))
        refs.append(ref)
        await ctx.sleep(1_000)
        return ref

    @workflow
    async def flow():
        return await killed()

    async def observer(client, run_id):
        return await client.result(run_id)

    fault = Fault("kill_bodies", "killed#1", 1)
    seen, _ = observe(Program.of(flow, killed), observer, faults=(fault,))
    assert len(refs) == 2
    assert refs[0] != refs[1] == seen


def test_equal_writables_share_a_writer_and_keep_the_order():
    @step
    async def twice(ctx, ref):
        one, other = ctx.get_writable(ref), ctx.get_writable(ref.name)
        assert one is other
        await one.write(b"a")
        await other.write(b"b")
        await ctx.get_writable("other").write(b"c")
        await one.close()

    @workflow
    async def flow():
        ref = get_writable("numbers")
        await twice(ref)
        return ref

    async def observer(client, run_id):
        return await chunks_of(client, await client.result(run_id))

    seen, _ = observe(Program.of(flow, twice), observer)
    assert seen == [b"a", b"b"]


def test_the_stream_without_a_name_is_the_one_the_workflow_gets():
    @step
    async def write(ctx):
        await ctx.get_writable().write(b"a")

    @workflow
    async def flow():
        await write()
        return get_writable()

    async def observer(client, run_id):
        ref = await client.result(run_id)
        return await anext(client.read_stream(ref.run_id, ref.name))

    assert observe(Program.of(flow, write), observer)[0] == b"a"


def test_a_stream_is_made_of_an_async_iterable():
    @step
    async def wrong(ctx):
        ctx.stream([b"a"])

    @workflow
    async def flow():
        await wrong()

    with pytest.raises(UsageError, match=r"ctx\.stream of step wrong takes an async .* not list"):
        play(Program.of(flow, wrong))


# --- child runs ---------------------------------------------------------------------------------


@workflow
async def child(value):
    """A run of its own."""
    return [value, await work(value, 2_500)]


@workflow
async def failing_child():
    """A run that fails."""
    await fatal()


@step
async def call(ctx, value):
    """Start a run and wait for it."""
    return await ctx.await_run(await ctx.start_child(child, value))


@workflow
async def parent():
    """Two child runs, one after the other."""
    return [await call(1), await call(2)]


FAMILY = Program.of(parent, call, work, children=(child,))


@every_policy
def test_a_step_polls_its_child_every_second(policy):
    async def observer(client, run_id):
        return await client.result(run_id)

    seen, played = observe(FAMILY, observer, policy=policy)
    assert seen == [[1, 1], [2, 2]]
    assert played.times("step_completed") == [3_000, 6_000]


def test_a_body_that_is_started_again_finds_its_child():
    ids = []

    @step
    async def killed(ctx, value):
        ids.append(await ctx.start_child(child, value))
        ids.append(await ctx.start_child(child, value))
        return [await ctx.await_run(each) for each in ids[-2:]]

    @workflow
    async def flow():
        return await killed(1)

    async def observer(client, run_id):
        result = await client.result(run_id)
        logs = [(await client._services.storage.events(each)).events for each in ids[:2]]
        return result, [[event.type for event in log].count("run_created") for log in logs]

    program = Program.of(flow, killed, work, children=(child,))
    fault = Fault("kill_bodies", "killed#1", 1)
    (result, created), played = observe(program, observer, faults=(fault,))
    assert played.bodies["killed#1"] == 2
    assert result == [[1, 1], [1, 1]]
    assert ids[:2] == ids[2:]
    assert ids[0] != ids[1], "each call is a child of its own"
    assert created == [1, 1]


def test_a_child_without_an_output_is_an_ordinary_error():
    @step(max_retries=1)
    async def await_child(ctx):
        return await ctx.await_run(await ctx.start_child(failing_child))

    @workflow
    async def flow():
        try:
            await await_child()
        except StepFailedError as error:
            return [error.kind, error.name, error.text]

    async def observer(client, run_id):
        return await client.result(run_id)

    program = Program.of(flow, await_child, fatal, children=(failing_child,))
    (kind, name, text), played = observe(program, observer)
    assert (kind, name) == ("exhausted", "RunFailedError")
    assert "failed (USER_ERROR): StepFailedError: step fatal#1 " in text
    assert played.bodies["await_child#1"] == 2


def test_a_child_is_a_workflow_of_the_program():
    @step
    async def stray(ctx):
        await ctx.start_child(failing_child)

    @workflow
    async def flow():
        await stray()

    with pytest.raises(UsageError, match=r"unknown workflow 'failing_child'"):
        play(Program.of(flow, stray))


# --- hooks, attributes, aborts ------------------------------------------------------------------


@every_policy
def test_a_body_resumes_a_hook_of_its_own_run(policy):
    @step
    async def send(ctx, token):
        await ctx.resume_hook(token, {"from": ctx.step_id})
        return ctx.step_id

    @workflow
    async def flow():
        async with create_hook("door") as hook:
            sender = await send("door")
            return [sender, await hook]

    async def observer(client, run_id):
        return await client.result(run_id)

    (sender, payload), played = observe(Program.of(flow, send), observer, policy=policy)
    assert payload == {"from": sender}
    assert played.types.count("hook_received") == 1


def test_a_hook_that_nobody_has_is_an_ordinary_error():
    @step
    async def send(ctx):
        try:
            await ctx.resume_hook("nowhere", 1)
        except HookNotFoundError as error:
            raise FatalError(str(error)) from error

    @workflow
    async def flow():
        await send()

    _, played = observe(Program.of(flow, send), no_answer)
    assert "no live hook has the token 'nowhere'" in decode(played.steps["send#1"].error)["message"]


async def no_answer(client, run_id):
    """Look at nothing."""


def test_a_body_sets_attributes_of_its_run():
    @step
    async def tell(ctx):
        await ctx.set_attributes(phase="two", count=3)

    @workflow
    async def flow():
        await tell()

    _, played = observe(Program.of(flow, tell), no_answer, policy=FIXED)
    (event,) = [event for event in played.log if event.type == "attr_set"]
    assert event.correlation_id == ""
    assert decode(event.fact.changes) == {"phase": "two", "count": 3}
    assert played.run.status == "completed", "nobody is confused by it"


def test_no_attributes_at_all_is_a_mistake():
    @step
    async def tell(ctx):
        await ctx.set_attributes()

    @workflow
    async def flow():
        await tell()

    with pytest.raises(UsageError, match="at least one attribute"):
        play(Program.of(flow, tell))


@every_policy
def test_a_body_learns_that_the_workflow_has_given_up(policy):
    seen = []

    @step
    async def patient(ctx, signal):
        while not await ctx.aborted(signal):
            await ctx.sleep(1_000)
        seen.append(ctx._services.clock.now_ms() - EPOCH_MS)

    @step
    async def before(ctx, signal):
        return await ctx.aborted(signal)

    @workflow
    async def flow():
        controller = create_abort()
        early = await before(controller.signal)
        running = patient(controller.signal)
        await sleep(4_000)
        controller.abort("enough")
        await running
        return early

    async def observer(client, run_id):
        return await client.result(run_id)

    result, played = observe(Program.of(flow, patient, before), observer, policy=policy)
    assert result is False
    assert seen == [5_000]
    assert played.types.count("hook_received") == 1
