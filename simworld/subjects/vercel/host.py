"""The host of the Python SDK: its handler and its client functions on a loop of their own.

What the SDK asks of its world parks here, as an ``Ask``, until the kernel says what came of it.
The engine itself is used as it is; the functions of steps are wrapped where they are registered,
so that their beginnings and ends can be told of.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import attrs
from vercel import workflow as api
from vercel.workflow._internal import runtime
from vercel.workflow._internal import world as w

from simworld.engine import StepRow
from simworld.errors import InternalError, UsageError
from simworld.ports import Answer, Delivery, Message, Page
from simworld.records import ForeignProgram, SubjectProfile
from simworld.subjects.seam import (
    Again,
    Ask,
    BodyBegins,
    BodyEnds,
    Ended,
    Heard,
    Question,
    ReadLog,
    Sleep,
    Trial,
)
from simworld.subjects.vercel.ambient import Ambient
from simworld.subjects.vercel.bodies import telling, told
from simworld.subjects.vercel.loading import Loaded, load, own_steps, parameters, plain_name
from simworld.subjects.vercel.loop import HostLoop, Task, Timer
from simworld.subjects.vercel.naming import Names
from simworld.subjects.vercel.outside import Outside, Unheard
from simworld.subjects.vercel.refusals import failure_of
from simworld.subjects.vercel.versions import PACKAGE, check_version
from simworld.subjects.vercel.watch import BODY_S, PASS_S, Endless, Watch
from simworld.subjects.vercel.world import make_world

MAX_DELAY_S = 82_800
"""The longest delay that the SDK's own queue handlers ask a queue for."""
_COLLECT_EVERY = 50
"""Trials after which is collected what the SDK leaves behind in circles (each payload it encodes is
one), wherever trials come one after another."""
_TELLING = (BodyBegins, BodyEnds)
"""Asks that tell of what is so."""
_LAST_ROUNDS = 10
"""How often what is left at a trial's end is cancelled before it is given up."""


@attrs.define(eq=False)
class _Activity:
    """A delivery or a client's call, with all that its code has begun."""

    name: str
    run_id: str = ""
    """The run that a delivery is about."""
    tasks: list[Task] = attrs.Factory(list)
    strands: int = 0
    """How many there are beside strand 0."""
    pages: list[Page] = attrs.Factory(list)
    """What it has read of its run's log, since it began to read from the start."""
    started: StepRow | None = None
    """The step it has started, as the world's answer had it."""

    @property
    def log(self) -> tuple[object, ...]:
        """What its next pass is given: the run and what the events say."""
        return self.run_id, *[event.fact for page in self.pages for event in page.events]

    dead: bool = False
    """None of its code runs any more."""


_ACTIVITY: contextvars.ContextVar[_Activity] = contextvars.ContextVar("simworld_activity")


def _started() -> StepRow | None:
    activity = _ACTIVITY.get(None)
    return None if activity is None else activity.started


class VercelHost:
    """``seam.Host`` for ``vercel-workflow``, one per process."""

    def __init__(self) -> None:
        check_version()
        self._ambient = Ambient()
        self._unheard = Unheard()
        self._watch = Watch()
        self._loop = HostLoop(self)
        self._outside = Outside(self._loop.refuse, self._loop.runs_here)
        self._modules: dict[str, Loaded] = {}
        self._bodies: set[int] = set()
        """id of each step whose function is wrapped; steps live as long as the process."""
        self._endless: dict[tuple[object, ...], str] = {}
        """Logs over which a pass has not come back: it never will, in no trial."""
        self._ending = False
        self._trials = 0
        self._reset()

    def _reset(self) -> None:
        self._activities: dict[str, _Activity] = {}
        self._parked: dict[int, tuple[_Activity, asyncio.Future[object] | Timer]] = {}
        self._numbers = 0
        self._names = Names()
        self._asks: list[Ask] = []
        self._withdrawn: list[int] = []
        self._ended: list[Ended] = []
        self._stuck: list[tuple[str, str]] = []
        self._broken: BaseException | None = None
        self._retries: list[tuple[Any, int]] = []
        self._now_ms = 0

    # What the kernel says.

    def begin(self, trial: Trial) -> None:
        """See ``seam.Host``."""
        if self._activities:
            raise InternalError("the host's last trial was not ended")
        self._reset()
        self._loop.forget()
        self._now_ms = trial.now_ms
        self._loaded = self._load(trial.program.module)
        self._program = trial.program
        self._loaded.workflow(trial.program.workflow)
        for step in self._loaded.steps:
            self._retries.append((step, step.max_retries))
            if trial.max_retries is not None:
                step.max_retries = trial.max_retries
        self._ambient.begin(trial.seed, trial.orders)
        self._outside.begin()
        self._watch.begin()
        self._ambient.enter(trial.now_ms)
        try:
            self._world = make_world(self.ask, trial.profile)
        finally:
            self._ambient.leave()
        w.set_world(self._world)

    def deliver(self, activity: str, message: Message, delivery: Delivery, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        work = self._handled(message, delivery)
        return self._start(_Activity(activity, message.run_id), work, now_ms)

    def call(self, activity: str, verb: str, args: Mapping[str, object], now_ms: int) -> Heard:
        """See ``seam.Host``."""
        return self._start(_Activity(activity), _CALLS[verb](self, args), now_ms)

    def answer(self, number: int, value: object, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        activity, parked = self._parked.pop(number, (None, None))
        if activity is None:
            return Heard()
        if isinstance(parked, Timer):
            self._loop.fire(parked)
        elif parked is not None:
            if isinstance(value, Answer):
                activity.started = value.step or activity.started
            elif isinstance(value, Page) and self._is_endless(activity, value):
                return self._run(activity, now_ms)
            parked.set_result(value)
        return self._run(activity, now_ms)

    def fail(self, number: int, error: Exception, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        activity, parked = self._parked.pop(number, (None, None))
        if activity is None:
            return Heard()
        if isinstance(parked, Timer):
            raise InternalError(f"a timer cannot fail, but this one did: {error!r}")
        assert parked is not None
        parked.set_exception(error)
        return self._run(activity, now_ms)

    def abandon(self, activity: str) -> None:
        """See ``seam.Host``."""
        if activity in self._activities:
            self._bury(self._activities[activity])

    def _bury(self, activity: _Activity) -> None:
        activity.dead = True
        for number in [each for each, (of, _) in self._parked.items() if of is activity]:
            del self._parked[number]

    def end(self) -> None:
        """See ``seam.Host``."""
        self._ending = True
        try:
            self._let_run(self._finish, BODY_S)
        finally:
            self._ending = False
            for step, retries in self._retries:
                step.max_retries = retries
            self._watch.end()
            self._outside.end()
            self._ambient.end()
            w.set_world(None)
            self._reset()
            self._loop.forget()
            self._trials += 1
            if self._trials % _COLLECT_EVERY == 0:
                gc.collect(1)

    def steps(self, program: ForeignProgram) -> Mapping[str, int]:
        """See ``seam.Host``."""
        loaded = self._load(program.module)
        loaded.workflow(program.workflow)
        return {plain_name(step.name): step.max_retries for step in loaded.steps}

    def row_name(self, program: ForeignProgram) -> str:
        """See ``seam.Host``."""
        name: str = self._load(program.module).workflow(program.workflow).workflow_id
        return name

    def workflows(self, module: str) -> Mapping[str, str]:
        """See ``seam.Host``."""
        found = self._load(module).workflows
        return {name: parameters(workflow) for name, workflow in found.items()}

    def check_args(self, program: ForeignProgram, args: Sequence[object]) -> None:
        """See ``seam.Host``."""
        workflow = self._load(program.module).workflow(program.workflow)
        try:
            workflow.bind_arguments(tuple(args), {})
        except TypeError as error:
            raise UsageError(
                f"these arguments do not fit {program.workflow}{parameters(workflow)}: {error}"
            ) from None

    # The engine runs.

    def _start(self, activity: _Activity, work: Coroutine[Any, Any, Any], now_ms: int) -> Heard:
        self._activities[activity.name] = activity
        context = contextvars.Context()
        context.run(_ACTIVITY.set, activity)
        task = self._loop.create_task(self._alive(activity, work), context=context)
        assert isinstance(task, Task)
        task.strand = 0
        activity.tasks.append(task)
        return self._run(activity, now_ms)

    def _is_endless(self, activity: _Activity, page: Page) -> bool:
        """Whether the pass over this log is known not to come back, now that it is read."""
        activity.pages.append(page)
        if not self._endless or page.has_more:
            return False
        why = self._endless.get(activity.log)
        if why is not None:
            self._stick(activity, why)
        return why is not None

    def _stick(self, activity: _Activity, why: str) -> None:
        self._bury(activity)
        self._stuck.append((activity.name, why))

    async def _alive(self, activity: _Activity, work: Coroutine[Any, Any, Any]) -> None:
        """Do an activity's work, and tell how it has ended."""
        try:
            value = await work
        except (KeyboardInterrupt, SystemExit):
            raise
        except (InternalError, UsageError) as error:
            self._broken = error
        except BaseException as error:
            if _is_endless(error):
                if activity.pages:
                    self._endless[activity.log] = told(error)
                self._stick(activity, told(error))
            else:
                self._ended.append(
                    Ended(activity.name, error=told(error), failure=failure_of(error))
                )
        else:
            again = value if isinstance(value, Again) else None
            self._ended.append(Ended(activity.name, again, value=None if again else value))

    def _run(self, activity: _Activity, now_ms: int) -> Heard:
        self._now_ms = now_ms
        self._let_run(self._loop.run_ready, PASS_S if activity.started is None else BODY_S)
        broken = self._loop.refused or self._broken
        if broken is not None:
            raise broken
        return self._heard()

    def _let_run(self, act: Callable[[], object], cpu_s: float) -> None:
        self._loop.now_ms = self._now_ms
        self._ambient.enter(self._now_ms)
        try:
            self._watch.set(cpu_s)
            with self._unheard:
                act()
        finally:
            self._watch.set(0)
            self._ambient.leave()

    def _heard(self) -> Heard:
        asks, self._asks = self._asks, []
        withdrawn, self._withdrawn = self._withdrawn, []
        ended, self._ended = self._ended, []
        stuck, self._stuck = self._stuck, []
        if withdrawn:  # what was taken back at once was never asked for, but a body is as it is
            asked = [each.number for each in asks if not isinstance(each.question, _TELLING)]
            asks = [
                each for each in asks if each.number not in withdrawn or each.number not in asked
            ]
            withdrawn = [each for each in withdrawn if each not in asked]
        for each in ended:
            if all(task.done() for task in self._activities[each.activity].tasks):
                self._let_go(self._activities.pop(each.activity))
        return Heard(asks, withdrawn, ended, stuck, self._names.take())

    def _let_go(self, activity: _Activity) -> None:
        """Nothing of it is left to run: a task's context knows its activity, so part the two."""
        activity.tasks.clear()

    def _finish(self) -> None:
        """Cancel whatever is left, until nothing is."""
        for _ in range(_LAST_ROUNDS):
            left = [
                task
                for activity in self._activities.values()
                for task in activity.tasks
                if not task.done()
            ]
            if not left:
                break
            for task in left:
                task.cancel()
            self._loop.run_ready()
        for activity in self._activities.values():
            self._let_go(activity)
        self._loop.create_task(self._loop.close_generators())
        self._loop.run_ready()

    # What the engine asks for.

    async def ask(self, question: Question) -> Any:
        """Have something performed; raises what it was refused with."""
        activity, task = _ACTIVITY.get(), asyncio.current_task()
        if self._ending:
            raise asyncio.CancelledError
        if activity.dead:
            await self._loop.create_future()
        if type(question) is ReadLog and question.cursor is None:
            activity.pages.clear()
        if not isinstance(task, Task):
            self._broken = UsageError(
                f"a workflow function has asked its world for {type(question).__name__}, which "
                "this version of the SDK can do in steps and clients only; move the call into a "
                "step"
            )
            raise self._broken
        if task.strand < 0:
            activity.strands += 1
            task.strand = activity.strands
        future = self._loop.create_future()
        number = self._park(activity, task.strand, question, future)
        try:
            return await future
        except asyncio.CancelledError:
            self._withdraw(number)
            raise
        finally:
            del future  # it holds what was raised, whose traceback would hold this frame

    def _park(
        self,
        activity: _Activity,
        strand: int,
        question: Question,
        parked: asyncio.Future[object] | Timer,
    ) -> int:
        self._numbers += 1
        self._parked[self._numbers] = activity, parked
        self._names.learn(question)
        self._asks.append(Ask(self._numbers, activity.name, strand, question))
        return self._numbers

    def _withdraw(self, number: int) -> None:
        if self._parked.pop(number, None) is not None:
            self._withdrawn.append(number)

    # ``loop.Driver``.

    def task_made(self, task: Task) -> None:
        """A task is its starter's activity's."""
        activity = _ACTIVITY.get(None)
        if activity is not None:
            activity.tasks.append(task)

    def timer_set(self, timer: Timer, duration_ms: int) -> None:
        """A timer has a strand of its own."""
        if self._ending:
            return
        activity = _ACTIVITY.get()
        activity.strands += 1
        timer.number = self._park(activity, activity.strands, Sleep(duration_ms), timer)

    def timer_cancelled(self, timer: Timer) -> None:
        """Nobody waits for it any more."""
        self._withdraw(timer.number)

    # Deliveries.

    async def _handled(self, message: Message, delivery: Delivery) -> Again | None:
        """As the queue handlers of the SDK's own worlds call its handler."""
        payload, queue_name = self._world.delivery(message)
        registry = self._loaded.registries[queue_name]
        again = await runtime.workflow_handler(
            payload,
            attempt=delivery.number,
            queue_name=queue_name,
            message_id=delivery.message_id,
            registry=registry,
            namespace=registry.namespace,
        )
        if again is None:
            return None
        delay_s = max(1, math.ceil(min(again.delay_seconds, MAX_DELAY_S)))
        return Again(delay_s, again.idempotency_key or "")

    # Clients.

    async def _start_run(self, args: Mapping[str, Any]) -> str:
        workflow = self._loaded.workflow(args.get("workflow") or self._program.workflow)
        run = await api.start(workflow, *args["args"], **args.get("kwargs", {}))
        run_id: str = run.run_id
        return run_id

    async def _resume_hook(self, args: Mapping[str, Any]) -> None:
        await runtime.resume_hook(args["token"], args["payload"])

    async def _cancel(self, args: Mapping[str, Any]) -> None:
        run = _run_of(args)
        if not hasattr(run, "terminate"):
            raise UsageError(
                f"this version of {PACKAGE} cannot cancel a run: Run.terminate came with 0.11"
            )
        await run.terminate()

    async def _result(self, args: Mapping[str, Any]) -> object:
        return await _run_of(args).return_value()

    async def _read_stream(self, args: Mapping[str, Any]) -> list[object]:
        run = _run_of(args)
        values = run.readable(namespace=args.get("name") or None, start_index=args.get("start", 0))
        return [value async for value in values]

    # Modules and bodies.

    def _load(self, module: str) -> Loaded:
        loaded = self._modules.get(module)
        if loaded is None:
            before = w.the_world
            # A registry may register its handler as soon as it is made.
            w.set_world(make_world(self.ask, SubjectProfile()))
            try:
                with self._unheard:
                    loaded = self._modules[module] = load(module)
            finally:
                w.set_world(before)
            for step in (*loaded.steps, *own_steps()):
                if id(step) not in self._bodies:
                    self._bodies.add(id(step))
                    step.func = telling(step, self.ask, _started)
        return loaded


_CALLS: dict[str, Callable[[VercelHost, Mapping[str, Any]], Coroutine[Any, Any, object]]] = {
    "start": VercelHost._start_run,
    "resume_hook": VercelHost._resume_hook,
    "cancel": VercelHost._cancel,
    "result": VercelHost._result,
    "read_stream": VercelHost._read_stream,
}


def _run_of(args: Mapping[str, Any]) -> Any:
    make: Callable[[str], Any] = getattr(api, "get_run", None) or api.Run
    return make(args["run_id"])


def _is_endless(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return any(_is_endless(each) for each in error.exceptions)
    return isinstance(error, Endless)
