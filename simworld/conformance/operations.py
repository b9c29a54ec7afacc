"""What a conformance test does to a world, one operation after another, as plain values.

Every operation can be performed on any world (``on``) and written down as Python (``code``).  What
it gives is a mapping of plain values without ids and positions, which a world chooses as it likes:
two worlds agree if their mappings do.  What a world may choose has rules of its own; the driver
watches over them, and what breaks them stands under ``rules``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

import attrs

from simworld.engine import Event, Fact
from simworld.ports import BatchFact

if TYPE_CHECKING:
    from simworld.conformance.driver import Driver

Seen: TypeAlias = Mapping[str, Any]
"""What came of an operation, by the name of each part."""

UNKNOWN = -1
"""The position of an event that nobody has seen."""
LITERAL_MAX = 200
"""Longer texts of one repeated character are written as a product."""


def literal(value: object) -> str:
    """Python that makes ``value``: facts and operations by their fields that are not defaults."""
    if isinstance(value, str) and len(value) > LITERAL_MAX and value == value[0] * len(value):
        return f"{value[0]!r} * {len(value)}"
    if isinstance(value, str):
        return ascii(value)
    if isinstance(value, tuple):
        return f"({''.join(f'{literal(each)}, ' for each in value).rstrip()})"
    kind: type[Any] = type(value)
    if attrs.has(kind):
        told = [
            f"{field.name}={literal(each)}"
            for field in attrs.fields(kind)
            if (each := getattr(value, field.name)) != field.default
        ]
        return f"{kind.__name__}({', '.join(told)})"
    return repr(value)


class SeenEvent(NamedTuple):
    """An event without what the world chooses."""

    run_id: str
    type: str
    correlation_id: str
    created_at_ms: int
    fact: Fact


def seen_event(event: Event) -> SeenEvent:
    """The event without its id and its position."""
    return SeenEvent(
        event.run_id, event.type, event.correlation_id, event.created_at_ms, event.fact
    )


class Operation(Protocol):
    """One thing a client does."""

    async def on(self, driver: Driver) -> Seen:
        """Do it; what comes of it."""


@attrs.frozen
class Create:
    """Record a fact."""

    run_id: str
    fact: Fact

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        answer = await driver.world.storage.create(self.run_id, self.fact)
        return driver.answered(self.run_id, answer)


@attrs.frozen
class Append:
    """Record facts together."""

    run_id: str
    facts: tuple[BatchFact, ...]
    after: int | None = None
    """The events that the log is to have by now; None: however many."""

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        after = None if self.after is None else driver.position(self.run_id, self.after)
        if after is UNKNOWN:
            return {"skipped": "nobody has seen such an event"}
        answers = await driver.world.storage.append(self.run_id, self.facts, after=after)
        return {"answers": [driver.answered(self.run_id, answer) for answer in answers]}


@attrs.frozen
class Advance:
    """Time passes."""

    ms: int

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        driver.clock.ms += self.ms
        return {}


@attrs.frozen
class Reopen:
    """Close the world, and open it again on the same data."""

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``; whoever performs the sequence does it after this."""
        return {}


@attrs.frozen
class ReadLog:
    """Read on from the cursor that stands behind the first ``after`` events, page by page."""

    run_id: str
    after: int = 0

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return await driver.read_log(self.run_id, self.after)


@attrs.frozen
class ReadPage:
    """Read the first page, and no more."""

    run_id: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        page = await driver.world.storage.events(self.run_id)
        return {"events": [seen_event(each) for each in page.events]}


@attrs.frozen
class ReadFrom:
    """Read from a cursor that no world has ever given out."""

    run_id: str
    cursor: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        await driver.world.storage.events(self.run_id, self.cursor)
        return {"accepted": "a cursor that was never given out"}


@attrs.frozen
class ReadRun:
    """Get a run's row."""

    run_id: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return {"row": await driver.world.storage.run(self.run_id)}


@attrs.frozen
class ReadHook:
    """Get the live hook that owns a token."""

    token: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return {"row": await driver.world.storage.hook(self.token)}


@attrs.frozen
class ReadActive:
    """Which runs have not ended?"""

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return {"runs": list(await driver.world.storage.active_runs())}


@attrs.frozen
class ReadState:
    """Look at everything the world holds, if it can be looked at from outside."""

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return await driver.read_state()


@attrs.frozen
class WriteStream:
    """Append chunks."""

    run_id: str
    name: str
    chunks: tuple[bytes, ...]

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        await driver.streams.write(self.run_id, self.name, self.chunks)
        return {}


@attrs.frozen
class CloseStream:
    """Write the end marker."""

    run_id: str
    name: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        await driver.streams.close(self.run_id, self.name)
        return {}


@attrs.frozen
class ReadStream:
    """Read what is there from an index on; ``live`` only where there is something to give."""

    run_id: str
    name: str
    start: int = 0
    live: bool = attrs.field(default=False, kw_only=True)

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        found = await driver.streams.read(self.run_id, self.name, self.start, live=self.live)
        return {"chunks": list(found.chunks), "closed": found.closed}


@attrs.frozen
class FollowStream:
    """Append chunks while somebody waits for the first of them; the stream is open."""

    run_id: str
    name: str
    chunks: tuple[bytes, ...]

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``; how many chunks a reader gets at once is for the world to choose."""
        start = (await driver.streams.info(self.run_id, self.name)).tail + 1
        heard = await driver.follow(self, start)
        return {
            "heard": list(heard.chunks[:1]),
            "in order": tuple(heard.chunks) == self.chunks[: len(heard.chunks)],
            "closed": heard.closed,
        }


@attrs.frozen
class StreamLength:
    """How long is it, and is it closed?"""

    run_id: str
    name: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        info = await driver.streams.info(self.run_id, self.name)
        return {"tail": info.tail, "closed": info.closed}


@attrs.frozen
class StreamNames:
    """Which streams does the run have?"""

    run_id: str

    async def on(self, driver: Driver) -> Seen:
        """See ``Operation``."""
        return {"names": list(await driver.streams.names(self.run_id))}


STREAM_OPERATIONS = (
    WriteStream,
    CloseStream,
    ReadStream,
    FollowStream,
    StreamLength,
    StreamNames,
)
"""What may be done to streams only."""
