"""The cached log of one invocation, and what a handler keeps asking of it (spec §3.4, §3.10).

Everything is folded in as events are added, at O(1) an event: nothing here looks at the whole log
again, so the cost of an iteration does not depend on how long the run is already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from simworld.engine import (
    TERMINAL_RUN_EVENTS,
    TERMINAL_STEP_EVENTS,
    Event,
    StepStarted,
    WaitCreated,
)


class StepView:
    """A step as the cached log tells it."""

    __slots__ = ("lease_until_ms", "over", "owner", "started_ms", "starts")

    def __init__(self) -> None:
        self.starts = 0
        self.over = 0
        """Starts that a retry or another start has followed."""
        self.owner = ""
        """Of the latest start; a start without owner and a retry end ownership for good."""
        self.lease_until_ms = 0
        self.started_ms = 0


class LogView:
    """Events in the order in which this invocation has come to know them."""

    __slots__ = ("_done", "_known", "ended", "events", "in_order", "open_waits", "pending_steps")

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events: list[Event] = []
        """Grows at its end only."""
        self.ended = False
        """The run's terminal event is in here."""
        self.in_order = True
        """Every event stands behind the one added before it in the run's own log, too."""
        self.open_waits: dict[str, int] = {}
        """Correlation id → resumeAt of waits that are created and not completed, in list order."""
        self.pending_steps: dict[str, StepView] = {}
        """Steps that have begun to exist and have no result; correlation id → what is known."""
        self._known: set[str] | None = None
        """The ids of all events, once somebody has asked for them."""
        self._done: set[str] = set()
        """Steps and waits that are over, wherever in the list their creation stands."""
        self._add(events)

    @property
    def is_prefix(self) -> bool:
        """Nothing is missing before the last event."""
        return self.in_order and self.events[-1].position == len(self.events)

    def extend(self, events: Iterable[Event], *, dedupe: bool) -> None:
        """Add events that were read; ``dedupe`` drops those that are here already (R-39)."""
        known = self._known
        if known is None:
            known = self._known = {event.event_id for event in self.events}
        fresh = []
        for event in events:
            if not (dedupe and event.event_id in known):
                known.add(event.event_id)
                fresh.append(event)
        self._add(fresh)

    def _add(self, events: Iterable[Event]) -> None:
        log = self.events
        last = log[-1].position if log else 0
        for event in events:
            if event.position <= last:
                self.in_order = False
            last = event.position
            log.append(event)
            fold = _FOLDS.get(event.type)
            if fold is not None:
                fold(self, event)

    def _run_ended(self, event: Event) -> None:
        self.ended = True

    def _over(self, event: Event) -> None:
        entity = event.correlation_id
        self._done.add(entity)
        self.pending_steps.pop(entity, None)
        self.open_waits.pop(entity, None)

    def _step_created(self, event: Event) -> None:
        entity = event.correlation_id
        if entity not in self._done and entity not in self.pending_steps:
            self.pending_steps[entity] = StepView()

    def _step_started(self, event: Event) -> None:
        fact, step = event.fact, self.pending_steps.get(event.correlation_id)
        assert isinstance(fact, StepStarted)
        if step is None:
            if not fact.input or event.correlation_id in self._done:
                return  # of a step whose creation is not in here, or that is over
            step = self.pending_steps[event.correlation_id] = StepView()
        step.over = step.starts
        step.starts += 1
        step.owner = fact.owner
        step.lease_until_ms = fact.lease_until_ms
        step.started_ms = event.created_at_ms

    def _step_retrying(self, event: Event) -> None:
        step = self.pending_steps.get(event.correlation_id)
        if step is not None:
            step.over = step.starts
            step.owner = ""

    def _wait_created(self, event: Event) -> None:
        fact = event.fact
        if isinstance(fact, WaitCreated) and event.correlation_id not in self._done:
            self.open_waits[event.correlation_id] = fact.resume_at_ms


_FOLDS: dict[str, Callable[[LogView, Event], None]] = {
    **dict.fromkeys(sorted(TERMINAL_RUN_EVENTS), LogView._run_ended),
    **dict.fromkeys((*sorted(TERMINAL_STEP_EVENTS), "wait_completed"), LogView._over),
    "step_created": LogView._step_created,
    "step_started": LogView._step_started,
    "step_retrying": LogView._step_retrying,
    "wait_created": LogView._wait_created,
}
