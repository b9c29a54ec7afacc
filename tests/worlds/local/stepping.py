"""File worlds stepped by hand: every operation on files waits until the test lets it happen.

A call that is not stepped any more is one whose host has died: what it has done stays, the rest
never happens.  What was published is kept in its order, and can be replayed on the atomic world,
which then is the oracle: each event has to be what that world would have recorded at that moment.
"""

from __future__ import annotations

from simworld.engine import HookConflict, HookCreated, RunCreated, RunStarted
from simworld.errors import SimworldError
from simworld.records import LocalProfile, WorldProfile
from simworld.substrates import MemoryFiles
from simworld.worlds import AtomicWorld, LocalWitness, LocalWorld, read_local
from tests.worlds.doubles import Clock, Ids, now


class Point:
    """What a call yields before each operation."""

    def __await__(self):
        yield self


class SteppedLatch:
    """``ports.Latch``; who waits is asked again at each of its steps."""

    def __init__(self):
        self._is_set = False

    def set(self):
        self._is_set = True

    async def wait(self, timeout_ms=None):
        while not self._is_set:
            await Point()
        return True


class SteppedTasks:
    """As much of ``ports.Tasks`` as file worlds use."""

    def latch(self, wish):
        return SteppedLatch()

    async def gather(self, parts):
        return [await coroutine for _, coroutine in parts]


class SteppedFiles:
    """``ports.Files`` that wait before each operation and remember what was done."""

    def __init__(self, inner, saw):
        self._inner = inner
        self._saw = saw
        self.done = []

    def __getattr__(self, verb):
        method = getattr(self._inner, verb)

        async def operation(subject, *rest):
            await Point()
            result = await method(subject, *rest)
            self.done.append(f"{verb} {subject if isinstance(subject, str) else len(subject)}")
            if result is True and verb in ("link", "create"):
                self._saw(subject, *rest)
            return result

        return operation

    async def link_all(self, paths, parts):
        for done, (path, data) in enumerate(zip(paths, parts, strict=True)):
            if not await self.link(path, data):
                return done
        return len(paths)


class LoggedIds(Ids):
    """Ids that say when they are minted."""

    def __init__(self, done):
        super().__init__()
        self._done = done

    def event_id(self):
        self._done.append("mint")
        return super().event_id()


class Call:
    """One call of a world."""

    def __init__(self, coroutine):
        self._coroutine = coroutine
        self.answer = self.error = None
        self.over = False
        self.step()  # up to its first operation

    def step(self, count=1):
        """Let it do so many operations; whether it has ended."""
        for _ in range(count):
            if self.over:
                break
            try:
                self._coroutine.send(None)
            except StopIteration as stop:
                self.answer, self.over = stop.value, True
            except SimworldError as error:
                self.error, self.over = error, True
        return self.over

    def finish(self):
        """The answer, or the refusal as an exception."""
        for _ in range(10_000):
            if self.step():
                break
        else:
            raise AssertionError("it never ends")
        if self.error is not None:
            raise self.error
        return self.answer


class Rig:
    """One tree of files and as many processes as are asked for."""

    def __init__(self, **knobs):
        self.page_max = knobs.pop("page_max", 1_000)
        self.profile = LocalProfile(**knobs)
        self.clock = Clock()
        self.memory = MemoryFiles()
        self.answers = []
        """Every event in the order of publication, with the rows right after it."""
        witness = LocalWitness(self.memory.contents, self.profile)

        def saw(path, data):
            self.answers += witness.published(path, data)

        self.files = SteppedFiles(self.memory, saw)
        self.ids = LoggedIds(self.files.done)

    def process(self):
        """A new process on the tree."""
        return LocalWorld(
            self.files,
            clock=self.clock,
            ids=self.ids,
            tasks=SteppedTasks(),
            profile=self.profile,
            world=WorldProfile(page_max=self.page_max),
        )

    def create(self, world, *facts, run="wrun_1"):
        """Record these facts one after the other; the last answer."""
        answer = None
        for fact in facts:
            answer = Call(world.create(run, fact)).finish()
        return answer

    def done_by(self, call):
        """The operations of a call from now on."""
        self.files.done.clear()
        call.finish()
        return list(self.files.done)

    def state(self):
        """Everything the files hold."""
        return now(read_local(self.memory, self.profile))

    def types(self, run="wrun_1"):
        """The log of a run, by type."""
        return [event.type for event in self.state().logs.get(run, ())]

    @property
    def events(self):
        """What was published, in that order."""
        return [answer.event for answer in self.answers]


def replayed(events):
    """The atomic world in which ``events`` have been recorded in their order, and no others."""
    clock = Clock()
    world = AtomicWorld(clock=clock, ids=Ids(), profile=WorldProfile())
    for event in events:
        fact, clock.ms = event.fact, event.created_at_ms
        if isinstance(fact, HookConflict):
            fact = HookCreated(fact.correlation_id, fact.token)
        recorded = world.commit(event.run_id, fact).event
        assert recorded is not None, event
        assert recorded.fact == event.fact, "the atomic world records something else"
    return world


def same_as_atomic(rig):
    """Rows and logs are those of the atomic world that was told the same in the same order."""
    oracle, state = replayed(rig.events), rig.state()
    assert state.runs == oracle.runs
    assert state.steps == oracle.steps
    assert state.hooks == oracle.hooks
    assert state.waits == oracle.waits
    logs = {run: [event.fact for event in log] for run, log in oracle.logs.items()}
    assert {run: [event.fact for event in log] for run, log in state.logs.items()} == logs
    return oracle


CREATED, STARTED = RunCreated("order", b"in"), RunStarted()
