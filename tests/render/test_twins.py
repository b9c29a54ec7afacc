"""The last sentence of a story: what raced or struck, and what the law wanted instead."""

from __future__ import annotations

from typing import Any

import pytest

from simworld.records import Fault, RacingPair, Schedule, Twin, TwinSearch, Workload
from simworld.render import story_text
from tests.render import samples


def _last(**changed: Any) -> str:
    """The last sentence."""
    told = story_text(samples.story(**changed)).split("\n\n")[-1]
    return " ".join(told.split())


WANTED = (
    "I-12 wanted: a step may be given up for exhausted retries only after max_retries + 1 of its "
    "bodies have really failed; until then it is tried again."
)


def test_the_last_sentence_names_both_operations_and_what_the_law_wanted() -> None:
    assert _last() == (
        "The race: on the row of work#3, handler C's “record step_started of work#3” (turn 14) "
        "came before handler B's “record step_started of work#3” (turn 16); with only these two in "
        f"the other order every law holds; {WANTED}"
    )
    assert "; in the other order every law holds; I-12" in _last(
        twins=TwinSearch(samples.twin(alone=False), 1)
    )


@pytest.mark.parametrize(
    ("twin", "said"),
    [
        (
            samples.twin(race=None, fault=Fault("duplicate", samples.STEP, 3), left=2),
            "The fault: message 2 (step work#3) is delivered 3 times more; with one less (2 instead"
            " of 3) every law holds under the same schedule; ",
        ),
        (
            samples.twin(race=None, fault=Fault("crash", samples.STEP, 3)),
            "The fault: the host of handler B, delivering message 2 (step work#3), dies before its "
            "3rd operation; without it every law holds under the same schedule; ",
        ),
        (
            samples.twin(race=None, body=("work#3", 2)),
            "The failure: the 2nd body of work#3 to begin fails; if it does not, every law holds; ",
        ),
        (
            None,
            "No single race or fault: of 9 other runs, each with two operations in the other order,"
            " or one fault less, none obeys every law; ",
        ),
    ],
)
def test_where_no_order_decides_the_last_sentence_says_what_does(
    twin: Twin | None, said: str
) -> None:
    assert _last(twins=TwinSearch(twin, 9)) == said + WANTED


def test_where_nothing_could_be_tried_it_says_so() -> None:
    assert _last(twins=TwinSearch(None, 0)).startswith("No single race or fault: nothing in this")
    assert _last(twins=None) == WANTED, "nobody has looked"


def test_what_always_fails_needs_nothing() -> None:
    always = samples.repro(faults=(), schedule=Schedule(), workload=Workload())
    assert _last(repro=always, twins=TwinSearch(None, 8)) == (
        "It needs no fault and no certain order: of 8 other runs, each with two operations in the "
        f"other order, none obeys every law; {WANTED}"
    )


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("log run", "the log of the run"),
        ("run run", "the row of the run"),
        ("hook run/hook#1", "the row of hook#1"),
        ("step run:work#1/work#2", "the row of run:work#1/work#2"),
        (f"message {samples.STEP}", "message 2 (step work#3)"),
        ("token approve", "the token approve"),
        ("file runs/7", "file runs/7"),
    ],
)
def test_what_both_touch_is_told_in_words(label: str, words: str) -> None:
    first, second = samples.turns()[13], samples.turns()[15]
    race = RacingPair(first, second, label)
    assert f"The race: on {words}, handler C's" in _last(
        twins=TwinSearch(samples.twin(race=race), 1)
    )


def test_a_law_that_is_broken_all_the_same_is_named() -> None:
    told = _last(twins=TwinSearch(samples.twin(still=("I-18", "L-02")), 1))
    assert "in the other order I-12 holds (I-18 and L-02 are broken all the same); I-12" in told


@pytest.mark.parametrize(
    ("task", "named"),
    [(samples.FLOW, "handler A/create.3"), ("start", "the client start/create.3")],
)
def test_two_of_one_handler_are_named_by_their_branches(task: str, named: str) -> None:
    first, second = samples.turns()[13]._replace(task=f"{task}/create.3"), samples.turns()[15]
    race = RacingPair(first, second._replace(task=f"{task}/create.4"), "log run")
    told = _last(twins=TwinSearch(samples.twin(race=race), 1))
    assert f"{named}'s “" in told
    assert f"{named.removesuffix('3')}4's “" in told
