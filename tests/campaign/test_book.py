"""The scenario book: every page on every preset comes out as it declares."""

from __future__ import annotations

import pathlib

import attrs
import pytest

from simworld.campaign import (
    EVERYWHERE,
    PRESETS,
    Page,
    load_pages,
    observe,
    page,
    replay,
    with_knob,
)
from simworld.engine import workflow
from simworld.errors import UsageError
from simworld.explore import Scripted
from simworld.records import FAIL, PASS, Fault, Verdict

PAGES = load_pages(str(pathlib.Path(__file__).parents[2] / "scenarios" / "book"))
WANTED = (
    "hook-at-step-started",
    "hook-at-step-completed",
    "hook-at-hook-created",
    "deadline-hook-wins",
    "deadline-hook-expires",
    "long-sleep",
    "hook-never-arrives",
    "step-retries-twice",
    "cancel-mid-step",
    "hook-peek-before-branch",
    "hook-peek-after-branch",
    "hook-peek-at-registration",
    "hook-race-before-probe",
    "hook-race-after-probe",
    "duplicate-delivery",
    "attributes-from-workflow",
    "attributes-from-step",
    "attributes-under-payload",
    "fork-hook-before-timeout",
    "fork-hook-after-timeout",
    "count-none",
    "count-two-in-time",
    "count-one-too-late",
    "count-one-just-in-time",
    "stale-read-fork-equal-steps",
    "stale-read-fork-different-steps",
    "step-vs-step-fork",
    "in-flight-before-decision",
    "in-flight-after-decision",
    "claimed-payload-under-fork",
    "unclaimed-payload-under-fork",
    "clock-after-race",
    "sleep-resumeat-recomputed",
    "sleep-resumeat-drift",
    "sleep-resumeat-inherits",
    "sleep-continuation-stranded",
    "lost-step-dispatch",
    "step-vs-timer-early-settlement",
    "timer-vs-step-early-settlement",
    "run-ahead-fenced-overlap",
    "smoke-no-step",
    "smoke-one-step",
)
"""The list of spec §8.6."""


@workflow
async def nothing() -> str:
    """A run without a step."""
    return "done"


def small(**more: object) -> Page:
    return page("small", "a run completes", nothing, laws=("I-01",), **more)


def test_every_page_of_the_list_is_there() -> None:
    assert [name for name in WANTED if name not in PAGES] == []


@pytest.mark.parametrize("variant", PRESETS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_comes_out_as_declared(name: str, variant: str) -> None:
    observed = observe(PAGES[name], PRESETS[variant])
    assert observed.is_right, (observed.expected, observed.verdict, observed.unfollowed)
    # No claim is made where the script cannot be followed, and only there.
    assert (observed.expected is None) == bool(observed.unfollowed)
    if variant == "fixed":
        assert observed.expected == Verdict(PASS)
    if variant in ("fixed", "v2_merge"):
        assert not observed.unfollowed


@pytest.mark.parametrize(
    ("name", "knob", "law"),
    [
        ("hook-at-step-started", "attempt_guard=G1", "I-14"),
        ("hook-peek-after-branch", "delivery=D0", "I-17"),
        ("hook-race-after-probe", "delivery=D0", "I-20"),
        ("fork-hook-before-timeout", "wait_push=local", "I-20"),
        ("count-one-too-late", "delivery=D0", "I-18"),
        ("stale-read-fork-equal-steps", "wait_push=local", "I-20"),
        ("sleep-resumeat-drift", "sleep_clock=host", "I-06"),
        ("sleep-continuation-stranded", "key_policy=plain", "L-01"),
        ("long-sleep-in-hops", "wait_dispatch=return_value", "I-21"),
        ("crash-before-dispatch", "dispatch=owned_only", "L-01"),
        ("lost-step-dispatch", "bg_status_check=eq_running", "L-01"),
        ("duplicate-message", "inline_gate=none", "I-15"),
    ],
)
def test_without_its_fix_a_page_comes_out_wrong(name: str, knob: str, law: str) -> None:
    observed = observe(PAGES[name], with_knob(PRESETS["fixed"], knob))
    assert observed.verdict == Verdict(FAIL, law)


def test_what_a_page_finds_is_replayed_without_its_script() -> None:
    observed = observe(PAGES["fork-hook-before-timeout"], PRESETS["v2_merge"])
    assert observed.repro is not None
    scenarios = {each.scenario.name: each.scenario for each in PAGES.values()}
    assert replay(observed.repro, scenarios).anomaly.law == observed.verdict.law


def test_another_outcome_than_the_declared_one_is_not_right() -> None:
    wrong = small(expect=EVERYWHERE | {"v2_merge": "FAIL I-17"})
    observed = observe(wrong, PRESETS["v2_merge"])
    assert (observed.verdict.outcome, observed.expected.outcome) == (PASS, FAIL)
    assert not observed.is_right
    assert observe(wrong, PRESETS["fixed"]).is_right


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"script": lambda: Scripted().run_until("delete*")}, "run until 'delete*' by '*'"),
        ({"script": lambda: Scripted().hold("*").run_until("delete*")}, "only held tasks"),
        ({"faults": [Fault("crash", "start/flow~9", 1)]}, "no fault struck: crash of start/flow~9"),
    ],
)
def test_a_script_that_is_not_followed_is_right_only_where_nothing_is_claimed(
    more: dict[str, object], told: str
) -> None:
    observed = observe(small(**more), PRESETS["fixed"])
    assert told in observed.unfollowed
    assert not observed.is_right
    assert observe(small(**more, expect={"fixed": "-"}), PRESETS["fixed"]).is_right


def test_a_page_has_one_case() -> None:
    scenario = small().scenario
    twice = attrs.evolve(scenario, cases=(*scenario.cases, attrs.evolve(*scenario.cases, name="x")))
    with pytest.raises(UsageError, match="page small: its scenario has one case, not several"):
        Page("small", "a run completes", twice)
