"""The same seed gives the same trial: again and again, after others, in fresh processes."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from simworld.campaign import Hunter, Scenario, load_scenarios, placed, preset, run_trial

pytest.importorskip("vercel.workflow", reason="pip install 'simworld[vercel]'")

SUBJECT = "vercel-workflow"
HASH_SEEDS = ("0", "1", "12345")
TRIALS = 3
"""Of each hunt that is compared; the cases are drawn, so they are with faults and without."""
HUNTS = (
    ("vercel_gather", "atomic"),
    ("vercel_stopping", "sdk-local"),
    ("vercel_retrying", "local"),
    ("vercel_step_or_sleep", "postgres"),
    ("vercel_letters", "hosted"),
    ("vercel_streaming", "atomic"),
    ("vercel_cancelled", "atomic"),
)
"""(scenario, world)."""
REPEATED = (("vercel_retrying", "atomic"), ("vercel_catching", "sdk-local"))


@functools.cache
def scenarios() -> dict[str, Scenario]:
    return load_scenarios("scenarios/vercel")


def hunter(name: str, place: str) -> Hunter:
    return Hunter(scenarios()[name], placed(preset(SUBJECT), place), seed=5)


def digests() -> Iterator[str]:
    """One line for every trial of every hunt."""
    for name, place in HUNTS:
        told = hunter(name, place)
        for number in range(TRIALS):
            yield f"{name} {place} {number} {run_trial(told.setup(number)).digest}"


@pytest.mark.parametrize(("name", "place"), REPEATED)
def test_a_trial_repeats_twenty_times(name: str, place: str) -> None:
    """Whatever else has run in between."""
    told, other = hunter(name, place), hunter("vercel_hook_or_sleep", "atomic")
    found: dict[tuple[int, str], None] = {}
    for again in range(20):
        found[again % 2, told.trial(again % 2).digest] = None
        found[2, told.trial(2).digest] = None
        if again % 4 == 0:
            other.trial(again)
    assert sorted(number for number, _ in found) == [0, 1, 2]


def test_fresh_processes_agree() -> None:
    """Under three orders of hashing, and with this one, in which other tests have run."""
    here = list(digests())
    code = "from tests.subjects.test_determinism import digests; print(*digests(), sep=chr(10))"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.getcwd()},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in HASH_SEEDS
    ]
    for worker in workers:
        told, _ = worker.communicate()
        assert told.splitlines() == here
    assert len(dict.fromkeys(line.split()[-1] for line in here)) > len(here) // 2
