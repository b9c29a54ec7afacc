"""Searching the catalogue: what counts as found, what as clean, and what is kept of it."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import time

import attrs
import pytest

from simworld.campaign import (
    check_races,
    examine,
    load_races,
    load_scenarios,
    load_searched,
    save_searched,
    searches_of,
    sources_of,
)
from simworld.campaign.examining import made
from simworld.errors import UsageError
from simworld.records import Examined, Fix, Race, Role, Searched

SCENARIOS = load_scenarios(deep=True)
RACE = Race(
    id="R-01",
    title="concurrent first starts",
    trigger="Five handlers start one step.",
    laws=("I-12",),
    scenario="concurrent_first_attempts",
    case="R-01",
    faulty="v2_merge attempt_guard=G0",
    fixes=(
        Fix(system="fixed"),
        Fix(system="v2_merge attempt_guard=G7", remains="duplicates are counted as before"),
    ),
    source="spec §6 R-01",
)


def searched(race: Race, *, seeds: int = 2, trials: int = 300, clean: int = 30) -> list[Searched]:
    searches = searches_of(race, seeds=seeds, trials=trials, clean_trials=clean)
    return [made(each, race, SCENARIOS[race.scenario])[0] for each in searches]


def test_every_system_is_searched_from_every_seed() -> None:
    searches = list(searches_of(RACE, seeds=3, trials=100, clean_trials=10))
    roles = [(each.role, each.seed, each.trials) for each in searches]
    assert roles == [
        *[(Role.FAULTY, seed, 100) for seed in range(3)],
        *[(Role.FIX, seed, 10) for seed in range(3)],
        *[(Role.PARTIAL, seed, 100) for seed in range(3)],
    ]


def test_an_entry_is_answered_by_what_is_found_and_what_is_clean() -> None:
    found = searched(RACE)
    entry = Examined.of(RACE, found)
    assert entry.is_answered
    assert [each.found for each in entry.shown] == [2, 0, 2]
    faulty = entry.faulty
    assert faulty is not None
    assert faulty.laws == ("I-12",)
    assert faulty.moves is not None
    assert faulty.moves <= 4
    assert all(each.trials < 300 for each in faulty.searched)  # it is left at its first failure
    assert entry.shown[1].trials == 2 * 30


def test_a_fix_that_fixes_nothing_is_told() -> None:
    race = attrs.evolve(RACE, fixes=(Fix(system="v2_merge attempt_guard=G7"),))
    entry = Examined.of(race, searched(race, seeds=1, clean=200))
    assert not entry.is_answered
    assert [each.is_right for each in entry.shown] == [True, False]


def test_a_race_that_is_not_found_is_told() -> None:
    race = attrs.evolve(RACE, faulty="fixed attempt_guard=G3", fixes=(Fix(system="fixed"),))
    entry = Examined.of(race, searched(race, seeds=1, trials=40))
    assert [each.is_right for each in entry.shown] == [False, True]


def test_another_law_is_not_the_race() -> None:
    race = attrs.evolve(RACE, laws=("L-09",))
    (first, *_) = searched(race, seeds=1, trials=40)
    assert (first.law, first.trials) == ("", 40)


def test_a_clean_system_may_break_no_law_at_all() -> None:
    race = attrs.evolve(RACE, laws=("L-09",), fixes=(Fix(system="v2_merge attempt_guard=G0"),))
    (_, fix) = searched(race, seeds=1, trials=40, clean=40)
    assert fix.law == "I-12"
    assert not fix.is_right


def test_a_clean_result_that_never_got_there_proves_nothing() -> None:
    scenario = SCENARIOS["concurrent_first_attempts"]
    (case,) = scenario.cases
    unreached = attrs.evolve(case, marks=("wait.woken_early",))
    benign = attrs.evolve(RACE, faulty="", laws=(), fixes=(Fix(system="fixed"),))
    (search,) = searches_of(benign, seeds=1, trials=5, clean_trials=5)
    got, finding = made(search, benign, attrs.evolve(scenario, cases=(unreached,)))
    assert finding is None
    assert got.missing_marks == ("wait.woken_early",)
    assert not got.is_right


def test_processes_find_what_one_finds() -> None:
    race = load_races()["R-01"]
    searches = list(searches_of(race, seeds=1, trials=100, clean_trials=20))
    alone = {each.key: made(each, race, SCENARIOS[race.scenario])[0] for each in searches}
    shared = {got.search.key: got for got, _ in examine(searches, where=None, jobs=2)}
    assert shared.keys() == alone.keys()
    for key, got in shared.items():
        assert attrs.evolve(got, seconds=0) == attrs.evolve(alone[key], seconds=0)


def test_what_was_searched_is_taken_up_for_the_same_source_only(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "races.json"
    found = [attrs.evolve(each, source="s") for each in searched(RACE, seeds=1, trials=9, clean=5)]
    save_searched(path, found)
    assert load_searched(path, {"R-01": "s"}) == found
    assert load_searched(path, {"R-01": "another"}) == []
    assert load_searched(tmp_path / "none.json", {"R-01": "s"}) == []
    path.write_text("{")
    with pytest.raises(UsageError, match="delete it"):
        load_searched(path, {"R-01": "s"})


def test_a_larger_search_answers_a_smaller_one() -> None:
    faulty, fix, _ = searched(RACE, seeds=1, trials=100, clean=20)
    wanted = faulty.search
    assert faulty.answers(attrs.evolve(wanted, trials=1_000))
    assert faulty.answers(attrs.evolve(wanted, trials=faulty.trials))
    assert not faulty.answers(attrs.evolve(wanted, trials=faulty.trials - 1))
    assert not faulty.answers(attrs.evolve(wanted, seed=1))
    assert fix.answers(attrs.evolve(fix.search, trials=10))
    assert not fix.answers(attrs.evolve(fix.search, trials=21))


def test_a_source_is_the_scenario_s_and_the_entry_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    other = attrs.evolve(RACE, id="R-37", scenario="cursor_dedupe", case="R-37")
    races = {"R-01": RACE, "R-37": other}
    sources = sources_of(races, SCENARIOS)
    assert sources == sources_of(races, SCENARIOS)
    assert sources["R-01"] != sources["R-37"]
    changed = {**races, "R-01": attrs.evolve(RACE, laws=("I-12", "I-18"))}
    assert sources_of(changed, SCENARIOS)["R-01"] != sources["R-01"]
    assert sources_of(changed, SCENARIOS)["R-37"] == sources["R-37"]
    read = pathlib.Path.read_bytes

    def edited(path: pathlib.Path) -> bytes:
        return read(path) + b"#" * (path.name == "cursor_dedupe.py")

    monkeypatch.setattr(pathlib.Path, "read_bytes", edited)
    again = sources_of(races, SCENARIOS)
    assert again["R-01"] == sources["R-01"]
    assert again["R-37"] != sources["R-37"]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"scenario": "nowhere"}, "entry R-01: unknown scenario"),
        ({"case": "R-99"}, "case of concurrent_first_attempts"),
        ({"laws": ("I-99",)}, "I-99"),
        ({"faulty": "v3"}, "v3"),
        ({"faulty": "fixed nothing=1"}, "nothing"),
        ({"faulty": "fixed @ moon"}, "moon"),
    ],
)
def test_an_entry_that_names_what_is_not_there_is_refused(
    change: dict[str, str], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        check_races({"R-01": attrs.evolve(RACE, **change)}, SCENARIOS)


def test_an_entry_needs_its_parts() -> None:
    with pytest.raises(UsageError, match="a scenario, a case, fixes and a source"):
        attrs.evolve(RACE, fixes=())
    with pytest.raises(UsageError, match="a faulty system breaks laws"):
        attrs.evolve(RACE, laws=())


def test_a_system_may_name_its_world() -> None:
    race = attrs.evolve(RACE, fixes=(Fix(system="fixed settle_ms=500 @ local"),))
    check_races({"R-01": race}, SCENARIOS)
    (fix,) = [each for each in searched(race, seeds=1, clean=3) if each.search.role is Role.FIX]
    assert fix.is_right


def test_the_catalogue_names_only_what_is_there() -> None:
    check_races(load_races(), SCENARIOS)


@pytest.mark.slow
@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(
    tmp_path: pathlib.Path, told: signal.Signals
) -> None:
    command = [sys.executable, "-m", "simworld.cli", "catalogue", "--run", "--only", "R-01"]
    command += ["--trials", "100000", "--jobs", "2", "--report", str(tmp_path)]
    parent = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "races.json").exists():  # searches are under way
            assert time.monotonic() < deadline
            time.sleep(0.1)
        parent.send_signal(told)
        out, err = parent.communicate(timeout=20)
        while _group(parent.pid):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        parent.kill()
    if told is signal.SIGINT:
        assert parent.returncode == 3, err
        assert "interrupted; --report DIR would go on" in err
        assert "Traceback" not in err
        assert "✗ found" in out


def _group(leader: int) -> list[str]:
    """The processes of a session that are alive."""
    told = subprocess.run(
        ["ps", "-o", "pid=,stat=", "-s", str(leader)], capture_output=True, text=True, check=False
    )
    return [line for line in told.stdout.splitlines() if " Z" not in line]
