"""Streams in memory (spec §2.4): chunks in the order of their writes, readers woken by writers.

A stream outlives its run: nothing but its own end marker closes it, unless ``late_chunks=refused``
has it end with its run.

Under ``chunk_order=mint_at_start`` chunks get their place before others may come between, and
become visible after that: a live reader goes by places, so it misses those that come late (R-70).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from simworld.engine import RUN_TERMINAL
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    RunExpiredError,
    UsageError,
)
from simworld.marks import reached
from simworld.ports import Chunks, Latch, Storage, StreamInfo, Streams, Tasks
from simworld.records import ChunkOrder
from simworld.worlds.names import check_stream


class _Stream:
    """One stream; ``news`` is there while a reader waits for more."""

    __slots__ = ("chunks", "closed", "minted", "news", "places")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.minted = 0
        """The last place that was given to a write, where places are minted."""
        self.places: list[int] = []
        """Of each chunk, where places are minted."""
        self.closed = False
        self.news: Latch | None = None

    def tell(self) -> None:
        """Wake the readers that wait; whoever waits after this needs a latch of its own."""
        if self.news is not None:
            self.news.set()
            self.news = None


class MemoryStreams:
    """``ports.Streams``."""

    def __init__(self, *, tasks: Tasks, order: ChunkOrder = ChunkOrder.AT_COMMIT) -> None:
        self._tasks = tasks
        self._mints = order is ChunkOrder.MINT_AT_START
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._names: dict[str, list[str]] = {}

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        stream = self._stream(run_id, name)
        if stream.closed:
            raise EntityConflictError(
                f"write refused: stream {name!r} of run {run_id} is closed", reason="terminal"
            )
        place = 0
        if self._mints:
            place = stream.minted = stream.minted + 1
            await self._tasks.checkpoint(f"publish chunks of stream {name}")
        if chunks:
            if not stream.chunks:
                self._names.setdefault(run_id, []).append(name)
            if self._mints:
                _insert(stream, place, chunks)
            else:
                stream.chunks += chunks
            stream.tell()

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        check_stream(run_id, name)
        stream = self._stream(run_id, name)
        stream.closed = True
        stream.tell()

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        if start < 0:
            raise UsageError(f"a stream is read from chunk 0 on, not from {start}")
        stream = self._stream(run_id, name)
        while live and len(stream.chunks) <= start and not stream.closed:
            if stream.news is None:
                stream.news = self._tasks.latch(f"see more of stream {name}")
            await stream.news.wait()
        return Chunks(stream.chunks[start:], stream.closed)

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""
        stream = self._stream(run_id, name)
        return StreamInfo(len(stream.chunks) - 1, stream.closed)

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""
        return tuple(self._names.get(run_id, ()))

    def contents(self) -> dict[tuple[str, str], Chunks]:
        """Every stream that has a chunk or an end, by run and name: for the harness."""
        return {
            key: Chunks(tuple(stream.chunks), stream.closed)
            for key, stream in self._streams.items()
            if stream.chunks or stream.closed
        }

    def _stream(self, run_id: str, name: str) -> _Stream:
        key = (run_id, name)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream()
        return stream


def _insert(stream: _Stream, place: int, chunks: Sequence[bytes]) -> None:
    """At their place, whoever has read on."""
    at = bisect_right(stream.places, place)
    if at < len(stream.chunks):
        reached("chunk.behind_others")
    stream.chunks[at:at] = chunks
    stream.places[at:at] = [place] * len(chunks)


class EndingStreams:
    """Streams that end with their run: they take nothing any more once it has (R-69)."""

    def __init__(self, inner: Streams, storage: Storage) -> None:
        self._inner = inner
        self._storage = storage
        self.read, self.info, self.names = inner.read, inner.info, inner.names

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``; 410 once the run has ended."""
        await self._check(run_id, name, "write")
        await self._inner.write(run_id, name, chunks)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``; 410 once the run has ended."""
        await self._check(run_id, name, "close")
        await self._inner.close(run_id, name)

    async def _check(self, run_id: str, name: str, what: str) -> None:
        try:
            run = await self._storage.run(run_id)
        except EntityNotFoundError:
            return  # it may still be created, by its first message
        if run.status in RUN_TERMINAL:
            reached("stream.refused_after_end")
            raise RunExpiredError(f"{what} refused: stream {name!r}: run {run_id} is {run.status}")
