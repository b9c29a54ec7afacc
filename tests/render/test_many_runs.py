"""Stories of trials with client scripts, jobs and several runs."""

from __future__ import annotations

import attrs

from simworld.records import Turn, Workload
from simworld.render import story_text
from tests.render import samples


def test_events_of_another_run_are_not_taken_for_those_of_the_story() -> None:
    """The same step label, type, time and position, in the log of a child."""
    story = samples.story()
    at = next(n for n, turn in enumerate(story.turns) if turn.op.endswith("started of work#3"))
    mine = story.turns[at]._replace(outcome="done")
    child = Turn(
        mine.turn,
        mine.now_ms,
        mine.task,
        "record step_started of run:work#1/work#3",
        "event 8, attempt 1",
        (("step run:work#1/work#3", True), ("log run:work#1", True)),
    )
    told = attrs.evolve(story, turns=(*story.turns[:at], child, mine, *story.turns[at + 1 :]))
    lines = [line for line in story_text(told).splitlines() if "step_started of" in line]
    assert any(line.endswith("event 8, done") for line in lines)


def test_further_values_are_told_with_the_run() -> None:
    workload = Workload(steps=5, max_retries=3, extra=(("resume-1", 999), ("count", 3)))
    story = samples.story(repro=samples.repro(workload=workload))
    assert "The run: 5 steps, max_retries 3; resume-1 999; count 3." in story_text(story)
