"""The SDK's events ↔ our facts and events: pure functions, both ways.

What our facts have no field for travels in their bytes (``envelope``).  Two things do not travel:
why a run was cancelled (``cancelReason``: our fact has no bytes, and no version of the SDK reads it
back), and fractions of a millisecond, which the SDK's own local world drops, too.  Models are made
without validation: all that they hold was validated when the SDK asked for it.

A function whose name begins with ``sdk_`` makes the SDK's thing of ours, one that begins with
``our_`` makes ours of the SDK's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vercel.workflow._internal import world as w

from simworld.engine import (
    AttrSet,
    Event,
    Fact,
    HookConflict,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import UsageError
from simworld.subjects.vercel.envelope import pack, unpack

CURRENT: int = w.SPEC_VERSION_CURRENT
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def sdk_time(ms: int) -> datetime:
    """A time; 0 is a time, too."""
    return _EPOCH + ms * _MS


def our_time(time: datetime | None) -> int:
    """Whole milliseconds; 0 for no time.  One without a zone is UTC, as in the local world."""
    if time is None:
        return 0
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return (time - _EPOCH) // _MS


# --- what a run begins with -----------------------------------------------------------------------


def run_envelope(told: Any, spec_version: int) -> bytes:
    """All that ``run_created``, ``run_started`` or a first message says of a run but its name.

    The same bytes for the same run, whoever says it.
    """
    more: dict[str, object] = {"specVersion": spec_version}
    for field, key in _RUN_FIELDS:
        value = getattr(told, field, None)
        if value is not None:
            more[key] = value
    return pack(told.input, **more)


_RUN_FIELDS = (
    ("deployment_id", "deploymentId"),
    ("execution_context", "executionContext"),
    ("encryption_public_key", "encryptionPublicKey"),
    ("attributes", "attributes"),
    ("allow_reserved_attributes", "allowReservedAttributes"),
    ("environment", "environment"),
)


def run_fields(more: Mapping[str, Any]) -> dict[str, Any]:
    """What ``run_envelope`` has put beside the input, by the names of the SDK's fields."""
    return {field: more[key] for field, key in _RUN_FIELDS if key in more}


# --- our fact of their event ----------------------------------------------------------------------


def our_fact(event: Any) -> Fact:
    """The fact that an event of the SDK asks us to record."""
    kind: str = event.event_type
    make = _OURS.get(kind)
    if make is None:
        raise UsageError(f"the SDK asks for an event {kind!r}, which simworld does not know")
    return make(event)


def _packed(event: Any, value: object, **more: object) -> bytes:
    if event.spec_version != CURRENT:
        more["specVersion"] = event.spec_version
    return pack(value, **{key: each for key, each in more.items() if each is not None})


def _our_run_created(event: Any) -> Fact:
    data = event.event_data
    return RunCreated(data.workflow_name, run_envelope(data, event.spec_version))


def _our_run_started(event: Any) -> Fact:
    data = event.event_data
    if data is None or data.input is None or not data.deployment_id or not data.workflow_name:
        # Too little to create a run of; its own local world looks for the same three.
        return RunStarted()
    return RunStarted(data.workflow_name, run_envelope(data, event.spec_version))


def _our_run_failed(event: Any) -> Fact:
    data = event.event_data
    code = data.error_code if hasattr(data, "error_code") else data.code
    return RunFailed(_packed(event, data.error), code or "")


def _our_step_started(event: Any) -> Fact:
    if event.event_data is not None and event.event_data.attempt is not None:
        raise UsageError(
            f"step_started of {event.correlation_id} says that it is attempt "
            f"{event.event_data.attempt}, which our worlds count themselves"
        )
    return StepStarted(event.correlation_id, "")


def _our_step_failed(event: Any) -> Fact:
    data = event.event_data
    stack = getattr(data, "stack", None)
    return StepFailed(event.correlation_id, _packed(event, data.error, stack=stack))


def _our_step_retrying(event: Any) -> Fact:
    data = event.event_data
    error = _packed(event, data.error, stack=getattr(data, "stack", None))
    return StepRetrying(event.correlation_id, error, our_time(data.retry_after))


def _our_hook_created(event: Any) -> Fact:
    data = event.event_data
    metadata = b"" if data.metadata is None else _packed(event, data.metadata)
    return HookCreated(
        event.correlation_id,
        data.token,
        metadata,
        bool(getattr(data, "is_webhook", False)),
        bool(getattr(data, "is_system", False)),
    )


def _our_hook_received(event: Any) -> Fact:
    data = event.event_data
    if getattr(event, "_queue_input", None) is not None:
        raise UsageError(
            f"hook_received of {event.correlation_id} comes with a message that carries its "
            "payload; only other SDKs send such messages, and our worlds do not take them"
        )
    token = getattr(data, "token", None)
    return HookReceived(event.correlation_id, token or "", _packed(event, data.payload))


def _our_hook_conflict(event: Any) -> Fact:
    data = event.event_data
    owner = getattr(data, "conflicting_run_id", None)
    return HookConflict(event.correlation_id, data.token, owner or "")


def _our_attr_set(event: Any) -> Fact:
    data = event.event_data
    changes = [(each.key, each.value) for each in data.changes]
    writer = data.writer.model_dump()
    reserved = data.allow_reserved_attributes
    return AttrSet(
        event.correlation_id or "", _packed(event, changes, writer=writer, reserved=reserved)
    )


_OURS: dict[str, Callable[[Any], Fact]] = {
    "run_created": _our_run_created,
    "run_started": _our_run_started,
    "run_completed": lambda event: RunCompleted(_packed(event, event.event_data.output)),
    "run_failed": _our_run_failed,
    "run_cancelled": lambda event: RunCancelled(),
    "step_created": lambda event: StepCreated(
        event.correlation_id, event.event_data.step_name, _packed(event, event.event_data.input)
    ),
    "step_started": _our_step_started,
    "step_completed": lambda event: StepCompleted(
        event.correlation_id, _packed(event, event.event_data.result)
    ),
    "step_failed": _our_step_failed,
    "step_retrying": _our_step_retrying,
    "hook_created": _our_hook_created,
    "hook_received": _our_hook_received,
    "hook_disposed": lambda event: HookDisposed(event.correlation_id, ""),
    "hook_conflict": _our_hook_conflict,
    "wait_created": lambda event: WaitCreated(
        event.correlation_id, our_time(event.event_data.resume_at)
    ),
    "wait_completed": lambda event: WaitCompleted(event.correlation_id),
    "attr_set": _our_attr_set,
}


def our_event(event: Any, position: int) -> Event:
    """An event as the SDK's local world has recorded it."""
    props = event.server_props
    fact = our_fact(event)
    correlation_id = getattr(fact, "correlation_id", "")
    created = our_time(props.created_at)
    return Event(props.run_id, props.event_id, position, created, fact.type, correlation_id, fact)


# --- their event of our fact ----------------------------------------------------------------------


def sdk_event(event: Event) -> Any:
    """An event as the SDK reads it in the log."""
    props = w.ServerProps.model_construct(
        run_id=event.run_id,
        event_id=event.event_id,
        created_at=sdk_time(event.created_at_ms),
    )
    return sdk_request(event.fact, props)


def sdk_request(fact: Fact, props: Any = None) -> Any:
    """An event as the SDK asks for it; with ``props``: as it has been recorded."""
    return _THEIRS[fact.type](fact, props)


def _kind(name: str) -> Any:
    kind = getattr(w, name, None)
    if kind is None:
        # An old version cannot read what a newer one has written; its validation says so, too.
        raise ValueError(f"the installed SDK knows no {name}")
    return kind


def _made(name: str, fact: Any, props: Any, data: Any = None, spec_version: int = CURRENT) -> Any:
    return _kind(name).model_construct(
        correlation_id=getattr(fact, "correlation_id", None) or None,
        event_data=data,
        spec_version=spec_version,
        server_props=props,
    )


def _sdk_run_created(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.input)
    data = w.RunCreatedEventData.model_construct(
        workflow_name=fact.workflow_name, input=value, **run_fields(more)
    )
    return _made("RunCreatedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_run_started(fact: Any, props: Any) -> Any:
    if not fact.workflow_name:
        return _made("RunStartedEvent", fact, props)
    value, more = unpack(fact.input)
    data = w.RunStartedEventData.model_construct(
        workflow_name=fact.workflow_name, input=value, **run_fields(more)
    )
    return _made("RunStartedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_run_failed(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.error)
    code = fact.code or None
    data = w.RunFailedEventData.model_construct(error=value, error_code=code, code=code)
    return _made("RunFailedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_step_created(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.input)
    data = w.StepCreatedEventData.model_construct(step_name=fact.step_name, input=value)
    return _made("StepCreatedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_step_failed(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.error)
    data = w.StepFailedEventData.model_construct(error=value, stack=more.get("stack"))
    return _made("StepFailedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_step_retrying(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.error)
    retry_after = sdk_time(fact.retry_after_ms) if fact.retry_after_ms else None
    data = w.StepRetryingEventData.model_construct(
        error=value, stack=more.get("stack"), retry_after=retry_after
    )
    return _made("StepRetryingEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_hook_created(fact: Any, props: Any) -> Any:
    metadata, more = unpack(fact.metadata)
    data = w.HookCreatedEventData.model_construct(
        token=fact.token,
        metadata=metadata if fact.metadata else None,
        is_webhook=fact.is_webhook,
        is_system=fact.is_system or None,
    )
    return _made("HookCreatedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_hook_received(fact: Any, props: Any) -> Any:
    value, more = unpack(fact.payload)
    data = w.HookReceivedEventData.model_construct(payload=value, token=fact.token or None)
    return _made("HookReceivedEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_hook_conflict(fact: Any, props: Any) -> Any:
    data = w.HookConflictEventData.model_construct(
        token=fact.token, conflicting_run_id=fact.conflicting_run_id or None
    )
    return _made("HookConflictEvent", fact, props, data)


def _sdk_attr_set(fact: Any, props: Any) -> Any:
    changes, more = unpack(fact.changes)
    writer = more["writer"]
    data = _kind("AttrSetEventData").model_construct(
        changes=[w.AttributeChange.model_construct(key=key, value=value) for key, value in changes],
        writer=(
            w.StepAttributeWriter.model_construct(
                step_id=writer["stepId"], attempt=writer["attempt"]
            )
            if writer["type"] == "step"
            else w.WorkflowAttributeWriter.model_construct()
        ),
        allow_reserved_attributes=more.get("reserved"),
    )
    return _made("AttrSetEvent", fact, props, data, more.get("specVersion", CURRENT))


def _sdk_completed(name: str, field: str, held: str) -> Callable[[Any, Any], Any]:
    def make(fact: Any, props: Any) -> Any:
        value, more = unpack(getattr(fact, held))
        data = getattr(w, f"{name}Data").model_construct(**{field: value})
        return _made(name, fact, props, data, more.get("specVersion", CURRENT))

    return make


_THEIRS: dict[str, Callable[[Any, Any], Any]] = {
    "run_created": _sdk_run_created,
    "run_started": _sdk_run_started,
    "run_completed": _sdk_completed("RunCompletedEvent", "output", "output"),
    "run_failed": _sdk_run_failed,
    "run_cancelled": lambda fact, props: _made("RunCancelledEvent", fact, props),
    "step_created": _sdk_step_created,
    "step_started": lambda fact, props: _made("StepStartedEvent", fact, props),
    "step_completed": _sdk_completed("StepCompletedEvent", "result", "result"),
    "step_failed": _sdk_step_failed,
    "step_retrying": _sdk_step_retrying,
    "hook_created": _sdk_hook_created,
    "hook_received": _sdk_hook_received,
    "hook_disposed": lambda fact, props: _made("HookDisposedEvent", fact, props),
    "hook_conflict": _sdk_hook_conflict,
    "wait_created": lambda fact, props: _made(
        "WaitCreatedEvent",
        fact,
        props,
        w.WaitCreatedEventData.model_construct(resume_at=sdk_time(fact.resume_at_ms)),
    ),
    "wait_completed": lambda fact, props: _made("WaitCompletedEvent", fact, props),
    "attr_set": _sdk_attr_set,
}
