"""Operations at the same time: what they see must be what some order of them would have shown.

A few operations on one run are issued together, on a world that a drawn history has led somewhere.
Every order of them is then tried on the atomic world: one must give the same answers, and the same
rows and logs in the end.  If none does, that is a violation.

A start that carries the run's data and finds no run is two facts, the run's birth and its start;
others may come between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import combinations, permutations

import attrs
import trio

from simworld.conformance.cells import CREATED, LATER_MS, LONG_AGO_MS, MINE, THEIRS
from simworld.conformance.drawing import BATCH_FACTS, ENDS, Model, Tape
from simworld.conformance.driver import (
    START_MS,
    CountedIds,
    Driver,
    HeldClock,
    MakeWorld,
    different,
)
from simworld.conformance.operations import (
    Append,
    Create,
    Operation,
    ReadActive,
    ReadHook,
    ReadLog,
    ReadPage,
    ReadRun,
    ReadState,
    Seen,
    literal,
)
from simworld.conformance.tapes import drawn_bytes
from simworld.conformance.turns import Turns
from simworld.engine import (
    AttrSet,
    Fact,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
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
from simworld.entropy import derive
from simworld.ports import BatchFact
from simworld.records import WorldProfile

TIMEOUT_S = 30.0
"""For so long operations on a real world may take."""
ATTEMPTS = 12
"""How often a smaller case is tried, each time in another order of turns."""
RUN, OTHER, STEP, HOOK, WAIT, TOKEN = "wrun_1", "wrun_2", "step_1", "hook_1", "wait_1", "token"


@attrs.frozen
class Violation:
    """Operations at the same time that no order explains."""

    before: tuple[Operation, ...]
    together: tuple[Operation, ...]
    seen: tuple[str, ...]
    """What came of each of them; a stuck one has none."""
    nearest: str
    """How the world differs from the order that explains most."""

    @property
    def kind(self) -> str:
        """Which operations they were."""
        return " ∥ ".join(sorted(map(_short, self.together)))

    def __str__(self) -> str:
        lines = [f"no order explains {self.kind}", "  before"]
        lines += [f"    {literal(each)}" for each in self.before]
        lines.append("  together")
        for operation, seen in zip(self.together, self.seen, strict=True):
            lines += [f"    {literal(operation)}", f"      {seen}"]
        return "\n".join([*lines, f"  the nearest order differs in {self.nearest}"])


@attrs.frozen
class Concurrency:
    """What came of operations at the same time."""

    cases: int
    violations: Mapping[str, tuple[int, Violation]]
    """Kind → (how many cases, the shortest)."""

    @property
    def ok(self) -> bool:
        """There was an order for everything."""
        return not self.violations

    def __str__(self) -> str:
        if self.ok:
            return f"{self.cases} cases, each with an order that explains it"
        return "\n\n".join(str(each) for _, each in self.violations.values())


def check_concurrent(
    make_world: MakeWorld,
    *,
    turns: Turns | None = None,
    cases: int = 100,
    seed: int = 0,
    profile: WorldProfile | None = None,
    appends: bool = True,
) -> Concurrency:
    """Whether operations at the same time look as if they had been made in some order.

    On a world in memory the operations of its substrate take ``turns``::

        turns = Turns()

        @asynccontextmanager
        async def make_world(clock: Clock, ids: Ids) -> AsyncIterator[WorldUnderTest]:
            files = turns.files(MemoryFiles())
            yield WorldUnderTest(LocalWorld(files, clock=clock, ids=ids, ...))

    Without them the operations simply run as tasks of trio.  ``appends=False`` leaves these out.
    """
    profile = profile or WorldProfile()
    ground = _Ground(make_world, turns, profile)
    counts: Counter[str] = Counter()
    smallest: dict[str, Violation] = {}
    for data in drawn_bytes(cases, derive(seed, "concurrent")):
        tape = Tape(data)
        violation = ground.violation(*_case(tape, with_appends=appends), tape)
        if violation is not None:
            counts[violation.kind] += 1
            if violation.kind not in smallest:
                smallest[violation.kind] = ground.fewer(violation, derive(seed, violation.kind))
    found: dict[str, tuple[int, Violation]] = {}
    for kind, violation in sorted(smallest.items()):
        count, known = found.get(violation.kind, (0, violation))
        shorter = min(known, violation, key=lambda each: len(each.before))
        found[violation.kind] = count + counts[kind], shorter
    return Concurrency(cases, found)


@attrs.frozen
class _Ground:
    """Where cases are tried."""

    make_world: MakeWorld
    turns: Turns | None
    profile: WorldProfile

    def violation(
        self, before: Sequence[Operation], together: Sequence[Operation], tape: Tape
    ) -> Violation | None:
        """What comes of a case."""
        return trio.run(_together, self, before, together, tape)

    def fewer(self, violation: Violation, seed: int) -> Violation:
        """The same with as few operations as still go wrong in a few attempts."""
        tapes = drawn_bytes(ATTEMPTS, seed)
        smaller: Violation | None = violation
        while smaller is not None:
            violation = smaller
            smaller = next(self._smaller(violation, tapes), None)
        return violation

    def _smaller(self, violation: Violation, tapes: Sequence[bytes]) -> Iterator[Violation]:
        before, together = violation.before, violation.together
        cases = [(each, together) for each in _one_less(before)]
        if len(together) > 2:
            cases = [*((before, each) for each in _one_less(together)), *cases]
        for fewer_before, fewer in cases:
            for data in tapes:
                found = self.violation(fewer_before, fewer, Tape(data))
                if found is not None:
                    yield found


# --- what is done ---------------------------------------------------------------------------------


def _case(tape: Tape, *, with_appends: bool) -> tuple[list[Operation], list[Operation]]:
    """A history, and two to four operations; often one of them more than once."""
    before: list[Operation] = []
    if not tape.once_in(8):
        before.append(Create(RUN, CREATED))
        if not tape.once_in(4):
            before.append(Create(RUN, RunStarted()))
    before.append(Create(OTHER, CREATED))
    pool = tape.pick((_run_facts, _step_facts, _step_facts, _hook_facts, _wait_facts))
    early, births, facts = pool(tape)
    length = tape.pick((0, 1, tape.below(len(early) + 1)))
    before += [Create(RUN, fact) for fact in early[:length]]
    if not length and not tape.once_in(4):
        facts = births
    together: list[Operation] = []
    for _ in range(2 + tape.pick((0, 0, 0, 1, 1, 2))):
        match tape.below(10):
            case 7:
                together.append(ReadPage(RUN))
            case 8:
                looks: list[Operation] = [ReadRun(RUN), ReadHook(TOKEN)]
                together.append(tape.pick(looks))
            case 9:
                together.append(Create(RUN, tape.pick(_ends())))
            case 3 | 4 | 5 | 6 if together:
                together.append(tape.pick(together))
            case 1 | 2 if with_appends:
                some = _of_batches(facts) or [AttrSet("attr_1", b"changes")]
                model = Model(WorldProfile())
                for operation in before:
                    model.perform(operation)
                together.append(_append(tape, some, len(model.world.logs.get(RUN, ()))))
            case _:
                run_id = RUN if tape.below(3) or pool is not _hook_facts else OTHER
                together.append(Create(run_id, tape.pick(facts)))
    return before, together


def _of_batches(facts: Sequence[Fact]) -> list[BatchFact]:
    return [fact for fact in facts if isinstance(fact, BATCH_FACTS)]


def _append(tape: Tape, facts: Sequence[BatchFact], count: int) -> Operation:
    """A few of the facts, and perhaps the run's end; ``count``: the events that are there."""
    chosen = [tape.pick(facts) for _ in range(1 + tape.below(2))]
    together: list[BatchFact] = [fact for fact in chosen if not isinstance(fact, ENDS)]
    if not together or tape.once_in(3):
        together.append(RunCompleted(b"out"))
    return Append(RUN, tuple(together), tape.pick((None, count)))


def _one_less(operations: tuple[Operation, ...]) -> Iterator[tuple[Operation, ...]]:
    return combinations(operations, len(operations) - 1) if operations else iter(())


def _ends() -> list[Fact]:
    return [RunCompleted(b"out"), RunFailed(b"why", "USER_ERROR"), RunCancelled()]


Facts = tuple[list[Fact], list[Fact], list[Fact]]
"""(a history, of which a part is recorded; facts where there is none; facts where there is)."""


def _run_facts(_: Tape) -> Facts:
    data = RunStarted("order", b"in")
    made: list[Fact] = [CREATED, RunStarted(), data]
    made += [*_ends(), AttrSet("attr_1", b"changes")]
    return [], made, made


def _step_facts(tape: Tape) -> Facts:
    lease = START_MS + tape.pick((LATER_MS, -LATER_MS, LONG_AGO_MS))
    admit = tape.pick(("always", "not_running", "lease_free"))
    created = StepCreated(STEP, "work", b"in")
    early: list[Fact] = [created, StepStarted(STEP, "work", tape.pick(("", MINE)), lease)]
    early += [StepRetrying(STEP, b"why"), StepStarted(STEP, "work"), StepFailed(STEP, b"why")]
    lazy = StepStarted(STEP, "work", THEIRS, lease, input=b"in")
    births: list[Fact] = [created, created, lazy]
    return (
        early,
        births,
        [
            created,
            lazy,
            StepStarted(STEP, "work", MINE, lease, admit),
            StepStarted(STEP, "work", THEIRS, lease, admit),
            StepCompleted(STEP, b"out"),
            StepFailed(STEP, b"why", tape.pick(("", MINE))),
            StepRetrying(STEP, b"why"),
        ],
    )


def _hook_facts(_: Tape) -> Facts:
    created, another = HookCreated(HOOK, TOKEN), HookCreated("hook_2", TOKEN)
    disposed = HookDisposed(HOOK, TOKEN)
    early: list[Fact] = [created, HookReceived(HOOK, TOKEN, b"1"), disposed, another]
    births: list[Fact] = [created, created, another]
    return early, births, [*births, HookReceived(HOOK, TOKEN, b"2"), disposed]


def _wait_facts(_: Tape) -> Facts:
    created, completed = WaitCreated(WAIT, START_MS), WaitCompleted(WAIT)
    return [created, completed], [created], [created, completed, completed]


def _looks() -> list[Operation]:
    looks: list[Operation] = [ReadActive(), ReadHook(TOKEN)]
    for run_id in (RUN, OTHER):
        looks += [ReadRun(run_id), ReadLog(run_id)]
    return [*looks, ReadState()]


def _short(operation: Operation) -> str:
    fact = getattr(operation, "fact", None)
    return type(operation).__name__ if fact is None else str(fact.type)


# --- doing it, and the orders ---------------------------------------------------------------------


async def _together(
    ground: _Ground, before: Sequence[Operation], together: Sequence[Operation], tape: Tape
) -> Violation | None:
    clock = HeldClock()
    seen: list[Seen] = [{} for _ in together]

    async with ground.make_world(clock, CountedIds()) as world:

        def driver() -> Driver:
            """Each client has its own: what another has seen is no rule for it."""
            return Driver(world, clock, page_max=ground.profile.page_max)

        def part(number: int, operation: Operation) -> Callable[[], Awaitable[None]]:
            async def perform() -> None:
                client = driver()
                client.positions = first.positions.copy()
                seen[number] = await client.perform(operation)

            return perform

        first = driver()
        for operation in before:
            await first.perform(operation)
        parts = [part(number, each) for number, each in enumerate(together)]
        if not await _run_all(parts, ground.turns, tape):
            told = tuple("answered" if each else "stuck" for each in seen)
            return Violation(tuple(before), tuple(together), told, "that some never ended")
        last = driver()
        after = [await last.perform(each) for each in _looks()]
    return _explained(before, together, [*seen, *after], ground.profile)


async def _run_all(
    parts: Sequence[Callable[[], Awaitable[None]]], turns: Turns | None, tape: Tape
) -> bool:
    if turns is not None:
        return await turns.run(parts, tape.below)
    with trio.move_on_after(TIMEOUT_S) as scope:
        async with trio.open_nursery() as nursery:
            for part in parts:
                nursery.start_soon(part)
    return not scope.cancelled_caught


def _explained(
    before: Sequence[Operation],
    together: Sequence[Operation],
    found: Sequence[Seen],
    profile: WorldProfile,
) -> Violation | None:
    """None if some order of the operations on the model shows what was found."""
    nearest: tuple[int, str] | None = None
    for order, said in _orders(before, together, profile):
        differs = [
            (number, parts)
            for number, (model, world) in enumerate(zip(said, found, strict=True))
            if (parts := different(model, world))
        ]
        if not differs:
            return None
        if nearest is None or len(differs) < nearest[0]:
            nearest = len(differs), _told(order, together, differs)
    assert nearest is not None
    seen = tuple(_said(each) for each in found[: len(together)])
    return Violation(tuple(before), tuple(together), seen, nearest[1])


def _orders(
    before: Sequence[Operation], together: Sequence[Operation], profile: WorldProfile
) -> Iterator[tuple[tuple[int, ...], list[Seen]]]:
    """(order, what the model says to each operation and then to the looks) for every order."""
    asked = list(together)
    starts = [number for number, each in enumerate(together) if _is_resilient(each)]
    birth = len(together)
    if starts:
        asked.append(Create(RUN, CREATED))
    for order in permutations(range(len(asked))):
        if starts and order.index(birth) > min(map(order.index, starts)):
            continue
        model = Model(profile)
        for operation in before:
            model.perform(operation)
        said = {number: model.perform(asked[number]).expected for number in order}
        looks = [model.perform(each).expected for each in _looks()]
        shown = tuple(each for each in order if each != birth)
        yield shown, [*(said[number] for number in range(len(together))), *looks]


def _is_resilient(operation: Operation) -> bool:
    fact = getattr(operation, "fact", None)
    return isinstance(fact, RunStarted) and bool(fact.workflow_name)


def _said(seen: Seen) -> str:
    for word in ("refused", "raised"):
        if word in seen:
            return f"{word}: {seen[word]}"
    return "ok"


def _told(
    order: Sequence[int],
    together: Sequence[Operation],
    differs: Sequence[tuple[int, Mapping[str, tuple[object, object]]]],
) -> str:
    """The order, and the first part in which it differs."""
    asked = [*together, *_looks()]
    number, parts = differs[0]
    name, (model, world) = next(iter(parts.items()))
    told = " → ".join(_short(together[each]) for each in order)
    return f"{literal(asked[number])}, {name} ({told}): model {model!r}, world {world!r}"
