"""The shrinker: from a failing trial to the fewest moves that still fail in the same way.

It makes candidates simpler and has each one run loosely; what comes back is what the candidate
really came to, which is often simpler still.  The passes, from the most to the least telling, are
repeated until none of them helps: drop a fault, drop blocks (delta debugging: Zeller and
Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), merge two blocks of one
task, weaken a fault, simplify the workload.  Values come last: a body that takes its time often
stands for many blocks, and dropping its duration first would leave them all in place.

Dropping a block shifts nothing else, since entries name a task and its own operation count: that
is why 150 blocks come down to the true minimum of 2 to 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import attrs

from simworld.records import FAULTS, Advance, Fault, Schedule, Workload

ATTEMPTS_MAX = 400
"""Attempts of one shrink; on reaching it the best candidate so far is the answer."""


@attrs.frozen
class Candidate:
    """A trial to try: everything that makes it fail, apart from the program."""

    schedule: Schedule
    faults: tuple[Fault, ...] = ()
    workload: Workload = attrs.Factory(Workload)


Attempt = Callable[[Candidate], Candidate | None]
"""Runs a candidate; on the same failure what it came to (applied entries, fired faults)."""


def moves(candidate: Candidate) -> int:
    """How many things somebody must do to see the failure: schedule entries and faults."""
    return len(candidate.schedule.entries) + len(candidate.faults)


Simpler = Callable[[Workload], Iterable[Workload]]
"""Simpler values of a trial, the simplest first."""


def no_simpler(workload: Workload) -> Iterable[Workload]:
    """Nothing beyond what can be done to any values."""
    return ()


def shrink(
    candidate: Candidate,
    attempt: Attempt,
    *,
    simpler: Simpler = no_simpler,
    budget: int = ATTEMPTS_MAX,
) -> Candidate:
    """The simplest candidate found that still fails, in at most ``budget`` attempts.

    ``simpler``: what else can be made simpler of its values than numbers of them.
    """
    search = _Search(candidate, attempt, budget, simpler)
    search.improves(attrs.evolve(candidate, schedule=Schedule()))
    before = None
    while before is not search.best:
        before = search.best
        for simplify in (_drop_faults, _drop_blocks, _merge_blocks, _weaken, _simplify_workload):
            simplify(search)
    return search.best


class _Search:
    """The best candidate so far and what has been tried."""

    def __init__(
        self, candidate: Candidate, attempt: Attempt, budget: int, simpler: Simpler
    ) -> None:
        self.best = candidate
        self.simpler = simpler
        self._attempt = attempt
        self._left = budget
        self._tried = {_identity(candidate)}

    def improves(self, candidate: Candidate) -> bool:
        """Try the candidate; keep what it came to when that fails and is simpler."""
        identity = _identity(candidate)
        if identity in self._tried or self._left <= 0:
            return False
        self._tried.add(identity)
        self._left -= 1
        effective = self._attempt(candidate)
        if effective is None or _size(effective) >= _size(self.best):
            return False
        self._tried.add(_identity(effective))
        self.best = effective
        return True

    def with_entries(self, entries: tuple[Advance, ...]) -> bool:
        """``improves`` for another schedule."""
        return self.improves(attrs.evolve(self.best, schedule=Schedule(entries)))

    def with_faults(self, faults: tuple[Fault, ...]) -> bool:
        """``improves`` for other faults."""
        return self.improves(attrs.evolve(self.best, faults=faults))


def _identity(candidate: Candidate) -> tuple[object, ...]:
    """Equal for candidates that must run alike: the texts of operations are only remarks."""
    entries = tuple((entry.task, entry.until) for entry in candidate.schedule.entries)
    return entries, candidate.faults, candidate.workload


def _size(candidate: Candidate) -> tuple[int, ...]:
    """What a better candidate has less of; every pass lowers one and raises none."""
    workload = candidate.workload
    return (
        moves(candidate),
        sum(fault.value for fault in candidate.faults if FAULTS[fault.kind].counted),
        len(workload.failures),
        workload.steps,
        sum(workload.durations_ms),
        len(workload.durations_ms),
        len(workload.extra),
        sum(abs(value) for _, value in workload.extra),
        sum(workload.picks),
        len(workload.picks),
    )


def _drop_faults(search: _Search) -> None:
    """All at once, then one by one, the last first."""
    if not search.best.faults or search.with_faults(()):
        return
    for index in reversed(range(len(search.best.faults))):
        faults = search.best.faults
        if index < len(faults):  # an attempt may have dropped more than it was asked to
            search.with_faults(faults[:index] + faults[index + 1 :])


def _weaken(search: _Search) -> None:
    """Fewer deliveries, fewer killed bodies, shorter delays."""
    for index in range(len(search.best.faults)):
        while index < len(search.best.faults):
            faults = search.best.faults
            fault = faults[index]
            if not FAULTS[fault.kind].counted or not any(
                search.with_faults((*faults[:index], weaker, *faults[index + 1 :]))
                for weaker in _weaker(fault)
            ):
                break


def _weaker(fault: Fault) -> Iterator[Fault]:
    """Once, half as often, once less; of large amounts a tenth less."""
    for value in dict.fromkeys((1, fault.value // 2, fault.value - max(1, fault.value // 10))):
        if 1 <= value < fault.value:
            yield attrs.evolve(fault, value=value)


def _simplify_workload(search: _Search) -> None:
    """Take the first simplification that still fails, as long as there is one."""
    while any(
        search.improves(attrs.evolve(search.best, workload=simpler))
        for simpler in chain(search.simpler(search.best.workload), _simpler(search.best.workload))
    ):
        continue


def _simpler(workload: Workload) -> Iterator[Workload]:
    """No failures, one failure less; no durations, one less; one step, half of them, one less.

    Extra values: none, so that all have their defaults; one less; one that is zero.
    """
    failures, durations, steps = workload.failures, workload.durations_ms, workload.steps
    if failures:
        yield attrs.evolve(workload, failures=())
    for index in range(len(failures)):
        yield attrs.evolve(workload, failures=failures[:index] + failures[index + 1 :])
    if durations:
        yield attrs.evolve(workload, durations_ms=())
    for index, duration in enumerate(durations):
        if duration:
            shorter = (*durations[:index], 0, *durations[index + 1 :])
            yield attrs.evolve(workload, durations_ms=shorter)
    for fewer in dict.fromkeys((1, steps // 2, steps - 1)):
        if 1 <= fewer < steps:
            yield attrs.evolve(workload, steps=fewer)
    extra = workload.extra
    if extra:
        yield attrs.evolve(workload, extra=())
    for index, (name, value) in enumerate(extra):
        yield attrs.evolve(workload, extra=extra[:index] + extra[index + 1 :])
        if value:
            zero = (*extra[:index], (name, 0), *extra[index + 1 :])
            yield attrs.evolve(workload, extra=zero)


def _drop_blocks(search: _Search) -> None:
    """Chunks of half the schedule, then of a quarter …; from the end, so that positions hold."""
    size = len(search.best.schedule.entries) // 2 or 1
    while size:
        end = len(search.best.schedule.entries)
        while end > 0:
            start = max(0, end - size)
            entries = search.best.schedule.entries
            search.with_entries(entries[:start] + entries[end:])
            end = min(start, len(search.best.schedule.entries))
        size //= 2


def _merge_blocks(search: _Search) -> None:
    """Let a task do at once what it now does in two blocks.

    Only into the earlier place: into the later one it is the same as dropping the earlier block.
    """
    for later in reversed(range(len(search.best.schedule.entries))):
        entries = search.best.schedule.entries
        if later >= len(entries):
            continue
        for earlier in reversed(range(later)):
            if entries[earlier].task == entries[later].task:
                longer = attrs.evolve(entries[earlier], until=entries[later].until)
                between = entries[earlier + 1 : later]
                search.with_entries((*entries[:earlier], longer, *between, *entries[later + 1 :]))
                break
