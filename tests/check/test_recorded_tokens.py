"""Recorded logs: tokens of hooks have one owner at a time, over all runs."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest

from simworld.check import check_log
from simworld.check.recorded import tokens
from tests.check.exported import Log, kinds


def owner(run: str, from_ms: int, until_ms: int, token: str = "t") -> list[dict[str, Any]]:
    """A run whose hook owns a token from then to then."""
    log = Log(run).has("run_created").has("run_started")
    log.now_ms += from_ms
    log.has("hook_created", f"hook_{run}", token=token)
    log.now_ms += until_ms - from_ms
    return log.has("hook_disposed", f"hook_{run}").has("run_completed").events


def test_a_token_has_one_owner_over_all_runs_whatever_their_order() -> None:
    first, second = owner("a", 0, 9_000), owner("b", 5_000, 7_000)
    assert kinds(check_log([*first, *second])) == ["I-08 token-owned-twice run/hook_b"]
    assert kinds(check_log([*second, *first])) == ["I-08 token-owned-twice run/hook_b"]
    assert kinds(check_log([*first, *second[:3]])) == []
    open_ones = [*first[:3], *second[:3]]
    late = Log("a", Log().now_ms + 20_000).has("noop").events
    assert kinds(check_log([*open_ones, *late])) == []  # b may have ended at once


def test_one_owner_after_the_other_and_what_clocks_may_explain() -> None:
    assert check_log([*owner("b", 9_500, 12_000), *owner("a", 0, 9_000)])
    assert check_log([*owner("b", 8_500, 12_000), *owner("a", 0, 9_000)])
    assert check_log([*owner("b", 5_000, 7_000, token="u"), *owner("a", 0, 9_000)])


def test_tokens_are_compared_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = owner("a", 0, 9_000), owner("b", 5_000, 7_000)
    others = [*owner("c", 0, 5, token="c"), *owner("d", 0, 5, token="d")]
    monkeypatch.setattr(tokens, "TENURES_MAX", 3)
    assert kinds(check_log([*first, *others, *second])) == ["I-08 token-owned-twice run/hook_b"]
    monkeypatch.setattr(tokens, "TENURES_MAX", 2)
    told = check_log([*first, *others, *second])
    assert kinds(told) == []
    assert "not compared with those of later runs: the oldest 2" in told.notes[0]


def test_a_token_that_thousands_of_runs_own_is_compared_with_the_nearest() -> None:
    runs = [owner(f"r{n:04d}", n * 10_000, n * 10_000 + 9_000) for n in range(3_000)]
    runs.append(owner("x", 15_005_000, 15_007_000))
    assert kinds(check_log(chain(*runs))) == ["I-08 token-owned-twice run/hook_x"]
    together = check_log(chain(*(owner(f"r{n}", 0, 9_000) for n in range(300))))
    assert together.anomalies_count == 299  # one each, not one of every pair
