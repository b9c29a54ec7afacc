"""The engine's knobs (spec §6.2, decisions §5.7); worlds and queues have theirs in records.

Every value is named after the spec; ``EnginePolicy()`` is the pull request as merged.
"""

from __future__ import annotations

import enum
from typing import TypeVar

import attrs

from simworld.errors import UsageError, unknown_name


class AttemptGuard(enum.StrEnum):
    """Who decides that a step's retries are used up (spec §3.7, decisions §2)."""

    G0 = "G0"
    """Attempt number alone (V1)."""
    G1 = "G1"
    """Before the body: attempt and a recorded error; after an error: attempt (as merged)."""
    G2 = "G2"
    """Attempt and a recorded error in both places (the review's mirror)."""
    G3 = "G3"
    """Number of recorded failures in both places."""
    G4 = "G4"
    """G1, and the world refuses a start while one is running."""
    G5 = "G5"
    """G4 with a lease; the same message may start again, and recovers its inline step (§3.10)."""
    G6 = "G6"
    """The larger of delivery number and attempt."""
    G7 = "G7"
    """Starts of the same owner, and unstamped ones."""
    G8 = "G8"
    """One delivery owns a start under a lease; failures and crashes have a budget each."""


class Engine(enum.StrEnum):
    """Which engine handles the messages."""

    V1 = "v1"
    """Split flow and step handlers; every step is a message, every result a continuation (§4)."""
    V2 = "v2"
    """One combined handler that runs steps inline between passes (§3)."""


class BackgroundAfter(enum.StrEnum):
    """What a background step message does once its step has a result (spec §3.5)."""

    LAST_COMPLETER = "last_completer"
    """Replay here if no other step is pending, else end silently (as merged)."""
    ALWAYS_CONTINUE = "always_continue"
    """Queue a flow message, every time (draft)."""
    REPLAY_IF_NEW = "replay_if_new"
    """Replay here; go on only if that pass asks for something new or ends the run (R-09)."""


class InlineGate(enum.StrEnum):
    """Which pending step a handler may run inline (spec §3.6, §3.10)."""

    NONE = "none"
    """The first pending one, whoever created it (draft)."""
    OWNED = "owned"
    """Only one whose step_created was accepted from this handler (as merged)."""
    OWNER_STAMP = "owner_stamp"
    """As owned; its start is stamped with the message, leased, and backed by a delayed wake."""


class Dispatch(enum.StrEnum):
    """Which pending steps that are not run inline get a step message (R-16)."""

    UNCONDITIONAL = "unconditional"
    OWNED_ONLY = "owned_only"


class KeyPolicy(enum.StrEnum):
    """What the deduplication key of a step or wait message consists of (decisions §3.2)."""

    PLAIN = "plain"
    """The correlation id."""
    ATTEMPT = "attempt"
    """The correlation id and the number of starts in the log."""
    EPOCH = "epoch"
    """The correlation id and how many starts and deliveries are over; of a wait, when it is due."""


class RetryKey(enum.StrEnum):
    """What keeps a second message away while an inline step's retry is due (R-03, R-19)."""

    NONE = "none"
    """Nothing: it carries no key (as merged)."""
    STEP = "step"
    """The key that any message of the step would carry now."""


class BackstopKey(enum.StrEnum):
    """What the key of a backstop consists of (spec §3.10, R-19)."""

    START = "start"
    """The step and the time of the start that it backs: no other message has that."""
    STEP = "step"
    """The step's own."""


class HookOrder(enum.StrEnum):
    """In which order hooks are created and disposed of at a suspension (spec §3.6, R-27)."""

    CREATIONS_FIRST = "creations_first"
    """All creations, then all disposals (as merged)."""
    CODE_ORDER = "code_order"
    """Those of one token as the code has them, so that a token can be let go and taken again."""


class Resume(enum.StrEnum):
    """In which order a payload is recorded and its run woken, and how surely (spec §2.5, R-33)."""

    DURABLE_FIRST = "durable_first"
    """The payload, then a message; who cannot send it is told of an error, and the payload stays
    (as merged)."""
    DURABLE_RETRIED = "durable_retried"
    """As durable_first, and a message that is refused is sent again, after 25 and 100 ms."""
    MESSAGE_FIRST = "message_first"
    """The message, then the payload: whoever is woken may find nothing."""


class WaitPush(enum.StrEnum):
    """Where a wait_completed that this handler wrote comes from (spec §3.4, R-37)."""

    LOCAL = "local"
    """Appended to the cached log as answered; a 409 appends nothing (as merged)."""
    REFRESH = "refresh"
    """Read from the log by cursor, after a 409 as well (b7)."""


class WaitDispatch(enum.StrEnum):
    """Who wakes a run that sleeps (spec §3.6)."""

    RETURN_VALUE = "return_value"
    """This message again, after the time to the soonest wait (as merged)."""
    MESSAGE = "message"
    """A delayed flow message of its own (b15)."""


class Delivery(enum.StrEnum):
    """In which order results reach the workflow's code (spec §5.3)."""

    D0 = "D0"
    """Consumption runs ahead; hops and hydration decide (as merged)."""
    D1 = "D1"
    """As D0, and hooks wait for earlier waits, waits for earlier hooks."""
    D2 = "D2"
    """As D1 with steps: each delivery waits for earlier ones of other kinds."""
    D3 = "D3"
    """As D2, and hooks among themselves keep the order of the log."""
    D4 = "D4"
    """One result at a time, in log order, each run to quiescence."""


class WorkflowClock(enum.StrEnum):
    """What moves the clock that workflow code reads (spec §5.4)."""

    C0 = "C0"
    """Every event consumed, also one that is merely peeked at (as merged)."""
    C1 = "C1"
    """Only results that are handed over."""


class SleepClock(enum.StrEnum):
    """From which clock a sleep counts (spec §3.9, R-44)."""

    HOST = "host"
    """The host's, at the moment a pass reaches the call (all eras)."""
    WORKFLOW = "workflow"
    """The workflow's own, a function of the log."""


class UnconsumedEvents(enum.StrEnum):
    """What an event that nobody asked for does to the run (spec §5.5)."""

    U0 = "U0"
    """The run fails at once (as merged)."""
    U1 = "U1"
    """Step, wait and hook events whose creation is in the log are skipped (draft)."""
    U2 = "U2"
    """Up to three recovery replays, then the run fails as corrupted (b12)."""
    U3 = "U3"
    """Duplicates of what the log has already are ignored; all else as U2 (b42)."""


class IdScheme(enum.StrEnum):
    """How correlation ids are drawn (spec §1.4, decisions §5.2)."""

    MONOTONIC = "monotonic"
    """One sequence: the first draw takes randomness, each later one adds one."""
    FRESH_RANDOM = "fresh_random"
    """One sequence, new randomness for every id."""
    PER_KIND = "per_kind"
    """A sequence for steps, one for waits, one for hooks."""
    CALL_SITE = "call_site"
    """From what is asked for: name, arguments, and how many equal ones came before."""


class Seed(enum.StrEnum):
    """What the randomness of a run is seeded with, besides its id and its workflow's name."""

    STARTED_AT = "started_at"
    RUN_ID = "run_id"
    """Nothing else; the workflow clock begins at the run's creation."""


class Commits(enum.StrEnum):
    """How much of what one delivery does next is recorded in one commit."""

    EACH = "each"
    """Every event by itself (as merged)."""
    TOGETHER = "together"
    """What a pass asks for behind its hooks, with the start of the step that runs here; and a
    step's result with what a pass over it asks for, if nothing else has happened meanwhile."""


class Wakes(enum.StrEnum):
    """What becomes of the messages that only say: look at the run."""

    EACH = "each"
    """Every one is delivered (as merged)."""
    MERGED = "merged"
    """One that nobody has begun to handle stands for all that are sent meanwhile."""


class Results(enum.StrEnum):
    """How somebody who waits for a run's end learns of it (spec §2.5)."""

    POLLED = "polled"
    """He looks at it every second (as merged)."""
    TOLD = "told"
    """The world tells him; he still looks now and then."""


class PassMode(enum.StrEnum):
    """How an invocation gets from one pass to the next (decisions §5.3)."""

    SCRATCH = "scratch"
    """From the first line, every time."""
    RETAINED = "retained"
    """It keeps the pass and feeds it what is new, where that is legal; else from scratch."""


class StreamWrite(enum.StrEnum):
    """When a write to a stream returns (R-67)."""

    BUFFERED = "buffered"
    """At once (draft)."""
    FLUSHED = "flushed"
    """When the chunk is on the server (as merged)."""
    PROMPT = "prompt"
    """As flushed, but no chunk waits for company, and ``ctx.stream`` only where much is behind."""


class EarlyStart(enum.StrEnum):
    """What the first delivery of a run does while its run_started is on its way (R-63)."""

    OFF = "off"
    """It waits."""
    UNGATED = "ungated"
    """It runs the first pass and, of steps that their start creates, the body; so it writes, too.
    Only where no id tells when the run has started: ``seed=run_id ids=call_site``."""
    GATED = "gated"
    """As ungated, but whatever it writes waits for run_started (b20)."""


class Publish(enum.StrEnum):
    """When the message for a new step that runs in the background is sent (R-64)."""

    AFTER_CREATE = "after_create"
    BESIDE_CREATE = "beside_create"
    """Side by side with its step_created: who gets the message may be there first."""


class Unstartable(enum.StrEnum):
    """What a start is taken for that is refused because there is no such step yet (R-64)."""

    RETRY = "retry"
    """A fault: the message is delivered again."""
    FINAL = "final"
    """The step's end: the message is acknowledged."""


class StreamPipes(enum.StrEnum):
    """What ``get_writable`` gives to a body that asks for the same stream twice (R-68)."""

    SHARED = "shared"
    """The same writer."""
    PER_CALL = "per_call"
    """A writer each, which send what they are given side by side."""


class LoopErrors(enum.StrEnum):
    """A world fault inside the replay loop (R-14)."""

    FAIL_RUN = "fail_run"
    RETHROW = "rethrow"


class CompleteErrors(enum.StrEnum):
    """A world fault while step_completed is written (R-15)."""

    USER = "user"
    """Treated as if the body had failed (as merged)."""
    RETHROW = "rethrow"


class StatusCheck(enum.StrEnum):
    """Which run status lets a step message go on (R-24)."""

    EQ_RUNNING = "eq_running"
    NOT_TERMINAL = "not_terminal"
    START_TELLS = "start_tells"
    """Nobody looks: the start is refused if the run has ended."""


class RefusedResult(enum.StrEnum):
    """What a step message does whose start or result is refused with 409 (R-83)."""

    CONTINUE = "continue"
    """As if the result were its own: whoever has recorded one may be gone (as merged)."""
    ACKNOWLEDGE = "acknowledge"
    """Nothing: whoever has recorded a result is trusted to go on."""


class ReplayTimerCovers(enum.StrEnum):
    """What the replay timer's time is spent on (R-66)."""

    DELIVERY = "delivery"
    """The whole delivery, step bodies included (as merged)."""
    REPLAY = "replay"
    """It pauses while a step body runs."""


E = TypeVar("E", bound=enum.StrEnum)


def one_of(default: E) -> E:
    """A knob that is one value of an enum; texts are converted, ``UsageError`` for others."""
    kind = type(default)

    def convert(value: str) -> E:
        values = [each.value for each in kind]
        if value not in values:
            raise unknown_name(f"value of {kind.__name__}", str(value), values)
        return kind(value)

    return attrs.field(default=default, converter=convert)


KNOB_MAX = 10**12
"""No knob is larger: milliseconds beyond this are no time anybody waits."""


def at_least(least: int, default: int) -> int:
    """A knob that is a whole number from ``least`` to ``KNOB_MAX``; ``UsageError`` outside."""

    def check(_: object, field: attrs.Attribute[int], value: int) -> None:
        if not isinstance(value, int) or not least <= value <= KNOB_MAX:
            raise UsageError(
                f"knob {field.name} takes a whole number of at least {least} and at most "
                f"{KNOB_MAX}, not {value!r}"
            )

    return attrs.field(default=default, validator=check)


def switch(default: bool) -> bool:
    """A knob that is on or off; ``UsageError`` for anything but True and False."""

    def check(_: object, field: attrs.Attribute[bool], value: bool) -> None:
        if not isinstance(value, bool):
            raise UsageError(f"knob {field.name} takes true or false, not {value!r}")

    return attrs.field(default=default, validator=check)


@attrs.frozen
class EnginePolicy:
    """All knobs of the engine; durations are virtual milliseconds."""

    engine: Engine = one_of(Engine.V2)
    attempt_guard: AttemptGuard = one_of(AttemptGuard.G1)
    inline_gate: InlineGate = one_of(InlineGate.OWNED)
    dispatch: Dispatch = one_of(Dispatch.UNCONDITIONAL)
    key_policy: KeyPolicy = one_of(KeyPolicy.PLAIN)
    retry_key: RetryKey = one_of(RetryKey.NONE)
    backstop_key: BackstopKey = one_of(BackstopKey.START)
    bg_after: BackgroundAfter = one_of(BackgroundAfter.LAST_COMPLETER)
    bg_status_check: StatusCheck = one_of(StatusCheck.EQ_RUNNING)
    hook_order: HookOrder = one_of(HookOrder.CREATIONS_FIRST)
    resume: Resume = one_of(Resume.DURABLE_FIRST)
    max_inline: int = at_least(1, 1)
    """Owned steps that run inline side by side."""
    lazy_create: bool = switch(False)
    """Inline steps have no step_created: their step_started carries the input."""
    early_start: EarlyStart = one_of(EarlyStart.OFF)
    publish: Publish = one_of(Publish.AFTER_CREATE)
    unstartable: Unstartable = one_of(Unstartable.RETRY)
    inline_with_wait: bool = switch(False)
    """Run a step inline although a wait is pending (before #1924, R-12)."""
    wait_push: WaitPush = one_of(WaitPush.LOCAL)
    wait_dispatch: WaitDispatch = one_of(WaitDispatch.RETURN_VALUE)
    dedupe: bool = switch(True)
    """Events of an incremental read that are cached already are dropped (R-39)."""
    cursor_move: bool = switch(False)
    """A locally pushed event moves the cursor to itself (R-40)."""
    unconsumed: UnconsumedEvents = one_of(UnconsumedEvents.U0)
    validate: bool = switch(False)
    """Names, tokens and times of events are compared with what the pass asked for (b7)."""
    delivery: Delivery = one_of(Delivery.D0)
    idle_hops: int = at_least(0, 0)
    """A pass that has read its log suspends after so many hops, whatever result is on its way to
    the code (D0 to D3, R-51); 0: once nothing is."""
    verdict_hops: int = at_least(0, 0)
    """An event that nobody takes is unconsumed after so many hops, whatever result is on its way to
    who may ask for it (D0 to D3, R-52); 0: once nothing is."""
    clock: WorkflowClock = one_of(WorkflowClock.C0)
    sleep_clock: SleepClock = one_of(SleepClock.HOST)
    ids: IdScheme = one_of(IdScheme.MONOTONIC)
    seed: Seed = one_of(Seed.STARTED_AT)
    passes: PassMode = one_of(PassMode.SCRATCH)
    commits: Commits = one_of(Commits.EACH)
    wakes: Wakes = one_of(Wakes.EACH)
    results: Results = one_of(Results.POLLED)
    loop_errors: LoopErrors = one_of(LoopErrors.FAIL_RUN)
    complete_errors: CompleteErrors = one_of(CompleteErrors.USER)
    on_409: RefusedResult = one_of(RefusedResult.CONTINUE)
    stream_write: StreamWrite = one_of(StreamWrite.FLUSHED)
    stream_pipes: StreamPipes = one_of(StreamPipes.SHARED)
    reader_operations: bool = switch(False)
    """A step waits for who reads streams or watches an abort signal, too: maybe for ever (R-71)."""
    flush_ms: int = at_least(0, 10)
    """A stream writer collects chunks for so long before it sends them."""
    settle_ms: int = at_least(0, 500)
    """How long a step waits for its stream operations before it completes without them."""
    inline_limit_ms: int = at_least(1, 120_000)
    """An invocation older than this hands over to a new message before its next pass."""
    replay_limit_ms: int = at_least(0, 0)
    """A delivery that takes longer is killed, the fourth one fails its run (hosted: 240 000);
    0: no timer."""
    replay_timer: ReplayTimerCovers = one_of(ReplayTimerCovers.DELIVERY)
    lease_ms: int = at_least(0, 860_000)
    """How long an accepted start is its owner's (G5, G8, owner_stamp)."""
    crashes_max: int = at_least(-1, -1)
    """Starts of a step that may end without a result (G8); −1 means max_retries + 1."""
    deliveries_max: int = at_least(0, 48)
    """A message delivered more often fails its run."""
    recoveries_max: int = at_least(0, 3)
    """Replays that may diverge one after the other before the run is corrupted (U2, U3)."""

    @property
    def retains(self) -> bool:
        """Whether passes may go on from the last one: only D4 and C1 make that legal."""
        return (
            self.passes is PassMode.RETAINED
            and self.delivery is Delivery.D4
            and self.clock is WorkflowClock.C1
        )

    def crash_budget(self, max_retries: int) -> int:
        """``crashes_max`` with its default filled in."""
        return max_retries + 1 if self.crashes_max < 0 else self.crashes_max
