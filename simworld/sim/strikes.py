"""Strikes: what a planned fault does to the operation that is being performed.

Whoever performs an operation asks here, if ``kernel.striking`` is set, before it performs it.  Only
a fault that applies to this operation is spent and noted.
"""

from __future__ import annotations

from collections.abc import Callable

from simworld.engine import Event
from simworld.errors import DefiniteFailure, ThrottleError, WorldError
from simworld.marks import reached
from simworld.ports import Page
from simworld.records import Fault
from simworld.sim.kernel import Kernel
from simworld.sim.labels import message_of


def struck(kernel: Kernel, kind: str) -> Fault | None:
    """The fault of this kind that strikes the operation being performed; it is spent and noted."""
    fault = kernel.striking
    if fault is None or fault.kind != kind or not kernel.faults.spends(kind):
        return None
    kernel.striking = None
    kernel.note_fault(fault)
    return fault


def refuse(kernel: Kernel) -> None:
    """Raise if the call of a world or a queue is refused, as the field refuses: 503 or 429."""
    if struck(kernel, "server_error") is not None:
        reached("call.failed")
        kernel.tell("refused: 503, the server has failed")
        raise WorldError("the server has failed, and nothing was done", status=503)
    fault = struck(kernel, "throttled")
    if fault is not None:
        reached("call.throttled")
        kernel.disturb(kernel.now_ms + fault.value * 1_000)  # so long it may wait
        kernel.tell(f"refused: 429, come back in {fault.value} s")
        raise ThrottleError(
            f"too many calls; come back in {fault.value} s", retry_after_s=fault.value
        )


def fail(kernel: Kernel) -> None:
    """Raise if an operation below a world fails: on a file, or a statement."""
    if struck(kernel, "server_error") is not None:
        reached("operation.failed")
        kernel.tell("it fails, and nothing was done")
        raise DefiniteFailure("the operation has failed, and nothing was done")


def by_position(event: Event) -> str:
    """The cursor that stands behind an event, in most worlds."""
    return str(event.position)


def torn(kernel: Kernel, page: Page, cursor_of: Callable[[Event], str] = by_position) -> Page:
    """The page as the running task gets to see it: it may end early, and says so."""
    task, events = kernel.current, page.events
    if len(events) < 2 or task is None or not kernel.searching:
        return page
    where = f"{task.name}@{task.ops}"
    most = len(events) - 1
    left = kernel.faults.befalls("torn_page", where, message_of(task.name), most)
    if not left:
        return page
    reached("page.torn")
    kernel.note_fault(Fault("torn_page", where, left))
    kept = events[:-left]
    return Page(kept, cursor_of(kept[-1]), has_more=True)
