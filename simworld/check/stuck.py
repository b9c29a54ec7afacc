"""The law of runs that never end (L-01), and the name of what each of them lacks.

Judged at quiescence: a trial that is not drained has not shown it, unless all that still happens
is that somebody polls.  What is missing is told from the records: what the open step's last event
is, what became of the messages for it, and why its last delivery has brought it no further.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from simworld.check.law import Context, Law, at, run_label
from simworld.engine import (
    RUN_TERMINAL,
    STEP_TERMINAL,
    TERMINAL_STEP_EVENTS,
    HookStatus,
    StepRow,
    StepStatus,
    WaitStatus,
)
from simworld.records import (
    Anomaly,
    Committed,
    Crash,
    Delivered,
    Final,
    HandedOver,
    Hung,
    LogRead,
    LostAnswer,
    Record,
    Refused,
    Sent,
)

_AGAIN = re.compile(r"(~\d+)?")
"""What the task of a delivery has behind its message's name."""

Key = tuple[str, str]
"""(run id, label of a step or wait); an empty label: the run's flow messages."""


class _Messages:
    """What became of every message and of every delivery."""

    def __init__(self) -> None:
        self.sent: dict[Key, list[Sent]] = {}
        self.holders: dict[str, Sent] = {}
        """Key → the newest message that was accepted with it."""
        self.delivered: dict[Key, list[Delivered]] = {}
        self.refused: dict[Key, Refused] = {}
        """The last time that somebody was refused to record something about it."""
        self.events: dict[Key, Committed] = {}
        """The last event about it."""
        self.lost: set[tuple[str, int]] = set()
        """(task, turn) of every answer that was lost; membership only."""
        self.died: dict[str, Crash] = {}
        """Task → the crash that it died by."""


def _messages(records: Iterable[Record]) -> _Messages:
    """What the records tell of messages; asked for only where a run is stuck."""
    state = _Messages()
    for each in records:
        match each:
            case Sent():
                state.sent.setdefault((each.run_id, each.step), []).append(each)
                if each.key and each.message:
                    state.holders[each.key] = each
            case Delivered():
                state.delivered.setdefault((each.run_id, each.step), []).append(each)
            case Refused():
                state.refused[each.run_id, each.step] = each
            case Committed():
                state.events[each.event.run_id, each.step] = each
            case LostAnswer():
                state.lost.add((each.task, each.turn))
            case Crash():
                state.died.update(dict.fromkeys(each.tasks, each))
    return state


# --- what is open ---------------------------------------------------------------------------------


def _open_steps(final: Final, run_id: str) -> list[tuple[str, StepRow]]:
    """(label, row) of the run's steps that have not ended."""
    return [
        (final.labels.get(key[1], key[1]), row)
        for key, row in final.steps.items()
        if key[0] == run_id and row.status not in STEP_TERMINAL
    ]


def _not_given(records: Iterable[Record], final: Final, run_id: str) -> list[str]:
    """Labels of steps that have ended, and whose results no pass has handed over (R-51)."""
    given = {(each.run_id, each.step_id): None for each in records if isinstance(each, HandedOver)}
    return [
        final.labels.get(key[1], key[1])
        for key, row in final.steps.items()
        if key[0] == run_id and row.status in STEP_TERMINAL and key not in given
    ]


def _not_read(records: Iterable[Record], final: Final, run_id: str) -> list[str]:
    """The same of an engine that tells nothing of its passes: nobody has read the log since."""
    reads = [each.turn for each in records if isinstance(each, LogRead) and each.run_id == run_id]
    read = max(reads, default=-1)
    ended = {
        each.event.correlation_id: None
        for each in records
        if isinstance(each, Committed)
        and each.event.run_id == run_id
        and each.event.type in TERMINAL_STEP_EVENTS
        and each.turn > read
    }
    return [final.labels.get(step, step) for step in ended]


def _open_waits(final: Final, run_id: str) -> list[tuple[str, int]]:
    """(label, when it is due) of the run's waits that have not ended."""
    return [
        (final.labels.get(key[1], key[1]), row.resume_at_ms)
        for key, row in final.waits.items()
        if key[0] == run_id and row.status == WaitStatus.WAITING
    ]


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
        waits = [f"{label}, which is {row.status}" for label, row in _open_steps(final, run_id)]
        waits += [f"{label}, which is waiting" for label, _ in _open_waits(final, run_id)]
        waits += [f"a payload for the hook {token!r}" for token in _tokens(final, run_id)]
        told = " and ".join(waits) or "nothing that is recorded"
        found.append(f"{run_label(final, run_id)} waits for {told}")
    return found


# --- why it is open -------------------------------------------------------------------------------


def _of_step(state: _Messages, final: Final, run_id: str, step: str, row: StepRow) -> str:
    """What keeps an open step from going on."""
    key = (run_id, step)
    told = [_since(state, final, key, row), _last_message(state, key, final)]
    return "; ".join(filter(None, told))


def _since(state: _Messages, final: Final, key: Key, row: StepRow) -> str:
    last = state.events.get(key)
    if last is None:
        return ""
    told = f"since its {last.event.type}{_when(final, key[0], last.now_ms)}"
    if (last.task, last.turn) in state.lost:
        told += ", whose answer was lost"
    if row.status is StepStatus.RUNNING:
        if row.lease_until_ms:
            told += f", under a lease{_when(final, key[0], row.lease_until_ms, 'until')}"
        crash = _death(state, last.task)
        if crash is not None:
            told += f", and {crash.host}, which ran it, has died"
    return told


def _death(state: _Messages, task: str) -> Crash | None:
    """The crash by which a task died, or the one that has sent its request."""
    return state.died.get(task) or state.died.get(task.rpartition("/")[0])


def _last_message(state: _Messages, key: Key, final: Final) -> str:
    """What became of the last message that was sent for it."""
    sent = state.sent.get(key)
    if not sent:
        return "no message for it was ever sent" if key[1] else ""
    last = sent[-1]
    if not last.message:
        holder = state.holders.get(last.key)
        told = f"its last message was dropped as a duplicate of {_key(last, final)}"
        if holder is None:
            return told
        return f"{told}, the key of {holder.message}, which {_fate(state, key, holder)}"
    return f"its last message {last.message} {_fate(state, key, last)}"


def _key(sent: Sent, final: Final) -> str:
    entity, colon, rest = sent.key.partition(":")
    return f"{final.labels.get(entity, entity)}{colon}{rest}"


def _fate(state: _Messages, key: Key, sent: Sent) -> str:
    """What became of a message that was accepted."""
    deliveries = [
        each
        for each in state.delivered.get((sent.run_id, sent.step), ())
        if each.task.startswith(sent.message)
        and _AGAIN.fullmatch(each.task, len(sent.message)) is not None
    ]
    if not deliveries:
        return "was never delivered"
    last = deliveries[-1]
    times = f"{len(deliveries)} times, the last time " if len(deliveries) > 1 else ""
    told = f"was delivered {times}in turn {last.turn}"
    refused = state.refused.get(key)
    if refused is not None and refused.turn >= last.turn:
        told += f", and {refused.event} was refused there ({refused.status})"
    crash = _death(state, last.task)
    return f"{told}, and died with {crash.host}" if crash is not None else f"{told}, and is gone"


def _of_wait(state: _Messages, final: Final, run_id: str, wait: str, due_ms: int) -> str:
    """What keeps an open wait from ending."""
    told = f"due{_when(final, run_id, due_ms)}"
    refused = state.refused.get((run_id, wait))
    if refused is not None and refused.event == "wait_completed":
        told += f"; its wait_completed was refused ({refused.status})"
    flow = _last_message(state, (run_id, ""), final).replace("its last", "the run's last")
    return f"{told}; {flow}" if flow else told


def _when(final: Final, run_id: str, now_ms: int, word: str = "at") -> str:
    """A time, counted from the run's creation."""
    return f" {word} {now_ms - final.runs[run_id].created_at_ms} ms"


# --- the law --------------------------------------------------------------------------------------


def quiet(final: Final) -> bool:
    """Whether nothing will happen any more: at most, somebody looks again and again."""
    if final.drained:
        return True
    pool_is_full = bool(final.workers_busy and final.workers_wanted)  # which is L-09
    delivers = any(": deliver " in move for move in final.cycle)  # which is L-07
    return bool(final.cycle) and not delivers and not pool_is_full


class _Kept(list[Record]):
    """All that may tell why a run is stuck."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.foreign = context.foreign


def _l01_kept(state: _Kept, record: Record) -> None:
    state.append(record)


def _l01_hung(state: _Kept, record: Hung) -> Anomaly:
    message = f"a handler of the run does not come to an end: {record.why}"
    return Anomaly("L-01", "handler-hangs", message, record.run, record.turn)


def _l01_end(records: _Kept, final: Final) -> list[Anomaly]:
    stuck = [run for run in final.runs.items() if run[1].status not in RUN_TERMINAL]
    if not stuck or not quiet(final):
        return []
    found: list[Anomaly] = []
    state = _messages(records)
    for run_id, run in stuck:
        steps, waits = _open_steps(final, run_id), _open_waits(final, run_id)
        lost: list[str] = []
        if not (steps or waits) and _tokens(final, run_id):
            lost = (_not_read if records.foreign else _not_given)(records, final, run_id)
            if not lost:
                continue  # it waits for the world outside, and only for that
        told = [
            f"{label} is {row.status} ({_of_step(state, final, run_id, label, row)})"
            for label, row in steps
        ]
        told += [
            f"{label} is waiting ({_of_wait(state, final, run_id, label, due_ms)})"
            for label, due_ms in waits
        ]
        told += [f"no pass was ever given the result of {label}" for label in lost]
        if not told:
            flow = _last_message(state, (run_id, ""), final)
            told.append(f"all its steps have ended{f' ({flow})' if flow else ''}")
        message = (
            f"the run is {run.status} for ever: {', '.join(told)}, and no message, timer or "
            "handler is left"
        )
        if final.waiting:
            message += f"; waiting: {'; '.join(final.waiting)}"
        first = next(iter([*[label for label, _ in (*steps, *waits)], *lost]), "")
        place = at(first, run_label(final, run_id))
        found.append(Anomaly("L-01", "stuck-run", message, place, final.turn))
    return found


L_01 = Law(
    id="L-01",
    title="At quiescence every run has ended, or waits for nothing but a hook that lives.",
    on={
        Hung: _l01_hung,
        **dict.fromkeys(
            (Sent, Delivered, Refused, Committed, LostAnswer, LogRead, Crash, HandedOver), _l01_kept
        ),
    },
    start=_Kept,
    end=_l01_end,
)
