"""Confirmation: what came of showing a finding without any simulation."""

from __future__ import annotations

import enum

import attrs


class Level(enum.StrEnum):
    """How far the evidence for a finding goes."""

    CONFIRMED = "confirmed"
    """It was seen on the engine's own world, queue and clock."""
    SIMULATED_ONLY = "simulated only"
    """It was seen in the simulation, and nowhere else."""
    WORLD_CONTRACT = "world contract"
    """The simulated world has broken a promise of its own: it says nothing about the engine."""


@attrs.frozen
class Attempt:
    """One run of the script, in a process and a folder of its own."""

    failed: bool
    """The same law was broken in the same way."""
    seen: str
    """What was seen instead, or how the run has ended; one line."""
    followed: int = 0
    """Operations that came in the order of the repro."""
    skipped: int = 0
    """Operations of the repro that never came."""
    repeated: int = 0
    """Deliveries that had failed, and were sent again by the script at once."""


@attrs.frozen
class Confirmation:
    """What became of trying to show a finding for real."""

    level: Level
    why: str
    """One sentence: what was seen how often, or what it needs that cannot be had for real."""
    needs: tuple[str, ...] = ()
    """What cannot be had for real: kinds of faults, a day of sleep; of *simulated only*."""
    attempts: tuple[Attempt, ...] = ()
    """In the repro's order."""
    plain: tuple[Attempt, ...] = ()
    """With everything left to chance: no order, no duplicate, no failed call.

    What the workload plans stays: which bodies fail, and how often a step may be tried again.
    """
    script: str = ""
    """The stand-alone script; empty where there is none."""
    untried: str = ""
    """Why there is no script, where nothing says that one could not show it."""
    added: tuple[str, ...] = ()
    """What the script has done to the engine: delays, duplicates, a failed call."""
    again: str = ""
    """The command that runs the script."""

    @property
    def failures(self) -> int:
        """Attempts that showed the failure."""
        return sum(each.failed for each in self.attempts)

    @property
    def plain_failures(self) -> int:
        """Attempts that showed it by chance alone."""
        return sum(each.failed for each in self.plain)

    def __str__(self) -> str:
        if self.level is Level.CONFIRMED:
            return f"{self.level} ({self.failures} of {len(self.attempts)})"
        needs = f" (needs {' and '.join(self.needs)})" if self.needs else ""
        untried = f" (not tried: {self.untried})" if self.untried else ""
        return f"{self.level}{needs}{untried}"
