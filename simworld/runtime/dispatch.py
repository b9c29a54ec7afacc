"""Which pending steps run here, and what goes into the queue for all the others (spec §3.6, §3.10).

Nothing in here decides about correctness: a step message too many is refused by the step's state,
one too few is a finding (L-01).  Keys keep the number of messages down, and the policy says what
they consist of.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import (
    AttemptGuard,
    BackstopKey,
    Dispatch,
    EnginePolicy,
    InlineGate,
    KeyPolicy,
    RetryKey,
    StartedBy,
    StepRequest,
    WaitDispatch,
)
from simworld.marks import reached
from simworld.ports import Message, Redeliver
from simworld.runtime.log_view import LogView, StepView
from simworld.runtime.requests import Recorded, seconds_to
from simworld.runtime.services import Services

_UNKNOWN = StepView()


class Dispatcher:
    """Chooses and queues for one delivery."""

    def __init__(self, services: Services, run_id: str, by: StartedBy) -> None:
        policy = services.policy
        self._services = services
        self._policy = policy
        self._run_id = run_id
        self._by = by
        self._stamped = policy.inline_gate is InlineGate.OWNER_STAMP
        self._recovers = self._stamped or policy.attempt_guard is AttemptGuard.G5
        self._retried: set[str] = set()
        """Steps whose retry this delivery has queued: they have their message."""

    def choose_inline(self, recorded: Recorded, view: LogView) -> list[StepRequest]:
        """Steps that this delivery starts now, side by side."""
        policy, steps = self._policy, recorded.steps
        recovered = [step for step in steps if self._recovers and self._is_ours(step, view)]
        if recorded.waits and not policy.inline_with_wait:
            return recovered
        if policy.inline_gate is InlineGate.NONE:
            candidates = steps
        else:
            owned, lazy = recorded.owned, recorded.lazy
            candidates = [
                step
                for step in steps
                if step.correlation_id in owned or step.correlation_id in lazy
            ]
        fresh = [
            step
            for step in candidates
            if step not in recovered and step.correlation_id not in self._retried
        ]
        return recovered + fresh[: policy.max_inline]

    def _is_ours(self, step: StepRequest, view: LogView) -> bool:
        """Owned recovery: an earlier delivery of this very message had started it and is gone."""
        ours = _known(step, view).owner == self._by.message_id
        if ours:
            reached("step.recovered")
        return ours

    async def send_steps(
        self, recorded: Recorded, inline: Sequence[StepRequest], view: LogView
    ) -> None:
        """A message for every pending step that does not run here."""
        owned_only = self._policy.dispatch is Dispatch.OWNED_ONLY
        for step in recorded.steps:
            step_id = step.correlation_id
            if step in inline or step_id in self._retried or step_id in recorded.published:
                continue
            if owned_only and step_id not in recorded.owned:
                continue
            known = _known(step, view)
            if self._stamped and known.owner:
                now_ms = self._services.clock.now_ms()
                if known.lease_until_ms > now_ms:
                    await self._send_backstop(step_id, known, now_ms)
                    continue
            key = step_key(self._policy, step_id, known, self._by)
            await self._services.queue.send(self._message(step), key=key)

    async def publish(self, step: StepRequest) -> None:
        """The message for a step that is only just being created (``publish=beside_create``)."""
        key = step_key(self._policy, step.correlation_id, _UNKNOWN, self._by)
        await self._services.queue.send(self._message(step), key=key)

    async def _send_backstop(self, step_id: str, known: StepView, now_ms: int) -> None:
        """Look again when the owner's lease is over; its key is another one for every start."""
        reached("backstop.queued")
        key = f"{step_id}:backstop:{known.started_ms}"
        if self._policy.backstop_key is BackstopKey.STEP:
            key = step_key(self._policy, step_id, known, self._by)
        await self._services.queue.send(
            Message(self._run_id),
            key=key,
            delay_s=seconds_to(known.lease_until_ms, now_ms),
        )

    async def send_retry(self, step: StepRequest, view: LogView, after_s: int) -> None:
        """The next try of a step that failed here."""
        step_id, key = step.correlation_id, ""
        self._retried.add(step_id)
        if self._policy.retry_key is RetryKey.STEP:
            tried = StepView()  # as whoever reads the log knows it by now
            tried.starts = tried.over = _known(step, view).starts + 1
            key = step_key(self._policy, step_id, tried, self._by)
        await self._services.queue.send(self._message(step), key=key, delay_s=after_s)

    async def send_wait(
        self, recorded: Recorded, now_ms: int, *, woken_for: str
    ) -> Redeliver | None:
        """Wake the run at its soonest wait (``wait_dispatch=message``).

        ``woken_for``: the wait that the message of this delivery was sent for.  If that is still
        open, by the clock of this host, the message itself has to come again.
        """
        after_s = recorded.wake_after_s(now_ms)
        if after_s is None or self._policy.wait_dispatch is WaitDispatch.RETURN_VALUE:
            return None
        again, key = None, recorded.soonest.correlation_id
        wait_id = ""
        if self._policy.key_policy is KeyPolicy.EPOCH:
            again, wait_id = _too_early(recorded, now_ms, woken_for), key
            is_soonest = again is not None and woken_for == wait_id
            if again is not None and self._by.delivery * 2 > self._policy.deliveries_max:
                await self._send_successor(woken_for, again)
                again = None
            if is_soonest:
                return again
            # The second it is due in: a wake that comes too early may queue its own successor.
            key = f"{key}:{now_ms // 1_000 + after_s}"
        message = Message(self._run_id, wait_id=wait_id)
        await self._services.queue.send(message, key=key, delay_s=after_s)
        return again

    async def _send_successor(self, wait_id: str, again: Redeliver) -> None:
        """A message of its own goes on waiting: a queue may count every delivery (R-20).

        Its key names the message that it follows: its own key would have it dropped.
        """
        reached("wait.succeeded")
        await self._services.queue.send(
            Message(self._run_id, wait_id=wait_id),
            key=f"{wait_id}:after:{self._by.message_id}",
            delay_s=again.after_s,
        )

    def _message(self, step: StepRequest) -> Message:
        return Message(self._run_id, step.correlation_id, step.step_name)


def _too_early(recorded: Recorded, now_ms: int, woken_for: str) -> Redeliver | None:
    """When a wake must come again whose wait is not over here: its sender's clock was ahead.

    A message in its place could have the very key that it has itself, and be dropped.
    """
    for wait in recorded.waits:
        if wait.correlation_id == woken_for:
            reached("wait.woken_early")
            return Redeliver(seconds_to(wait.resume_at_ms, now_ms))
    return None


def step_key(policy: EnginePolicy, step_id: str, known: StepView, by: StartedBy) -> str:
    """The key of a step message."""
    if policy.key_policy is KeyPolicy.PLAIN:
        return step_id
    if policy.key_policy is KeyPolicy.ATTEMPT:
        return f"{step_id}:{known.starts}"
    # Two counts, never their sum: a second delivery that knows of no start that is over and a first
    # one that knows of one want a message each, and a queue may remember the key of either.
    return f"{step_id}:{known.over}.{by.delivery - 1}"


def _known(step: StepRequest, view: LogView) -> StepView:
    return view.pending_steps.get(step.correlation_id, _UNKNOWN)
