"""The table of decisions §2 as data: one cell per case and guard, run the same way at any size.

A faulty cell must be found; a clean one must stay clean for all trials, and counts only if nearly
all runs ended, deliveries overlapped and the marks of its case were reached (decisions §7.3).
"""

from __future__ import annotations

import gc

import attrs

from simworld import marks
from simworld.campaign import (
    PRESETS,
    Hunter,
    Variant,
    declared_verdict,
    load_scenarios,
    preset,
    with_knob,
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
}
OVERLAPPING = {"G4": "start.refused_running", "G8": "start.refused_leased"}
"""Guard → the mark of a second start while the first is alive; else it is accepted."""


@attrs.frozen
class Cell:
    """One claim of the table."""

    scenario: str
    case: str
    guard: str
    claim: str

    @property
    def name(self) -> str:
        """Readable, unique."""
        return f"{self.case}-{self.guard}"

    @property
    def variant(self) -> Variant:
        """The preset, or the merged one with another guard."""
        if self.guard in PRESETS:
            return preset(self.guard)
        return with_knob(preset("v2_merge"), f"attempt_guard={self.guard}")

    @property
    def marks(self) -> tuple[str, ...]:
        """What a clean pass must have reached."""
        if "delivery.duplicate" not in MARKS[self.case]:
            return MARKS[self.case]
        guard = "G8" if self.guard == "fixed" else self.guard
        return (*MARKS[self.case], OVERLAPPING.get(guard, "start.accepted_while_running"))


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
    found = []
    for scenario in SCENARIOS.values():
        for case in scenario.cases:
            for guard in GUARDS:
                cell = Cell(scenario.name, case.name, guard, "")
                verdict = declared_verdict(scenario, cell.variant, case.name)
                if verdict is not None:
                    found.append(attrs.evolve(cell, claim=str(verdict)))
    return found


def run_cell(cell: Cell, trials: int, seed: int = 0) -> Outcome:
    """Run the cell's trials, up to its first failure."""
    hunter = Hunter(SCENARIOS[cell.scenario], cell.variant, seed=seed, case=cell.case)
    before = marks.snapshot()
    ended = runs = overlapped = 0
    verdict, number = PASS, 0
    gc.disable()
    try:
        for number in range(trials):
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
        assert outcome.overlap_share >= 0.3, f"{cell}: {outcome}"
        assert outcome.missing_marks == (), f"{cell}: {outcome}"
