"""``simworld bench``: what it measures, what it writes, and what it refuses."""

from __future__ import annotations

import json
import pathlib

import pytest

from simworld.benchmark import counted
from simworld.benchmark import measuring as inside
from simworld.cli import main

WORKLOADS = str(pathlib.Path(__file__).parents[2] / "bench" / "shapes.py")
STEPS, LIVE = "10 sequential no-op steps", "workflow with live stream"
WRONG = """
from simworld.benchmark import Benchmark
from simworld.engine import workflow


@workflow
async def wrong():
    return 41


benchmarks = (Benchmark("wrong", wrong, (), (), 42),)
"""


@pytest.fixture
def bench(capsys):
    def bench(*options, where=WORKLOADS, world="sim:atomic"):
        code = main(["bench", "--workloads", where, "--world", world, *options])
        return (code, *capsys.readouterr())

    return bench


def test_the_table_shows_exact_counts(bench):
    code, out, _ = bench("--engine", "fixed", "--workload", STEPS)
    assert code == 0
    lines = out.splitlines()
    assert lines[:3] == ["VIRTUAL TIME", "", STEPS]
    assert lines[5].split()[:9] == ["atomic", "fixed", "0", "1", "1", "11", "33", "32", "55"]


def test_part_of_a_name_stands_for_all_that_have_it(bench):
    _, out, _ = bench("--engine", "fixed", "--workload", "gather of")
    told = [each for each in out.splitlines() if each.startswith("gather of")]
    assert told == [f"gather of {count} no-op steps" for count in (10, 25, 50)]


def test_a_second_run_writes_the_same_json(bench, tmp_path):
    paths = [tmp_path / name for name in ("one.json", "two.json")]
    for path in paths:
        options = ("--engine", "fixed", "--engine", "v1", "--workload", STEPS, "--workload", LIVE)
        assert bench(*options, "--json", str(path))[0] == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    cells = json.loads(paths[0].read_text())["bench"]["cells"]
    assert [each["contender"]["engine"] for each in cells] == ["fixed", "v1"] * 2


def test_what_differs_from_the_baseline_is_told(bench, tmp_path):
    before = tmp_path / "before.json"
    bench("--engine", "fixed", "--workload", STEPS, "--json", str(before))
    told = json.loads(before.read_text())
    told["bench"]["cells"][0]["counts"]["messages"] = 7
    before.write_text(json.dumps(told))
    _, out, _ = bench("--engine", "fixed", "--workload", STEPS, "--baseline", str(before))
    assert "1 (was 7)" in out


def test_the_report_has_data_beside_it(bench, tmp_path):
    folder = tmp_path / "new" / "reports"
    code, out, _ = bench("--engine", "fixed", "--workload", STEPS, "--report", str(folder))
    assert code == 0
    assert f"wrote {folder}/benchmarks.md, benchmarks.json and 0 plots" in out
    page = (folder / "benchmarks.md").read_text()
    assert f"--workload '{STEPS}'" in page.splitlines()[2]
    assert "| atomic | fixed | 0 | 1 |" in page
    assert json.loads((folder / "benchmarks.json").read_text())["bench"]["interrupted"] is False


def test_ctrl_c_reports_what_was_measured(bench, monkeypatch):
    done = []

    def counting(benchmark, variant):
        if done:
            raise KeyboardInterrupt
        done.append(benchmark)
        return counted(benchmark, variant)

    monkeypatch.setattr(inside, "counted", counting)
    code, out, _ = bench("--engine", "fixed", "--workload", STEPS, "--workload", LIVE)
    assert code == 3
    assert "\natomic  fixed " in out
    assert out.splitlines()[-1] == "interrupted: what is above is what had been measured"


def test_a_workload_with_a_wrong_output_is_exit_code_1(bench, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(WRONG)
    code, out, _ = bench("--engine", "fixed", where=str(path))
    assert code == 1
    assert "fixed on sim:atomic FAILED wrong: its output is 41, not 42" in out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--workload", "10 sequental no-op step"), "did you mean 10 sequential no-op steps"),
        (("--engine", "fats"), "did you mean fast"),
        (("--front", "quartz"), "did you mean quart"),
        (("--front", "raw"), "front raw needs a real world"),
        (("--world", "sim:atomik"), "did you mean atomic"),
        (("--samples", "0"), "at least 1, not '0'"),
        (("--baseline", "gone.json"), "cannot read --baseline gone.json"),
        (("--report", "/dev/null/x"), "cannot write into --report"),
        (("--json", "/nowhere/x.json"), "cannot write --json"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(bench, monkeypatch, options, told):
    monkeypatch.setattr(inside, "counted", None)
    code, out, err = bench(*options)
    assert (code, out) == (2, "")
    assert told in err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        main(["bench", "--help"])
    assert "simworld bench --world sim:atomic" in capsys.readouterr().out
