"""Laws about logs: shown each event as it is committed and, at the end, each log once more.

The second walk matters where a world orders its log otherwise than by commits, or records an event
for somebody whose answer nobody saw: what readers are given is the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from simworld.check.law import Context, Law
from simworld.engine import TERMINAL_RUN_EVENTS, Event
from simworld.records import Anomaly, Committed, Final

Fold: TypeAlias = Callable[[Any, Event, str, int], Anomaly | None]
"""(state, event, label of what it is about, turn) → what the event breaks."""


def before_end(log: Sequence[Event]) -> Sequence[Event]:
    """The log without the event that ended its run and what follows."""
    for place, event in enumerate(log):
        if event.type in TERMINAL_RUN_EVENTS:
            return log[:place]
    return log


def replayable(final: Final) -> Iterator[tuple[str, Sequence[Event]]]:
    """The logs of all runs that a world has not lost the row of: I-10 says so where it has."""
    for run_id, log in final.logs.items():
        if run_id in final.runs:
            yield run_id, log


def walked(
    *,
    law: str,
    title: str,
    fresh: Callable[[], Any],
    fold: Fold,
    events: Iterable[str] = (),
) -> Law:
    """A law that folds the events of these types (none named: all), every run's into one state."""
    kinds = frozenset(events)

    def start(context: Context) -> Any:
        return fresh()

    def step(state: Any, record: Committed) -> Anomaly | None:
        return fold(state, record.event, record.step, record.turn)

    def end(_: Any, final: Final) -> list[Anomaly]:
        state, labels, turn = fresh(), final.labels, final.turn
        found: list[Anomaly] = []
        for log in final.logs.values():
            for event in log:
                if kinds and event.type not in kinds:
                    continue
                what = event.correlation_id
                anomaly = fold(state, event, labels.get(what, what), turn)
                if anomaly is not None:
                    found.append(anomaly)
        return found

    return Law(
        id=law,
        title=title,
        on=dict.fromkeys(events or (Committed,), step),
        start=start,
        end=end,
    )
