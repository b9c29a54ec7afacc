"""The world that the SDK sees: every method is a question at the seam, and its answer translated.

``make_world`` makes one for a trial.  It keeps nothing that a world would have to know, but what
saves work (events that have been translated before) and the names of queues, which the SDK's own
worlds keep in the messages.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

from vercel.workflow._internal import ulid
from vercel.workflow._internal import world as w

from simworld.engine import AttrSet, Event, HookRow, RunRow
from simworld.errors import DefiniteFailure, IndefiniteFailure, InternalError, UsageError
from simworld.ports import Answer, Chunks, Message, Page, StreamInfo
from simworld.records import SubjectCursor, SubjectErrors, SubjectProfile
from simworld.subjects.seam import (
    AskStream,
    CloseStream,
    Create,
    FindHook,
    Question,
    ReadLog,
    ReadRun,
    ReadStream,
    Send,
    WriteStream,
)
from simworld.subjects.vercel.envelope import unpack
from simworld.subjects.vercel.messages import our_message, sdk_payload
from simworld.subjects.vercel.refusals import refused
from simworld.subjects.vercel.rows import sdk_hook, sdk_result, sdk_run
from simworld.subjects.vercel.translate import our_fact, sdk_event

T = TypeVar("T")
AskWorld = Callable[[Question], Awaitable[object]]
"""Returns the answer, or raises the ``SimworldError`` that the world has refused with."""

ORIGINAL = "original"
"""Where an answer of the SDK's own local world keeps what that has said itself (``local``)."""

DEPLOYMENT = "dpl_simworld"
"""The one deployment of a hosted world; the SDK's local world has none."""


class AdapterWorld(w.World):
    """A world of ours, as the SDK sees it."""

    def __init__(self, ask: AskWorld, profile: SubjectProfile) -> None:
        self._ask_world = ask
        self._errors = profile.subject_errors
        self._cursors = profile.subject_cursor is SubjectCursor.GIVEN
        self._new_run = ulid.monotonic_factory()
        self._events: dict[tuple[str, str], tuple[Event, Any]] = {}
        """Translated already: (run, event id) → the event and what the SDK is given for it."""
        self._first: dict[tuple[str, str], str] = {}
        """(run, correlation id) of an attr_set → the event of it that counts."""
        self._with_attributes: dict[str, None] = {}
        """Runs that somebody has asked to set attributes of."""
        self._queues: dict[str, str] = {}
        self.handlers: dict[str, Any] = {}
        """Queue prefix → the SDK's handler for it."""

    async def _ask(self, question: Question, kind: type[T]) -> T:
        try:
            answer = await self._ask_world(question)
        except (DefiniteFailure, IndefiniteFailure) as error:
            raise refused(question, error, self._errors) from error
        assert isinstance(answer, kind)
        return answer

    # Events and rows.

    async def events_create(self, run_id: str | None, data: Any) -> Any:
        """Record an event; without a run id (0.9) the world makes one."""
        if run_id is None:
            if data.event_type != "run_created":
                raise ValueError("runId is required for non-run_created events")
            run_id = f"wrun_{self._new_run()}"
        fact = our_fact(data)
        if isinstance(fact, AttrSet):
            self._with_attributes[run_id] = None
        answer = await self._ask(Create(run_id, fact), Answer)
        if (original := getattr(answer, ORIGINAL, None)) is not None:
            return original
        event = None if answer.event is None else self._seen(answer.event)
        return sdk_result(answer, event)

    async def events_list(self, run_id: str, *, pagination: Any = None) -> Any:
        """A page of the log; the whole of it, where the SDK knows no cursors."""
        cursor = None
        if pagination is not None:
            if pagination.sort_order == "desc":
                raise InternalError("the SDK reads a log backwards, which the adapter cannot yet")
            cursor = pagination.cursor or None
        page = await self._ask(ReadLog(run_id, cursor), Page)
        if (original := getattr(page, ORIGINAL, None)) is not None:
            return original
        found = self._shown(page)
        while not self._cursors and page.has_more:
            page = await self._ask(ReadLog(run_id, page.cursor), Page)
            found += self._shown(page)
        return w.PaginatedResult.model_construct(
            data=found, cursor=page.cursor if self._cursors else None, has_more=page.has_more
        )

    def _shown(self, page: Page) -> list[Any]:
        return [self._seen(event) for event in page.events if not self._is_repeated(event)]

    def _is_repeated(self, event: Event) -> bool:
        """It sets attributes a second time.

        Our worlds record what the SDK's refuse: a second attr_set of the same call
        (``worlds/local.py``: ``_events_create_impl`` claims its id).  Who asks for it goes on in
        the same way, be it refused or not, so it is enough that nobody ever sees the second one.
        """
        if event.type != "attr_set" or not event.correlation_id:
            return False
        key = (event.run_id, event.correlation_id)
        return self._first.setdefault(key, event.event_id) != event.event_id

    def _seen(self, event: Event) -> Any:
        key = (event.run_id, event.event_id)
        known = self._events.get(key)
        # A world that breaks its promises may show another event under the same id.
        if known is None or (known[0] is not event and known[0] != event):
            known = self._events[key] = (event, sdk_event(event))
        return known[1]

    async def runs_get(self, run_id: str) -> Any:
        """The run's row; its attributes are folded from the log, for our rows have none."""
        row = await self._ask(ReadRun(run_id), RunRow)
        if (original := getattr(row, ORIGINAL, None)) is not None:
            return original
        if run_id not in self._with_attributes:
            return sdk_run(row)
        return sdk_run(row, await self._attributes(row))

    async def _attributes(self, row: RunRow) -> dict[str, str]:
        _, more = unpack(row.input)
        folded: dict[str, str] = dict(more.get("attributes", ()))
        cursor, has_more = None, True
        while has_more:
            page = await self._ask(ReadLog(row.run_id, cursor), Page)
            cursor, has_more = page.cursor, page.has_more
            for event in page.events:
                if isinstance(event.fact, AttrSet) and not self._is_repeated(event):
                    for key, value in unpack(event.fact.changes)[0]:
                        folded.pop(key, None)
                        if value is not None:
                            folded[key] = value
        return folded

    async def steps_get(self, run_id: str, step_id: str) -> Any:
        """Not needed: no version of the SDK reads a step's row by itself."""
        raise InternalError(
            f"the SDK reads step {step_id} of {run_id}, which the seam has no ask for"
        )

    async def hooks_get_by_token(self, token: str) -> Any:
        """The live hook that owns a token."""
        row = await self._ask(FindHook(token), HookRow)
        original = getattr(row, ORIGINAL, None)
        return sdk_hook(row) if original is None else original

    # Messages.

    async def queue(
        self,
        queue_name: str,
        message: Any,
        *,
        deployment_id: str | None = None,
        idempotency_key: str | None = None,
        delay_seconds: float | None = None,
        **kwargs: object,
    ) -> str:
        """Send a message; its id.  Like the SDK's own worlds, it makes delays whole seconds."""
        told = our_message(message)
        self._queues[told.run_id] = queue_name
        delay_s = 0 if delay_seconds is None else max(1, math.ceil(delay_seconds))
        sent = await self._ask(Send(told, idempotency_key or "", delay_s), str)
        return sent or f"msg_duplicate_{idempotency_key}"

    def delivery(self, message: Message) -> tuple[dict[str, Any], str]:
        """What the SDK's handler is given for a message: its payload, and the name of its queue."""
        return sdk_payload(message), self._queues[message.run_id]

    def create_queue_handler(self, queue_name_prefix: str, handler: Any) -> Any:
        """Only kept: deliveries come from the kernel."""
        self.handlers[queue_name_prefix] = handler
        return handler

    async def get_deployment_id(self) -> str:
        """``worlds/local.py`` says none; ``worlds/vercel.py`` the one of its process."""
        return "" if self._errors is SubjectErrors.LOCAL else DEPLOYMENT

    # Streams.

    async def streams_write(self, run_id: str, name: str, chunk: bytes) -> None:
        """Append a chunk."""
        await self.streams_write_multi(run_id, name, (chunk,))

    async def streams_write_multi(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """Append chunks.  The local world takes those that come too late; no reader sees them."""
        if chunks:
            await self._to_stream(WriteStream(run_id, name, tuple(chunks)))

    async def streams_close(self, run_id: str, name: str) -> None:
        """Write the end marker."""
        await self._to_stream(CloseStream(run_id, name))

    async def _to_stream(self, question: WriteStream | CloseStream) -> None:
        # Only a world in the local style says conflict here; what it stands for takes everything.
        with contextlib.suppress(w.EntityConflictError):
            await self._ask(question, type(None))

    def streams_get(
        self, run_id: str, name: str, start_index: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Read a stream live; each chunk by itself."""
        return self._chunks(run_id, name, start_index or 0)

    async def _chunks(self, run_id: str, name: str, start: int) -> AsyncGenerator[bytes, None]:
        if start < 0:
            info = await self._ask(AskStream(run_id, name), StreamInfo)
            start = max(0, info.tail + 1 + start)
        closed = False
        while not closed:
            found = await self._ask(ReadStream(run_id, name, start, live=True), Chunks)
            start, closed = start + len(found.chunks), found.closed
            for chunk in found.chunks:
                if chunk:
                    yield chunk

    async def streams_list(self, run_id: str) -> list[str]:
        """No world of ours is asked for this by a foreign engine."""
        raise UsageError(
            f"somebody lists the streams of {run_id}; under simworld read a stream by its name"
        )

    async def streams_get_chunks(
        self, run_id: str, name: str, *, limit: int | None = None, cursor: str | None = None
    ) -> Any:
        """A page of the chunks that are there, oldest first."""
        start = int(cursor or 0)
        found = await self._ask(ReadStream(run_id, name, start, live=False), Chunks)
        shown = found.chunks[: 100 if limit is None else limit]
        more = len(shown) < len(found.chunks)
        return w.StreamChunksPage.model_construct(
            data=[
                w.StreamChunk.model_construct(index=start + place, data=chunk)
                for place, chunk in enumerate(shown)
            ],
            cursor=str(start + len(shown)) if more else None,
            has_more=more,
            done=found.closed and not more,
        )

    async def streams_get_info(self, run_id: str, name: str) -> Any:
        """How long a stream is."""
        info = await self._ask(AskStream(run_id, name), StreamInfo)
        return w.StreamInfo.model_construct(tail_index=info.tail, done=info.closed)


def make_world(ask: AskWorld, profile: SubjectProfile) -> AdapterWorld:
    """The world of one trial; ``ask`` puts a question to the kernel for whoever runs now."""
    return AdapterWorld(ask, profile)
