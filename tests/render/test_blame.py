"""Who is to blame, in the table, in notes, in stories and in JSON."""

from __future__ import annotations

import json

import attrs
import pytest

from simworld.records import Blame, Finding, Result, Verdict
from simworld.render import notes_text, replay_json, results_json, results_table, story_text
from simworld.render.phrases import blame_sentence
from tests.render import samples

WORLDS = Blame("world", ("crash", "stale_read"))
PROMISE = "a read shows what was committed before it"


def blamed(blame: Blame) -> Finding:
    return samples.finding(repro=samples.repro(blame=blame))


def passing() -> Result:
    return samples.passing(findings=(blamed(WORLDS),))


def test_the_table_counts_what_is_the_worlds_apart() -> None:
    text = results_table([passing()], width=200)
    assert "PASS" in text
    assert "– +1 world's" in text
    both = samples.result(findings=(blamed(Blame("engine")), blamed(WORLDS)))
    assert "I-12 +1 world's" in results_table([both], width=200)


def test_a_law_that_only_the_world_breaks_has_no_first_trial() -> None:
    result = samples.result(verdict=Verdict("PASS"), expected=None, findings=(blamed(WORLDS),))
    assert "145" not in results_table([result], width=200)


def test_the_notes_say_each_answer_once() -> None:
    other = attrs.evolve(
        blamed(Blame("engine", ("duplicate",))), anomaly=samples.anomaly(law="L-01")
    )
    again = blamed(Blame("engine", ("duplicate",)))
    assert notes_text([samples.result(findings=(again, other, again))]) == (
        "inflated_attempts on v2_merge: I-12, L-01: engine: needs duplicate"
    )
    assert PROMISE in notes_text([passing()])
    assert notes_text([samples.result()]) == ""  # nobody has asked


@pytest.mark.parametrize(
    ("blame", "said"),
    [
        (Blame("engine"), "the engine; it needs no fault."),
        (Blame("engine", ("crash", "duplicate")), "without crash and duplicate it was not seen."),
        (Blame("engine or workflow"), "the engine, the workflow, or what the scenario expects"),
        (Blame("engine or world"), "the engine or its world, which is not repaired; it needs no"),
        (WORLDS, "the world, not the engine; without crash and stale_read it was not seen, and"),
        (WORLDS, f"breaks what the world promises: {PROMISE}."),
    ],
)
def test_the_sentence(blame: Blame, said: str) -> None:
    assert said in blame_sentence(blame)


def test_the_story_ends_with_it_where_it_is_told_of_that_failure() -> None:
    story = samples.story()
    assert "Who is to blame" not in story_text(story)
    story = attrs.evolve(story, repro=attrs.evolve(story.repro, blame=WORLDS))
    assert "Who is to blame: the world, not the engine" in story_text(story)
    other = attrs.evolve(story, anomaly=samples.anomaly(place="run/work#9"))
    assert "Who is to blame" not in story_text(other)


def test_json_has_who_and_what_for() -> None:
    (row,) = json.loads(results_json([passing()], {}))["results"]
    told = {"who": "world", "needs": ["crash", "stale_read"], "breaks": [PROMISE]}
    assert row["anomalies"][0]["blame"] == told
    (row,) = json.loads(results_json([samples.result()], {}))["results"]
    assert row["anomalies"][0]["blame"] is None
    repro = samples.repro(blame=WORLDS)
    assert json.loads(replay_json("one", repro, "clean", "", None))["replay"]["blame"] == told
