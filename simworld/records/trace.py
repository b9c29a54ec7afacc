"""What happened in a trial: the small records that the laws are folded over.

Named tuples, not attrs classes: they are made on the hot path.  ``step`` is a step's label
(``work#3``: its name and its ordinal in the pass) or that of a hook or wait (``hook#4``,
``sleep#5``), ``task`` a task's causal path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from simworld.engine import Decision, Event, HookRow, RunRow, StepRow, WaitRow


class Committed(NamedTuple):
    """An event became durable; the rows are those right after it."""

    turn: int
    now_ms: int
    task: str
    event: Event
    step: str
    """Label of the step, hook, wait or attribute change the event is about; empty for run events
    and for attributes that a step's body has set."""
    run_row: RunRow
    step_row: StepRow | None
    hook_row: HookRow | None = None
    wait_row: WaitRow | None = None


class BodyBegan(NamedTuple):
    """A step body began to run."""

    turn: int
    now_ms: int
    task: str
    host: str
    run_id: str
    step: str
    number: int
    """1 for the first body of this step to begin, over all handlers."""
    attempt: int
    """The attempt the body is told."""
    start: int
    """The number of its own accepted step_started (row attempt in that answer)."""
    lease_until_ms: int
    """Virtual time at which its start's lease ends; 0 where starts carry no lease."""
    step_id: str = ""
    name: str = ""
    """The step function that runs."""
    input: bytes = b""
    """Its encoded arguments."""


class BodyEnded(NamedTuple):
    """A step body ended by itself (a killed one has no such record: see ``Crash``)."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    step: str
    number: int
    outcome: str
    """``ok``, ``error`` (retryable) or ``fatal``."""
    error: str = ""
    """Why it failed: ``ValueError: boom``."""
    result: bytes = b""
    """What it has returned, encoded."""


class Sent(NamedTuple):
    """A message was accepted by the queue, or dropped by its deduplication."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    message: str
    """Causal path of its first delivery; empty when it was dropped."""
    step: str
    """Label of the step it is for; empty for a flow message."""
    key: str = ""
    """What it is deduplicated by; empty: by nothing."""
    delay_ms: int = 0
    """How long its sender has it wait."""


class Delivered(NamedTuple):
    """A delivery began."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    step: str
    number: int
    """1 for the first delivery of its message, then rising, also for duplicates."""


class Crash(NamedTuple):
    """A host died with all its tasks."""

    turn: int
    now_ms: int
    host: str
    tasks: tuple[str, ...]
    why: str = ""
    """Why it has ended itself; empty for a fault."""


class Hung(NamedTuple):
    """A handler of a foreign engine never goes on: it turns round and round in itself."""

    turn: int
    now_ms: int
    task: str
    run: str
    """The run's label."""
    why: str


class LostAnswer(NamedTuple):
    """An operation committed and its caller saw a failure."""

    turn: int
    now_ms: int
    task: str
    op: str


class PassChecked(NamedTuple):
    """A retained pass was compared with one from scratch over the same log."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    length: int
    """Events in the log."""
    difference: str
    """Both requests side by side; empty: they agree."""


class LogRead(NamedTuple):
    """A page of a run's log was read."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    rows: int
    """Events in the answer."""


class WaitRefused(NamedTuple):
    """A handler was told (409) that a wait is completed already."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    wait: str
    """Its label."""


class Passed(NamedTuple):
    """A pass has ended."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    length: int
    """Events it has seen."""
    position: int
    """Place in the run's log of the last of them: another number than ``length`` where it has seen
    no prefix of the log."""
    ended: str
    """``suspended``, ``completed``, ``failed`` or ``diverged``."""
    waits: tuple[str, ...] = ()
    """Labels of the sleeps that are in its log and that it waits for."""
    readings: tuple[int, ...] = ()
    """What ``now_ms`` has answered in it, in order."""
    read_before: int = 0
    """Of a retained pass: how many answers earlier ones had been given."""
    retained: bool = False
    """It has gone on from the last one, through what was new in the log."""
    sleeps: tuple[tuple[str, str, int], ...] = ()
    """(correlation id, label, time) of the sleeps that it waits for: when each is to end."""


class HandedOver(NamedTuple):
    """A pass has given the result of a step to the workflow, for this call."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    step: str
    step_id: str
    name: str
    """The step that was called."""
    input: bytes
    """The encoded arguments of the call."""


class Decided(NamedTuple):
    """A pass has decided a race that waited; the same decision is told once."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    length: int
    position: int
    """See ``Passed``."""
    decision: Decision


class InlineOwned(NamedTuple):
    """A handler considers itself the owner of a step and is about to run it inline."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    step: str


class Refused(NamedTuple):
    """An event was not recorded: the world has said why."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    event: str
    """Its type."""
    step: str
    """Label of the step, hook or wait it was about; empty for the run."""
    status: int


class ChunkWritten(NamedTuple):
    """A body was told that its chunk of a stream is written."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    """The run that owns the stream."""
    stream: str
    body: str
    """The body's run and step, as labels (``run/work#3``); empty for anybody else."""
    chunk: bytes


class StreamAppend(NamedTuple):
    """Chunks were sent to a stream."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    stream: str
    chunks: tuple[bytes, ...]
    answered: bool
    """They are known to be there; else they have just been sent, and may or may not arrive."""


class StreamEnd(NamedTuple):
    """The end of a stream was sent to it."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    stream: str
    answered: bool
    """As in ``StreamAppend``."""


class StreamRead(NamedTuple):
    """What a stream answered to a reader."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    stream: str
    start: int
    chunks: tuple[bytes, ...]
    closed: bool
    """The stream ends behind them."""


class Follow(NamedTuple):
    """Somebody waits for what comes to a stream at this index, or for its end."""

    turn: int
    now_ms: int
    task: str
    run_id: str
    stream: str
    start: int


class ClientCall(NamedTuple):
    """One line of the history of operations: what a client asked for, or what came of it."""

    turn: int
    now_ms: int
    task: str
    number: int
    """Of the call, from 1: a call has two lines."""
    phase: str
    """``invoke``, then ``ok``, ``fail`` (it has not happened) or ``info`` (nobody knows)."""
    verb: str
    """The client's method."""
    run_id: str = ""
    target: str = ""
    """A hook's token, a stream's name."""
    payload: bytes = b""
    """What ``resume_hook`` sends."""
    start: int = 0
    """The chunk from which ``read_stream`` reads; negative: from the end."""


Record = (
    Committed
    | BodyBegan
    | BodyEnded
    | Sent
    | Delivered
    | Crash
    | Hung
    | LostAnswer
    | PassChecked
    | LogRead
    | WaitRefused
    | Passed
    | HandedOver
    | Decided
    | InlineOwned
    | Refused
    | ChunkWritten
    | StreamAppend
    | StreamEnd
    | StreamRead
    | Follow
    | ClientCall
)


class Final(NamedTuple):
    """The state at the end of a trial."""

    turn: int
    now_ms: int
    drained: bool
    """Nothing is runnable and no timer is set; otherwise ``turns_max`` was reached."""
    runs: Mapping[str, RunRow]
    steps: Mapping[tuple[str, str], StepRow]
    """(run id, correlation id) → row."""
    logs: Mapping[str, Sequence[Event]]
    labels: Mapping[str, str]
    """Run or correlation id → readable label."""
    waiting: tuple[str, ...]
    """What each task that never finished waits for, one sentence each."""
    last_fault_ms: int
    """Virtual time of the last injected fault; -1 when there was none."""
    hooks: Mapping[tuple[str, str], HookRow] = {}
    waits: Mapping[tuple[str, str], WaitRow] = {}
    """(run id, correlation id) → row."""
    streams: Mapping[tuple[str, str], tuple[tuple[bytes, ...], bool]] = {}
    """(run id, name) → its chunks, and whether it has ended."""
    workers_busy: tuple[str, ...] = ()
    """Deliveries that hold a worker, each with what it waits for."""
    workers_wanted: tuple[str, ...] = ()
    """Deliveries that are due and have no worker."""
    cycle: tuple[str, ...] = ()
    """What is done over and over, and leads nowhere (``flow: read the log``); only where the trial
    has not drained."""


class Turn(NamedTuple):
    """One line of a full trace, kept only on replay."""

    turn: int
    now_ms: int
    task: str
    op: str
    outcome: str
    labels: tuple[tuple[str, bool], ...]
