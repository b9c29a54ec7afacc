"""The claims of all scenarios as data: one cell per case and variant, run alike at any size.

The largest part is the table of decisions §2, whose variants are guards.

A faulty cell must be found; a clean one must stay clean for all trials, and counts only if nearly
all runs ended, deliveries overlapped and the marks of its case were reached (decisions §7.3).
"""

from __future__ import annotations

import gc

import attrs

from simworld import marks
from simworld.campaign import (
    Hunter,
    Variant,
    claimed_variant,
    load_scenarios,
)
from simworld.records import PASS

SCENARIOS = load_scenarios()
GUARDS = ("v2_merge", "fixed", "G0", "G2", "G3", "G4", "G6", "G7", "G8")

MARKS = {
    "R-01": ("delivery.duplicate",),
    "R-02": ("delivery.duplicate", "body.flaked", "retry.after_error"),
    "R-03": ("delivery.duplicate", "body.flaked", "retry.after_error"),
    "R-04": ("delivery.duplicate", "body.flaked", "retry.after_error"),
    "no-fault": ("body.flaked", "retry.after_error"),
    "R-05": ("handler.crashed", "handler.crashed_in_body"),
    "R-06": ("handler.crashed_in_body",),
    "R-07": ("delivery.duplicate", "body.flaked", "retry.after_error"),
    "rough": ("delivery.duplicate", "handler.crashed", "retry.after_error"),
    "healthy": ("body.flaked", "guard.l469_fired", "retry.after_error"),
    "R-38": ("delivery.duplicate",),
}
CLIENT_MEETS_HANDLER = ("cursor_dedupe",)
"""Scenarios in which it is a client that a handler meets; their deliveries need not overlap."""
SHARE = {"child_pool": 0.004, "crash_strip": 0.3}
"""Scenario → the share of all trials that its cells run: a trial of the one is dozens of runs; the
other's are all of one run, whose operations ``bench.strip`` strikes one by one."""
OVERLAPPING = {"G4": "start.refused_running", "G8": "start.refused_leased"}
"""Guard → the mark of a second start while the first is alive; else it is accepted."""


ATTEMPTS = ("concurrent_first_attempts", "inflated_attempts", "retry_exhaustion")
"""The scenarios of the table of decisions §2."""


@attrs.frozen
class Cell:
    """One claim of the table."""

    scenario: str
    case: str
    key: str
    """The variant, as ``Case.expect`` names it."""
    claim: str

    @property
    def name(self) -> str:
        """Readable, unique."""
        return f"{self.case}-{self.key}"

    @property
    def variant(self) -> Variant:
        """What it runs on."""
        return claimed_variant(self.key)

    @property
    def marks(self) -> tuple[str, ...]:
        """What a clean pass must have reached."""
        marks_ = MARKS.get(self.case, ())
        if "delivery.duplicate" not in marks_ or self.scenario in CLIENT_MEETS_HANDLER:
            return marks_
        guard = "G8" if self.key == "fixed" else self.key
        return (*marks_, OVERLAPPING.get(guard, "start.accepted_while_running"))

    def size(self, trials: int) -> int:
        """How many of ``trials`` it runs."""
        return max(1, int(trials * SHARE.get(self.scenario, 1)))


@attrs.frozen
class Outcome:
    """What came of a cell."""

    verdict: str
    """Of the first failing trial, or PASS."""
    trials: int
    ended_share: float
    overlap_share: float
    missing_marks: tuple[str, ...]


def cells() -> list[Cell]:
    """Every claim that a scenario makes, case by case."""
    return [
        Cell(scenario.name, case.name, key, " ".join(claim.split()[:2]))
        for scenario in SCENARIOS.values()
        for case in scenario.cases
        for key, claim in case.expect.items()
        if claim != "-"
    ]


def run_cell(cell: Cell, trials: int, seed: int = 0) -> Outcome:
    """Run the cell's trials, up to its first failure."""
    hunter = Hunter(SCENARIOS[cell.scenario], cell.variant, seed=seed, case=cell.case)
    before = marks.snapshot()
    ended = runs = overlapped = 0
    verdict, number = PASS, 0
    gc.disable()
    try:
        for number in range(cell.size(trials)):
            if number % 100 == 0:
                gc.collect(0)
            trial = hunter.trial(number)
            ended += trial.ended_count
            runs += trial.runs_count
            overlapped += trial.overlapped
            if trial.verdict.outcome != PASS:
                verdict = str(trial.verdict)
                break
    finally:
        gc.enable()
    reached = marks.since(before)
    return Outcome(
        verdict,
        number + 1,
        ended / runs,
        overlapped / (number + 1),
        tuple(mark for mark in cell.marks if mark not in reached),
    )


def check_outcome(cell: Cell, outcome: Outcome) -> None:
    """Assert that the cell is what the table says, and that a clean one means something."""
    assert outcome.verdict == cell.claim, f"{cell}: {outcome}"
    if cell.claim == PASS:
        assert outcome.ended_share >= 0.99, f"{cell}: {outcome}"
        if cell.scenario not in CLIENT_MEETS_HANDLER:
            assert outcome.overlap_share >= 0.3, f"{cell}: {outcome}"
        assert outcome.missing_marks == (), f"{cell}: {outcome}"
