"""The log of a process: a line per note, as text and as JSON."""

from __future__ import annotations

import json

from simworld.service import ServiceLog


def lines(form, act):
    """What is written while ``act(log)`` runs at a fixed time."""
    written = []
    act(ServiceLog(written.append, form=form, now_ms=lambda: 1_700_000_000_000))
    return written


def note(log):
    log.note("wrun_1", "step failed", step="step_1", error="ValueError('no')", turn=7)


def test_a_note_as_text():
    assert lines("text", note) == [
        'time=2023-11-14T22:13:20.000Z run=wrun_1 msg="step failed" task="" step=step_1 '
        "error=\"ValueError('no')\" turn=7\n"
    ]


def test_a_note_as_json():
    (line,) = lines("json", note)
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.000Z",
        "run": "wrun_1",
        "msg": "step failed",
        "task": "",
        "step": "step_1",
        "error": "ValueError('no')",
        "turn": 7,
    }


def test_a_foreign_text_is_cut():
    def act(log):
        log.note("wrun_1", "step failed", step="s" * 5_000)
        log.note("r" * 5_000, "step failed")
        log.failed("d" * 5_000, ValueError("e"))

    step, run, failed = (json.loads(line) for line in lines("json", act))
    assert (len(step["step"]), len(run["run"]), len(failed["failed"])) == (200, 200, 200)


def test_an_error_that_nobody_expected_is_told_in_full():
    def act(log):
        try:
            raise ZeroDivisionError("a bug")
        except ZeroDivisionError as error:
            log.failed("flow.1", error)

    (line,) = lines("json", act)
    told = json.loads(line)
    assert (told["msg"], told["failed"]) == ("task failed", "flow.1")
    assert "test_log.py" in told["traceback"]
