"""The log of a run: the same keys and values as text and as JSON."""

from __future__ import annotations

import json

from simworld.records import RunLogLine
from simworld.render import log_json, log_text

AT_MS = 1_750_000_000_005


def line(**fields: object) -> RunLogLine:
    return RunLogLine(12, AT_MS, "run", "start/flow/work#3~2", "step failed", fields)


def test_a_note_is_one_line_of_key_and_value() -> None:
    assert log_text([line(step="work#3", attempt=2), line()]) == (
        'time=2025-06-15T15:06:40.005Z run=run msg="step failed" turn=12 '
        "task=start/flow/work#3~2 step=work#3 attempt=2\n"
        'time=2025-06-15T15:06:40.005Z run=run msg="step failed" turn=12 '
        "task=start/flow/work#3~2\n"
    )


def test_what_could_be_misread_is_quoted() -> None:
    odd = {
        "empty": "", "blank": "a b", "equals": "a=b", "quote": '"', "lines": "a\nb", "word": "é",
        "none": None, "yes": True, "many": [1, 2],
    }  # fmt: skip
    text = log_text([line(**odd)])
    assert text.count("\n") == 1
    assert text.endswith(
        ' empty="" blank="a b" equals="a=b" quote="\\"" lines="a\\nb" word="é"'
        ' none=null yes=true many="[1,2]"\n'
    )


def test_a_field_named_like_one_of_ours_takes_nothing_away() -> None:
    assert " run=run " in log_text([line(run="other")])
    assert log_text([line(run="other")]).endswith(" note.run=other\n")


def test_as_json_every_line_is_an_object() -> None:
    first, second = log_json([line(step="work#3", attempt=2, error=ValueError("x")), line()]).split(
        "\n"
    )[:2]
    assert json.loads(first) == {
        "time": "2025-06-15T15:06:40.005Z", "run": "run", "msg": "step failed", "turn": 12,
        "task": "start/flow/work#3~2", "step": "work#3", "attempt": 2, "error": "x",
    }  # fmt: skip
    assert "step" not in json.loads(second)


def test_no_notes_are_no_lines() -> None:
    assert log_text([]) == log_json([]) == ""
