"""Judging a trial: one walk over its records, each shown only to the laws that listen to it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from simworld.check.law import EVENTS, Context, Law, Step
from simworld.records import FAIL, PASS, UNKNOWN, Anomaly, Committed, Final, Record, Verdict

Listeners: TypeAlias = tuple[tuple[int, Step], ...]
"""(index of the law, its step) of those that listen."""

UNFINISHED_MAX = 3
"""Tasks that a verdict names."""


class _Dispatch:
    """Who listens to what, worked out once per set of laws."""

    __slots__ = ("by_event", "by_kind")

    def __init__(self, laws: Sequence[Law]) -> None:
        self.by_kind: dict[type, Listeners] = {
            kind: _listeners(laws, kind) for law in laws for kind in law.kinds
        }
        self.by_kind.setdefault(Committed, ())
        self.by_event: dict[str, Listeners] = {
            event: _listeners(laws, Committed, event) for event in EVENTS
        }


def _listeners(laws: Sequence[Law], kind: type, event: str = "") -> Listeners:
    found = [(index, law.listener(kind, event)) for index, law in enumerate(laws)]
    return tuple((index, step) for index, step in found if step is not None)


@lru_cache(maxsize=256)
def _dispatch(laws: tuple[Law, ...]) -> _Dispatch:
    return _Dispatch(laws)


def judge(
    laws: Sequence[Law], context: Context, records: Sequence[Record], final: Final
) -> list[Anomaly]:
    """What the trial has broken, in the order in which it showed; one per law and place.

    Pure: it keeps nothing, and equal arguments give equal anomalies.
    """
    table = _dispatch(tuple(laws))
    by_kind, by_event = table.by_kind, table.by_event
    other = by_kind[Committed]
    states = [law.start(context) for law in laws]
    found: dict[tuple[str, str], Anomaly] = {}
    for record in records:
        if isinstance(record, Committed):
            listeners = by_event.get(record.event.type, other)
        else:
            listeners = by_kind.get(type(record), ())
        for index, step in listeners:
            anomaly = step(states[index], record)
            if anomaly is not None:
                found.setdefault((anomaly.law, anomaly.place), anomaly)
    for law, state in zip(laws, states, strict=True):
        for anomaly in law.end(state, final):
            found.setdefault((anomaly.law, anomaly.place), anomaly)
    return list(found.values())


def verdict(
    anomalies: Sequence[Anomaly], primary: str, drained: bool, unfinished: Sequence[str] = ()
) -> Verdict:
    """FAIL with the primary law if that is broken, else with the first that is.

    Without anomalies it is PASS once the trial has drained; before that, nobody knows.  Nor where
    somebody is left ``unfinished`` (each told with what they wait for): they may have wanted to do
    more.
    """
    if anomalies:
        broken = [each.law for each in anomalies]
        return Verdict(FAIL, primary if primary in broken else broken[0])
    if not drained:
        return Verdict(
            UNKNOWN,
            reason=f"turns_max was reached before the trial was drained{_listed(unfinished)}; "
            "usual causes: a livelock, or a bound too small for the workload (raise "
            "Scenario.turns_max)",
        )
    if unfinished:
        return Verdict(
            UNKNOWN,
            reason=f"the client script never ends{_listed(unfinished)}: no message, timer or "
            "handler is left that could help it",
        )
    return Verdict(PASS)


def _listed(unfinished: Sequence[str]) -> str:
    more = ["…"] if len(unfinished) > UNFINISHED_MAX else []
    shown = [*unfinished[:UNFINISHED_MAX], *more]
    return f" ({'; '.join(shown)})" if shown else ""
