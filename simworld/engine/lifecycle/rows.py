"""Rows: runs, steps, hooks and waits as a world's tables hold them, and their states."""

from __future__ import annotations

import enum

import attrs


class RunStatus(enum.StrEnum):
    """States of a run; the last three are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepStatus(enum.StrEnum):
    """States of a step; the last two are terminal."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


class HookStatus(enum.StrEnum):
    """States of a hook: only a live one owns its token."""

    LIVE = "live"
    CONFLICT = "conflict"
    """It never owned its token: somebody else had it."""
    DISPOSED = "disposed"


class WaitStatus(enum.StrEnum):
    """States of a wait."""

    WAITING = "waiting"
    COMPLETED = "completed"


RUN_TERMINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})
STEP_TERMINAL = frozenset({StepStatus.COMPLETED, StepStatus.FAILED})


@attrs.frozen
class RunRow:
    """A run as the world's table holds it."""

    run_id: str
    status: RunStatus
    workflow_name: str
    input: bytes
    created_at_ms: int
    started_at_ms: int = 0
    completed_at_ms: int = 0
    output: bytes = b""
    error: bytes = b""
    error_code: str = ""


@attrs.frozen
class StepRow:
    """A step as the world's table holds it.

    ``owner`` and ``lease_until_ms`` belong to the latest accepted start, ``retries`` counts
    accepted step_retrying events.
    """

    run_id: str
    correlation_id: str
    step_name: str
    status: StepStatus
    input: bytes
    created_at_ms: int
    attempt: int = 0
    error: bytes = b""
    output: bytes = b""
    retry_after_ms: int = 0
    started_at_ms: int = 0
    completed_at_ms: int = 0
    owner: str = ""
    lease_until_ms: int = 0
    retries: int = 0
    starts: tuple[str, ...] = ()
    """Owner of each accepted start, in order; empty text for an unstamped one."""


@attrs.frozen
class HookRow:
    """A hook as the world's table holds it; payloads are in the log only."""

    run_id: str
    correlation_id: str
    token: str
    status: HookStatus
    created_at_ms: int
    metadata: bytes = b""
    is_webhook: bool = False
    is_system: bool = False


@attrs.frozen
class WaitRow:
    """A wait as the world's table holds it."""

    run_id: str
    correlation_id: str
    status: WaitStatus
    resume_at_ms: int
    created_at_ms: int
    completed_at_ms: int = 0
