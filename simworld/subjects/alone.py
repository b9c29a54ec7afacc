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
    is_copy: bool
    """The script itself has sent it again."""


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
    repeated: int = 0
    """Messages that the script has sent again at once, since their delivery had failed."""


class Command(NamedTuple):
    """How a script is run: every one takes ``--path``, ``--folder`` and ``--plain``."""

    file: str
    """The name that the script must have."""
    interpreter: pathlib.Path
    root: pathlib.Path
    """Where the module of the workflow is."""

    def words(self, script: pathlib.Path) -> list[str]:
        """The command, for a process."""
        return [str(self.interpreter), str(script), "--path", str(self.root)]

    def told(self, script: pathlib.Path) -> str:
        """The command, for people in this folder."""
        path = "" if self.root == pathlib.Path.cwd() else f" --path {self.root}"
        return f"{self.interpreter.name} {script}{path}"


def command_of(subject: str, module: str) -> Command:
    """What runs a script whose workflow is in ``module``; ``UsageError`` if that is not there."""
    command: Command = _module(subject).command_of(module)
    return command


def added_by(subject: str, plan: Mapping[str, Any]) -> tuple[str, ...]:
    """What a script with the plan does to the engine, in words: ``delays`` …"""
    added: tuple[str, ...] = _module(subject).added_by(plan)
    return added


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
