"""Streams as writers and readers see them (spec §2.4).

A writer collects chunks for a while and sends them together; one job at a time does the sending, so
chunks arrive in the order of their writes (R-68).  When a write returns is a knob: once its chunks
are on the server, or at once (R-67).  A prompt writer does not collect: it sends the first chunk at
once, and meanwhile the next ones become company for one another.  A reader gets what is there and
then what comes, up to the end marker; whoever reads on later says from which index.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from functools import partial

from simworld.engine import StreamWrite
from simworld.errors import SimworldError, UsageError
from simworld.ports import Latch, Tasks
from simworld.runtime.runs import refusably, steadily
from simworld.runtime.services import Services

BATCH_CHUNKS_MAX = 1_000
BATCH_BYTES_MAX = 1 << 20
"""A batch holds at most so much, but one chunk always."""
AHEAD_MAX = BATCH_BYTES_MAX
"""Bytes that ``feed`` lets wait for a prompt writer to send them."""


class Operations:
    """What a body has left to do in the background."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._open = 0
        self._idle: Latch | None = None

    def begun(self) -> None:
        """One more."""
        self._open += 1

    def ended(self) -> None:
        """One less."""
        self._open -= 1
        if not self._open and self._idle is not None:
            self._idle.set()
            self._idle = None

    async def settle(self, timeout_ms: int) -> bool:
        """Wait until there is none; False if ``timeout_ms`` pass first."""
        if not self._open:
            return True
        if self._idle is None:
            self._idle = self._tasks.latch("see its streams settled")
        return await self._idle.wait(timeout_ms)


class _Batch:
    """Chunks that travel together."""

    __slots__ = ("chunks", "error", "is_over", "sent", "size")

    def __init__(self, sent: Latch) -> None:
        self.chunks: list[bytes] = []
        self.size = 0
        self.sent = sent
        self.is_over = False
        """Sent or lost."""
        self.error: SimworldError | None = None

    def has_room(self, size: int) -> bool:
        """Whether a chunk of ``size`` bytes fits in."""
        return len(self.chunks) < BATCH_CHUNKS_MAX and self.size + size <= BATCH_BYTES_MAX


class StreamWriter:
    """The only writer that a body has for a stream; see ``engine.Writer``."""

    def __init__(
        self, services: Services, run_id: str, name: str, operations: Operations | None = None
    ) -> None:
        self._services = services
        self._run_id = run_id
        self._name = name
        self._prompt = services.policy.stream_write is StreamWrite.PROMPT
        self._flushed = services.policy.stream_write is not StreamWrite.BUFFERED
        # Under ``buffered`` a flush is nobody's operation: that is what loses the tail.
        self._operations = operations if self._flushed else None
        self._waiting: deque[_Batch] = deque()
        self._newest: _Batch | None = None
        self._sending = False
        self._closed = False
        self._fed: deque[tuple[bytes, _Batch]] = deque()
        """What nobody has waited for yet, with what it travels in."""
        self._fed_bytes = 0
        self._lost: SimworldError | None = None
        """Why chunks got lost that no write waits for."""

    async def write(self, chunk: bytes) -> None:
        """Append a chunk; returns when the policy says so, raises if it got lost."""
        batch = self._put(chunk)
        if self._flushed:
            await batch.sent.wait()
            if batch.error is not None:
                raise batch.error
        self._services.log.chunk_written(self._run_id, self._name, chunk)

    async def feed(self, chunk: bytes) -> None:
        """``write`` for who has no use for knowing when: a prompt writer lets some chunks wait."""
        if not self._prompt:
            await self.write(chunk)
            return
        await self._see_fed(AHEAD_MAX)  # first, so that nothing goes behind what got lost
        self._fed.append((chunk, self._put(chunk)))
        self._fed_bytes += len(chunk)

    async def _see_fed(self, left: int) -> None:
        """Wait until no more bytes than this are on their way; raises if some got lost."""
        while self._fed and (self._fed_bytes > left or self._fed[0][1].is_over):
            chunk, batch = self._fed.popleft()
            if not batch.is_over:
                await batch.sent.wait()
            if batch.error is not None:
                raise batch.error
            self._fed_bytes -= len(chunk)
            self._services.log.chunk_written(self._run_id, self._name, chunk)

    def _put(self, chunk: bytes) -> _Batch:
        """Have it sent."""
        if not isinstance(chunk, bytes):
            raise UsageError(
                f"a chunk of {self._place} is bytes, not {type(chunk).__name__}; encode it first"
            )
        if self._closed:
            raise UsageError(f"{self._place} is written to after it was closed here; close it last")
        self._raise_lost()
        batch = self._batch_for(len(chunk))
        batch.chunks.append(chunk)
        batch.size += len(chunk)
        if not self._sending:
            self._sending = True
            if self._operations is not None:
                self._operations.begun()
            self._services.tasks.start("flush", self._send_all())
        return batch

    async def close(self) -> None:
        """End the stream behind everything that was written; raises if some of that got lost."""
        self._closed = True
        await self._see_fed(-1)
        if self._newest is not None:
            await self._newest.sent.wait()
        self._raise_lost()
        close = partial(self._services.streams.close, self._run_id, self._name)
        await steadily(self._services, close)

    @property
    def _wish(self) -> str:
        return f"see its chunks of stream {self._name} sent"

    @property
    def _place(self) -> str:
        return f"stream {self._name!r} of run {self._run_id}"

    def _raise_lost(self) -> None:
        if self._lost is not None:
            raise self._lost

    def _batch_for(self, size: int) -> _Batch:
        batch = self._waiting[-1] if self._waiting else None
        if batch is None or not batch.has_room(size):
            batch = self._newest = _Batch(self._services.tasks.latch(self._wish))
            self._waiting.append(batch)
        return batch

    async def _send_all(self) -> None:
        """The job: wait for company, send batch by batch; what follows a lost one is lost."""
        services, error = self._services, None
        if not self._prompt:
            await services.clock.sleep_ms(services.policy.flush_ms)
        while self._waiting:
            batch = self._waiting.popleft()
            if error is None:
                error = await self._send(batch)
            batch.error, batch.is_over = error, True
            batch.sent.set()
        if not self._flushed:
            self._lost = error
        self._sending = False
        if self._operations is not None:
            self._operations.ended()

    async def _send(self, batch: _Batch) -> SimworldError | None:
        """What kept the batch from being known to be on the server.

        Whoever waits for a flush has it repeated; what nobody waits for is tried once (R-67).
        """
        write = partial(self._services.streams.write, self._run_id, self._name, batch.chunks)
        try:
            await (refusably(self._services, write) if self._flushed else write())
        except SimworldError as error:
            self._services.log.note(self._run_id, "chunks lost", stream=self._name, why=str(error))
            return error
        return None


async def read_stream(
    services: Services, run_id: str, name: str, start: int = 0
) -> AsyncIterator[bytes]:
    """The chunks from index ``start`` (negative: from the end), those to come as well."""
    streams = services.streams
    if start < 0:
        info = await steadily(services, partial(streams.info, run_id, name))
        start = max(0, info.tail + 1 + start)
    while True:
        read = partial(streams.read, run_id, name, start, live=True)
        found = await steadily(services, read)
        for chunk in found.chunks:
            yield chunk
        if found.closed:
            return
        start += len(found.chunks)
