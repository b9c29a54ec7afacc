"""Events: the durable facts of a run (spec §1.2).

A *fact* is what somebody asks the world to record; an *event* is a fact the world has recorded,
with its id, its position in the run's log and its time.
"""

from __future__ import annotations

from typing import ClassVar

import attrs


@attrs.frozen
class RunCreated:
    """The run exists and is ``pending``."""

    type: ClassVar[str] = "run_created"
    workflow_name: str
    input: bytes


@attrs.frozen
class RunStarted:
    """The run's first handler has begun: ``pending → running``.

    With ``workflow_name`` and ``input`` (resilient start) the world creates a missing run first;
    both are removed before the event is stored.
    """

    type: ClassVar[str] = "run_started"
    workflow_name: str = ""
    input: bytes = b""


@attrs.frozen
class RunCompleted:
    """The workflow function returned."""

    type: ClassVar[str] = "run_completed"
    output: bytes


@attrs.frozen
class RunFailed:
    """The run ended with an error; ``code`` is one of spec §1.6."""

    type: ClassVar[str] = "run_failed"
    error: bytes
    code: str


@attrs.frozen
class RunCancelled:
    """Somebody cancelled the run."""

    type: ClassVar[str] = "run_cancelled"


@attrs.frozen
class StepCreated:
    """A step was asked for; the accepted creation is the claim to run it inline."""

    type: ClassVar[str] = "step_created"
    correlation_id: str
    step_name: str
    input: bytes


@attrs.frozen
class StepStarted:
    """A body is about to run; every accepted one adds 1 to the step's attempt.

    ``admit`` is the condition under which the world accepts it (``always``, ``not_running``,
    ``lease_free``); ``owner`` and ``lease_until_ms`` are kept when starts are stamped.  A start
    that carries an ``input`` creates its step (lazy creation) and is refused if there is one.
    """

    type: ClassVar[str] = "step_started"
    correlation_id: str
    step_name: str
    owner: str = ""
    lease_until_ms: int = 0
    admit: str = "always"
    input: bytes = b""


@attrs.frozen
class StepCompleted:
    """A body returned; ``result`` is its encoded value."""

    type: ClassVar[str] = "step_completed"
    correlation_id: str
    result: bytes


@attrs.frozen
class StepFailed:
    """The step has failed for good."""

    type: ClassVar[str] = "step_failed"
    correlation_id: str
    error: bytes
    owner: str = ""


@attrs.frozen
class StepRetrying:
    """A body failed and the step may be tried again (not before ``retry_after_ms``, if set)."""

    type: ClassVar[str] = "step_retrying"
    correlation_id: str
    error: bytes
    retry_after_ms: int = 0
    owner: str = ""


@attrs.frozen
class HookCreated:
    """The workflow waits for payloads under ``token``, which it owns from now on."""

    type: ClassVar[str] = "hook_created"
    correlation_id: str
    token: str
    metadata: bytes = b""
    is_webhook: bool = False
    is_system: bool = False
    """Made by an abort controller, not by the author."""


@attrs.frozen
class HookConflict:
    """Written by the world in place of hook_created: somebody else owns the token."""

    type: ClassVar[str] = "hook_conflict"
    correlation_id: str
    token: str
    conflicting_run_id: str


@attrs.frozen
class HookReceived:
    """A payload has arrived at a hook."""

    type: ClassVar[str] = "hook_received"
    correlation_id: str
    token: str
    payload: bytes


@attrs.frozen
class HookDisposed:
    """The workflow has let go of the hook; its token is free."""

    type: ClassVar[str] = "hook_disposed"
    correlation_id: str
    token: str


@attrs.frozen
class WaitCreated:
    """A sleep that ends at ``resume_at_ms``."""

    type: ClassVar[str] = "wait_created"
    correlation_id: str
    resume_at_ms: int


@attrs.frozen
class WaitCompleted:
    """The sleep is over; ``resume_at_ms`` repeats what was recorded (0: not told)."""

    type: ClassVar[str] = "wait_completed"
    correlation_id: str
    resume_at_ms: int = 0


@attrs.frozen
class AttrSet:
    """Attributes of the run have changed; log only.

    ``changes`` is an encoded dict.  ``correlation_id`` is empty when a step body set them.
    """

    type: ClassVar[str] = "attr_set"
    correlation_id: str
    changes: bytes


RUN_FACTS = (RunCreated, RunStarted, RunCompleted, RunFailed, RunCancelled)
RunFact = RunCreated | RunStarted | RunCompleted | RunFailed | RunCancelled
StepFact = StepCreated | StepStarted | StepCompleted | StepFailed | StepRetrying
HookFact = HookCreated | HookConflict | HookReceived | HookDisposed
WaitFact = WaitCreated | WaitCompleted
Fact = RunFact | StepFact | HookFact | WaitFact | AttrSet

TERMINAL_RUN_EVENTS = frozenset({"run_completed", "run_failed", "run_cancelled"})
TERMINAL_STEP_EVENTS = frozenset({"step_completed", "step_failed"})


@attrs.frozen
class Event:
    """A recorded fact."""

    run_id: str
    event_id: str
    position: int
    """Place in the run's log, from 1."""
    created_at_ms: int
    type: str
    """The fact's type, repeated here because every reader asks for it first."""
    correlation_id: str
    """The step, hook, wait or attribute change the event is about; empty for run events."""
    fact: Fact
