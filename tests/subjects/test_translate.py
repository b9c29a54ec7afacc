"""What the SDK says comes back as it said it, through our facts, rows and messages."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("vercel.workflow", reason="the extra vercel is not installed")

from vercel.workflow._internal import world as w

from simworld.engine import ENVELOPE, Event, RunStarted, value_of
from simworld.errors import UsageError
from simworld.ports import Answer, RunInput
from simworld.subjects.vercel import messages, rows, translate
from simworld.subjects.vercel.envelope import pack, unpack
from simworld.worlds.codec import decode_fact, encode_fact

TEXT = st.text("aé\x00 😀$", min_size=1, max_size=5)
PAYLOAD = st.binary(max_size=6) | st.builds(lambda end: ENVELOPE + end, st.binary(max_size=3))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
ERROR = PAYLOAD | TEXT | st.fixed_dictionaries({"message": TEXT, "stack": TEXT})
TIME = st.integers(0, 2**43).map(translate.sdk_time)
SPEC = st.integers(1, w.SPEC_VERSION_MAX_SUPPORTED)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """One of them, or nothing."""
    return st.none() | values


RUN = {
    "deployment_id": TEXT,
    "workflow_name": TEXT,
    "execution_context": maybe(st.dictionaries(TEXT, JSON, max_size=2)),
    "encryption_public_key": maybe(TEXT),
}
MORE = {
    "attributes": maybe(st.dictionaries(TEXT, TEXT, max_size=2)),
    "allow_reserved_attributes": maybe(st.just(True)),
}
CHANGES = st.lists(st.builds(w.AttributeChange, key=TEXT, value=maybe(TEXT)), max_size=3)
WRITERS = st.builds(w.WorkflowAttributeWriter) | st.builds(
    w.StepAttributeWriter, step_id=TEXT, attempt=st.integers(1, 5)
)
RUN_CREATED = st.builds(w.RunCreatedEventData, input=PAYLOAD, **RUN)
RUN_STARTED = st.builds(w.RunStartedEventData, input=PAYLOAD | JSON.filter(bool), **RUN, **MORE)
STEP_CREATED = st.builds(
    w.StepCreatedEventData, step_name=TEXT, input=PAYLOAD | st.dictionaries(TEXT, JSON)
)
STEP_RETRYING = st.builds(
    w.StepRetryingEventData, error=ERROR, retry_after=maybe(TIME.filter(translate.our_time))
)
HOOK_CREATED = st.builds(
    w.HookCreatedEventData,
    token=TEXT,
    metadata=maybe(PAYLOAD),
    is_webhook=st.booleans(),
    is_system=maybe(st.just(True)),
)
HOOK_RECEIVED = st.builds(w.HookReceivedEventData, payload=PAYLOAD, token=maybe(TEXT))
ATTR_SET = st.builds(
    w.AttrSetEventData,
    changes=CHANGES,
    writer=WRITERS,
    allow_reserved_attributes=maybe(st.just(True)),
)


def about(kind: type[Any], data: st.SearchStrategy[Any], **more: Any) -> Any:
    """Events of a kind, about a step, hook, wait or attribute."""
    return st.builds(kind, correlation_id=TEXT, event_data=data, **more)


EVENTS = st.one_of(
    st.builds(w.RunCreatedEvent, event_data=RUN_CREATED, spec_version=SPEC),
    st.builds(w.RunStartedEvent, event_data=RUN_STARTED, spec_version=SPEC),
    st.builds(w.RunStartedEvent),
    st.builds(
        w.RunCompletedEvent,
        event_data=st.builds(w.RunCompletedEventData, output=PAYLOAD),
        spec_version=SPEC,
    ),
    st.builds(
        w.RunFailedEvent,
        event_data=st.builds(w.RunFailedEventData, error=ERROR, error_code=maybe(TEXT)),
        spec_version=SPEC,
    ),
    st.builds(w.RunCancelledEvent),
    about(w.StepCreatedEvent, STEP_CREATED, spec_version=SPEC),
    st.builds(w.StepStartedEvent, correlation_id=TEXT),
    about(w.StepCompletedEvent, st.builds(w.StepCompletedEventData, result=PAYLOAD | JSON)),
    about(w.StepFailedEvent, st.builds(w.StepFailedEventData, error=ERROR), spec_version=SPEC),
    about(w.StepRetryingEvent, STEP_RETRYING, spec_version=SPEC),
    about(w.HookCreatedEvent, HOOK_CREATED),
    about(w.HookReceivedEvent, HOOK_RECEIVED, spec_version=SPEC),
    about(
        w.HookConflictEvent,
        st.builds(w.HookConflictEventData, token=TEXT, conflicting_run_id=maybe(TEXT)),
    ),
    st.builds(w.HookDisposedEvent, correlation_id=TEXT),
    about(w.WaitCreatedEvent, st.builds(w.WaitCreatedEventData, resume_at=TIME)),
    st.builds(w.WaitCompletedEvent, correlation_id=TEXT),
    about(w.AttrSetEvent, ATTR_SET, spec_version=SPEC),
    st.builds(w.AttrSetEvent, event_data=ATTR_SET),
)


def through_a_world(fact: Any) -> Any:
    """The fact as a world's files and tables hold it."""
    return decode_fact(fact.type, encode_fact(fact))


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_an_event_comes_back_as_it_was_asked_for(event: Any) -> None:
    back = translate.sdk_request(through_a_world(translate.our_fact(event)))
    assert back == event
    assert back.model_dump() == event.model_dump()


@settings(max_examples=100, deadline=None)
@given(EVENTS, TIME)
def test_a_recorded_event_comes_back_with_what_the_world_says_of_it(event: Any, time: Any) -> None:
    props = w.ServerProps(run_id="wrun_1", event_id="evnt_7", created_at=time)
    event.server_props = props
    ours = translate.our_event(event, 7)
    assert ours == Event(
        "wrun_1",
        "evnt_7",
        7,
        translate.our_time(time),
        event.event_type,
        event.correlation_id or "",
        translate.our_fact(event),
    )
    told = translate.sdk_event(ours)
    assert told == event
    # What is made without validation would have passed it.
    assert w.EventAdaptor.from_wire(told.model_dump() | props.model_dump()) == event


def test_the_cancel_reason_is_all_that_a_fact_cannot_hold() -> None:
    data = w.RunCancelledEventData(cancel_reason="too slow")
    assert translate.sdk_request(translate.our_fact(data.into_event())) == w.RunCancelledEvent()


def test_a_start_that_says_too_little_to_create_a_run_is_a_plain_one() -> None:
    data = w.RunStartedEventData(input=b"devl[[]]", deployment_id="", workflow_name="flow")
    assert translate.our_fact(data.into_event()) == RunStarted()


@pytest.mark.parametrize(
    "event",
    [
        w.StepStartedEventData(attempt=2).into_event("step_1"),
        w.NoopEvent(),
    ],
    ids=["an attempt", "noop"],
)
def test_what_our_worlds_cannot_record_is_refused(event: Any) -> None:
    with pytest.raises(UsageError, match=r"attempt 2|'noop'"):
        translate.our_fact(event)


def test_fractions_of_a_millisecond_are_dropped() -> None:
    time = datetime.datetime(2026, 1, 2, 3, 4, 5, 6_999, tzinfo=datetime.UTC)
    assert translate.sdk_time(translate.our_time(time)).microsecond == 6_000
    assert translate.our_time(time.replace(tzinfo=None)) == translate.our_time(time)


# --- rows -----------------------------------------------------------------------------------------

ENDED = {"completed_at": TIME.filter(translate.our_time)}
ROW = {
    "run_id": TEXT,
    "spec_version": SPEC,
    "attributes": st.just({}),
    "started_at": maybe(TIME.filter(translate.our_time)),
    "created_at": TIME,
    "updated_at": st.just(None),
    "input": PAYLOAD,
    **RUN,
}
RUNS = st.one_of(
    st.builds(
        w.NonFinalWorkflowRun.model_construct,
        status=st.sampled_from(["pending", "running"]),
        **ROW,
    ),
    st.builds(
        w.CompletedWorkflowRun.model_construct,
        status=st.just("completed"),
        output=PAYLOAD,
        **ROW,
        **ENDED,
    ),
    st.builds(
        w.FailedWorkflowRun.model_construct,
        status=st.just("failed"),
        error=ERROR,
        error_code=maybe(TEXT),
        **ROW,
        **ENDED,
    ),
    st.builds(w.CancelledWorkflowRun.model_construct, status=st.just("cancelled"), **ROW, **ENDED),
)
STEP = {
    "run_id": TEXT,
    "step_id": TEXT,
    "step_name": TEXT,
    "input": PAYLOAD,
    "error": maybe(ERROR),
    "attempt": st.integers(0, 4),
    "started_at": maybe(TIME.filter(translate.our_time)),
    "retry_after": maybe(TIME.filter(translate.our_time)),
    "created_at": TIME,
    "updated_at": st.just(None),
    "spec_version": SPEC,
}
STEPS = st.one_of(
    st.builds(
        w.NonFinalWorkflowStep.model_construct,
        status=st.sampled_from(["pending", "running"]),
        **STEP,
    ),
    st.builds(
        w.CompletedWorkflowStep.model_construct,
        status=st.just("completed"),
        output=PAYLOAD,
        **STEP,
        **ENDED,
    ),
    st.builds(w.FailedWorkflowStep.model_construct, status=st.just("failed"), **STEP, **ENDED),
)


def but_updated(row: Any) -> dict[str, Any]:
    """All a row says; when it was changed last, ours do not."""
    said = dict(row)
    del said["updated_at"]
    return said


@settings(max_examples=100, deadline=None)
@given(RUNS)
def test_a_run_s_row_comes_back(run: Any) -> None:
    ours = rows.our_run(run)
    back = rows.sdk_run(ours)
    assert but_updated(back) == but_updated(run)
    assert rows.our_run(back) == ours
    assert w.WorkflowRunAdaptor.from_wire(back.model_dump()) == back


@settings(max_examples=100, deadline=None)
@given(STEPS)
def test_a_step_s_row_comes_back(step: Any) -> None:
    ours = rows.our_step(step)
    back = rows.sdk_step(ours)
    assert but_updated(back) == but_updated(step)
    assert rows.our_step(back) == ours
    assert w.WorkflowStepAdaptor.from_wire(back.model_dump()) == back


@settings(max_examples=50, deadline=None)
@given(TEXT, maybe(PAYLOAD), st.booleans(), SPEC)
def test_a_hook_s_row_comes_back(token: str, metadata: Any, system: bool, spec: int) -> None:
    hook = w.Hook(
        run_id="wrun_1",
        hook_id="hook_1",
        token=token,
        owner_id="local-owner",
        project_id="local-project",
        environment="local",
        metadata=metadata,
        created_at=translate.sdk_time(5),
        spec_version=spec if metadata is not None else translate.CURRENT,
        is_webhook=False,
        is_system=system,
    )
    assert rows.sdk_hook(rows.our_hook(hook)) == hook


def test_a_run_s_beginning_is_the_same_bytes_whoever_tells_it() -> None:
    told = {
        "deployment_id": "dpl_1",
        "workflow_name": "flow",
        "execution_context": {"workflowCoreVersion": "4.2.0", "features": {"encryption": False}},
        "encryption_public_key": "key",
    }
    created = translate.our_fact(w.RunCreatedEventData(input=b"devl[[]]", **told).into_event())
    given_again = w.RunInput(input=b"devl[[]]", spec_version=translate.CURRENT, **told)
    message = messages.our_message(w.WorkflowInvokePayload(run_id="r", run_input=given_again))
    started = w.RunStartedEventData.from_run_input(given_again).into_event()
    assert message.run_input == RunInput("flow", created.input)  # type: ignore[union-attr]
    assert translate.our_fact(started) == RunStarted("flow", created.input)  # type: ignore[union-attr]
    assert value_of(created.input) == []  # type: ignore[union-attr]


def test_what_a_run_begins_with_cannot_be_changed_by_who_reads_it_again() -> None:
    event = w.RunCreatedEventData(
        deployment_id="d", workflow_name="f", input=b"devl[[]]", execution_context={"a": 1}
    ).into_event()
    fact = translate.our_fact(event)
    first = translate.sdk_request(fact)
    first.event_data.execution_context["a"] = 2
    assert translate.sdk_request(fact) == event


# --- messages -------------------------------------------------------------------------------------

RUN_INPUT = st.builds(
    w.RunInput, input=PAYLOAD, spec_version=SPEC, environment=maybe(TEXT), **RUN, **MORE
)
PAYLOADS = st.one_of(
    st.builds(w.WorkflowInvokePayload, run_id=TEXT, run_input=maybe(RUN_INPUT)),
    st.builds(
        w.WorkflowInvokePayload,
        run_id=TEXT,
        step_id=TEXT,
        step_name=TEXT,
        requested_at=st.datetimes(datetime.datetime(2020, 1, 1), timezones=st.just(datetime.UTC)),
    ),
)


@settings(max_examples=100, deadline=None)
@given(PAYLOADS)
def test_a_message_comes_back(payload: Any) -> None:
    message = messages.our_message(payload)
    assert w.WorkflowInvokePayload.from_wire(messages.sdk_payload(message)) == payload


def test_messages_that_only_other_sdks_send_are_refused() -> None:
    given_hook = w.HookResumeInput(
        resume_id="1", hook_id="hook_1", token="t", payload=b"devl[[]]", payload_digest="d"
    )
    with pytest.raises(UsageError, match="payload of a hook"):
        messages.our_message(w.WorkflowInvokePayload(run_id="r", hook_input=given_hook))
    probe = w.HealthCheckPayload(health_check=True, correlation_id="c")
    with pytest.raises(UsageError, match="HealthCheckPayload"):
        messages.our_message(probe)


# --- envelopes ------------------------------------------------------------------------------------


@given(PAYLOAD | JSON, st.dictionaries(TEXT, JSON, max_size=2))
def test_an_envelope_is_never_empty_and_opens_to_what_was_put_in(value: Any, more: Any) -> None:
    packed = pack(value, **more)
    assert packed
    assert unpack(packed) == (value, more)


def test_plain_bytes_travel_as_they_are() -> None:
    assert pack(b"devl[1]") == b"devl[1]"


def test_an_answer_of_the_local_world_is_one_of_ours() -> None:
    run = w.NonFinalWorkflowRun(
        run_id="wrun_1",
        status="running",
        deployment_id="",
        workflow_name="flow",
        spec_version=5,
        input=b"devl[[]]",
        created_at=translate.sdk_time(1),
        started_at=translate.sdk_time(2),
        updated_at=translate.sdk_time(2),
    )
    row = rows.our_run(run)
    assert rows.our_answer(w.EventResult(run=run), row, 3) == Answer(None, row, cursor="3")
