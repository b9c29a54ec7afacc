"""Interposition of streams: every call is an operation of the kernel; a live read may wait."""

from __future__ import annotations

from collections.abc import Sequence

from simworld.errors import Crashed, WorldError
from simworld.ports import Chunks, StreamInfo, Streams
from simworld.records import Follow, Op, StreamAppend, StreamEnd, StreamRead
from simworld.sim.kernel import Kernel
from simworld.sim.labels import Labels, stream_op
from simworld.sim.parking import PARK
from simworld.sim.strikes import refuse
from simworld.sim.world import lose, run_label


class SimStreams:
    """Streams whose calls are choice points."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Streams) -> None:
        self._kernel = kernel
        self._labels = labels
        self._inner = inner

    def _op(self, verb: str, run_id: str, name: str, *, writes: bool) -> Op:
        run = run_label(self._kernel, self._labels, run_id)
        return stream_op(verb, run, self._labels.reworded(name), writes=writes)

    async def _point(self, op: Op) -> None:
        kernel = self._kernel
        if kernel.at_point(op):
            await PARK
        if kernel.striking is not None:
            refuse(kernel)

    def _answered(self, op: Op, outcome: str) -> None:
        kernel = self._kernel
        if kernel.trace is not None:
            kernel.tell(outcome)
        if kernel.losing and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        op = self._op("write to stream", run_id, name, writes=True)
        await self._point(op)
        try:
            await self._inner.write(run_id, name, chunks)
        except WorldError as refusal:
            self._answered(op, self._labels.refused(refusal))
            raise
        self._answered(op, _count(chunks))

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        op = self._op("close stream", run_id, name, writes=True)
        await self._point(op)
        await self._inner.close(run_id, name)
        self._answered(op, "")

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        op = self._op("follow stream" if live else "read stream", run_id, name, writes=False)
        await self._point(op)
        found = await self._inner.read(run_id, name, start, live=live)
        self._answered(op, f"{_count(found.chunks)} from {start}{_end(closed=found.closed)}")
        return found

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""
        op = self._op("look at stream", run_id, name, writes=False)
        await self._point(op)
        info = await self._inner.info(run_id, name)
        self._answered(op, f"up to chunk {info.tail}{_end(closed=info.closed)}")
        return info

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""
        op = self._op("list the streams", run_id, "", writes=False)
        await self._point(op)
        names = await self._inner.names(run_id)
        self._answered(op, ", ".join(map(self._labels.reworded, names)))
        return names


class WatchedStreams:
    """Streams of any world; what is sent and what is answered is written down."""

    def __init__(self, kernel: Kernel, inner: Streams) -> None:
        self._kernel = kernel
        self._inner = inner
        self.info, self.names = inner.info, inner.names

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""
        sent = tuple(chunks)
        self._append(run_id, name, sent, answered=False)
        await self._inner.write(run_id, name, chunks)
        self._append(run_id, name, sent, answered=True)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""
        self._end(run_id, name, answered=False)
        await self._inner.close(run_id, name)
        self._end(run_id, name, answered=True)

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""
        kernel, task = self._kernel, self._task()
        if live:
            kernel.records.append(Follow(kernel.turn, kernel.now_ms, task, run_id, name, start))
        found = await self._inner.read(run_id, name, start, live=live)
        chunks = tuple(found.chunks)
        kernel.records.append(
            StreamRead(kernel.turn, kernel.now_ms, task, run_id, name, start, chunks, found.closed)
        )
        return found

    def _append(self, run_id: str, name: str, chunks: tuple[bytes, ...], *, answered: bool) -> None:
        kernel, task = self._kernel, self._task()
        kernel.records.append(
            StreamAppend(kernel.turn, kernel.now_ms, task, run_id, name, chunks, answered)
        )

    def _end(self, run_id: str, name: str, *, answered: bool) -> None:
        kernel, task = self._kernel, self._task()
        kernel.records.append(StreamEnd(kernel.turn, kernel.now_ms, task, run_id, name, answered))

    def _task(self) -> str:
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        return task.name


def _count(chunks: Sequence[bytes]) -> str:
    return f"{len(chunks)} chunk{'s' if len(chunks) != 1 else ''}"


def _end(*, closed: bool) -> str:
    return ", the end" if closed else ""
