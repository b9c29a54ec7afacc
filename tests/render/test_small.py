"""Small words, names of files, surprises, and the streams they go to."""

from __future__ import annotations

import errno
import io
import sys
from pathlib import Path

import attrs
import pytest

from simworld.errors import UsageError
from simworld.records import Progress, Verdict
from simworld.render import (
    Output,
    Pace,
    check_targets,
    for_encoding,
    hunt_heading,
    progress_bar,
    repro_names,
    surprise_lines,
)
from simworld.render.text import count, listed, number, ordinal
from tests.render import samples


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.42, "0.42"), (7.14, "7.1"), (7, "7"), (52.4, "52"), (12_345, "12 345")],
)
def test_figures_have_the_digits_somebody_reads(value: float, text: str) -> None:
    assert number(value) == text


def test_words() -> None:
    assert [count(1, "turn"), count(14, "turn")] == ["1 turn", "14 turns"]
    assert count(2, "delivery/deliveries") == "2 deliveries"
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th",
    ]  # fmt: skip
    assert [listed([]), listed(["A"]), listed(["A", "B"])] == ["", "A", "A and B"]
    assert listed(list("ABCDEF")) == "A, B, C and 3 others"


def test_a_stream_without_unicode_gets_ascii() -> None:
    assert for_encoding("145 → 4 ✓ …", "utf-8") == "145 → 4 ✓ …"
    assert for_encoding("145 → 4 ✓ …", "ascii") == "145 -> 4 ok ..."
    assert for_encoding("é → x", "ascii") == "\\xe9 -> x"
    assert for_encoding("é", "latin-1") == "é"


def test_the_heading_has_the_bounds() -> None:
    def heading(trials: int | None, seconds: float | None) -> str:
        return hunt_heading(
            ["a", "b"], ["fixed"], trials=trials, seconds=seconds, options=["case c"]
        )

    assert heading(2_000, None) == "hunting a, b on fixed\n2 000 trials each, case c"
    assert "\n30 s each" in heading(None, 30.0)
    assert "\n100 trials or 1.5 s each" in heading(100, 1.5)


def test_surprises_are_named_with_both_verdicts() -> None:
    odd = samples.passing(verdict=Verdict("FAIL", "I-12"))
    assert surprise_lines([samples.result(), odd, samples.result(expected=None)]) == [
        "surprise: inflated_attempts on fixed: expected PASS, got FAIL I-12"
    ]


def test_not_knowing_surprises_nobody_only_after_an_interruption() -> None:
    unsure = samples.passing(verdict=Verdict("UNKNOWN", reason="why"))
    assert len(surprise_lines([unsure])) == 1
    assert surprise_lines([attrs.evolve(unsure, interrupted=True)]) == []
    odd = samples.passing(verdict=Verdict("FAIL", "I-12"), interrupted=True)
    assert len(surprise_lines([odd])) == 1


def test_repros_have_names_of_their_own_without_odd_characters() -> None:
    twins = samples.result(
        variant="v2_merge dedup=none", findings=(samples.finding(), samples.finding())
    )
    names = list(repro_names([twins, samples.result()]).values())
    assert len(set(names)) == 3
    assert names[0] == (
        "inflated_attempts-v2_merge-dedup=none-I-12-retries-not-exhausted-seed7-trial131.json"
    )
    odd = samples.result(scenario="../a b", findings=(samples.finding(),))
    (name,) = repro_names([odd]).values()
    assert "/" not in name
    assert " " not in name


# --- streams -------------------------------------------------------------------------------------


class _Stream(io.TextIOWrapper):
    """A stream with an encoding that may be a terminal, and may be closed at the other end."""

    def __init__(self, encoding: str = "utf-8", *, tty: bool = False, broken: bool = False) -> None:
        self.bytes = io.BytesIO()
        super().__init__(self.bytes, encoding=encoding, newline="\n", write_through=True)
        self._tty, self._broken = tty, broken

    def isatty(self) -> bool:
        return self._tty

    def write(self, text: str) -> int:
        if self._broken:
            raise BrokenPipeError
        return super().write(text)

    @property
    def text(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode()


def test_output_goes_to_stdout_in_characters_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = _Stream("ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    Output(None).say("4 → 5")
    assert stream.text == "4 -> 5\n"


def test_json_on_stdout_sends_words_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = _Stream(), _Stream()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    output = Output("-")
    output.say("words")
    output.write_json(b"{}\n")
    assert (out.text, err.text) == ("{}\n", "words\n")


def test_a_reader_that_went_away_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", _Stream(broken=True))
    Output(None).say("nobody reads this")


@pytest.mark.parametrize(
    ("tty", "variables", "color"),
    [(True, {}, True), (True, {"NO_COLOR": ""}, False), (True, {"TERM": "dumb"}, False),
     (False, {}, False)],
)  # fmt: skip
def test_color_is_for_terminals(
    monkeypatch: pytest.MonkeyPatch, tty: bool, variables: dict[str, str], color: bool
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", _Stream(tty=tty))
    assert Output(None).color is color


@pytest.mark.parametrize(("columns", "width"), [("20", 60), ("90", 90), ("500", 160)])
def test_width_follows_the_terminal_within_reason(
    monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert Output(None).width == width


def test_targets_that_can_be_written_are_left_untouched(tmp_path: Path) -> None:
    kept = tmp_path / "old.json"
    kept.write_text("old")
    check_targets(str(kept), str(tmp_path / "a" / "b"))
    check_targets(str(tmp_path / "new.json"))
    assert kept.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["old.json"]


def test_targets_that_cannot_be_written_are_found_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match=r"cannot write into --save .*file"):
            check_targets(None, str(folder))
    for target in (tmp_path, tmp_path / "missing" / "x.json"):
        with pytest.raises(UsageError, match="cannot write --json"):
            check_targets(str(target))


def test_a_full_disk_below_stdout_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class _Full(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sys.stdout", _Full())
    with pytest.raises(UsageError, match="cannot print: No space left"):
        Output(None).say("a line")


def test_where_there_is_no_terminal_a_line_is_said_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time counts over all hunts of a command."""
    now = [100.0]
    monkeypatch.setattr("simworld.render.progress.time.monotonic", lambda: now[0])
    stream, pace = _Stream(), Pace()
    for label, later in (("1/2 a on fixed", 20.0), ("2/2 b on fixed", 11.0), ("again", 1.0)):
        with progress_bar(label, seconds=None, stream=stream, pace=pace) as update:
            now[0] += later
            update(Progress("a", "fixed", 250, 1_000, 3))
    assert stream.text == "2/2 b on fixed: 250 trials, 3 found so far\n"


@pytest.mark.parametrize("seconds", [None, 30.0])
def test_the_bar_shows_trials_and_findings(
    monkeypatch: pytest.MonkeyPatch, seconds: float | None
) -> None:
    monkeypatch.setattr("simworld.render.progress.DRAW_EVERY_S", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = _Stream(tty=True)
    with progress_bar("1/2 a[b] on fixed", seconds=seconds, stream=stream, pace=Pace()) as update:
        update(Progress("a", "fixed", 250, 1_000, 3))
    assert "1/2 a[b] on fixed" in stream.text
    assert "250 trials, 3 found" in stream.text


def test_the_bar_is_not_drawn_after_every_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simworld.render.progress.DRAW_EVERY_S", 3_600.0)
    monkeypatch.setenv("TERM", "xterm")
    stream = _Stream(tty=True)
    with progress_bar("a", seconds=None, stream=stream, pace=Pace()) as update:
        update(Progress("a", "fixed", 250, 1_000, 3))
    assert "250 trials" not in stream.text
