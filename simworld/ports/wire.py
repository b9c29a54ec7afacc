"""The wire: how a world whose storage is on a server reaches it.

A request travels, the server performs it, the answer travels.  Each of the two ways may take as
long as it likes, or fail: then the caller gets an ``IndefiniteFailure`` and does not know whether
its request was, or will be, performed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

from simworld.engine import Fact
from simworld.ports.world import BatchFact

T = TypeVar("T")


class Request(NamedTuple):
    """What is asked of the server; enough to tell what it touches."""

    verb: str
    """``create``, ``append``, ``wait for the end``, ``events``, ``run``, ``hook``, or what is done
    to a stream: ``read stream``."""
    run_id: str = ""
    name: str = ""
    """Of the stream, or the token of the hook."""
    fact: Fact | None = None
    """What is to be recorded."""
    facts: Sequence[BatchFact] = ()
    """What is to be recorded together."""
    writes: bool = False
    waits: bool = False
    """The server answers when there is something to say, however long that takes."""


class Replica(NamedTuple):
    """Who answers a read: the server itself, or a replica that lacks something."""

    lag: int = 0
    """So many of the newest commits of the run are not there yet."""
    hole: int = 0
    """This event of the log, counted from its end, is not there yet; 0: all are."""


class Wire(Protocol):
    """The way to one server."""

    async def call(self, request: Request, perform: Callable[[Replica], Awaitable[T]]) -> T:
        """Have the server ``perform`` the request, once at least, and hand back its answer.

        ``IndefiniteFailure`` if no answer comes in time.
        """
