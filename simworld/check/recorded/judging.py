"""Judging recorded logs while they are read: a state per run, and nothing of what has been read.

What is kept: per run the states of its laws (which grow with its steps, waits and hooks, not with
its events), so many runs that have ended and so many that have not.  The oldest are let go; what
is told of them later is not judged, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import msgspec

from simworld.check.judge import verdict
from simworld.check.law import Context
from simworld.check.recorded.forms import (
    ALONE,
    BY_NAME,
    LOG_LAWS,
    NEEDS_END,
    NEEDS_RETRIES,
    RUN_STATUS,
    final_of,
    listeners,
    may_be_a_gap,
    not_judged,
)
from simworld.check.recorded.reading import SILENT_TYPES, Unreadable, read_event
from simworld.check.recorded.splitting import Piece, Splitter
from simworld.check.recorded.tokens import Tenure, Tokens
from simworld.engine import (
    RUN_TERMINAL,
    TERMINAL_RUN_EVENTS,
    Event,
    HookCreated,
    RunRow,
    RunStatus,
)
from simworld.errors import UsageError, unknown_name
from simworld.records import (
    FAIL,
    UNKNOWN,
    Anomaly,
    Committed,
    LogAnomaly,
    LogPlace,
    LogVerdict,
    Misread,
    UnknownType,
    Verdict,
)

ENDED_MAX, OPEN_MAX = 5_000, 20_000
"""Runs that have ended, and that have not, whose states are kept."""
ENDED_EVENTS_MAX = 200_000
"""Events that the runs which have ended may have together, if their states are to be kept."""
EVENT_BYTES_MAX = 64 * 1024
"""Bytes of an event that an anomaly keeps."""
KEPT_MAX = 1_000
"""Anomalies that are kept, and misreads; the others are counted."""


class _Source:
    """A file, or the objects that were handed over."""

    __slots__ = ("gap", "index", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.index = 0
        self.gap = False
        """Something in it could not be read, and nobody knows of which run it was."""


class _Run:
    """What is known of a run."""

    __slots__ = (
        "doubtful",
        "found",
        "last_ms",
        "let_go",
        "position",
        "row",
        "source",
        "states",
        "tenures",
    )

    def __init__(self, run_id: str, states: list[Any], source: _Source) -> None:
        self.states = states
        self.source = source
        self.row = RunRow(run_id, RunStatus.PENDING, "", b"", 0)
        self.position = 0
        self.last_ms = 0
        self.doubtful = False
        """An event of it may be missing, because it could not be read."""
        self.let_go = False
        """There was no room to keep it."""
        self.found: dict[tuple[str, str], None] = {}
        self.tenures: dict[str, Tenure] = {}

    @property
    def ended(self) -> bool:
        return self.row.status in RUN_TERMINAL


def laws_of(names: Iterable[str], *, ended: bool, max_retries: int | None) -> tuple[str, ...]:
    """Ids of the laws to judge; ``UsageError`` for those that a log cannot break as it is."""
    asked = tuple(dict.fromkeys(names))
    chosen = asked or (
        *ALONE,
        *((NEEDS_RETRIES,) if max_retries is not None else ()),
        *((NEEDS_END,) if ended else ()),
    )
    for name in chosen:
        if name not in LOG_LAWS:
            raise unknown_name("law of recorded logs", name, LOG_LAWS)
    if NEEDS_RETRIES in chosen and max_retries is None:
        raise UsageError(f"{NEEDS_RETRIES} needs --max-retries N: a log does not tell it")
    if NEEDS_END in chosen and not ended:
        raise UsageError(f"{NEEDS_END} needs --ended: the promise that the logs are complete")
    return tuple(name for name in LOG_LAWS if name in chosen)


class LogJudge:
    """Feed it texts or events, in any number of portions, then ask for the verdict."""

    def __init__(
        self,
        laws: Iterable[str] = (),
        *,
        ended: bool = False,
        max_retries: int | None = None,
        ended_max: int = ENDED_MAX,
        open_max: int = OPEN_MAX,
    ) -> None:
        if max_retries is not None and max_retries < 0:
            raise UsageError(f"max_retries cannot be negative: {max_retries}")
        self.judged = laws_of(laws, ended=ended, max_retries=max_retries)
        self.events_count = 0
        self.anomalies_count = 0
        self.misreads_count = 0
        self.runs_count = 0
        self.open_count = 0
        self._laws = tuple(LOG_LAWS[name] for name in self.judged)
        self._table = listeners(self._laws)
        self._context = Context(max_retries=max_retries or 0, crashes_max=1 << 30)
        self._with_tokens = "I-08" in self.judged
        self._complete = ended
        self._ended_max, self._open_max = ended_max, open_max
        self._open: dict[str, _Run] = {}
        self._ended: dict[str, _Run] = {}
        self._ended_events = 0
        self._tokens = Tokens()
        self._objects = _Source("")
        self._anomalies: list[LogAnomaly] = []
        self._misreads: list[Misread] = []
        self._unknown: dict[str, UnknownType] = {}
        self._let_go = 0
        self._early: list[LogAnomaly] = []
        """Of runs let go before they had ended: what an event that comes later may explain."""
        self._early_count = 0
        self._unjudged = 0
        self._excused = 0
        self._gap = False

    # --- input ------------------------------------------------------------------------------------

    def feed(self, source: str, chunks: Iterable[bytes]) -> None:
        """Judge a whole text: JSON lines, an array, pages of ``events.list``."""
        origin, splitter = _Source(source), Splitter(chunks)
        for piece in splitter:
            origin.index += 1
            place = LogPlace(source, origin.index, piece.line, piece.column)
            if isinstance(piece, Piece):
                if not self._read(piece.data, place, origin):
                    splitter.reject()
            else:
                self._misread(place, piece.reason, origin)

    def add(self, event: Mapping[str, object]) -> None:
        """Judge one event."""
        origin = self._objects
        origin.index += 1
        place = LogPlace("", origin.index)
        try:
            data = msgspec.json.encode(event)
        except (
            TypeError,
            ValueError,
            OverflowError,
            RecursionError,
            msgspec.MsgspecError,
        ) as error:
            self._misread(place, f"this cannot be written as JSON: {error}", origin)
        else:
            self._read(data, place, origin)

    def _read(self, data: bytes, place: LogPlace, origin: _Source) -> bool:
        """Whether it was JSON at all."""
        try:
            event = read_event(data)
        except Unreadable as error:
            began, reason = place.line, error.reason
            if error.offset >= 0 and began:
                place = _inside(place, data, error.offset)
            if place.line != began:
                reason += f" (in the object that begins on line {began})"
            self._misread(place, reason, origin, run_id=error.run_id)
            return error.offset < 0
        self._judge(event, data, place, origin)
        return True

    def _misread(self, place: LogPlace, reason: str, origin: _Source, *, run_id: str = "") -> None:
        self.misreads_count += 1
        if len(self._misreads) < KEPT_MAX:
            self._misreads.append(Misread(place, reason))
        if not run_id:
            origin.gap = self._gap = True
            return
        run = self._open.get(run_id) or self._ended.get(run_id) or self._begin(run_id, origin)
        run.doubtful = True

    # --- the fold ---------------------------------------------------------------------------------

    def _judge(self, event: Event, data: bytes, place: LogPlace, origin: _Source) -> None:
        run_id, kind = event.run_id, event.type
        listening = self._table.get(kind)
        if listening is None and kind not in SILENT_TYPES:
            before = self._unknown.get(kind)
            count, first = (before.count, before.first) if before else (0, place)
            self._unknown[kind] = UnknownType(kind, count + 1, first)
        else:
            self.events_count += 1
        run = self._open.get(run_id) or self._ended.get(run_id)
        if run is None:
            if self._let_go and kind != "run_created":
                self._unjudged += 1
                return
            run = self._begin(run_id, origin)
            run.doubtful = self._gap and kind != "run_created"
        elif run.source is not origin:
            run.doubtful = run.doubtful or run.source.gap
            run.source = origin
        run.position += 1
        self._ended_events += run.ended
        run.last_ms = event.created_at_ms
        if listening is None:
            return
        status = RUN_STATUS.get(kind)
        if status is not None and (kind != "run_created" or not run.ended):
            run.row = attrs.evolve(run.row, status=status)
        what = event.correlation_id
        event = _placed(event, run.position)
        record = Committed(run.position, event.created_at_ms, "", event, what, run.row, None)
        states = run.states
        for index, step in listening:
            anomaly = step(states[index], record)
            if anomaly is not None:
                self._found(run, anomaly, event, place, data)
        if self._with_tokens:
            self._tenures(run, event, place)
        if kind in TERMINAL_RUN_EVENTS and run_id in self._open:
            self._ended[run_id] = self._open.pop(run_id)
            self._ended_events += run.position
            while len(self._ended) > self._ended_max or (
                self._ended_events > ENDED_EVENTS_MAX and len(self._ended) > 1
            ):
                self._ended_events -= self._drop(self._ended)

    def _begin(self, run_id: str, origin: _Source) -> _Run:
        states = [law.start(self._context) for law in self._laws]
        run = self._open[run_id] = _Run(run_id, states, origin)
        self.runs_count += 1
        if len(self._open) > self._open_max:
            self._drop(self._open)
        return run

    def _tenures(self, run: _Run, event: Event, place: LogPlace) -> None:
        kind, fact, hook_id = event.type, event.fact, event.correlation_id
        if isinstance(fact, HookCreated):
            run.tenures[hook_id] = Tenure(
                token=fact.token,
                run_id=event.run_id,
                hook_id=hook_id,
                from_ms=event.created_at_ms,
                position=event.position,
                event_id=event.event_id,
                place=place,
            )
        elif kind == "hook_disposed" and hook_id in run.tenures:
            self._end_tenure(run, run.tenures.pop(hook_id), event.created_at_ms)
        elif kind in TERMINAL_RUN_EVENTS and run.tenures:
            for tenure in run.tenures.values():
                self._end_tenure(run, tenure, event.created_at_ms)
            run.tenures.clear()

    def _end_tenure(self, run: _Run, tenure: Tenure, until_ms: int) -> None:
        found = self._tokens.ended(tenure, until_ms)
        if found is None:
            return
        if run.doubtful or self._gap:
            self._excused += 1
        else:
            self._keep(found)

    def _found(
        self, run: _Run, anomaly: Anomaly, event: Event | None, place: LogPlace, data: bytes
    ) -> None:
        key = (anomaly.law, anomaly.place)
        if key in run.found:
            return
        if (run.doubtful or run.source.gap) and may_be_a_gap(anomaly):
            self._excused += 1
            return
        run.found[key] = None
        position, kind, event_id = run.position, "", ""
        if event is not None:
            kind, event_id = event.type, event.event_id
        found = LogAnomaly(anomaly, run.row.run_id, position, kind, event_id, place, _shown(data))
        if run.let_go and may_be_a_gap(anomaly):
            self._early_count += 1
            self._early += [found] if len(self._early) < KEPT_MAX else []
        else:
            self._keep(found)

    def _keep(self, found: LogAnomaly) -> None:
        self.anomalies_count += 1
        if len(self._anomalies) < KEPT_MAX:
            self._anomalies.append(found)

    # --- the end ----------------------------------------------------------------------------------

    def _drop(self, runs: dict[str, _Run]) -> int:
        """Let the oldest of the runs go; how many events it had."""
        run = runs.pop(next(iter(runs)))
        run.let_go = True
        self._close(run)
        self._let_go += 1
        return run.position

    def _close(self, run: _Run) -> None:
        """Nothing more will be told of this run."""
        self.open_count += not run.ended
        final = final_of(run.row, run.last_ms, run.position)
        place = LogPlace(run.source.name, run.source.index)
        for law, state in zip(self._laws, run.states, strict=True):
            if law.id in (NEEDS_END, *BY_NAME):
                for anomaly in law.end(state, final):
                    self._found(run, anomaly, None, place, b"")
        for tenure in run.tenures.values():
            self._end_tenure(run, tenure, run.last_ms)

    def finish(self, *, interrupted: bool = False) -> LogVerdict:
        """The verdict over all that was fed; nothing may be fed afterwards."""
        if not interrupted:
            self._settle_early()
            for runs in (self._ended, self._open):
                for run in runs.values():
                    self._close(run)
        else:
            self.open_count += len(self._open)
        return LogVerdict(
            self._verdict(interrupted=interrupted),
            tuple(self._anomalies),
            self.anomalies_count,
            tuple(self._misreads),
            self.misreads_count,
            tuple(self._unknown.values()),
            tuple(self._notes()),
            self.events_count,
            self.runs_count,
            self.open_count,
            self.judged,
            not_judged(self.judged),
            interrupted,
        )

    def _settle_early(self) -> None:
        """Runs that were let go are stuck only if nothing more was told of any of them."""
        if self._unjudged:
            self._excused += self._early_count
            return
        for found in self._early:
            self._keep(found)
        self.anomalies_count += self._early_count - len(self._early)

    def _verdict(self, *, interrupted: bool) -> Verdict:
        if self._anomalies:
            return Verdict(FAIL, self._anomalies[0].anomaly.law)
        if interrupted:
            return Verdict(UNKNOWN, reason="it was interrupted before the end")
        if not self.events_count:
            return Verdict(UNKNOWN, reason="no event was found, so nothing was judged")
        if self.misreads_count:
            return Verdict(UNKNOWN, reason="parts of the input could not be read")
        if self._unjudged:
            return Verdict(UNKNOWN, reason="events of runs that had been let go were not judged")
        return verdict((), "", True)

    def _notes(self) -> list[str]:
        notes = []
        if self.open_count and not self._complete:
            notes.append(
                f"runs that had not ended when their logs did: {self.open_count} of "
                f"{self.runs_count}, judged as far as they go (--ended says that nothing more will "
                "come)"
            )
        if self._excused:
            notes.append(
                "sightings that are not reported, because an event that could not be read or was "
                f"not judged may explain them: {self._excused}"
            )
        if self._unjudged:
            notes.append(
                f"events that were not judged: {self._unjudged}; they may belong to one of the "
                f"{self._let_go} runs that had been let go (kept are {self._ended_max} runs that "
                f"have ended, with {ENDED_EVENTS_MAX} events, and {self._open_max} that have not; "
                "sort the logs by run)"
            )
        if self._tokens.dropped:
            notes.append(
                "hooks whose tokens were not compared with those of later runs: the oldest "
                f"{self._tokens.dropped}"
            )
        return notes


def _placed(event: Event, position: int) -> Event:
    """The event at its place in the log."""
    return Event(
        event.run_id,
        event.event_id,
        position,
        event.created_at_ms,
        event.type,
        event.correlation_id,
        event.fact,
    )


def _shown(data: bytes) -> bytes:
    """The event as it was recorded; of a large one, the small fields."""
    if len(data) <= EVENT_BYTES_MAX:
        return data
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return b""  # a name in it is no text
    small = {name: raw for name, raw in fields.items() if len(raw) <= EVENT_BYTES_MAX // 8}
    return msgspec.json.encode(small)


def _inside(place: LogPlace, data: bytes, offset: int) -> LogPlace:
    """Line and column of a byte of the value that begins at the place."""
    breaks = data.count(b"\n", 0, offset)
    column = offset - data.rfind(b"\n", 0, offset) if breaks else place.column + offset
    return attrs.evolve(place, line=place.line + breaks, column=column)


def check_log(
    events: Iterable[Mapping[str, object]],
    *,
    laws: Iterable[str] = (),
    ended: bool = False,
    max_retries: int | None = None,
) -> LogVerdict:
    """Judge recorded events: dicts with runId, eventId, eventType, correlationId, createdAt and
    eventData, each run's in the order of its log.

    The verdict is true when it is PASS, and its ``str`` tells what is wrong::

        from simworld.check import check_log

        def test_the_engine_keeps_its_laws(world):
            events = world.events_of(run_my_workflow(world))
            told = check_log(events, ended=True)
            assert told, str(told)

    ``ended`` promises that the logs are complete, ``max_retries`` says how many every step has, and
    ``laws`` names the only ones to judge.
    """
    judge = LogJudge(laws, ended=ended, max_retries=max_retries)
    for event in events:
        judge.add(event)
    return judge.finish()
