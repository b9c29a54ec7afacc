"""Laws of bodies: why a step may run again (I-13), how often at most (I-13a), and alone (I-14).

I-13 is judged when a second body begins: every further body needs a reason that the records show.
Where they leave a doubt, the doubt is a reason; a false alarm would cost more than a late one.
"""

from __future__ import annotations

from typing import TypeAlias

from simworld.check.law import Context, Law, at
from simworld.records import (
    Anomaly,
    BodyBegan,
    BodyEnded,
    Committed,
    Crash,
    Delivered,
    LostAnswer,
)

StepKey: TypeAlias = tuple[str, str]
"""(run id, label of the step)."""

# --- I-13: every body has a reason ----------------------------------------------------------------


class _Bodies:
    """What speaks for the bodies of one step."""

    __slots__ = ("begun", "errors", "kills", "starts")

    def __init__(self) -> None:
        self.begun: list[BodyBegan] = []
        self.errors = 0
        self.kills = 0
        self.starts = 0


class _Reasons:
    """What speaks for bodies in the whole trial."""

    __slots__ = ("calm", "clocks_off_ms", "deliveries", "lost", "steps")

    def __init__(self, *, calm: bool, clocks_off_ms: int) -> None:
        self.clocks_off_ms = clocks_off_ms
        """By a clock that is ahead a lease is over so much earlier."""
        self.calm = calm
        """No fault has fired, no failure was planned, no host has died."""
        self.steps: dict[StepKey, _Bodies] = {}
        self.deliveries: list[Delivered] = []
        self.lost = 0

    def allowed(self, bodies: _Bodies, now_ms: int) -> tuple[int, str]:
        """How many bodies the step may have had by now, and the sum in words.

        One for the inline claim, if it was used; one for each delivery of the step's messages; one
        for each body that failed, and for each whose lease has run out.  After faults also one for
        each killed handler that had run it, each lost answer, and each redelivery of the run's
        other messages, since any of those may have had to run it once more.
        """
        body = bodies.begun[-1]
        own = [
            each
            for each in self.deliveries
            if each.step == body.step and each.run_id == body.run_id
        ]
        tasks = frozenset(each.task for each in own)
        inline = any(each.task not in tasks for each in bodies.begun)
        by_ms = now_ms + self.clocks_off_ms
        expired = sum(1 for each in bodies.begun[:-1] if 0 < each.lease_until_ms <= by_ms)
        total = len(own) + inline + bodies.errors + expired
        text = (
            f"{len(own)} deliveries, {int(inline)} inline, {bodies.errors} errors, "
            f"{expired} expired leases"
        )
        if self.calm:
            return total, text
        again = sum(
            1
            for each in self.deliveries
            if each.number > 1 and each.step != body.step and each.run_id == body.run_id
        )
        total += bodies.kills + self.lost + again
        return total, (
            f"{text}, {bodies.kills} kills, {self.lost} lost answers, {again} other redeliveries"
        )


def _i13(step: str, kind: str, what: str, turn: int) -> Anomaly:
    return Anomaly("I-13", kind, f"{step}: {what}", at(step), turn)


def _i13_start(context: Context) -> _Reasons:
    calm = not context.faults and not context.failures
    return _Reasons(calm=calm, clocks_off_ms=context.clocks_off_ms)


def _i13_started(state: _Reasons, record: Committed) -> None:
    key = (record.event.run_id, record.step)
    bodies = state.steps.get(key)
    if bodies is None:
        bodies = state.steps[key] = _Bodies()
    bodies.starts += 1


def _i13_completed(state: _Reasons, record: Committed) -> Anomaly | None:
    step = record.step
    bodies = state.steps.get((record.event.run_id, step))
    if bodies is not None and bodies.begun:
        return None
    what = "it has a result although no body of it has begun"
    return _i13(step, "result-without-body", what, record.turn)


def _i13_ended(state: _Reasons, record: BodyEnded) -> None:
    if record.outcome == "error":
        bodies = state.steps.get((record.run_id, record.step))
        if bodies is not None:
            bodies.errors += 1


def _i13_delivered(state: _Reasons, record: Delivered) -> None:
    state.deliveries.append(record)


def _i13_crash(state: _Reasons, record: Crash) -> None:
    state.calm = False  # a host may also have ended itself, which is no fault
    killed = frozenset(record.tasks)
    for bodies in state.steps.values():
        bodies.kills += sum(1 for each in bodies.begun if each.task in killed)


def _i13_lost(state: _Reasons, record: LostAnswer) -> None:
    state.lost += 1


def _i13_body(state: _Reasons, record: BodyBegan) -> Anomaly | None:
    step = record.step
    key = (record.run_id, step)
    bodies = state.steps.get(key)
    if bodies is None:
        bodies = state.steps[key] = _Bodies()
    bodies.begun.append(record)
    count = len(bodies.begun)
    if count > bodies.starts:
        what = f"body {count} began after {bodies.starts} accepted starts"
        return _i13(step, "more-bodies-than-starts", what, record.turn)
    if count == 1:
        return None
    allowed, reasons = state.allowed(bodies, record.now_ms)
    if count <= allowed:
        return None
    what = f"body {count} began, {allowed} are accounted for ({reasons})"
    return _i13(step, "unexplained-body", what, record.turn)


I_13 = Law(
    id="I-13",
    title="A step's body runs once, and once more for each failure, kill or further delivery.",
    on={
        "step_started": _i13_started,
        "step_completed": _i13_completed,
        BodyBegan: _i13_body,
        BodyEnded: _i13_ended,
        Delivered: _i13_delivered,
        Crash: _i13_crash,
        LostAnswer: _i13_lost,
    },
    start=_i13_start,
)

# --- I-13a: bodies are bounded --------------------------------------------------------------------


class _Counts:
    """How many bodies each step has had, one after the other."""

    __slots__ = ("alive", "bodies", "context", "exclusive")

    def __init__(self, context: Context) -> None:
        self.context = context
        self.exclusive = context.exclusive_bodies
        self.bodies: dict[StepKey, int] = {}
        self.alive: dict[StepKey, list[BodyBegan]] = {}
        """Those that have begun, have not ended, and whose host lives."""


def _i13a_body(state: _Counts, record: BodyBegan) -> Anomaly | None:
    """A body beside a running one is no further try: where that is wrong, I-13 and I-14 say so."""
    step = record.step
    key = (record.run_id, step)
    alive = state.alive.setdefault(key, [])
    alive.append(record)
    if len(alive) > 1 and not state.exclusive:
        return None
    count = state.bodies.get(key, 0) + 1
    state.bodies[key] = count
    if count == 1:
        return None
    retries, crashes = state.context.budget_of(step)
    most = retries + 1 + crashes
    if count <= most:
        return None
    message = (
        f"{step}: body {record.number} began, which makes {count} tries; max_retries + 1 and "
        f"crashes_max together allow {most}"
    )
    return Anomaly("I-13a", "unbounded-bodies", message, at(step), record.turn)


def _i13a_ended(state: _Counts, record: BodyEnded) -> None:
    alive = state.alive.get((record.run_id, record.step), [])
    alive[:] = [each for each in alive if each.number != record.number]


def _i13a_crash(state: _Counts, record: Crash) -> None:
    for alive in state.alive.values():
        alive[:] = [each for each in alive if each.host != record.host]


I_13A = Law(
    id="I-13a",
    title="A step's bodies are bounded by max_retries + 1 and crashes_max, whatever happens.",
    on={BodyBegan: _i13a_body, BodyEnded: _i13a_ended, Crash: _i13a_crash},
    start=_Counts,
)

# --- I-14: bodies do not overlap ------------------------------------------------------------------


class _Alive:
    """The bodies that have begun, have not ended, and whose host lives."""

    __slots__ = ("clocks_off_ms", "exclusive", "steps")

    def __init__(self, *, exclusive: bool, clocks_off_ms: int) -> None:
        self.exclusive = exclusive
        self.clocks_off_ms = clocks_off_ms
        """By a clock that is ahead a lease is over so much earlier."""
        self.steps: dict[StepKey, list[BodyBegan]] = {}


def _i14_start(context: Context) -> _Alive:
    return _Alive(exclusive=context.exclusive_bodies, clocks_off_ms=context.clocks_off_ms)


def _i14_crash(state: _Alive, record: Crash) -> None:
    for bodies in state.steps.values():
        bodies[:] = [each for each in bodies if each.host != record.host]


def _i14_began(state: _Alive, record: BodyBegan) -> Anomaly | None:
    if not state.exclusive:
        return None
    key = (record.run_id, record.step)
    alive = state.steps.get(key)
    if alive:
        return _overlap(alive, record, record.now_ms + state.clocks_off_ms)
    state.steps[key] = [record]
    return None


def _i14_ended(state: _Alive, record: BodyEnded) -> None:
    alive = state.steps.get((record.run_id, record.step))
    if alive is None:
        return
    for index, body in enumerate(alive):
        if body.number == record.number:
            del alive[index]
            break


def _overlap(alive: list[BodyBegan], record: BodyBegan, by_ms: int) -> Anomaly | None:
    """Join the bodies alive; it is the owner of the earlier start whose lease must have ended."""
    other = next(
        (
            each
            for each in alive
            for first in (each if each.start < record.start else record,)
            if first.lease_until_ms == 0 or first.lease_until_ms > by_ms
        ),
        None,
    )
    alive.append(record)
    if other is None:
        return None
    step = record.step
    message = (
        f"{step}: body {record.number} began while body {other.number} was running; its host "
        "lives and its lease has not expired"
    )
    return Anomaly("I-14", "overlapping-bodies", message, at(step), record.turn)


I_14 = Law(
    id="I-14",
    title="Two bodies of a step overlap only if the first one's host is dead or its lease is over.",
    on={BodyBegan: _i14_began, BodyEnded: _i14_ended, Crash: _i14_crash},
    start=_i14_start,
)
