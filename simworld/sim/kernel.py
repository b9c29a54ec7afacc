"""The kernel: runs coroutines one operation at a time, in an order somebody chooses.

Every message delivery, timer and client is a task.  A task that is about to perform an operation
calls ``at_point``; the explorer then chooses who goes first.  Staying returns without suspending,
which is what makes a choice point cost about a microsecond.

Two phases (decisions §1.6): first the explorer chooses and faults happen, up to half of
``turns_max``; then no faults, oldest first, until drained.  Virtual time moves only when nothing is
runnable.  A crash means *never resumed*: the coroutines of a dead host go to the graveyard and are
closed after the trial, when nothing they do can be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from operator import attrgetter
from typing import Any, TypeVar

from simworld.engine import called_exit
from simworld.errors import ControlFlow, Crashed, InternalError, SimworldError, UsageError
from simworld.marks import reached
from simworld.records import FAULTS, Explorer, Fault, Op
from simworld.sim.nemesis import Faults
from simworld.sim.parking import PARK, foreign_await
from simworld.sim.roster import Roster
from simworld.sim.tasks import Host, Hosts, Task, Waiters, oldest_first, values_of

T = TypeVar("T")

_birth = attrgetter("birth")

WAKE = Op("wake up")
JOIN = Op("go on: all parts have finished")
HAPPENED = Op("go on: what it waited for has happened")
GAVE_UP = Op("go on: it has waited long enough")
CLOCKS = {"clock_ahead": 1, "clock_behind": -1}
"""Kind of fault that sets the clock of a new process → which way."""


class Kernel(Roster):
    """One trial's scheduler; it is its own ``ChoicePoint``."""

    __slots__ = (  # more attributes than a plain object holds well
        "_ask_always", "_blocks", "_choose", "_closed", "_failure", "_halted", "_hosts", "_last",
        "_limit", "_next", "_registering", "_searching", "current", "drained", "faults", "follow",
        "losing", "overlapped", "staying", "striking", "turns_max",
    )  # fmt: skip

    def __init__(
        self,
        *,
        explorer: Explorer,
        faults: Faults,
        turns_max: int,
        full_trace: bool = False,
        hosts: int = 0,
    ) -> None:
        super().__init__(full_trace=full_trace)
        self._hosts = Hosts(hosts)
        self.staying = True
        self.turns_max = turns_max
        self.drained = False
        self.current: Task | None = None
        self.faults = faults
        self.follow: Task | None = None
        """Who is taken for the lowest next time: a request that sets out, and then its sender."""
        self.losing = False
        """The operation being performed, if it has an answer, is to look failed to its caller."""
        self.striking: Fault | None = None
        """What strikes the operation being performed, if it can: see ``Faults.plan``."""
        self.overlapped = False
        self._choose: Callable[[Any, Sequence[Task]], int] = explorer.choose
        self._ask_always = explorer.wants_all
        self._searching = True
        self._limit = turns_max // 2
        self._blocks: list[list[Any]] = []
        self._last: Task | None = None
        self._next: Task | None = None
        self._registering = False
        self._halted = False
        self._failure: Exception | None = None
        """What ended the trial: the explorer's own error, or somebody's who looked on."""
        self._closed = False

    # Operations: called by the coroutine that is running.

    def at_point(self, op: Op) -> bool:
        """The running task is about to perform ``op``; True: ``await PARK`` first."""
        task = self.current
        if task is None or self._closed:
            raise Crashed("this host is dead")
        task.op = op
        task.since = self.turn
        if self._registering:
            self._registering = False
            return True
        if self.turn >= self._limit and not self._next_phase():
            return True
        enabled = self.enabled
        if len(enabled) > 1 or self._ask_always:
            try:
                index = self._choose(self, enabled)
            except Exception as error:
                self.abort(error)
                return True
            if index:
                self._next = enabled[index]
                return True
        return not self._enter(task)

    def sleep(self, duration_ms: int) -> None:
        """The running task sleeps; it must ``await PARK`` at once."""
        task = self._running()
        self._registering = False
        self.enabled.remove(task)
        self._set_timer(task, duration_ms, WAKE)

    def suspend(self, waiters: Waiters, wish: Op, timeout_ms: int | None) -> Task:
        """The running task waits for ``wake`` or a timeout; it must ``await PARK`` at once.

        ``wish``: what it waits to do.  Then its ``op`` says what came first.
        """
        task = self._running()
        self._registering = False
        self.enabled.remove(task)
        task.waits_in = waiters
        task.op = wish
        if timeout_ms is not None:
            self._set_timer(task, timeout_ms, GAVE_UP)
        return task

    def wake(self, task: Task) -> None:
        """What a suspended task waited for has happened; its timer is void."""
        if task.waits_in is not None:
            task.waits_in = None
            task.alarm = 0
            task.op = HAPPENED
            task.since = self.turn
            self._enable(task)

    async def gather(self, parts: Sequence[tuple[str, Coroutine[Any, Any, T]]]) -> list[T]:
        """See ``ports.Tasks``; a single part runs in the task itself."""
        if len(parts) < 2:
            return [await coroutine for _, coroutine in parts]
        parent = self._running()
        children = [self._spawn_child(parent, name, coroutine) for name, coroutine in parts]
        if self._must_join(parent, children):
            await PARK
        return values_of(children)

    def _must_join(self, parent: Task, children: Sequence[Task]) -> bool:
        """Whether the parent has to park until the last of its children has finished."""
        parent.missing = sum(1 for child in children if not child.done)
        if parent.missing:
            parent.op = JOIN
            self.enabled.remove(parent)
        return parent.missing > 0

    def _running(self) -> Task:
        if self._closed or self.current is None:
            raise Crashed("this host is dead")
        return self.current

    # Tasks: made by the queue and by clients.

    def spawn(
        self,
        name: str,
        start: Callable[[], Coroutine[Any, Any, Any]],
        *,
        part: str,
        op: Op,
        delay_ms: int = 0,
        on_lost: Callable[[], None] | None = None,
    ) -> Task:
        """A new task on a host of its own; ``op`` is its first operation."""
        # Only clients have nobody to tell.
        host = self._host_of(name, part, spared=on_lost is None)
        task = self._new_task(name, host, op)
        task.start = start
        task.on_lost = on_lost
        self._arm(task, part, child=False)
        if delay_ms > 0:
            self._set_timer(task, delay_ms, op)
        else:
            self._enable(task)
        return task

    def _new_task(self, name: str, host: Host, op: Op) -> Task:
        task = Task(name, len(self.tasks), host, op, self.turn)
        self.tasks.append(task)
        host.tasks.append(task)
        return task

    def _spawn_child(self, parent: Task, name: str, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """A task on the parent's host, run up to (not into) its first operation."""
        child = self._new_child(parent, name, coroutine)
        self._resume(child)
        self._registering = False
        self.current = parent
        return child

    def _new_child(self, parent: Task, name: str, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """A task on the parent's host; the next to be resumed, to register its first operation."""
        child = self._beside(parent, name, coroutine, JOIN)
        child.parent = parent
        self._registering = True
        return child

    def start_job(self, part: str, coroutine: Coroutine[Any, Any, Any], op: Op) -> Task:
        """A task beside the running one, on its host; ``op`` is its first operation."""
        try:
            parent = self._running()
        except Crashed:
            coroutine.close()
            raise
        job = self._beside(parent, part, coroutine, op)
        job.is_job = True
        return job

    def begin_beside(self, task: Task, part: str, coroutine: Coroutine[Any, Any, Any]) -> Task:
        """A job beside any task, on its host, run up to (not into) its first operation."""
        current = self.current
        job = self._beside(task, part, coroutine, JOIN)
        job.is_job = True
        self._registering = True
        self._resume(job)
        self._registering = False
        self.current = current
        return job

    def _beside(self, task: Task, part: str, coroutine: Coroutine[Any, Any, Any], op: Op) -> Task:
        """A new task on another's host, named below it."""
        new = self._new_task(task.child_name(part), task.host, op)
        new.coroutine = coroutine
        new.body = task.body
        self._arm(new, part, child=True)
        self.enabled.append(new)
        return new

    def _arm(self, task: Task, part: str, *, child: bool) -> None:
        """Have the nemesis plan what strikes a new task."""
        if not task.host.spared:
            faults, name = self.faults, task.name
            crash_at, lose_at = faults.arm(name, part, child=child)
            task.arm(crash_at, lose_at, faults.plan(name, part, child=child))

    def cancel_job(self, job: Task) -> None:
        """The job does nothing more, nor do the parts it waits for."""
        if self._closed:
            return
        if self.current is not None and self.current.works_for(job):
            raise InternalError(f"{job.name} cancels itself; it can simply return")
        for task in job.host.tasks:
            if not task.ended and task.works_for(job):
                self._bury(task)

    # The loop.

    def run(self) -> None:
        """Run until nothing is runnable and no timer is set, or ``turns_max`` is reached.

        An explorer's own error comes out as it is.
        """
        for task in self._turns():
            self._resume(task)

    def _turns(self) -> Iterator[Task]:
        """Who is to be resumed, one after the other, until the trial is over."""
        enabled = self.enabled
        while not self._halted:
            task = self._next
            if task is None:
                task = self._pick()
                if task is None:
                    break
            else:
                self._next = None
            if enabled[0] is not task:
                enabled.remove(task)
                enabled.insert(0, task)
            if self._enter(task):
                yield task
        self._end_search()
        if self._failure is not None:
            raise self._failure

    def _pick(self) -> Task | None:
        """Who goes on when the last task cannot: the explorer's choice, by default the lowest."""
        enabled = self.enabled
        while not enabled:  # whoever is due may be on a host that stands still
            if not self._move_time() and not self._relieved():
                self.drained = True
                return None
        if self.turn >= self._limit and not self._next_phase():
            return None
        follow, self.follow = self.follow, None
        lowest = follow if follow in enabled else min(enabled, key=_birth)
        if enabled[0] is not lowest:
            enabled.remove(lowest)
            enabled.insert(0, lowest)
        if len(enabled) == 1 and not self._ask_always:
            return lowest
        self.staying = False
        index = self._choose(self, enabled)
        self.staying = True
        return enabled[index]

    def _enter(self, task: Task) -> bool:
        """Count the turn; False when the task does not get to perform its operation."""
        self.turn += 1
        text = task.op.text
        last = self._last
        if task is not last:
            if self._searching:
                if last is not None:
                    self._blocks[-1][1] = last.ops
                self._blocks.append([task.name, 0, text])
            self._last = task
            self.path.append(task.name)
        task.ops += 1
        self.path.append(text)
        if self.trace is not None:
            self._write_turn(task)
        self.losing = False
        self.striking = None
        if task.armed and self._searching:
            # Before its first operation a delivery has no host that could die.
            alive = task.coroutine is not None
            if alive and task.ops == task.crash_at and self.faults.spends("crash"):
                self.note_fault(Fault("crash", task.name, task.ops))
                self.crash(task.host)
                return False
            self.losing = task.ops == task.lose_at
            if task.plan is not None and alive:
                self.striking = task.plan.get(task.ops)
                return self.striking is None or not self._hinders(task, self.striking)
        return True

    def _hinders(self, task: Task, fault: Fault) -> bool:
        """Let happen what concerns the whole host; whether the task has to wait."""
        host = task.host
        if fault.kind == "clock_jump" and self.faults.spends("clock_jump"):
            reached("clock.jumped")
            self.note_fault(fault)
            host.clock_ms += fault.value
        elif fault.kind == "slow_host" and self.faults.spends("slow_host"):
            self.note_fault(fault)
            self.tell(f"nothing of its host goes on for {fault.value} ms")
            self.freeze(host, fault.value)
            return True
        elif fault.kind == "restart" and self.on_restart and self.faults.spends("restart"):
            self.note_fault(fault)
            self.tell("every process dies")
            for tell in self.on_restart:
                tell(task)
            return True
        return False

    def _resume(self, task: Task) -> None:
        self.current = task
        coroutine = task.coroutine
        try:
            if coroutine is None:
                coroutine = self._begin(task)
            awaited = coroutine.send(None)
        except StopIteration as stop:
            self._finish(task, stop.value, None)
        except (UsageError, InternalError, ControlFlow, KeyboardInterrupt):
            raise
        except SystemExit as error:
            raise called_exit(error, task.name) from error
        except Exception as error:
            self._finish(task, None, error)
        else:
            if awaited is not PARK:
                raise foreign_await(coroutine, awaited)

    def _begin(self, task: Task) -> Coroutine[Any, Any, Any]:
        assert task.start is not None
        if not task.host.alive:  # it was to begin on a process that has died meanwhile
            task.host = self._host_of(task.name, "", spared=False)
            task.host.tasks.append(task)
        if task.on_lost is not None:
            self.live_deliveries += 1
            if self.live_deliveries > 1:
                self.overlapped = True
        task.coroutine = task.start()
        return task.coroutine

    def _host_of(self, name: str, part: str, *, spared: bool) -> Host:
        """The host of a new task; of a process that is new the clock may be wrong."""
        host = self._hosts.of(name, spared=spared)
        if self._searching and not (spared or host.tasks):
            for kind, ahead in CLOCKS.items():
                off_ms = self.faults.befalls(kind, host.name, part, FAULTS[kind].most)
                if off_ms:
                    reached("clock.wrong")
                    self.note_fault(Fault(kind, host.name, off_ms))
                    host.clock_ms += ahead * off_ms
        return host

    def _finish(self, task: Task, value: object, error: Exception | None) -> None:
        self.enabled.remove(task)
        task.done = True
        task.value, task.error = value, error
        parent = task.parent
        if parent is not None:
            parent.missing -= 1
            if parent.missing == 0 and not parent.dead:
                parent.since = self.turn
                self.enabled.append(parent)
            return
        if task.on_lost is not None:
            self.live_deliveries -= 1
        if error is not None:
            if task.is_job and isinstance(error, SimworldError):
                reached("job.failed")  # of a fault of the world: whoever cares has been told by it
                return
            raise InternalError(f"{task.name} let an error out: {error!r}") from error

    # Phases.

    def _next_phase(self) -> bool:
        """End the search, or the trial; True when another turn may be taken.

        Asked before a choice, never after it: the first choice of phase 2 belongs to phase 2.
        """
        if self._searching:
            self._end_search()
            self._limit = self.turns_max
            self._choose = oldest_first
            self._ask_always = False
            for tell in self.on_calm:
                tell()
            return True
        self._halted = True
        return False

    def _relieved(self) -> bool:
        """Whether somebody can go on once the search is over, though nobody can now."""
        if not (self._searching and self.on_calm):
            return False
        return self._next_phase() and (bool(self.enabled) or self._move_time())

    def _end_search(self) -> None:
        if self._searching:
            self._searching = False
            if self._last is not None:
                self._blocks[-1][1] = self._last.ops

    def abort(self, error: Exception) -> None:
        """End the trial with ``error``, which no simulated code gets to see."""
        self._end_search()
        self._failure = error
        self._halted = True
        self._limit = 0  # whoever is running stops before its next operation

    @property
    def searching(self) -> bool:
        """Phase 1: the explorer chooses and faults may happen."""
        return self._searching

    @property
    def blocks(self) -> list[tuple[str, int, str]]:
        """Phase 1 as blocks: (task, its operation count at the end, text of its first one)."""
        return [tuple(block) for block in self._blocks]

    # Afterwards.

    def close(self) -> None:
        """After the trial: let go of every coroutine that never finished."""
        self._closed = True
        unfinished = [
            task.coroutine
            for task in self.tasks
            if task.coroutine is not None and not (task.done or task.dead)
        ]
        for coroutine in (*self._graveyard, *unfinished):
            try:
                coroutine.close()
            except (Exception, ControlFlow, SystemExit):
                # A finally block of a dead host failed, or called a port: nobody is there to see.
                continue
        for task in self.tasks:
            task.release()  # without cycles, a trial is freed as soon as it is over
        self._graveyard.clear()
        self.on_bury.clear()
        self.on_crash.clear()
        self.on_restart.clear()
        self.on_calm.clear()
