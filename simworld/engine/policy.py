"""The engine's knobs (spec §6.2, decisions §5.7); worlds and queues have theirs in records.

Every value is named after the spec; ``EnginePolicy()`` is the pull request as merged.
"""

from __future__ import annotations

import enum
from typing import TypeVar

import attrs

from simworld.errors import UsageError, unknown_name


class AttemptGuard(enum.StrEnum):
    """Who decides that a step's retries are used up (spec §3.7, decisions §2)."""

    G0 = "G0"
    """Attempt number alone (V1)."""
    G1 = "G1"
    """Before the body: attempt and a recorded error; after an error: attempt (as merged)."""
    G2 = "G2"
    """Attempt and a recorded error in both places (the review's mirror)."""
    G3 = "G3"
    """Number of recorded failures in both places."""
    G4 = "G4"
    """G1, and the world refuses a start while one is running."""
    G5 = "G5"
    """G4 with a lease; the same message may start again.  Owned recovery of an inline step (spec
    §3.10) comes with stamps: until then its step message waits for the lease to end."""
    G6 = "G6"
    """The larger of delivery number and attempt."""
    G7 = "G7"
    """Starts of the same owner, and unstamped ones."""
    G8 = "G8"
    """One delivery owns a start under a lease; failures and crashes have a budget each."""


class BackgroundAfter(enum.StrEnum):
    """What a background step message does once its step has a result (spec §3.5)."""

    LAST_COMPLETER = "last_completer"
    """Replay here if no other step is pending, else end silently (as merged)."""
    ALWAYS_CONTINUE = "always_continue"
    """Queue a flow message, every time (draft)."""


class Delivery(enum.StrEnum):
    """In which order results reach the workflow's code (spec §5.3)."""

    D0 = "D0"
    """Consumption runs ahead; hops and hydration decide (as merged)."""
    D4 = "D4"
    """One result at a time, in log order, each run to quiescence."""


class LoopErrors(enum.StrEnum):
    """A world fault inside the replay loop (R-14)."""

    FAIL_RUN = "fail_run"
    RETHROW = "rethrow"


class CompleteErrors(enum.StrEnum):
    """A world fault while step_completed is written (R-15)."""

    USER = "user"
    """Treated as if the body had failed (as merged)."""
    RETHROW = "rethrow"


class StatusCheck(enum.StrEnum):
    """Which run status lets a step message go on (R-24)."""

    EQ_RUNNING = "eq_running"
    NOT_TERMINAL = "not_terminal"


E = TypeVar("E", bound=enum.StrEnum)


def one_of(default: E) -> E:
    """A knob that is one value of an enum; texts are converted, ``UsageError`` for others."""
    kind = type(default)

    def convert(value: str) -> E:
        values = [each.value for each in kind]
        if value not in values:
            raise unknown_name(f"value of {kind.__name__}", str(value), values)
        return kind(value)

    return attrs.field(default=default, converter=convert)


KNOB_MAX = 10**12
"""No knob is larger: milliseconds beyond this are no time anybody waits."""


def at_least(least: int, default: int) -> int:
    """A knob that is a whole number from ``least`` to ``KNOB_MAX``; ``UsageError`` outside."""

    def check(_: object, field: attrs.Attribute[int], value: int) -> None:
        if not isinstance(value, int) or not least <= value <= KNOB_MAX:
            raise UsageError(
                f"knob {field.name} takes a whole number of at least {least} and at most "
                f"{KNOB_MAX}, not {value!r}"
            )

    return attrs.field(default=default, validator=check)


@attrs.frozen
class EnginePolicy:
    """All knobs of the engine; durations are virtual milliseconds."""

    attempt_guard: AttemptGuard = one_of(AttemptGuard.G1)
    bg_after: BackgroundAfter = one_of(BackgroundAfter.LAST_COMPLETER)
    delivery: Delivery = one_of(Delivery.D0)
    loop_errors: LoopErrors = one_of(LoopErrors.FAIL_RUN)
    complete_errors: CompleteErrors = one_of(CompleteErrors.USER)
    bg_status_check: StatusCheck = one_of(StatusCheck.EQ_RUNNING)
    inline_limit_ms: int = at_least(1, 120_000)
    """An invocation older than this hands over to a new message before its next pass."""
    lease_ms: int = at_least(0, 860_000)
    """How long an accepted start is its owner's (G5, G8)."""
    crashes_max: int = at_least(-1, -1)
    """Starts of a step that may end without a result (G8); −1 means max_retries + 1."""
    deliveries_max: int = at_least(0, 48)
    """A message delivered more often fails its run."""

    def crash_budget(self, max_retries: int) -> int:
        """``crashes_max`` with its default filled in."""
        return max_retries + 1 if self.crashes_max < 0 else self.crashes_max
