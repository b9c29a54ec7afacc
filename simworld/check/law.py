"""What a law is: a fold over the records of a trial, and the promises it is judged against.

A law starts a state of its own, is shown the records it listens to in order, and is shown the final
state.  Nothing else reaches it, so the same records always give the same anomalies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, get_args

import attrs
import msgspec

from simworld.engine import (
    Event,
    Fact,
    HookFact,
    PassResult,
    RunFact,
    StepFact,
    WaitFact,
    error_of,
    value_of,
)
from simworld.records import Anomaly, Committed, Fault, Final, Record

EPSILON_MS = 1_000
"""Grain of the field's clocks: retries and timeouts are whole seconds, so each may add one."""
SLACK_MS = 5_000
"""What a run may take beyond all that can be counted."""

DEADLOCK_MS = 60_000
"""A full pool without an event for so long will never have one again: who holds it only polls."""

CLOCK_FAULTS = ("clock_ahead", "clock_behind", "clock_jump")
"""Kinds of faults whose values say by how many ms a host's clock is wrong."""
DELIVERIES_MAX = 60
"""Deliveries of a run in a virtual minute that bring about no event: once a second is a storm."""

TIMELESS = ("slow_host", "clock_ahead", "clock_behind", "clock_jump", "scarce_workers")
"""Faults that make whoever they strike late, or early, for as long as they last."""

USER = "USER_ERROR"
CODES = (
    USER,
    "RUNTIME_ERROR",
    "MAX_DELIVERIES_EXCEEDED",
    "REPLAY_TIMEOUT",
    "CORRUPTED_EVENT_LOG",
    "REPLAY_DIVERGENCE",
    "MAX_EVENTS_EXCEEDED",
    "STREAM_ERROR",
    "WORLD_CONTRACT_ERROR",
    "DEPLOYMENT_MISMATCH",
)
"""All there are (spec §1.6)."""

MAIN_RUN = "run"
"""Label of the first run, which stands for every run that has none."""


def _types(facts: Any) -> tuple[str, ...]:
    return tuple(each.type for each in get_args(facts))


RUN_EVENTS = _types(RunFact)
STEP_EVENTS = _types(StepFact)
HOOK_EVENTS = _types(HookFact)
WAIT_EVENTS = _types(WaitFact)
EVENTS = _types(Fact)
"""Types of the events about a run, a step, a hook, a wait; and all of them."""

Oracle = Callable[[Sequence[Event]], object]
"""The final log of a completed run → the output it must have; what it raises is not caught."""

ColdReplay = Callable[[str, Sequence[Event]], PassResult]
"""(run id, its log without the terminal event and what follows) → one pass from scratch."""


@attrs.frozen(kw_only=True)
class Cost:
    """What one run may cost (I-27); None: not judged."""

    messages_max: int | None = None
    """Messages that a queue accepted."""
    deliveries_max: int | None = None
    events_max: int | None = None
    rows_max: int | None = None
    """Events that reads of the log have answered."""
    replayed_max: int | None = None
    """Events that passes have gone through; a retained pass goes through what is new to it."""


@attrs.frozen(kw_only=True)
class Context:
    """What the variant promises and what the trial was up against."""

    max_retries: int = 3
    """Of every step that ``budgets`` does not name: it may run max_retries + 1 times."""
    crashes_max: int = 4
    """Starts of such a step that may end without a result before it is given up."""
    budgets: Mapping[str, tuple[int, int]] = {}
    """Name of a step → its own max_retries and crashes_max."""
    exclusive_bodies: bool = False
    """The variant promises I-14."""
    failures: tuple[tuple[str, int], ...] = ()
    """Planned flakes, as in ``Workload``."""
    faults: tuple[Fault, ...] = ()
    """The faults that fired."""
    durations_max_ms: int = 0
    """The longest body."""
    lease_ms: int = 0
    redelivery_ms: int = 0
    may_fail: bool = False
    """The workflow or its bodies may fail by themselves, without a planned flake."""
    attempt_is_start: bool = False
    """Bodies are told the number of their own start as their attempt (I-11)."""
    oracle: Oracle | None = None
    """None: the scenario does not say what its runs return."""
    workflow: str = ""
    """The oracle speaks of runs of this workflow; empty: of every run."""
    minted: bool = False
    """Positions are minted before events are visible: commits may differ from the log's order."""
    may_diverge: bool = False
    """The workflow is not deterministic, or its log is tampered with (I-17)."""
    cold_replay: ColdReplay | None = None
    """None: nobody can replay a run (I-16)."""
    prefix_events_max: int = 0
    """Logs that are no longer are replayed from each of their prefixes, too (I-16); 0: none is."""
    one_instant: bool = True
    """Passes are held to one end of a sleep (I-06); by hosts' clocks each has its own (R-44)."""
    cost: Cost | None = None
    foreign: bool = False
    """The engine tells nothing of its passes, and counts every start as a try."""
    deliveries_max: int = DELIVERIES_MAX
    """Of one run in a minute, beyond the events that it records meanwhile (L-07)."""

    def budget_of(self, label: str) -> tuple[int, int]:
        """max_retries and crashes_max of the step with this label."""
        own = self.budgets.get(label.rpartition("#")[0])
        return own if own is not None else (self.max_retries, self.crashes_max)

    @property
    def clocks_off_ms(self) -> int:
        """How far two clocks may have differed at most, by the faults that fired."""
        return sum(fault.value for fault in self.faults if fault.kind in CLOCK_FAULTS)

    @property
    def tries_max(self) -> int:
        """How often any step may begin, over both budgets."""
        budgets = self.budgets.values() or ((self.max_retries, self.crashes_max),)
        return max(retries + 1 + crashes for retries, crashes in budgets)


def again_ms(context: Context) -> int:
    """How long a lost delivery may lawfully keep everybody waiting."""
    if context.exclusive_bodies:
        return max(context.redelivery_ms, context.lease_ms)
    return context.redelivery_ms


def calm_ms(context: Context, final: Final) -> int:
    """The time from which nobody is late any more for the sake of a fault; -1: from the start."""
    return final.last_fault_ms + again_ms(context) if final.last_fault_ms >= 0 else -1


def timeless(context: Context) -> bool:
    """Whether the trial had faults after which nobody is held to a time (decisions §4.7)."""
    return any(fault.kind in TIMELESS for fault in context.faults)


def _done(state: Any, final: Final) -> list[Anomaly]:
    return []


def _keep(context: Context) -> Any:
    return context


Step: TypeAlias = Callable[[Any, Any], Anomaly | None]
"""(state, record) → what the record has broken; it may change the state."""


@attrs.frozen(eq=False, kw_only=True)
class Law:
    """One law of spec §7, as a fold; compared by identity.

    ``start(context)`` gives a fresh state, ``step(state, record)`` moves it on, ``end(state,
    final)`` judges what only the end can show.
    """

    id: str
    title: str
    on: Mapping[type | str, Step] = attrs.Factory(dict)
    """What it listens to: a record class, or the type of a committed event; Committed itself
    stands for the events that are not named."""
    start: Callable[[Context], Any] = _keep
    end: Callable[[Any, Final], list[Anomaly]] = _done

    @property
    def kinds(self) -> tuple[type, ...]:
        """The record classes it listens to."""
        kinds = [Committed if isinstance(key, str) else key for key in self.on]
        return tuple(dict.fromkeys(kinds))

    def listener(self, kind: type, event: str = "") -> Step | None:
        """What it does on such a record, and for Committed on such an event."""
        if event and event in self.on:
            return self.on[event]
        return self.on.get(kind)

    def step(self, state: Any, record: Record) -> Anomaly | None:
        """One step of the fold, for those who watch a single law; ``judge`` goes by tables."""
        event = record.event.type if isinstance(record, Committed) else ""
        listener = self.listener(type(record), event)
        return listener(state, record) if listener is not None else None


def at(step: str, run: str = MAIN_RUN) -> str:
    """The place of an anomaly: a step of the run, or with an empty label the run itself."""
    return f"{run}/{step}" if step else run


def run_label(final: Final, run_id: str) -> str:
    """The run's label; where nobody has given it one, that of the first run."""
    return final.labels.get(run_id, MAIN_RUN)


def read_error(data: bytes) -> dict[str, str]:
    """The fields of a recorded error; all empty when the bytes are not one."""
    fields = {"kind": "", "message": "", "name": ""}
    try:
        found = error_of(data)
    except (msgspec.MsgspecError, ValueError):
        return fields
    return {**fields, **found} if isinstance(found, dict) else fields


def read_output(data: bytes) -> tuple[bool, object]:
    """Whether the bytes are a payload, and its value."""
    try:
        return True, value_of(data)
    except (msgspec.MsgspecError, ValueError):
        return False, None
