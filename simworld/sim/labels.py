"""Labels: readable, stable names for runs, steps, hooks, waits, streams and operations.

Ids differ from schedule to schedule; labels do not: a run is ``run`` (the second one a client has
started ``run.2``, one that a step's body has started ``run:work#3``), everything a pass asks for is
its name and the ordinal of its draw.  Operations are made once per (verb, label) and shared by all
trials of the process, because they never change; they are compared by their labels.
"""

from __future__ import annotations

import functools
import re

from simworld.errors import WorldError
from simworld.records import Op

shared = functools.lru_cache(maxsize=16_384)
"""Remembers the operations made by a function of labels."""

MAIN_RUN = "run"
"""Label of the first run; operations name a run only if it is another."""

_COUNTED_RUN = re.compile(r"wrun_(\d{1,9})")
_MINTED = re.compile(r"(?:step|hook|wait|attr)_[0-9A-Z]{10,}|wrun_\w+")
_MESSAGE = re.compile(r"(flow|[^/~.]*#\d+)(?:[.+:@!]\d+)?(?:~\d+)?")
_RUN_TWICE = re.compile(r"\brun (?=run\b)")
"""What a label makes of ``run wrun_1``."""
_FROM_RUN_ROW = frozenset({"step_created", "hook_created", "hook_received", "wait_created"})
"""Facts about an entity that are refused once its run has ended."""


class Labels:
    """The labels of one trial."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}
        self.known = self._of.get
        """The label of an id that has one, else None."""
        self._expected: dict[str, dict[int, str]] = {}
        """Id → position in the log → its label, if it is created there."""
        self._children: dict[str, int] = {}
        self._reworded: dict[str, str] = {}

    def learn(self, identifier: str, label: str) -> None:
        """``identifier`` is called ``label``, if it has no label yet."""
        self._of.setdefault(identifier, label)

    def expect(self, identifier: str, position: int, label: str) -> None:
        """If ``identifier`` is created by the event at this position, it is called ``label``."""
        if identifier not in self._of:
            self._expected.setdefault(identifier, {})[position] = label

    def expected(self, identifier: str) -> str:
        """The label of an id; of one that is not created yet what it was last expected to be."""
        label = self._of.get(identifier)
        if label is None:
            (label,) = [*self._expected.get(identifier, {}).values()][-1:] or (identifier,)
        return label

    def created(self, identifier: str, position: int) -> str:
        """The label of an id that has none yet, now that it is created at this position."""
        label = self._expected.get(identifier, {}).get(position)
        if label is None:
            return identifier
        del self._expected[identifier]
        self._of[identifier] = label
        return label

    def readable(self, identifier: str) -> str:
        """The label of an id; anything else, and nothing, is its own label."""
        return self._of.get(identifier, identifier)

    def run(self, run_id: str, body: str = "") -> str:
        """The label of a run; a new one is a child of ``body`` (``run/work#3``), if that runs."""
        label = self._of.get(run_id)
        return label if label is not None else self._new_run(run_id, body)

    def _new_run(self, run_id: str, body: str) -> str:
        counted = _COUNTED_RUN.fullmatch(run_id)
        if counted is not None:
            label = MAIN_RUN if counted[1] == "1" else f"{MAIN_RUN}.{counted[1]}"
        elif body:
            parent = body.replace("/", ":")
            number = self._children[parent] = self._children.get(parent, 0) + 1
            label = parent if number == 1 else f"{parent}.{number}"
        else:
            return run_id
        self._of[run_id] = label
        return label

    def reworded(self, text: str) -> str:
        """``text`` with every id in it replaced by its label; remembered."""
        known = self._of.get(text) or self._reworded.get(text)
        if known is None:
            known = _MINTED.sub(lambda match: self.readable(match[0]), text)
            known = self._reworded[text] = _RUN_TWICE.sub("", known)
        return known

    def refused(self, refusal: WorldError) -> str:
        """A refusal as the outcome of an operation, which says itself what was refused."""
        text = self.reworded(str(refusal))
        return f"refused: {refusal.status} {text.rpartition(' refused: ')[2]}"

    def all(self) -> dict[str, str]:
        """id → label."""
        return dict(self._of)


@shared
def message_of(task: str) -> str:
    """The message for which the task works: ``flow``, ``work#3``; empty for a client's."""
    for part in reversed(task.split("/")[1:]):
        match = _MESSAGE.fullmatch(part)
        if match is not None:
            return match[1]
    return ""


def _of_run(run: str) -> str:
    return "" if run == MAIN_RUN else f" of {run}"


@shared
def create_op(fact_type: str, run: str, entity: str, tokens: tuple[str, ...] = ()) -> Op:
    """Recording a fact of this type about a step, hook, wait, or about the run.

    ``tokens``: the hook tokens it takes or sets free.
    """
    coarse = {f"log {run}": True}
    fine = {f"token {token}": True for token in tokens}
    if fact_type.startswith("run_"):
        return Op(f"record {fact_type}{_of_run(run)}", {f"run {run}": True, **fine}, coarse)
    if not entity:
        return Op(f"record {fact_type}{_of_run(run)}", fine, coarse)
    kind = fact_type.partition("_")[0]
    if kind != "attr":  # attributes are in the log only
        fine = {f"{kind} {run}/{entity}": True, **fine}
    if fact_type in _FROM_RUN_ROW:
        fine[f"run {run}"] = False
    where = entity if run == MAIN_RUN else f"{run}/{entity}"
    return Op(f"record {fact_type} of {where}", fine, coarse)


@shared
def append_op(parts: tuple[Op, ...]) -> Op:
    """Recording several facts in one commit; each part is what ``create_op`` makes of one."""
    fine: dict[str, bool] = {}
    for part in parts:
        for label, written in part.fine.items():
            fine[label] = fine.get(label, False) or written
    told = ", ".join(part.text.removeprefix("record ") for part in parts)
    return Op(f"record {told}", fine, dict(parts[0].coarse))


@shared
def wait_end_op(run: str) -> Op:
    """Waiting for a run's end: the moment at which it is looked at first."""
    return Op(f"wait for the end{_of_run(run)}", {f"run {run}": False})


@shared
def read_log_op(run: str) -> Op:
    """Reading a page of the run's log."""
    return Op(f"read the log{_of_run(run)}", {}, {f"log {run}": False})


@shared
def read_run_op(run: str) -> Op:
    """Reading the run's row."""
    text = "read the run" if run == MAIN_RUN else f"read {run}"
    return Op(text, {f"run {run}": False})


@shared
def find_hook_op(token: str) -> Op:
    """Looking for the live hook that owns a token."""
    return Op(f"find the hook of token {token}", {f"token {token}": False})


@shared
def stream_op(verb: str, run: str, name: str, *, writes: bool) -> Op:
    """An operation on a stream; with an empty name on the list of the run's streams."""
    if not name:
        return Op(f"{verb}{_of_run(run)}", {f"streams {run}": writes})
    where = name if run == MAIN_RUN else f"{run}/{name}"
    fine = {f"stream {run}/{name}": writes}
    if writes:
        fine[f"streams {run}"] = True
    return Op(f"{verb} {where}", fine)


@shared
def send_op(run: str, part: str, keyed: bool, standing: str = "") -> Op:
    """Sending a message; the deduplication key is what two senders race for.

    ``standing``: the message that stands for it, unless that has begun to be handled.
    """
    fine = {f"key {run}/{part}": True} if keyed else {}
    if standing:
        fine[f"message {standing}"] = True
    return Op(f"send {part}{_of_run(run)}", fine)


@shared
def deliver_op(name: str, part: str) -> Op:
    """The beginning of the delivery called ``name``."""
    message = name.rpartition("~")[0] if "~" in name.rpartition("/")[2] else name
    return Op(f"deliver {part}", {f"message {message}": True})


@shared
def checkpoint_op(doing: str) -> Op:
    """A place between two operations."""
    return Op(doing)


@shared
def begin_op(job: str) -> Op:
    """The beginning of a job."""
    return Op(f"begin {job}")


@shared
def publish_op(create: Op) -> Op:
    """The moment at which a create that has begun takes effect."""
    text = create.text.replace("write to", "publish in", 1).replace("record", "publish", 1)
    return Op(text, create.fine, create.coarse)


@shared
def part_op(
    doing: Op | None, verb: str, fine: tuple[str, ...], coarse: tuple[str, ...], *, writes: bool
) -> Op:
    """An operation on a world's files or tables, as a part of the call ``doing``.

    It touches what the call is about, too, so that explorers know whom it could race with.
    """
    if doing is None:
        return Op(verb, dict.fromkeys(fine, writes), dict.fromkeys(coarse, writes))
    about = {label: writes and written for label, written in doing.fine.items()}
    whole = {label: writes and written for label, written in doing.coarse.items()}
    return Op(
        f"{doing.text}: {verb}",
        {**about, **dict.fromkeys(fine, writes)},
        {**whole, **dict.fromkeys(coarse, writes)},
    )


@shared
def await_op(request: str) -> Op:
    """A request is on its way; its sender waits."""
    return Op(f"wait for the answer: {request}")


@shared
def hear_op(request: str) -> Op:
    """The answer has come to the sender, who has waited for it."""
    return Op(f"get the answer: {request}")


@shared
def body_op(verb: str, run: str, step: str) -> Op:
    """An act of a step's body."""
    where = step if run == MAIN_RUN else f"{run}/{step}"
    return Op(f"{verb} the body of {where}", {f"body {run}/{step}": True})
