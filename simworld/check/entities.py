"""Laws of what a run makes: once (I-04), waits in time (I-06), hooks while they live (I-07).

And of the tokens of hooks, which all runs share: one live owner each (I-08).
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from simworld.check.law import HOOK_EVENTS, WAIT_EVENTS, Context, Law, at
from simworld.check.walk import walked
from simworld.engine import (
    TERMINAL_RUN_EVENTS,
    Event,
    HookConflict,
    HookCreated,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.records import Anomaly, ClientCall, Committed, Delivered, Passed

Key: TypeAlias = tuple[str, str]
"""(run id, correlation id)."""

# --- I-04: everything is created once -------------------------------------------------------------

_CREATIONS = {
    "step_created": "step",
    "step_started": "step",
    "wait_created": "wait",
    "hook_created": "hook",
    "hook_conflict": "hook",
}


def _i04_fold(
    created: dict[tuple[str, str, str], str], event: Event, label: str, turn: int
) -> Anomaly | None:
    kind = event.type
    if kind == "step_started" and not (isinstance(event.fact, StepStarted) and event.fact.input):
        return None
    key = (event.run_id, event.correlation_id, _CREATIONS[kind])
    before = created.setdefault(key, event.event_id)
    if before == event.event_id:
        return None
    message = f"{kind} of {label} at position {event.position}: it had been created already"
    return Anomaly("I-04", "created-twice", message, at(label), turn)


I_04 = walked(
    law="I-04",
    title="A step, wait or hook is created at most once; a conflict stands for a hook's creation.",
    fresh=dict,
    fold=_i04_fold,
    events=_CREATIONS,
)

# --- I-06: waits ----------------------------------------------------------------------------------


class _Wait:
    """A wait as it was recorded."""

    __slots__ = ("completed", "resume_at_ms")

    def __init__(self, resume_at_ms: int) -> None:
        self.resume_at_ms = resume_at_ms
        self.completed = False


class _Waits:
    """All waits, and who handles messages."""

    __slots__ = ("asked", "clocks_off_ms", "handlers", "of", "one_instant")

    def __init__(self, clocks_off_ms: int = 0, *, one_instant: bool = False) -> None:
        self.clocks_off_ms = clocks_off_ms
        self.one_instant = one_instant
        self.of: dict[Key, _Wait] = {}
        self.asked: dict[Key, int] = {}
        """When the sleep is to end, by the first pass that has waited for it."""
        self.handlers: dict[str, None] = {}
        """Tasks of the deliveries so far: what is none of them, nor their child, is a client."""

    def handles(self, task: str) -> bool:
        """Whether the task belongs to a delivery."""
        parts = task.split("/")
        return any("/".join(parts[: end + 1]) in self.handlers for end in range(len(parts)))


def _i06(kind: str, label: str, what: str, turn: int) -> Anomaly:
    return Anomaly("I-06", kind, f"{label}: {what}", at(label), turn)


def _i06_fold(state: _Waits, event: Event, label: str, turn: int) -> Anomaly | None:
    key, fact = (event.run_id, event.correlation_id), event.fact
    wait = state.of.get(key)
    if isinstance(fact, WaitCreated):
        if wait is None:
            state.of[key] = _Wait(fact.resume_at_ms)
        elif wait.resume_at_ms != fact.resume_at_ms:
            return _moved(wait, fact.resume_at_ms, label, turn)
        return None
    if wait is None:
        return _i06("wait-not-created", label, "it is completed and was never created", turn)
    if wait.completed:
        return _i06("wait-completed-twice", label, "it had been completed already", turn)
    wait.completed = True
    told = fact.resume_at_ms if isinstance(fact, WaitCompleted) else 0
    return _moved(wait, told, label, turn) if told not in (0, wait.resume_at_ms) else None


def _moved(wait: _Wait, told_ms: int, label: str, turn: int) -> Anomaly:
    what = f"it was to end at {wait.resume_at_ms} ms, and is now said to end at {told_ms} ms"
    return _i06("resume-at-changed", label, what, turn)


_I_06 = walked(
    law="I-06",
    title="A wait ends once, after its creation, not before its time, which never changes.",
    fresh=_Waits,
    fold=_i06_fold,
    events=WAIT_EVENTS,
)


def _i06_completed(state: _Waits, record: Committed) -> Anomaly | None:
    """In the order of commits it is known who completes a wait: a client may, at any time."""
    event, label = record.event, record.step
    anomaly = _i06_fold(state, event, label, record.turn)
    if anomaly is not None:
        return anomaly
    wait = state.of[event.run_id, event.correlation_id]
    early_ms = wait.resume_at_ms - event.created_at_ms
    if early_ms <= state.clocks_off_ms or not state.handles(record.task):
        return None
    what = f"completed {early_ms} ms before the time it recorded, and nobody woke the run"
    return _i06("wait-completed-early", label, what, record.turn)


def _i06_delivered(state: _Waits, record: Delivered) -> None:
    state.handlers[record.task] = None


def _i06_passed(state: _Waits, record: Passed) -> Anomaly | None:
    """Passes over prefixes of one log have a sleep end at one instant (R-44)."""
    if not state.one_instant or record.length != record.position:
        return None
    for wait_id, label, until_ms in record.sleeps:
        first_ms = state.asked.setdefault((record.run_id, wait_id), until_ms)
        if first_ms != until_ms:
            what = f"it is to end at {first_ms} ms in one pass and at {until_ms} ms in another"
            return _i06("instants-differ", label, what, record.turn)
    return None


def _i06_start(context: Context) -> _Waits:
    """By a clock that is ahead a wait is over early."""
    return _Waits(context.clocks_off_ms, one_instant=context.one_instant)


I_06 = attrs.evolve(
    _I_06,
    start=_i06_start,
    on={
        **_I_06.on,
        "wait_completed": _i06_completed,
        Delivered: _i06_delivered,
        Passed: _i06_passed,
    },
)

# --- I-07: hooks ----------------------------------------------------------------------------------


class _Hooks:
    """What has become of each hook and of each run."""

    __slots__ = ("ended", "of")

    def __init__(self) -> None:
        self.of: dict[Key, str] = {}
        """The last event about the hook that was not a payload."""
        self.ended: dict[str, None] = {}


_NOT_LIVE = {
    "": "there is no hook_created before it",
    "hook_conflict": "the hook never owned its token",
    "hook_disposed": "the hook had been disposed of",
}


def _i07_fold(state: _Hooks, event: Event, label: str, turn: int) -> Anomaly | None:
    kind, key = event.type, (event.run_id, event.correlation_id)
    if kind in TERMINAL_RUN_EVENTS:
        state.ended[event.run_id] = None
        return None
    before = state.of.get(key, "")
    if kind != "hook_received":
        state.of[key] = kind
        if kind != "hook_disposed":
            return None
    why = _NOT_LIVE.get(before, "")
    if kind == "hook_received" and event.run_id in state.ended:
        why = "the run had ended"
    if not why:
        return None
    name = "payload-without-live-hook" if kind == "hook_received" else "disposed-without-live-hook"
    message = f"{kind} of {label} at position {event.position}: {why}"
    return Anomaly("I-07", name, message, at(label), turn)


I_07 = walked(
    law="I-07",
    title="A hook receives between its creation and its disposal or its run's end, disposed once.",
    fresh=_Hooks,
    fold=_i07_fold,
    events=(*HOOK_EVENTS, *sorted(TERMINAL_RUN_EVENTS)),
)

# --- I-08: tokens ---------------------------------------------------------------------------------


class _Tokens:
    """Who owns what: only commits have an order across runs."""

    __slots__ = ("foreign", "hooks", "owners", "passed", "released")

    def __init__(self, context: Context) -> None:
        self.foreign = context.foreign
        self.owners: dict[str, list[Key]] = {}
        """Token → its live hooks, the eldest first."""
        self.released: dict[str, dict[Key, int]] = {}
        """Token → the hooks that have owned it, and in which turn each was let go."""
        self.passed: dict[str, int] = {}
        """Task → the turn of its last pass: what it asks for, it asks for after that; the turn of
        its delivery where nothing is told of passes."""
        self.hooks: dict[str, dict[Key, str]] = {}
        """Run id → its live hooks and their tokens."""

    def release(self, key: Key, turn: int) -> None:
        """The hook lives no more."""
        token = self.hooks.get(key[0], {}).pop(key, None)
        if token is not None:
            self.owners[token].remove(key)
            self.released.setdefault(token, {})[key] = turn

    def since(self, token: str, task: str, turn: int) -> list[Key]:
        """Who has owned the token at any time since the task, or who it works for, has asked."""
        while task and task not in self.passed:
            task = task.rpartition("/")[0]
        asked = self.passed.get(task, turn)
        before = [key for key, until in self.released.get(token, {}).items() if until > asked]
        return [*self.owners.get(token, ()), *before]


def _i08_created(state: _Tokens, record: Committed) -> Anomaly | None:
    event, fact, label = record.event, record.event.fact, record.step
    assert isinstance(fact, HookCreated)
    key = (event.run_id, event.correlation_id)
    state.release(key, record.turn)
    owners = state.owners.setdefault(fact.token, [])
    owners.append(key)
    state.hooks.setdefault(event.run_id, {})[key] = fact.token
    if len(owners) == 1:
        return None
    whose = "of this run" if owners[0][0] == event.run_id else "of another run"
    message = f"{label} was given the token {fact.token!r}, which a live hook {whose} owns"
    return Anomaly("I-08", "token-owned-twice", message, at(label), record.turn)


def _i08_conflict(state: _Tokens, record: Committed) -> Anomaly | None:
    event, fact, label = record.event, record.event.fact, record.step
    assert isinstance(fact, HookConflict)
    key = (event.run_id, event.correlation_id)
    # A world may look for the owner some time before it records what it has found.
    owners = state.since(fact.token, record.task, record.turn)
    others = [each for each in owners if each != key]
    if not others:
        kind = "conflict-without-owner"
        what = f"was refused the token {fact.token!r}, which no other live hook owns"
    elif all(each[0] != fact.conflicting_run_id for each in others):
        kind, what = (
            "conflict-names-wrong-run",
            "is told of a conflict with a run that owns nothing",
        )
    else:
        return None
    return Anomaly("I-08", kind, f"{label} {what}", at(label), record.turn)


def _i08_disposed(state: _Tokens, record: Committed) -> None:
    state.release((record.event.run_id, record.event.correlation_id), record.turn)


def _i08_ended(state: _Tokens, record: Committed) -> None:
    for key in list(state.hooks.get(record.event.run_id, ())):
        state.release(key, record.turn)


def _i08_told(state: _Tokens, record: ClientCall) -> None:
    """Whoever was given a run's result may rely on its tokens being free (R-28)."""
    if record.verb == "result" and record.phase == "ok":
        for key in list(state.hooks.get(record.run_id, ())):
            state.release(key, record.turn)


def _i08_passed(state: _Tokens, record: Passed) -> None:
    state.passed[record.task] = record.turn


def _i08_delivered(state: _Tokens, record: Delivered) -> None:
    if state.foreign:
        state.passed[record.task] = record.turn


I_08 = Law(
    id="I-08",
    title="A token has at most one live hook, and only a token that has one is refused.",
    on={
        "hook_created": _i08_created,
        "hook_conflict": _i08_conflict,
        "hook_disposed": _i08_disposed,
        Passed: _i08_passed,
        Delivered: _i08_delivered,
        ClientCall: _i08_told,
        **dict.fromkeys(sorted(TERMINAL_RUN_EVENTS), _i08_ended),
    },
    start=_Tokens,
)
