"""What the judgement of recorded logs says: where, which law, and what was not judged."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from simworld.records.verdicts import Anomaly, Verdict


@attrs.frozen
class LogPlace:
    """Where an event stands in the input."""

    source: str
    """Name of the file; empty where events were handed over as objects."""
    index: int
    """Its number among the source's events, from 1."""
    line: int = 0
    """Line of the source, from 1; 0 where there is no text."""
    column: int = 0
    """Byte of the line, from 1."""

    def __str__(self) -> str:
        where = self.source or "events"
        if self.line:
            return f"{where}:{self.line}:{self.column}"
        return f"{where}[{self.index}]"


@attrs.frozen
class LogAnomaly:
    """A law that a recorded log breaks, and the event that shows it."""

    anomaly: Anomaly
    run_id: str
    position: int
    """Place of the event in the run's log, from 1."""
    event_type: str
    event_id: str
    place: LogPlace
    event: bytes = b""
    """The whole event as it was recorded, fields that nobody knows included: JSON."""


@attrs.frozen
class Misread:
    """A part of the input that is no event."""

    place: LogPlace
    reason: str


@attrs.frozen
class UnknownType:
    """Events of a type that no law speaks of."""

    type: str
    count: int
    first: LogPlace


@attrs.frozen
class LogVerdict:
    """What a judgement of recorded logs has shown."""

    verdict: Verdict
    anomalies: tuple[LogAnomaly, ...]
    """In the order in which they showed; one per run, law and place."""
    anomalies_count: int
    """All of them; only the first ones are kept."""
    misreads: tuple[Misread, ...]
    misreads_count: int
    unknown_types: tuple[UnknownType, ...]
    notes: tuple[str, ...]
    """What was not judged, and why, a sentence each."""
    events_count: int
    runs_count: int
    open_count: int
    """Runs whose log has no terminal event."""
    judged: tuple[str, ...]
    """Ids of the laws that were judged."""
    not_judged: Mapping[str, str]
    """Id of each other law → why not."""
    interrupted: bool = False

    def __str__(self) -> str:
        lines = [str(self.verdict)]
        lines += [
            f"{each.place}: {each.anomaly.law}: {each.anomaly.message}" for each in self.anomalies
        ]
        lines += [f"{each.place}: {each.reason}" for each in self.misreads]
        return "\n".join([*lines, *self.notes])

    def __repr__(self) -> str:
        return f"<LogVerdict {self}>"  # pytest shows this of ``assert check_log(events)``

    def __bool__(self) -> bool:
        """Whether nothing is broken and nothing was left out: ``assert check_log(events)``."""
        return self.verdict.outcome == "PASS"
