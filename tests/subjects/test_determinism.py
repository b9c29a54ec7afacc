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
LOOKED_AT = 12
"""Trials among which there is one with a fault and one without."""
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
FAULTY = ("quiet", "faulty")
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
            trial = run_trial(told.setup(number))
            yield f"{name} {place} {number} {FAULTY[bool(trial.faults)]} {trial.digest}"


def faulty_and_not(told: Hunter) -> list[int]:
    """The first trial in which something goes wrong, and the first in which nothing does."""
    struck = [bool(told.trial(number).faults) for number in range(LOOKED_AT)]
    return [struck.index(True), struck.index(False)]


@pytest.mark.parametrize(("name", "place"), REPEATED)
def test_a_trial_repeats_twenty_times(name: str, place: str) -> None:
    """Whatever else has run in between."""
    told, other = hunter(name, place), hunter("vercel_hook_or_sleep", "atomic")
    numbers = faulty_and_not(told)
    found: dict[tuple[int, str], None] = {}
    for again in range(20):
        for number in numbers:
            found[number, told.trial(number).digest] = None
        if again % 4 == 0:
            other.trial(again)
    assert sorted(number for number, _ in found) == sorted(numbers)


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
    told_of = [line.split()[-2] for line in here]
    assert all(told_of.count(word) >= len(HUNTS) // 2 for word in FAULTY)
    assert len(dict.fromkeys(line.split()[-1] for line in here)) > len(here) // 2
