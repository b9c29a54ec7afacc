"""The SDK's rows ↔ ours: runs, steps, hooks, and what a world answers to a fact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vercel.workflow._internal import world as w

from simworld.engine import HookRow, HookStatus, RunRow, RunStatus, StepRow, StepStatus
from simworld.ports import Answer
from simworld.subjects.vercel.envelope import pack, unpack
from simworld.subjects.vercel.translate import (
    CURRENT,
    our_event,
    our_time,
    run_envelope,
    run_fields,
    sdk_time,
)

_STRUCTURED: Any = getattr(w, "StructuredError", None)
"""0.9 keeps errors in rows as (message, stack, code); later versions keep the payload."""

_RUNS: dict[RunStatus, Any] = {
    RunStatus.PENDING: w.NonFinalWorkflowRun,
    RunStatus.RUNNING: w.NonFinalWorkflowRun,
    RunStatus.COMPLETED: w.CompletedWorkflowRun,
    RunStatus.FAILED: w.FailedWorkflowRun,
    RunStatus.CANCELLED: w.CancelledWorkflowRun,
}
_STEPS: dict[StepStatus, Any] = {
    StepStatus.PENDING: w.NonFinalWorkflowStep,
    StepStatus.RUNNING: w.NonFinalWorkflowStep,
    StepStatus.COMPLETED: w.CompletedWorkflowStep,
    StepStatus.FAILED: w.FailedWorkflowStep,
}


def sdk_run(row: RunRow, attributes: Mapping[str, str] | None = None) -> Any:
    """A run's row; ``attributes``: what they are by now, which our rows do not say."""
    value, more = unpack(row.input)
    fields = run_fields(more)
    begun = fields.pop("attributes", None) or {}
    error = code = None
    if row.status is RunStatus.FAILED:
        error, code = _sdk_error(row.error, row.error_code), row.error_code or None
    return _RUNS[row.status].model_construct(
        run_id=row.run_id,
        status=str(row.status),
        workflow_name=row.workflow_name,
        deployment_id=fields.pop("deployment_id", ""),
        spec_version=more.get("specVersion", CURRENT),
        execution_context=fields.get("execution_context"),
        encryption_public_key=fields.get("encryption_public_key"),
        input=value,
        attributes=dict(begun if attributes is None else attributes),
        output=unpack(row.output)[0] if row.output else None,
        error=error,
        error_code=code,
        created_at=sdk_time(row.created_at_ms),
        started_at=_maybe(row.started_at_ms),
        completed_at=_maybe(row.completed_at_ms),
        updated_at=sdk_time(row.completed_at_ms or row.started_at_ms or row.created_at_ms),
    )


def sdk_step(row: StepRow) -> Any:
    """A step's row."""
    value, more = unpack(row.input)
    return _STEPS[row.status].model_construct(
        run_id=row.run_id,
        step_id=row.correlation_id,
        step_name=row.step_name,
        status=str(row.status),
        input=value,
        output=unpack(row.output)[0] if row.output else None,
        error=_sdk_error(row.error) if row.error else None,
        attempt=row.attempt,
        started_at=_maybe(row.started_at_ms),
        completed_at=_maybe(row.completed_at_ms),
        created_at=sdk_time(row.created_at_ms),
        updated_at=sdk_time(row.completed_at_ms or row.started_at_ms or row.created_at_ms),
        retry_after=_maybe(row.retry_after_ms),
        spec_version=more.get("specVersion", CURRENT),
    )


def sdk_hook(row: HookRow) -> Any:
    """A hook's row; whose it is, in the words of the SDK's local world."""
    metadata, more = unpack(row.metadata)
    return w.Hook.model_construct(
        run_id=row.run_id,
        hook_id=row.correlation_id,
        token=row.token,
        owner_id="local-owner",
        project_id="local-project",
        environment="local",
        metadata=metadata if row.metadata else None,
        created_at=sdk_time(row.created_at_ms),
        spec_version=more.get("specVersion", CURRENT),
        is_webhook=row.is_webhook,
        is_system=row.is_system,
    )


def sdk_result(answer: Answer, event: Any) -> Any:
    """What ``events_create`` gives back; ``event``: the answer's, as the SDK reads it.

    As in the SDK's local world the run comes with what is about the run only, and no hook ever.
    """
    inside = answer.event is not None and answer.event.correlation_id != ""
    return w.EventResult.model_construct(
        event=event,
        run=None if inside else sdk_run(answer.run),
        step=None if answer.step is None else sdk_step(answer.step),
    )


def _maybe(ms: int) -> Any:
    return sdk_time(ms) if ms else None


def _sdk_error(data: bytes, code: str = "") -> Any:
    """The error of a row: since 0.10 the payload itself, before that what it says."""
    value, more = unpack(data)
    if _STRUCTURED is None:
        return value
    stack = more.get("stack")
    if isinstance(value, dict):
        stack, value = value.get("stack", stack), value.get("message", "Unknown error")
    return _STRUCTURED.model_construct(message=value, stack=stack, code=code or None)


# --- and back: what the SDK's own local world answers ---------------------------------------------


def our_run(run: Any) -> RunRow:
    """A run's row in the SDK's local world."""
    failed = run.status == "failed"
    code = getattr(run, "error_code", None) or getattr(run.error, "code", None) or ""
    return RunRow(
        run.run_id,
        RunStatus(run.status),
        run.workflow_name,
        run_envelope(_Begun(run), run.spec_version or 1),
        our_time(run.created_at),
        our_time(run.started_at),
        our_time(run.completed_at),
        pack(run.output) if run.output is not None else b"",
        _our_error(run.error) if failed else b"",
        code if failed else "",
    )


class _Begun:
    """What a run's row says of its beginning; its attributes have changed since."""

    def __init__(self, run: Any) -> None:
        self.input = run.input
        self.deployment_id = run.deployment_id
        self.execution_context = run.execution_context
        self.encryption_public_key = run.encryption_public_key


def our_step(step: Any) -> StepRow:
    """A step's row in the SDK's local world; it does not say how often it was tried again."""
    return StepRow(
        step.run_id,
        step.step_id,
        step.step_name,
        StepStatus(step.status),
        _with_spec(step.input, step.spec_version),
        our_time(step.created_at),
        step.attempt,
        _our_error(step.error) if step.error is not None else b"",
        pack(step.output) if step.output is not None else b"",
        our_time(step.retry_after),
        our_time(step.started_at),
        our_time(step.completed_at),
        starts=("",) * step.attempt,
    )


def our_hook(hook: Any) -> HookRow:
    """A live hook's row in the SDK's local world."""
    metadata = hook.metadata
    return HookRow(
        hook.run_id,
        hook.hook_id,
        hook.token,
        HookStatus.LIVE,
        our_time(hook.created_at),
        b"" if metadata is None else _with_spec(metadata, hook.spec_version),
        bool(hook.is_webhook),
        bool(hook.is_system),
    )


def our_answer(result: Any, run: RunRow, position: int) -> Answer:
    """What the SDK's local world has answered to a fact; ``run``: the row, if it tells none."""
    event = None if result.event is None else our_event(result.event, position)
    step = None if result.step is None else our_step(result.step)
    hook = None if result.hook is None else our_hook(result.hook)
    row = run if result.run is None else our_run(result.run)
    return Answer(event, row, step, cursor=str(position), hook=hook)


def _with_spec(value: Any, spec_version: int | None) -> bytes:
    return pack(value) if spec_version in (None, CURRENT) else pack(value, specVersion=spec_version)


def _our_error(error: Any) -> bytes:
    if _STRUCTURED is None:
        return pack(error)
    return pack({"message": error.message, "stack": error.stack})
