"""Tables of results and scenarios: every figure is there, and no line is too wide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from simworld.records import Result, Verdict
from simworld.render import notes_text, results_table, scenarios_table, summary_line
from tests.render import samples

KNOBS = "v2_merge attempt_guard=G0 dedup=queued_only"


def _rows(text: str) -> list[str]:
    """The lines below the dashes."""
    lines = text.splitlines()
    rule = next(n for n, line in enumerate(lines) if line and set(line) == {"-"})
    return lines[rule + 1 :]


def _mixed() -> list[Result]:
    return [
        samples.result(),
        samples.passing(),
        samples.result(scenario="concurrent_first_attempts", variant=KNOBS, expected=None),
        samples.passing(
            scenario="retry_exhaustion", verdict=Verdict("UNKNOWN", reason="turns_max reached")
        ),
    ]


def test_a_row_says_everything() -> None:
    (row,) = _rows(results_table([samples.result()], width=120))
    cells = row.split()
    assert cells[:5] == ["inflated_attempts", "v2_merge", "FAIL", "I-12", "✓"]
    assert " 132 " in row, "trials are counted from 1 for people"
    assert "145 → 4" in row
    assert row.endswith("1 250     7.1      52"), "trials/s, deliveries and turns per trial"


def test_a_pass_has_no_failure_to_count() -> None:
    (row,) = _rows(results_table([samples.passing()], width=120))
    assert row.split()[:7] == ["inflated_attempts", "fixed", "PASS", "–", "✓", "–", "–"]


@pytest.mark.parametrize(
    ("changed", "sign"),
    [
        ({}, "✓"),
        ({"expected": Verdict("FAIL", "I-13a")}, "✗"),
        ({"expected": Verdict("PASS")}, "✗"),
        ({"expected": None}, "–"),
        ({"interrupted": True, "verdict": Verdict("UNKNOWN"), "findings": ()}, "–"),
    ],
)
def test_the_declared_verdict_is_compared_with_its_law(changed: dict[str, Any], sign: str) -> None:
    (row,) = _rows(results_table([samples.result(**changed)], width=120))
    assert row.split()[4] == sign


def test_figures_are_those_of_the_law_in_the_verdict() -> None:
    other = samples.finding(anomaly=samples.anomaly(law="I-21"), trial=3, moves_before=9)
    later = samples.finding(trial=900, moves_before=8)
    result = samples.result(findings=(other, later, samples.finding()))
    (row,) = _rows(results_table([result], width=120))
    assert "I-12 +2" in row
    assert " 132 " in row
    assert "145 → 4" in row


def test_a_case_gets_a_column_only_where_there_is_one() -> None:
    assert "case" not in results_table([samples.result()], width=120)
    text = results_table([samples.result(case="duplicates"), samples.passing()], width=120)
    assert "case" in text
    assert "duplicates" in text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160])
def test_no_line_is_wider_than_asked_for(width: int) -> None:
    text = results_table(_mixed(), width=width)
    assert max(map(len, text.splitlines())) <= width


def test_at_eighty_columns_names_stay_whole() -> None:
    text = results_table(_mixed(), width=80)
    for name in ("concurrent_first_attempts", "v2_merge", "attempt_guard=G0", "dedup=queued_only"):
        assert name in text
    assert "145→4" in text


@pytest.mark.parametrize("width", [80, 120])
def test_without_color_there_is_only_text(width: int) -> None:
    text = results_table(_mixed(), width=width)
    assert "\x1b" not in text
    assert not set(text) & set("─│┌┐└┘├┤┼━┃╭╮")
    assert all(line == line.rstrip() for line in text.splitlines())


def test_color_changes_nothing_but_the_color() -> None:
    text = results_table([samples.result()], width=120, color=True)
    assert "\x1b[31mFAIL" in text


def test_a_result_without_trials_divides_by_nothing() -> None:
    empty = samples.passing(trials=0, seconds=0.0, turns=0, deliveries=0)
    (row,) = _rows(results_table([empty], width=120))
    assert row.split()[-3:] == ["–", "–", "–"]


def test_the_summary_counts_verdicts_and_surprises() -> None:
    line = summary_line([samples.result(), samples.passing()])
    assert line.startswith("2 hunts: 1 FAIL, 1 PASS; all as declared")
    assert "4 000 trials, 208 000 turns in 3.2 s" in line
    assert "1 not as declared" in summary_line(_mixed())
    assert "declared" not in summary_line([samples.result(expected=None)])


def test_canaries_stand_apart_and_count_for_nothing() -> None:
    canary = samples.result(scenario="canary", canary=True)
    found, silent = [canary, samples.passing()], attrs.evolve(canary, expected=Verdict("PASS"))
    passing, apart, last = _rows(results_table(found, width=120))
    assert passing.startswith("inflated_attempts")
    assert apart == ""
    assert last.startswith("canary")
    assert summary_line(found).startswith("1 hunt: 1 PASS; all as declared; canary ok · 2 000")
    assert "; the canary is silent · " in summary_line([silent, *found])
    assert notes_text(found) == ""
    silent = attrs.evolve(silent, surprises=("case killed was not refuted in 60 trials",))
    assert notes_text([silent]) == (
        "canary on v2_merge: the harness is broken: case killed was not refuted in 60 trials"
    )


def test_what_nobody_declared_is_not_told_as_declared() -> None:
    line = summary_line([samples.result(), samples.result(expected=None)])
    assert "; all declared ones as declared, 1 undeclared · " in line


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda r: attrs.evolve(r, ended_share=0.5), "PASS is weak, only 50.0% of the runs ended"),
        (lambda r: attrs.evolve(r, overlap_share=0.1), "only 10.0% of the trials had overlapping"),
        (lambda r: attrs.evolve(r, interrupted=True), "interrupted after 2 000 trials"),
        (
            lambda r: attrs.evolve(r, verdict=Verdict("UNKNOWN", reason="turns_max reached")),
            "inflated_attempts on fixed: turns_max reached",
        ),
    ],
)
def test_notes_say_what_weakens_a_result(change: Callable[[Result], Result], note: str) -> None:
    assert note in notes_text([change(samples.passing())])


def test_a_sound_result_needs_no_note() -> None:
    assert notes_text([samples.result(), samples.passing()]) == ""


@attrs.frozen
class _Case:
    name: str
    title: str
    races: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


@attrs.frozen
class _Scenario:
    name: str
    title: str
    law: str
    laws: tuple[str, ...]
    cases: tuple[_Case, ...]
    marks: tuple[str, ...] = ("timer.fired",)
    canary: bool = False
    subject: str = ""


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_catalogue_shows_cases_and_variants(width: int) -> None:
    title = "A step is given up although its retries are not used up " * 3
    scenario = _Scenario(
        "an_uncommonly_long_name_of_one",
        title,
        "I-12",
        ("I-21", "I-12"),
        (_Case("dup", "x", ("R-2",), ("delivery.duplicate",)),),
    )
    text = scenarios_table({scenario.name: scenario}, ["v2_merge", "fixed"], width=width)
    assert max(map(len, text.splitlines())) <= width
    assert "I-12, I-21" in text
    assert "an_uncommonly_long_name_of_one" in text, "names stay whole"
    assert "  dup" in text
    assert "R-2" in text
    assert width < 80 or "reaches timer.fired" in text
    assert width < 80 or "reaches delivery.duplicate" in text
    assert text.endswith("variants: v2_merge, fixed\n")


def test_a_narrow_catalogue_gives_sentences_more_room_than_lists() -> None:
    laws = ("I-13", "I-14", "I-18", "I-21", "L-01", "L-02")
    title = "A step is given up although its retries are not used up"
    text = scenarios_table({"ten_chars_": _Scenario("", title, "I-12", laws, ())}, [], width=60)
    assert "A step is given up although\n" in text
