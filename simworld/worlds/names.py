"""Names that come from outside: what no world takes as a run id, token, stream or workflow name.

Every world refuses the same names with 400, before anything is written; ids that never got in are
merely not found later.
"""

from __future__ import annotations

from simworld.engine import Fact
from simworld.errors import WorldError

ID_MAX = 200
"""Bytes (UTF-8) of a run id or a correlation id."""
NAME_MAX = 1_000
"""Bytes (UTF-8) of a token and of the name of a workflow, step or stream: an index of a database
takes some 2700 at a time, a run id and a name together."""

_ENTRANCES = {
    "run_created": (("workflow name", "workflow_name"),),
    "run_started": (),
    "step_created": (("step id", "correlation_id"), ("step name", "step_name")),
    "step_started": (("step id", "correlation_id"), ("step name", "step_name")),
    "hook_created": (("hook id", "correlation_id"), ("token", "token")),
    "hook_conflict": (("hook id", "correlation_id"),),
    "wait_created": (("wait id", "correlation_id"),),
}
"""Event type → the names that come into the world with it."""


def check_name(what: str, name: str, length_max: int = NAME_MAX) -> None:
    """``WorldError`` (400) unless ``name`` is plain text of 1…``length_max`` bytes."""
    size = len(name) if name.isascii() else len(name.encode(errors="replace"))
    if not 0 < size <= length_max:
        found = f"{size} bytes long" if size else "empty"
        raise WorldError(f"the {what} is {found}; 1 to {length_max} are allowed", status=400)
    if not name.isprintable():
        shown = ascii(name[:40])
        raise WorldError(f"the {what} {shown} has characters that are not text", status=400)


def check_stream(run_id: str, name: str) -> None:
    """``WorldError`` (400) unless a stream may be called so."""
    check_name("run id", run_id, ID_MAX)
    check_name("stream name", name)


def check_names(run_id: str, fact: Fact) -> None:
    """``WorldError`` (400) if the fact would bring a bad name into the world."""
    names = _ENTRANCES.get(fact.type)
    if names is None:
        return
    if fact.type in ("run_created", "run_started"):
        check_name("run id", run_id, ID_MAX)
        if workflow := getattr(fact, "workflow_name", ""):
            check_name("workflow name", workflow)
    for what, field in names:
        check_name(what, getattr(fact, field), ID_MAX if field == "correlation_id" else NAME_MAX)
