"""A toy kernel: just enough to give explorers something to explore.

A task is a generator.  It yields the ``Op`` it is about to perform, and what it does before the
next ``yield`` is that operation's effect; ``Blocked(op, ready)`` is an operation that is enabled
only while ``ready()``.  A program is a function that spawns tasks on a ``Toy`` and returns a
function that says, after the trial, whether the bug has shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

import attrs

from simworld.entropy import Stream, derive
from simworld.records import Advance, ChoicePoint, Explorer, Op, Profile, Schedule, TaskView


@attrs.frozen(eq=False)
class Blocked:
    """An operation that has to wait for something."""

    op: Op
    ready: Callable[[], bool]


Body = Generator["Op | Blocked", None, None]
Program = Callable[["Toy"], Callable[[], bool]]

_ops: dict[str, Op] = {}


def op(text: str, *writes: str, reads: tuple[str, ...] = ()) -> Op:
    """A shared operation with that text, as in the real kernel."""
    labels = {**dict.fromkeys(reads, False), **dict.fromkeys(writes, True)}
    key = f"{text} {labels}"
    if key not in _ops:
        _ops[key] = Op(text, labels)
    return _ops[key]


class Task:
    """See ``records.TaskView``."""

    def __init__(self, name: str, birth: int, body: Body, since: int) -> None:
        self.name = name
        self.birth = birth
        self.ops = 0
        self.since = since
        self.done = False
        self._body = body
        self.op = op("nothing")
        self._ready: Callable[[], bool] | None = None
        self.advance(since)

    def advance(self, turn: int) -> None:
        """Perform the pending operation and come to the next one."""
        pending = next(self._body, None)
        self.since = turn
        self.done = pending is None
        if isinstance(pending, Blocked):
            self.op, self._ready = pending.op, pending.ready
        elif pending is not None:
            self.op, self._ready = pending, None

    @property
    def ended(self) -> bool:
        return self.done

    @property
    def enabled(self) -> bool:
        return not self.done and (self._ready is None or self._ready())


class Toy:
    """One trial; it is its own ``ChoicePoint``."""

    def __init__(self, program: Program, explorer: Explorer, *, turns_max: int = 5_000) -> None:
        self.turn = 0
        self.now_ms = 0
        self.staying = False
        self.tasks: list[Task] = []
        self.path: list[tuple[str, str]] = []
        self.preemptions = 0
        """How often the explorer left a task that could have gone on."""
        self.touched: dict[str, dict[str, int]] = {}
        self._blocks: list[list[str | int]] = []
        self._explorer = explorer
        self._turns_max = turns_max
        self.failed = False
        """Whether the bug has shown."""
        self._failed = program(self)

    def spawn(self, name: str, body: Body) -> None:
        self.tasks.append(Task(name, len(self.tasks), body, self.turn))

    def run(self) -> None:
        """Until nothing is enabled."""
        last: Task | None = None
        while self.turn < self._turns_max:
            enabled = [task for task in self.tasks if task.enabled]
            if not enabled:
                break
            self.staying = last in enabled
            if last is not None and self.staying:
                enabled.remove(last)
                enabled.insert(0, last)
            index = 0
            if len(enabled) > 1 or self._explorer.wants_all:
                index = self._explorer.choose(self, enabled)
                assert type(index) is int
                assert 0 <= index < len(enabled)
                self.preemptions += self.staying and index > 0
            self._perform(enabled[index], last)
            last = enabled[index]
        self.failed = self._failed()

    def _perform(self, task: Task, last: Task | None) -> None:
        self.turn += 1
        if task is not last:
            self._blocks.append([task.name, 0, task.op.text])
        self.path.append((task.name, task.op.text))
        for label in task.op.fine:
            counts = self.touched.setdefault(label, {})
            counts[task.name] = counts.get(task.name, 0) + 1
        task.ops += 1
        self._blocks[-1][1] = task.ops
        task.advance(self.turn)

    @property
    def schedule(self) -> Schedule:
        """The blocks of this trial."""
        return Schedule(
            tuple(Advance(str(name), int(until), str(text)) for name, until, text in self._blocks)
        )


def trial(
    program: Program,
    explorer: Explorer,
    seed: int = 0,
    profile: Profile | None = None,
    *,
    stream: Stream | None = None,
) -> Toy:
    """A finished trial."""
    explorer.begin(stream or Stream(derive(seed, "explorer")), profile or Profile())
    toy = Toy(program, explorer)
    toy.run()
    return toy


@attrs.define(eq=False)
class View:
    """A task as an explorer sees it, for tests that ask a single question."""

    name: str
    op: Op
    birth: int = 0
    ops: int = 0
    since: int = 0
    ended: bool = False


@attrs.frozen
class Point:
    """A choice point without a kernel."""

    turn: int = 0
    now_ms: int = 0
    staying: bool = True


def scripted(*values: float, seed: int = 0) -> Stream:
    """A stream whose first draws are given; the rest come from the seed."""
    stream = Stream(seed)
    draw = stream.random
    script = iter(values)

    def random() -> float:
        value = next(script, None)
        return draw() if value is None else value

    stream.random = random
    return stream


class Lowest:
    """The all-zero schedule, written again so that tests do not lean on what they test."""

    name = "lowest"
    wants_all = False

    def begin(self, stream: Stream, profile: Profile) -> None:
        """Nothing to prepare."""

    def choose(self, point: ChoicePoint, enabled: list[TaskView]) -> int:
        """Stay."""
        return 0


def profile_of(program: Program) -> Profile:
    """What an undisturbed trial touches."""
    touched = trial(program, Lowest(), 0).touched
    shared = tuple(label for label, counts in touched.items() if len(counts) > 1)
    return Profile(shared, touched)
