"""Queue messages: the SDK's payloads ↔ ours.

When a message was asked for (``requestedAt``) nobody reads, but queues that compare payloads do see
it; it travels in ``Message.extra``.  The name of the queue is not in a message: a run has one
queue, so whoever has sent for the run knows it (``world``).
"""

from __future__ import annotations

from typing import Any

from vercel.workflow._internal import world as w

from simworld.errors import UsageError
from simworld.ports import Message, RunInput
from simworld.subjects.vercel.envelope import pack, unpack
from simworld.subjects.vercel.translate import CURRENT, run_envelope


def our_message(payload: Any) -> Message:
    """The message that the SDK puts into its queue."""
    if not isinstance(payload, w.WorkflowInvokePayload):
        raise UsageError(
            f"the SDK sends a {type(payload).__name__}; simworld carries only what invokes a "
            "workflow or a step"
        )
    if getattr(payload, "hook_input", None) is not None:
        raise UsageError(
            f"a message of run {payload.run_id} carries the payload of a hook; only other SDKs "
            "send such messages, and our worlds do not take them"
        )
    given = payload.run_input
    run_input = None
    if given is not None:
        run_input = RunInput(given.workflow_name, run_envelope(given, given.spec_version))
    extra = b""
    if payload.requested_at is not None:
        extra = pack(None, requestedAt=payload.requested_at.isoformat())
    return Message(
        payload.run_id,
        payload.step_id or "",
        payload.step_name or "",
        run_input,
        extra=extra,
    )


def sdk_payload(message: Message) -> dict[str, Any]:
    """What the SDK's handler is given for a message: its wire form."""
    payload: dict[str, Any] = {"runId": message.run_id}
    if message.step_id:
        payload |= {"stepId": message.step_id, "stepName": message.step_name}
    if message.run_input is not None:
        value, more = unpack(message.run_input.input)
        payload["runInput"] = {
            "input": value,
            "workflowName": message.run_input.workflow_name,
            "specVersion": CURRENT,
            "deploymentId": "",
            **more,
        }
    if message.extra:
        payload |= unpack(message.extra)[1]
    return payload
