"""Streams in memory (spec §2.4): chunks in the order of their writes, readers woken by writers.

A stream outlives its run: nothing but its own end marker closes it.
"""

from __future__ import annotations

from collections.abc import Sequence

from simworld.errors import EntityConflictError, UsageError
from simworld.ports import Chunks, Latch, StreamInfo, Tasks
from simworld.worlds.names import check_stream


class _Stream:
    """One stream; ``news`` is there while a reader waits for more."""

    __slots__ = ("chunks", "closed", "news")

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.closed = False
        self.news: Latch | None = None

    def tell(self) -> None:
        """Wake the readers that wait; whoever waits after this needs a latch of its own."""
        if self.news is not None:
            self.news.set()
            self.news = None


class MemoryStreams:
    """``ports.Streams``."""

    def __init__(self, *, tasks: Tasks) -> None:
        self._tasks = tasks
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
        if chunks:
            if not stream.chunks:
                self._names.setdefault(run_id, []).append(name)
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
