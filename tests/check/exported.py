"""Events as a real engine exports them: JSON with the names of spec §1.2."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import attrs

from simworld.check import LogJudge, check_log
from simworld.engine import Event
from simworld.records import LogVerdict

_NAMES = {"resume_at_ms": "resumeAt", "retry_after_ms": "retryAfter", "code": "errorCode"}
_OURS = frozenset({"correlation_id", "admit", "lease_until_ms", "owner"})


def iso(now_ms: int) -> str:
    """As JavaScript writes an instant."""
    when = datetime.fromtimestamp(now_ms / 1_000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def exported(event: Event) -> dict[str, Any]:
    """The event with the field's names; payloads as text."""
    data: dict[str, Any] = {}
    for field in attrs.fields(type(event.fact)):
        name, value = field.name, getattr(event.fact, field.name)
        if name in _OURS or not value:
            continue
        if isinstance(value, bytes):
            value = base64.b64encode(value).decode()
        words = name.split("_")
        camel = words[0] + "".join(word.capitalize() for word in words[1:])
        data[_NAMES.get(name, camel)] = iso(value) if name.endswith("_ms") else value
    found = {
        "runId": event.run_id,
        "eventId": event.event_id,
        "eventType": event.type,
        "createdAt": iso(event.created_at_ms),
        "specVersion": 2,
    }
    if event.correlation_id:
        found["correlationId"] = event.correlation_id
    return {**found, "eventData": data} if data else found


def lines(events: Iterable[Mapping[str, Any]]) -> bytes:
    """JSON lines."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in events)


def in_portions(data: bytes, size: int) -> Iterator[bytes]:
    """The bytes, so many at a time."""
    for at in range(0, len(data), size):
        yield data[at : at + size]


def judged(data: bytes, *, size: int = 1 << 16, name: str = "log", **options: Any) -> LogVerdict:
    """The verdict over a text."""
    judge = LogJudge(**options)
    judge.feed(name, in_portions(data, size))
    return judge.finish()


def kinds(told: LogVerdict) -> list[str]:
    """What was found, as ``law kind place``."""
    found = [each.anomaly for each in told.anomalies]
    return [f"{each.law} {each.kind} {each.place}" for each in found]


class Log:
    """A run's log as a real engine has it, by hand: ten milliseconds from event to event."""

    def __init__(self, run_id: str = "wrun_1", now_ms: int = 1_777_000_000_000) -> None:
        self.run_id = run_id
        self.now_ms = now_ms
        self.events: list[dict[str, Any]] = []

    def has(self, kind: str, about: str = "", /, *, later_ms: int = 10, **data: Any) -> Log:
        """The next event; names of ``data`` are those of the field."""
        self.now_ms += later_ms
        event = {
            "runId": self.run_id,
            "eventId": f"evnt_{len(self.events) + 1:026}",
            "eventType": kind,
            "createdAt": iso(self.now_ms),
        }
        if about:
            event["correlationId"] = about
        if data:
            event["eventData"] = data
        self.events.append(event)
        return self

    def opened(self) -> Log:
        """A run that has started."""
        return self.has("run_created", workflowName="order", input=[]).has("run_started")

    def step(self, *kinds: str, about: str = "step_A") -> Log:
        """Events of one step: ``created``, ``started`` …"""
        for kind in kinds:
            self.has(f"step_{kind}", about, stepName="charge")
        return self

    def worked(self) -> Log:
        """A whole run with one step."""
        return self.opened().step("created", "started", "completed").has("run_completed")

    def but(self, number: int, **fields: Any) -> Log:
        """The event with that number, from 1, with other fields; ``None`` takes one away."""
        event = self.events[number - 1]
        for name, value in fields.items():
            event[name] = value
            if value is None:
                del event[name]
        return self


__all__ = ["Log", "check_log", "exported", "in_portions", "iso", "judged", "kinds", "lines"]
