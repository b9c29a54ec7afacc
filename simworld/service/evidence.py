"""What a real world holds, as records: so that the laws of the simulator judge it, too.

Nobody has watched the workers, so what can be judged is what is durable: logs, rows and streams.
The rows right after each event are folded from the log; those the world itself holds are judged at
the end.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

import attrs

from simworld.check import Context, judge, laws_named
from simworld.engine import (
    RUN_TERMINAL,
    EnginePolicy,
    Event,
    Fact,
    Failed,
    HookFact,
    HookRow,
    PassResult,
    Program,
    RunFact,
    RunIdentity,
    RunRow,
    RunStatus,
    StepFact,
    StepRow,
    WaitFact,
    WaitRow,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
    run_pass,
)
from simworld.errors import UsageError, WorldError
from simworld.records import Anomaly, Committed, Final
from simworld.worlds import WorldState

R = TypeVar("R", RunRow, StepRow, HookRow, WaitRow)

LAWS = (
    *("I-01", "I-02", "I-03", "I-04", "I-05", "I-06", "I-07", "I-08", "I-09", "I-10", "I-11"),
    *("I-16", "I-17", "I-18", "I-21", "I-26", "L-01"),
)
"""Those that need nothing but what is durable."""


class _Fold:
    """One run's rows, as far as its log has been read."""

    def __init__(self, run_id: str, row: RunRow | None) -> None:
        """``row``: the world's own, for a log that does not begin as it should."""
        self._run_id = run_id
        self._row = row or RunRow(run_id, RunStatus.PENDING, "", b"", 0, 0)
        self._run: RunRow | None = None
        self._steps: dict[str, StepRow] = {}
        self._hooks: dict[str, HookRow] = {}
        self._waits: dict[str, WaitRow] = {}

    def after(self, event: Event, turn: int, label: str) -> Committed:
        """The event with the rows right after it."""
        run_id, key, fact = self._run_id, event.correlation_id, event.fact
        now_ms = event.created_at_ms
        step = hook = wait = None
        if isinstance(fact, RunFact):
            self._run = _next(apply_run, self._run, run_id, fact, now_ms)
        elif isinstance(fact, StepFact):
            step = _next(apply_step, self._steps.get(key), run_id, fact, now_ms)
            if step is not None:
                self._steps[key] = step
        elif isinstance(fact, HookFact):
            hook = _next(apply_hook, self._hooks.get(key), run_id, fact, now_ms)
            if hook is not None:
                self._hooks[key] = hook
        elif isinstance(fact, WaitFact):
            wait = _next(apply_wait, self._waits.get(key), run_id, fact, now_ms)
            if wait is not None:
                self._waits[key] = wait
        run = self._run or self._row
        return Committed(turn, now_ms, "", event, label, run, step, hook, wait)


def _next(
    apply: Callable[..., R | None], row: R | None, run_id: str, fact: Fact, now_ms: int
) -> R | None:
    """The next row; for an event that should not be here the row as it was: the laws tell."""
    try:
        return apply(row, run_id, fact, now_ms) or row
    except (WorldError, AssertionError):
        return row


def labels_of(state: WorldState) -> dict[str, str]:
    """Run id → itself; correlation id → ``double#2``, ``hook#1``, ``sleep#1``, in log order."""
    labels: dict[str, str] = {}
    for run_id, log in state.logs.items():
        labels[run_id] = run_id
        seen: Counter[str] = Counter()
        for event in log:
            if event.correlation_id and event.correlation_id not in labels:
                kind = event.type.partition("_")[0]
                name = getattr(event.fact, "step_name", "") or {"wait": "sleep"}.get(kind, kind)
                seen[name] += 1
                labels[event.correlation_id] = f"{name}#{seen[name]}"
    return labels


def committed(state: WorldState, labels: Mapping[str, str]) -> list[Committed]:
    """Every event with the rows it leaves: those of a run in the order of its log.

    Of several runs the clocks of their writers decide.
    """
    folds = {run_id: _Fold(run_id, state.runs.get(run_id)) for run_id in state.logs}
    merged = heapq.merge(*state.logs.values(), key=attrgetter("created_at_ms"))
    return [
        folds[event.run_id].after(event, turn, labels.get(event.correlation_id, ""))
        for turn, event in enumerate(merged, 1)
    ]


def final_of(state: WorldState, labels: Mapping[str, str], turn: int, now_ms: int) -> Final:
    """The world as it is at the end."""
    return Final(
        turn,
        now_ms,
        True,
        state.runs,
        state.steps,
        state.logs,
        labels,
        (),
        -1,
        state.hooks,
        state.waits,
        {key: (tuple(each.chunks), each.closed) for key, each in state.streams.items()},
    )


def judged(
    state: WorldState,
    program: Program,
    policy: EnginePolicy,
    context: Context,
    now_ms: int,
) -> list[Anomaly]:
    """What a world that has come to rest has broken; ``context`` says what it has promised."""

    def cold_replay(run_id: str, log: Sequence[Event]) -> PassResult:
        run = state.runs[run_id]
        identity = RunIdentity(run_id, run.workflow_name, run.started_at_ms, run.created_at_ms)
        try:
            return run_pass(program, identity, log, policy, now_ms)
        except UsageError as error:  # the log does not even begin as it should
            return PassResult(Failed(error), ())

    labels = labels_of(state)
    records = committed(state, labels)
    final = final_of(state, labels, len(records), now_ms)
    promises = attrs.evolve(context, cold_replay=cold_replay)
    return judge(laws_named(LAWS), promises, records, final)


def unended(state: WorldState) -> list[str]:
    """The runs that have not ended."""
    return [run_id for run_id, row in state.runs.items() if row.status not in RUN_TERMINAL]
