"""Laws of liveness: runs end (L-01) and in time (L-02), waits too (L-03), and no pool is held for
ever by those who wait for a worker (L-09).

L-01 is judged at quiescence only: a trial that is not drained has not shown it.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.check.law import DEADLOCK_MS, EPSILON_MS, SLACK_MS, Context, Law, at, run_label
from simworld.engine import (
    RUN_TERMINAL,
    STEP_TERMINAL,
    TERMINAL_RUN_EVENTS,
    Event,
    HookReceived,
    HookStatus,
    RunStatus,
    WaitCreated,
    WaitStatus,
)
from simworld.records import Anomaly, Final

# --- L-01: nothing is stuck -----------------------------------------------------------------------


def _stuck(final: Final, run_id: str) -> list[tuple[str, str]]:
    """(label, state) of all steps and waits of the run that are open."""
    steps = [
        (final.labels.get(key[1], key[1]), str(row.status))
        for key, row in final.steps.items()
        if key[0] == run_id and row.status not in STEP_TERMINAL
    ]
    waits = [
        (final.labels.get(key[1], key[1]), str(row.status))
        for key, row in final.waits.items()
        if key[0] == run_id and row.status == WaitStatus.WAITING
    ]
    return steps + waits


def _tokens(final: Final, run_id: str) -> list[str]:
    """Tokens of the run's hooks that may still be resumed from outside."""
    return [
        row.token
        for key, row in final.hooks.items()
        if key[0] == run_id and row.status == HookStatus.LIVE and not row.is_system
    ]


def waits_of(final: Final) -> list[str]:
    """What each run that has not ended waits for, a sentence each."""
    found: list[str] = []
    for run_id, run in final.runs.items():
        if run.status in RUN_TERMINAL:
            continue
        waits = [f"{label}, which is {status}" for label, status in _stuck(final, run_id)]
        waits += [f"a payload for the hook {token!r}" for token in _tokens(final, run_id)]
        told = " and ".join(waits) or "nothing that is recorded"
        found.append(f"{run_label(final, run_id)} waits for {told}")
    return found


def _l01_end(context: Context, final: Final) -> list[Anomaly]:
    if not final.drained:
        return []
    found: list[Anomaly] = []
    for run_id, run in final.runs.items():
        if run.status in RUN_TERMINAL:
            continue
        stuck = _stuck(final, run_id)
        if not stuck and _tokens(final, run_id):
            continue  # it waits for the world outside, and only for that
        open_ones = ", ".join(f"{label} is {status}" for label, status in stuck)
        message = (
            f"the run is {run.status} for ever: {open_ones or 'all its steps have ended'}, "
            f"and no message, timer or handler is left"
        )
        if final.waiting:
            message += f"; waiting: {'; '.join(final.waiting)}"
        place = at(stuck[0][0] if stuck else "", run_label(final, run_id))
        found.append(Anomaly("L-01", "stuck-run", message, place, final.turn))
    return found


L_01 = Law(
    id="L-01",
    title="At quiescence every run has ended, or waits for nothing but a hook that lives.",
    end=_l01_end,
)

# --- L-02: runs end in time -----------------------------------------------------------------------


def _again_ms(context: Context) -> int:
    """How long a lost delivery may lawfully keep everybody waiting."""
    if context.exclusive_bodies:
        return max(context.redelivery_ms, context.lease_ms)
    return context.redelivery_ms


def _bound_ms(context: Context, final: Final) -> int:
    """All that may lawfully follow the last fault, if every step of every run spends both budgets
    in turn, and every wait its time: a run may be waiting for another one."""
    each_ms = context.durations_max_ms + _again_ms(context) + EPSILON_MS
    sleeps_ms = sum(
        max(0, event.fact.resume_at_ms - event.created_at_ms) + EPSILON_MS
        for log in final.logs.values()
        for event in log
        if isinstance(event.fact, WaitCreated)
    )
    return max(1, len(final.steps)) * context.tries_max * each_ms + sleeps_ms + SLACK_MS


def _l02_end(context: Context, final: Final) -> list[Anomaly]:
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
    since_ms, bound_ms = max(final.last_fault_ms, *payloads_ms, -1), _bound_ms(context, final)
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
    end=_l02_end,
)

# --- L-03: waits end in time ----------------------------------------------------------------------


def _l03_end(context: Context, final: Final) -> list[Anomaly]:
    calm_ms = final.last_fault_ms
    if calm_ms >= 0:
        calm_ms += _again_ms(context)
    found: list[Anomaly] = []
    for log in final.logs.values():
        for wait, until_ms in _ends(log, final.now_ms):
            assert isinstance(wait.fact, WaitCreated)
            due_ms = max(wait.fact.resume_at_ms, calm_ms)
            late_ms = until_ms - due_ms
            if late_ms <= EPSILON_MS + SLACK_MS:
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
    last = [log[-1].created_at_ms for log in final.logs.values() if log]
    idle_ms = final.now_ms - max(last, default=final.now_ms)
    if idle_ms < DEADLOCK_MS:
        return []
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
