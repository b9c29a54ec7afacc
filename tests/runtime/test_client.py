"""The client: resilient starts, results, hooks and webhooks, wake-ups, cancel, re-enqueue."""

from __future__ import annotations

import pytest

from simworld.engine import (
    Program,
    create_hook,
    create_webhook,
    sleep,
    step,
    workflow,
)
from simworld.entropy import Stream
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    IndefiniteFailure,
    RunExpiredError,
    ThrottleError,
    UsageError,
    WorldError,
)
from simworld.explore import Uniform
from simworld.ports import Message
from simworld.records import Committed, Profile
from simworld.runtime import (
    Client,
    RunFailedError,
    WebhookRequest,
    WebhookResponse,
    WebhookUnanswered,
)
from simworld.sim import EPOCH_MS
from tests.runtime.programs import program, sequence, work
from tests.runtime.rig import POLICIES, play

every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def script(flow, acts, *steps, **options):
    """Play a program with a client script; what the script returned, and the play."""
    seen = []

    async def run(services):
        seen.append(await acts(Client(services), services))

    main = flow if isinstance(flow, Program) else Program.of(flow, work, *steps)
    played = play(main, acts=run, **options)
    return seen[0], played


async def caught(coroutine, error):
    """The text of the error it fails with."""
    try:
        await coroutine
    except error as raised:
        return str(raised)
    raise AssertionError(f"no {error.__name__}")


@workflow
async def waiting(token="door"):
    """All payloads of a hook, up to None."""
    got = []
    async with create_hook(token) as hook:
        async for payload in hook:
            if payload is None:
                break
            got.append(payload)
    return got


@workflow
async def sleeper(*durations_ms):
    """Sleeps, all at once, and then one more step."""
    naps = [sleep(each) for each in durations_ms]
    for nap in naps:
        await nap
    return await work("awake")


# --- start --------------------------------------------------------------------------------------


LOST_CREATIONS = {
    "busy": ThrottleError("too many", retry_after_s=1),
    "down": WorldError("down", status=503),
    "no answer": IndefiniteFailure("nobody knows"),
}


@every_policy
@pytest.mark.parametrize("error", LOST_CREATIONS.values(), ids=LOST_CREATIONS)
def test_the_first_message_creates_a_run_whose_creation_was_lost(error, policy):
    async def acts(client, services):
        return await client.result(await client.start(2, duration_ms=7))

    result, played = script(program(sequence), acts, policy=policy, errors={"run_created": [error]})
    assert result == [0, 1]
    assert played.types[:2] == ["run_created", "run_started"]
    assert played.types.count("run_created") == 1
    assert played.log[0].fact.workflow_name == "sequence"
    assert played.messages["flow"] == 1


class MessageFirst:
    """An explorer that never lets the client create its run while the first message is about."""

    name = "message first"
    wants_all = False

    def begin(self, stream, profile):
        """Nothing is drawn."""

    def choose(self, point, enabled):
        others = [n for n, task in enumerate(enabled) if task.name != "start/create"]
        return others[0] if others else 0


def test_a_run_that_its_first_message_has_created_is_created_once():
    async def acts(client, services):
        return await client.start(1)

    _, played = script(program(sequence), acts, explorer=MessageFirst())
    assert played.types.count("run_created") == 1
    assert played.path.index("record run_started") < played.path.index("record run_created")
    assert played.run.status == "completed"


def test_a_run_is_created_once_in_every_order():
    first = set()

    async def acts(client, services):
        return await client.result(await client.start(1))

    for seed in range(50):
        explorer = Uniform()
        explorer.begin(Stream(seed), Profile())
        result, played = script(program(sequence), acts, explorer=explorer)
        assert result == [0]
        assert played.types.count("run_created") == 1
        assert played.messages["flow"] == 1
        assert played.committed == len(played.log)
        first.add(played.of(Committed)[0].task)
    assert first == {"start/create", "start/flow"}


def test_a_creation_that_is_refused_for_good_is_told_to_the_caller():
    async def acts(client, services):
        return await caught(client.start(1), RunExpiredError)

    refused = {"run_created": [RunExpiredError("no runs any more")]}
    text, _ = script(program(sequence), acts, errors=refused)
    assert text == "no runs any more"


def test_a_message_that_cannot_be_sent_names_the_run_and_the_way_out():
    async def acts(client, services):
        async def unsent(message, *, key="", delay_s=0):
            raise WorldError("the queue is down", status=503)

        send, services.queue.send = services.queue.send, unsent
        with pytest.raises(WorldError, match="the queue is down") as raised:
            await client.start(1)
        assert raised.value.__notes__ == [
            "run wrun_1 may have no message; reenqueue('wrun_1') sends one"
        ]
        services.queue.send = send
        await client.reenqueue(client.run_ids[0])
        return await client.result("wrun_1")

    assert script(program(sequence), acts)[0] == [0]


def test_any_workflow_of_the_program_can_be_started():
    main = Program.of(waiting, work, children=(sleeper,))

    async def acts(client, services):
        return await client.result(await client.start_run(sleeper, 5)), client.run_ids

    assert script(main, acts)[0] == ("awake", ["wrun_1"])


def test_a_workflow_of_another_program_cannot():
    async def acts(client, services):
        return await caught(client.start_run(sleeper), UsageError)

    assert script(waiting, acts)[0].startswith("unknown workflow 'sleeper'")


def test_runs_are_started_side_by_side():
    async def acts(client, services):
        runs = await client.together(*[client.start(number) for number in range(3)])
        assert runs == client.run_ids == ["wrun_1", "wrun_2", "wrun_3"]
        return [await client.result(run_id) for run_id in runs]

    result, played = script(program(sequence), acts)
    assert result == [[], [0], [0, 1]]
    assert played.delivered == ["start/side/flow", "start/side.2/flow", "start/side.3/flow"]


# --- result -------------------------------------------------------------------------------------


def test_a_run_that_is_not_there_yet_is_looked_for_again():
    async def acts(client, services):
        async def late():
            await client.sleep(3_500)
            await client.start(1)

        async def look():
            result = await client.result("wrun_1")
            return result, services.clock.now_ms() - EPOCH_MS

        return (await client.together(look(), late()))[0]

    assert script(program(sequence), acts)[0] == ([0], 4_000)


def test_a_run_that_never_comes_is_not_found():
    async def acts(client, services):
        text = await caught(client.result("wrun_7"), EntityNotFoundError)
        return text, services.clock.now_ms() - EPOCH_MS

    text, after_ms = script(program(sequence), acts)[0]
    assert after_ms == 10_000
    assert text.startswith("there is no run wrun_7, 10 s after the first look")
    assert text.endswith("start it again")


# --- hooks --------------------------------------------------------------------------------------


@every_policy
def test_payloads_reach_the_hook_in_their_order(policy):
    async def acts(client, services):
        run_id = await client.start()
        await client.sleep(10)
        for payload in (1, {"two": 2}, None):
            await client.resume_hook("door", payload)
        return await client.result(run_id)

    result, played = script(waiting, acts, policy=policy)
    assert result == [1, {"two": 2}]
    assert played.types.count("hook_received") == 3


@every_policy
def test_two_equal_payloads_are_two(policy):
    async def acts(client, services):
        run_id = await client.start()
        await client.sleep(10)
        await client.together(client.resume_hook("door", 1), client.resume_hook("door", 1))
        await client.sleep(10)
        await client.resume_hook("door", None)
        return await client.result(run_id)

    assert script(waiting, acts, policy=policy)[0] == [1, 1]


def test_a_hook_is_not_found_before_it_is_made_and_after_it_is_disposed_of():
    async def acts(client, services):
        texts = [await caught(client.resume_hook("door", 1), HookNotFoundError)]
        run_id = await client.start()
        await client.sleep(10)
        await client.resume_hook("door", None)
        await client.result(run_id)
        texts.append(await caught(client.resume_hook("door", 1), HookNotFoundError))
        return texts

    texts, played = script(waiting, acts)
    assert all("no live hook has the token 'door'" in text for text in texts)
    assert played.types.count("hook_received") == 1


def test_a_hook_that_goes_while_it_is_resumed_is_not_found():
    async def acts(client, services):
        await client.start()
        await client.sleep(10)
        return await caught(client.resume_hook("door", 1), HookNotFoundError)

    refused = {"hook_received": [EntityConflictError("run is completed", reason="terminal")]}
    text, played = script(waiting, acts, errors=refused)
    assert text == "hook 'door' takes no payloads any more: run wrun_1 has ended"
    assert played.messages["flow"] == 1, "nobody is woken"


# --- webhooks -----------------------------------------------------------------------------------


def webhook(**answer):
    """A workflow that waits for one request, and gives it back."""

    @workflow
    async def flow():
        async with create_webhook("door", **answer) as hook:
            return await hook

    return flow


@every_policy
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({}, WebhookResponse(202)),
        (
            {"respond_with": {"status": 301, "headers": {"location": "/"}}},
            WebhookResponse(301, {"location": "/"}),
        ),
        ({"respond_with": {"status": 200, "body": b"ok"}}, WebhookResponse(200, body=b"ok")),
    ],
    ids=["accepted", "redirect", "body"],
)
def test_a_webhook_answers_at_once(answer, expected, policy):
    request = WebhookRequest("PUT", "/x", {"a": "b"}, b"c")

    async def acts(client, services):
        run_id = await client.start()
        await client.sleep(10)
        response = await client.resume_webhook("door", request)
        return response, await client.result(run_id)

    response, got = script(webhook(**answer), acts, policy=policy)[0]
    assert response == expected
    assert got == {"method": "PUT", "path": "/x", "headers": {"a": "b"}, "body": b"c"}


def test_a_request_may_be_a_plain_dict():
    async def acts(client, services):
        run_id = await client.start()
        await client.sleep(10)
        await client.resume_webhook("door", {"body": b"x"})
        return await client.result(run_id)

    got = {"method": "POST", "path": "/", "headers": {}, "body": b"x"}
    assert script(webhook(), acts)[0] == got


def test_from_outside_other_hooks_are_not_there():
    async def acts(client, services):
        await client.start()
        await client.sleep(10)
        return [
            await caught(client.resume_webhook(token), HookNotFoundError)
            for token in ("door", "nowhere")
        ]

    (other, none), played = script(waiting, acts)
    assert other.startswith("no webhook has the token 'door'")
    assert "nowhere" in none
    assert "hook_received" not in played.types


@step
async def respond(ctx, request, chunk):
    """Take a while, then answer a request."""
    await ctx.sleep(300)
    writer = ctx.get_writable(request["response"])
    if chunk is not None:
        await writer.write(chunk)
    await writer.close()


def manual(chunk, *, answers=True):
    """A workflow that answers its request itself, or just ends."""

    @workflow
    async def flow():
        async with create_webhook("door", manual=True) as hook:
            request = await hook
            if answers:
                await respond(request, chunk)

    return flow


@every_policy
def test_a_webhook_may_answer_by_hand(policy):
    async def acts(client, services):
        await client.start()
        await client.sleep(10)
        began_ms = services.clock.now_ms()
        response = await client.resume_webhook("door")
        return response, services.clock.now_ms() - began_ms

    response, after_ms = script(manual(b"done"), acts, respond, policy=policy)[0]
    assert response == WebhookResponse(200, body=b"done")
    assert after_ms == 310, "when the chunk is there, not when somebody looks"


@pytest.mark.parametrize(
    ("flow", "cause"),
    [
        (manual(None), "wrun_1 has closed the response without an answer"),
        (manual(None, answers=False), "wrun_1 has ended without an answer"),
    ],
    ids=["closed", "ended"],
)
def test_a_webhook_without_an_answer_is_an_error(flow, cause):
    async def acts(client, services):
        await client.start()
        await client.sleep(10)
        return await caught(client.resume_webhook("door"), WebhookUnanswered)

    text, played = script(flow, acts, respond)
    assert cause in text
    assert "write one to request['response']" in text
    assert played.waiting == []


# --- wake_up, cancel, reenqueue -----------------------------------------------------------------


@every_policy
def test_a_wake_up_ends_all_sleeps(policy):
    async def acts(client, services):
        run_id = await client.start(60_000, 90_000, 0)
        await client.sleep(5_000)
        await client.wake_up(run_id)
        result = await client.result(run_id)
        return result, services.clock.now_ms() - EPOCH_MS

    (result, after_ms), played = script(sleeper, acts, policy=policy, page_max=2)
    assert result == "awake"
    assert after_ms <= 6_000
    ends = [event.fact.resume_at_ms - EPOCH_MS for event in played.log if "wait_c" in event.type]
    assert sorted(ends) == sorted([60_000, 90_000, 0] * 2), "what was recorded stays as it is"
    asked = [op for op in played.path if op.startswith("record wait_completed")]
    assert len(asked) == 3, "a sleep that is over is left alone"


@pytest.mark.parametrize(
    "refusal",
    [
        EntityConflictError("the wait is completed", reason="terminal"),
        EntityNotFoundError("the run has ended, and its waits are gone"),
    ],
    ids=["409", "404"],
)
def test_a_sleep_that_ends_while_it_is_ended_is_left_alone(refusal):
    async def acts(client, services):
        run_id = await client.start(1_000, 9_000)
        await client.sleep(10)
        await client.wake_up(run_id)
        return await client.result(run_id)

    result, played = script(sleeper, acts, errors={"wait_completed": [refusal]})
    assert result == "awake"
    assert played.times("wait_completed") == [10, 1_000], "the other one is woken all the same"


@every_policy
def test_a_cancelled_run_ends_and_wakes_nobody(policy):
    async def acts(client, services):
        run_id = await client.start(60_000)
        await client.sleep(10)
        await client.cancel(run_id)
        return await caught(client.result(run_id), RunFailedError)

    text, played = script(sleeper, acts, policy=policy)
    assert text == "run wrun_1 was cancelled: somebody cancelled it; it has no result"
    assert played.types[-1] == "run_cancelled"
    assert played.run.status == "cancelled"


def test_what_has_ended_is_not_cancelled():
    async def acts(client, services):
        run_id = await client.start(0)
        await client.result(run_id)
        return await caught(client.cancel(run_id), EntityConflictError)

    text, played = script(sleeper, acts)
    assert "wrun_1" in text
    assert played.run.status == "completed"


@every_policy
def test_a_run_whose_message_was_lost_goes_on_when_it_is_enqueued_again(policy):
    async def acts(client, services):
        async def lost(message, *, key="", delay_s=0):
            assert message == Message("wrun_1", run_input=message.run_input)
            return "msg_0"

        send, services.queue.send = services.queue.send, lost
        run_id = await client.start(1)
        services.queue.send = send
        await client.sleep(60_000)
        assert (await services.storage.run(run_id)).status == "pending"
        await client.reenqueue(run_id)
        return await client.result(run_id)

    assert script(program(sequence), acts, policy=policy)[0] == [0]
