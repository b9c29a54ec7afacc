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
    """What a world must have for it to strike: ``files``, ``files in place`` (some are written
    where they are read), ``tables``, ``wire``; empty: nothing."""
    counted: bool = False
    """A smaller value is less of it: the shrinker tries one, and what strikes twice adds up."""
    operation: bool = False
    """It strikes one operation of a task, planned when the task is born; the target is
    ``task@k``, the task and the number of its operation."""
    most: int = 1
    """The largest value that a nemesis plans for an operation, or that a repro may hold."""


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
            counted=True,
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
            counted=True,
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
            counted=True,
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
            counted=True,
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
            needs="files in place",
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
        FaultKind(
            name="server_error",
            budget="server_errors",
            does="an operation is not performed, and its caller gets a definite error (5xx)",
            target="operation (task@k)",
            value="1",
            permitted="a server may fail, a disk may be full, a statement may be refused",
            operation=True,
        ),
        FaultKind(
            name="throttled",
            budget="throttles",
            does="a call of the queue, or of a storage that is a server, is refused with 429 and a "
            "time to wait",
            target="operation (task@k)",
            value="seconds to wait",
            permitted="a server refuses more than it can bear",
            counted=True,
            operation=True,
            most=60,
        ),
        FaultKind(
            name="slow_host",
            budget="slow_hosts",
            does="a host stands still before an operation, while everybody else goes on",
            target="operation (task@k)",
            value="ms",
            permitted="nobody promises how fast a process goes on (collection, paging, a VM moved)",
            counted=True,
            operation=True,
            most=1_000_000,
        ),
        FaultKind(
            name="clock_ahead",
            budget="clocks_ahead",
            does="a host's clock is ahead of the true time, from its first message on",
            target="host",
            value="ms ahead",
            permitted="clocks of hosts are right to within two seconds",
            counted=True,
            most=2_000,
        ),
        FaultKind(
            name="clock_behind",
            budget="clocks_behind",
            does="a host's clock is behind the true time, from its first message on",
            target="host",
            value="ms behind",
            permitted="clocks of hosts are right to within two seconds",
            counted=True,
            most=2_000,
        ),
        FaultKind(
            name="clock_jump",
            budget="clock_jumps",
            does="a host's clock jumps forward before an operation",
            target="operation (task@k)",
            value="ms",
            permitted="clocks of hosts are set while they run",
            counted=True,
            operation=True,
            most=2_000,
        ),
        FaultKind(
            name="torn_page",
            budget="torn_pages",
            does="a page of a log ends early, so that others may commit before the next one",
            target="read (task@k)",
            value="events that are left for the next page",
            permitted="a page may hold fewer events than there are, if it says that there are more",
            counted=True,
        ),
        FaultKind(
            name="lost_connection",
            budget="lost_connections",
            does="the connection to the tables breaks at a statement or a commit; an open "
            "transaction is rolled back",
            target="operation (task@k)",
            value="1: before it is performed; 2: after",
            permitted="connections break at any time",
            needs="tables",
            operation=True,
            most=2,
        ),
        FaultKind(
            name="redelivery",
            budget="redeliveries",
            does="a delivery counts as failed while its handler lives on, and the message is "
            "delivered again beside it",
            target="delivery (its task's name)",
            value="1: at once; n: after n - 1 half seconds",
            permitted="queues deliver again what takes them too long",
            counted=True,
            most=8,
        ),
        FaultKind(
            name="slow_body",
            budget="slow_bodies",
            does="the first bodies of one step take longer than their leases, or as long as one "
            "where starts have none; their host is fine",
            target="step label (work#3)",
            value="bodies that are slow",
            permitted="nobody promises how long a body takes",
            counted=True,
            most=4,
        ),
        FaultKind(
            name="scarce_workers",
            budget="scarce_workers",
            does="so few deliveries are handled at a time, until the search has ended",
            target="queue",
            value="workers that there are",
            permitted="a pool of workers is as large as it is, and others use it, too",
            most=3,
        ),
        FaultKind(
            name="late_hook",
            budget="late_hooks",
            does="a client's payload for a hook that it has found comes later than it wanted",
            target="call (task/late)",
            value="ms late",
            permitted="nobody promises when somebody outside acts",
            counted=True,
            most=10_000,
        ),
        FaultKind(
            name="restart",
            budget="restarts",
            does="every process dies, what only their memory held is gone, and a service that "
            "starts anew looks at every run that has not ended",
            target="operation (task@k)",
            value="1",
            permitted="processes die at any time; whoever starts recovers what is recorded",
            operation=True,
        ),
        FaultKind(
            name="lost_flush",
            budget="lost_flushes",
            does="a write to a stream is refused with a definite error (5xx), none of its chunks "
            "is there",
            target="write (task@k)",
            value="1",
            permitted="a server may refuse to write to a stream",
        ),
    )
}
"""Kind → its row, in the order in which a nemesis draws."""
