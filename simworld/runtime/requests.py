"""Recording what a suspended pass asks for, in the order of spec §3.6.

Hooks come before steps, so that whoever is called by a step finds its hook.  What somebody else
has recorded already (409) is as good as recorded by us, but not ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias

import attrs

from simworld.engine import (
    AttrRequest,
    AttrSet,
    Engine,
    Fact,
    HookCreated,
    HookDisposed,
    HookOrder,
    HookReceived,
    HookRequest,
    InlineGate,
    Publish,
    Request,
    StepCreated,
    StepRequest,
    StepRow,
    StepStarted,
    Suspension,
    WaitCreated,
    WaitRequest,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    RunExpiredError,
    SimworldError,
    TooEarlyError,
    WorldError,
)
from simworld.marks import reached
from simworld.ports import Answer, BatchFact
from simworld.runtime.services import Services

CREATED = (EntityConflictError,)
ENDED = (EntityConflictError, RunExpiredError)
GONE = (EntityConflictError, RunExpiredError, HookNotFoundError)
REFUSED = (EntityConflictError, EntityNotFoundError, RunExpiredError, TooEarlyError)


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
    published: frozenset[str] = frozenset()
    """Steps whose message was sent beside their creation (R-64)."""
    started: dict[str, StepRow] = attrs.Factory(dict)
    """Steps that were started with what the pass has asked for, which are all that run inline."""

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


Asked: TypeAlias = StepRequest | WaitRequest | AttrRequest
"""What is recorded behind the hooks, side by side or at once."""


class Starter(Protocol):
    """Says which steps run inline, and starts them with what their pass has asked for."""

    def starts(self, recorded: Recorded) -> list[StepStarted]:
        """The starts of the steps that run inline once this is recorded; empty: each for itself."""


class Batch:
    """What a pass asks for behind its hooks, as facts of one commit."""

    def __init__(self, new: Sequence[Asked], recorded: Recorded, starter: Starter) -> None:
        """``recorded``: nothing in it is changed before this is accepted."""
        self._recorded = recorded
        self._eager = [each for each in new if each.correlation_id not in recorded.lazy]
        steps = {each.correlation_id for each in self._eager if isinstance(each, StepRequest)}
        self._owned = recorded.owned | steps
        self._starts: list[StepStarted] = []
        if not (recorded.conflict or recorded.again):
            self._starts = starter.starts(attrs.evolve(recorded, owned=self._owned))
        self.facts: list[BatchFact] = [*map(_created, self._eager), *self._starts]

    def creations(self, position: int) -> list[tuple[int, Request]]:
        """What is created, and by the event at which position, if the first has this one."""
        told: list[tuple[int, Request]] = list(enumerate(self._eager, position))
        by_id = {step.correlation_id: step for step in self._recorded.steps}
        for place, start in enumerate(self._starts, position + len(self._eager)):
            if start.input:
                told.append((place, by_id[start.correlation_id]))
        return told

    def accepted(self, answers: Sequence[Answer]) -> None:
        """It is recorded."""
        self._recorded.owned = self._owned
        for start, answer in zip(self._starts, answers[len(self._eager) :], strict=True):
            assert answer.step is not None
            self._recorded.started[start.correlation_id] = answer.step


def is_recorded(request: Request) -> bool:
    """Whether the log has all that the pass asks for with it."""
    if isinstance(request, HookRequest):
        return request.created and not request.dispose and request.abort is None
    return request.created


class Recorder:
    """Writes the requests of one run's suspensions."""

    def __init__(
        self,
        services: Services,
        run_id: str,
        *,
        publish: Callable[[StepRequest], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """``publish``: sends the message of a step, for those that may have theirs early."""
        self._services = services
        self._run_id = run_id
        self._publish = publish

    async def record(
        self, suspension: Suspension, *, carried: int = 0, starter: Starter | None = None
    ) -> Recorded:
        """Write what is not in the log yet; faults that the spec does not swallow are raised.

        ``carried``: steps that are the handler's own from an earlier iteration; ``starter``: all
        but hooks is written in one commit, with what it starts.
        """
        recorded = Recorded([], [], set(), set())
        hooks: list[HookRequest] = []
        others: list[Asked] = []
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
            in_order = self._services.policy.hook_order is HookOrder.CODE_ORDER
            record = self._record_in_order if in_order else self._record_hooks
            recorded.conflict = await record(hooks)
        if others:
            recorded.lazy = self._lazy(recorded, carried)
            if starter is None or not await self._append(Batch(others, recorded, starter)):
                await self._create_all(others, recorded)
        return recorded

    def follow(self, suspension: Suspension, starter: Starter) -> tuple[Recorded, Batch | None]:
        """What can be recorded with the result that this follows from; None: nothing of it."""
        recorded = Recorded([], [], set(), set())
        new: list[Asked] = []
        for request in suspension.requests:
            if isinstance(request, StepRequest):
                recorded.steps.append(request)
                if not request.created:
                    new.append(request)
            elif not is_recorded(request):
                return recorded, None
        if not new:
            return recorded, None
        recorded.lazy = self._lazy(recorded, 0)
        return recorded, Batch(new, recorded, starter)

    async def _append(self, batch: Batch) -> bool:
        """Write it all in one commit; False: somebody else was there, so each for itself."""
        if len(batch.facts) < 2:
            return False
        try:
            batch.accepted(await self._services.storage.append(self._run_id, batch.facts))
        except REFUSED:
            reached("creation.one_by_one")
            return False
        return True

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

    async def _record_in_order(self, hooks: Sequence[HookRequest]) -> bool:
        """Side by side, but for hooks of one token: those as the code has them (R-27)."""
        by_token: dict[str, list[HookRequest]] = {}
        for hook in hooks:
            if not hook.created or hook.dispose or hook.abort is not None:
                by_token.setdefault(hook.token, []).append(hook)
        conflicts = await self._services.tasks.gather(
            [(f"hooks.{group[0].label}", self._record_token(group)) for group in by_token.values()]
        )
        return any(conflicts)

    async def _record_token(self, hooks: Sequence[HookRequest]) -> bool:
        conflict = False
        for hook in hooks:
            if not hook.created:
                answer = await self._write(_hook_created(hook), ENDED)
                if answer and answer.event and answer.event.type == "hook_conflict":
                    conflict = True
                    self._services.log.note(self._run_id, "hook conflict", token=hook.token)
                    continue
            if hook.dispose:
                await self._write(HookDisposed(hook.correlation_id, hook.token), GONE)
            if hook.abort is not None:
                await self._abort(hook)
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

    async def _create_all(self, new: Sequence[Asked], recorded: Recorded) -> None:
        """Steps, waits and attributes side by side; the accepted step creations are ours."""
        eager = [each for each in new if each.correlation_id not in recorded.lazy]
        parts: list[tuple[str, Coroutine[Any, Any, Answer | None]]] = [
            (f"create.{each.label}", self._write(_created(each), CREATED)) for each in eager
        ]
        if self._publish is not None and self._services.policy.publish is Publish.BESIDE_CREATE:
            parts += self._published(self._publish, eager, recorded)
        answers = await self._services.tasks.gather(parts)
        for request, answer in zip(eager, answers[: len(eager)], strict=True):
            if answer is not None and isinstance(request, StepRequest):
                recorded.owned.add(request.correlation_id)

    def _published(
        self,
        publish: Callable[[StepRequest], Coroutine[Any, Any, None]],
        eager: Sequence[Asked],
        recorded: Recorded,
    ) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """The messages of new steps that will not run inline."""
        policy = self._services.policy
        waits = recorded.waits and not policy.inline_with_wait
        here = 0 if waits else max(0, policy.max_inline - len(recorded.lazy))
        steps = [each for each in eager if isinstance(each, StepRequest)][here:]
        recorded.published = frozenset(each.correlation_id for each in steps)
        return [(f"publish.{each.label}", publish(each)) for each in steps]

    def _lazy(self, recorded: Recorded, carried: int) -> set[str]:
        """New steps that may run inline and are created by their own start."""
        policy = self._services.policy
        if not policy.lazy_create or policy.engine is Engine.V1:
            return set()  # V1 runs nothing inline
        if recorded.waits and not policy.inline_with_wait:
            return set()
        anyone = policy.inline_gate is InlineGate.NONE
        candidates = [step for step in recorded.steps if anyone or not step.created]
        chosen = candidates[: max(0, policy.max_inline - carried)]
        return {step.correlation_id for step in chosen if not step.created}

    async def _write(self, fact: Fact, swallowed: tuple[type[Exception], ...]) -> Answer | None:
        """The answer; None where the refusal is one that somebody else's write explains."""
        try:
            return await self._services.storage.create(self._run_id, fact)
        except (EntityConflictError, RunExpiredError, HookNotFoundError) as refusal:
            if isinstance(refusal, RunExpiredError) or _of_ended_run(refusal):
                reached("creation.after_end")  # whoever swallows that goes on for a dead run
            if not isinstance(refusal, swallowed):
                raise
            return None


def _of_ended_run(refusal: WorldError) -> bool:
    return isinstance(refusal, EntityConflictError) and refusal.reason == "terminal"


def abort_stream(token: str) -> str:
    """The stream that an abort signal's readers look at."""
    return f"abort/{token}"


def _hook_created(hook: HookRequest) -> HookCreated:
    return HookCreated(
        hook.correlation_id, hook.token, hook.metadata, hook.is_webhook, hook.is_system
    )


def _created(request: Asked) -> StepCreated | WaitCreated | AttrSet:
    if isinstance(request, StepRequest):
        return StepCreated(request.correlation_id, request.step_name, request.input)
    if isinstance(request, WaitRequest):
        return WaitCreated(request.correlation_id, request.resume_at_ms)
    return AttrSet(request.correlation_id, request.changes)
