"""The scenarios of the SDK: each runs through the harness, case by case, and gets where it must."""

from __future__ import annotations

import pathlib

import attrs
import pytest

pytest.importorskip("vercel.workflow", reason="needs simworld[vercel]")
pytest.importorskip("time_machine", reason="needs simworld[vercel]")

from simworld import marks
from simworld.campaign import Hunter, Scenario, Trial, load_scenarios, prepared, preset, run_trial
from simworld.entropy import Stream
from simworld.explore import make_explorer
from simworld.records import Profile
from simworld.sim import NoFaults

ROOT = pathlib.Path(__file__).parents[2]
SCENARIOS = load_scenarios(str(ROOT / "scenarios" / "vercel"))
SDK = preset("vercel-workflow")
DRAWS = 5
"""How often the values of an undisturbed trial are drawn."""
SHORTENED = ("vercel_long_sleep",)
"""Takes its shortest sleep here: whether longer ones end is what it is there to find out."""
TRIALS = 2
"""Of each case, with its faults."""
SEARCH = 60
"""Trials after which a search of one case has been everywhere."""


def undisturbed(scenario: Scenario, seed: int) -> Trial:
    """A trial without faults, in which whoever runs goes on for as long as it can."""
    case = scenario.case("quiet")
    workload = scenario.drawn(case, Stream(seed))
    if scenario.name in SHORTENED:
        workload = attrs.evolve(workload, extra=())
    explorer = make_explorer("default")
    explorer.begin(Stream(seed), Profile())
    return run_trial(prepared(scenario, case, SDK, workload, explorer, NoFaults()))


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_undisturbed_run_ends_as_it_should(name: str) -> None:
    """If not even that holds, whatever a hunt finds says nothing."""
    for seed in range(DRAWS):
        trial = undisturbed(SCENARIOS[name], seed)
        assert trial.ended_count == trial.runs_count > 0
        assert [each for each in trial.anomalies if each.law == "I-18"] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_faults_are_aimed_at_steps_that_there_are(name: str) -> None:
    """A label that no step has would be aimed at for nothing."""
    scenario = SCENARIOS[name]
    trials = [undisturbed(scenario, seed) for seed in range(DRAWS)]
    seen = {label for trial in trials for label in trial.final.labels.values()}
    aimed = {
        label
        for seed in range(DRAWS)
        for label in scenario.victims(scenario.drawn(scenario.case("quiet"), Stream(seed)))
    }
    assert aimed <= seen


@pytest.mark.parametrize("name", [each for each in SCENARIOS if SCENARIOS[each].marks])
def test_a_search_gets_where_it_must_have_been(name: str) -> None:
    """Else a scenario that finds nothing has not looked."""
    scenario = SCENARIOS[name]
    hunter, before = Hunter(scenario, SDK, case="quiet"), marks.snapshot()
    for number in range(SEARCH):
        hunter.trial(number)
        if marks.since(before).keys() >= set(scenario.marks):
            return
    pytest.fail(f"reached only {sorted(marks.since(before))}")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_case_runs_under_its_faults(name: str) -> None:
    """Nothing of the harness gives way, whatever becomes of the runs."""
    scenario = SCENARIOS[name]
    for case in scenario.cases:
        hunter = Hunter(scenario, SDK, case=case.name)
        for number in range(TRIALS):
            trial = hunter.trial(number)
            assert trial.turns <= scenario.turns_max
            assert trial.deliveries > 0 or not trial.runs_count
