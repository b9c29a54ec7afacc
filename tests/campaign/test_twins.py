"""The nearest passing twin: it passes, it is one change away, and it names the right pair."""

from __future__ import annotations

import functools

import attrs
import pytest

from simworld.campaign import (
    Hunter,
    Setup,
    Trial,
    hunt,
    load_races,
    load_scenarios,
    nearest_twin,
    preset,
    replay,
    tell,
    twins,
    with_knob,
)
from simworld.campaign.examining import made, searches_of
from simworld.campaign.tally import keys_of
from simworld.errors import DidNotReproduce
from simworld.explore import Candidate, Replay
from simworld.records import Fault, Repro, Story, Turn, TwinSearch

SCENARIOS = load_scenarios(deep=True)


@functools.cache
def told(scenario: str, case: str, *knobs: str, seed: int = 0, law: str = "") -> Story:
    """The story of the first failure of that law that is found from this seed."""
    variant = preset("v2_merge")
    for knob in knobs:
        variant = with_knob(variant, knob)
    hunter = Hunter(SCENARIOS[scenario], variant, seed=seed, case=case)
    for number in range(40):
        for key, anomaly in keys_of(case, hunter.trial(number)).items():
            if law in ("", anomaly.law):
                return tell(hunter.finding(number, key).repro, SCENARIOS)
    raise AssertionError("nothing was found")


@functools.cache
def catalogued(name: str) -> Story:
    """The story of an entry of the catalogue, found from the first seed."""
    race = load_races()[name]
    search = next(searches_of(race, seeds=1, trials=200, clean_trials=1))
    _, finding = made(search, race, SCENARIOS[race.scenario])
    assert finding is not None
    assert finding.repro is not None
    return tell(finding.repro, SCENARIOS)


def passing(story: Story) -> Repro:
    """The twin as data, checked: the failing one fails, and this one runs clean."""
    assert replay(story.repro, SCENARIOS) is not None
    assert story.twin is not None
    assert replay(story.twin.repro, SCENARIOS) is None
    return story.twin.repro


def place(turns: tuple[Turn, ...], wanted: Turn) -> int:
    """Where the operation is in another trace."""
    (found,) = (n for n, turn in enumerate(turns) if (turn.task, turn.op) == wanted[2:4])
    return found


def test_a_payload_races_the_completion_of_a_sleep() -> None:
    """R-37: from a snapshot without the payload its handler completes the sleep behind it."""
    story = told("cursor_dedupe", "R-37", law="I-17")
    race = story.race
    assert race is not None
    assert race.object == "log run"
    assert race.first.op.startswith("record hook_received of hook#")
    assert race.second.op.startswith("record wait_completed of sleep#")
    assert race.first.task == "client"
    assert race.second.task.startswith("client/flow")
    repro = passing(story)
    assert (repro.faults, repro.workload) == (story.repro.faults, story.repro.workload)


@pytest.mark.parametrize(
    "story",
    [
        functools.partial(told, "cursor_dedupe", "R-37", law="I-17"),
        functools.partial(told, "inflated_attempts", "R-02", seed=12),
        functools.partial(told, "inflated_attempts", "R-02", "attempt_guard=G0", seed=4),
    ],
    ids=["R-37", "R-02", "R-02 with G0"],
)
def test_both_operations_are_in_both_runs_in_another_order(
    story: functools.partial[Story],
) -> None:
    found = story()
    twin = found.twin
    assert twin is not None
    assert twin.race is not None
    first, second = twin.race.first, twin.race.second
    assert first.task != second.task
    assert place(found.turns, first) < place(found.turns, second)
    assert place(twin.turns, second) < place(twin.turns, first)
    assert passing(found).faults == found.repro.faults


@pytest.mark.parametrize("knobs", [(), ("attempt_guard=G0",)], ids=["G1", "G0"])
def test_the_starts_of_the_step_that_was_given_up_race(knobs: tuple[str, ...]) -> None:
    """R-02: the body that fails has the inflated number only if its start comes late."""
    story = told("inflated_attempts", "R-02", *knobs, seed=4 if knobs else 12)
    race, step = story.race, story.anomaly.place
    assert race is not None
    assert race.object == f"step {step}"
    entity = step.partition("/")[2]
    assert race.first.op == race.second.op == f"record step_started of {entity}"


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("R-29", "read the log", "record hook_created of hook#1"),
        ("R-30", "record hook_created of run.2/hook#1", "record hook_created of hook#1"),
        ("R-40", "publish hook_received of hook#", "publish wait_completed of sleep#"),
        ("R-46", "record hook_received of hook#", "record wait_completed of sleep#"),
        ("R-60", "record run_cancelled", "record run_started"),
        ("R-61", "record run_cancelled", "record run_completed"),
    ],
)
def test_the_race_is_what_a_reader_would_call_one(name: str, first: str, second: str) -> None:
    """Not that the run is created early or late, nor who puts an equal message into the queue."""
    race = catalogued(name).race
    assert race is not None
    assert race.first.op.startswith(first)
    assert race.second.op.startswith(second)
    passing(catalogued(name))


def test_a_fault_says_more_than_the_creation_of_the_run() -> None:
    """R-24: any order in which the run begins earlier avoids the stale read, too."""
    twin = catalogued("R-24").twin
    assert twin is not None
    assert twin.fault is not None
    assert twin.fault.kind == "stale_read"


def test_where_the_law_is_about_it_the_creation_of_the_run_races() -> None:
    """R-59: a run that is started is created once more."""
    race = catalogued("R-59").race
    assert race is not None
    assert race.first.op.startswith("record run_started")
    assert race.second.op.startswith("record run_created")


def test_what_says_little_is_told_where_all_else_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    story = catalogued("R-40")
    monkeypatch.setattr(twins, "overtakings", lambda trace: [])
    monkeypatch.setattr(twins._Search, "_larger", lambda self: iter(()))
    twin = nearest_twin(story, SCENARIOS).twin
    assert twin is not None
    assert twin.race is not None
    assert twin.race.first.op == twin.race.second.op == "send flow"
    assert twin.alone


def test_where_no_order_helps_it_is_a_fault() -> None:
    """R-06: one killed body less, and the next one ends the step."""
    story = told("retry_exhaustion", "R-06", law="I-13a")
    twin = story.twin
    assert twin is not None
    (fault,) = story.repro.faults
    assert fault.kind == "kill_bodies"
    assert (twin.race, twin.fault, twin.left) == (None, fault, fault.value - 1)
    assert passing(story).faults == (attrs.evolve(fault, value=fault.value - 1),)


def test_of_two_faults_the_last_to_strike_is_taken_away() -> None:
    """A handler has crashed before the answer was lost that fails the run."""
    story = told("retry_exhaustion", "rough", seed=1, law="I-21")
    crash, lost = story.repro.faults
    assert (crash.kind, lost.kind) == ("crash", "lost_answer")
    twin = story.twin
    assert twin is not None
    assert (twin.fault, twin.left) == (lost, 0)
    assert lost not in passing(story).faults


def test_where_nothing_strikes_it_is_a_planned_failure() -> None:
    """Handlers overlap by themselves, and no single exchange parts them."""
    story = told("inflated_attempts", "no-fault")
    assert not story.repro.faults
    assert not story.repro.schedule.entries
    twin = story.twin
    assert twin is not None
    assert (twin.race, twin.fault) == (None, None)
    assert twin.body in story.repro.workload.failures
    assert twin.body not in passing(story).workload.failures


@pytest.mark.slow
def test_where_nothing_helps_there_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten workers hold what ten runs wait for, whoever comes first."""
    monkeypatch.setattr(twins, "TURNS_MAX", 20_000)
    result = hunt(SCENARIOS["child_pool"], preset("fixed"), trials=1, case="10 workers")
    story = tell(result.findings[0].repro, SCENARIOS)
    assert story.twins is not None
    assert story.twin is None
    assert story.race is None
    assert 5 <= story.twins.replays <= 10


def _also_breaking(story: Story, monkeypatch: pytest.MonkeyPatch, *, spared: bool) -> TwinSearch:
    """The search where every trial breaks another law, too; the failing one may be spared that."""
    follow = twins.followed
    other = attrs.evolve(story.anomaly, law="I-27", place="run")

    def followed(setup: Setup, candidate: Candidate, **how: bool) -> tuple[Trial, Replay]:
        trial, explorer = follow(setup, candidate, **how)
        if spared and candidate.schedule == story.repro.schedule:
            return trial, explorer
        return attrs.evolve(trial, anomalies=[*trial.anomalies, other]), explorer

    monkeypatch.setattr(twins, "followed", followed)
    return nearest_twin(story, SCENARIOS)


def test_what_was_broken_beside_it_may_stay_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    story = told("inflated_attempts", "R-02", seed=12)
    found = _also_breaking(story, monkeypatch, spared=False)
    assert found.twin is not None
    assert (found.twin.race, found.twin.still) == (story.race, ("I-27",))
    assert story.twins is not None
    assert found.replays > story.twins.replays, "one that breaks nothing would have been better"


def test_what_breaks_another_law_is_no_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only that of the failing schedule with a fault less, which is spared here, too."""
    story = told("inflated_attempts", "R-02", seed=12)
    found = _also_breaking(story, monkeypatch, spared=True)
    assert found.twin is not None
    assert found.twin.race is None
    assert found.twin.still == ()


def test_the_search_ends_where_it_was_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    story = told("inflated_attempts", "no-fault")
    monkeypatch.setattr(twins, "REPLAYS_MAX", 7)
    found = nearest_twin(story, SCENARIOS)
    assert (found.twin, found.replays) == (None, 7)


def test_equal_stories_have_equal_twins() -> None:
    story = told("inflated_attempts", "R-02", seed=12)
    assert nearest_twin(story, SCENARIOS) == story.twins


def test_it_is_known_which_operation_a_fault_strikes() -> None:
    story = told("retry_exhaustion", "rough", seed=1, law="I-21")
    crash, lost = story.repro.faults
    at = twins.strikes_at(story.turns, lost)
    struck = story.turns[at]
    assert struck.task == lost.target
    assert struck.outcome.startswith("done, but the answer is lost")
    assert 0 < twins.strikes_at(story.turns, crash) < at
    same = Fault("server_error", f"{lost.target}@{lost.value}", 1)
    assert twins.strikes_at(story.turns, same) == at
    for nowhere in (Fault("duplicate", lost.target, 1), attrs.evolve(crash, value=999)):
        assert twins.strikes_at(story.turns, nowhere) == -1


def test_what_holds_now_has_no_story() -> None:
    story = told("inflated_attempts", "R-02", seed=12)
    fixed = attrs.evolve(story.repro, knobs={**story.repro.knobs, "attempt_guard": "G3"})
    with pytest.raises(DidNotReproduce):
        tell(fixed, SCENARIOS)
