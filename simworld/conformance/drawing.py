"""Sequences of operations as a plain function of drawn bytes, with what the model says to each.

A sequence visits a few target cells, each in its own run or together in one, interleaved; between
them it reads, lets time pass and writes streams; after them it does whatever comes to mind with
what is there, and says things twice.  At the end everything is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar, cast, get_args

import attrs

from simworld.conformance.cells import (
    BAD_CELL,
    CREATED,
    LATER_MS,
    LONG_AGO_MS,
    MINE,
    THEIRS,
    Names,
    Target,
    cell_of,
    run_way,
    way,
)
from simworld.conformance.driver import (
    START_MS,
    CountedIds,
    Driver,
    HeldClock,
    WorldUnderTest,
    at_once,
)
from simworld.conformance.names import BAD_CURSORS, BAD_NAMES, ODD_NAMES
from simworld.conformance.operations import (
    STREAM_OPERATIONS,
    Advance,
    Append,
    CloseStream,
    Create,
    FollowStream,
    Operation,
    ReadActive,
    ReadFrom,
    ReadHook,
    ReadLog,
    ReadRun,
    ReadState,
    ReadStream,
    Reopen,
    Seen,
    StreamLength,
    StreamNames,
    WriteStream,
)
from simworld.engine import (
    AttrSet,
    Fact,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.errors import InternalError
from simworld.ports import BatchFact, Chunks, Latch, Tasks
from simworld.records import LastCursor, LogPosition, WorldProfile
from simworld.worlds import AtomicWorld, MemoryStreams, WorldState

T = TypeVar("T")

BATCH_FACTS: tuple[type[BatchFact], ...] = get_args(BatchFact)
ENDS = (RunCompleted, RunFailed)
"""The facts of an append that may only come last."""
TAIL_MAX = 16
"""Operations without a target, at the end of a sequence."""


class Tape:
    """Decisions read off drawn bytes; when they are used up, the first option is taken."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def below(self, bound: int) -> int:
        """An integer in [0, bound); ``bound`` from 1 to 256."""
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1] % bound

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]

    def once_in(self, count: int) -> bool:
        """True every ``count``-th time or so; never on an empty tape."""
        return self.below(count) == count - 1


class Step(NamedTuple):
    """One operation of a sequence, and what the model makes of it."""

    operation: Operation
    cell: str
    expected: Seen

    @property
    def refused(self) -> bool:
        """It is illegal."""
        return "refused" in self.expected


class Model:
    """The atomic world, driven."""

    def __init__(self, profile: WorldProfile) -> None:
        self.clock = HeldClock()
        profile = attrs.evolve(
            profile, last_cursor=LastCursor.KEPT, log_position=LogPosition.AT_COMMIT
        )
        self.world = AtomicWorld(clock=self.clock, ids=CountedIds(), profile=profile)
        self.streams = MemoryStreams(tasks=cast(Tasks, _NoTasks()))
        under_test = WorldUnderTest(self.world, self.streams, self._state)
        self.driver = Driver(under_test, self.clock, page_max=profile.page_max, suspends=False)

    async def _state(self) -> WorldState:
        world = self.world
        return WorldState(
            world.runs, world.steps, world.hooks, world.waits, world.logs, self.streams.contents()
        )

    def perform(self, operation: Operation) -> Step:
        """What the model makes of it, and which cell it is about."""
        if isinstance(operation, Create):
            cell = cell_of(self.world, operation.run_id, operation.fact, self.clock.ms)
        else:
            cell = type(operation).__name__
        expected = at_once(self.driver.perform(operation))
        if "raised" in expected:
            raise InternalError(f"the model itself raised {expected['raised']}")
        if isinstance(operation, ReadFrom):
            cell = BAD_CELL.format("events")
        elif str(expected.get("refused", "")).startswith("400"):
            event = "stream" if isinstance(operation, STREAM_OPERATIONS) else cell.split(" | ")[0]
            cell = BAD_CELL.format(event)
        return Step(operation, cell, expected)


class _NoTasks:
    """The model never waits."""

    def latch(self, wish: str) -> Latch:
        raise InternalError(f"the model waits to {wish}")


def expected(operations: Sequence[Operation], profile: WorldProfile) -> list[Step]:
    """What the model makes of a sequence."""
    model = Model(profile)
    return [model.perform(each) for each in operations]


def drawn(
    data: bytes,
    aims: Sequence[Target],
    profile: WorldProfile,
    *,
    with_streams: bool,
    with_appends: bool = True,
    reopening: bool = False,
) -> list[Step]:
    """The sequence that ``data`` stands for."""
    drawing = _Drawing(
        Tape(data),
        profile,
        with_streams=with_streams,
        with_appends=with_appends,
        reopening=reopening,
    )
    return list(drawing.sequence(aims))


class _Drawing:
    """One sequence in the making."""

    def __init__(
        self,
        tape: Tape,
        profile: WorldProfile,
        *,
        with_streams: bool,
        with_appends: bool,
        reopening: bool,
    ) -> None:
        self.tape = tape
        self.model = Model(profile)
        self.with_streams = with_streams
        self.with_appends = with_appends
        self.reopening = reopening
        self.done: list[Operation] = []
        self.runs: list[str] = ["wrun_nobody"]
        self.tokens: list[str] = ["token of nobody"]
        self.names: list[Names] = []

    def sequence(self, aims: Sequence[Target]) -> Iterator[Step]:
        """All of it."""
        lanes = self._lanes(aims)
        while lanes:
            lane = self.tape.pick(lanes)
            for operation in (lane.pop(0), *self._between()):
                yield self._perform(operation)
            lanes = [each for each in lanes if each]
        for _ in range(self.tape.below(TAIL_MAX)):
            yield self._perform(self._anything())
        for operation in self._everything():
            yield self._perform(operation)

    def _perform(self, operation: Operation) -> Step:
        self.done.append(operation)
        return self.model.perform(operation)

    # Ways to the targets.

    def _lanes(self, aims: Sequence[Target]) -> list[list[Operation]]:
        """Sequences to interleave: one for each run; a run may have several targets."""
        lanes: list[list[Operation]] = []
        remaining = list(aims)
        holder = self._name(0, "wrun_holder")
        while remaining:
            together = [remaining.pop(0)]
            if not together[0].about_the_run and self.tape.once_in(2):
                alike = [
                    each
                    for each in remaining
                    if each.run == together[0].run and not each.about_the_run
                ]
                together += alike
                remaining = [each for each in remaining if each not in alike]
            run_id = self._name(len(lanes) + 1, f"wrun_{len(lanes) + 1}")
            self.runs.append(run_id)
            lanes.append(self._lane(run_id, holder, together))
        self.runs.append(holder)
        return lanes

    def _lane(self, run_id: str, holder: str, aims: Sequence[Target]) -> list[Operation]:
        born, end = run_way(aims[0].run, run_id, resilient=self.tape.once_in(2))
        before: list[Operation] = []
        aimed: list[Operation] = []
        for aim in aims:
            number = len(self.names) + 1
            token = self._name(number, f"token_{number}")
            names = Names(run_id, self._name(number, str(number)), token, holder)
            self.names.append(names)
            self.tokens += [token, f"{token}, held"]
            found = way(aim, names, START_MS)
            before += found.before
            aimed += found.aim
        if end and not self.tape.once_in(2):
            before += self._left_open(run_id)
        return [*born, *before, *end, *aimed]

    def _left_open(self, run_id: str) -> list[Operation]:
        """What the end of the run will have to clear away."""
        token = f"{run_id}'s"
        self.tokens.append(token)
        hook, wait = HookCreated("hook_open", token), WaitCreated("wait_open", START_MS)
        return [Create(run_id, hook), Create(run_id, wait)]

    def _name(self, number: int, plain: str) -> str:
        """The plain name, or an odd one; no two numbers have the same."""
        if number < len(ODD_NAMES) and self.tape.once_in(3):
            return ODD_NAMES[number]
        return plain

    # What is done beside.

    def _between(self) -> list[Operation]:
        match self.tape.below(8):
            case 1:
                return [Advance(self.tape.pick((1, 999, 1_000)))]
            case 2 | 3:
                return [self._read()]
            case 4 | 5 if self.with_streams:
                return [self._stream()]
            case 6 if self.reopening:
                return [Reopen()]
            case 6 | 7 if self.with_appends:
                return self._together()
        return []

    def _together(self) -> list[Operation]:
        """An append to a run that no target is in, lest that is missed."""
        run_id = f"wrun_together_{self.tape.below(2)}"
        if run_id in self.runs:
            return [self._append(run_id)]
        self.runs.append(run_id)
        return [Create(run_id, CREATED), *self._left_open(run_id), self._append(run_id)]

    def _read(self) -> Operation:
        tape = self.tape
        match tape.below(8):
            case 0 | 1 | 2:
                run_id = tape.pick(self.runs)
                return ReadLog(run_id, tape.pick([0, *self._known_places(run_id)]))
            case 3:
                return ReadRun(tape.pick(self.runs))
            case 4 | 5:
                return ReadHook(tape.pick(self.tokens))
            case 6:
                return ReadActive()
        return tape.pick(self._unknown())

    def _unknown(self) -> list[Operation]:
        """Reads of what is not there: a name that nearly is one, a bad name, a bad cursor."""
        tape = self.tape
        run_id, token = tape.pick(self.runs).swapcase(), tape.pick(self.tokens).swapcase()
        bad = tape.pick(BAD_NAMES)
        odd: list[Operation] = [ReadRun(bad), ReadLog(bad), ReadHook(bad)]
        odd += [ReadRun(run_id), ReadLog(run_id), ReadHook(token)]
        odd.append(ReadFrom(tape.pick(self.runs), tape.pick(BAD_CURSORS)))
        odd.append(Create(bad, StepCreated("step_1", "work", b"in")))
        if self.with_streams:
            odd += [ReadStream(bad, "out"), ReadStream("wrun_1", bad), StreamLength(bad, bad)]
            odd += [StreamNames(bad), CloseStream(bad, "out"), CloseStream("wrun_1", bad)]
        return odd

    def _known_places(self, run_id: str) -> list[int]:
        return [count for run, count in self.model.driver.cursors if run == run_id]

    def _stream(self) -> Operation:
        tape = self.tape
        run_id = tape.pick(self.runs[-2:])
        name = tape.pick(("out", "out", ODD_NAMES[tape.below(len(ODD_NAMES))]))
        chunks = self.model.streams.contents().get((run_id, name), Chunks((), False))
        match tape.below(8):
            case 0 | 1 | 2:
                made = tuple(bytes([each] * each) for each in range(tape.below(4)))
                return WriteStream(run_id, name, made)
            case 3:
                if not chunks.closed and tape.once_in(2):
                    return FollowStream(run_id, name, (b"first", b"second"))
                return CloseStream(run_id, name)
            case 4 | 5:
                start = tape.below(len(chunks.chunks) % 200 + 2)
                live = chunks.closed or start < len(chunks.chunks)
                return ReadStream(run_id, name, start, live=live and tape.once_in(2))
            case 6:
                return StreamLength(run_id, name)
        return StreamNames(run_id)

    def _anything(self) -> Operation:
        tape = self.tape
        match tape.below(8):
            case 0:
                return tape.pick(self.done)
            case 1:
                return Advance(tape.pick((1, 60_000, LATER_MS, LATER_MS + 1)))
            case 2:
                return self._read()
            case 3 if self.with_streams:
                return self._stream()
            case 4 | 5 if self.with_appends:
                return self._append(tape.pick(self.runs))
        return Create(tape.pick(self.runs), self._fact())

    def _append(self, run_id: str) -> Operation:
        """Some facts; often such that each is legal behind the one before it."""
        tape = self.tape
        names, number = tape.pick(self.names), str(len(self.done))
        facts: list[BatchFact] = []
        if tape.once_in(3):
            facts = [
                fact
                for _ in range(tape.below(3) + 1)
                if isinstance(fact := self._fact(), BATCH_FACTS) and not isinstance(fact, ENDS)
            ]
        else:
            known: list[BatchFact] = [
                StepStarted(names.step, "work"),
                StepCompleted(names.step, b"2"),
            ]
            new: list[BatchFact] = [
                StepCreated(number, "work", b"2"),
                WaitCreated(number, self.model.clock.ms + LATER_MS),
                StepStarted(number, "work", input=b"in"),
                WaitCompleted(number),
                AttrSet("", b"2"),
            ]
            if (run_id, names.step) in self.model.world.steps:
                facts += known
            facts += new[: tape.below(5) + 1]
        if not facts or tape.once_in(8):
            ends: list[BatchFact] = [RunCompleted(b"2"), RunFailed(b"2", "USER_ERROR")]
            facts.append(tape.pick(ends))
        count = len(self.model.world.logs.get(run_id, ()))
        after = tape.pick((None, None, count, count, count, max(0, count - 1)))
        return Append(run_id, tuple(facts), after)

    def _fact(self) -> Fact:
        tape = self.tape
        names = tape.pick(self.names)
        token = tape.pick(self.tokens)
        later = self.model.clock.ms + tape.pick((0, LATER_MS, LONG_AGO_MS))
        owner = tape.pick(("", MINE, THEIRS))
        admit = tape.pick(("always", "not_running", "lease_free"))
        ends: tuple[Fact, ...] = (RunCompleted(b"2"), RunFailed(b"2", "USER_ERROR"), RunCancelled())
        facts: list[Fact] = [
            RunCreated("order", b"in"),
            RunStarted(),
            RunStarted("order", b"in"),
            tape.pick(ends),
            StepCreated(names.step, "work", b"2"),
            StepStarted(names.step, "work", owner, later, admit),
            StepStarted(names.step, "work", owner, later, admit, b"lazy"),
            StepStarted(names.step, "work", owner, later, admit),
            StepCompleted(names.step, b"2"),
            StepFailed(names.step, b"2", owner),
            StepRetrying(names.step, b"2", tape.pick((0, later)), owner),
            HookCreated(names.hook, token, b"2", is_webhook=True),
            HookCreated(f"{names.hook}, another", token, is_system=True),
            HookReceived(names.hook, token, b"2"),
            HookDisposed(names.hook, token),
            WaitCreated(names.wait, later),
            WaitCompleted(names.wait),
            AttrSet("", b"2"),
        ]
        return tape.pick(facts)

    def _everything(self) -> Iterator[Operation]:
        """The whole state, as far as the port shows it; and from inside, where that is possible."""
        if self.reopening:
            yield Reopen()
        yield ReadActive()
        for run_id in dict.fromkeys(self.runs):
            yield ReadRun(run_id)
            yield ReadLog(run_id)
        for token in dict.fromkeys(
            each.fact.token
            for each in self.done
            if isinstance(each, Create) and isinstance(each.fact, HookCreated)
        ):
            yield ReadHook(token)
        for token in list(self.model.world.tokens):
            yield ReadHook(token.swapcase())
        if self.with_streams:
            for run_id, name in self.model.streams.contents():
                yield ReadStream(run_id, name)
                yield StreamNames(run_id)
        yield ReadState()
