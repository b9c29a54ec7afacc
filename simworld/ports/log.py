"""What the runtime tells about a run while it works on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from simworld.engine import EnginePolicy, Event, PassResult, Program, Request, RunIdentity


class PassReport(NamedTuple):
    """A pass that has ended, with all it was a function of."""

    program: Program
    identity: RunIdentity
    log: Sequence[Event]
    """What it has seen; the invocation goes on adding to it, so look at it now or copy it."""
    policy: EnginePolicy
    now_ms: int
    result: PassResult
    retained: bool
    """It went on from an earlier pass of this invocation instead of starting anew."""


class ClientCalled(NamedTuple):
    """Something that a client has asked for."""

    number: int
    """Of this client's calls, from 1."""
    verb: str
    """The client's method."""
    run_id: str = ""
    target: str = ""
    """A hook's token, a stream's name."""
    payload: bytes = b""
    """What ``resume_hook`` is to send."""
    start: int = 0
    """The chunk from which ``read_stream`` reads."""


class RunLog(Protocol):
    """Listens; never answers, never fails, never waits."""

    def pass_ended(self, report: PassReport) -> None:
        """A pass has ended."""

    def asked_ahead(self, run_id: str, asked: Sequence[tuple[int, Request]]) -> None:
        """A pass over what may become the log asks for this, which is about to be recorded.

        Each with the position of the event that is to create it.  If that comes about, the pass is
        told of with ``pass_ended``; else nobody has asked for it.
        """

    def owned_inline(self, run_id: str, step_ids: Sequence[str]) -> None:
        """The handler is about to run these steps inline, as their owner."""

    def note(self, run_id: str, message: str, **fields: object) -> None:
        """Something a person reading the run's log would want to know.

        ``message`` is a short fixed phrase ("step failed"); what varies goes into ``fields``.
        """

    def chunk_written(self, run_id: str, stream: str, chunk: bytes) -> None:
        """A body has been told that its chunk of this stream of the run is written."""

    def client_called(self, call: ClientCalled, phase: str) -> None:
        """A client's call begins (``invoke``), or is over: ``ok``, ``fail`` or ``info``.

        ``fail``: it has not happened; ``info``: it may have, in part or as a whole.
        """
