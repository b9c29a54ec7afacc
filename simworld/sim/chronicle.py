"""The chronicle of a trial: what has happened so far, as records, turns and faults."""

from __future__ import annotations

from simworld.records import Fault, Record, RunLogLine, Turn
from simworld.sim.tasks import EPOCH_MS, Task


class Chronicle:
    """What a kernel writes down; it never looks at it again."""

    __slots__ = (
        "fired",
        "last_fault_ms",
        "notes",
        "now_ms",
        "path",
        "records",
        "tasks",
        "trace",
        "turn",
    )

    def __init__(self, *, full_trace: bool) -> None:
        self.turn = 0
        self.now_ms = EPOCH_MS
        self.tasks: list[Task] = []
        self.records: list[Record] = []
        self.path: list[str] = []
        """Task name and operation of every turn: what the trial's digest is made of."""
        self.trace: list[Turn] | None = [] if full_trace else None
        self.notes: list[RunLogLine] = []
        """What the runtime has noted (full traces only)."""
        self.fired: list[Fault] = []
        self.last_fault_ms = -1

    def note_fault(self, fault: Fault) -> None:
        """A fault has happened, in the kernel, in the queue or in a body."""
        self.fired.append(fault)
        self.disturb(self.now_ms)

    def disturb(self, until_ms: int) -> None:
        """What a fault does lasts until then; one that is over earlier ends nothing of it."""
        self.last_fault_ms = max(self.last_fault_ms, until_ms)

    def tell(self, outcome: str) -> None:
        """Say what came of the operation just performed (full traces only)."""
        if self.trace:
            self.trace[-1] = self.trace[-1]._replace(outcome=outcome)

    def remark(self, words: str) -> None:
        """Say something else about the turn, behind what came of it (full traces only)."""
        if self.trace:
            outcome = self.trace[-1].outcome
            self.tell(f"{outcome}; {words}" if outcome else words)

    def _write_turn(self, task: Task) -> None:
        assert self.trace is not None
        labels = (*task.op.fine.items(), *task.op.coarse.items())
        self.trace.append(Turn(self.turn, self.now_ms, task.name, task.op.text, "", labels))

    def waiting(self) -> list[str]:
        """What each task that has not ended waits for."""
        return [
            f"{task.name} waits to {task.op.text}"
            for task in self.tasks
            if not (task.done or task.dead)
        ]

    def busy_with(self, host: str) -> str:
        """What the host called so waits for, in the youngest of its tasks; else its name."""
        for task in reversed(self.tasks):
            if task.host.name == host and not task.ended:
                return f"{host} waits to {task.op.text}"
        return host
