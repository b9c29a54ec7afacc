"""Goal: whatever a workflow is made of, the engine runs it to its end, once, by its log alone.

Method: the workflow is drawn, too: sequences, gathers, races, loops, hooks whose payloads come from
its own steps, deadlines, child runs, aborts, clock readings and randomness, at most four deep; with
no fault at all (undisturbed) and with duplicates, a crash and a lost answer (struck).
Right outcome: every run ends, and a cold replay of its log ends in the same way (I-16).
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from simworld.campaign import (
    GENERATED,
    Case,
    Drawing,
    Node,
    Scenario,
    draw_program,
    program_text,
    reading,
    simpler_picks,
)
from simworld.entropy import Stream
from simworld.records import FaultBudget, Workload

PROGRAMS = 1_000_000
"""Programs that may be drawn."""
VICTIMS = 6
"""A nemesis aims at the steps with the first so many ordinals."""


def drawn(stream: Stream) -> Workload:
    """The picks of a program; its steps are counted by whoever runs it."""
    drawing = Drawing(Stream(stream.below(PROGRAMS)).below)
    draw_program(drawing)
    return Workload(steps=1, picks=tuple(drawing.picks))


def program_of(workload: Workload) -> Node:
    """The run's one argument."""
    return draw_program(reading(workload.picks))


def simpler(workload: Workload) -> Iterator[Workload]:
    """Programs with less in them."""
    for picks in simpler_picks(workload.picks, draw_program):
        yield attrs.evolve(workload, picks=picks)


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
    args=lambda workload: (program_of(workload),),
    targets=targets,
    simpler=simpler,
    told=lambda workload: ["The program:", *program_text(program_of(workload))],
    generated=True,
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
