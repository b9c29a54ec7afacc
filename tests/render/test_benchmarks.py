"""Tables of benchmarks: order, marks, points, what is missing, and files that come back."""

from __future__ import annotations

import re
import sys

import attrs
import pytest

from simworld.errors import UsageError
from simworld.records import Bench, Cell, Contender, Counts, Sample, WorkloadInfo
from simworld.render import bench_json, bench_plots, bench_report, bench_text, read_bench
from simworld.render.benchmarks import bench_sheets, delta
from simworld.render.plots import smoothed
from simworld.render.sheets import Sheet, sheet_markdown
from simworld.render.winners import fastest, winner_sheets

LOCAL, POSTGRES = Contender("local", "fixed"), Contender("postgres", "fixed")
FAST, RAW = Contender("local", "fast"), Contender("local", "fixed", "raw")
STEPS = WorkloadInfo("10 steps", steps=10, family="steps", noop=True)
MORE = WorkloadInfo("20 steps", steps=20, family="steps", noop=True)
STREAM = WorkloadInfo("a stream", stream=True)


def cell(contender, *times, workload="10 steps", **fields):
    samples = [Sample(each + 0.25, 0.125, workflow_s=each, **fields) for each in times]
    return Cell(contender, workload, tuple(samples))


def bench(*cells, workloads=(STEPS,), **fields):
    return Bench("simworld bench", tuple(workloads), cells, **fields)


def row(text):
    return text.split("/")


def section(title, *args):
    return dict(bench_sheets(*args))[title]


# --- figures --------------------------------------------------------------------------------------


def test_statistics_of_a_cell():
    found = cell(LOCAL, *range(1, 101))
    assert found.mean("workflow_s") == 50.5
    assert [found.percentile("workflow_s", each) for each in (50, 90, 99, 100)] == [50, 90, 99, 100]
    assert found.overhead_s == 0.25
    assert cell(LOCAL, 3.0).percentile("workflow_s", 99) == 3.0
    nothing = Cell(LOCAL, "10 steps")
    assert (nothing.mean("wall_s"), nothing.percentile("wall_s", 50)) == (None, None)
    assert (nothing.overhead_s, nothing.time_s) == (None, None)


def test_gaps_of_all_samples_count_one_by_one():
    found = cell(LOCAL, 1.0, 2.0, gaps_s=(0.5, 0.25))
    assert found.values("gaps_s") == [0.5, 0.25, 0.5, 0.25]


def test_without_a_workflow_time_wall_time_decides():
    assert Cell(LOCAL, "10 steps", (Sample(2.0, 0.1),)).time_s == 2.0


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (1.004, 1.0, " (~)"),
        (0.996, 1.0, " (~)"),
        (1.01, 1.0, " (+1.0%)"),
        (0.96, 1.0, " (-4.0%)"),
        (1.0499, 1.0, " (+5.0%)"),
        (1.06, 1.0, " (+6.0% 🔺)"),
        (0.90, 1.0, " (-10.0% 🟢)"),
        (1.0, None, ""),
        (None, 1.0, ""),
        (1.0, 0.0, ""),
    ],
)
def test_a_change_is_marked_beyond_five_percent(now, before, told):
    assert delta(now, before) == told


# --- tables ---------------------------------------------------------------------------------------


def test_the_fastest_is_on_top_and_what_is_missing_at_the_bottom():
    refused = Cell(Contender("its own", "peer"), "10 steps", refused="it has none")
    (sheet,) = section("Workloads", bench(refused, cell(POSTGRES, 3.0), cell(LOCAL, 1.0, 2.0)))
    names = "World/Engine/Front/Workflow Time/Wall Time/Overhead/CPU/Samples/vs Fastest"
    assert list(sheet.head) == row(names)
    assert sheet.rows == [
        row("🥇 local/fixed/in-process/1.500s/1.750s/0.250s/0.125s/2/1.00x"),
        row("postgres/fixed/in-process/3.000s/3.250s/0.250s/0.125s/1/2.00x"),
        row("its own/peer/in-process/missing/–/–/–/–/–"),
    ]


def test_nobody_is_so_many_times_as_slow_as_nothing():
    cells = [cell(LOCAL, 0.0), cell(FAST, 0.0), cell(POSTGRES, 0.001)]
    (sheet,) = section("Workloads", bench(*cells))
    assert [each[-1] for each in sheet.rows] == ["1.00x", "1.00x", "–"]


def test_rows_round_to_milliseconds_and_zero_has_no_sign():
    early = Cell(LOCAL, "10 steps", (Sample(0.0008, 0.0, workflow_s=0.001),))
    (sheet,) = section("Workloads", bench(early))
    assert sheet.rows[0][5] == "0.000s"


def test_streams_have_a_section_and_a_column_of_their_own():
    found = bench(
        cell(LOCAL, 1.0),
        cell(LOCAL, 1.0, workload="a stream", ttfb_s=0.5),
        workloads=(STREAM, STEPS),
    )
    assert [each.title for each in section("Workloads", found)] == ["10 steps"]
    (sheet,) = section("Streams", found)
    assert sheet.head[3:6] == ("Workflow Time", "TTFB", "Wall Time")
    assert sheet.rows[0][3:6] == ["1.000s", "0.500s", "1.250s"]


def test_a_baseline_stands_behind_workflow_ttfb_and_wall():
    now = bench(cell(LOCAL, 2.0, workload="a stream", ttfb_s=0.5), workloads=(STREAM,))
    before = bench(cell(LOCAL, 1.0, workload="a stream", ttfb_s=0.5), workloads=(STREAM,))
    (sheet,) = section("Streams", now, before)
    assert sheet.rows[0][3:7] == [
        "2.000s (+100.0% 🔺)",
        "0.500s (~)",
        "2.250s (+80.0% 🔺)",
        "0.250s",
    ]
    (sheet,) = section("Streams", now, bench(cell(FAST, 1.0, workload="a stream")))
    assert sheet.rows[0][3] == "2.000s"


def test_a_baseline_is_told_with_what_it_does_not_share():
    now = bench(cell(LOCAL, 2.0), machine="2 cores")
    before = bench(cell(LOCAL, 1.0), machine="4 cores", sync=False)
    told = bench_text(now, before)
    assert "baseline: simworld bench\n" in told
    assert "measured on another machine: 4 cores" in told
    assert "measured with durability off" in told
    assert "nothing is compared" not in told
    assert "nothing is compared" in bench_text(now, bench(cell(FAST, 1.0)))
    assert "baseline" not in bench_text(now)


def test_counts_in_virtual_time_tell_what_has_changed():
    who = Contender("sim:local", "fixed")
    counts = Counts(10_000, 1, 1, 11, 33, 32, 88, 145)
    now = bench(Cell(who, "10 steps", counts=attrs.evolve(counts, passes=12)))
    (sheet,) = section("Virtual time", now, bench(Cell(who, "10 steps", counts=counts)))
    assert sheet.rows == [
        ["local", "fixed", "10 000", "1", "1", "12 (was 11)", "33", "32", "88", "145"]
    ]
    assert section("Workloads", now) == []
    (sheet,) = section("Virtual time", bench(Cell(who, "10 steps", failed="41")))
    assert sheet.rows[0][:3] == ["local", "fixed", "missing"]


def test_percentiles_are_told_for_every_metric_that_is_known():
    found = bench(cell(LOCAL, 1.0, 2.0, first_step_s=0.5))
    sheets = {each.title: each for each in section("Percentiles", found)}
    assert list(sheets) == ["Workflow Time", "Wall Time", "CPU", "First step"]
    assert sheets["Workflow Time"].rows == [
        ["10 steps", "fixed on local", "1.500s", "1.000s", "2.000s", "2.000s", "2"]
    ]
    assert sheets["First step"].rows[0][2] == "500.00ms"


# --- points ---------------------------------------------------------------------------------------


def test_the_lowest_time_wins_a_point_and_the_most_points_win():
    cells = [
        cell(LOCAL, 2.0, workload="a"),
        cell(POSTGRES, 1.0, workload="a"),
        cell(LOCAL, 1.0, workload="b"),
        cell(POSTGRES, 2.0, workload="b"),
        cell(LOCAL, 1.0, workload="c"),
        cell(POSTGRES, 3.0, workload="c"),
    ]
    assert fastest(cells, "world") == ("local", "2/3")
    assert fastest(cells[:4], "world") == ("postgres", "1/2")  # it has won first
    tie = [cell(LOCAL, 1.0, workload="a"), cell(POSTGRES, 1.0, workload="a")]
    assert fastest(tie, "world") == ("local", "1/1")


def test_summaries_say_which_world_by_front_and_which_front_by_world():
    found = bench(
        cell(LOCAL, 1.0), cell(POSTGRES, 2.0), cell(RAW, 3.0), Cell(FAST, "10 steps", failed="no")
    )
    worlds, fronts = winner_sheets(found)
    assert worlds.title == "Fastest World by Front"
    assert worlds.head == ("Front", "Engine", "Fastest World", "Wins")
    assert worlds.rows == [["in-process", "fixed", "local", "1/1"]]  # raw has only one world
    assert fronts.title == "Fastest Front by World"
    assert fronts.rows == [["local", "fixed", "in-process", "1/1"]]


def test_with_one_world_there_is_no_fastest_world():
    assert list(winner_sheets(bench(cell(LOCAL, 1.0)))) == []
    (only,) = winner_sheets(bench(cell(LOCAL, 1.0), cell(FAST, 2.0)))
    assert only.title == "Fastest Engine by World"


# --- the whole ------------------------------------------------------------------------------------


def test_the_text_says_what_was_synced_what_failed_and_what_is_missing():
    found = bench(
        cell(LOCAL, 1.0),
        Cell(POSTGRES, "10 steps", failed="41"),
        Cell(POSTGRES, "20 steps", failed="41"),
        Cell(FAST, "20 steps", refused="no streams"),
        workloads=(STEPS, MORE),
        machine="2 cores",
        sync=False,
        synced=(("fixed on local", "no fsync"),),
        absent=(("dbos on sqlite", "pip install it"),),
        noise=0.031,
        interrupted=True,
    )
    text = bench_text(found)
    for line in (
        "durability asked for: off; machine: 2 cores",
        "fixed on local: no fsync",
        "dbos on sqlite was not measured: pip install it",
        "noise: a second copy of fixed on local was 3.1% away from it",
        "fixed on postgres FAILED 10 steps and 20 steps: 41",
        "fast on local does not run 20 steps: no streams",
        "interrupted: what is above is what had been measured",
    ):
        assert line in text.splitlines()
    assert "PERCENTILES" not in text
    assert "PERCENTILES" in bench_text(found, percentiles=True)


def test_the_page_names_its_command_defines_its_columns_and_shows_its_plots():
    page = bench_report(bench(cell(LOCAL, 1.0)), plots=["benchmarks/a.svg"])
    assert "Made by `simworld bench`" in page
    assert "| 🥇 local | fixed | in-process | 1.000s |" in page
    assert "![a](benchmarks/a.svg)" in page
    assert "| TTFB | from startedAt" in page
    assert "No plots: none" in bench_report(bench(), no_plots="No plots: none.")


def test_where_a_terminal_is_narrow_names_stay_whole():
    peer = Contender("its own local", "some-workflow-engine")
    narrow = bench_text(bench(cell(peer, 1.0, ttfb_s=0.5), cell(RAW, 2.0, ttfb_s=0.5)), width=88)
    lines = narrow.splitlines()
    assert max(map(len, lines[:7])) <= 88
    assert any(each.startswith(f"🥇 {peer.world} {peer.engine} in-process ") for each in lines)


def test_a_cell_of_a_page_is_one_cell():
    assert sheet_markdown(Sheet("t", ("a",), [["x | y\nz"]]))[-1] == "| x \\| y z |"


def test_json_comes_back_and_its_keys_are_sorted(tmp_path):
    found = bench(cell(LOCAL, 1.0, gaps_s=(0.5,)), synced=(("a", "b"),), noise=0.5)
    path = tmp_path / "bench.json"
    path.write_bytes(bench_json(found))
    assert read_bench(str(path)) == found
    keys = re.findall(r'^    "(\w+)":', path.read_text(), re.MULTILINE)
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "is no benchmark"),
        ('{"schema": 1, "results": []}', "is no benchmark .*bench --json FILE writes one"),
        ('{"schema": 99, "bench": {"command": "", "workloads": [], "cells": []}}', "schema 99"),
    ],
)
def test_what_is_no_baseline_is_told(tmp_path, text, told):
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_bench(str(path))
    with pytest.raises(UsageError, match="cannot read --baseline"):
        read_bench(str(tmp_path / "gone.json"))


# --- plots ----------------------------------------------------------------------------------------


def measured():
    gaps = tuple(0.001 * (1 + at % 3) for at in range(9))
    return bench(
        cell(LOCAL, 1.0, 1.5, gaps_s=gaps),
        cell(FAST, 0.5, gaps_s=gaps),
        cell(LOCAL, 2.0, workload="20 steps", gaps_s=gaps * 2),
        workloads=(STEPS, MORE),
    )


def test_plots_are_drawn_and_are_the_same_every_time():
    pytest.importorskip("matplotlib", reason="the extra bench is not installed")
    plots = bench_plots(measured())
    assert list(plots) == ["steps-steps", "cost-of-a-step", "latency"]
    assert plots == bench_plots(measured())
    assert all(each.startswith(b"<?xml") for each in plots.values())
    assert b"fixed on local" in plots["steps-steps"]
    assert b"fast on local" not in plots["steps-steps"]  # one point is no line
    assert bench_plots(bench(Cell(LOCAL, "10 steps", failed="no"))) == {}


def test_without_matplotlib_it_is_told_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"pip install 'simworld\[bench\]'"):
        bench_plots(measured())


def test_smoothing_takes_the_median_of_what_is_around():
    assert smoothed([1.0, 9.0, 2.0, 3.0], 2) == [5.0, 2.0, 3.0, 2.5]
    assert smoothed([1.0, 9.0], 1) == [1.0, 9.0]
