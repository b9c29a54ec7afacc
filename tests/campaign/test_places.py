"""The worlds a trial can run on: one scenario on each of them, found, shrunk and replayed there."""

from __future__ import annotations

import gc

import attrs
import pytest

from simworld.campaign import (
    PLACES,
    Hunter,
    Place,
    check_possible,
    hunt,
    load_repro,
    load_scenarios,
    placed,
    preset,
    replay,
    run_trial,
    save_repro,
    with_knob,
)
from simworld.errors import UsageError
from simworld.records import Crash, FaultBudget, Result
from simworld.sim import LockstepKernel

SCENARIOS = load_scenarios("scenarios")
FIRST, INFLATED = SCENARIOS["concurrent_first_attempts"], SCENARIOS["inflated_attempts"]
REPAIRED = [name for name, place in PLACES.items() if place.repaired]
CRASHES = FaultBudget(crashes=2, torn_writes=1, power_losses=1)


def on(place: str, variant: str = "fixed", *knobs: str) -> Hunter:
    """A hunter of the first scenario there."""
    at = placed(preset(variant), place)
    for knob in knobs:
        at = with_knob(at, knob)
    return Hunter(FIRST, at, faults=CRASHES)


@pytest.mark.parametrize("place", PLACES)
def test_the_same_seed_gives_the_same_trace_under_both_kernels(place: str) -> None:
    hunter = on(place)
    for number in range(8):
        trials = [
            run_trial(hunter.setup(number)),
            run_trial(hunter.setup(number)),
            run_trial(hunter.setup(number), kernel_type=LockstepKernel),
        ]
        assert len({trial.digest for trial in trials}) == 1
        assert len({repr(trial.records) for trial in trials}) == 1


@pytest.mark.parametrize("place", REPAIRED)
def test_a_repaired_world_is_clean_under_crashes_and_power_losses(place: str) -> None:
    hunter = on(place)
    crashed = 0
    for number in range(60):
        trial = hunter.trial(number)
        assert trial.anomalies == [], (number, trial.anomalies[0])
        crashed += any(isinstance(each, Crash) for each in trial.records)
    assert crashed > 5, "otherwise this shows nothing"


@pytest.mark.parametrize(
    ("place", "law"), [("local-pr", "I-01"), ("local-4x", "I-01"), ("postgres-merged", "I-01")]
)
def test_what_was_there_before_is_not(place: str, law: str) -> None:
    hunter = on(place)
    broken = {each.law for number in range(60) for each in hunter.trial(number).anomalies}
    assert law in broken


@pytest.fixture(scope="module", params=["local", "postgres", "hosted"])
def found(request: pytest.FixtureRequest) -> Result:
    """What a hunt finds in the merged engine on a repaired world."""
    return hunt(INFLATED, placed(preset("v2_merge"), request.param), trials=60)


def test_the_engine_s_race_is_found_on_every_world(found: Result) -> None:
    assert found.verdict.law == "I-12"
    assert min(each.moves_after for each in found.findings) <= 10


def test_a_repro_knows_its_world_and_replays_there(found: Result, tmp_path) -> None:
    finding = found.findings[0]
    assert finding.repro.world == found.world
    path = tmp_path / "repro.json"
    save_repro(finding.repro, path)
    story = replay(load_repro(path), SCENARIOS)
    assert story is not None
    assert story.anomaly.law == finding.anomaly.law


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        ("local-pr", ["read", "create", "write", "link"]),
        ("postgres-merged", ["read the run", "add the step", "publish the event"]),
        ("postgres", ["lock the run", "add the step", "commit"]),
    ],
)
def test_every_operation_of_a_create_is_a_turn_of_its_own(place: str, parts: list[str]) -> None:
    setup = attrs.evolve(on(place, "v2_merge").setup(0), full_trace=True)
    doing = "record step_created of work#1: "
    told = [turn.op.removeprefix(doing) for turn in run_trial(setup).trace if doing in turn.op]
    for part in parts:
        assert [each for each in told if each.startswith(part)], (part, told)


def test_hosts_that_deliveries_share_die_together() -> None:
    hunter = on("local-pr", "fixed", "hosts=1")
    together = 0
    for number in range(40):
        for each in hunter.trial(number).records:
            if isinstance(each, Crash) and not each.why:
                assert each.host.startswith("process-")
                together += len({task.split("/")[-1] for task in each.tasks}) > 1
    assert together > 0


def test_places_are_described_and_known_by_name() -> None:
    for place in PLACES.values():
        assert isinstance(place, Place)
        assert place.title
    with pytest.raises(UsageError, match="did you mean local"):
        placed(preset("fixed"), "locl")


def test_a_fault_that_a_world_cannot_have_is_refused() -> None:
    check_possible("hosted", "stale_reads")
    check_possible("local-4x", "torn_writes")
    check_possible("postgres", "crashes")
    with pytest.raises(UsageError, match="worlds that have them: hosted, hosted-merged"):
        check_possible("local", "stale_reads")


def test_a_world_s_knobs_are_no_change_of_the_variant() -> None:
    at = placed(preset("fixed"), "local-4x")
    assert at.changed == ()
    assert with_knob(at, "dedup=none").changed == ("dedup=none",)


def test_what_a_power_loss_takes_is_a_finding_and_no_mistake() -> None:
    hunter = Hunter(
        SCENARIOS["cursor_dedupe"],
        with_knob(placed(preset("fixed"), "local"), "local_sync=false"),
        faults=FaultBudget(crashes=2, power_losses=1),
    )
    broken = {each.law for number in range(100) for each in hunter.trial(number).anomalies}
    assert "I-01" in broken  # the run is created again


@pytest.mark.parametrize("place", PLACES)
def test_a_trial_leaves_nothing_to_the_garbage_collector(place: str) -> None:
    hunter = Hunter(SCENARIOS["cursor_dedupe"], placed(preset("fixed"), place), faults=CRASHES)
    hunter.trial(0)
    gc.collect()
    gc.disable()
    try:
        for number in range(1, 9):
            hunter.trial(number)
        assert gc.collect() == 0
    finally:
        gc.enable()
