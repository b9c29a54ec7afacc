"""Recording what a suspended pass asks for, in the order of spec §3.6.

Hooks come before steps, so that whoever is called by a step finds its hook.  What somebody else
has recorded already (409) is as good as recorded by us, but not ours.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

from simworld.engine import (
    AttrRequest,
    AttrSet,
    Fact,
    HookCreated,
    HookDisposed,
    HookReceived,
    HookRequest,
    InlineGate,
    StepCreated,
    StepRequest,
    Suspension,
    WaitCreated,
    WaitRequest,
)
from simworld.errors import (
    EntityConflictError,
    HookNotFoundError,
    RunExpiredError,
    SimworldError,
)
from simworld.ports import Answer
from simworld.runtime.services import Services

CREATED = (EntityConflictError,)
ENDED = (EntityConflictError, RunExpiredError)
GONE = (EntityConflictError, RunExpiredError, HookNotFoundError)


@attrs.define
class Recorded:
    """A suspension whose requests are in the log, but for steps that are created lazily."""

    steps: list[StepRequest]
    """All that are pending."""
    waits: list[WaitRequest]
    owned: set[str]
    """Steps whose creation was accepted from this handler."""
    lazy: set[str]
    """Steps that their start is to create."""
    conflict: bool = False
    """A token was taken: the workflow has to be told at once."""
    again: bool = False
    """Attributes were set: whoever awaits that may go on at once."""

    def wake_after_s(self, now_ms: int) -> int | None:
        """Seconds to the soonest wait, at least one; None without waits."""
        if not self.waits:
            return None
        return seconds_to(self.soonest.resume_at_ms, now_ms)

    @property
    def soonest(self) -> WaitRequest:
        """The wait that ends first."""
        return min(self.waits, key=lambda wait: wait.resume_at_ms)


def seconds_to(time_ms: int, now_ms: int) -> int:
    """Whole seconds until then, at least one."""
    return math.ceil(max(1_000, time_ms - now_ms) / 1_000)


class Recorder:
    """Writes the requests of one run's suspensions."""

    def __init__(self, services: Services, run_id: str) -> None:
        self._services = services
        self._run_id = run_id

    async def record(self, suspension: Suspension) -> Recorded:
        """Write what is not in the log yet; faults that the spec does not swallow are raised."""
        recorded = Recorded([], [], set(), set())
        hooks: list[HookRequest] = []
        others: list[StepRequest | WaitRequest | AttrRequest] = []
        for request in suspension.requests:
            if isinstance(request, StepRequest):
                recorded.steps.append(request)
                if not request.created:
                    others.append(request)
            elif isinstance(request, HookRequest):
                hooks.append(request)
            elif isinstance(request, WaitRequest):
                recorded.waits.append(request)
                if not request.created:
                    others.append(request)
            elif isinstance(request, AttrRequest):
                recorded.again = True
                others.append(request)
        if hooks:
            recorded.conflict = await self._record_hooks(hooks)
        if others:
            recorded.lazy = self._lazy(recorded)
            await self._create_all(others, recorded)
        return recorded

    async def _record_hooks(self, hooks: Sequence[HookRequest]) -> bool:
        """Creations, then disposals, then aborts; whether a token was taken."""
        gather = self._services.tasks.gather
        new = [hook for hook in hooks if not hook.created]
        answers = await gather(
            [(f"create.{each.label}", self._write(_hook_created(each), ENDED)) for each in new]
        )
        conflict = False
        for hook, answer in zip(new, answers, strict=True):
            if answer and answer.event and answer.event.type == "hook_conflict":
                conflict = True
                self._services.log.note(self._run_id, "hook conflict", token=hook.token)
        disposed = [hook for hook in hooks if hook.dispose]
        await gather(
            [
                (
                    f"dispose.{each.label}",
                    self._write(HookDisposed(each.correlation_id, each.token), GONE),
                )
                for each in disposed
            ]
        )
        aborted = [hook for hook in hooks if hook.abort is not None]
        await gather([(f"abort.{each.label}", self._abort(each)) for each in aborted])
        return conflict

    async def _abort(self, hook: HookRequest) -> None:
        """Tell the log, and whoever reads the signal's stream, if that can be done."""
        assert hook.abort is not None
        fact = HookReceived(hook.correlation_id, hook.token, hook.abort)
        await self._write(fact, ENDED)
        streams, name = self._services.streams, abort_stream(hook.token)
        try:
            await streams.write(self._run_id, name, [hook.abort])
            await streams.close(self._run_id, name)
        except SimworldError as error:
            # Best effort: the log has it, and an earlier handler may have closed the stream.
            self._services.log.note(self._run_id, "abort not streamed", why=str(error))

    async def _create_all(
        self, new: Sequence[StepRequest | WaitRequest | AttrRequest], recorded: Recorded
    ) -> None:
        """Steps, waits and attributes side by side; the accepted step creations are ours."""
        eager = [each for each in new if each.correlation_id not in recorded.lazy]
        parts = [(f"create.{each.label}", self._write(_created(each), CREATED)) for each in eager]
        answers = await self._services.tasks.gather(parts)
        for request, answer in zip(eager, answers, strict=True):
            if answer is not None and isinstance(request, StepRequest):
                recorded.owned.add(request.correlation_id)

    def _lazy(self, recorded: Recorded) -> set[str]:
        """New steps that may run inline and are created by their own start."""
        policy = self._services.policy
        if not policy.lazy_create or (recorded.waits and not policy.inline_with_wait):
            return set()
        anyone = policy.inline_gate is InlineGate.NONE
        candidates = [step for step in recorded.steps if anyone or not step.created]
        return {step.correlation_id for step in candidates[: policy.max_inline] if not step.created}

    async def _write(self, fact: Fact, swallowed: tuple[type[Exception], ...]) -> Answer | None:
        """The answer; None where the refusal is one that somebody else's write explains."""
        try:
            return await self._services.storage.create(self._run_id, fact)
        except swallowed:
            return None


def abort_stream(token: str) -> str:
    """The stream that an abort signal's readers look at."""
    return f"abort/{token}"


def _hook_created(hook: HookRequest) -> HookCreated:
    return HookCreated(
        hook.correlation_id, hook.token, hook.metadata, hook.is_webhook, hook.is_system
    )


def _created(request: StepRequest | WaitRequest | AttrRequest) -> Fact:
    if isinstance(request, StepRequest):
        return StepCreated(request.correlation_id, request.step_name, request.input)
    if isinstance(request, WaitRequest):
        return WaitCreated(request.correlation_id, request.resume_at_ms)
    return AttrSet(request.correlation_id, request.changes)
