"""What every explorer owes, valid answers decided by the seed; and what the portfolio promises."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from simworld.entropy import Stream, derive
from simworld.errors import UsageError
from simworld.explore import EXPLORERS, PORTFOLIO, Portfolio, make_explorer
from simworld.records import Profile
from tests.explore.planted import PLANTED, deadlock, first_starts
from tests.explore.toy import Lowest, Toy, profile_of, trial

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", EXPLORERS)
@pytest.mark.parametrize("program", [first_starts, deadlock])
def test_every_explorer_answers_validly_and_by_the_seed_alone(name, program):
    # The toy asserts that every index is valid.  One explorer is used again and one is made anew:
    # nothing of an earlier trial may live on.
    used = make_explorer(name)
    assert used.name == name
    paths = []
    for profile in (Profile(), profile_of(program)):
        for seed in range(20):
            path = trial(program, used, seed, profile).path
            assert path == trial(program, make_explorer(name), seed, profile).path
            paths.append(tuple(path))
    if name != "default":
        assert len(dict.fromkeys(paths)) > 10, "the seed decides nothing"


def test_explorers_do_not_depend_on_the_hash_seed():
    code = (
        "import hashlib\n"
        "from simworld.explore import EXPLORERS\n"
        "from tests.explore.planted import first_starts\n"
        "from tests.explore.toy import profile_of, trial\n"
        "profile = profile_of(first_starts)\n"
        "paths = [trial(first_starts, make(), seed, profile).path\n"
        "         for make in EXPLORERS.values() for seed in range(10)]\n"
        "print(hashlib.blake2b(repr(paths).encode()).hexdigest())\n"
    )
    digests = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert len(digests[0]) > 100
    assert digests[0] == digests[1]


def test_default_is_the_all_zero_schedule():
    assert trial(first_starts, make_explorer("default")).path == trial(first_starts, Lowest()).path


def test_an_unknown_explorer_is_a_usage_error_with_the_nearest_name():
    with pytest.raises(UsageError, match="unknown explorer 'rendevous'; did you mean rendezvous"):
        make_explorer("rendevous")


@pytest.mark.parametrize("name", PLANTED)
def test_planted_races_need_a_search(name):
    program, _ = PLANTED[name]
    assert not trial(program, Lowest()).failed


@pytest.mark.parametrize("campaign", range(5))
@pytest.mark.parametrize("name", PLANTED)
def test_the_portfolio_finds_every_planted_race(name, campaign):
    program, trials = PLANTED[name]
    profile = profile_of(program)
    portfolio = Portfolio()
    assert any(
        trial(program, portfolio, derive(campaign, name, number), profile).failed
        for number in range(trials)
    )


def test_no_member_of_the_portfolio_finds_all_that_the_portfolio_finds():
    # Why there is a portfolio: within 60 trials every single strategy misses one of the races.
    members = {make().name: make for _, make in PORTFOLIO}
    assert len(members) == 10
    for make in members.values():
        found = [
            any(trial(program, make(), seed, profile_of(program)).failed for seed in range(60))
            for program, _ in PLANTED.values()
        ]
        assert not all(found), make().name


def test_the_portfolio_draws_by_weight_and_says_whom():
    assert sum(weight for weight, _ in PORTFOLIO) == pytest.approx(1)
    portfolio = Portfolio()
    drawn: dict[str, int] = {}
    for seed in range(4_000):
        portfolio.begin(Stream(derive(seed, "draw")), Profile())
        drawn[portfolio.chosen] = drawn.get(portfolio.chosen, 0) + 1
    for weight, make in PORTFOLIO:
        assert drawn.pop(make().name) == pytest.approx(4_000 * weight, rel=0.35)
    assert not drawn


def test_a_kernel_may_take_choose_before_or_after_begin():
    for seed in range(30):
        late = trial(first_starts, Portfolio(), seed)
        portfolio = Portfolio()
        choose = portfolio.choose
        portfolio.begin(Stream(derive(seed, "explorer")), Profile())
        portfolio.choose = choose  # what a kernel made before ``begin`` would call
        early = Toy(first_starts, portfolio)
        early.run()
        assert early.path == late.path
        portfolio.begin(Stream(seed), Profile())
        assert portfolio.choose.__self__ is not portfolio, "a frame too many on the hot path"
