"""One world that is being driven: its clock, the cursors it gave out, what it may choose freely.

The same driver drives the model and the world under test, so that both are seen with one eye.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias, TypeVar

import attrs
import trio
import trio.testing

from simworld.conformance.operations import (
    UNKNOWN,
    FollowStream,
    Operation,
    Seen,
    seen_event,
)
from simworld.engine import Event
from simworld.errors import InternalError, UsageError, WorldError
from simworld.ports import Answer, Chunks, Clock, Ids, Page, Storage, Streams
from simworld.worlds import WorldState

T = TypeVar("T")

FOLLOW_S = 10.0
"""For so long a reader may wait for what has been written."""
LISTENING_S = 0.002
"""After so long in which nothing happens, a reader is taken to be waiting."""
START_MS = 1_000_000
"""The time at which every sequence begins."""


@attrs.frozen(eq=False)
class WorldUnderTest:
    """What is tested: storage, and streams and a look inside where there are any."""

    storage: Storage
    streams: Streams | None = None
    state: Callable[[], Awaitable[WorldState]] | None = None
    """Everything it holds, as ``read_local`` gives it; else it is seen through the port only."""


MakeWorld: TypeAlias = Callable[[Clock, Ids], AbstractAsyncContextManager[WorldUnderTest]]
"""(clock, ids) → an empty world, for one sequence, on trio."""


class HeldClock:
    """``ports.Clock`` that stands still until it is told the time."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        """See ``ports.Clock``."""
        return self.ms

    async def sleep_ms(self, duration_ms: int) -> None:
        """See ``ports.Clock``; here it is the sleeper who makes time pass."""
        self.ms += duration_ms
        await trio.lowlevel.checkpoint()


class CountedIds:
    """``ports.Ids``: the ids count, and sort as they count."""

    def __init__(self) -> None:
        self._count = 0

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count:026d}"

    def run_id(self) -> str:
        """See ``ports.Ids``."""
        return self._next("wrun")

    def message_id(self) -> str:
        """See ``ports.Ids``."""
        return self._next("msg")

    def event_id(self) -> str:
        """See ``ports.Ids``."""
        return self._next("evnt")


def refused(error: WorldError) -> str:
    """A refusal in one line: status, class, reason, delay; its words are the world's own."""
    told = [str(error.status), type(error).__name__]
    for name in ("reason", "retry_after_s"):
        value = getattr(error, name, None)
        if value is not None:
            told.append(f"{name}={value}")
    return " ".join(told)


class Driver:
    """Performs operations on one world and remembers what it has chosen."""

    def __init__(
        self, world: WorldUnderTest, clock: HeldClock, *, page_max: int, suspends: bool = True
    ) -> None:
        self.world = world
        self._suspends = suspends
        """False for the model: nothing can wait in it."""
        self.clock = clock
        self._page_max = page_max
        self.cursors: dict[tuple[str, int], str] = {}
        """(run id, number of events before it) → a cursor that stands there."""
        self.positions: dict[tuple[str, int], int] = {}
        """(run id, number of events up to it) → the position of an event."""
        self._counts: dict[str, int] = {}
        self._places: dict[str, tuple[str, int]] = {}
        self._last: dict[str, int] = {}
        self._broken: list[str] = []

    @property
    def streams(self) -> Streams:
        """The streams; a sequence without stream operations needs none."""
        assert self.world.streams is not None
        return self.world.streams

    def position(self, run_id: str, count: int) -> int:
        """Of the last one of the first events of a log; ``UNKNOWN`` if nobody has seen it."""
        return self.positions.get((run_id, count), UNKNOWN) if count else 0

    async def perform(self, operation: Operation) -> Seen:
        """What comes of it: parts of the answer, or ``refused``, or ``raised``; broken rules."""
        self._broken = []
        seen: Seen
        try:
            seen = await operation.on(self)
        except WorldError as error:
            seen = {"refused": refused(error)}
        except UsageError:
            seen = {"refused": "UsageError"}
        except Exception as error:  # whatever it is, the world should not have raised it
            seen = {"raised": f"{type(error).__name__}: {error} ({_place_of(error)})"}
        return {**seen, "rules": self._broken} if self._broken else seen

    # What a world may choose, and the rules for it.

    def answered(self, run_id: str, answer: Answer) -> Seen:
        """An answer to ``create``."""
        event, preload = answer.event, answer.preload
        if preload is not None:
            self._watch(run_id, preload, 0)
        if event is not None:
            before = self._counts.get(run_id, 0)
            count = before + 1 if preload is None else len(preload)
            self._counts[run_id] = count
            self._watch(run_id, [event], 0 if preload is not None else self._last.get(run_id, 0))
            self._last[run_id] = self.positions[run_id, count] = event.position
            if answer.cursor:
                self.cursors[run_id, count] = answer.cursor
        return {
            "event": None if event is None else seen_event(event),
            "run": answer.run,
            "step": answer.step,
            "hook": answer.hook,
            "wait": answer.wait,
            "preload": None if preload is None else [seen_event(each) for each in preload],
            "has a cursor": bool(answer.cursor),
        }

    def _watch(self, run_id: str, events: Sequence[Event], last: int) -> int:
        """Positions rise, ids are unique, and both stay; the last position."""
        for event in events:
            if event.position <= last:
                self._broken.append(f"position {event.position} does not rise above {last}")
            last = event.position
            place = self._places.setdefault(event.event_id, (run_id, event.position))
            if place != (run_id, event.position):
                self._broken.append(f"event id {event.event_id} is in two places")
        return last

    async def read_log(self, run_id: str, after: int) -> Seen:
        """All pages from a cursor on."""
        cursor = self.cursors.get((run_id, after)) if after else None
        if after and cursor is None:
            return {"skipped": "no cursor stands there"}
        found: list[Event] = []
        last = 0
        more: bool | None = None
        while True:
            page = await self.world.storage.events(run_id, cursor)
            self._check_page(page, more)
            last = self._watch(run_id, page.events, last)
            for count, event in enumerate(page.events, start=after + len(found) + 1):
                self.positions[run_id, count] = event.position
            found += page.events
            if not page.events or page.cursor is None:
                break
            if page.cursor == cursor:
                self._broken.append("the cursor does not move")
                break
            cursor, more = page.cursor, page.has_more
            self.cursors[run_id, after + len(found)] = cursor
        return {"events": [seen_event(each) for each in found]}

    def _check_page(self, page: Page, more: bool | None) -> None:
        """``more``: what the page before it said about this one."""
        size = len(page.events)
        if size > self._page_max:
            self._broken.append(f"a page of {size} events; at most {self._page_max} are allowed")
        if size and page.cursor is None:
            self._broken.append("a page with events has no cursor")
        if not size and page.cursor is not None:
            self._broken.append("an empty page has a cursor")
        if not size and page.has_more:
            self._broken.append("an empty page says that there is more")
        if more is not None and more != bool(size):
            self._broken.append(f"has_more was {more}, and {size} events came")

    async def follow(self, written: FollowStream, start: int) -> Chunks:
        """What is heard from ``start`` on, by somebody who waits there before it is written."""
        run_id, name = written.run_id, written.name
        heard = Chunks((), False)

        async def listen() -> None:
            nonlocal heard
            heard = await self.streams.read(run_id, name, start, live=True)

        if not self._suspends:
            await self.streams.write(run_id, name, written.chunks)
            await listen()
            return heard
        with trio.fail_after(FOLLOW_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listen)
                await trio.testing.wait_all_tasks_blocked(LISTENING_S)
                await self.streams.write(run_id, name, written.chunks)
        return heard

    async def read_state(self) -> Seen:
        """Everything, if the world can be looked into."""
        if self.world.state is None:
            return {"skipped": "it cannot be looked into"}
        state = await self.world.state()
        return {
            "runs": dict(state.runs),
            "steps": dict(state.steps),
            "hooks": dict(state.hooks),
            "waits": dict(state.waits),
            "logs": {
                run_id: [seen_event(each) for each in log] for run_id, log in state.logs.items()
            },
            "streams": {
                key: (tuple(each.chunks), each.closed) for key, each in state.streams.items()
            },
        }


def different(expected: Seen, found: Seen) -> dict[str, tuple[Any, Any]]:
    """The parts in which they differ: name → (expected, found)."""
    if "skipped" in expected or "skipped" in found:
        return {}
    # A world that breaks has said nothing: the parts that are missing tell no more.
    names = ["refused", "raised"] if "raised" in found else dict.fromkeys((*expected, *found))
    pairs = {name: (expected.get(name), found.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _place_of(error: Exception) -> str:
    """The line that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing, such as the model's."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        found: T = stop.value
        return found
    coroutine.close()
    raise InternalError("the model waits for something")
