"""Labels: readable, stable names for runs, steps and operations.

Ids differ from schedule to schedule; labels do not: a run is ``run`` (the second one ``run.2``), a
step is its name and the ordinal of its draw.  Operations are made once per (verb, label) and shared
by all trials of the process, because they never change; they are compared by their labels.
"""

from __future__ import annotations

from simworld.engine import Fact
from simworld.records import Op

_ops: dict[tuple[str, str, str], Op] = {}
_OPS_MAX = 50_000


class Labels:
    """The labels of one trial."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def learn(self, identifier: str, label: str) -> None:
        """From now on ``identifier`` is called ``label``."""
        self._of[identifier] = label

    def readable(self, identifier: str) -> str:
        """The label of an id; anything else is its own label."""
        return self._of.get(identifier, identifier)

    def all(self) -> dict[str, str]:
        """id → label."""
        return dict(self._of)

    def create(self, run_id: str, fact: Fact, step_id: str) -> Op:
        """Recording a fact."""
        run, step = self.readable(run_id), self.readable(step_id)
        key = (fact.type, run, step)
        op = _ops.get(key)
        if op is None:
            _make_room()
            entity = f"step {run}/{step}" if step else f"run {run}"
            text = f"record {fact.type}{f' of {step}' if step else ''}"
            fine = {entity: True}
            if fact.type in ("run_completed", "run_failed", "run_cancelled", "step_created"):
                fine[f"run {run}"] = not step
            op = _ops[key] = Op(text, fine, {f"log {run}": True})
        return op

    def read_log(self, run_id: str) -> Op:
        """Reading a page of the run's log."""
        run = self.readable(run_id)
        return _shared("read log", run, "", "read the log", {}, {f"log {run}": False})

    def read_run(self, run_id: str) -> Op:
        """Reading the run's row."""
        run = self.readable(run_id)
        return _shared("read run", run, "", "read the run", {f"run {run}": False}, {})

    def send(self, run_id: str, part: str, key: str) -> Op:
        """Sending a message; the deduplication key is what two senders race for."""
        run = self.readable(run_id)
        fine = {f"key {run}/{part}": True} if key else {}
        return _shared("send", run, f"{part} {bool(key)}", f"send {part}", fine, {})

    def delivery(self, name: str, part: str) -> Op:
        """The beginning of a delivery."""
        message = name.rpartition("~")[0] if "~" in name.rpartition("/")[2] else name
        return _shared(
            "deliver", message, part, f"deliver {part}", {f"message {message}": True}, {}
        )

    def checkpoint(self, doing: str) -> Op:
        """A place between two operations."""
        return _shared("checkpoint", doing, "", doing, {}, {})

    def body(self, verb: str, run_id: str, step: str) -> Op:
        """An act of a step's body."""
        run = self.readable(run_id)
        fine = {f"body {run}/{step}": True}
        return _shared(verb, run, step, f"{verb} the body of {step}", fine, {})


def _shared(
    verb: str, subject: str, detail: str, text: str, fine: dict[str, bool], coarse: dict[str, bool]
) -> Op:
    key = (verb, subject, detail)
    op = _ops.get(key)
    if op is None:
        _make_room()
        op = _ops[key] = Op(text, fine, coarse)
    return op


def _make_room() -> None:
    if len(_ops) >= _OPS_MAX:
        _ops.clear()
