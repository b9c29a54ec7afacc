"""The workloads of the spec by their names, each to its right end in virtual time."""

from __future__ import annotations

import pytest

from bench.shapes import benchmarks, peers
from simworld.benchmark import counted
from simworld.campaign import placed, preset

ENGINES = ("v1", "v2_merge", "fixed", "fast")
STARRED = (
    "workflow with no steps",
    "workflow with 1 step",
    *(f"workflow with {count} sequential steps" for count in (10, 25, 50)),
    *(f"Promise.all with {count} concurrent steps" for count in (10, 25, 50)),
    *(f"Promise.race with {count} concurrent steps" for count in (10, 25, 50)),
    *(f"{count} sequential data payload steps (10KB)" for count in (10, 25, 50)),
    *(f"{count} concurrent data payload steps (10KB)" for count in (10, 25, 50)),
    "workflow with stream",
    "stream pipeline with 5 transform steps (1MB)",
    "10 parallel streams (1MB each)",
    "fan-out fan-in 10 streams (1MB each)",
)
FULL = (
    *(f"workflow with {count} sequential steps" for count in (100, 500, 1_000)),
    *(f"Promise.{kind} with 1000 concurrent steps" for kind in ("all", "race")),
    *(f"500 {kind} data payload steps (10KB)" for kind in ("sequential", "concurrent")),
    "stream pipeline with 10 transform steps (1MB)",
    "50 parallel streams (1MB each)",
    "fan-out fan-in 50 streams (1MB each)",
)
QUICK = [each for each in benchmarks if not each.full and each.step_count <= 50]


def test_the_spec_names_the_workloads():
    usual = [each.name for each in benchmarks if not each.full]
    assert set(STARRED) <= set(usual)
    assert set(FULL) <= {each.name for each in benchmarks if each.full}


def test_trivial_workloads_have_a_window_and_the_others_one_sample():
    windows = {each.name: each.window_s for each in benchmarks}
    assert windows["workflow with 1 step"] == 5.0
    assert windows["workflow with 10 sequential steps"] == 0.0


def test_peers_are_told_apart():
    names = [each.contender.name for each in peers]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("workload", QUICK, ids=lambda workload: workload.name)
def test_a_workload_comes_to_its_expected_output_and_content(workload, engine):
    counts = counted(workload, placed(preset(engine), "atomic"))
    assert counts.virtual_ms >= workload.ideal_ms
