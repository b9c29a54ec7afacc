"""One recorded event: JSON with the names of spec §1.2 → an ``Event``, or why it is none.

Payloads stay the bytes they were recorded as: no law that a log alone can break reads them.  Only
errors are read, for what they say of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import msgspec

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
    encode,
)

SILENT_TYPES = frozenset({"noop"})
"""Known, and no law speaks of them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_BYTE = re.compile(r" \(byte (\d+)\)$")
_NOTHING = (b"", b"null")


class Unreadable(Exception):
    """This is no event; caught by who asked for one."""

    def __init__(self, reason: str, *, run_id: str = "", offset: int = -1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.run_id = run_id
        """The run it is of, as far as it says so."""
        self.offset = offset
        """The byte where it stops to be JSON; -1: it is JSON."""


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    run_id: str
    event_id: str
    event_type: str
    created_at: int | str
    correlation_id: str | None = None
    event_data: msgspec.Raw = msgspec.Raw()


class _OfRun(msgspec.Struct, rename="camel"):
    """What an event that is otherwise wrong may say."""

    run_id: str = ""


class _Data(msgspec.Struct, rename="camel", gc=False):
    workflow_name: str | None = None
    step_name: str | None = None
    token: str | None = None
    conflicting_run_id: str | None = None
    error_code: str | None = None
    is_system: bool | None = None
    resume_at: int | str | None = None
    retry_after: int | str | None = None
    input: msgspec.Raw = msgspec.Raw()
    output: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    payload: msgspec.Raw = msgspec.Raw()
    changes: msgspec.Raw = msgspec.Raw()


_envelopes = msgspec.json.Decoder(_Envelope)
_of_run = msgspec.json.Decoder(_OfRun)
_datas = msgspec.json.Decoder(_Data)
_NO_DATA = _Data()
_EMPTY = AttrSet("", b"")


def read_event(data: bytes) -> Event:
    """The event, at position 0; raises ``Unreadable``.

    One of a type without a fact of its own, or of one that nobody knows, has an empty one.
    """
    try:
        found = _envelopes.decode(data)
    except msgspec.ValidationError as error:
        raise Unreadable(f"this is no event: {_told(error)}", run_id=_run_of(data)) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        text = str(error)
        byte = _BYTE.search(text)
        reason = text.removeprefix("JSON is malformed: ")
        raise Unreadable(
            f"this is no JSON: {reason[: byte.start() - len(text)] if byte else reason}",
            offset=int(byte[1]) if byte else 0,
        ) from None
    kind = found.event_type
    make = _FACTS.get(kind)
    try:
        raw = found.event_data
        about = found.correlation_id or ""
        fact: Fact = _EMPTY
        if make is not None:
            if not about and kind.startswith(_OWNED):
                raise ValueError("correlationId is missing")
            fact = make(about, _datas.decode(raw) if len(raw) > len(b"null") else _NO_DATA)
        created_ms = instant_ms(found.created_at, "createdAt")
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        why = f"this is no {kind}: {_told(error)}"
        raise Unreadable(why, run_id=found.run_id) from None
    if not found.run_id or not found.event_id:
        raise Unreadable("this is no event: runId or eventId is empty", run_id=found.run_id)
    return Event(found.run_id, found.event_id, 0, created_ms, kind, about, fact)


def _told(error: Exception) -> str:
    return str(error).replace("`", "").replace("Object missing required", "it lacks the")


def _run_of(data: bytes) -> str:
    try:
        return _of_run.decode(data).run_id
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""


def instant_ms(value: int | str, name: str) -> int:
    """Milliseconds since 1970 of a number of them or of an ISO 8601 text; no offset: UTC."""
    if isinstance(value, int):
        return value
    try:
        when = datetime.fromisoformat(value)
        if when.tzinfo is None:
            when = when.replace(tzinfo=UTC)
        return (when - _EPOCH) // _MS
    except (ValueError, OverflowError):
        raise ValueError(
            f"{name} is neither ISO 8601 nor a whole number of milliseconds: {value[:40]!r}"
        ) from None


# --- facts ----------------------------------------------------------------------------------------


def _error(data: msgspec.Raw) -> bytes:
    """A recorded error in the engine's own form."""
    value = msgspec.json.decode(data) if bytes(data) not in _NOTHING else None
    fields = value if isinstance(value, dict) else {"message": "" if value is None else value}
    names = ("kind", "message", "name")
    return encode({each: str(fields.get(each, "")) for each in names})


def _later(value: int | str | None, name: str) -> int:
    return 0 if value is None else instant_ms(value, name)


def _needed(value: str | None, name: str) -> str:
    if value is None:
        raise ValueError(f"eventData.{name} is missing")
    return value


def _wait_created(about: str, data: _Data) -> WaitCreated:
    if data.resume_at is None:
        raise ValueError("eventData.resumeAt is missing")
    return WaitCreated(about, instant_ms(data.resume_at, "resumeAt"))


def _step_started(about: str, data: _Data) -> StepStarted:
    text = bytes(data.input)
    return StepStarted(about, data.step_name or "", input=b"" if text in _NOTHING else text)


_OWNED = ("step_", "hook_", "wait_")
_FACTS: dict[str, Callable[[str, _Data], Fact]] = {
    "run_created": lambda _, data: RunCreated(data.workflow_name or "", bytes(data.input)),
    "run_started": lambda _, data: RunStarted(),
    "run_completed": lambda _, data: RunCompleted(bytes(data.output)),
    "run_failed": lambda _, data: RunFailed(_error(data.error), data.error_code or ""),
    "run_cancelled": lambda _, data: RunCancelled(),
    "step_created": lambda about, data: StepCreated(about, data.step_name or "", bytes(data.input)),
    "step_started": _step_started,
    "step_completed": lambda about, data: StepCompleted(about, bytes(data.result)),
    "step_failed": lambda about, data: StepFailed(about, _error(data.error)),
    "step_retrying": lambda about, data: StepRetrying(
        about, _error(data.error), _later(data.retry_after, "retryAfter")
    ),
    "hook_created": lambda about, data: HookCreated(
        about, _needed(data.token, "token"), is_system=bool(data.is_system)
    ),
    "hook_conflict": lambda about, data: HookConflict(
        about, _needed(data.token, "token"), data.conflicting_run_id or ""
    ),
    "hook_received": lambda about, data: HookReceived(about, data.token or "", bytes(data.payload)),
    "hook_disposed": lambda about, data: HookDisposed(about, data.token or ""),
    "wait_created": _wait_created,
    "wait_completed": lambda about, data: WaitCompleted(about, _later(data.resume_at, "resumeAt")),
    "attr_set": lambda about, data: AttrSet(about, bytes(data.changes)),
}
