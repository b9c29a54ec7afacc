"""Laws of streams: what is read is what was written (I-24), and readers come to an end (L-08).

Writers are at-least-once: a body that is tried again writes again, and a write whose answer got
lost may be there all the same.  So a stream may hold more than was acknowledged, but nothing that
nobody sent, nothing less, and each writer's chunks in the order of their writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from simworld.check.law import Context, Law, run_label
from simworld.records import (
    Anomaly,
    BodyEnded,
    ChunkWritten,
    ClientCall,
    Committed,
    Crash,
    Delivered,
    Final,
    Follow,
    StreamAppend,
    StreamEnd,
    StreamRead,
)

Key = tuple[str, str]
"""(run id, name) of a stream."""


class _Stream:
    """What was done to one stream."""

    __slots__ = ("answered", "end_answered", "end_sent", "reads", "sent", "told")

    def __init__(self) -> None:
        self.sent: dict[bytes, int] = {}
        """Chunk → how often it was sent."""
        self.answered: dict[str, list[bytes]] = {}
        """Writer → the chunks that are known to be there, in order."""
        self.end_sent = False
        self.end_answered = False
        self.reads: list[StreamRead] = []
        self.told: list[ChunkWritten] = []


class _State:
    """What the trial has done to streams."""

    def __init__(self, context: Context) -> None:
        self.faults = bool(context.faults)
        self.streams: dict[Key, _Stream] = {}
        self.deliveries: set[str] = set()
        """Tasks that are deliveries; membership only."""
        self.done: dict[Key, Committed] = {}
        """(run id, step's label) → its step_completed."""
        self.reading: dict[str, list[ClientCall]] = {}
        """Task → the calls of ``read_stream`` that it is in."""
        self.seen: dict[str, list[StreamRead]] = {}
        """Task → what its one call of ``read_stream`` has been answered."""

    def delivery(self, task: str) -> str:
        """The delivery on behalf of which a task works; its own jobs and requests do."""
        while task and task not in self.deliveries:
            task = task.rpartition("/")[0]
        return task

    def of(self, record: ChunkWritten | StreamAppend | StreamEnd | StreamRead) -> _Stream:
        key = (record.run_id, record.stream)
        found = self.streams.get(key)
        if found is None:
            found = self.streams[key] = _Stream()
        return found


def _append(state: _State, record: StreamAppend) -> None:
    stream = state.of(record)
    if record.answered:
        # Of one writer's jobs each begins when the one before it has ended.
        writer = record.task.rpartition("/")[0]
        stream.answered.setdefault(writer, []).extend(record.chunks)
        return
    for chunk in record.chunks:
        stream.sent[chunk] = stream.sent.get(chunk, 0) + 1


def _end_marker(state: _State, record: StreamEnd) -> None:
    stream = state.of(record)
    stream.end_sent = True
    stream.end_answered = stream.end_answered or record.answered


def _read(state: _State, record: StreamRead) -> None:
    state.of(record).reads.append(record)
    calls = state.reading.get(record.task, ())
    if len(calls) == 1 and (calls[0].run_id, calls[0].target) == (record.run_id, record.stream):
        state.seen[record.task].append(record)


def _told(state: _State, record: ChunkWritten) -> None:
    state.of(record).told.append(record)


def _delivered(state: _State, record: Delivered) -> None:
    state.deliveries.add(record.task)


def _completed(state: _State, record: Committed) -> None:
    state.done.setdefault((record.event.run_id, record.step), record)


def _called(state: _State, record: ClientCall) -> Anomaly | None:
    """A client that reads a stream to its end has been given all of it, once and in order."""
    if record.verb != "read_stream":
        return None
    calls = state.reading.setdefault(record.task, [])
    if record.phase == "invoke":
        calls.append(record)
        state.seen[record.task] = []
        return None
    (call,) = [each for each in calls if each.number == record.number]
    calls.remove(call)
    seen = state.seen.pop(record.task, [])
    if calls or not seen:
        return None  # it reads several at once: nobody knows which answer was whose
    at = seen[0].start
    for read in seen:
        if read.start != at:
            message = (
                f"a reader goes on at chunk {read.start} of stream {record.target!r}, having read "
                f"up to chunk {at - 1}"
            )
            return Anomaly("I-24", "reader-jumps", message, f"stream {record.target}", record.turn)
        at += len(read.chunks)
    if not seen[-1].closed:
        message = f"a reader of stream {record.target!r} has ended before the stream's end"
        return Anomaly("I-24", "reader-stops", message, f"stream {record.target}", record.turn)
    return None


def stream_place(final: Final, key: Key) -> str:
    """Where a stream is, in labels; drawn ids in its name have labels, too."""
    run_id, name = key
    owner, dot, rest = name.partition(".")
    readable = final.labels.get(name) or f"{final.labels.get(owner, owner)}{dot}{rest}"
    return f"{run_label(final, run_id)}/stream {readable}"


def _i24_end(state: _State, final: Final) -> list[Anomaly]:
    found: list[Anomaly] = []
    for key, stream in state.streams.items():
        chunks, closed = final.streams.get(key, ((), False))
        broken = (
            _misread(stream.reads, chunks, closed=closed)
            or _lost(stream, chunks)
            or _reordered(stream.told, chunks)
            or _invented(stream, chunks, faults=state.faults)
            or _ended_wrongly(stream, closed=closed)
            or _incomplete(state, stream, chunks, final)
        )
        if broken:
            kind, message = broken
            place = stream_place(final, key)
            found.append(Anomaly("I-24", kind, f"{place}: {message}", place, final.turn))
    return found


Broken = tuple[str, str] | None
"""(kind, message) of what is broken."""


def _misread(reads: Sequence[StreamRead], chunks: Sequence[bytes], *, closed: bool) -> Broken:
    for read in reads:
        until = read.start + len(read.chunks)
        if tuple(chunks[read.start : until]) != read.chunks:
            return "read-differs", (
                f"{read.task} was given other chunks from {read.start} on (turn {read.turn}) than "
                "the stream holds there"
            )
        if read.closed and (not closed or until < len(chunks)):
            return "early-end", (
                f"{read.task} was told that it ends behind chunk {until - 1} (turn {read.turn}); "
                f"it has {len(chunks)} chunks{'' if closed else ' and no end'}"
            )
    return None


def _in_order(wanted: Iterable[bytes], chunks: Sequence[bytes]) -> int:
    """How many of the wanted chunks there are, in this order, before one is missing."""
    at, count = 0, 0
    for chunk in wanted:
        while at < len(chunks) and chunks[at] != chunk:
            at += 1
        if at == len(chunks):
            return count
        at, count = at + 1, count + 1
    return count


def _lost(stream: _Stream, chunks: Sequence[bytes]) -> Broken:
    for writer, wanted in stream.answered.items():
        count = _in_order(wanted, chunks)
        if count < len(wanted):
            return "chunk-lost", (
                f"chunk {count} of the {len(wanted)} that {writer} was told are there is not, or "
                "not in its place"
            )
    return None


def _reordered(told: Sequence[ChunkWritten], chunks: Sequence[bytes]) -> Broken:
    """What one body has written, one chunk after the other, stands in that order (R-68).

    Chunks that there are more of are left out: nobody knows which of them it has written.
    """
    counts = Counter(chunks)
    places = {chunk: at for at, chunk in enumerate(chunks) if counts[chunk] == 1}
    last: dict[str, int] = {}
    for each in told:
        at = places.get(each.chunk)
        if at is None or not each.body:
            continue
        before = last.get(each.task, -1)
        if at < before:
            return "reordered", (
                f"{each.body} has written chunk {at} behind chunk {before}, and it stands before it"
            )
        last[each.task] = at
    return None


def _invented(stream: _Stream, chunks: Sequence[bytes], *, faults: bool) -> Broken:
    """Where nothing went wrong, nothing was sent twice, either."""
    held: dict[bytes, int] = {}
    for number, chunk in enumerate(chunks):
        held[chunk] = held.get(chunk, 0) + 1
        sent = stream.sent.get(chunk, 0)
        if not sent:
            return "chunk-invented", f"nobody has sent chunk {number}"
        if held[chunk] > sent and not faults:
            return "chunk-doubled", f"chunk {number} was sent {sent} times and is there once more"
    return None


def _ended_wrongly(stream: _Stream, *, closed: bool) -> Broken:
    if closed and not stream.end_sent:
        return "end-invented", "it has ended, and nobody has closed it"
    if stream.end_answered and not closed:
        return "end-lost", "it was closed and has not ended"
    return None


def _incomplete(state: _State, stream: _Stream, chunks: Sequence[bytes], final: Final) -> Broken:
    """What a body was told is written is there once its step is completed (R-67)."""
    if not final.drained:
        return None  # a flush may still be under way
    for (run_id, step), done in state.done.items():
        delivery, label = state.delivery(done.task), f"{run_label(final, run_id)}/{step}"
        told = [
            each.chunk
            for each in stream.told
            if each.body == label
            and each.turn <= done.turn
            and state.delivery(each.task) == delivery
        ]
        held = Counter(chunks)
        for number, chunk in enumerate(told):
            held[chunk] -= 1
            if held[chunk] < 0:
                return "tail-lost", (
                    f"{label} is completed, and chunk {number} of the {len(told)} that it has "
                    "written is not there"
                )
    return None


I_24 = Law(
    id="I-24",
    title="What is read of a stream is what was written, in order and whole, with one end, last.",
    on={
        StreamAppend: _append,
        StreamEnd: _end_marker,
        StreamRead: _read,
        ChunkWritten: _told,
        Delivered: _delivered,
        ClientCall: _called,
        "step_completed": _completed,
    },
    start=_State,
    end=_i24_end,
)

# --- L-08: readers come to an end -----------------------------------------------------------------


class _Readers:
    """Who waits for news of which stream."""

    def __init__(self, context: Context) -> None:
        self.calm = not context.faults
        self.waiting: dict[str, Follow] = {}
        self.lost: dict[Key, dict[str, None]] = {}
        """Stream → the tasks that have sent it chunks and have not heard that these are there."""
        self.ends_sent: dict[Key, dict[str, None]] = {}
        """Stream → the tasks that have sent its end, and neither died nor failed by that."""


def _l08_follow(state: _Readers, record: Follow) -> None:
    state.waiting[record.task] = record


def _l08_read(state: _Readers, record: StreamRead) -> None:
    state.waiting.pop(record.task, None)


def _l08_append(state: _Readers, record: StreamAppend) -> None:
    senders = state.lost.setdefault((record.run_id, record.stream), {})
    if record.answered:
        senders.pop(record.task, None)
    else:
        senders[record.task] = None


def _l08_end_marker(state: _Readers, record: StreamEnd) -> None:
    state.ends_sent.setdefault((record.run_id, record.stream), {})[record.task] = None


def _l08_crash(state: _Readers, record: Crash) -> None:
    for tasks in (*state.ends_sent.values(), *state.lost.values()):
        for task in record.tasks:
            tasks.pop(task, None)


def _l08_body(state: _Readers, record: BodyEnded) -> None:
    """A body that fails is tried again, unless its run has ended; what it did is nobody's word."""
    if record.outcome != "ok":
        for tasks in state.ends_sent.values():
            tasks.pop(record.task, None)


def _l08_end(state: _Readers, final: Final) -> list[Anomaly]:
    """At quiescence; a stream that nobody has tried to close is its author's affair.

    Unless that is because chunks were refused, without a fault: who fills it has given up (R-69).
    """
    found: list[Anomaly] = []
    if not final.drained:
        return found
    for task, follow in state.waiting.items():
        key = (follow.run_id, follow.stream)
        still = any(each.startswith(f"{task} waits ") for each in final.waiting)
        if not still:
            continue
        _, closed = final.streams.get(key, ((), False))
        run = final.runs.get(follow.run_id)
        ended = run is not None and run.completed_at_ms > 0
        if closed and key in state.ends_sent:
            why = "the stream has ended"
        elif ended and state.ends_sent.get(key):
            why = "its run has ended, and the end that was sent is not there"
        elif ended and state.calm and state.lost.get(key):
            why = "its run has ended, and chunks were refused, so nobody ends it"
        else:
            continue  # its run is stuck, and that is L-01; or whoever was to end it has died
        place = stream_place(final, key)
        message = f"{task} waits for ever for chunk {follow.start} of {place}: {why}"
        found.append(Anomaly("L-08", "reader-hangs", message, place, final.turn))
    return found


L_08 = Law(
    id="L-08",
    title="Every reader of a stream ends after the stream's end, or its run's.",
    on={
        Follow: _l08_follow,
        StreamRead: _l08_read,
        StreamAppend: _l08_append,
        StreamEnd: _l08_end_marker,
        Crash: _l08_crash,
        BodyEnded: _l08_body,
    },
    start=_Readers,
    end=_l08_end,
)
