"""Goal: whatever a workflow is made of, the engine runs it to its end, once, by its log alone.

Method: the workflow is drawn, too: sequences, gathers, races, loops, hooks whose payloads come from
its own steps, deadlines, child runs, aborts, clock readings and randomness, at most four deep; with
no fault at all (undisturbed) and with duplicates, a crash and a lost answer (struck).
Right outcome: every run ends, and a cold replay of its log ends in the same way (I-16).
"""

from __future__ import annotations

from simworld.campaign import GENERATED, Case, Scenario, drawn_program
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload

PROGRAMS = 1_000_000
"""Programs that may be drawn; a workload names its own by number."""
VICTIMS = 6
"""A nemesis aims at the steps with the first so many ordinals."""


def drawn(stream: Stream) -> Workload:
    """A program by its number."""
    return Workload(steps=1, extra=(("program", stream.below(PROGRAMS)),))


def program_of(workload: Workload) -> tuple[object, ...]:
    """The run's one argument."""
    return (drawn_program(Stream(workload.value("program", 0))),)


def targets(workload: Workload) -> list[str]:
    """The steps that a program begins with, as far as it has them."""
    return [f"work#{number}" for number in range(1, VICTIMS + 1)]


scenario = Scenario(
    name="generated_programs",
    title="drawn workflows end once, by their logs alone, under all faults of the contract",
    law="I-16",
    laws=(
        *("I-04", "I-06", "I-07", "I-08", "I-13", "I-17", "I-21", "I-22"),
        *("L-02", "L-03", "L-04", "L-05", "L-06", "L-07"),
    ),
    workflow=GENERATED.workflow,
    steps=tuple(GENERATED.steps.values()),
    args=program_of,
    targets=targets,
    may_fail=True,  # bodies of ``risky`` do
    turns_max=20_000,
    marks=("delivery.duplicate", "handler.crashed", "retry.after_error"),
    cases=(
        Case(
            name="undisturbed",
            title="no fault; the order of turns alone",
            draw=drawn,
            budget=FaultBudget(),
            expect={"v2_merge": "FAIL I-17 I-16 I-21", "fixed": "PASS"},
        ),
        Case(
            name="struck",
            title="duplicates, a crash and a lost answer",
            draw=drawn,
            budget=FaultBudget(duplicates=2, crashes=1, lost_answers=1),
            expect={"v2_merge": "FAIL I-16 I-17 I-21 I-22 L-01", "fixed": "PASS"},
        ),
    ),
)
