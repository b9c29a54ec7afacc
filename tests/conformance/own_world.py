"""A world of somebody's own, and how it is tested: ``python -m tests.conformance.own_world``.

It keeps a journal: a file with a line for every fact that was accepted, and the time of it.  Who
opens the file again does all of it once more.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from simworld.conformance import WorldUnderTest, check_reopen, check_world
from simworld.errors import WorldError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld
from simworld.worlds.codec import decode_fact, encode_fact


class Moment:
    """A clock that a journal sets back."""

    def __init__(self, clock):
        self._clock = clock
        self.replaying_ms = None

    def now_ms(self):
        return self._clock.now_ms() if self.replaying_ms is None else self.replaying_ms


class CountedEvents:
    """Event ids that are the same every time the journal is read."""

    def __init__(self):
        self.count = 0

    def event_id(self):
        self.count += 1
        return f"evnt_{self.count}"


class JournalWorld(AtomicWorld):
    """A world in memory with a journal on disk."""

    def __init__(self, path, *, clock, profile):
        self._moment = Moment(clock)
        self._counted = CountedEvents()
        super().__init__(clock=self._moment, ids=self._counted, profile=profile)
        self._path = path
        for line in path.read_text().splitlines() if path.exists() else []:
            self._moment.replaying_ms, run_id, event_type, fact = json.loads(line)
            self.commit(run_id, decode_fact(event_type, fact.encode()))
        self._moment.replaying_ms = None

    async def create(self, run_id, fact):
        answer = await super().create(run_id, fact)
        if answer.event is not None:
            self._write_down(run_id, [fact])
        return answer

    async def append(self, run_id, facts, *, after=None):
        count = self._counted.count
        try:
            answers = await super().append(run_id, facts, after=after)
        except WorldError:
            self._counted.count = count
            raise
        self._write_down(run_id, facts)
        return answers

    def _write_down(self, run_id, facts):
        with self._path.open("a") as journal:
            for fact in facts:
                line = [self._moment.now_ms(), run_id, fact.type, encode_fact(fact).decode()]
                journal.write(f"{json.dumps(line)}\n")


PROFILE = WorldProfile(page_max=3)


def places(folder, world_class=JournalWorld):
    """Gives a file that is not there yet, and who opens it, as often as it is asked."""

    def new_place():
        path = Path(tempfile.mkdtemp(dir=folder)) / "journal"

        @asynccontextmanager
        async def make_world(clock, ids):
            yield WorldUnderTest(world_class(path, clock=clock, profile=PROFILE))

        return make_world

    return new_place


def main():
    """Is it a world?  And is it still one tomorrow?"""
    with tempfile.TemporaryDirectory() as folder:
        new_place = places(folder)

        def make_world(clock, ids):
            return new_place()(clock, ids)

        reports = [
            check_world(make_world, profile=PROFILE, streams=False),
            check_reopen(new_place, profile=PROFILE, streams=False),
        ]
    for report in reports:
        print(report)
    return 0 if all(report.ok for report in reports) else 1


if __name__ == "__main__":
    sys.exit(main())
