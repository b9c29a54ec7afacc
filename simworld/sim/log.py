"""What the runtime tells about passes: labels are learnt, and some passes are run again.

At points that depend on the trial's seed and the length of the log alone, so that a shorter
schedule has the same ones, a pass that has ended is run again from scratch, twice.  Passes from
scratch that disagree over one log are the workflow author's mistake and end the trial with
``ReplayDivergence``; a retained pass that disagrees with them is a record, for a law to judge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from simworld.engine import (
    Completed,
    Decision,
    Diverged,
    Failed,
    HookRequest,
    Request,
    Suspension,
    Unconsumed,
    WaitRequest,
    disagreement,
    run_pass,
)
from simworld.errors import ReplayDivergence
from simworld.ports import ClientCalled, PassReport
from simworld.records import (
    ChunkWritten,
    ClientCall,
    Decided,
    HandedOver,
    InlineOwned,
    PassChecked,
    Passed,
    RunLogLine,
)
from simworld.sim.kernel import Kernel
from simworld.sim.labels import Labels

_ONE_IN = 16
"""How many passes there are for every one that is run again."""
_ONE_IN_RETAINED = 2
"""The same for retained ones, which are rare; of a long run's passes fewer are checked."""
_LONG = 32
_MIX = 0x9E3779B97F4A7C15
_DRAWN_TOKEN = re.compile(r"[\w-]{21}")
"""A hook's token whose author gave none."""
_ENDED: dict[type, str] = {
    Suspension: "suspended",
    Completed: "completed",
    Failed: "failed",
    Unconsumed: "diverged",
    Diverged: "diverged",
}


class SimLog:
    """``ports.RunLog``; silent, except in full traces."""

    def __init__(self, kernel: Kernel, labels: Labels, *, checks: int | None = None) -> None:
        """``checks``: the seed that says which passes are run again; None: none are."""
        self._kernel = kernel
        self._labels = labels
        self._checks = checks
        self._handed: dict[tuple[str, str], tuple[str, object]] = {}
        """(run id, correlation id) → the call its result was given to last."""
        self._decided: dict[tuple[str, int], Decision] = {}
        """(run id, race) → how it was decided last."""

    def pass_ended(self, report: PassReport) -> None:
        """See ``ports.RunLog``."""
        result = report.result
        outcome = result.outcome
        # Whatever is created has had its label told by the pass before its creation.
        asked = outcome.requests if isinstance(outcome, Suspension) else result.requests
        for request in asked:
            if not request.created:
                self._learn(report.identity.run_id, request)
        self._write(report)
        if result.handed or result.decisions:
            self._write_given(report)
        if self._checks is not None and _drawn(self._checks, len(report.log), report.retained):
            self._check(report)

    def asked_ahead(self, run_id: str, asked: Sequence[tuple[int, Request]]) -> None:
        """See ``ports.RunLog``."""
        for position, request in asked:
            self._labels.expect(request.correlation_id, position, request.label)

    def _write(self, report: PassReport) -> None:
        kernel, log, outcome = self._kernel, report.log, report.result.outcome
        task = kernel.current
        assert task is not None
        sleeps: list[WaitRequest] = []
        if isinstance(outcome, Suspension):
            sleeps = [each for each in outcome.requests if isinstance(each, WaitRequest)]
        readable = self._labels.readable
        kernel.records.append(
            Passed(
                kernel.turn,
                kernel.now_ms,
                task.name,
                report.identity.run_id,
                len(log),
                log[-1].position if log else 0,
                _ENDED[type(outcome)],
                tuple([readable(each.correlation_id) for each in sleeps if each.created]),
                tuple(report.result.readings),
                report.result.read_before,
                report.retained,
                tuple([(each.correlation_id, each.label, each.resume_at_ms) for each in sleeps]),
            )
        )

    def _write_given(self, report: PassReport) -> None:
        """What the workflow was given, as far as no earlier pass has told the same."""
        kernel, log, run_id = self._kernel, report.log, report.identity.run_id
        task = kernel.current
        assert task is not None
        here = kernel.turn, kernel.now_ms, task.name, run_id
        handed = self._handed
        for request in report.result.handed:
            step_id = request.correlation_id
            if handed.get((run_id, step_id)) != request.call:
                handed[run_id, step_id] = request.call
                step, name = self._labels.readable(step_id), request.step_name
                kernel.records.append(HandedOver(*here, step, step_id, name, request.input))
        for decision in report.result.decisions:
            if self._decided.get((run_id, decision.race)) != decision:
                self._decided[run_id, decision.race] = decision
                kernel.records.append(Decided(*here, len(log), log[-1].position, decision))

    def owned_inline(self, run_id: str, step_ids: Sequence[str]) -> None:
        """See ``ports.RunLog``."""
        kernel, readable = self._kernel, self._labels.readable
        task = kernel.current
        assert task is not None
        kernel.records.extend(
            InlineOwned(kernel.turn, kernel.now_ms, task.name, run_id, readable(each))
            for each in step_ids
        )

    def _learn(self, run_id: str, request: Request) -> None:
        labels = self._labels
        labels.learn(request.correlation_id, request.label)
        if isinstance(request, HookRequest) and _DRAWN_TOKEN.fullmatch(request.token):
            labels.learn(request.token, f"{labels.run(run_id)}/{request.label}")
            if request.is_system:  # the stream that tells steps of an abort
                labels.learn(f"abort/{request.token}", f"abort/{request.label}")

    def _check(self, report: PassReport) -> None:
        kernel, run_id, log = self._kernel, report.identity.run_id, tuple(report.log)
        one, other = [
            run_pass(report.program, report.identity, log, report.policy, report.now_ms)
            for _ in range(2)
        ]
        difference = disagreement(one, other)
        if not (difference or report.retained):
            difference = disagreement(report.result, one)
        if difference:
            kernel.abort(ReplayDivergence(self._blame(report, difference)))
        elif report.retained:
            task = kernel.current
            assert task is not None
            difference = disagreement(report.result, one)
            kernel.records.append(
                PassChecked(kernel.turn, kernel.now_ms, task.name, run_id, len(log), difference)
            )

    def _blame(self, report: PassReport, difference: str) -> str:
        run, name = self._labels.run(report.identity.run_id), report.identity.workflow_name
        return (
            f"workflow {name} of {run} does not depend on its log alone: over the same "
            f"{len(report.log)} events {difference}; a workflow body may not read the host's clock "
            "(use now_ms), ambient randomness (use random or uuid) or anything that other passes "
            "change"
        )

    def chunk_written(self, run_id: str, stream: str, chunk: bytes) -> None:
        """See ``ports.RunLog``."""
        kernel, task = self._kernel, self._kernel.current
        assert task is not None
        kernel.records.append(
            ChunkWritten(kernel.turn, kernel.now_ms, task.name, run_id, stream, task.body, chunk)
        )

    def client_called(self, call: ClientCalled, phase: str) -> None:
        """See ``ports.RunLog``."""
        kernel, task = self._kernel, self._kernel.current
        assert task is not None
        kernel.records.append(
            ClientCall(
                kernel.turn,
                kernel.now_ms,
                task.name,
                call.number,
                phase,
                call.verb,
                call.run_id,
                call.target,
                call.payload,
                call.start,
            )
        )

    def note(self, run_id: str, message: str, **fields: object) -> None:
        """See ``ports.RunLog``."""
        kernel, labels = self._kernel, self._labels
        if kernel.trace is None:
            return
        told = {
            key: labels.reworded(value) if isinstance(value, str) else value
            for key, value in fields.items()
        }
        task = kernel.current.name if kernel.current is not None else ""
        run = labels.run(run_id)
        kernel.notes.append(RunLogLine(kernel.turn, kernel.now_ms, run, task, message, told))
        kernel.remark(message)


def _drawn(seed: int, length: int, retained: bool) -> bool:
    one_in = _ONE_IN_RETAINED + length // _LONG if retained else _ONE_IN
    return ((seed ^ length) * _MIX >> 32) % one_in == 0
