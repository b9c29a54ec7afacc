"""Streams on files (spec §2.4): one numbered file per chunk, and one for the end.

Whoever links the next number has appended; so chunks have no gaps, and nothing comes behind the
end.  Writes of one process are made in the order of their calls.  The names of a run's streams are
numbered files, too: nobody reads a list, changes it and writes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs

from simworld.errors import EntityConflictError, UsageError
from simworld.ports import Chunks, Files, StreamInfo, Tasks
from simworld.worlds.codec import decode_row, encode_row
from simworld.worlds.local.layout import names_folder, number_path, stream_folder
from simworld.worlds.local.mutexes import Mutexes
from simworld.worlds.names import check_stream

CHUNK, END = b"c", b"e"
"""The first byte of a file; a chunk follows the one, the stream's name the other."""
BATCH = 32
"""Chunks that are read at once."""
TAILS_MAX = 10_000
"""Streams whose tail a process remembers."""


@attrs.frozen
class StreamName:
    """What a stream is called; paths may hold hashes only."""

    run_id: str
    name: str


class LocalStreams:
    """``ports.Streams``."""

    def __init__(self, files: Files, *, tasks: Tasks) -> None:
        self._files = files
        self._mutexes = Mutexes(tasks)
        self._tails: dict[str, int] = {}
        """Folder → the last chunk that we know of: most often, there is no other writer."""
        self._numbers: dict[str, int] = {}
        """Folder of names → the next number that nobody here has tried."""

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        parts = [CHUNK + chunk for chunk in chunks]
        append = partial(self._append, run_id, name, parts)
        if not await self._mutexes.within((run_id, name), f"stream {name}", append):
            raise EntityConflictError(
                f"write refused: stream {name!r} of run {run_id} is closed", reason="terminal"
            )

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        end = END + encode_row(StreamName(run_id, name))
        append = partial(self._append, run_id, name, [end])
        await self._mutexes.within((run_id, name), f"stream {name}", append)

    async def _append(self, run_id: str, name: str, parts: Sequence[bytes]) -> bool:
        """False if the stream has ended."""
        folder = stream_folder(run_id, name)
        tail, closed, done = self._tails.get(folder, -1), False, 0
        if tail < 0 or not parts:
            tail, closed = await self._info(folder)
        while done < len(parts) and not closed:
            rest = parts[done:]
            paths = [number_path(folder, tail + number) for number in range(1, len(rest) + 1)]
            if tail < 0 and rest[0].startswith(CHUNK):
                count = await self._link_first(run_id, name, paths, rest)
            else:
                count = await self._files.link_all(paths, rest)
            done, tail = done + count, tail + count
            if count < len(rest):
                tail, closed = await self._info(folder)
        if done and parts[-1].startswith(CHUNK):
            self._learn(folder, tail)
        return not closed

    async def _link_first(
        self, run_id: str, name: str, paths: Sequence[str], parts: Sequence[bytes]
    ) -> int:
        """Link the first chunks behind the stream's name; how many of them."""
        folder, mine = names_folder(run_id), encode_row(StreamName(run_id, name))
        while True:
            others = await self._files.list(folder)
            known = [f"{folder}/{each}" for each in others]
            if known and mine in await self._files.read_all(known):
                return await self._files.link_all(paths, parts)
            # Another stream of this process may be on its way to the number behind the last one.
            number = max(int(others[-1]) + 1 if others else 0, self._numbers.get(folder, 0))
            self._remember(self._numbers, folder, number + 1)
            path = number_path(folder, number)
            count = await self._files.link_all([path, *paths], [mine, *parts])
            if count:
                return count - 1

    def _learn(self, folder: str, tail: int) -> None:
        """This chunk is there."""
        if tail > self._tails.get(folder, -1):
            self._remember(self._tails, folder, tail)

    def _remember(self, kept: dict[str, int], folder: str, number: int) -> None:
        if folder not in kept and len(kept) >= TAILS_MAX:
            del kept[next(iter(kept))]
        kept[folder] = number

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        if start < 0:
            raise UsageError(f"a stream is read from chunk 0 on, not from {start}")
        folder = stream_folder(run_id, name)
        while True:
            found = await self._read(folder, start)
            if found is None:
                tail, closed = await self._info(folder)
                if tail >= start:
                    continue  # it has grown since
                found = Chunks([], closed)
            elif not found.chunks:
                tail = start - 1
            if found.chunks or found.closed or not live:
                return found
            await self._files.wait_more(folder, tail + 1)

    async def _read(self, folder: str, start: int) -> Chunks | None:
        """None: ``start`` is not at the end, but behind it.

        Where the chunk before ``start`` is not known, it is looked at, too: if it is the last one,
        ``start`` is the end.
        """
        chunks: list[bytes] = []
        number = start if self._tails.get(folder, -1) >= start - 1 else max(start - 1, 0)
        while True:
            paths = [number_path(folder, each) for each in range(number, number + BATCH)]
            found = await self._files.read_on(paths)
            for data in found:
                if data.startswith(END):
                    return Chunks(chunks, closed=True)
                if number >= start:
                    chunks.append(data[1:])
                number += 1
            if len(found) < BATCH:
                if number < start:
                    return None
                self._learn(folder, number - 1)
                return Chunks(chunks, closed=False)

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""
        return await self._info(stream_folder(run_id, name))

    async def _info(self, folder: str) -> StreamInfo:
        names = await self._files.list(folder)
        if not names:
            return StreamInfo(-1, closed=False)
        last = await self._files.read(f"{folder}/{names[-1]}") or b""
        closed = last.startswith(END)
        return StreamInfo(len(names) - 1 - closed, closed)

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``; a name whose first chunk has not come yet is none."""
        folder = names_folder(run_id)
        paths = [f"{folder}/{each}" for each in await self._files.list(folder)]
        found = await self._files.read_all(paths)
        names = [decode_row(data, StreamName).name for data in found if data is not None]
        if not names:
            return []
        firsts = [number_path(stream_folder(run_id, name), 0) for name in names]
        begun = await self._files.read_all(firsts)
        return [
            name
            for name, first in zip(names, begun, strict=True)
            if first is not None and first.startswith(CHUNK)
        ]
