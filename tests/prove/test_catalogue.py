"""The whole catalogue: 20 seeds, up to 10 000 trials where something must be found, 10 000 clean.

``make prove`` runs it; searches of the same source are not made again, so it may be stopped at any
time.  The results are reports/races.md, and a story and a repro per race under reports/races/.
"""

from __future__ import annotations

import json
import pathlib
import statistics

import pytest

from simworld.campaign import load_races
from simworld.cli import main

pytestmark = pytest.mark.prove

SEEDS, TRIALS, CLEAN = "20", "10000", "500"
ANSWERED_MIN = 70
MOVES_MAX = 8
RACES = load_races()


@pytest.fixture(scope="module")
def entries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    """What ``simworld catalogue`` says about every entry."""
    told = pathlib.Path(tmp_path_factory.mktemp("catalogue")) / "races.json"
    sizes = ["--seeds", SEEDS, "--trials", TRIALS, "--clean-trials", CLEAN]
    main(["catalogue", "--run", *sizes, "--report", "reports", "--json", str(told)])
    return {each["id"]: each for each in json.loads(told.read_text())["races"]}


@pytest.mark.parametrize("name", [name for name, race in RACES.items() if not race.absent])
def test_an_entry_is_as_the_catalogue_says(name: str, entries: dict[str, dict]) -> None:
    entry = entries[name]
    wrong = [each for each in entry["systems"] if not each["right"]]
    assert not wrong, wrong
    assert entry["answered"]


def test_enough_is_answered_and_told_in_few_moves(entries: dict[str, dict]) -> None:
    assert sum(bool(each["answered"]) for each in entries.values()) >= ANSWERED_MIN
    moves = [
        system["moves"]
        for each in entries.values()
        for system in each["systems"]
        if system["moves"] is not None
    ]
    assert statistics.median(moves) <= MOVES_MAX
