"""Lines: callers of one process who want something recorded about the same run.

The first one in a line leads: it decides for itself and for those behind it, and they follow.  Who
comes meanwhile waits, and what has come is the next one's to lead.  Nobody depends on anybody else
for ever: a leader that is silent for long is passed over.  It may only be slow, and record yet what
it has decided: those who went with it look for their events first.  Then two leaders do no harm,
because the log decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from simworld.engine import Fact
from simworld.errors import SimworldError
from simworld.marks import reached
from simworld.ports import Answer, Latch, Tasks

PATIENCE_MS = 10_000
"""After so long a leader that says nothing is passed over."""
TOGETHER_MAX = 64
"""Callers that are decided together."""


class Asked:
    """What one caller wants recorded, and what came of it."""

    __slots__ = (
        "after",
        "alone",
        "answers",
        "done",
        "error",
        "event_ids",
        "facts",
        "in_doubt",
        "latch",
        "leader",
    )

    def __init__(
        self, facts: Sequence[Fact], event_ids: Sequence[str], *, after: int | None, alone: bool
    ) -> None:
        self.facts = facts
        self.event_ids = event_ids
        """One for each event that may come of them."""
        self.after = after
        self.alone = alone
        """It is not decided together with others."""
        self.answers: Sequence[Answer] = ()
        self.error: SimworldError | None = None
        """Why not; without its traceback, which would lead back here."""
        self.done = False
        self.in_doubt = False
        """A leader that was passed over may have recorded it."""
        self.latch: Latch | None = None
        """Set when it is done, or has to lead."""
        self.leader: object = None
        """Who has decided for it last."""

    def finish(self) -> None:
        """Its caller may go on."""
        self.done = True
        if self.latch is not None:
            self.latch.set()

    def fail(self, error: SimworldError) -> None:
        """What it shares with others has failed."""
        self.answers, self.error = (), error
        self.finish()

    def result(self) -> Sequence[Answer]:
        """The answers, or the refusal."""
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self.answers


Together: TypeAlias = Callable[[], list[Asked]]
"""Who is to be decided by now, the leader first."""


class Lines:
    """The lines of all runs; ``expect`` is told the ids of events that others may record."""

    def __init__(self, tasks: Tasks, expect: Callable[[str], None]) -> None:
        self._tasks = tasks
        self._expect = expect
        self._lines: dict[str, list[Asked]] = {}

    async def decide(
        self, run_id: str, asked: Asked, lead: Callable[[Together], Awaitable[None]]
    ) -> None:
        """Return when it is done: by somebody who leads, or by ``lead``."""
        line = self._lines.get(run_id)
        if line is None:
            line = self._lines[run_id] = []
        line.append(asked)
        try:
            if line[0] is not asked:
                await self._follow(line, asked)
            if not asked.done:
                await lead(lambda: _together(line, asked))
        finally:
            self._leave(run_id, line, asked)

    async def _follow(self, line: list[Asked], asked: Asked) -> None:
        asked.latch = self._tasks.latch("have its events recorded")
        leader = line[0]
        while not (await asked.latch.wait(PATIENCE_MS) or asked.done or line[0] is asked):
            if line[0] is leader and line[1] is asked:
                reached("line.passed_over")
                del line[0]
                for each in line:
                    self._doubt(each)
                return
            leader = line[0]

    def _doubt(self, asked: Asked) -> None:
        if not asked.alone:
            asked.in_doubt = True
            for event_id in asked.event_ids:
                self._expect(event_id)

    def _leave(self, run_id: str, line: list[Asked], asked: Asked) -> None:
        led = line[:1] == [asked]
        line[:] = [each for each in line if each is not asked and not each.done]
        if not line:
            if self._lines.get(run_id) is line:
                del self._lines[run_id]
        elif led and (latch := line[0].latch) is not None:
            latch.set()


def _together(line: Sequence[Asked], asked: Asked) -> list[Asked]:
    found = [asked]
    if asked.alone or line[:1] != found:
        return found
    for each in line[1:TOGETHER_MAX]:
        if each.alone:
            break
        if not each.done:
            found.append(each)
    return found
