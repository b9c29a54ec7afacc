"""The law of storms: no run is delivered over and over to no avail (L-07).

Two ways to see it: within a minute more deliveries than a run has use for; and at the end of a
trial that never drains, the same moves again and again while nothing is recorded any more.
"""

from __future__ import annotations

from collections import deque

from simworld.check.law import Context, Law, at
from simworld.check.stuck import waits_of
from simworld.records import Anomaly, Committed, Delivered, Fault, Final

MINUTE_MS = 60_000
AGAIN_MAX = 10
"""Deliveries that one repeated by a fault may bring about: every step's may be sent again."""


class _Window:
    """The last minute of one run."""

    __slots__ = ("balance", "marks")

    def __init__(self) -> None:
        self.balance = 0
        """Deliveries minus events."""
        self.marks: deque[tuple[int, int]] = deque()

    def add(self, now_ms: int, weight: int) -> int:
        """One more delivery (1) or event (-1); the balance of the last minute."""
        marks = self.marks
        while marks and marks[0][0] <= now_ms - MINUTE_MS:
            self.balance -= marks.popleft()[1]
        marks.append((now_ms, weight))
        self.balance += weight
        return self.balance


class _Runs:
    """Every run's last minute."""

    def __init__(self, context: Context) -> None:
        repeated = sum(_repeats(fault) for fault in context.faults)
        self.most = context.deliveries_max + AGAIN_MAX * repeated
        self.windows: dict[str, _Window] = {}

    def of(self, run_id: str) -> _Window:
        window = self.windows.get(run_id)
        if window is None:
            window = self.windows[run_id] = _Window()
        return window


def _repeats(fault: Fault) -> int:
    """How many deliveries a fault may have repeated."""
    return fault.value if fault.kind in ("duplicate", "kill_bodies") else 1


def _l07_delivered(state: _Runs, record: Delivered) -> Anomaly | None:
    if state.of(record.run_id).add(record.now_ms, 1) <= state.most:
        return None
    message = (
        f"within a minute the run had more than {state.most} deliveries beyond the events they "
        f"brought about; the last one is {record.task}"
    )
    return Anomaly("L-07", "message-storm", message, at(""), record.turn)


def _l07_committed(state: _Runs, record: Committed) -> None:
    state.of(record.event.run_id).add(record.now_ms, -1)


def _l07_end(state: _Runs, final: Final) -> list[Anomaly]:
    if not any(": deliver " in move for move in final.cycle):
        return []  # who merely polls, polls lawfully
    message = (
        f"nothing is recorded any more, and this goes on for ever: {'; '.join(final.cycle)}; "
        f"{'; '.join(waits_of(final)) or 'every run has ended'}"
    )
    return [Anomaly("L-07", "livelock", message, at(""), final.turn)]


L_07 = Law(
    id="L-07",
    title="No run is delivered more often than it has use for, and nobody goes round in a circle.",
    on={Delivered: _l07_delivered, Committed: _l07_committed},
    start=_Runs,
    end=_l07_end,
)
