"""Every error of the house; each docstring says whose fault it is.

Three families: errors for the user of simworld (``SimworldError``), answers of a world with the
status codes of the field (``WorldError``), and control flow that user code must not be able to
swallow (``Suspended``, ``Crashed``: ``BaseException``).  Anomalies are data, never exceptions.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class SimworldError(Exception):
    """Base of the errors that simworld raises on purpose."""


class UsageError(SimworldError):
    """The caller's fault: the message names the bad input and the way out.  Exit code 2."""


class ReproVersionError(UsageError):
    """The repro file is of another format version; the message says which one is needed."""


class ScriptError(UsageError):
    """A scripted interleaving asks for what can never come; the message names its line."""


class DidNotReproduce(SimworldError):
    """Nobody's fault yet: the recorded schedule no longer fits the program.  Exit code 3."""


class ReplayDivergence(SimworldError):
    """The workflow author's or the engine's fault: a pass disagrees with its event log."""


class UncontrolledNondeterminism(SimworldError):
    """The scenario's fault: the same seed gave two different traces (clock, set order, id()…)."""


class InternalError(SimworldError):
    """Our fault: the harness broke one of its own rules.  Exit code 4."""


class DefiniteFailure(SimworldError):
    """The world's answer: the call did not happen."""


class UniqueViolation(DefiniteFailure):
    """The tables' answer: another row has this unique key; the transaction is rolled back."""


class Deadlock(DefiniteFailure):
    """The tables' answer: this transaction was rolled back so that others could go on."""


class IndefiniteFailure(SimworldError):
    """The world's silence: the call may have happened (lost answer, timeout)."""


class WorldError(DefiniteFailure):
    """A world refused a call; ``status`` is the HTTP status of the field's contract (spec §1.3)."""

    status = 500

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        if status is not None:
            self.status = status


class EntityConflictError(WorldError):
    """409: the entity is in another state; ``reason`` is one of ``REASONS``."""

    status = 409
    REASONS = ("terminal", "running", "not_startable", "exists", "not_owner", "moved")

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class RunExpiredError(WorldError):
    """410: the run has ended; nothing new may start."""

    status = 410


class TooEarlyError(WorldError):
    """425: not before ``retry_after_s`` seconds from now."""

    status = 425

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class ThrottleError(WorldError):
    """429: the world is busy; come back after ``retry_after_s`` seconds."""

    status = 429

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class EntityNotFoundError(WorldError):
    """404: no such run, step or wait."""

    status = 404


class HookNotFoundError(WorldError):
    """404: no live hook has this token (never made, disposed, or its run has ended)."""

    status = 404


class ControlFlow(BaseException):
    """Base of what user code must not catch with ``except Exception``."""


class Suspended(ControlFlow):
    """Raised into workflow code that goes on after its pass has ended."""


class Crashed(ControlFlow):
    """Raised at a port by code of a host that is dead."""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """A ``UsageError`` for a name nobody knows, with the nearest ones that exist."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"
    return UsageError(f"unknown {what} {name!r}; {hint}")
