"""Faults for people: each in words as a story tells it, and the table of all kinds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from rich.text import Text

from simworld.records import Fault, FaultKind
from simworld.render.jsonout import document
from simworld.render.roles import Roles
from simworld.render.tables import plain_table, rendered
from simworld.render.text import ordinal, wrapped

_PART = re.compile(r"/part(\.\d+)?$")
"""At the end of a task's name: one of several things that a subject's handler does at a time."""

SCHEDULED = (
    "Messages that overtake each other and messages that are late are no faults and have no "
    "budget: they are choices of the schedule, in every world."
)

# --- in a story ----------------------------------------------------------------------------------


def fault_in_words(fault: Fault, roles: Roles) -> str:
    """One fault; what its target and value mean is in ``FAULTS``."""
    nth = ordinal(fault.value)
    match fault.kind:
        case "duplicate":
            return f"{roles.message(fault.target)} is delivered {_times(fault.value)} more"
        case "crash":
            return f"the host of {_whose(fault.target, roles)}, dies before its {nth} operation"
        case "lost_answer":
            who = _whose(fault.target, roles)
            return f"the {nth} operation of {who}, commits and its answer is lost"
        case "kill_bodies":
            bodies = "first body" if fault.value == 1 else f"first {fault.value} bodies"
            verb = "dies before it ends" if fault.value == 1 else "die before they end"
            return f"the {bodies} of {fault.target} {verb}"
        case "torn_write":
            return f"{roles.explain(fault.target)}, leaves half of the file that it dies in"
        case "power_loss":
            return f"the power fails when {roles.explain(fault.target)} dies, and takes all hosts"
    return (
        _of_request(fault, roles)
        or _of_operation(fault, roles)
        or _of_messages(fault, roles)
        or _of_clock(fault, roles)
    )


def _of_request(fault: Fault, roles: Roles) -> str:
    match fault.kind:
        case "lost_request":
            return f"{roles.asked(fault.target)} never arrives"
        case "duplicate_request":
            return f"{roles.asked(fault.target)} arrives {_times(fault.value)} more"
        case "late_answer":
            ms = f"{fault.value} ms after its sender has given up"
            return f"{roles.asked(fault.target)} arrives {ms}"
        case "stale_read":
            commits = "commit" if fault.value == 1 else f"{fault.value} commits"
            return f"{roles.asked(fault.target)} misses the newest {commits} of the run"
        case "holed_read":
            nth = ordinal(fault.value)
            return f"{roles.asked(fault.target)} misses the {nth} event from the end of the log"
    return ""


def _of_operation(fault: Fault, roles: Roles) -> str:
    value, where = fault.value, _operation(fault.target, roles)
    match fault.kind:
        case "server_error":
            return f"{where} is refused with a definite error, and not performed"
        case "throttled":
            return f"{where} is refused with 429, for {value} s"
        case "slow_host":
            return f"the host stands still for {value} ms before {where}"
        case "clock_jump":
            return f"the clock of the host jumps {value} ms forward before {where}"
        case "torn_page":
            events = "event" if value == 1 else f"{value} events"
            return f"the page that {where} reads ends {events} early, and says so"
        case "lost_connection":
            when = "before it is performed" if value == 1 else "when it has been performed"
            return f"{where} loses its connection {when}"
        case "restart":
            return f"every process dies before {where} and a service starts anew"
        case "lost_flush":
            return f"the write to a stream that is {where} is refused, and not performed"
    return ""


def _of_messages(fault: Fault, roles: Roles) -> str:
    value = fault.value
    match fault.kind:
        case "redelivery":
            when = f"after {(value - 1) * 500} ms" if value > 1 else "at once"
            who = roles.explain(fault.target)
            return f"{who}, counts as failed {when} and lives on; its message is delivered again"
        case "slow_body":
            bodies = "first body" if value == 1 else f"first {value} bodies"
            take = "takes longer than its lease" if value == 1 else "take longer than their leases"
            return f"the {bodies} of {fault.target} {take}"
        case "scarce_workers":
            workers = "one worker" if value == 1 else f"{value} workers"
            return f"the queue has only {workers}, until the search has ended"
        case "late_hook":
            who = roles.explain(fault.target.rpartition("/")[0])
            return f"a payload of {who} for a hook comes {value} ms late"
    return ""


def _of_clock(fault: Fault, roles: Roles) -> str:
    match fault.kind:
        case "clock_ahead":
            return f"the clock of host {roles.shorten(fault.target)} is {fault.value} ms ahead"
        case "clock_behind":
            return f"the clock of host {roles.shorten(fault.target)} is {fault.value} ms behind"
    return f"{fault.kind} of {fault.target}: {fault.value}"


def _operation(target: str, roles: Roles) -> str:
    """``the 3rd operation of A, delivery 1 of …,``."""
    task, _, number = target.rpartition("@")
    if not number.isdecimal():
        return f"an operation of {roles.explain(target)},"
    return f"the {ordinal(int(number))} operation of {_whose(task, roles)},"


def _whose(task: str, roles: Roles) -> str:
    """``handler A, delivering …``; of another engine's handlers, which part of it: ``A/part.2``."""
    part = _PART.search(task)
    whole = roles.explain(task)
    return f"{roles.who(task)} of {whole}" if part else whole


def _times(value: int) -> str:
    return "once" if value == 1 else f"{value} times"


# --- all of them ---------------------------------------------------------------------------------


class WorldsOf(Protocol):
    """Tells the names of the worlds in which a kind of fault may strike."""

    def __call__(self, kind: FaultKind, /) -> Sequence[str]: ...


def faults_table(
    kinds: Sequence[FaultKind], worlds_of: WorldsOf, *, width: int = 100, color: bool = False
) -> str:
    """One row per kind: its budget, what it does and breaks, who permits it, and where."""
    table = plain_table(gap=2)
    table.add_column("budget", no_wrap=True)
    table.add_column("what it does", overflow="fold", ratio=5)
    table.add_column("permitted, because", overflow="fold", ratio=4)
    table.add_column("worlds", overflow="fold", ratio=3)
    for kind in kinds:
        permitted = kind.permitted
        if kind.breaks:
            permitted += f"; it breaks this promise: {kind.breaks}"
        table.add_row(
            Text(kind.budget, style="bold"),
            kind.does,
            permitted,
            ", ".join(worlds_of(kind)) if kind.needs else "all",
        )
    table.expand = True
    told = "\n".join(wrapped(SCHEDULED, width))
    return f"{rendered(table, width, color=color)}\n{told}\n"


def faults_json(kinds: Sequence[FaultKind], worlds_of: WorldsOf) -> bytes:
    """The same for machines."""
    return document(
        {
            "faults": [
                {
                    "name": kind.name,
                    "budget": kind.budget,
                    "does": kind.does,
                    "target": kind.target,
                    "value": kind.value,
                    "permitted": kind.permitted,
                    "breaks": kind.breaks,
                    "worlds": list(worlds_of(kind)),
                }
                for kind in kinds
            ]
        }
    )
