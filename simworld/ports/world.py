"""The World port: storage and queue, in the words of the field (spec §2.1)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol, TypeAlias

import attrs

from simworld.engine import (
    AttrSet,
    Event,
    Fact,
    HookRow,
    RunCompleted,
    RunFailed,
    RunRow,
    StepFact,
    StepRow,
    WaitFact,
    WaitRow,
)

BatchFact: TypeAlias = StepFact | WaitFact | AttrSet | RunCompleted | RunFailed
"""What can be recorded together with others: neither hooks, whose tokens concern other runs, nor
what a run begins with."""


class Page(NamedTuple):
    """A page of a run's log, ascending; by contract ``cursor`` is None only on an empty page."""

    events: Sequence[Event]
    cursor: str | None
    has_more: bool


class Answer(NamedTuple):
    """What ``create`` gives back: the event (None: accepted, nothing to record) and the rows."""

    event: Event | None
    run: RunRow
    step: StepRow | None = None
    preload: Sequence[Event] | None = None
    """The whole log, with the run_started that moved the run to ``running``."""
    cursor: str = ""
    """The cursor that stands right behind the recorded event."""
    hook: HookRow | None = None
    wait: WaitRow | None = None


class Storage(Protocol):
    """A run's rows and log."""

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """Record a fact, or refuse it with a ``WorldError`` (spec §1.3)."""

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """Record several facts about one run in one commit, as consecutive events; or none.

        Every fact is judged as ``create`` would judge it right after the one before it, and the
        first refusal refuses them all; the answers hold the rows right after each event.  The run's
        end may only come last.  ``after``: the position of the last event that the caller knows; if
        another one is there by now, ``EntityConflictError`` with reason ``moved``.
        """

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """The events after ``cursor`` (None: from the first), one page."""

    async def run(self, run_id: str) -> RunRow:
        """The run's row; ``EntityNotFoundError`` when there is none."""

    async def hook(self, token: str) -> HookRow:
        """The live hook that owns ``token``; ``HookNotFoundError`` when there is none."""

    async def active_runs(self) -> Sequence[str]:
        """The ids of the runs that have not ended, sorted: what a restart has to look at."""

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """Return once the run may have ended, at the latest after ``timeout_ms``.

        It may return early: whoever waits looks at the run again.
        """


@attrs.frozen
class RunInput:
    """What the first message of a run carries, so that run_started can create it (§2.5)."""

    workflow_name: str
    input: bytes


@attrs.frozen
class Message:
    """What goes through the queue: a step message if ``step_id`` is set, else a flow message."""

    run_id: str
    step_id: str = ""
    step_name: str = ""
    run_input: RunInput | None = None
    recoveries: int = 0
    """Replays that have diverged so far in this chain of recovery messages (U2)."""
    wait_id: str = ""
    """The wait at whose end it was to wake the run."""
    extra: bytes = b""
    """What the message of a foreign engine says besides; it counts where payloads are compared."""


class Delivery(NamedTuple):
    """One delivery of a message."""

    message_id: str
    number: int
    """The attempt the queue tells: 1 for the first delivery."""
    receipt: str
    """Unique per delivery, also among duplicates."""


@attrs.frozen
class Redeliver:
    """A handler's answer ``{timeoutSeconds}``: deliver this message again after so long."""

    after_s: int


Handler = Callable[[Message, Delivery], Awaitable[Redeliver | None]]


class Queue(Protocol):
    """At-least-once delivery (spec §2.3, decisions §3)."""

    async def send(
        self, message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
    ) -> str:
        """Accept a message, or drop it because its ``key`` is live; its id, empty if dropped.

        ``merge``: it only says that somebody should look at the run, and is dropped, too, if
        another such message of the run is due and nobody has begun to handle it: whoever will looks
        at the run after now.  That is no deduplication, whose keys may live while a message is
        handled, or longer, and so swallow a wake: such a message has neither key nor delay.  A
        queue that cannot merge delivers every one.
        """

    def let_pass(self, delivery: Delivery) -> None:
        """This delivery has looked at its run, and goes on with what may take long.

        Until then, or its end, a queue that merges may have others wait that want to look, too.
        """
