"""What the judgement of recorded logs has shown, for people and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from simworld.records import LogAnomaly, LogPlace, LogVerdict
from simworld.render.jsonout import document
from simworld.render.text import count, wrapped

SHOWN_MAX = 50
"""Anomalies and misreads that people are shown; JSON has more."""


def log_verdict_text(told: LogVerdict, *, width: int) -> str:
    """Everything in lines: what could not be read, what is broken, what was judged, the verdict."""
    return "\n".join(_lines(told, width))


def _lines(told: LogVerdict, width: int) -> Iterator[str]:
    for misread in told.misreads[:SHOWN_MAX]:
        yield f"{_plain(misread.place)}: unreadable: {_plain(misread.reason)}"
    if told.misreads_count > SHOWN_MAX:
        yield f"… and {count(told.misreads_count - SHOWN_MAX, 'more unreadable part')}"
    for each in told.anomalies[:SHOWN_MAX]:
        yield from _anomaly(each, width)
    if told.anomalies_count > SHOWN_MAX:
        more = count(told.anomalies_count - SHOWN_MAX, "more anomaly/more anomalies")
        yield f"… and {more} (--json has the first {len(told.anomalies)})"
    if told.misreads or told.anomalies:
        yield ""
    yield (
        f"{count(told.events_count, 'event')} of {count(told.runs_count, 'run')} judged by "
        f"{', '.join(told.judged)}"
    )
    yield from _not_judged(told, width)
    for kind in told.unknown_types:
        events = count(kind.count, "event")
        yield f"note: {events} of the unknown type {kind.type!r}, the first at {kind.first}"
    for note in told.notes:
        yield from wrapped(f"note: {note}", width, rest="  ")
    yield f"verdict: {told.verdict}{_counted(told)}"


def _anomaly(each: LogAnomaly, width: int) -> Iterator[str]:
    what = each.anomaly
    event = f"{each.event_type} " if each.event_type else ""
    where = f"(run {_plain(each.run_id)}, event {each.position})"
    yield f"{_plain(each.place)}: {what.law} {what.kind}: {event}{where}"
    yield from wrapped(_plain(what.message), width, first="    ", rest="    ")


def _plain(text: object) -> str:
    """Nothing in somebody's log moves the cursor or begins a line."""
    words = str(text)
    return words if words.isprintable() else words.encode("unicode_escape").decode()


def _counted(told: LogVerdict) -> str:
    if not told.anomalies_count:
        return ""
    return f" ({count(told.anomalies_count, 'anomaly/anomalies')})"


def _not_judged(told: LogVerdict, width: int) -> Iterator[str]:
    """Laws that share a reason share a line."""
    by_reason: dict[str, list[str]] = {}
    for law, reason in told.not_judged.items():
        by_reason.setdefault(reason, []).append(law)
    for reason, laws in by_reason.items():
        yield from wrapped(f"not judged: {', '.join(laws)}: {reason}", width, rest="  ")


def log_verdict_json(told: LogVerdict) -> bytes:
    """The same for machines; an anomaly's event has all the fields that were recorded."""
    return document(
        {
            "check_log": {
                "verdict": told.verdict.outcome,
                "law": told.verdict.law,
                "reason": told.verdict.reason,
                "events": told.events_count,
                "runs": told.runs_count,
                "open_runs": told.open_count,
                "interrupted": told.interrupted,
                "anomalies_count": told.anomalies_count,
                "anomalies": [_anomaly_json(each) for each in told.anomalies],
                "unreadable_count": told.misreads_count,
                "unreadable": [
                    {**_place(each.place), "reason": each.reason} for each in told.misreads
                ],
                "unknown_types": [
                    {"type": each.type, "count": each.count, "first": _place(each.first)}
                    for each in told.unknown_types
                ],
                "judged": list(told.judged),
                "not_judged": dict(told.not_judged),
                "notes": list(told.notes),
            }
        }
    )


def _place(place: LogPlace) -> dict[str, Any]:
    return {
        "file": place.source.encode(errors="surrogateescape").decode(errors="replace"),
        "index": place.index,
        "line": place.line or None,
        "column": place.column or None,
    }


def _anomaly_json(each: LogAnomaly) -> dict[str, Any]:
    what = each.anomaly
    return {
        "law": what.law,
        "kind": what.kind,
        "message": what.message,
        "entity": what.place,
        "run": each.run_id,
        "position": each.position,
        "event_type": each.event_type,
        "event_id": each.event_id,
        **_place(each.place),
        "event": _event(each.event),
    }


def _event(data: bytes) -> object:
    """As it was recorded; as text where it has what JSON has not (a half character)."""
    if not data:
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return data.decode(errors="replace")
