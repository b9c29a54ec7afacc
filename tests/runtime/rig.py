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
from simworld.engine import (
    Completed,
    EnginePolicy,
    Event,
    Program,
    RunIdentity,
    RunRow,
    StepRow,
    encode,
    run_pass,
)
from simworld.explore import Default
from simworld.records import (
    BodyBegan,
    BodyEnded,
    Committed,
    Crash,
    Delivered,
    LostAnswer,
    Op,
    PassChecked,
    QueueProfile,
    Record,
    Sent,
    WorldProfile,
)
from simworld.runtime import Client, Services, handler_for
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
    SimStreams,
    SimTasks,
)
from simworld.worlds import AtomicWorld, MemoryQueue, MemoryStreams

V1 = preset("v1").engine
MERGE = preset("v2_merge").engine
B12 = preset("b12").engine
B30 = preset("b30").engine
FIXED = preset("fixed").engine
FAST = preset("fast").engine
POLICIES = {"v2_merge": MERGE, "fixed": FIXED}


class Passes(SimLog):
    """The simulator's log, checks of some passes included, and what a test counts of it."""

    def __init__(self, kernel, labels, on_pass):
        super().__init__(kernel, labels, checks=1)
        self.on_pass = on_pass
        self.prefixes = []
        self.retained = []
        self.notes = []

    def pass_ended(self, report):
        super().pass_ended(report)
        if self.on_pass is not None:
            self.on_pass(report)
        self.prefixes.append(len(report.log))
        self.retained.append(report.retained)

    def note(self, run_id, message, **fields):
        super().note(run_id, message, **fields)
        self.notes.append((message, fields))


class Wrapped:
    """A storage between the engine and the world; a test overrides what it wants to change."""

    def __init__(self, inner):
        self.inner = inner
        self.run = inner.run
        self.hook, self.active_runs = inner.hook, inner.active_runs

    async def create(self, run_id, fact):
        return await self.inner.create(run_id, fact)

    async def append(self, run_id, facts, *, after=None):
        return await self.inner.append(run_id, facts, after=after)

    async def wait_end(self, run_id, timeout_ms):
        await self.inner.wait_end(run_id, timeout_ms)

    async def events(self, run_id, cursor=None):
        return await self.inner.events(run_id, cursor)


class Refusing:
    """A storage that answers some creates with an error *instead of* performing them.

    ``errors`` maps an event type to the errors of its first creates, one after another; ``read``
    stands for reads of the log.
    """

    def __init__(self, inner, errors):
        self._inner = inner
        self._errors = {kind: list(each) for kind, each in errors.items()}
        self.run = inner.run
        self.hook, self.active_runs = inner.hook, inner.active_runs
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

    async def append(self, run_id, facts, *, after=None):
        for fact in facts:
            errors = self._errors.get(fact.type)
            if errors:
                raise errors.pop(0)
        return await self._inner.append(run_id, facts, after=after)

    async def wait_end(self, run_id, timeout_ms):
        await self._inner.wait_end(run_id, timeout_ms)


@attrs.frozen
class Played:
    """What came of it."""

    records: list[Record]
    runs: Mapping[str, RunRow]
    run: RunRow | None
    log: list[Event]
    steps: Mapping[str, StepRow]
    """By label."""
    prefixes: list[int]
    """The length of the log of every pass."""
    retained: list[bool]
    """Whether each pass went on from an earlier one."""
    reads: list[int]
    """How many events every read of the log has returned."""
    notes: list[tuple[str, dict[str, Any]]]
    answer: Any
    """What the client's ``result`` returned or raised; None if nobody asked."""
    streams: Mapping[tuple[str, str], Any]
    waiting: list[str]
    fired: list[Any]
    path: list[str]

    def of(self, kind):
        """All records of one kind."""
        return [each for each in self.records if isinstance(each, kind)]

    def commits(self, event_type):
        """The records of committed events of a type."""
        return [each for each in self.of(Committed) if each.event.type == event_type]

    @property
    def began(self):
        """The records of bodies that began."""
        return self.of(BodyBegan)

    @property
    def delivered(self):
        """The task of every delivery."""
        return [each.task for each in self.of(Delivered)]

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
    world_profile: WorldProfile | None = None,
    explorer: Any = None,
    failures: tuple[tuple[str, int], ...] = (),
    faults: tuple[Any, ...] = (),
    errors: Mapping[str, list[Exception]] | None = None,
    around: Any = None,
    acts: Any = None,
    on_pass: Any = None,
    watched: bool = False,
    turns_max: int = 4_000,
) -> Played:
    """Start one run and let everything happen.

    ``watched``: the client also waits for the result.  ``acts``: an async function of the services
    that takes the client's place.  ``around``: wraps the world's storage.  ``on_pass``:
    is called with the report of every pass.
    """
    kernel = Kernel(
        explorer=explorer or Default(), faults=RecordedFaults(faults), turns_max=turns_max
    )
    labels = Labels()
    labels.learn("wrun_1", "run")
    clock, ids, tasks = SimClock(kernel), SimIds(), SimTasks(kernel, labels)
    profile = world_profile or WorldProfile(page_max=page_max)
    world = AtomicWorld(clock=clock, ids=ids, profile=profile, tasks=tasks)
    streams = MemoryStreams(tasks=tasks)
    inner = MemoryQueue(tasks=tasks, clock=clock, ids=ids, profile=queue or QueueProfile())
    sim_queue, log = SimQueue(kernel, labels, inner), Passes(kernel, labels, on_pass)
    storage = Refusing(around(world) if around else world, errors or {})
    services = Services(
        program=program,
        policy=policy,
        storage=SimStorage(kernel, labels, storage),
        queue=sim_queue,
        streams=SimStreams(kernel, labels, streams),
        tasks=tasks,
        clock=clock,
        bodies=SimBodies(kernel, labels, failures),
        ids=ids,
        log=log,
    )
    sim_queue.connect(handler_for(services).handle)
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
    if not (errors or around):
        for run_id, run in world.runs.items():
            check_cold_replay(program, policy, run, world.logs[run_id])
    answer = answers[0] if answers else None
    return _played(kernel, labels, world, streams, storage, log, answer, waiting)


def check_cold_replay(program, policy, run, log):
    """I-16: without its terminal event the log leads one pass from scratch to the same end."""
    if run.status != "completed":
        return
    end = next(index for index, event in enumerate(log) if event.type == "run_completed")
    identity = RunIdentity(run.run_id, run.workflow_name, run.started_at_ms, run.created_at_ms)
    outcome = run_pass(program, identity, log[:end], policy, 0).outcome
    assert isinstance(outcome, Completed), outcome
    assert encode(outcome.output) == run.output


def _played(kernel, labels, world, streams, storage, log, answer, waiting):
    checked = [each for each in kernel.records if isinstance(each, PassChecked)]
    assert not [each.difference for each in checked if each.difference]
    steps = {labels.readable(key[1]): row for key, row in world.steps.items()}
    return Played(
        [each for each in kernel.records if not isinstance(each, PassChecked)],
        world.runs,
        world.runs.get("wrun_1"),
        world.logs.get("wrun_1", []),
        steps,
        log.prefixes,
        log.retained,
        storage.reads,
        log.notes,
        answer,
        streams.contents(),
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
