"""One engine in the simulator under the all-zero schedule: the boring, healthy order of things.

``play`` composes what ``campaign/trial`` composes, with a program and knobs of the test's own, and
gives back what happened.  Faults come as values; ``storage`` may wrap the world.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs

from simworld.campaign import preset
from simworld.engine import EnginePolicy, Event, Program, RunRow, StepRow
from simworld.records import (
    BodyBegan,
    BodyEnded,
    Committed,
    Crash,
    Delivered,
    LostAnswer,
    Op,
    QueueProfile,
    Record,
    Sent,
    WorldProfile,
)
from simworld.runtime import Client, FlowHandler, Services
from simworld.sim import (
    EPOCH_MS,
    Kernel,
    Labels,
    RecordedFaults,
    SimBodies,
    SimClock,
    SimIds,
    SimLog,
    SimQueue,
    SimStorage,
    SimTasks,
)
from simworld.worlds import AtomicWorld, MemoryQueue

MERGE = preset("v2_merge").engine
FIXED = preset("fixed").engine
POLICIES = {"v2_merge": MERGE, "fixed": FIXED}


class AllZero:
    """Always the first: stay with the current task, else take the oldest."""

    name = "all-zero"
    wants_all = False

    def begin(self, stream, profile):
        """Nothing is drawn."""

    def choose(self, point, enabled):
        return 0


class Passes(SimLog):
    """The simulator's log, and a count of passes."""

    def __init__(self, kernel, labels):
        super().__init__(kernel, labels)
        self.prefixes = []
        self.notes = []

    def pass_ended(self, run_id, prefix_length, result):
        super().pass_ended(run_id, prefix_length, result)
        self.prefixes.append(prefix_length)

    def note(self, run_id, message):
        self.notes.append(message)


class Refusing:
    """A storage that answers some creates with an error *instead of* performing them.

    ``errors`` maps an event type to the errors of its first creates, one after another; ``read``
    stands for reads of the log.
    """

    def __init__(self, inner, errors):
        self._inner = inner
        self._errors = {kind: list(each) for kind, each in errors.items()}
        self.run = inner.run
        self.reads = []
        """How many events every read of the log has returned."""

    async def events(self, run_id, cursor=None):
        errors = self._errors.get("read")
        if errors:
            raise errors.pop(0)
        page = await self._inner.events(run_id, cursor)
        self.reads.append(len(page.events))
        return page

    async def create(self, run_id, fact):
        errors = self._errors.get(fact.type)
        if errors:
            raise errors.pop(0)
        return await self._inner.create(run_id, fact)


@attrs.frozen
class Played:
    """What came of it."""

    records: list[Record]
    run: RunRow | None
    log: list[Event]
    steps: Mapping[str, StepRow]
    """By label."""
    prefixes: list[int]
    """The length of the log of every pass."""
    reads: list[int]
    """How many events every read of the log has returned."""
    notes: list[str]
    answer: Any
    """What the client's ``result`` returned or raised; None if nobody asked."""
    waiting: list[str]
    fired: list[Any]
    path: list[str]

    def of(self, kind):
        """All records of one kind."""
        return [each for each in self.records if isinstance(each, kind)]

    @property
    def types(self):
        return [event.type for event in self.log]

    @property
    def invocations(self):
        return len(self.of(Delivered))

    @property
    def messages(self):
        """How many messages were accepted, by the step they are for; flow messages are ``flow``."""
        return Counter(each.step or "flow" for each in self.of(Sent) if each.message)

    @property
    def dropped(self):
        return sum(1 for each in self.of(Sent) if not each.message)

    @property
    def passes(self):
        return len(self.prefixes)

    @property
    def bodies(self):
        """How many bodies began, by step."""
        return Counter(each.step for each in self.of(BodyBegan))

    @property
    def outcomes(self):
        """How every body ended."""
        return [each.outcome for each in self.of(BodyEnded)]

    def times(self, event_type):
        """When events of a type were recorded, in ms from the start."""
        return [each.created_at_ms - EPOCH_MS for each in self.log if each.type == event_type]

    @property
    def lost(self):
        return [each.op for each in self.of(LostAnswer)]

    @property
    def crashes(self):
        return len(self.of(Crash))

    @property
    def committed(self):
        return len(self.of(Committed))


def play(
    program: Program,
    *args: object,
    policy: EnginePolicy = MERGE,
    queue: QueueProfile | None = None,
    page_max: int = 1_000,
    failures: tuple[tuple[str, int], ...] = (),
    faults: tuple[Any, ...] = (),
    errors: Mapping[str, list[Exception]] | None = None,
    acts: Any = None,
    watched: bool = False,
    turns_max: int = 4_000,
) -> Played:
    """Start one run and let everything happen.

    ``watched``: the client also waits for the result.  ``acts``: an async function of the services
    that takes the client's place.
    """
    kernel = Kernel(explorer=AllZero(), faults=RecordedFaults(faults), turns_max=turns_max)
    labels = Labels()
    labels.learn("wrun_1", "run")
    clock, ids, tasks = SimClock(kernel), SimIds(), SimTasks(kernel, labels)
    world = AtomicWorld(clock=clock, ids=ids, profile=WorldProfile(page_max=page_max))
    inner = MemoryQueue(tasks=tasks, clock=clock, ids=ids, profile=queue or QueueProfile())
    sim_queue, log = SimQueue(kernel, labels, inner), Passes(kernel, labels)
    storage = Refusing(world, errors or {})
    services = Services(
        program=program,
        policy=policy,
        storage=SimStorage(kernel, labels, storage),
        queue=sim_queue,
        tasks=tasks,
        clock=clock,
        bodies=SimBodies(kernel, labels, failures),
        ids=ids,
        log=log,
    )
    sim_queue.connect(FlowHandler(services).handle)
    answers: list[Any] = []
    if acts is None:
        acts = functools.partial(_client, args=args, watched=watched, answers=answers)
    kernel.spawn("start", lambda: acts(services), part="start", op=Op("start a run"))
    try:
        kernel.run()
        waiting = kernel.waiting()
    finally:
        kernel.close()
        sim_queue.disconnect()
    assert kernel.drained, "it never came to rest"
    steps = {labels.readable(key[1]): row for key, row in world.steps.items()}
    return Played(
        kernel.records,
        world.runs.get("wrun_1"),
        world.logs.get("wrun_1", []),
        steps,
        log.prefixes,
        storage.reads,
        log.notes,
        answers[0] if answers else None,
        waiting,
        kernel.fired,
        kernel.path,
    )


async def _client(services, *, args, watched, answers):
    client = Client(services)
    run_id = await client.start(*args)
    if watched:
        try:
            answers.append(await client.result(run_id))
        except Exception as error:  # a test looks at it
            answers.append(error)
