"""A subject by itself: a script that shows a race without simworld, and what it writes down."""

from __future__ import annotations

import importlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from simworld.records import Final, Record
from simworld.subjects.installed import subject_named


class Failed(NamedTuple):
    """A delivery of a step's message that has failed."""

    turn: int
    run_id: str
    step: str
    error: str


class Seen(NamedTuple):
    """What a script has written down."""

    records: Sequence[Record]
    final: Final
    complete: bool
    """Its last line is there: nobody has stopped it."""
    acted: bool
    """The clients have done all that they were to do."""
    followed: int
    """Acts of the plan that came in its order."""
    skipped: int
    """Acts of the plan that never came."""
    failed: Sequence[Failed] = ()
    """Deliveries of steps' messages that ended with an error."""


def script_of(subject: str, plan: Mapping[str, Any], title: str) -> str:
    """The text of the script that carries out the plan."""
    text: str = _module(subject).script_text(plan, title)
    return text


def evidence_of(subject: str, path: pathlib.Path, known: Mapping[str, str]) -> Seen:
    """What a run of the script has written down; ``known``: ``run/#3`` → its usual label."""
    seen: Seen = _module(subject).read_evidence(path, known)
    return seen


def _module(subject: str) -> Any:
    return importlib.import_module(subject_named(subject).alone)
