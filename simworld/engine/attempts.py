"""The retry guards: is a step's budget used up, before its body runs and after it failed?

The two places are called L198 and L469 after the lines of the reviewed source (spec §3.7).  The
table of decisions §2 says which guard is right where; no guard that only counts starts can be.
"""

from __future__ import annotations

from typing import NamedTuple

from simworld.engine.lifecycle import StepRow
from simworld.engine.policy import AttemptGuard, EnginePolicy, InlineGate
from simworld.marks import reached

EXHAUSTED = "exhausted"
INTERRUPTED = "interrupted"

_ADMIT = {
    AttemptGuard.G4: "not_running",
    AttemptGuard.G5: "lease_free",
    AttemptGuard.G8: "lease_free",
}


class StartedBy(NamedTuple):
    """The delivery that starts a step."""

    message_id: str
    receipt: str
    """Unique per delivery."""
    delivery: int
    """Delivery number of the message, from 1."""


def start_condition(policy: EnginePolicy) -> str:
    """Under which condition the world is to accept a start (``StepStarted.admit``)."""
    return _ADMIT.get(policy.attempt_guard, "always")


def start_owner(policy: EnginePolicy, by: StartedBy, *, inline: bool) -> str:
    """The owner stamped on a start; empty where the variant stamps none.

    ``inline``: the step runs between two passes of its delivery, not on a step message.
    """
    if policy.attempt_guard is AttemptGuard.G8:
        return by.receipt
    if policy.attempt_guard is AttemptGuard.G5:
        return by.message_id
    return by.message_id if inline and policy.inline_gate is InlineGate.OWNER_STAMP else ""


def failure_owner(policy: EnginePolicy, by: StartedBy) -> str:
    """The owner a failure speaks for: only where leases decide who answers for the step."""
    if start_condition(policy) != "lease_free":
        return ""
    return start_owner(policy, by, inline=False)


def authoritative_attempt(policy: EnginePolicy, row: StepRow, by: StartedBy) -> int:
    """The attempt that guards and body go by."""
    guard = policy.attempt_guard
    if guard is AttemptGuard.G6:
        return max(by.delivery, row.attempt)
    if guard is AttemptGuard.G7:
        own = sum(1 for owner in row.starts if owner in ("", by.message_id))
        return max(own, row.retries + 1)  # a failure of another owner's start is spent, too
    return row.attempt


def before_body(policy: EnginePolicy, row: StepRow, by: StartedBy, max_retries: int) -> str:
    """L198: why the step fails now without running its body, or the empty text.

    ``row`` is the step as the accepted start answered it.
    """
    guard, allowed = policy.attempt_guard, max_retries + 1
    if guard is AttemptGuard.G3:
        return _fired("guard.l198_fired", EXHAUSTED if row.retries >= allowed else "")
    if guard is AttemptGuard.G8:
        crashes = row.attempt - 1 - row.retries
        if crashes >= policy.crash_budget(max_retries):
            return _fired("guard.interrupted", INTERRUPTED)
        return _fired("guard.l198_fired", EXHAUSTED if row.retries >= allowed else "")
    over = authoritative_attempt(policy, row, by) > allowed
    if guard in (AttemptGuard.G0, AttemptGuard.G6, AttemptGuard.G7):
        return _fired("guard.l198_fired", EXHAUSTED if over else "")
    return _fired("guard.l198_fired", EXHAUSTED if over and row.error else "")


def after_error(policy: EnginePolicy, row: StepRow, by: StartedBy, max_retries: int) -> bool:
    """L469: whether the failure of the body started as ``row`` is the last one."""
    guard, allowed = policy.attempt_guard, max_retries + 1
    if guard in (AttemptGuard.G3, AttemptGuard.G8):
        final = row.retries + 1 >= allowed
    else:
        final = authoritative_attempt(policy, row, by) >= allowed
        if guard is AttemptGuard.G2:
            final = final and bool(row.error)
    if final:
        reached("guard.l469_fired")
    return final


def _fired(mark: str, why: str) -> str:
    if why:
        reached(mark)
    return why
