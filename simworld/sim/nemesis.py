"""The nemesis: draws faults within a budget; and its twin, which repeats recorded ones.

Swarm per trial (decisions §4.6): which kinds are on and how many there may be is drawn anew for
every trial, and with probability ½ one victim (the messages of one step, or the flow messages)
receives all of it.  Spread over all messages, three duplicates never meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from simworld.entropy import Stream
from simworld.records import FAULTS, Fault, FaultBudget, FaultKind

KIND_ON = 0.8
FULL_BUDGET = 0.5
VICTIM = 0.5
HIT = 0.3
"""Probability that a task or message without a victim's role is hit."""
POSITION_MAX = 14
"""A crash or a lost answer happens at one of the first operations of its task."""
CHILD_SHARE = 5
"""A part of a gather has so many times fewer operations than a delivery."""
REQUEST_HIT = 0.1
"""Probability that a request is hit; of a victim's requests it is three times as much."""
REQUEST_FAULTS = {
    "lost_request": "lost_requests",
    "duplicate_request": "duplicate_requests",
    "late_answer": "late_answers",
    "stale_read": "stale_reads",
    "holed_read": "holed_reads",
}
"""Kind of fault that strikes a request → its budget; drawn in this order."""
CRASH_FAULTS = {"torn_write": "torn_writes", "power_loss": "power_losses"}
"""Kind of fault that makes a crash worse → its budget."""
_OF_OLD = ("duplicate", "crash", "lost_answer", "kill_bodies", *REQUEST_FAULTS, *CRASH_FAULTS)
"""Kinds that have a question of their own; all others are planned for operations, or befall."""
PLANNED = {kind.name: kind for kind in FAULTS.values() if kind.operation}
"""Kinds that are planned for one operation of a task."""
BEFALLING = {
    kind.name: kind
    for kind in FAULTS.values()
    if kind.name not in _OF_OLD and kind.name not in PLANNED
}
"""Kinds that happen where somebody asks whether they do."""


class Faults(Protocol):
    """Who decides about faults."""

    def arm(self, name: str, part: str, *, child: bool) -> tuple[int, int]:
        """For a new task: at which of its operations its host dies, and which answer is lost.

        0 means never.  ``part`` is the last part of its path: ``flow``, ``work#3`` …
        """

    def plan(self, name: str, part: str, *, child: bool) -> dict[int, Fault] | None:
        """For a new task, asked after ``arm``: the number of an operation → what strikes it.

        Whoever performs the operation looks at ``kernel.striking``, and if the fault applies there
        (``spends``), notes it and does as it says.
        """

    def befalls(self, kind: str, target: str, part: str, most: int) -> int:
        """The value of a fault that could happen here and now, at most ``most``; 0: it does not.

        ``part`` is whose messages it concerns, empty where it is nobody's in particular.  Asked in
        the search only, once for each target; whoever gets a value notes the fault.
        """

    def duplicates(self, name: str, part: str) -> int:
        """Extra deliveries of the message just accepted."""

    def kills_body(self, step: str) -> bool:
        """Whether the body that is about to end dies instead."""

    def spends(self, kind: str) -> bool:
        """Whether a crash, a lost answer or a planned fault may happen now; counts it if so."""

    def strikes(self, name: str, part: str, most: Mapping[str, int]) -> Fault | None:
        """What befalls the request about to travel, which works for the message ``part``.

        ``most``: the kinds of fault that it may meet, and the largest value of each.
        """

    def worsens(self, kind: str, name: str) -> bool:
        """Whether the crash that has just struck the task called so is one of this kind, too."""


class NoFaults:
    """Nothing ever goes wrong."""

    def arm(self, name: str, part: str, *, child: bool) -> tuple[int, int]:
        """Never."""
        return 0, 0

    def plan(self, name: str, part: str, *, child: bool) -> dict[int, Fault] | None:
        """Nothing."""
        return None

    def befalls(self, kind: str, target: str, part: str, most: int) -> int:
        """Nothing."""
        return 0

    def duplicates(self, name: str, part: str) -> int:
        """None."""
        return 0

    def kills_body(self, step: str) -> bool:
        """No."""
        return False

    def spends(self, kind: str) -> bool:
        """No."""
        return False

    def strikes(self, name: str, part: str, most: Mapping[str, int]) -> Fault | None:
        """Nothing."""
        return None

    def worsens(self, kind: str, name: str) -> bool:
        """No."""
        return False


class Nemesis:
    """Draws; ``steps`` are the labels that may become victims, more often where they repeat."""

    def __init__(
        self,
        stream: Stream,
        budget: FaultBudget,
        steps: Sequence[str],
        *,
        reach: int = POSITION_MAX,
    ) -> None:
        """``reach``: crashes and lost answers happen at one of so many first operations."""
        self._stream = stream
        self._reach = reach
        self._duplicates = self._size(budget.duplicates)
        self._crashes = self._size(budget.crashes)
        self._lost_answers = self._size(budget.lost_answers)
        self._kills = self._size(budget.kill_bodies) if steps else 0
        self._kill_step = stream.choice(steps) if self._kills else ""
        self.victim = ""
        """Whose messages receive all of it: a step's label, ``flow``, or empty: anybody's."""
        if stream.chance(VICTIM):
            self.victim = stream.choice([*steps, "flow"])
        sizes = {kind: self._size(getattr(budget, of)) for kind, of in REQUEST_FAULTS.items()}
        self._requests = {kind: size for kind, size in sizes.items() if size}
        """Kind → how many requests may still be struck by it."""
        self._worse = {kind: self._size(getattr(budget, of)) for kind, of in CRASH_FAULTS.items()}
        self._planned = self._sizes(PLANNED, budget)
        self._befalling = self._sizes(BEFALLING, budget)

    def _sizes(self, kinds: Mapping[str, FaultKind], budget: FaultBudget) -> dict[str, int]:
        """Kind → how often it may still happen; only those that may."""
        sizes = {name: self._size(getattr(budget, kind.budget)) for name, kind in kinds.items()}
        return {name: size for name, size in sizes.items() if size}

    def _size(self, most: int) -> int:
        if most == 0 or not self._stream.chance(KIND_ON):
            return 0
        if self._stream.chance(FULL_BUDGET):
            return most
        return self._stream.between(1, most)

    def _amount(self, most: int) -> int:
        """From 1 to ``most``; small ones as likely as large ones."""
        return self._stream.between(1, most >> self._stream.below(most.bit_length()))

    def _hits(self, part: str) -> bool:
        if self.victim and part:
            return part == self.victim
        return self._stream.chance(HIT)

    def arm(self, name: str, part: str, *, child: bool) -> tuple[int, int]:
        """See ``Faults``; children (parts of a gather) lose answers but start no crash."""
        crash_at = lose_at = 0
        if self._crashes > 0 and not child and self._hits(part):
            crash_at = self._stream.between(2, self._reach)
        if self._lost_answers > 0:
            if child:
                lose_at = 1 if self._stream.chance(HIT / 3) else 0
            elif self._hits(part):
                lose_at = self._stream.between(2, self._reach)
        return crash_at, lose_at

    def plan(self, name: str, part: str, *, child: bool) -> dict[int, Fault] | None:
        """See ``Faults``; a part of a gather is struck at one of its first operations."""
        if not self._planned:
            return None
        found: dict[int, Fault] = {}
        for kind, left in self._planned.items():
            if left <= 0:
                continue
            if child:
                if not self._stream.chance(HIT / 3):
                    continue
                number = self._stream.between(1, self._reach // CHILD_SHARE)
            elif self._hits(part):
                number = self._stream.between(2, self._reach)
            else:
                continue
            amount = self._amount(PLANNED[kind].most)
            found.setdefault(number, Fault(kind, f"{name}@{number}", amount))
        return found

    def befalls(self, kind: str, target: str, part: str, most: int) -> int:
        """See ``Faults``."""
        left = self._befalling.get(kind, 0)
        if left <= 0 or most < 1 or not self._hits(part):
            return 0
        self._befalling[kind] = left - 1
        return self._amount(most)

    def duplicates(self, name: str, part: str) -> int:
        """See ``Faults``."""
        if not self._duplicates or not self._hits(part):
            return 0
        count = self._duplicates if self.victim else self._stream.between(1, self._duplicates)
        self._duplicates -= count
        return count

    def kills_body(self, step: str) -> bool:
        """See ``Faults``."""
        if not self._kills or step != self._kill_step:
            return False
        self._kills -= 1
        return True

    def spends(self, kind: str) -> bool:
        """See ``Faults``: more tasks are armed than the budget allows to be hit."""
        if kind == "crash":
            self._crashes -= 1
            return self._crashes >= 0
        if kind in self._planned:
            self._planned[kind] -= 1
            return self._planned[kind] >= 0
        self._lost_answers -= 1
        return self._lost_answers >= 0

    def strikes(self, name: str, part: str, most: Mapping[str, int]) -> Fault | None:
        """See ``Faults``."""
        if not self._requests or (self.victim and part != self.victim):
            return None
        chance = REQUEST_HIT * 3 if self.victim else REQUEST_HIT
        for kind, left in self._requests.items():
            if left and kind in most and self._stream.chance(chance):
                self._requests[kind] = left - 1
                return Fault(kind, name, self._stream.between(1, most[kind]))
        return None

    def worsens(self, kind: str, name: str) -> bool:
        """See ``Faults``."""
        self._worse[kind] -= 1
        return self._worse[kind] >= 0


class RecordedFaults:
    """Repeats the faults of a repro, found by their stable names."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._by_kind: dict[str, dict[str, int]] = {kind: {} for kind in FAULTS}
        self._plans: dict[str, dict[int, Fault]] = {}
        for fault in faults:
            self._by_kind[fault.kind][fault.target] = fault.value
            if FAULTS[fault.kind].operation:
                name, _, number = fault.target.rpartition("@")
                if number.isdecimal():
                    self._plans.setdefault(name, {})[int(number)] = fault

    def arm(self, name: str, part: str, *, child: bool) -> tuple[int, int]:
        """See ``Faults``."""
        by_kind = self._by_kind
        return by_kind["crash"].get(name, 0), by_kind["lost_answer"].get(name, 0)

    def plan(self, name: str, part: str, *, child: bool) -> dict[int, Fault] | None:
        """See ``Faults``."""
        return self._plans.get(name)

    def befalls(self, kind: str, target: str, part: str, most: int) -> int:
        """See ``Faults``; where less is possible than was recorded, as much as is."""
        return min(self._by_kind[kind].get(target, 0), most)

    def duplicates(self, name: str, part: str) -> int:
        """See ``Faults``."""
        return self._by_kind["duplicate"].get(name, 0)

    def kills_body(self, step: str) -> bool:
        """See ``Faults``."""
        left = self._by_kind["kill_bodies"].get(step, 0)
        if left:
            self._by_kind["kill_bodies"][step] = left - 1
        return left > 0

    def spends(self, kind: str) -> bool:
        """Yes: the record says what happens."""
        return True

    def strikes(self, name: str, part: str, most: Mapping[str, int]) -> Fault | None:
        """See ``Faults``."""
        for kind in most:
            value = self._by_kind[kind].get(name, 0)
            if value:
                return Fault(kind, name, value)
        return None

    def worsens(self, kind: str, name: str) -> bool:
        """See ``Faults``."""
        return name in self._by_kind[kind]


def merged(faults: Sequence[Fault]) -> tuple[Fault, ...]:
    """The faults that fired, one entry per kind and target; what is counted is added up."""
    found: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        key = (fault.kind, fault.target)
        known = found.get(key)
        adds_up = known is not None and FAULTS[fault.kind].counted
        found[key] = Fault(*key, known.value + fault.value) if known and adds_up else fault
    return tuple(sorted(found.values()))
