"""Laws of liveness: runs end in time (L-02), waits too (L-03), and no pool is held for ever by
those who wait for a worker (L-09).  Whether a run ends at all is L-01, in ``stuck``.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.check.law import (
    DEADLOCK_MS,
    EPSILON_MS,
    SLACK_MS,
    Context,
    Law,
    at,
    calm_ms,
    run_label,
)
from simworld.engine import (
    TERMINAL_RUN_EVENTS,
    Event,
    HookReceived,
    RunStatus,
    StepRetrying,
    WaitCreated,
)
from simworld.records import Anomaly, BodyBegan, BodyEnded, Final

# --- L-02: runs end in time -----------------------------------------------------------------------


LEASES_MAX = 2
"""Leases of the dead that may run out one after the other: those before the last fault began then,
so one would do."""


class _Bodies:
    """How long bodies take where nobody has planned it: a foreign engine's take what they take."""

    __slots__ = ("begun", "context", "longest_ms")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.begun: dict[tuple[str, str, int], int] = {}
        self.longest_ms = context.durations_max_ms


def _l02_began(state: _Bodies, record: BodyBegan) -> None:
    if state.context.foreign:
        state.begun[record.run_id, record.step, record.number] = record.now_ms


def _l02_ended(state: _Bodies, record: BodyEnded) -> None:
    begun_ms = state.begun.get((record.run_id, record.step, record.number))
    if begun_ms is not None:
        state.longest_ms = max(state.longest_ms, record.now_ms - begun_ms)


def _bound_ms(state: _Bodies, final: Final) -> int:
    """All that may lawfully follow the last fault, if every step of every run spends both budgets
    in turn, and every wait and every retry its time: a run may be waiting for another one."""
    context = state.context
    each_ms = state.longest_ms + context.redelivery_ms + EPSILON_MS
    tries_ms = max(1, len(final.steps)) * context.tries_max * each_ms
    waits_ms = sum(_wait_ms(event) for log in final.logs.values() for event in log)
    leases_ms = LEASES_MAX * context.lease_ms if context.exclusive_bodies else 0
    return tries_ms + waits_ms + leases_ms + SLACK_MS


def _wait_ms(event: Event) -> int:
    """How long a run has to wait by this event."""
    fact = event.fact
    if isinstance(fact, WaitCreated):
        return max(0, fact.resume_at_ms - event.created_at_ms) + EPSILON_MS
    if isinstance(fact, StepRetrying):
        return max(0, fact.retry_after_ms - event.created_at_ms)
    return 0


def _l02_end(state: _Bodies, final: Final) -> list[Anomaly]:
    slow = [
        run
        for run in final.runs.values()
        if run.status in (RunStatus.COMPLETED, RunStatus.FAILED)
        and run.completed_at_ms - run.created_at_ms > SLACK_MS
    ]
    if not slow:
        return []
    payloads_ms = [
        event.created_at_ms
        for log in final.logs.values()
        for event in log
        if isinstance(event.fact, HookReceived)
    ]
    since_ms, bound_ms = max(final.last_fault_ms, *payloads_ms, -1), _bound_ms(state, final)
    found: list[Anomaly] = []
    for run in slow:
        took_ms = run.completed_at_ms - max(since_ms, run.created_at_ms)
        if took_ms > bound_ms:
            message = (
                f"the run ended {took_ms} ms after the last fault or payload, or its creation; "
                f"{bound_ms} ms would do for everything that is allowed to happen"
            )
            found.append(
                Anomaly("L-02", "late-end", message, run_label(final, run.run_id), final.turn)
            )
    return found


L_02 = Law(
    id="L-02",
    title="After the last fault or payload every run ends within a bound of virtual time.",
    on={BodyBegan: _l02_began, BodyEnded: _l02_ended},
    start=_Bodies,
    end=_l02_end,
)

# --- L-03: waits end in time ----------------------------------------------------------------------


def _l03_end(context: Context, final: Final) -> list[Anomaly]:
    calm = calm_ms(context, final)
    found: list[Anomaly] = []
    for log in final.logs.values():
        for wait, until_ms in _ends(log, final.now_ms):
            assert isinstance(wait.fact, WaitCreated)
            due_ms = max(wait.fact.resume_at_ms, calm)
            late_ms = until_ms - due_ms
            if late_ms <= EPSILON_MS + SLACK_MS + context.clocks_off_ms:
                continue
            label = final.labels.get(wait.correlation_id, wait.correlation_id)
            message = (
                f"{label} was open for {late_ms} ms after it was due, or after the last fault; "
                f"{EPSILON_MS + SLACK_MS} ms would do"
            )
            found.append(Anomaly("L-03", "late-wait", message, at(label), final.turn))
    return found


def _ends(log: Sequence[Event], now_ms: int) -> list[tuple[Event, int]]:
    """Each wait_created of a log, and how long its wait was open while the run was."""
    waits: dict[str, tuple[Event, int]] = {}
    end_ms = now_ms
    for event in log:
        if event.type in TERMINAL_RUN_EVENTS:
            end_ms = event.created_at_ms
            break
        if isinstance(event.fact, WaitCreated):
            waits.setdefault(event.correlation_id, (event, -1))
        elif event.correlation_id in waits:
            waits[event.correlation_id] = (waits[event.correlation_id][0], event.created_at_ms)
    return [(wait, end_ms if until_ms < 0 else until_ms) for wait, until_ms in waits.values()]


L_03 = Law(
    id="L-03",
    title="A wait is completed soon after the time it recorded, unless its run has ended.",
    end=_l03_end,
)

# --- L-09: the pool makes progress ----------------------------------------------------------------


def _l09_end(context: Context, final: Final) -> list[Anomaly]:
    if not final.workers_busy or not final.workers_wanted:
        return []
    ends = [log[-1].created_at_ms for log in final.logs.values() if log]
    last_ms = max(ends, default=final.now_ms)
    # A long body holds its worker for a while, and so does who waits for the lease of a dead one.
    free_ms = max(last_ms + context.durations_max_ms, calm_ms(context, final))
    if final.now_ms - free_ms < DEADLOCK_MS:
        return []
    idle_ms = final.now_ms - last_ms
    message = (
        f"nothing has been recorded for {idle_ms} ms: all {len(final.workers_busy)} workers are "
        f"held ({'; '.join(final.workers_busy)}), and {len(final.workers_wanted)} deliveries wait "
        "for one"
    )
    return [Anomaly("L-09", "pool-deadlock", message, at(""), final.turn)]


L_09 = Law(
    id="L-09",
    title="A pool of workers makes progress: it is never held by those who wait for a worker.",
    end=_l09_end,
)
