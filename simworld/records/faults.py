"""Faults: what may go wrong, as values beside the schedule, each with the contract that allows it.

A *fault* is (kind, target, value), keyed by stable names (decisions §4.1), so that a shrunk one
still strikes the same thing.  ``FAULTS`` is the table of all kinds; ``simworld faults`` prints it.
"""

from __future__ import annotations

import attrs


@attrs.frozen(order=True)
class Fault:
    """One fault, as a value; what target and value mean is in its kind's row of ``FAULTS``."""

    kind: str
    target: str
    value: int


@attrs.frozen(kw_only=True)
class FaultKind:
    """One kind of fault."""

    name: str
    """``Fault.kind``."""
    budget: str
    """Its field of ``FaultBudget``."""
    does: str
    """What happens, for people."""
    target: str
    """What ``Fault.target`` names."""
    value: str
    """What ``Fault.value`` counts."""
    permitted: str
    """The contract that permits it: who promises no more than that."""
    breaks: str = ""
    """The promise of its own world that it breaks; then the world is to blame, never the engine."""
    needs: str = ""
    """What a world must have for it to strike: ``files``, ``tables``, ``wire``; empty: nothing."""


FAULTS: dict[str, FaultKind] = {
    kind.name: kind
    for kind in (
        FaultKind(
            name="duplicate",
            budget="duplicates",
            does="a message is delivered more than once, side by side",
            target="message (its task's name)",
            value="extra deliveries",
            permitted="queues deliver at least once",
        ),
        FaultKind(
            name="crash",
            budget="crashes",
            does="the host dies between two operations, with everything on it",
            target="task",
            value="the operation of the task before which it dies",
            permitted="processes die at any time",
        ),
        FaultKind(
            name="lost_answer",
            budget="lost_answers",
            does="an operation commits, and its caller sees an IndefiniteFailure",
            target="task",
            value="the operation of the task whose answer is lost",
            permitted="answers may be lost on their way",
        ),
        FaultKind(
            name="kill_bodies",
            budget="kill_bodies",
            does="the first bodies of one step die before they end",
            target="step label (work#3)",
            value="bodies that die",
            permitted="processes die at any time",
        ),
        FaultKind(
            name="lost_request",
            budget="lost_requests",
            does="a request to a server never arrives",
            target="request (its task's name)",
            value="1",
            permitted="requests may be lost on their way",
            needs="wire",
        ),
        FaultKind(
            name="duplicate_request",
            budget="duplicate_requests",
            does="a request that writes arrives more than once",
            target="request (its task's name)",
            value="arrivals beyond the first",
            permitted="requests may be repeated on their way",
            needs="wire",
        ),
        FaultKind(
            name="late_answer",
            budget="late_answers",
            does="a request that writes arrives when its sender has given up",
            target="request (its task's name)",
            value="ms after its sender has given up",
            permitted="requests may be late",
            needs="wire",
        ),
        FaultKind(
            name="stale_read",
            budget="stale_reads",
            does="a read misses the newest commits of its run",
            target="request (its task's name)",
            value="commits that are not there yet",
            permitted="a replica that lags",
            breaks="a read shows what was committed before it",
            needs="wire",
        ),
        FaultKind(
            name="holed_read",
            budget="holed_reads",
            does="a read of a log misses an event before its end",
            target="request (its task's name)",
            value="place of the missing event, from the end",
            permitted="ids that are minted before they are visible",
            breaks="a read shows a prefix of the log",
            needs="wire",
        ),
        FaultKind(
            name="torn_write",
            budget="torn_writes",
            does="a crash leaves the half of the file that was being written in place",
            target="task",
            value="the operation of the task before which it dies",
            permitted="file systems write in pieces",
            needs="files",
        ),
        FaultKind(
            name="power_loss",
            budget="power_losses",
            does="a crash is one of the whole machine: every process dies, unsynced data is gone",
            target="task",
            value="the operation of the task before which it dies",
            permitted="what is not synced is not kept",
            needs="files",
        ),
    )
}
"""Kind → its row, in the order in which a nemesis draws."""
