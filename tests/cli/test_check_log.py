"""``simworld check-log``: files in, exit codes, what is told, JSON, Ctrl-C, the bar."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from simworld import cli
from tests.check.exported import Log, lines
from tests.cli.fakes import Ran


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Any:
    def check(*argv: str) -> Ran:
        code = cli.main(["check-log", *argv])
        return Ran(code, *capsys.readouterr())

    return check


def written(name: str, *logs: Log) -> str:
    Path(name).write_bytes(lines(event for log in logs for event in log.events))
    return name


def broken() -> Log:
    return Log("wrun_9").opened().step("started").but(3, tenant={"id": 7})


def test_a_clean_log_passes_and_the_summary_is_short(check: Any) -> None:
    ran = check(written("run.jsonl", Log().worked()))
    assert (ran.code, ran.err) == (0, "")
    told = ran.out.splitlines()
    assert told[0].startswith("6 events of 1 run judged by I-01, I-02, I-03")
    assert told[-1] == "verdict: PASS"
    assert "not judged: I-12: a log does not say how many retries" in ran.out


def test_an_anomaly_is_told_with_file_line_position_event_and_law(check: Any) -> None:
    ran = check(written("run.jsonl", Log().worked(), broken()))
    assert ran.code == 1
    assert ran.out.splitlines()[:2] == [
        "run.jsonl:9:1: I-05 step-not-created: step_started (run wrun_9, event 3)",
        "    step_started of step_A at position 3: there is no step_created before it",
    ]
    assert ran.out.splitlines()[-1] == "verdict: FAIL I-05 (1 anomaly)"


def test_json_has_the_whole_event(check: Any) -> None:
    ran = check(written("run.jsonl", broken()), "--json", "-")
    told = json.loads(ran.out)["check_log"]
    assert (told["verdict"], told["law"], told["events"], told["runs"]) == ("FAIL", "I-05", 3, 1)
    (found,) = told["anomalies"]
    assert (found["file"], found["line"], found["position"]) == ("run.jsonl", 3, 3)
    assert found["event"]["tenant"] == {"id": 7}
    assert found["event"]["eventId"] == found["event_id"]
    assert told["not_judged"].keys().isdisjoint(told["judged"])
    assert "verdict: FAIL" in ran.err


def test_nothing_in_a_log_moves_the_cursor(check: Any) -> None:
    ran = check(written("run.jsonl", Log("w\x1b[2J\n").opened().step("started", about="s\x07")))
    assert ran.code == 1
    assert "(run w\\x1b[2J\\n, event 3)" in ran.out
    assert "s\\x07" in ran.out


def test_json_to_a_file(check: Any) -> None:
    ran = check(written("run.jsonl", Log().worked()), "--json", "told.json")
    assert "verdict: PASS" in ran.out
    assert json.loads(Path("told.json").read_text())["schema"] == 1


def test_runs_may_go_on_in_the_next_file(check: Any) -> None:
    whole = Log().worked()
    Path("a.json").write_text(json.dumps(whole.events[:3]))
    Path("b.json").write_text(json.dumps({"data": whole.events[3:], "hasMore": False}))
    ran = check("a.json", "b.json", "--ended")
    assert ran.code == 0
    assert ran.out.startswith("6 events of 1 run judged")
    assert check("b.json").code == 1


def test_stdin(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines(broken().events))))
    ran = check("-")
    assert ran.code == 1
    assert ran.out.startswith("<stdin>:3:1: I-05")


def test_unreadable_parts_make_it_unknown_and_are_told(check: Any) -> None:
    name = written("run.jsonl", Log().worked())
    text = Path(name).read_bytes()
    Path(name).write_bytes(text.replace(b'"eventType": "step_cr', b'"eventType"'))
    ran = check(name)
    assert ran.code == 3
    assert ran.out.startswith("run.jsonl:3:")
    assert ": unreadable: this is no JSON" in ran.out
    assert "verdict: UNKNOWN parts of the input could not be read" in ran.out
    assert "sightings that are not reported" in ran.out


def test_unknown_types_are_noted(check: Any) -> None:
    ran = check(written("run.jsonl", Log().opened().has("step_dreamed").has("run_completed")))
    assert ran.code == 0
    assert "note: 1 event of the unknown type 'step_dreamed', the first at run.jsonl:3:1" in ran.out


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (b"", 3, "verdict: UNKNOWN no event was found"),
        (b"[]", 3, "verdict: UNKNOWN no event was found"),
        (b"hello\nworld\n", 2, "error: nothing in the input is an event"),
        (b"\x1f\x8b\x08\x00\x00", 2, "error: nothing in the input is an event"),
    ],
)
def test_nothing_to_judge(check: Any, text: bytes, code: int, said: str) -> None:
    Path("log").write_bytes(text)
    ran = check("log")
    assert ran.code == code
    assert said in ran.out + ran.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["gone.json"], "cannot read gone.json: No such file or directory"),
        (["."], ". is a directory; name the files in it"),
        ([], "the following arguments are required: FILE"),
        (["log", "--law", "I-5"], "unknown law of recorded logs 'I-5'; did you mean"),
        (["log", "--law", "L-01"], "L-01 needs --ended"),
        (["log", "--max-retries", "-1"], "takes a whole number of at least 0, not '-1'"),
        (["log", "--max-retries", "many"], "takes a whole number of at least 0, not 'many'"),
        (["log", "--json", "no/such/file"], "cannot write --json no/such/file"),
    ],
)
def test_bad_usage(check: Any, argv: list[str], said: str) -> None:
    Path("log").write_bytes(lines(Log().worked().events))
    ran = check(*argv)
    assert ran.code == 2
    assert said in ran.err
    assert ran.err.count("\n") == 1


def test_a_file_name_that_is_no_text_is_told_in_json(check: Any) -> None:
    ran = check(written("x\udcff.jsonl", broken()), "--json", "-")
    assert ran.code == 1
    told = json.loads(ran.out)["check_log"]["anomalies"][0]
    assert told["file"] == "x\N{REPLACEMENT CHARACTER}.jsonl"


def test_laws_are_chosen(check: Any) -> None:
    name = written("run.jsonl", broken())
    assert check(name, "--law", "I-01", "--law", "L-03").code == 0
    assert check(name, "--law", "I-05").code == 1
    open_log = written("open.jsonl", Log().opened().step("created"))
    assert check(open_log).code == 0
    ran = check(open_log, "--ended")
    assert ran.code == 1
    assert "L-01 stuck-run" in ran.out


class _Interrupted(io.BytesIO):
    """Ctrl-C after the first portion."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise KeyboardInterrupt
        return super().read(size)


@pytest.mark.parametrize(("first", "code"), [(broken(), 1), (Log().opened(), 3)])
def test_ctrl_c_keeps_what_was_found(
    check: Any, monkeypatch: pytest.MonkeyPatch, first: Log, code: int
) -> None:
    more = [event for number in range(400) for event in Log(f"w{number}").worked().events]
    data = lines([*first.events, *more])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=_Interrupted(data)))
    ran = check("-", "--law", "I-05", "--json", "told.json")
    assert ran.code == code
    assert "interrupted after" in ran.err
    assert "in <stdin>" in ran.err
    assert json.loads(Path("told.json").read_text())["check_log"]["interrupted"] is True


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_on_a_terminal(check: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simworld.render.progress.DRAW_EVERY_S", -1.0)
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert check(written("run.jsonl", *[Log(f"w{n}").worked() for n in range(400)])).code == 0
    assert "0 anomalies" in terminal.getvalue()


def test_help_says_what_is_accepted(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check-log", "--help"])
    out = capsys.readouterr().out
    for word in ("ISO 8601", "whole milliseconds", "oldest first", "zcat", "exit codes", "--ended"):
        assert word in out
