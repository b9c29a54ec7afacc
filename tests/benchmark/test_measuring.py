"""All of a benchmark: virtual counts that stay the same, and a real run in memory and on files."""

from __future__ import annotations

import pathlib

import attrs
import pytest

from simworld.benchmark import Benchmark, Plan, contenders_of, counted, load_benchmarks, measure
from simworld.benchmark import measuring as inside
from simworld.benchmark.fronts import check_installed
from simworld.benchmark.real import settings_of, synced
from simworld.campaign import placed, preset
from simworld.engine import Results, workflow
from simworld.errors import SimworldError, UsageError
from simworld.records import Cell, Contender, Counts
from simworld.render import bench_json
from simworld.service import Settings

SHAPES = str(pathlib.Path(__file__).parents[2] / "bench" / "shapes.py")
KNOWN = load_benchmarks(SHAPES)
STEPS = "10 sequential no-op steps"
LIVE = "workflow with live stream"


def plan(*names, worlds=("sim:atomic",), engines=("fixed",), **fields):
    return Plan(
        command="simworld bench",
        benchmarks=[KNOWN[each] for each in names],
        contenders=contenders_of(worlds, engines, ["in-process"]),
        workloads=SHAPES,
        **fields,
    )


def test_counts_are_those_of_the_spec_and_the_same_every_time():
    counts = counted(KNOWN["workflow with 10 sequential steps"], preset("fixed"))
    # In one invocation: a pass before each step and one at the end, three events for each step.
    wanted = Counts(10_000, 1, 1, 11, 33, 32, counts.bytes_written, counts.operations)
    assert counts == wanted
    # Each event is an operation, and files and tables take several for each.
    assert counts.operations > counts.events
    on_files = counted(KNOWN["workflow with 10 sequential steps"], placed(preset("fixed"), "local"))
    assert on_files.operations > counts.operations
    assert counted(KNOWN[STEPS], preset("fixed")) == counted(KNOWN[STEPS], preset("fixed"))


def test_bytes_are_those_of_payloads_and_streams():
    payload = counted(KNOWN["10 sequential data payload steps (10KB)"], preset("fixed"))
    assert 21 * 10_240 < payload.bytes_written < 22 * 10_240
    stream = counted(KNOWN["10 parallel streams (1MB each)"], preset("fixed"))
    assert stream.bytes_written > 10 * 1_024 * 1_024


def test_a_second_run_in_virtual_time_gives_the_same_bytes():
    twice = [
        bench_json(measure(plan(STEPS, LIVE, worlds=("sim:atomic", "sim:local")))) for _ in "ab"
    ]
    assert twice[0] == twice[1]


@workflow
async def wrong() -> int:
    """Not what was expected."""
    return 41


def test_a_wrong_output_is_a_failure_and_no_count():
    bad = Benchmark("bad", wrong, (), (), 42)
    found = measure(attrs.evolve(plan(), benchmarks=[bad]))
    (cell,) = found.cells
    assert cell.counts is None
    assert cell.failed == "its output is 41, not 42"


@workflow
async def failing() -> int:
    """No result."""
    raise ValueError("no")


def test_a_run_that_fails_is_told_in_its_own_words():
    (cell,) = measure(attrs.evolve(plan(), benchmarks=[Benchmark("bad", failing, (), ())])).cells
    assert cell.failed == "run wrun_1 failed (USER_ERROR): ValueError: no"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"abcX", "4 bytes instead of 4; byte 3 is the first wrong one"),
        (b"abc", "3 bytes instead of 4; byte 3 is the first wrong one"),
        (b"abcde", "5 bytes instead of 4; byte 4 is the first wrong one"),
        (None, "no stream"),
    ],
)
def test_a_stream_is_compared_byte_for_byte(content, told):
    stream = Benchmark("stream", wrong, (), (), content=lambda: b"abcd")
    stream.check(None, b"abcd")
    with pytest.raises(SimworldError, match=told):
        stream.check(None, content)


def test_knobs_that_do_not_go_together_are_no_failure():
    (cell,) = measure(plan(STEPS, worlds=("sim:local-4x",), engines=("fast",))).cells
    assert (cell.counts, cell.failed) == (None, "")
    assert "commits=together" in cell.refused


@pytest.mark.parametrize("sync", [True, False])
def test_a_real_contender_has_its_presets_knobs_and_is_told_of_a_runs_end(sync):
    settings = settings_of("v2_merge", "local", sync=sync)
    assert settings.engine == attrs.evolve(preset("v2_merge").engine, results=Results.TOLD)
    assert settings.local == attrs.evolve(placed(preset("fixed"), "local").local, local_sync=sync)


def test_fast_has_the_worlds_knobs_of_what_serve_runs():
    for kind in ("memory", "local", "postgres"):
        settings = settings_of("fast", kind, sync=True)
        assert settings == Settings()
    assert settings_of("fast", "local", sync=False).local.local_memory


def test_who_cannot_take_part_is_missing_in_every_table(tmp_path):
    (tmp_path / "file").write_text("")
    real = plan(STEPS, LIVE, worlds=(f"local:{tmp_path}/file",))
    found = measure(real)
    assert [name for name, _ in found.absent] == [real.contenders[0].name]
    assert found.cells == tuple(Cell(real.contenders[0], each) for each in (STEPS, LIVE))
    assert len(found.cells) == real.cells_count


def test_a_front_without_its_framework_is_absent(monkeypatch):
    monkeypatch.setattr("simworld.benchmark.fronts.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"front quart needs quart_trio.*simworld\[bench\]"):
        check_installed("quart")
    check_installed("raw")


def test_ctrl_c_keeps_what_was_measured(monkeypatch):
    done = []

    def counting(benchmark, variant):
        if done:
            raise KeyboardInterrupt
        done.append(benchmark)
        return counted(benchmark, variant)

    monkeypatch.setattr(inside, "counted", counting)
    found = measure(plan(STEPS, LIVE))
    assert found.interrupted
    assert [each.workload for each in found.cells] == [STEPS]


def test_progress_tells_what_and_how_many():
    said = []
    measure(plan(STEPS, engines=("fixed", "v1")), lambda word, done: said.append((word, done)))
    assert said == [
        (f"{STEPS}: fixed on sim:atomic", 1),
        (f"{STEPS}: v1 on sim:atomic", 2),
    ]


def test_real_samples_on_files(tmp_path):
    found = measure(plan(STEPS, worlds=(f"local:{tmp_path}",), samples=1, sync=False))
    assert found.absent == ()
    assert found.synced == ((f"fixed on local:{tmp_path}", "no fsync"),)
    (cell,) = found.cells
    assert cell.contender == Contender(f"local:{tmp_path}", "fixed")
    assert cell.failed == ""
    (sample,) = cell.samples
    assert sample.cpu_s > 0
    assert len(sample.gaps_s) == 9
    assert sample.first_step_s + sum(sample.gaps_s) <= sample.wall_s
    assert found.noise is not None
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_asked_how_it_is_set(pg_dsn):
    told = synced(f"postgres:{pg_dsn}", sync=True)
    assert told == "fsync off, synchronous_commit off"  # whatever was asked for
    with pytest.raises(UsageError, match="the database cannot be reached"):
        synced("postgres:host=/nowhere dbname=none", sync=True)
