"""Worlds to be tested: the right ones, and wrong ones that are planted."""

from __future__ import annotations

from contextlib import asynccontextmanager

import attrs
import trio

from simworld.conformance import WorldUnderTest
from simworld.engine import RUN_TERMINAL, RunStatus
from simworld.errors import EntityConflictError, RunExpiredError, TooEarlyError
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld, MemoryStreams, WorldState


class Tasks:
    """Enough of ``ports.Tasks`` for streams."""

    def latch(self, wish):
        return trio.Event()


def atomic(world_class=AtomicWorld, streams_class=MemoryStreams, **knobs):
    """A maker of atomic worlds, or of worlds like it."""

    @asynccontextmanager
    async def make_world(clock, ids):
        world = world_class(clock=clock, ids=ids, profile=WorldProfile(**knobs))
        streams = streams_class(tasks=Tasks())

        async def state():
            return WorldState(
                world.runs, world.steps, world.hooks, world.waits, world.logs, streams.contents()
            )

        yield WorldUnderTest(world, streams, state)

    return make_world


# --- wrong ones -----------------------------------------------------------------------------------


class ForgetsTokens(AtomicWorld):
    """The end of a run lets go of nothing."""

    def _release(self, run_id):
        pass


class NullLastCursor(AtomicWorld):
    """The last page has no cursor."""

    async def events(self, run_id, cursor=None):
        page = await super().events(run_id, cursor)
        return page if page.has_more else page._replace(cursor=None)


class PageTooFar(AtomicWorld):
    """Every page after the first begins one event too late."""

    async def events(self, run_id, cursor=None):
        if cursor is not None and cursor.isdigit():
            cursor = str(int(cursor) + 1)
        return await super().events(run_id, cursor)


class NewestFirst(AtomicWorld):
    """Pages are in descending order."""

    async def events(self, run_id, cursor=None):
        page = await super().events(run_id, cursor)
        return page._replace(events=page.events[::-1])


class MoreOnTheLastPage(AtomicWorld):
    """A full page always claims that there is more."""

    async def events(self, run_id, cursor=None):
        page = await super().events(run_id, cursor)
        return page._replace(has_more=bool(page.events))


class GoneForConflict(AtomicWorld):
    """410 where it should be 409."""

    async def create(self, run_id, fact):
        try:
            return await super().create(run_id, fact)
        except EntityConflictError as error:
            if error.reason == "terminal":
                raise RunExpiredError(str(error)) from error
            raise


class WrongReason(AtomicWorld):
    """The status is right, the reason is not."""

    async def create(self, run_id, fact):
        try:
            return await super().create(run_id, fact)
        except EntityConflictError as error:
            raise EntityConflictError(str(error), reason="exists") from error


class RetryInMilliseconds(AtomicWorld):
    """425 tells the wait in milliseconds."""

    async def create(self, run_id, fact):
        try:
            return await super().create(run_id, fact)
        except TooEarlyError as error:
            late = error.retry_after_s * 1000
            raise TooEarlyError(str(error), retry_after_s=late) from error


class SameAttempt(AtomicWorld):
    """The second start is no second attempt."""

    async def create(self, run_id, fact):
        answer = await super().create(run_id, fact)
        if fact.type == "step_started" and answer.step.attempt > 1:
            row = attrs.evolve(answer.step, attempt=1)
            self.steps[run_id, fact.correlation_id] = row
            answer = answer._replace(step=row)
        return answer


class LosesRetryAfter(AtomicWorld):
    """A step that may only start later starts at once."""

    async def create(self, run_id, fact):
        if fact.type == "step_retrying":
            fact = attrs.evolve(fact, retry_after_ms=0)
        return await super().create(run_id, fact)


class TakesStragglers(AtomicWorld):
    """Steps may be created when their run has ended."""

    async def create(self, run_id, fact):
        row = self.runs.get(run_id)
        if fact.type != "step_created" or row is None or row.status not in RUN_TERMINAL:
            return await super().create(run_id, fact)
        self.runs[run_id] = attrs.evolve(row, status=RunStatus.RUNNING)
        try:
            return await super().create(run_id, fact)
        finally:
            self.runs[run_id] = row


class SameIds(AtomicWorld):
    """Every other event has the id of the one before it."""

    def _append(self, run_id, *rest):
        event = super()._append(run_id, *rest)
        if event.position % 2 == 0:
            log = self.logs[run_id]
            log[-1] = event = attrs.evolve(event, event_id=log[-2].event_id)
        return event


class IgnoresLeases(AtomicWorld):
    """Whoever wants to start a step may."""

    async def create(self, run_id, fact):
        if fact.type == "step_started":
            fact = attrs.evolve(fact, admit="always")
        return await super().create(run_id, fact)


class OneLogForAll(AtomicWorld):
    """Asked for a run nobody knows, it gives the log of another."""

    async def events(self, run_id, cursor=None):
        if run_id not in self.logs and self.logs:
            run_id = min(self.logs)
        return await super().events(run_id, cursor)


class FoldsCase(AtomicWorld):
    """Tokens differ in more than their case, it thinks."""

    async def hook(self, token):
        for known, row in self.tokens.items():
            if known.lower() == token.lower():
                return row
        return await super().hook(token)


class PreloadsTheLast(AtomicWorld):
    """The preload is the newest event only."""

    async def create(self, run_id, fact):
        answer = await super().create(run_id, fact)
        if answer.preload:
            answer = answer._replace(preload=answer.preload[-1:])
        return answer


class ActiveAreRunning(AtomicWorld):
    """A run that nobody has started is forgotten at a restart."""

    async def active_runs(self):
        return sorted(each for each, row in self.runs.items() if row.status == "running")


class TakesBadNames(AtomicWorld):
    """Whatever the token, it is taken."""

    async def create(self, run_id, fact):
        if fact.type != "hook_created" or fact.token.isprintable():
            return await super().create(run_id, fact)
        return await super().create(run_id, attrs.evolve(fact, token=ascii(fact.token)))


class ForgetsConflicts(AtomicWorld):
    """hook_conflict does not say who owns the token."""

    def _append(self, run_id, fact, *rest):
        if fact.type == "hook_conflict":
            fact = attrs.evolve(fact, conflicting_run_id="")
        return super()._append(run_id, fact, *rest)


class WritesAfterTheEnd(MemoryStreams):
    """A closed stream takes chunks in silence."""

    async def write(self, run_id, name, chunks):
        if not (await self.info(run_id, name)).closed:
            await super().write(run_id, name, chunks)


class SharedStreams(MemoryStreams):
    """Streams of one name are one stream, whoever owns them."""

    def _stream(self, run_id, name):
        return super()._stream("", name)


class HearsTwice(MemoryStreams):
    """Whoever waits hears the chunk before, too."""

    async def read(self, run_id, name, start, *, live):
        waits = live and (await self.info(run_id, name)).tail < start
        found = await super().read(run_id, name, start, live=live)
        if waits and start:
            found = await super().read(run_id, name, start - 1, live=False)
        return found


WRONG_WORLDS = [
    ForgetsTokens,
    NullLastCursor,
    PageTooFar,
    NewestFirst,
    MoreOnTheLastPage,
    GoneForConflict,
    WrongReason,
    RetryInMilliseconds,
    SameAttempt,
    LosesRetryAfter,
    TakesStragglers,
    SameIds,
    IgnoresLeases,
    OneLogForAll,
    FoldsCase,
    PreloadsTheLast,
    ActiveAreRunning,
    TakesBadNames,
    ForgetsConflicts,
]
WRONG_STREAMS = [WritesAfterTheEnd, SharedStreams, HearsTwice]
