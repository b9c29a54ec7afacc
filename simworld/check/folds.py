"""Runs, steps, hooks and waits as their logs tell them, and how a row differs from that (I-10).

The folds in here are the checker's own, written from spec §1.2 and not from the engine's lifecycle:
a mistake there must show as a difference here.
"""

from __future__ import annotations

from simworld.engine import (
    RUN_TERMINAL,
    Event,
    HookConflict,
    HookCreated,
    HookRow,
    HookStatus,
    RunCompleted,
    RunFailed,
    RunRow,
    RunStatus,
    StepCompleted,
    StepFailed,
    StepRetrying,
    StepRow,
    StepStatus,
    WaitCreated,
    WaitRow,
    WaitStatus,
)

NO_ROW = "it has events and no row"

# Bound once: looking a member up in its class costs more than a comparison.
_PENDING, _RUNNING, _COMPLETED, _FAILED = StepStatus
_RUN_PENDING, _RUN_RUNNING, _RUN_COMPLETED, _RUN_FAILED, _RUN_CANCELLED = RunStatus


class RunFold:
    """A run as its log tells it."""

    __slots__ = ("code", "error", "output", "seen", "started_at_ms", "status")

    def __init__(self) -> None:
        self.status = _RUN_PENDING
        self.output = b""
        self.error = b""
        self.code = ""
        self.started_at_ms = 0
        self.seen: list[Event] = []
        """The run's events in the order of their commits."""

    def fold(self, event: Event) -> None:
        """Move on by an event about the run itself."""
        fact = event.fact
        if event.type == "run_started":
            self.status = _RUN_RUNNING
            self.started_at_ms = event.created_at_ms
        elif isinstance(fact, RunCompleted):
            self.status = _RUN_COMPLETED
            self.output = fact.output
        elif isinstance(fact, RunFailed):
            self.status = _RUN_FAILED
            self.error, self.code = fact.error, fact.code
        elif event.type == "run_cancelled":
            self.status = _RUN_CANCELLED

    def differs(self, row: RunRow) -> str:
        """In what the row differs; empty: in nothing."""
        if row.status != self.status:
            return f"the row's status is {row.status}, the log's {self.status}"
        if row.output != self.output:
            return "the row's output is not the log's"
        if row.error != self.error or row.error_code != self.code:
            return "the row's error is not the log's"
        if row.started_at_ms != self.started_at_ms:
            return (
                f"the row started at {row.started_at_ms} ms, the log says {self.started_at_ms} ms"
            )
        return ""


class StepFold:
    """A step as the log of its run tells it."""

    __slots__ = ("attempt", "error", "output", "started_at_ms", "status")

    def __init__(self) -> None:
        self.status = _PENDING
        self.attempt = 0
        self.output = b""
        self.error = b""
        self.started_at_ms = 0

    def fold(self, event: Event) -> None:
        """Move on by an event about the step."""
        kind = event.type
        if kind == "step_created":
            return
        if kind == "step_started":
            self.status = _RUNNING
            self.attempt += 1
            self.started_at_ms = self.started_at_ms or event.created_at_ms
            return
        fact = event.fact
        if isinstance(fact, StepCompleted):
            self.status = _COMPLETED
            self.output = fact.result
        elif isinstance(fact, StepFailed):
            self.status = _FAILED
            self.error = fact.error
        elif isinstance(fact, StepRetrying):
            self.status = _PENDING
            self.error = fact.error

    def differs(self, row: StepRow | None) -> str:
        """In what the row differs; empty: in nothing."""
        if row is None:
            return NO_ROW
        if row.status != self.status:
            return f"the row's status is {row.status}, the log's {self.status}"
        if row.attempt != self.attempt:
            return f"the row's attempt is {row.attempt}, the log has {self.attempt} starts"
        if row.output != self.output:
            return "the row's output is not the log's"
        if row.error != self.error:
            return "the row's error is not the log's"
        if row.started_at_ms != self.started_at_ms:
            return (
                f"the row started at {row.started_at_ms} ms, the log says {self.started_at_ms} ms"
            )
        return ""


class HookFold:
    """A hook as the log of its run tells it."""

    __slots__ = ("fact", "status")

    def __init__(self) -> None:
        self.status = HookStatus.DISPOSED
        self.fact: HookCreated | HookConflict | None = None

    def fold(self, event: Event) -> None:
        """Move on by an event about the hook."""
        fact = event.fact
        if isinstance(fact, HookCreated):
            self.fact, self.status = fact, HookStatus.LIVE
        elif isinstance(fact, HookConflict):
            self.fact, self.status = fact, HookStatus.CONFLICT
        elif event.type == "hook_disposed":
            self.status = HookStatus.DISPOSED

    def differs(self, row: HookRow | None, run: RunFold) -> str:
        """In what the row differs; empty: in nothing.

        A run's end lets go of its hooks; a world may forget those that own no token.
        """
        status = self.status
        if status == HookStatus.LIVE and run.status in RUN_TERMINAL:
            status = HookStatus.DISPOSED
        if row is None:
            return NO_ROW if status == HookStatus.LIVE else ""
        if row.status != status:
            return f"the row's status is {row.status}, the log's {status}"
        fact = self.fact
        if fact is not None and row.token != fact.token:
            return f"the row's token is {row.token!r}, the log's {fact.token!r}"
        if isinstance(fact, HookCreated) and (
            (row.metadata, row.is_webhook, row.is_system)
            != (fact.metadata, fact.is_webhook, fact.is_system)
        ):
            return "the row's metadata or kind is not the log's"
        return ""


class WaitFold:
    """A wait as the log of its run tells it."""

    __slots__ = ("resume_at_ms", "status")

    def __init__(self) -> None:
        self.status = WaitStatus.WAITING
        self.resume_at_ms = 0

    def fold(self, event: Event) -> None:
        """Move on by an event about the wait."""
        fact = event.fact
        if isinstance(fact, WaitCreated):
            self.resume_at_ms = fact.resume_at_ms
        elif event.type == "wait_completed":
            self.status = WaitStatus.COMPLETED

    def differs(self, row: WaitRow | None, run: RunFold) -> str:
        """In what the row differs; empty: in nothing.  The waits of an ended run are gone."""
        if row is None:
            return "" if run.status in RUN_TERMINAL else NO_ROW
        if row.status != self.status:
            return f"the row's status is {row.status}, the log's {self.status}"
        if row.resume_at_ms != self.resume_at_ms:
            return f"the row ends at {row.resume_at_ms} ms, the log says {self.resume_at_ms} ms"
        if row.status == WaitStatus.WAITING and run.status in RUN_TERMINAL:
            return "it is waiting although its run has ended"
        return ""
