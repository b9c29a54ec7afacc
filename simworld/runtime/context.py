"""The context of a step's body: everything it may await (decisions §5.5).

What it leaves running in the background, it leaves to its host: the step completes when that has
settled, or without it after the settle window (spec §3.7).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from functools import partial
from typing import Any

from simworld.engine import (
    DEFAULT_STREAM,
    AbortSignal,
    AttrSet,
    StreamPipes,
    StreamRef,
    Workflow,
    encode,
    mistake,
    ulid,
)
from simworld.entropy import derive
from simworld.errors import InternalError, UsageError
from simworld.ports import BodyInfo
from simworld.runtime.runs import resume_hook, run_output, start_run, steadily
from simworld.runtime.services import Services
from simworld.runtime.streams import Operations, StreamWriter, read_stream


class BodyContext:
    """``engine.StepContext`` for one execution of a body."""

    __slots__ = (
        "_body",
        "_children",
        "_error",
        "_operations",
        "_pumps",
        "_services",
        "_settled",
        "_writers",
    )

    def __init__(self, services: Services, body: BodyInfo) -> None:
        self._services = services
        self._body = body
        self._children = 0
        self._pumps = 0
        self._operations: Operations | None = None
        self._writers: dict[StreamRef, StreamWriter] = {}
        self._settled = False
        self._error: Exception | None = None
        """What a pump has failed with."""

    @property
    def run_id(self) -> str:
        """See ``StepContext``."""
        return self._body.run_id

    @property
    def step_id(self) -> str:
        """See ``StepContext``."""
        return self._body.step_id

    @property
    def attempt(self) -> int:
        """See ``StepContext``."""
        return self._body.attempt

    async def sleep(self, duration_ms: int) -> None:
        """See ``StepContext``."""
        if not isinstance(duration_ms, int) or duration_ms < 0:
            raise UsageError(
                f"ctx.sleep takes a whole number of milliseconds (≥ 0), not {duration_ms!r}"
            )
        await self._services.clock.sleep_ms(duration_ms)

    async def effect(self, name: str) -> None:
        """See ``StepContext``."""
        await self._services.bodies.effect(self._body, name)

    # Streams.

    def get_writable(self, stream: StreamRef | str = "") -> StreamWriter:
        """See ``StepContext``; equal streams have one writer, which keeps their chunks in order.

        Unless each call is given a pipe of its own (R-68).
        """
        if isinstance(stream, str):
            stream = StreamRef(self._body.run_id, stream or DEFAULT_STREAM)
        shared = self._services.policy.stream_pipes is StreamPipes.SHARED
        writer = self._writers.get(stream) if shared else None
        if writer is None:
            writer = StreamWriter(self._services, stream.run_id, stream.name, self._in_background())
            self._writers[stream] = writer
        return writer

    def stream(self, chunks: AsyncIterable[bytes]) -> StreamRef:
        """See ``StepContext``; a body that is started again fills a stream of its own."""
        if not isinstance(chunks, AsyncIterable):
            raise UsageError(
                f"ctx.stream of step {self._body.step_name} takes an async generator or another "
                f"async iterable of bytes, not {type(chunks).__name__}"
            )
        body = self._body
        self._pumps += 1
        ref = StreamRef(body.run_id, f"{body.step_id}.{body.start}.{self._pumps}")
        writer = self.get_writable(ref)
        operations = self._in_background()
        operations.begun()
        self._services.tasks.start("pump", self._pump(chunks, writer, operations))
        return ref

    async def _pump(
        self, chunks: AsyncIterable[bytes], writer: StreamWriter, operations: Operations
    ) -> None:
        try:
            async for chunk in chunks:
                await writer.feed(chunk)
            await writer.close()
        except InternalError:
            raise
        except UsageError as error:
            raise mistake(f"a stream of {self._place}", error) from error
        except Exception as error:
            # No end marker: what is there is not the whole.
            self._error = error
            if self._settled:
                self._services.log.note(
                    self._body.run_id,
                    "stream broken off",
                    step=self._body.step_id,
                    error=repr(error),
                )
        operations.ended()

    def read(self, stream: StreamRef, start: int = 0) -> AsyncIterator[bytes]:
        """See ``StepContext``; it is no operation that a step would wait for (R-71)."""
        chunks = read_stream(self._services, stream.run_id, stream.name, start)
        return self._counted(chunks) if self._services.policy.reader_operations else chunks

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """An operation that ends with the stream, and not with the reader."""
        operations = self._in_background()
        operations.begun()
        async for chunk in chunks:
            yield chunk
        operations.ended()

    def _in_background(self) -> Operations:
        if self._operations is None:
            self._operations = Operations(self._services.tasks)
        return self._operations

    async def settle(self) -> bool:
        """Wait for what goes on in the background; False if it takes too long.

        Raises what a stream of the body's has failed with: the step is not done then.
        """
        settled = True
        if self._operations is not None:
            settled = await self._operations.settle(self._services.policy.settle_ms)
        self._settled = True
        if self._error is not None:
            raise self._error
        return settled

    @property
    def _place(self) -> str:
        body = self._body
        return f"step {body.step_name} ({body.step_id}, run {body.run_id})"

    # Other runs, and its own.

    async def start_child(
        self, workflow: Workflow[Any, Any], *args: object, **kwargs: object
    ) -> str:
        """See ``StepContext``."""
        self._children += 1
        body = self._body
        child_id = child_run_id(body.run_id, body.step_id, self._children)
        self._services.log.note(
            body.run_id, "child started", step=body.step_id, child=child_id, workflow=workflow.name
        )
        await start_run(self._services, child_id, workflow, args, kwargs, message_first=True)
        return child_id

    async def await_run(self, run_id: str) -> Any:
        """See ``StepContext``; ``RunFailedError`` if it has no output."""
        return await run_output(self._services, run_id)

    async def resume_hook(self, token: str, payload: object) -> None:
        """See ``StepContext``; ``HookNotFoundError`` if nobody has such a hook."""
        await resume_hook(self._services, token, payload)

    async def set_attributes(self, **changes: object) -> None:
        """See ``StepContext``."""
        if not changes:
            raise UsageError("set_attributes takes at least one attribute, as name=value")
        fact = AttrSet("", encode(changes))
        create = partial(self._services.storage.create, self._body.run_id, fact)
        await steadily(self._services, create)

    async def aborted(self, signal: AbortSignal) -> bool:
        """See ``StepContext``; the stream is for bodies that have run since before the abort."""
        if signal.aborted:
            return True
        stream = signal.stream
        read = partial(self._services.streams.read, stream.run_id, stream.name, 0, live=False)
        found = await steadily(self._services, read)
        if found.chunks or found.closed:
            return True
        if self._services.policy.reader_operations:
            self._in_background().begun()  # it watches the signal from now on, and never ends
        return False


def child_run_id(run_id: str, step_id: str, ordinal: int) -> str:
    """The id of the ``ordinal``-th run that a step starts: the same in every body of it."""
    high, low = (derive(half, run_id, step_id, ordinal) for half in (0, 1))
    return f"wrun_{ulid(high << 64 | low)}"
