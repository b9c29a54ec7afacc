"""The seam between a foreign engine and the kernel: plain data, the same for every language.

A *host* has the engine.  It is told of deliveries and of calls of clients, lets the engine go on
until it can do nothing more by itself, and says what the engine asks for then.  It is told what
came of each ask, lets the engine go on, and so forth.  The host never waits and never decides:
which ask is performed next, and whether it fails, is the kernel's choice (design §3).

An *activity* is one delivery being handled, or one call of a client; it is called by the causal
path of its task.  Within an activity the engine may do several things side by side: each is a
*strand*.  Strand 0 is the handler itself; the asks of one strand come one after another.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, TypeAlias

from simworld.engine import Fact
from simworld.ports import BodyInfo, Delivery, Message
from simworld.records import ForeignProgram, SubjectProfile

# --- what an engine asks for ----------------------------------------------------------------------


class Create(NamedTuple):
    """Record a fact; the answer is an ``Answer``."""

    run_id: str
    fact: Fact


class ReadLog(NamedTuple):
    """A page of the run's log; the answer is a ``Page``."""

    run_id: str
    cursor: str | None


class ReadRun(NamedTuple):
    """The run's row; the answer is a ``RunRow``."""

    run_id: str


class FindHook(NamedTuple):
    """The live hook that owns a token; the answer is a ``HookRow``."""

    token: str


class Send(NamedTuple):
    """Put a message into the queue; the answer is its id, empty if it was dropped."""

    message: Message
    key: str
    delay_s: int


class WriteStream(NamedTuple):
    """Append chunks to a stream; the answer is None."""

    run_id: str
    name: str
    chunks: tuple[bytes, ...]


class CloseStream(NamedTuple):
    """Write the end marker; the answer is None."""

    run_id: str
    name: str


class ReadStream(NamedTuple):
    """Chunks from an index on; the answer is ``Chunks``.  ``live``: wait until there are some."""

    run_id: str
    name: str
    start: int
    live: bool


class AskStream(NamedTuple):
    """How long a stream is; the answer is a ``StreamInfo``."""

    run_id: str
    name: str


class Sleep(NamedTuple):
    """Let time pass; the answer is None."""

    duration_ms: int


class BodyBegins(NamedTuple):
    """A step's body is about to run; the answer is None, or the body's planned failure."""

    body: BodyInfo


class BodyEnds(NamedTuple):
    """A step's body has ended: ``ok``, ``error`` or ``fatal``; the answer is None."""

    body: BodyInfo
    outcome: str
    error: str
    """What it has raised: ``ValueError: boom``; empty if nothing."""
    result: bytes


Question: TypeAlias = (
    Create
    | ReadLog
    | ReadRun
    | FindHook
    | Send
    | WriteStream
    | CloseStream
    | ReadStream
    | AskStream
    | Sleep
    | BodyBegins
    | BodyEnds
)


class Ask(NamedTuple):
    """Something that a strand of the engine waits for."""

    number: int
    """Counts from 1 within a trial."""
    activity: str
    strand: int
    """0: the handler itself; a timer has a strand of its own."""
    question: Question


# --- what a host says -----------------------------------------------------------------------------


class Again(NamedTuple):
    """The handler wants its own message once more: a copy of it is sent, then it is acknowledged
    (``{timeoutSeconds}`` of engines that send anew)."""

    delay_s: int
    key: str


class Failure(enum.StrEnum):
    """What has become of a client's call that has raised something, in the words of the house."""

    MISTAKE = "mistake"
    """The engine takes no such call: wrong arguments, a payload that it cannot encode."""
    NO_HOOK = "no hook"
    """No live hook has this token."""
    ENDED = "ended"
    """The run has ended, and takes nothing more."""
    RUN_FAILED = "run failed"
    """It was asked for a result, and the run has failed."""
    RUN_CANCELLED = "run cancelled"
    OTHER = "other"
    """Whatever else; nobody knows how much of it has happened."""


class Ended(NamedTuple):
    """An activity is over."""

    activity: str
    again: Again | None = None
    error: str = ""
    """What a handler or a client's call has raised, ``ValueError: boom``; empty if nothing."""
    value: object = None
    """What a client's call has come to."""
    failure: Failure = Failure.OTHER
    """Of a client's call with an ``error``."""


class Heard(NamedTuple):
    """What a host says once its engine can do nothing more by itself."""

    asks: Sequence[Ask] = ()
    """New ones, in the order in which the engine made them."""
    withdrawn: Sequence[int] = ()
    """Numbers of asks that nobody waits for any more: timers and live reads are taken back, what is
    on its way to the world may still arrive."""
    ended: Sequence[Ended] = ()
    stuck: Sequence[tuple[str, str]] = ()
    """(activity, why): it never goes on, because the engine turns round and round in it."""
    names: Sequence[tuple[str, str]] = ()
    """(id, label) of what the asks are about: ``step_01K…`` is ``work#3``.  A label is a name and
    the ordinal of the draw within the run, the same in every schedule."""


class Trial(NamedTuple):
    """What a host needs to know before the first activity."""

    seed: int
    """All randomness of the engine is drawn from it."""
    now_ms: int
    program: ForeignProgram
    profile: SubjectProfile
    max_retries: int | None
    """Of every step; None: each has its own."""
    orders: int = 0
    """The order of what has none, such as a set, is drawn from it."""


class Host(Protocol):
    """An engine, ready to be driven; one trial after the other.

    ``now_ms`` is what the clock of the process shows to the engine from then on.
    """

    def begin(self, trial: Trial) -> None:
        """Forget the last trial and get ready for this one."""

    def deliver(self, activity: str, message: Message, delivery: Delivery, now_ms: int) -> Heard:
        """A message is delivered."""

    def call(self, activity: str, verb: str, args: Mapping[str, object], now_ms: int) -> Heard:
        """A client calls: ``start`` (``workflow``: a name, empty: the program's; ``args``: a list,
        ``kwargs``; its value is the run id), ``resume_hook`` (``token``, ``payload``), ``cancel``
        and ``result`` (``run_id``), ``read_stream`` (``run_id``, ``name``: the namespace, empty:
        none; ``start``; its value is the list of all chunks once the stream has ended)."""

    def answer(self, number: int, value: object, now_ms: int) -> Heard:
        """An ask has been answered."""

    def fail(self, number: int, error: Exception, now_ms: int) -> Heard:
        """An ask has been refused, or nobody knows what has become of it (``SimworldError``); of
        ``BodyBegins``: the body is to fail with this error."""

    def abandon(self, activity: str) -> None:
        """Its process has died: it never goes on, and none of its code runs any more."""

    def end(self) -> None:
        """The trial is over: let go of everything; what the engine still does, nobody sees."""

    def steps(self, program: ForeignProgram) -> Mapping[str, int]:
        """The program's steps: name → how often one may be tried again."""

    def row_name(self, program: ForeignProgram) -> str:
        """What a run's row calls the program's workflow."""

    def workflows(self, module: str) -> Mapping[str, str]:
        """The workflows of a module: name → its parameters as text."""

    def check_args(self, program: ForeignProgram, args: Sequence[object]) -> None:
        """``UsageError`` where a run of the workflow cannot be started with these."""
