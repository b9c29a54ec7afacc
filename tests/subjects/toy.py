"""A toy engine behind the seam, without an event loop: generators that yield what they ask for.

It starts its steps side by side and completes the run when all have completed; it stands for the
engines of other languages, whose hosts have nothing of Python's to offer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import Any

from simworld.engine import (
    RunCompleted,
    RunCreated,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepStarted,
)
from simworld.errors import EntityConflictError, RunExpiredError, WorldError
from simworld.ports import BodyInfo, Delivery, Message
from simworld.records import ForeignProgram
from simworld.subjects.seam import (
    Again,
    Ask,
    BodyBegins,
    BodyEnds,
    Create,
    Ended,
    Heard,
    Question,
    ReadLog,
    Send,
)

Act = Generator[Any, Any, Any]


class ToyHost:
    """``seam.Host`` for runs of ``count`` steps."""

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.abandoned: list[str] = []
        self.log: list[str] = []
        self._numbers = 0
        self._waiting: dict[int, tuple[str, int, Act]] = {}
        self._left: dict[str, int] = {}
        """Activity → strands that its handler waits for."""
        self._roots: dict[str, Act] = {}

    # What the bridge calls.

    def deliver(self, activity: str, message: Message, delivery: Delivery, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        act = self._step(message) if message.step_id else self._flow(message)
        self._roots[activity] = act
        return self._resume(activity, 0, act, None)

    def call(self, activity: str, verb: str, args: Mapping[str, object], now_ms: int) -> Heard:
        """See ``seam.Host``."""
        self._roots[activity] = act = self._start()
        return self._resume(activity, 0, act, None)

    def answer(self, number: int, value: object, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        activity, strand, act = self._waiting.pop(number)
        return self._resume(activity, strand, act, value)

    def fail(self, number: int, error: Exception, now_ms: int) -> Heard:
        """See ``seam.Host``."""
        activity, strand, act = self._waiting.pop(number)
        return self._resume(activity, strand, act, None, error)

    def abandon(self, activity: str) -> None:
        """See ``seam.Host``."""
        self.abandoned.append(activity)

    # How it goes on.

    def _resume(
        self, activity: str, strand: int, act: Act, value: object, error: Exception | None = None
    ) -> Heard:
        try:
            asked = act.send(value) if error is None else act.throw(error)
        except StopIteration as stop:
            return self._over(activity, strand, stop.value)
        except Exception as raised:
            return Heard(ended=[Ended(activity, error=f"{type(raised).__name__}: {raised}")])
        if not isinstance(asked, list):
            return self._heard([(activity, strand, act, asked)])
        self._left[activity] = len(asked)
        begun = [(activity, n, each, next(each)) for n, each in enumerate(asked, start=1)]
        return self._heard(begun)

    def _over(self, activity: str, strand: int, value: Any) -> Heard:
        if strand == 0:
            if isinstance(value, Again):
                return Heard(ended=[Ended(activity, again=value)])
            return Heard(ended=[Ended(activity, value=value)])
        self._left[activity] -= 1
        if self._left[activity]:
            return Heard()
        return self._resume(activity, 0, self._roots[activity], None)

    def _heard(self, begun: Sequence[tuple[str, int, Act, Question]]) -> Heard:
        asks = []
        for activity, strand, act, question in begun:
            self._numbers += 1
            self._waiting[self._numbers] = (activity, strand, act)
            asks.append(Ask(self._numbers, activity, strand, question))
        return Heard(asks, names=[(f"s{n}", f"work#{n}") for n in range(1, self.count + 1)])

    # The engine.

    def _start(self) -> Act:
        yield Create("r1", RunCreated("toy", b""))
        yield Send(Message("r1"), "", 0)
        return "r1"

    def _flow(self, message: Message) -> Act:
        try:
            yield Create(message.run_id, RunStarted())
        except (RunExpiredError, EntityConflictError):
            return
        page = yield ReadLog(message.run_id, None)
        done = {each.correlation_id for each in page.events if each.type == "step_completed"}
        missing = [f"s{n}" for n in range(1, self.count + 1) if f"s{n}" not in done]
        if missing:
            yield [self._ask(message.run_id, each) for each in missing]
        else:
            yield Create(message.run_id, RunCompleted(b"ok"))

    def _ask(self, run_id: str, step_id: str) -> Act:
        try:
            yield Create(run_id, StepCreated(step_id, "work", b""))
        except WorldError:
            self.log.append(f"{step_id} is there already")
        yield Send(Message(run_id, step_id, "work"), step_id, 0)

    def _step(self, message: Message) -> Act:
        run_id, step_id = message.run_id, message.step_id
        try:
            started = yield Create(run_id, StepStarted(step_id, "work"))
        except (RunExpiredError, EntityConflictError):
            return None
        attempt = started.step.attempt
        body = BodyInfo(run_id, step_id, "work", attempt, attempt, 0, b"")
        try:
            yield BodyBegins(body)
        except Exception as error:
            yield BodyEnds(body, "error", f"{type(error).__name__}: {error}", b"")
            return Again(1, "")
        yield BodyEnds(body, "ok", "", b"")
        yield Create(run_id, StepCompleted(step_id, b"1"))
        yield Send(Message(run_id), "", 0)
        return None

    # Not asked of a toy.

    def begin(self, trial: object) -> None:
        """See ``seam.Host``."""

    def end(self) -> None:
        """See ``seam.Host``."""

    def steps(self, program: ForeignProgram) -> Mapping[str, int]:
        """See ``seam.Host``."""
        return {"work": 3}

    def row_name(self, program: ForeignProgram) -> str:
        """See ``seam.Host``."""
        return "toy"

    def workflows(self, module: str) -> Mapping[str, str]:
        """See ``seam.Host``."""
        return {"toy": "()"}

    def check_args(self, program: ForeignProgram, args: Sequence[object]) -> None:
        """See ``seam.Host``."""
