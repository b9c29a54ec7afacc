"""Scripted: an interleaving that people know by heart, said in a few lines.

    Scripted().hold("client/flow", "record wait_completed*").run_until("record hook_received*")
        .release("client/flow")

``hold`` keeps a writer from its next such operation, ``run_until`` lets everybody who is not held
go on, the default way, until an operation has been performed, ``release`` lets a writer go on, and
``cut_in`` has one act at a given moment, before anybody else goes on.  Behind the last line nobody
is held any more.  Names and operations are patterns (``*`` stands for anything), as tasks and
operations are called in stories.

Time does not move while a held task could go on; let acts meet at one instant, or add a
``slow_host`` fault, which stops a host and not the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple, Self

from simworld.entropy import Stream
from simworld.errors import ScriptError
from simworld.records import ChoicePoint, Profile, TaskView


class _Line(NamedTuple):
    """One line of a script."""

    verb: str
    """``hold``, ``only``, ``run until`` or ``release``."""
    who: str
    what: str

    def __str__(self) -> str:
        about = f"{self.what!r} by {self.who!r}" if self.what else repr(self.who)
        return f"{self.verb} {about}"


class Scripted:
    """Follows its lines; ``unfollowed`` says after a trial how far it has come."""

    name = "scripted"
    wants_all = True  # an operation counts also where nobody else could have gone on

    def __init__(self) -> None:
        self._lines: list[_Line] = []
        self._reset()

    # The script.

    def hold(self, who: str, what: str = "*") -> Self:
        """From now on tasks that match ``who`` stand still before operations that match."""
        return self._with("hold", who, what)

    def run_until(self, what: str, who: str = "*") -> Self:
        """Go on until a task that matches ``who`` has performed an operation that matches."""
        return self._with("run until", who, what)

    def release(self, who: str = "*") -> Self:
        """Tasks that were held by this very pattern (``*``: all) may go on."""
        return self._with("release", who, "")

    def only(self, who: str) -> Self:
        """From now on nobody but tasks that match ``who`` goes on; ``release`` ends it."""
        return self._with("only", who, "*")

    def cut_in(self, who: str, act: str, *, behind: str) -> Self:
        """``who`` acts right behind an operation of somebody else, before anybody else goes on."""
        self.hold(who, act).run_until(behind)
        return self.release(who).only(who).run_until(act, who).release(who)

    def _with(self, verb: str, who: str, what: str) -> Self:
        self._lines.append(_Line(verb, who, what))
        return self

    # The explorer.

    def begin(self, stream: Stream, profile: Profile) -> None:
        """See ``Explorer``; draws nothing."""
        self._reset()

    def _reset(self) -> None:
        self._at = 0
        self._held: list[_Line] = []

    def choose(self, point: ChoicePoint, enabled: Sequence[TaskView]) -> int:
        """See ``Explorer``; ``ScriptError`` where only held tasks could go on."""
        self._follow()
        for index, task in enumerate(enabled):
            if not any(_holds(line, task) for line in self._held):
                self._performs(task)
                return index
        waiting = self.unfollowed()
        assert waiting  # behind the last line nobody is held
        standing = ", ".join(f"{task.name} ({task.op.text})" for task in enabled)
        raise ScriptError(
            f"line {self._at + 1} of the script ({waiting}) never came true: only held tasks could "
            f"go on: {standing}; release one before it"
        )

    def _follow(self) -> None:
        """Take up every line that takes no time."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.verb == "run until":
                return
            if line.verb == "release":
                self._held = [each for each in self._held if line.who not in ("*", each.who)]
            else:
                self._held.append(line)
            self._at += 1
        self._held.clear()

    def _performs(self, task: TaskView) -> None:
        if self._at < len(self._lines) and _matches(self._lines[self._at], task):
            self._at += 1

    def unfollowed(self) -> str:
        """The line that the trial has not got past, or nothing."""
        self._follow()
        return str(self._lines[self._at]) if self._at < len(self._lines) else ""


def _holds(line: _Line, task: TaskView) -> bool:
    return _matches(line, task) is (line.verb == "hold")


def _matches(line: _Line, task: TaskView) -> bool:
    return fnmatchcase(task.op.text, line.what) and fnmatchcase(task.name, line.who)
