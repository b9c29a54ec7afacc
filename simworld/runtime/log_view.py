"""The cached log of one invocation, and what a handler keeps asking of it (spec §3.4, §3.10).

Everything is folded in as events are added, at O(1) an event: nothing here looks at the whole log
again, so the cost of an iteration does not depend on how long the run is already.
"""

from __future__ import annotations

from collections.abc import Iterable

from simworld.engine import (
    TERMINAL_RUN_EVENTS,
    TERMINAL_STEP_EVENTS,
    Event,
    StepCreated,
    StepRetrying,
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
        self._known: set[str] = set()
        self._done: set[str] = set()
        """Steps and waits that are over, wherever in the list their creation stands."""
        for event in events:
            self._add(event)

    def extend(self, events: Iterable[Event], *, dedupe: bool) -> None:
        """Add events that were read; ``dedupe`` drops those that are here already (R-39)."""
        known = self._known
        for event in events:
            if not (dedupe and event.event_id in known):
                self._add(event)

    def _add(self, event: Event) -> None:
        if self.events and event.position <= self.events[-1].position:
            self.in_order = False
        self.events.append(event)
        self._known.add(event.event_id)
        fact, entity = event.fact, event.correlation_id
        if event.type in _ENDINGS:
            self._done.add(entity)
            self.pending_steps.pop(entity, None)
            self.open_waits.pop(entity, None)
        elif isinstance(fact, StepCreated | StepStarted | StepRetrying):
            if entity not in self._done:
                self._add_step(fact, event)
        elif isinstance(fact, WaitCreated):
            if entity not in self._done:
                self.open_waits[entity] = fact.resume_at_ms
        elif event.type in TERMINAL_RUN_EVENTS:
            self.ended = True

    def _add_step(self, fact: StepCreated | StepStarted | StepRetrying, event: Event) -> None:
        step = self.pending_steps.get(event.correlation_id)
        if step is None:
            if isinstance(fact, StepRetrying) or (isinstance(fact, StepStarted) and not fact.input):
                return  # of a step whose creation is not in here
            step = self.pending_steps[event.correlation_id] = StepView()
        if isinstance(fact, StepStarted):
            step.over = step.starts
            step.starts += 1
            step.owner = fact.owner
            step.lease_until_ms = fact.lease_until_ms
            step.started_ms = event.created_at_ms
        elif isinstance(fact, StepRetrying):
            step.over = step.starts
            step.owner = ""


_ENDINGS = TERMINAL_STEP_EVENTS | {"wait_completed"}
