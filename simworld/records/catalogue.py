"""The catalogue of known races (spec §6): what each entry claims, and what searching for it showed.

A *system* names what trials run on: a preset, changed knobs, and a world if that is not the atomic
one: ``v2_merge attempt_guard=G0 @ local-pr``.
"""

from __future__ import annotations

import enum
import re
import statistics
from collections.abc import Sequence

import attrs

from simworld.errors import UsageError


@attrs.frozen(kw_only=True)
class Fix:
    """A system on which the race of an entry is gone, wholly or in part."""

    system: str
    remains: str = ""
    """What a partial fix leaves, so that it must be found again; empty: the fix is full."""


class Role(enum.StrEnum):
    """What a system stands for in an entry."""

    FAULTY = "faulty"
    FIX = "fix"
    PARTIAL = "partial fix"
    BENIGN = "benign"

    @property
    def is_clean(self) -> bool:
        """Nothing may be found on it."""
        return self in (Role.FIX, Role.BENIGN)


@attrs.frozen(kw_only=True)
class Race:
    """One entry of the catalogue."""

    id: str
    """As in the spec: ``R-26``."""
    title: str
    trigger: str
    """Who meets whom, in a sentence or two; entities by their names in the scenario."""
    laws: tuple[str, ...] = ()
    """The law that the faulty system breaks, then others by which the same race may show."""
    scenario: str = ""
    case: str = ""
    faulty: str = ""
    """The system that has the race; empty for a benign entry."""
    fixes: tuple[Fix, ...] = ()
    """Of a benign entry: the systems that must stay green."""
    answer: str = ""
    """Of an entry that the spec marks as derived: confirmed or refuted, and by what."""
    absent: str = ""
    """Why the simulated system cannot have it, and what was tried; empty: it is searched for."""
    source: str = ""

    def __attrs_post_init__(self) -> None:
        if not re.fullmatch(r"[\w.-]+", self.id):
            raise UsageError(
                f"the id {self.id!r} names files, too: letters, digits, . _ and - only"
            )
        if self.absent:
            return
        if not (self.scenario and self.case and self.fixes and self.source):
            raise UsageError(f"{self.id} needs a scenario, a case, fixes and a source")
        if bool(self.faulty) != bool(self.laws):
            raise UsageError(f"{self.id}: a faulty system breaks laws, a benign entry names none")

    @property
    def is_benign(self) -> bool:
        """Nothing is wrong: it must not be reported."""
        return not (self.faulty or self.absent)

    @property
    def systems(self) -> tuple[tuple[Role, str], ...]:
        """Everything to search, the faulty system first."""
        systems = [(Role.FAULTY, self.faulty)] if self.faulty else []
        for fix in self.fixes:
            role = Role.PARTIAL if fix.remains else Role.FIX
            systems.append((Role.BENIGN if self.is_benign else role, fix.system))
        return tuple(systems)


@attrs.frozen
class Search:
    """Trials of one entry, on one system, from one seed."""

    race: str
    role: Role
    system: str
    seed: int
    trials: int
    """The most that are run; a system that must fail is left at its first failure."""

    @property
    def key(self) -> tuple[str, str, str, int]:
        """Equal for searches that differ in their sizes only."""
        return self.race, self.role.value, self.system, self.seed


@attrs.frozen
class Searched:
    """What a search has shown."""

    search: Search
    trials: int
    """How many were run."""
    law: str
    """That was broken first; empty: none was."""
    moves: int | None
    """Of the shrunk failure; None where none was shrunk."""
    seconds: float
    """Wall time until it was found, or until all trials were run; without shrinking."""
    ended_share: float
    overlap_share: float
    missing_marks: tuple[str, ...]
    """Places that the case says a search must have been to, and that this one was not."""
    source: str = ""
    """Digest of the source that was searched; empty: nobody keeps it."""

    def answers(self, search: Search) -> bool:
        """Whether a search that may be smaller would show nothing else."""
        if self.search.key != search.key:
            return False
        return self.trials <= search.trials if self.law else self.search.trials >= search.trials

    @property
    def is_right(self) -> bool:
        """A faulty system was found, a clean one was clean and its silence means something."""
        if not self.search.role.is_clean:
            return bool(self.law)
        return not self.law and not self.missing_marks and self.ended_share >= 0.99


@attrs.frozen
class Shown:
    """What all searches of one system of an entry have shown."""

    role: Role
    system: str
    searched: tuple[Searched, ...]
    """One for each seed."""

    @property
    def is_right(self) -> bool:
        """As the entry says it is."""
        return all(each.is_right for each in self.searched)

    @property
    def found(self) -> int:
        """From how many seeds it failed."""
        return sum(1 for each in self.searched if each.law)

    @property
    def trials(self) -> int:
        """All that were run."""
        return sum(each.trials for each in self.searched)

    @property
    def laws(self) -> tuple[str, ...]:
        """That were broken first, the one that most seeds broke in front."""
        laws = [each.law for each in self.searched if each.law]
        return tuple(sorted(dict.fromkeys(laws), key=lambda law: -laws.count(law)))

    @property
    def trials_to_find(self) -> float | None:
        """The median over the seeds that found it."""
        return median([each.trials for each in self.searched if each.law])

    @property
    def seconds_to_find(self) -> float | None:
        """The median over the seeds that found it, without shrinking."""
        return median([each.seconds for each in self.searched if each.law])

    @property
    def moves(self) -> float | None:
        """The median over the failures that were shrunk."""
        return median([each.moves for each in self.searched if each.moves is not None])


@attrs.frozen
class Examined:
    """One entry, and what its searches have shown."""

    race: Race
    shown: tuple[Shown, ...]

    @property
    def is_answered(self) -> bool:
        """Everything that the entry says was looked for, and is so."""
        return bool(self.shown) and self.is_whole and self.is_right

    @property
    def is_right(self) -> bool:
        """Nothing that was looked for is otherwise than the entry says."""
        return all(each.is_right for each in self.shown)

    @property
    def is_whole(self) -> bool:
        """Every system of the entry was looked at; not so if somebody stopped the searches."""
        return self.race.absent != "" or len(self.shown) == len(self.race.systems)

    @property
    def faulty(self) -> Shown | None:
        """What the faulty system has shown."""
        return next((each for each in self.shown if each.role is Role.FAULTY), None)

    @classmethod
    def of(cls, race: Race, searched: Sequence[Searched]) -> Examined:
        """The searches of one entry, system by system, in the order of the seeds."""
        shown = [
            Shown(
                role,
                system,
                tuple(
                    each
                    for each in sorted(searched, key=lambda each: each.search.seed)
                    if (each.search.role, each.search.system) == (role, system)
                ),
            )
            for role, system in race.systems
        ]
        return cls(race, tuple(each for each in shown if each.searched))


def median(values: Sequence[float]) -> float | None:
    """The median; None of nothing."""
    return statistics.median(values) if values else None
