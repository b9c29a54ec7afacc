"""Streams in tables (spec §2.4): a row per stream, a row per chunk, listeners told at commit.

Who writes or closes locks the stream's row first, so chunks are numbered densely in the order of
commits and the first end marker wins; readers wait for nobody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from simworld.errors import EntityConflictError, UsageError
from simworld.ports import Chunks, Row, Session, StreamInfo, Tables
from simworld.worlds.names import check_stream
from simworld.worlds.postgres.creating import one
from simworld.worlds.postgres.stream_statements import (
    ADD_CHUNKS,
    ADD_STREAM,
    CHANGE_STREAM,
    LAST_ORDINAL,
    LIST_STREAMS,
    LOCK_STREAM,
    ORDER_STREAMS,
    READ_CHUNKS,
    READ_STREAM,
    TELL,
)


class PostgresStreams:
    """``ports.Streams``."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        async with self._tables.transaction() as session:
            stream = await _locked(session, run_id, name)
            if stream["closed"]:
                raise EntityConflictError(
                    f"write refused: stream {name!r} of run {run_id} is closed", reason="terminal"
                )
            if not chunks:
                return
            length, ordinal = stream["length"], stream["ordinal"]
            if not ordinal:
                await session.run(ORDER_STREAMS, run_id=run_id)
                ordinal = (await session.run(LAST_ORDINAL, run_id=run_id))[0]["ordinal"] + 1
            await session.run(
                ADD_CHUNKS, run_id=run_id, name=name, first=length, chunks=list(chunks)
            )
            await _change(session, stream, length=length + len(chunks), ordinal=ordinal)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        async with self._tables.transaction() as session:
            stream = await _locked(session, run_id, name)
            if not stream["closed"]:
                await _change(session, stream, closed=True)

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        if start < 0:
            raise UsageError(f"a stream is read from chunk 0 on, not from {start}")
        found = await self._from(run_id, name, start)
        if not live or found.chunks or found.closed:
            return found
        async with self._tables.listen(_channel(run_id, name)) as notices:
            # What was written before we listened is told to nobody: look again.
            while True:
                found = await self._from(run_id, name, start)
                if found.chunks or found.closed:
                    return found
                await notices.wait()

    async def _from(self, run_id: str, name: str, start: int) -> Chunks:
        stream = await one(self._tables, READ_STREAM, run_id=run_id, name=name)
        if stream is None:
            return Chunks((), closed=False)
        end, rows = stream["length"], list[Row]()
        if start < end:
            rows = await self._tables.run(
                READ_CHUNKS, run_id=run_id, name=name, first=start, end=end
            )
        return Chunks([row["data"] for row in rows], stream["closed"])

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


async def _locked(session: Session, run_id: str, name: str) -> Row:
    """The stream's row, made if need be, and ours until the end of the transaction."""
    while True:
        rows = await session.run(LOCK_STREAM, run_id=run_id, name=name)
        if rows:
            return rows[0]
        fresh = {"length": 0, "closed": False, "ordinal": 0}
        rows = await session.run(ADD_STREAM, run_id=run_id, name=name, **fresh)
        if rows:
            return rows[0]


async def _change(session: Session, stream: Row, **new: object) -> None:
    values = {**stream, **new}
    await session.run(CHANGE_STREAM, **values)
    await session.run(TELL, channel=_channel(values["run_id"], values["name"]))


def _channel(run_id: str, name: str) -> str:
    """A server's channel names hold 63 characters at most, so this one is a digest."""
    digest = hashlib.blake2b(f"{run_id}\n{name}".encode(), digest_size=16)
    return f"stream_{digest.hexdigest()}"
