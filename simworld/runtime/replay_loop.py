"""One iteration of the replay: load, complete elapsed waits, run a pass, end the run (spec §3.4).

The log is loaded whole once and by cursor from then on.  Where the policy retains passes, one pass
lives as long as the invocation and is fed what is new, so that a step costs the same however long
the run is already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from simworld.engine import (
    Completed,
    Diverged,
    Event,
    Failed,
    LoopErrors,
    Outcome,
    Pass,
    PassResult,
    RunCompleted,
    RunFailed,
    RunIdentity,
    RunRow,
    StepCompleted,
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
from simworld.ports import Answer, Message, PassReport
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
        self._news = 0
        """Events that were recorded here and are in the view since it was last read."""
        self._behind = False
        """Something was recorded here that does not follow the view: the log has to be read."""
        self._looks_ahead = self._policy.retains
        self._was_ending = False
        """The last pass ahead has completed the run, if nothing came between."""
        self._ahead: Completed | Failed | Suspension | None = None
        """What a pass ahead has ended with, once what it had assumed is in the log."""

    def of_run(self, run: RunRow, preload: Sequence[Event] | None = None) -> None:
        """The run that is replayed, and its log if run_started has answered it."""
        self._identity = RunIdentity(
            run.run_id, run.workflow_name, run.started_at_ms, run.created_at_ms
        )
        self._preload = preload

    def close(self) -> None:
        """The invocation is over."""
        self.drop_pass()

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
        outcome: Outcome | None = self._ahead
        self._ahead = None
        if outcome is None:
            view = await self._load()
            if view.open_waits and not view.ended and await self._complete_waits(view):
                view = await self._load()
            if view.ended:
                if self._was_ending:
                    reached("run.ended_by_another")
                return None
            try:
                outcome = self._run_pass(view).outcome
            except UsageError as error:
                raise mistake(self._place, error) from error
        elif self.view is not None and self.view.ended:
            return None
        if not isinstance(outcome, Completed):
            return outcome
        await self._end_run(self.end_of(outcome))
        return None

    def end_of(self, outcome: Completed) -> RunCompleted:
        """The run's end; ``UsageError`` where its output cannot be stored."""
        try:
            return RunCompleted(encode(outcome.output))
        except UsageError as error:
            raise UsageError(f"the result of {self._place} cannot be stored: {error}") from error

    @property
    def _place(self) -> str:
        return f"workflow {self._identity.workflow_name} (run {self._run_id})"

    # The log.

    async def _load(self) -> LogView:
        """The log, as far as this invocation must know it."""
        if self.view is None and self._preload is not None:
            self.view = LogView(self._preload)
            return self.view
        news, self._news = self._news, 0
        if self.view is not None and news and not self._behind:
            return self.view  # what was recorded here has followed it at once
        if self.view is None or self._cursor is None:
            if self.view is not None and self._preload is None:
                self._services.log.note(self._run_id, "the world broke the cursor contract")
            self._preload = None  # it came without a cursor; from now on one is expected
            return await self.load_all()
        delta, cursor = await self._read(self._cursor)
        self._cursor, self._behind = cursor or self._cursor, False
        self.view.extend(delta, dedupe=self._policy.dedupe)
        return self.view

    async def load_all(self) -> LogView:
        """Read the whole log anew."""
        events, self._cursor = await self._read(None)
        self.view, self._behind = LogView(events), False
        return self.view

    def saw(self, answers: Iterable[Answer]) -> None:
        """This delivery has recorded these events of its run, in this order.

        If they follow the view at once, nothing else has happened, and they need not be read.
        """
        view = self.view
        if view is None:
            return
        for answer in answers:
            event = answer.event
            if event is None:
                continue
            if self._behind or event.position != view.events[-1].position + 1:
                self._behind = True
                return
            view.extend([event], dedupe=self._policy.dedupe)
            self._cursor = answer.cursor
            self._news += 1

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

    def missed(self) -> None:
        """Something has happened to the run that this delivery was not told."""
        self._behind = True

    # The pass ahead.

    @property
    def position(self) -> int:
        """Where the log ends, as far as it is known."""
        assert self.view is not None
        return self.view.events[-1].position

    @property
    def is_ahead(self) -> bool:
        """The next ``advance`` gives what a pass ahead has ended with."""
        return self._ahead is not None

    def feed_ahead(self, fact: StepCompleted) -> PassResult | None:
        """What the next pass ends with if ``fact`` is recorded next; None: nobody can tell yet."""
        view = self.view
        if view is None or self._fed is not view or self._pass is None:
            return None
        if not self._looks_ahead or self._behind or not view.is_prefix:
            return None
        if view.ended or view.open_waits:
            return None
        if view.pending_steps.keys() != {fact.correlation_id}:
            return None  # others are under way, and will come first
        try:
            result = self._pass.feed_ahead(view.events, fact, self._services.clock.now_ms())
        except UsageError:
            result = None  # the slow way tells it, and where
        if result is None:
            self._looks_ahead = False  # it would ask for the time again
            self.drop_pass()
            return None
        self._was_ending = isinstance(result.outcome, Completed)
        return result

    def settle(self, result: PassResult, answers: Sequence[Answer]) -> None:
        """What a pass ahead has assumed is recorded, by the first of these events."""
        services, view = self._services, self.view
        event = answers[0].event
        assert self._pass is not None
        assert view is not None
        assert event is not None
        result = self._pass.settle(result, event)
        self.saw(answers[:1])
        services.log.pass_ended(
            PassReport(
                services.program,
                self._identity,
                view.events,
                self._policy,
                services.clock.now_ms(),
                result,
                retained=True,
            )
        )
        self.saw(answers[1:])
        outcome = result.outcome
        assert isinstance(outcome, Completed | Failed | Suspension)
        self._ahead = outcome

    def drop_pass(self) -> None:
        """The retained pass has seen what has not happened; the next one begins anew."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None

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
