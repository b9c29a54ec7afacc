"""The world that the SDK sees: questions at the seam, answers and refusals in the SDK's words."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

pytest.importorskip("vercel.workflow", reason="the extra vercel is not installed")

import vercel.queue as vqs
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import vercel as hosted

from simworld.engine import HookReceived, RunRow, RunStarted, RunStatus, WaitCompleted
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    IndefiniteFailure,
    InternalError,
    RunExpiredError,
    ThrottleError,
    TooEarlyError,
    UsageError,
    WorldError,
)
from simworld.ports import Answer, Chunks, Message, StreamInfo
from simworld.records import SubjectErrors, SubjectProfile, WorldProfile
from simworld.subjects import seam
from simworld.subjects.vercel.refusals import refused
from simworld.subjects.vercel.world import AdapterWorld, make_world
from simworld.worlds import AtomicWorld
from tests.worlds.doubles import Clock, Ids, now

RUN, MESSAGE = "wrun_1", Message("wrun_1")
CREATE = seam.Create(RUN, RunStarted())
SEND = seam.Send(MESSAGE, "", 0)
WRITE = seam.WriteStream(RUN, "s", (b"1",))
LOCAL, HOSTED = SubjectErrors.LOCAL, SubjectErrors.HOSTED


class Store:
    """A world of ours behind the seam; what was asked is kept."""

    def __init__(self, **knobs: Any) -> None:
        self.world = AtomicWorld(clock=Clock(1_000), ids=Ids(), profile=WorldProfile(**knobs))
        self.asked: list[seam.Question] = []
        self.chunks = Chunks((), closed=False)

    async def ask(self, question: seam.Question) -> object:
        self.asked.append(question)
        match question:
            case seam.Create(run_id, fact):
                return await self.world.create(run_id, fact)
            case seam.ReadLog(run_id, cursor):
                return await self.world.events(run_id, cursor)
            case seam.ReadRun(run_id):
                return await self.world.run(run_id)
            case seam.FindHook(token):
                return await self.world.hook(token)
            case seam.Send(_, key, _):
                return "" if key == "known" else "msg_1"
            case seam.ReadStream(_, _, start, _):
                return Chunks(self.chunks.chunks[start:], self.chunks.closed)
            case seam.AskStream():
                return StreamInfo(len(self.chunks.chunks) - 1, self.chunks.closed)
            case seam.WriteStream():
                raise EntityConflictError("closed", reason="terminal")
        return None


Use = Callable[[AdapterWorld, Store], Awaitable[Any]]


def used(use: Use, profile: SubjectProfile | None = None, **knobs: Any) -> Any:
    """What ``use`` comes to, with a new adapter over a new world."""
    store = Store(**knobs)
    return now(use(make_world(store.ask, profile or SubjectProfile()), store))


async def begin(world: AdapterWorld) -> None:
    data = w.RunCreatedEventData(deployment_id="d", workflow_name="flow", input=b"devl[[]]")
    await world.events_create(RUN, data.into_event())
    await world.events_create(RUN, w.RunStartedEvent())


def changed(name: str, key: str, value: str | None) -> Any:
    change = w.AttributeChange(key=key, value=value)
    data = w.AttrSetEventData(changes=[change], writer=w.WorkflowAttributeWriter())
    return data.into_event(name)


def test_nothing_of_the_sdk_s_world_is_left_out() -> None:
    assert not inspect.isabstract(AdapterWorld)


def test_a_run_is_created_started_and_read() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        again = await world.events_create(RUN, w.RunStartedEvent())
        log = await world.events_list(RUN)
        return again, await world.runs_get(RUN), log

    again, run, log = used(use)
    assert (again.event, again.run.status, again.run.input) == (None, "running", b"devl[[]]")
    assert (run.status, run.deployment_id, run.started_at) == ("running", "d", run.created_at)
    assert [event.event_type for event in log.data] == ["run_created", "run_started"]
    assert (log.cursor, log.has_more) == ("2", False)


def test_a_world_without_run_id_gets_one_from_the_adapter() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        data = w.RunCreatedEventData(deployment_id="d", workflow_name="flow", input=b"devl[[]]")
        first = await world.events_create(None, data.into_event())
        second = await world.events_create(None, data.into_event())
        with pytest.raises(ValueError, match="runId is required"):
            await world.events_create(None, w.RunStartedEvent())
        return [first.run.run_id, second.run.run_id]

    ids = used(use)
    assert sorted({*ids}) == ids
    assert all(each.startswith("wrun_") and len(each) == 31 for each in ids)


def test_an_event_is_translated_once_however_often_it_is_read() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        return (await world.events_list(RUN)).data, (await world.events_list(RUN)).data

    first, second = used(use)
    assert first is not second
    assert all(one is other for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize(("cursors", "reads", "cursor"), [("given", 1, "1"), ("none", 2, None)])
def test_a_world_without_cursors_shows_the_whole_log(
    cursors: str, reads: int, cursor: str | None
) -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        store.asked.clear()
        return await world.events_list(RUN, pagination=w.PaginationOptions()), store.asked

    page, asked = used(use, SubjectProfile(subject_cursor=cursors), page_max=1)
    assert (len(page.data), len(asked)) == (reads, reads)
    assert (page.cursor, page.has_more) == (cursor, cursors == "given")


def test_a_log_is_not_read_backwards() -> None:
    backwards = w.PaginationOptions(sort_order="desc")
    with pytest.raises(InternalError, match="backwards"):
        used(lambda world, store: world.events_list(RUN, pagination=backwards))


def test_attributes_are_folded_from_the_log_and_a_second_attr_set_is_never_seen() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        for name, key, value in (
            ("attr_1", "a", "1"),
            ("attr_2", "b", "2"),
            ("attr_3", "a", None),
            ("attr_1", "a", "1"),
        ):
            await world.events_create(RUN, changed(name, key, value))
        log = await world.events_list(RUN)
        rest = await world.events_list(RUN, pagination=w.PaginationOptions(cursor="5"))
        return await world.runs_get(RUN), log, rest

    run, log, rest = used(use)
    assert run.attributes == {"b": "2"}
    assert [event.correlation_id for event in log.data[2:]] == ["attr_1", "attr_2", "attr_3"]
    assert rest.data == []


def test_who_asks_for_a_hook_gets_it_or_hears_that_there_is_none() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        await world.events_create(RUN, w.HookCreatedEventData(token="door").into_event("hook_1"))
        with pytest.raises(w.HookNotFoundError, match="window"):
            await world.hooks_get_by_token("window")
        with pytest.raises(w.HookNotFoundError, match="hook_2"):
            await world.events_create(RUN, w.HookDisposedEvent(correlation_id="hook_2"))
        return await world.hooks_get_by_token("door")

    hook = used(use)
    assert (hook.hook_id, hook.run_id, hook.is_webhook) == ("hook_1", RUN, False)


def test_a_token_that_is_taken_makes_a_conflict_event() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        await begin(world)
        asked = w.HookCreatedEventData(token="door")
        await world.events_create(RUN, asked.into_event("hook_1"))
        return await world.events_create(RUN, asked.into_event("hook_2"))

    told = used(use).event
    assert isinstance(told, w.HookConflictEvent)
    assert told.event_data.conflicting_run_id == RUN


def test_messages_are_whole_seconds_late_and_know_their_queue() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        payload = w.WorkflowInvokePayload(run_id=RUN)
        ids = [
            await world.queue("__wkf_workflow_flow", payload, delay_seconds=delay, **more)
            for delay, more in ((None, {}), (0.2, {}), (1.2, {"idempotency_key": "known"}))
        ]
        return ids, store.asked, world.delivery(MESSAGE)

    ids, asked, delivery = used(use)
    assert ids == ["msg_1", "msg_1", "msg_duplicate_known"]
    assert [each.delay_s for each in asked] == [0, 1, 2]
    assert delivery == ({"runId": RUN}, "__wkf_workflow_flow")


@pytest.mark.parametrize(("start", "found"), [(None, [b"1", b"3"]), (1, [b"3"]), (-1, [b"3"])])
def test_a_stream_is_read_to_its_end(start: int | None, found: list[bytes]) -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        store.chunks = Chunks((b"1", b"", b"3"), closed=True)
        return [chunk async for chunk in world.streams_get(RUN, "s", start)]

    assert used(use) == found


def test_pages_and_length_of_a_stream() -> None:
    async def use(world: AdapterWorld, store: Store) -> Any:
        store.chunks = Chunks((b"1", b"2", b"3"), closed=True)
        first = await world.streams_get_chunks(RUN, "s", limit=2)
        rest = await world.streams_get_chunks(RUN, "s", limit=2, cursor=first.cursor)
        return first, rest, await world.streams_get_info(RUN, "s")

    first, rest, info = used(use)
    assert ([c.index for c in first.data], first.has_more, first.done) == ([0, 1], True, False)
    assert ([c.data for c in rest.data], rest.cursor, rest.done) == ([b"3"], None, True)
    assert (info.tail_index, info.done) == (2, True)


def test_a_chunk_that_comes_too_late_is_refused_by_the_hosted_world_only() -> None:
    def write(world: AdapterWorld, store: Store) -> Awaitable[None]:
        return world.streams_write(RUN, "s", b"late")

    assert used(write, SubjectProfile(subject_errors=LOCAL)) is None
    with pytest.raises(w.WorkflowWorldError) as told:
        used(write, SubjectProfile(subject_errors=HOSTED))
    assert told.value.status == 409


def test_only_a_hosted_world_has_a_deployment() -> None:
    def named(world: AdapterWorld, store: Store) -> Awaitable[str]:
        return world.get_deployment_id()

    assert used(named, SubjectProfile(subject_errors=LOCAL)) == ""
    assert used(named, SubjectProfile(subject_errors=HOSTED)) == "dpl_simworld"


# --- refusals -------------------------------------------------------------------------------------

EVERY = {
    409: EntityConflictError("no", reason="terminal"),
    410: RunExpiredError("no"),
    425: TooEarlyError("no", retry_after_s=1.2),
    429: ThrottleError("no", retry_after_s=2.2),
    404: EntityNotFoundError("no"),
    400: WorldError("no", status=400),
    500: WorldError("no"),
}


@pytest.mark.parametrize("status", EVERY)
def test_the_hosted_world_refuses_as_the_sdk_s_client_says_it(status: int) -> None:
    headers = {425: {"retry-after": "2"}, 429: {"retry-after": "3"}}.get(status, {})
    http: Any = hosted.httpx  # type: ignore[attr-defined]
    response = http.Response(status, json={"message": "no"}, headers=headers)
    by_client = hosted.VercelWorld()._error_for_response("POST", "/v3", response)
    ours = refused(CREATE, EVERY[status], HOSTED)
    assert type(ours) is type(by_client)
    assert str(ours) == str(by_client)
    for field in ("status", "retry_after"):
        assert getattr(ours, field, None) == getattr(by_client, field, None)


@pytest.mark.parametrize(
    ("question", "error", "style", "kind"),
    [
        (CREATE, RunExpiredError("no"), LOCAL, w.EntityConflictError),
        (CREATE, EVERY[409], LOCAL, w.EntityConflictError),
        (CREATE, EVERY[425], LOCAL, w.TooEarlyError),
        (CREATE, EVERY[404], LOCAL, RuntimeError),
        (seam.Create(RUN, WaitCompleted("w")), EVERY[404], LOCAL, w.EntityConflictError),
        (CREATE, IndefiniteFailure("no"), LOCAL, OSError),
        (CREATE, ThrottleError("no", retry_after_s=1), LOCAL, OSError),
        (SEND, IndefiniteFailure("no"), HOSTED, vqs.CommunicationError),
        (SEND, ThrottleError("no", retry_after_s=1), HOSTED, vqs.ThrottledError),
        (SEND, DefiniteFailure("no"), HOSTED, vqs.InternalServerError),
        (SEND, DefiniteFailure("no"), LOCAL, OSError),
        (CREATE, IndefiniteFailure("no"), HOSTED, hosted.httpx.TransportError),  # type: ignore[attr-defined]
        (WRITE, IndefiniteFailure("no"), HOSTED, w.WorkflowWorldError),
        (WRITE, EVERY[409], HOSTED, w.WorkflowWorldError),
        (CREATE, DefiniteFailure("no"), HOSTED, w.WorkflowWorldError),
    ],
)
def test_refusals_by_question_and_style(
    question: seam.Question, error: Any, style: SubjectErrors, kind: type[Exception]
) -> None:
    assert isinstance(refused(question, error, style), kind)


@pytest.mark.parametrize("style", SubjectErrors)
def test_a_missing_hook_is_told_by_what_was_asked_for(style: SubjectErrors) -> None:
    error = HookNotFoundError("no")
    by_token = refused(seam.FindHook("door"), error, style)
    by_id = refused(seam.Create(RUN, HookReceived("hook_1", "", b"1")), error, style)
    assert (by_token.token, by_token.hook_id) == ("door", None)  # type: ignore[attr-defined]
    assert (by_id.token, by_id.hook_id) == (None, "hook_1")  # type: ignore[attr-defined]


def test_what_its_own_local_world_has_raised_is_raised_again() -> None:
    error = WorldError("no")
    original = error.original = FileExistsError("yes")  # type: ignore[attr-defined]
    assert refused(CREATE, error, HOSTED) is original
    assert not hasattr(error, "original")


def test_what_no_world_says_passes_through() -> None:
    async def ask(question: seam.Question) -> object:
        raise UsageError("a bad cursor")

    world = make_world(ask, SubjectProfile())
    with pytest.raises(UsageError, match="a bad cursor"):
        now(world.runs_get(RUN))


def test_a_refusal_keeps_what_it_comes_of() -> None:
    async def ask(question: seam.Question) -> object:
        raise RunExpiredError("over")

    world = make_world(ask, SubjectProfile())
    with pytest.raises(w.RunExpiredError, match="over") as told:
        now(world.events_create(RUN, w.RunCompletedEventData(output=b"1").into_event()))
    assert isinstance(told.value.__cause__, RunExpiredError)


def test_what_the_local_world_has_said_itself_is_handed_on() -> None:
    class Said(Answer):
        original = w.EventResult()

    async def ask(question: seam.Question) -> object:
        return Said(None, RunRow(RUN, RunStatus.RUNNING, "flow", b"", 0))

    told = now(make_world(ask, SubjectProfile()).events_create(RUN, w.RunStartedEvent()))
    assert told is Said.original
