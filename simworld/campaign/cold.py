"""Cold replays of a trial: passes from scratch over its logs, when everything is over.

Several laws ask for them; each is made once.  Every prefix of a short log is replayed in a share of
the trials only, which the seed of a trial's pass checks decides, because that costs as much as the
trial itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.engine import (
    Delivery,
    EnginePolicy,
    Event,
    PassResult,
    Program,
    RunIdentity,
    SleepClock,
    run_pass,
)
from simworld.records import Final

PREFIX_EVENTS_MAX = 24
"""Longer logs are not replayed from their prefixes."""
PREFIXES_ONE_IN = 16
"""How many trials there are for every one whose prefixes are replayed."""


class ColdReplays:
    """``check.ColdReplay`` over the logs of one trial."""

    def __init__(self, program: Program, policy: EnginePolicy, final: Final) -> None:
        self._program = program
        self._policy = policy
        self._final = final
        self._made: dict[tuple[str, int], PassResult] = {}
        """By run id and length of the prefix."""

    def __call__(self, run_id: str, log: Sequence[Event]) -> PassResult:
        """One pass from scratch over a prefix of a log of this trial."""
        key = (run_id, len(log))
        result = self._made.get(key)
        if result is None:
            run, final = self._final.runs[run_id], self._final
            identity = RunIdentity(run_id, run.workflow_name, run.started_at_ms, run.created_at_ms)
            result = run_pass(self._program, identity, log, self._policy, final.now_ms)
            self._made[key] = result
        return result


def prefix_events_max(policy: EnginePolicy, checks: int | None) -> int:
    """How long a log may be to be replayed from each of its prefixes; 0: none is, in this trial.

    ``checks``: the seed of the trial's pass checks.
    """
    if checks is None or not promises_prefixes(policy) or checks % PREFIXES_ONE_IN:
        return 0
    return PREFIX_EVENTS_MAX


def promises_prefixes(policy: EnginePolicy) -> bool:
    """Whether a pass over a log asks for all that one over a beginning of it has asked for."""
    return policy.delivery is Delivery.D4 and policy.sleep_clock is SleepClock.WORKFLOW
