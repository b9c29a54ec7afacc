"""The plan of a stand-alone script: what a trial did, in names that a real run has as well.

A real run knows a delivery by its message and a message by who has sent it, but not which part of
a handler sent it; it numbers what a run draws ids for, but does not know the names of the steps.
So ``start/flow/part.2/work#3~2`` becomes ``start/flow/#3~2``, and ``record step_created of work#3``
``record step_created of #3``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence

import attrs

from simworld.campaign.trial import Trial
from simworld.records import Committed, Delivered, Fault, Sent, Turn

ACTS = (
    "record ",
    "read the log",
    "read the run",
    "read run",
    "find the hook of token ",
    "send ",
    "deliver ",
    "begin the body of ",
    "end the body of ",
)
"""What a script can give a turn to; of other operations it does not know."""
PAGED = ("read the log",)
"""What a script reads in one go, and a trial page by page."""
COPIED = ("duplicate", "redelivery", "slow_body")
"""Faults that come to one more delivery of a message."""
FAILED = ("lost_answer", "server_error", "throttled")
"""Faults that make a call fail."""
DELAYS = ("slow_host", "late_hook", "scarce_workers")
"""Faults that make something late, and nothing else."""
FAILED_MAX = 1
SLOW_GAP_MS = 60_000
"""Nobody waits so long for a body or a host that is slow: only its place in the order counts."""

_ENTITY = re.compile(r"[^\s/:~]*#(\d+)")
_PART = re.compile(r"part(\.\d+)?")


@attrs.frozen
class Act:
    """An act of the trial that has a turn."""

    doing: str
    act: str
    at_ms: int
    """Virtual time since the trial's beginning."""


@attrs.define
class Names:
    """Task → the name under which a real run knows what it works for."""

    messages: dict[str, str] = attrs.Factory(dict)
    """Of the first delivery of a message."""
    _sent: dict[str, int] = attrs.Factory(dict)

    def learn(self, sent: Sent) -> None:
        """A message, in the order in which they were sent."""
        if sent.message and sent.message not in self.messages:
            path = f"{self.doing(sent.task)}/{plain(sent.step) or 'flow'}"
            number = self._sent[path] = self._sent.get(path, 0) + 1
            self.messages[sent.message] = path if number == 1 else f"{path}.{number}"

    def doing(self, task: str) -> str:
        """The delivery or the client that the task works for."""
        parts = task.split("/")
        for count in range(len(parts), 0, -1):
            message, tilde, number = _delivery("/".join(parts[:count]))
            if message in self.messages:
                return f"{self.messages[message]}{tilde}{number}"
        return "/".join(each for each in parts if not _PART.fullmatch(each))

    def message(self, delivery: str) -> str:
        """The message of a delivery."""
        return self.messages.get(_delivery(delivery)[0], "")


def _delivery(name: str) -> tuple[str, str, str]:
    """(first delivery, ``~``, number) of what is called so."""
    head, slash, last = name.rpartition("/")
    message, tilde, number = last.partition("~")
    return f"{head}{slash}{message}", tilde, number


def plain(text: str) -> str:
    """Steps, hooks and waits by their numbers alone."""
    return _ENTITY.sub(r"#\1", text)


@attrs.frozen
class Conducted:
    """What a trial did, for a script."""

    order: tuple[Act, ...]
    decided: int
    """So many acts have brought about the failure; what follows follows from them."""
    copies: Mapping[str, int]
    """Message → deliveries beyond its first."""
    fails: Mapping[int, str]
    """Index in the order → how the call fails."""
    needs: tuple[str, ...]
    """What no script can do."""
    span_ms: int
    """How long it takes for real."""
    labels: Mapping[str, str]
    """``run/#3`` → its label."""


def conducted(trial: Trial, until: int) -> Conducted:
    """The plan of a trial with a full trace; the failure shows after the turn ``until``."""
    names = Names()
    for record in trial.records:
        if isinstance(record, Sent):
            names.learn(record)
    order, numbers, decided = _order(trial.trace, names, until)
    fails, needs = _failing(trial.faults, numbers)
    return Conducted(
        order=order,
        copies=_copies(trial, names),
        fails=fails,
        needs=needs,
        decided=decided,
        span_ms=_span_ms(order[:decided], trial.faults),
        labels=_labels(trial),
    )


@attrs.define(eq=False)
class _Call:
    act: Act
    last: int
    """The last operation that is a part of it."""


def _order(
    turns: Sequence[Turn], names: Names, until: int
) -> tuple[tuple[Act, ...], Mapping[tuple[str, int], int], int]:
    """The acts, (task, number of its operation) → the index of the act it belongs to, and how many
    acts there are up to the turn ``until``.

    A call that consists of several operations has its turn at the last of them.
    """
    calls: list[_Call] = []
    of: dict[tuple[str, int], _Call] = {}
    latest: dict[str, tuple[str, _Call]] = {}
    counts: dict[str, int] = {}
    for place, turn in enumerate(turns):
        nth = counts[turn.task] = counts.get(turn.task, 0) + 1
        if not turn.op.startswith(ACTS):
            continue
        text = turn.op.partition(": ")[0]
        at_ms = turn.now_ms - turns[0].now_ms
        act = Act(names.doing(turn.task), plain(text), at_ms)
        before, call = latest.get(turn.task, ("", None))
        if call is not None and before == text and (text != turn.op or text in PAGED):
            call.act, call.last = act, place
        else:
            call = _Call(act, place)
            calls.append(call)
        latest[turn.task] = (text, call)
        of[turn.task, nth] = call
    calls.sort(key=lambda each: each.last)
    places = {each.last: index for index, each in enumerate(calls)}
    numbers = {key: places[each.last] for key, each in of.items()}
    decided = sum(turns[each.last].turn <= until for each in calls)
    return tuple(each.act for each in calls), numbers, decided


def _copies(trial: Trial, names: Names) -> Mapping[str, int]:
    copies: dict[str, int] = {}
    for fault in trial.faults:
        if fault.kind == "duplicate":
            message = names.message(fault.target)
            copies[message] = copies.get(message, 0) + fault.value
        elif fault.kind == "redelivery":
            message = names.message(fault.target)
            copies[message] = copies.get(message, 0) + 1
    slow = {plain(each.target) for each in trial.faults if each.kind == "slow_body"}
    for record in trial.records:
        if isinstance(record, Delivered) and plain(record.step) in slow and record.number > 1:
            message = names.message(record.task)
            copies[message] = max(copies.get(message, 0), record.number - 1)
    return copies


def impossible(faults: Sequence[Fault]) -> tuple[str, ...]:
    """What no script can do of these faults."""
    needs = [each.kind for each in faults if each.kind not in (*COPIED, *DELAYS, *FAILED)]
    failed = sum(each.kind in FAILED for each in faults)
    if failed > FAILED_MAX:
        needs.append(f"{failed} failed calls")
    return tuple(dict.fromkeys(needs))


def _failing(
    faults: Sequence[Fault], numbers: Mapping[tuple[str, int], int]
) -> tuple[Mapping[int, str], tuple[str, ...]]:
    """Index of an act → how it fails; and the kinds of faults that strike something else."""
    fails: dict[int, str] = {}
    elsewhere: list[str] = []
    for fault in faults:
        if fault.kind not in FAILED:
            continue
        task, _, nth = fault.target.rpartition("@")
        key = (fault.target, fault.value) if fault.kind == "lost_answer" else (task, int(nth))
        if key in numbers:
            fails[numbers[key]] = fault.kind
        else:
            elsewhere.append(f"{fault.kind} of another call than storage's and queue's")
    return fails, tuple(elsewhere)


def _span_ms(order: Sequence[Act], faults: Sequence[Fault]) -> int:
    """How much time must pass: a script waits neither for what a fault makes slow, nor for the
    queue to deliver again what has failed."""
    slow = any(each.kind in ("slow_body", "slow_host") for each in faults)
    span_ms = 0
    for before, after in itertools.pairwise(order):
        gap_ms = after.at_ms - before.at_ms
        again = after.act.startswith("deliver ") and "~" in after.doing.rpartition("/")[2]
        if not again and not (slow and gap_ms > SLOW_GAP_MS):
            span_ms += gap_ms
    return span_ms


def _labels(trial: Trial) -> Mapping[str, str]:
    runs = trial.final.labels
    labels: dict[str, str] = {}
    for record in trial.records:
        if isinstance(record, Committed) and record.step:
            run = plain(runs.get(record.event.run_id, record.event.run_id))
            labels[f"{run}/{plain(record.step)}"] = record.step
    return labels
