"""The canary: every hunt refutes it, and one that does not is noticed; marks, case by case."""

from __future__ import annotations

import pathlib
import re

import attrs
import pytest

from simworld.campaign import PLACES, PRESETS, hunt, load_scenarios, placed, preset
from simworld.records import FaultBudget

SCENARIOS = load_scenarios("scenarios")
CANARY = SCENARIOS["canary"]
FIXED = preset("fixed")


@pytest.mark.parametrize(
    ("variant", "place"),
    [*((variant, "atomic") for variant in PRESETS), *(("fixed", place) for place in PLACES)],
)
def test_every_hunt_refutes_it(variant: str, place: str) -> None:
    result = hunt(CANARY, placed(PRESETS[variant], place), seed=5)
    assert result.canary
    assert result.as_expected, result.surprises
    assert not result.silent
    assert {each.repro.case for each in result.findings} == {"order", "killed"}


def test_no_option_weakens_it() -> None:
    least = hunt(
        CANARY, FIXED, trials=1, seconds=1e-9, explorer="default", faults=FaultBudget(crashes=1)
    )
    assert (least.trials, least.explorer) == (CANARY.trials_max, "portfolio")
    assert least.as_expected
    assert least.digest == hunt(CANARY, FIXED).digest


def test_a_harness_that_judges_nothing_is_noticed() -> None:
    result = hunt(attrs.evolve(CANARY, oracle=None), FIXED)
    assert str(result.verdict) == "PASS"
    assert result.silent
    assert result.surprises == (
        "case order was not refuted in 100 trials",
        "case killed was not refuted in 100 trials",
    )


def test_a_harness_without_faults_is_noticed() -> None:
    """The other half alone does not make it sing."""
    order, killed = CANARY.cases
    unharmed = attrs.evolve(killed, budget=FaultBudget())
    result = hunt(attrs.evolve(CANARY, cases=(order, unharmed)), FIXED)
    assert str(result.verdict) == "FAIL I-18"
    assert result.silent
    assert result.surprises == ("case killed was not refuted in 100 trials",)


def test_one_case_alone_is_not_asked_for_the_other() -> None:
    assert hunt(CANARY, FIXED, case="killed").as_expected


# --- marks ---------------------------------------------------------------------------------------


def test_a_case_has_to_reach_its_marks() -> None:
    scenario = SCENARIOS["retry_exhaustion"]
    cases = {case.name: case for case in scenario.cases}
    marked = attrs.evolve(cases["healthy"], marks=("handler.crashed",))
    both = attrs.evolve(scenario, cases=(cases["R-05"], marked), marks=())
    alone = hunt(both, FIXED, trials=30, case="healthy")
    assert str(alone.verdict) == "UNKNOWN never reached handler.crashed in 30 trials"
    assert str(hunt(both, FIXED, trials=30, case="R-05").verdict) == "PASS"
    assert str(hunt(both, FIXED, trials=30).verdict) == "PASS", "another case has been there"


def test_a_scenario_s_marks_are_asked_for_when_all_its_cases_are_drawn() -> None:
    scenario = attrs.evolve(SCENARIOS["retry_exhaustion"], marks=("never.there",))
    whole = hunt(scenario, FIXED, trials=30)
    assert str(whole.verdict) == "UNKNOWN never reached never.there in 30 trials"
    assert str(hunt(scenario, FIXED, trials=30, case="R-05").verdict) == "PASS"


def test_every_mark_that_is_listed_can_be_reached() -> None:
    """A misspelt one would make every hunt UNKNOWN."""
    source = "\n".join(each.read_text() for each in pathlib.Path("simworld").rglob("*.py"))
    known = set(re.findall(r'"([a-z_0-9]+\.[a-z_0-9]+)"', source))
    for scenario in SCENARIOS.values():
        listed = {*scenario.marks, *(mark for case in scenario.cases for mark in case.marks)}
        assert {mark for mark in listed if not mark.startswith("request.")} <= known, scenario.name
