"""The property-based form: ``fixed`` obeys its laws on drawn scenarios, a faulty one does not."""

from __future__ import annotations

import attrs
import pytest

from simworld.campaign import (
    PropertyFinding,
    check_property,
    load_scenarios,
    preset,
    replay,
    with_knob,
)
from simworld.errors import UsageError

SCENARIOS = load_scenarios()
FAULTY = {
    "concurrent_first_attempts": (with_knob(preset("v2_merge"), "attempt_guard=G0"), ["I-12"]),
    "inflated_attempts": (preset("v2_merge"), ["I-12"]),
    "retry_exhaustion": (preset("v2_merge"), ["I-13a"]),
    "cursor_dedupe": (with_knob(preset("fixed"), "wait_push=local"), ["I-16", "I-17"]),
}
"""Scenario → a variant, and the laws it is known to break; which comes first depends on the draws,
and those on the numbers in the source, which Hypothesis collects."""


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_fixed_obeys_its_laws_on_drawn_scenarios(name: str) -> None:
    found = check_property(SCENARIOS[name], preset("fixed"), examples=40, schedules=15)
    assert found is None, str(found)


@pytest.fixture(scope="module", params=sorted(FAULTY))
def found(request: pytest.FixtureRequest) -> tuple[PropertyFinding, list[str]]:
    """What Hypothesis finds in the faulty variant."""
    variant, laws = FAULTY[request.param]
    scenario = SCENARIOS[request.param]
    if request.param == "inflated_attempts":
        # lost answers break I-21 of the merged engine first: leave them to another test
        workloads = scenario.workloads
        assert workloads is not None
        scenario = attrs.evolve(
            scenario,
            workloads=lambda: workloads().filter(lambda drawn: drawn[2].lost_answers == 0),
        )
    finding = check_property(scenario, variant, examples=150, schedules=30)
    assert finding is not None
    return finding, laws


def test_a_faulty_variant_is_refuted(found: tuple[PropertyFinding, list[str]]) -> None:
    finding, laws = found
    assert finding.anomaly.law in laws
    assert "moves:" in str(finding)


def test_hypothesis_shrinks_the_scenario_and_we_the_schedule(
    found: tuple[PropertyFinding, list[str]],
) -> None:
    finding, _ = found
    workload = finding.workload
    assert sum(workload.durations_ms) == 0
    assert len(workload.failures) <= 1
    assert len(finding.repro.schedule.entries) + len(finding.repro.faults) <= 10


def test_the_finding_replays(found: tuple[PropertyFinding, list[str]]) -> None:
    finding, _ = found
    story = replay(finding.repro, SCENARIOS)
    assert story is not None
    assert story.anomaly.law == finding.anomaly.law


def test_the_search_is_deterministic() -> None:
    variant, _ = FAULTY["concurrent_first_attempts"]
    answers = [
        check_property(SCENARIOS["concurrent_first_attempts"], variant, examples=60, schedules=15)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]


def test_a_scenario_without_strategy_is_refused() -> None:
    scenario = attrs.evolve(SCENARIOS["inflated_attempts"], workloads=None)
    with pytest.raises(UsageError, match="no property-based form"):
        check_property(scenario, preset("fixed"))
