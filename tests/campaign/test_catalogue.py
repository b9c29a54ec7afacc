"""The catalogue in small: the thirty quickest entries, one seed; `make prove` examines all of it.

A faulty system is found, every full fix is clean with the same budget and seed, a partial fix is
found again.
"""

from __future__ import annotations

import pytest

from simworld.campaign import load_races, load_scenarios, searches_of
from simworld.campaign.examining import SHRUNK_SEEDS, made
from simworld.records import Examined, Searched

pytestmark = pytest.mark.slow

QUICKEST = (
    *("R-01", "R-05", "R-07", "R-08", "R-09", "R-11", "R-12", "R-18", "R-22", "R-24"),
    *("R-42", "R-46", "R-51", "R-52", "R-56", "R-57", "R-59", "R-60", "R-61", "R-63"),
    *("R-64", "R-65", "R-66", "R-67", "R-68", "R-72", "R-76", "R-77", "R-82", "R-84"),
)
TRIALS, CLEAN = 1_000, 60
SEED = SHRUNK_SEEDS
"""The first whose failures are not shrunk: that is not looked at here."""
RACES = load_races()


def searched(name: str) -> list[Searched]:
    """All systems of an entry."""
    race = RACES[name]
    scenario = load_scenarios(deep=True)[race.scenario]
    searches = searches_of(race, seeds=SEED + 1, trials=TRIALS, clean_trials=CLEAN)
    return [made(each, race, scenario)[0] for each in searches if each.seed == SEED]


@pytest.mark.parametrize("name", QUICKEST)
def test_the_race_is_found_and_its_fixes_hold(name: str) -> None:
    entry = Examined.of(RACES[name], searched(name))
    assert len(entry.shown) == len(RACES[name].systems)
    for shown in entry.shown:
        (each,) = shown.searched
        assert each.is_right, each
    assert entry.is_answered


def test_every_entry_of_the_specification_is_there() -> None:
    assert list(RACES) == [f"R-{number:02}" for number in range(1, 85)]
