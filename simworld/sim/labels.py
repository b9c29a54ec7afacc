"""Labels: readable, stable names for runs, steps and operations.

Ids differ from schedule to schedule; labels do not: a run is ``run`` (the second one ``run.2``), a
step is its name and the ordinal of its draw.  Operations are made once per (verb, label) and shared
by all trials of the process, because they never change; they are compared by their labels.
"""

from __future__ import annotations

import functools

from simworld.records import Op

shared = functools.lru_cache(maxsize=16_384)
"""Remembers the operations made by a function of labels."""


class Labels:
    """The labels of one trial."""

    def __init__(self) -> None:
        self._of: dict[str, str] = {}

    def learn(self, identifier: str, label: str) -> None:
        """From now on ``identifier`` is called ``label``."""
        self._of[identifier] = label

    def readable(self, identifier: str) -> str:
        """The label of an id; anything else, and nothing, is its own label."""
        return self._of.get(identifier, identifier)

    def all(self) -> dict[str, str]:
        """id → label."""
        return dict(self._of)


@shared
def create_op(fact_type: str, run: str, step: str) -> Op:
    """Recording a fact of this type about a step, or about the run."""
    if not step:
        return Op(f"record {fact_type}", {f"run {run}": True}, {f"log {run}": True})
    fine = {f"step {run}/{step}": True}
    if fact_type == "step_created":
        fine[f"run {run}"] = False
    return Op(f"record {fact_type} of {step}", fine, {f"log {run}": True})


@shared
def read_log_op(run: str) -> Op:
    """Reading a page of the run's log."""
    return Op("read the log", {}, {f"log {run}": False})


@shared
def read_run_op(run: str) -> Op:
    """Reading the run's row."""
    return Op("read the run", {f"run {run}": False})


@shared
def send_op(run: str, part: str, keyed: bool) -> Op:
    """Sending a message; the deduplication key is what two senders race for."""
    return Op(f"send {part}", {f"key {run}/{part}": True} if keyed else {})


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
def body_op(verb: str, run: str, step: str) -> Op:
    """An act of a step's body."""
    return Op(f"{verb} the body of {step}", {f"body {run}/{step}": True})
