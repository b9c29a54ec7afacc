"""A run as its log tells it: rows are what the lifecycles make of the events, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simworld.engine import (
    RUN_TERMINAL,
    TERMINAL_RUN_EVENTS,
    Event,
    Fact,
    HookDisposed,
    HookRow,
    HookStatus,
    RunCreated,
    RunEnded,
    RunRow,
    RunStarted,
    RunStatus,
    StepRow,
    WaitRow,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    check_attr,
    check_hook,
    check_step,
    check_wait,
    release_hook,
)
from simworld.ports import Answer
from simworld.worlds.codec import FACTS
from simworld.worlds.names import check_names

RUN, STEP, HOOK, WAIT = "run", "step", "hook", "wait"
KINDS = {event_type: event_type.partition("_")[0] for event_type in FACTS}
"""Event type → what it is about; attr_set is about something that has no row."""


class RunFold:
    """The rows of one run after its first ``count`` events."""

    __slots__ = ("count", "hooks", "opening", "run", "run_id", "steps", "waits")

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.count = 0
        self.run: RunRow | None = None
        self.steps: dict[str, StepRow] = {}
        self.hooks: dict[str, HookRow] = {}
        self.waits: dict[str, WaitRow] = {}
        """None of a run that has ended."""
        self.opening: list[Event] = []
        """The log up to run_started."""

    @property
    def ended(self) -> bool:
        """The run has."""
        return self.run is not None and self.run.status in RUN_TERMINAL

    def owns(self, hook_id: str, token: str) -> bool:
        """Whether it is a live hook of that token."""
        hook = self.hooks.get(hook_id)
        return hook is not None and hook.status is HookStatus.LIVE and hook.token == token

    def become(self, other: RunFold) -> None:
        """The rows of another fold of the same log."""
        self.count, self.run = other.count, other.run
        self.steps, self.hooks = other.steps.copy(), other.hooks.copy()
        self.waits, self.opening = other.waits.copy(), other.opening.copy()

    def absorb(self, events: Sequence[Event]) -> None:
        """Move on by those of ``events`` that come next; others it has seen, or cannot yet use."""
        for event in events:
            if event.position == self.count + 1:
                self.apply(event)

    def apply(self, event: Event) -> None:
        """Move on by an event, whatever its position."""
        fact: Any = event.fact
        now_ms, name, kind = event.created_at_ms, event.correlation_id, KINDS[event.type]
        self.count = event.position
        if self.run is None or self.run.status is RunStatus.PENDING:
            self.opening.append(event)
        if kind == STEP:
            self.steps[name] = apply_step(self.steps.get(name), self.run_id, fact, now_ms)
        elif kind == RUN:
            self.run = apply_run(self.run, self.run_id, fact, now_ms)
            if self.ended:
                self._release()
        elif kind == HOOK:
            self.hooks[name] = apply_hook(self.hooks.get(name), self.run_id, fact, now_ms)
        elif kind == WAIT:
            self.waits[name] = apply_wait(self.waits.get(name), self.run_id, fact, now_ms)

    def _release(self) -> None:
        self.waits.clear()
        for name, hook in self.hooks.items():
            if hook.status is HookStatus.LIVE:
                self.hooks[name] = release_hook(hook)

    def decide(self, fact: Fact, now_ms: int, run_ended: RunEnded) -> Fact | None:
        """What is to be recorded next for ``fact``; None: nothing.  Or the refusal.

        A run_started that brings a missing run's data is two events: the first is run_created.
        """
        run, kind = self.run, KINDS[fact.type]
        about: Any = fact
        if kind == STEP:
            step = self.steps.get(about.correlation_id)
            check_step(run, step, about, now_ms, run_ended)
            new = step is None
        elif kind == HOOK:
            hook = self.hooks.get(about.correlation_id)
            check_hook(run, hook, about, run_ended)
            new = hook is None
        elif kind == WAIT:
            wait = self.waits.get(about.correlation_id)
            check_wait(run, wait, about, run_ended)
            new = wait is None
        elif kind == RUN:
            if apply_run(run, self.run_id, about, now_ms) is None:
                return None
            new = run is None
            if isinstance(fact, RunStarted):
                if new:
                    check_names(self.run_id, fact)
                    return RunCreated(fact.workflow_name, fact.input)
                return RunStarted()
        else:
            check_attr(run, self.run_id, about)
            new = False
        if new:
            check_names(self.run_id, fact)
        return fact

    def frees(self, fact: Fact) -> list[HookRow]:
        """The live hooks that let go of their tokens when ``fact`` is recorded."""
        if isinstance(fact, HookDisposed):
            return [self.hooks[fact.correlation_id]]
        if fact.type in TERMINAL_RUN_EVENTS:
            return [hook for hook in self.hooks.values() if hook.status is HookStatus.LIVE]
        return []

    def answer(self, event: Event | None) -> Answer:
        """What a create is answered with: the event, and the rows as they are now."""
        run = self.run
        assert run is not None
        if event is None:
            return Answer(None, run)
        name, kind, cursor = event.correlation_id, KINDS[event.type], str(event.position)
        if kind == STEP:
            return Answer(event, run, self.steps[name], None, cursor)
        if kind == HOOK:
            return Answer(event, run, None, None, cursor, self.hooks[name])
        if kind == WAIT:
            return Answer(event, run, None, None, cursor, None, self.waits.get(name))
        preload = tuple(self.opening) if event.type == "run_started" else None
        return Answer(event, run, None, preload, cursor)
