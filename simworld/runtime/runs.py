"""What both clients and step bodies do with runs: start one, wait for one, resume a hook (§2.5)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from simworld.engine import (
    HookReceived,
    HookRow,
    Results,
    Resume,
    RunCreated,
    RunRow,
    RunStatus,
    Wakes,
    Workflow,
    decode_error,
    encode,
    hydrate,
    result_hint,
)
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    IndefiniteFailure,
    RunExpiredError,
    SimworldError,
    UsageError,
    WorldError,
    unknown_name,
)
from simworld.marks import reached
from simworld.ports import Message, RunInput
from simworld.runtime.services import Services

T = TypeVar("T")

POLL_MS = 1_000
"""How often somebody who waits for a run looks at it."""
LOOK_MS = 5_000
"""How often he does whom the world tells of its end: that may get lost on its way."""
TRIES_MAX = 5
"""How often an operation that may be repeated is tried, one poll apart."""
WAKE_RETRIES_MS = (25, 100)
"""When to send the message again that the queue has refused after a payload was recorded."""
UNKNOWN_RETRIES_S = (1, 3, 6)
"""When to look again for a run that nobody has created yet."""


class RunFailedError(Exception):
    """The run ended without a result; ``code`` is the run's error code (spec §1.6)."""

    def __init__(self, run_id: str, status: str, code: str, text: str) -> None:
        super().__init__(f"run {run_id} {status}{f' ({code})' if code else ''}: {text}")
        self.run_id, self.status, self.code = run_id, status, code


async def start_run(
    services: Services,
    run_id: str,
    workflow: Workflow[Any, Any],
    args: tuple[object, ...],
    kwargs: dict[str, object],
    *,
    message_first: bool = False,
) -> None:
    """Record run_created and, at the same time, queue the first message of the run.

    The message carries what run_created does, so that either of them is enough (resilient start).
    ``message_first``: one after the other, for a starter that may die between the two and that
    nobody starts again: a run without a message would be pending for ever.
    """
    known = services.program.workflows
    if known.get(workflow.name) is not workflow:
        if workflow.name in known:
            raise UsageError(f"another workflow is called {workflow.name!r} in this program")
        raise unknown_name("workflow", workflow.name, known)
    payload = encode([list(args), kwargs])
    over = services.tasks.latch("hear whether run_created was recorded")
    refused: list[SimworldError] = []

    async def create() -> None:
        try:
            await services.storage.create(run_id, RunCreated(workflow.name, payload))
        except SimworldError as error:
            if not _run_started_mends(error):
                refused.append(error)
            services.log.note(run_id, "run_created not recorded", why=str(error))
        over.set()

    if not message_first:
        services.tasks.start("create", create())
    message = Message(run_id, run_input=RunInput(workflow.name, payload))
    try:
        if message_first:
            await steadily(services, lambda: services.queue.send(message))
        else:
            await services.queue.send(message)
    except SimworldError as error:
        error.add_note(f"run {run_id} may have no message; reenqueue({run_id!r}) sends one")
        raise
    if message_first:
        await create()
    await over.wait()
    if refused:
        raise refused.pop()


def _run_started_mends(error: SimworldError) -> bool:
    """Somebody else has created the run, or the first handler can."""
    if isinstance(error, WorldError):
        return isinstance(error, EntityConflictError) or error.status == 429 or error.status >= 500
    return isinstance(error, DefiniteFailure | IndefiniteFailure)


async def steadily(services: Services, operation: Callable[[], Awaitable[T]]) -> T:
    """Repeat an operation that may be repeated until the world has answered it, or for a while.

    A lost answer, a 429 and a 5xx are the world's faults: a step body that merely looks at
    something is not to fail by them (I-21).
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await refusably(services, operation)
        except IndefiniteFailure:
            await services.clock.sleep_ms(POLL_MS)
    return await operation()


async def refusably(services: Services, operation: Callable[[], Awaitable[T]]) -> T:
    """Repeat an operation that is to happen once, as long as the world refuses it with 429 or 5xx.

    For a while, and not where its answer is lost: then nobody knows whether it has happened.
    """
    for _ in range(TRIES_MAX - 1):
        try:
            return await operation()
        except DefiniteFailure as error:
            if isinstance(error, WorldError) and error.status != 429 and error.status < 500:
                raise
        await services.clock.sleep_ms(POLL_MS)
    return await operation()


async def run_output(services: Services, run_id: str) -> Any:
    """The run's output, once it has completed; ``RunFailedError`` if it ended otherwise."""
    row = await _known_run(services, run_id)
    while row.status in (RunStatus.PENDING, RunStatus.RUNNING):
        if services.policy.results is Results.TOLD:
            await steadily(services, lambda: services.storage.wait_end(run_id, LOOK_MS))
        else:
            await services.clock.sleep_ms(POLL_MS)
        row = await steadily(services, lambda: services.storage.run(run_id))
    if row.status is RunStatus.COMPLETED:
        workflow = services.program.workflows.get(row.workflow_name)
        return hydrate(row.output, None if workflow is None else result_hint(workflow.function))
    if row.status is RunStatus.CANCELLED:
        raise RunFailedError(run_id, "was cancelled", "", "somebody cancelled it; it has no result")
    error = decode_error(row.error)
    raise RunFailedError(run_id, "failed", row.error_code, f"{error['name']}: {error['message']}")


async def _known_run(services: Services, run_id: str) -> RunRow:
    """The run's row; one that nobody has created may still be created by its first message."""
    for after_s in UNKNOWN_RETRIES_S:
        try:
            return await steadily(services, lambda: services.storage.run(run_id))
        except EntityNotFoundError:
            await services.clock.sleep_ms(after_s * 1_000)
    try:
        return await steadily(services, lambda: services.storage.run(run_id))
    except EntityNotFoundError as error:
        raise EntityNotFoundError(
            f"there is no run {run_id}, {sum(UNKNOWN_RETRIES_S)} s after the first look: neither "
            "its start nor its first message has come through; start it again"
        ) from error


async def have_looked_at(services: Services, run_id: str) -> None:
    """Have somebody look at the run, now that its log holds what it may have waited for.

    Whoever has not begun to handle such a message will read the log after this, so that one of them
    is enough (``wakes=merged``).  It is not for those who send a message because one may be gone.
    """
    await services.queue.send(Message(run_id), merge=services.policy.wakes is Wakes.MERGED)


async def recover(services: Services) -> int:
    """What a service does that starts: have every run looked at that has not ended (§2.6).

    The messages of the last one may be gone; one that is not only comes twice.  How many there are.
    """
    run_ids = await steadily(services, services.storage.active_runs)
    for run_id in run_ids:
        await services.queue.send(Message(run_id))
    return len(run_ids)


async def resume_hook(services: Services, token: str, payload: object) -> None:
    """Send a payload to the live hook that owns the token, and wake its run."""
    await deliver(services, await services.storage.hook(token), payload)


async def deliver(services: Services, hook: HookRow, payload: object) -> None:
    """Record the payload and wake the run; ``HookNotFoundError`` if the hook has gone.

    The order matters: a message that comes first may find nothing and be the last one (R-33).
    """
    message_first = services.policy.resume is Resume.MESSAGE_FIRST
    if message_first:
        await services.queue.send(Message(hook.run_id))
    fact = HookReceived(hook.correlation_id, hook.token, encode(payload))
    try:
        await services.storage.create(hook.run_id, fact)
    except (EntityConflictError, EntityNotFoundError, RunExpiredError) as error:
        why = "is lost" if isinstance(error, EntityNotFoundError) else "has ended"
        raise HookNotFoundError(
            f"hook {hook.token!r} takes no payloads any more: run {hook.run_id} {why}"
        ) from error
    if not message_first:
        await _wake(services, hook.run_id)


async def _wake(services: Services, run_id: str) -> None:
    """Have the run looked at: its log holds what it waits for, and may be all that it waits for."""
    if services.policy.resume is Resume.DURABLE_RETRIED:
        for after_ms in WAKE_RETRIES_MS:
            try:
                await have_looked_at(services, run_id)
                return
            except DefiniteFailure:
                reached("wake.sent_again")
                await services.clock.sleep_ms(after_ms)
    await have_looked_at(services, run_id)
