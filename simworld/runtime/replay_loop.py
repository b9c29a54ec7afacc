"""One iteration of the replay: load, complete elapsed waits, run a pass, end the run (spec §3.4).

The log is loaded whole once and by cursor from then on.  Where the policy retains passes, one pass
lives as long as the invocation and is fed what is new, so that a step costs the same however long
the run is already.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import (
    Completed,
    Diverged,
    Event,
    Failed,
    LoopErrors,
    Pass,
    PassResult,
    RunCompleted,
    RunFailed,
    RunIdentity,
    RunRow,
    Suspension,
    Unconsumed,
    UnconsumedEvents,
    WaitCompleted,
    WaitPush,
    encode,
    encode_error,
    mistake,
    run_pass,
)
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    InternalError,
    ReplayDivergence,
    RunExpiredError,
    SimworldError,
    UsageError,
    WorldError,
)
from simworld.marks import reached
from simworld.ports import Message, PassReport
from simworld.runtime.log_view import LogView
from simworld.runtime.services import Services


class Replay:
    """The cached log, the cursor and the pass of one invocation."""

    def __init__(self, services: Services, run_id: str, recoveries: int) -> None:
        self._services = services
        self._policy = services.policy
        self._storage = services.storage
        self._run_id = run_id
        self._recoveries = recoveries
        self._identity: RunIdentity
        self._preload: Sequence[Event] | None = None
        self._cursor: str | None = None
        self._pass: Pass | None = None
        self._fed: LogView | None = None
        """The view that the retained pass has seen."""
        self.view: LogView | None = None

    def of_run(self, run: RunRow, preload: Sequence[Event] | None = None) -> None:
        """The run that is replayed, and its log if run_started has answered it."""
        self._identity = RunIdentity(
            run.run_id, run.workflow_name, run.started_at_ms, run.created_at_ms
        )
        self._preload = preload

    def close(self) -> None:
        """The invocation is over."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None

    async def advance(self) -> Suspension | None:
        """One iteration; None where it has ended the run, or found it ended.

        A fault of the world while the log is read, a wait is completed or the run's output is
        written ends the run under ``loop_errors=fail_run`` (R-14).
        """
        try:
            outcome = await self._iterate()
        except (UsageError, InternalError):
            raise
        except SimworldError as error:
            if self._policy.loop_errors is LoopErrors.RETHROW:
                raise
            await self._fail_run(error, "USER_ERROR")
            return None
        if outcome is None:
            return None
        if isinstance(outcome, Suspension):
            self._recoveries = 0
            return outcome
        if isinstance(outcome, Failed):
            if isinstance(outcome.error, UsageError):
                raise mistake(self._place, outcome.error) from outcome.error
            broken = isinstance(outcome.error, SimworldError)
            await self._fail_run(outcome.error, "RUNTIME_ERROR" if broken else "USER_ERROR")
        else:
            await self._diverged(outcome.message)
        return None

    async def _iterate(self) -> Failed | Suspension | Unconsumed | Diverged | None:
        """What the pass ended with; None if the run is completed, or has ended before."""
        view = await self._load()
        if view.open_waits and not view.ended and await self._complete_waits(view):
            view = await self._load()
        if view.ended:
            return None
        try:
            outcome = self._run_pass(view).outcome
        except UsageError as error:
            raise mistake(self._place, error) from error
        if not isinstance(outcome, Completed):
            return outcome
        try:
            output = encode(outcome.output)
        except UsageError as error:
            raise UsageError(f"the result of {self._place} cannot be stored: {error}") from error
        await self._end_run(RunCompleted(output))
        return None

    @property
    def _place(self) -> str:
        return f"workflow {self._identity.workflow_name} (run {self._run_id})"

    # The log.

    async def _load(self) -> LogView:
        """The log, as far as this invocation must know it."""
        if self.view is None and self._preload is not None:
            self.view = LogView(self._preload)
            return self.view
        if self.view is None or self._cursor is None:
            if self.view is not None and self._preload is None:
                self._services.log.note(self._run_id, "the world broke the cursor contract")
            self._preload = None  # it came without a cursor; from now on one is expected
            return await self.load_all()
        delta, cursor = await self._read(self._cursor)
        self._cursor = cursor or self._cursor
        self.view.extend(delta, dedupe=self._policy.dedupe)
        return self.view

    async def load_all(self) -> LogView:
        """Read the whole log anew."""
        events, self._cursor = await self._read(None)
        self.view = LogView(events)
        return self.view

    async def _read(self, cursor: str | None) -> tuple[Sequence[Event], str | None]:
        """All events after the cursor, page by page, and the last cursor that was answered."""
        page = await self._storage.events(self._run_id, cursor)
        if not page.has_more:
            return page.events, page.cursor
        events = list(page.events)
        while page.has_more:
            if page.cursor is None:
                raise WorldError(
                    f"a page of the log of {self._run_id} announces more events but has no cursor"
                )
            page = await self._storage.events(self._run_id, page.cursor)
            events.extend(page.events)
        return events, page.cursor

    async def _complete_waits(self, view: LogView) -> bool:
        """Write wait_completed for waits that are over; whether the log must be read again."""
        now_ms = self._services.clock.now_ms()
        elapsed = [
            (wait_id, resume_at_ms)
            for wait_id, resume_at_ms in view.open_waits.items()
            if now_ms >= resume_at_ms
        ]
        refresh = self._policy.wait_push is WaitPush.REFRESH
        known = view.events[-1].position
        for wait_id, resume_at_ms in elapsed:
            try:
                fact = WaitCompleted(wait_id, resume_at_ms)
                answer = await self._storage.create(self._run_id, fact)
            except EntityConflictError:
                reached("wait.completed_by_another")
                continue  # somebody else has done it (local push: R-38)
            except EntityNotFoundError:
                if not refresh:
                    raise
                continue  # the run has ended, and its waits with it
            if answer.event is not None and answer.event.position > known + 1:
                reached("wait.completed_beside_news")  # which this invocation has not seen
            known += 1
            if not refresh and answer.event is not None:
                view.extend([answer.event], dedupe=False)
                if self._policy.cursor_move:
                    self._cursor = answer.cursor
        return refresh and bool(elapsed)

    # The pass.

    def _run_pass(self, view: LogView) -> PassResult:
        services, policy, now_ms = self._services, self._policy, self._services.clock.now_ms()
        retained = False
        if policy.retains:
            retained = self._pass is not None and self._fed is view and view.in_order
            if self._pass is None or not retained:
                if self._pass is not None:
                    reached("pass.not_retained")
                    self._pass.close()
                self._pass = Pass(services.program, self._identity, policy)
                self._fed = view
            result = self._pass.feed(view.events, now_ms)
        else:
            result = run_pass(services.program, self._identity, view.events, policy, now_ms)
        services.log.pass_ended(
            PassReport(
                services.program, self._identity, view.events, policy, now_ms, result, retained
            )
        )
        return result

    async def _diverged(self, message: str) -> None:
        """The log and the pass do not fit: the run fails, or is replayed anew (spec §5.5)."""
        log, policy = self._services.log, self._policy
        message = f"{self._place}: {message}"
        if policy.unconsumed in (UnconsumedEvents.U0, UnconsumedEvents.U1):
            await self._fail_run(ReplayDivergence(message), "RUNTIME_ERROR")
        elif self._recoveries < policy.recoveries_max:
            reached("replay.recovered")
            again = self._recoveries + 1
            log.note(self._run_id, "replay diverged", recovery=again, why=message)
            await self._services.queue.send(Message(self._run_id, recoveries=again))
        else:
            await self._fail_run(ReplayDivergence(message), "CORRUPTED_EVENT_LOG")

    # The run's end.

    async def _fail_run(self, error: BaseException, code: str) -> None:
        self._services.log.note(self._run_id, "run failed", code=code, error=repr(error))
        await self._end_run(RunFailed(encode_error(error, kind="run"), code))

    async def _end_run(self, fact: RunCompleted | RunFailed) -> None:
        try:
            await self._storage.create(self._run_id, fact)
        except (EntityConflictError, RunExpiredError):
            reached("run.ended_by_another")
