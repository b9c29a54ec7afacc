"""Laws of liveness, judged at quiescence: every run ends (L-01), and in time (L-02).

A trial that is not drained has shown neither; its verdict is UNKNOWN.
"""

from __future__ import annotations

from simworld.check.law import EPSILON_MS, SLACK_MS, Context, Law, at
from simworld.engine import RUN_TERMINAL, STEP_TERMINAL
from simworld.records import Anomaly, Final

# --- L-01: nothing is stuck -----------------------------------------------------------------------


def _l01_end(context: Context, final: Final) -> list[Anomaly]:
    if not final.drained:
        return []
    found: list[Anomaly] = []
    for run_id, run in final.runs.items():
        if run.status in RUN_TERMINAL:
            continue
        stuck = [
            (final.labels.get(key[1], key[1]), row.status)
            for key, row in final.steps.items()
            if key[0] == run_id and row.status not in STEP_TERMINAL
        ]
        steps = ", ".join(f"{label} is {status}" for label, status in stuck)
        message = (
            f"the run is {run.status} for ever: {steps or 'all its steps have ended'}, "
            f"and no message, timer or handler is left"
        )
        if final.waiting:
            message += f"; waiting: {'; '.join(final.waiting)}"
        place = at(stuck[0][0] if stuck else "")
        found.append(Anomaly("L-01", "stuck-run", message, place, final.turn))
    return found


L_01 = Law(
    id="L-01",
    title="At quiescence every run has ended: none waits for something that will never come.",
    end=_l01_end,
)

# --- L-02: runs end in time -----------------------------------------------------------------------


def _bound_ms(context: Context, steps: int) -> int:
    """All that may lawfully follow the last fault, if every step spends both budgets in turn."""
    again_ms = context.redelivery_ms
    if context.exclusive_bodies:
        again_ms = max(again_ms, context.lease_ms)
    each_ms = context.durations_max_ms + again_ms + EPSILON_MS
    attempts = context.max_retries + 1 + context.crashes_max
    return max(1, steps) * attempts * each_ms + SLACK_MS


def _l02_end(context: Context, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for run_id, run in final.runs.items():
        if run.status not in RUN_TERMINAL:
            continue
        took_ms = run.completed_at_ms - max(final.last_fault_ms, run.created_at_ms)
        if took_ms <= SLACK_MS:
            continue
        bound_ms = _bound_ms(context, sum(1 for key in final.steps if key[0] == run_id))
        if took_ms > bound_ms:
            message = (
                f"the run ended {took_ms} ms after the last fault, or its creation; "
                f"{bound_ms} ms would do for everything that is allowed to happen"
            )
            found.append(Anomaly("L-02", "late-end", message, at(""), final.turn))
    return found


L_02 = Law(
    id="L-02",
    title="After the last fault every run ends within a bound of virtual time.",
    end=_l02_end,
)
