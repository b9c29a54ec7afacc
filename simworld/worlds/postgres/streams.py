"""Streams in tables (spec §2.4): a row per stream, a row per chunk, listeners told at commit.

Every write is one statement, which changes the stream's row first: so chunks are numbered densely
in the order of commits, and the first end marker wins; readers wait for nobody.  The first chunk
gives a stream its ordinal, which is unique in the run: of two streams that begin at once, the one
that commits later has the later one, for it has to try again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from simworld.errors import EntityConflictError, UsageError
from simworld.ports import Chunks, StreamInfo, Tables
from simworld.worlds.names import check_stream
from simworld.worlds.postgres.creating import one
from simworld.worlds.postgres.stream_statements import (
    ADD_ENDED,
    APPEND_CHUNKS,
    BEGIN_STREAM,
    END_STREAM,
    LIST_STREAMS,
    READ_CHUNKS,
    READ_STREAM,
)

T = TypeVar("T")

KNOWN_MAX = 10_000
"""Streams of which an instance remembers something."""


class PostgresStreams:
    """``ports.Streams``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._begun: dict[tuple[str, str], None] = {}
        """The streams that have been seen with a chunk."""
        self._followed: dict[tuple[str, str], int] = {}
        """Stream → where the last live reader will go on, which is most often its end."""

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        key, channel = (run_id, name), _channel(run_id, name)
        values = {"run_id": run_id, "name": name, "chunks": list(chunks), "channel": channel}
        while True:
            if chunks and key not in self._begun:
                (found,) = await self._tables.run(BEGIN_STREAM, **values)
                if found["begun"] or found["there"]:
                    _remember(self._begun, key, None)
                if found["begun"]:
                    return
                if not found["there"]:
                    continue
            if chunks and await self._tables.run(APPEND_CHUNKS, **values):
                return
            self._begun.pop(key, None)
            stream = await one(self._tables, READ_STREAM, run_id=run_id, name=name)
            if stream is not None and stream["closed"]:
                raise EntityConflictError(
                    f"write refused: stream {name!r} of run {run_id} is closed", reason="terminal"
                )
            if not chunks:
                return

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        values = {"run_id": run_id, "name": name, "channel": _channel(run_id, name)}
        while not await self._tables.run(END_STREAM, **values):
            if await self._tables.run(ADD_ENDED, **values):
                return
            stream = await one(self._tables, READ_STREAM, run_id=run_id, name=name)
            if stream is not None and stream["closed"]:
                return

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        if start < 0:
            raise UsageError(f"a stream is read from chunk 0 on, not from {start}")
        key = (run_id, name)
        if not live or self._followed.pop(key, -1) != start:
            found = await self._from(run_id, name, start)
            if not live or found.chunks or found.closed:
                return self._seen(key, start, found)
        async with self._tables.listen(_channel(run_id, name)) as notices:
            # What was written before we listened is told to nobody: look, and look again.
            while True:
                found = await self._from(run_id, name, start)
                if found.chunks or found.closed:
                    return self._seen(key, start, found)
                await notices.wait()

    def _seen(self, key: tuple[str, str], start: int, found: Chunks) -> Chunks:
        if not found.closed:
            _remember(self._followed, key, start + len(found.chunks))
        return found

    async def _from(self, run_id: str, name: str, start: int) -> Chunks:
        if not (run_id.isprintable() and name.isprintable()):
            return Chunks((), closed=False)  # no world takes such a name, and it is not sent
        rows = await self._tables.run(READ_CHUNKS, run_id=run_id, name=name, first=start)
        chunks = [row["data"] for row in rows if row["data"] is not None]
        return Chunks(chunks, closed=bool(rows) and rows[0]["closed"])

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""
        stream = await one(self._tables, READ_STREAM, run_id=run_id, name=name)
        if stream is None:
            return StreamInfo(-1, closed=False)
        return StreamInfo(stream["length"] - 1, stream["closed"])

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""
        if not run_id.isprintable():
            return ()
        rows = await self._tables.run(LIST_STREAMS, run_id=run_id)
        return tuple(row["name"] for row in rows)


def _remember(known: dict[tuple[str, str], T], key: tuple[str, str], value: T) -> None:
    if len(known) >= KNOWN_MAX:
        del known[next(iter(known))]
    known[key] = value


def _channel(run_id: str, name: str) -> str:
    """A server's channel names hold 63 characters at most, so this one is a digest."""
    digest = hashlib.blake2b(f"{run_id}\n{name}".encode(errors="replace"), digest_size=16)
    return f"stream_{digest.hexdigest()}"
