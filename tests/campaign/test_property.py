"""The property-based form: ``fixed`` obeys its laws on drawn scenarios, a faulty one does not."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from scenarios import race_loop
from simworld.campaign import (
    PropertyFinding,
    Scenario,
    check_possible,
    check_property,
    load_scenarios,
    preset,
    reading,
    replay,
    with_knob,
)
from simworld.campaign.prop import PERMITTED, Drawn, drawn_scenarios
from simworld.errors import UsageError

SCENARIOS = load_scenarios()
WORLDS = ("atomic", "local", "postgres", "hosted")
FAULTY = {
    "concurrent_first_attempts": (with_knob(preset("v2_merge"), "attempt_guard=G0"), ["I-12"]),
    "inflated_attempts": (preset("v2_merge"), ["I-12", "L-01"]),
    "retry_exhaustion": (preset("v2_merge"), ["I-13a", "L-01"]),
    "cursor_dedupe": (with_knob(preset("fixed"), "wait_push=local"), ["I-16", "I-17"]),
}
"""Scenario → a variant, and the laws it is known to break; which comes first depends on the draws,
and those on the numbers in the source, which Hypothesis collects."""


def of_its_law(name: str) -> Scenario:
    """The scenario, judged by the law it is about: a faulty variant breaks others as well."""
    scenario = SCENARIOS[name]
    return scenario if name == "cursor_dedupe" else attrs.evolve(scenario, laws=())


# --- what is drawn -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wanted",
    [
        lambda drawn: drawn.world == "hosted" and drawn.budget.lost_requests,
        lambda drawn: drawn.budget.lost_connections,
        lambda drawn: any(knob.startswith("hosts=") for knob in drawn.knobs),
        lambda drawn: len(drawn.workload.picks) > 1 and drawn.workload.max_retries,
    ],
)
def test_surroundings_are_drawn(wanted: Callable[[Drawn], bool]) -> None:
    drawn = find(drawn_scenarios(SCENARIOS["retry_exhaustion"], WORLDS), wanted)
    assert drawn.case == "R-06"
    assert len(drawn.knobs) <= 1


@given(drawn=drawn_scenarios(SCENARIOS["retry_exhaustion"], WORLDS))
def test_faults_are_those_that_the_world_permits(drawn: Drawn) -> None:
    for kind, count in attrs.asdict(drawn.budget).items():
        if count:
            check_possible(drawn.world, kind)
    assert len({knob.partition("=")[0] for knob in drawn.knobs}) == len(drawn.knobs)


def test_every_permitted_knob_can_be_set() -> None:
    assert len({str(with_knob(preset("v2_merge"), each).knobs) for each in PERMITTED}) > 15


@given(picks=st.lists(st.integers(0, 2), max_size=12), steps=st.integers(1, 5))
def test_a_shape_has_every_step_once(picks: list[int], steps: int) -> None:
    shape = race_loop.draw_shape(reading(picks), steps)
    flat = [each for part in shape[1:] for each in ([part] if isinstance(part, int) else part[1:])]
    assert flat == list(range(steps))


@pytest.mark.parametrize(
    ("shape", "place", "output"),
    [
        (["race", 0, 1, 2], 9, ["c", "a", "b"]),
        (["gather", 0, 1, 2], 9, ["a", "b", "c"]),
        (["race", ["sequence", 0, 1], 2], 9, ["c", [["a", "b"]]]),
        (["sequence", ["race", 0, 2], 1], 9, [[["c", "a"]], "b"]),
    ],
)
def test_the_oracle_reads_shapes(shape: list[object], place: int, output: list[object]) -> None:
    ends = {0: 7, 1: 9, 2: 4}
    payloads = ["a", "b", "c"]
    spelled = race_loop.spelled(shape, payloads, ends)
    assert spelled == (place, [[each] if isinstance(each, tuple) else each for each in output])


# --- what is found -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_fixed_obeys_its_laws_on_drawn_scenarios(name: str) -> None:
    found = check_property(
        SCENARIOS[name], preset("fixed"), worlds=WORLDS, examples=30, schedules=4
    )
    assert found is None, str(found)


@pytest.fixture(scope="module", params=sorted(FAULTY))
def found(request: pytest.FixtureRequest) -> tuple[PropertyFinding, list[str]]:
    """What Hypothesis finds in the faulty variant."""
    variant, laws = FAULTY[request.param]
    scenario = of_its_law(request.param)
    finding = check_property(scenario, variant, worlds=WORLDS[:2], examples=150, schedules=8)
    assert finding is not None
    return finding, laws


@pytest.mark.slow
def test_a_faulty_variant_is_refuted(found: tuple[PropertyFinding, list[str]]) -> None:
    finding, laws = found
    assert finding.anomaly.law in laws
    assert "moves:" in str(finding)


@pytest.mark.slow
def test_hypothesis_shrinks_the_scenario_and_we_the_schedule(
    found: tuple[PropertyFinding, list[str]],
) -> None:
    drawn = found[0].drawn
    assert sum(drawn.workload.durations_ms) == 0
    assert len(drawn.workload.failures) <= 1
    assert (drawn.world, drawn.knobs) == ("atomic", ())
    assert len(found[0].repro.schedule.entries) + len(found[0].repro.faults) <= 10


@pytest.mark.slow
def test_the_finding_replays(found: tuple[PropertyFinding, list[str]]) -> None:
    finding, _ = found
    story = replay(finding.repro, SCENARIOS)
    assert story is not None
    assert story.anomaly.law == finding.anomaly.law


@pytest.mark.slow
def test_the_search_is_deterministic() -> None:
    variant, _ = FAULTY["concurrent_first_attempts"]
    answers = [
        check_property(SCENARIOS["concurrent_first_attempts"], variant, examples=40, schedules=10)
        for _ in range(2)
    ]
    assert answers[0] is not None
    assert answers[0] == answers[1]


def test_a_scenario_without_strategy_is_refused() -> None:
    scenario = attrs.evolve(SCENARIOS["inflated_attempts"], workloads=None)
    with pytest.raises(UsageError, match="no property-based form"):
        check_property(scenario, preset("fixed"))
