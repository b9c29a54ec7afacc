"""Repros: found from a seed, shrunk, written, read, followed; and every way in which that fails."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import attrs
import pytest

from simworld.campaign import (
    hunt,
    load_repro,
    load_scenarios,
    preset,
    replay,
    save_repro,
    tell,
    with_knob,
)
from simworld.errors import DidNotReproduce, ReproVersionError, UsageError
from simworld.records import Advance, Fault, Finding, Schedule

SCENARIOS = load_scenarios()
G0 = with_knob(preset("v2_merge"), "attempt_guard=G0")


@pytest.fixture(scope="module")
def finding() -> Finding:
    """R-02 on the merged variant: the headline race."""
    scenario = SCENARIOS["inflated_attempts"]
    result = hunt(scenario, preset("v2_merge"), seed=12, trials=60, case="R-02")
    assert result.findings, "R-02 was not found"
    return result.findings[0]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.slow
def test_the_headline_races_are_found_from_every_seed(seed: int) -> None:
    for name, variant, moves_max in (
        ("inflated_attempts", preset("v2_merge"), 10),
        ("concurrent_first_attempts", G0, 12),
    ):
        result = hunt(SCENARIOS[name], variant, seed=seed, trials=60)
        assert str(result.verdict) == "FAIL I-12"
        for found in result.findings:
            assert found.moves_after <= moves_max, found
            assert found.moves_after <= found.moves_before


def test_a_shrunk_repro_cannot_lose_a_move(finding: Finding) -> None:
    """Minimality: without any one of its moves the failure is gone."""
    repro = finding.repro
    entries = repro.schedule.entries
    assert 2 <= finding.moves_after <= 10
    for index in range(len(entries)):
        fewer = Schedule(entries[:index] + entries[index + 1 :])
        try:
            story = replay(attrs.evolve(repro, schedule=fewer), SCENARIOS)
        except DidNotReproduce:
            continue
        assert story is None
    for index in range(len(repro.faults)):
        fewer_faults = repro.faults[:index] + repro.faults[index + 1 :]
        try:
            story = replay(attrs.evolve(repro, faults=fewer_faults), SCENARIOS)
        except DidNotReproduce:
            continue
        assert story is None


@pytest.mark.slow
def test_a_repro_replays_a_hundred_times(finding: Finding) -> None:
    for _ in range(100):
        story = replay(finding.repro, SCENARIOS)
        assert story is not None
        assert story.anomaly.law == "I-12"


def test_the_story_names_the_two_operations_that_race(finding: Finding) -> None:
    story = tell(finding.repro, SCENARIOS)
    assert story.race is not None
    assert story.race.first.task != story.race.second.task
    assert "work#" in story.race.object
    assert any("record step_failed" in turn.op for turn in story.turns)
    assert story.log[-1].type in ("run_failed", "run_completed")


def test_a_fresh_process_under_any_hash_seed_gives_the_same_digest(
    finding: Finding, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "repro.json"
    save_repro(finding.repro, path)
    program = (
        "import hashlib, pathlib, sys; from simworld.campaign import *\n"
        "story = tell(load_repro(pathlib.Path(sys.argv[1])), load_scenarios())\n"
        "print(hashlib.sha256(repr(story.turns).encode()).hexdigest(), story.anomaly.law)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(answers) == 1
    assert "I-12" in answers.pop()


def test_a_repro_survives_the_file(finding: Finding, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "repro.json"
    save_repro(finding.repro, path)
    assert load_repro(path) == finding.repro


def test_a_fixed_engine_runs_the_schedule_clean_or_says_where_it_leaves_it(
    finding: Finding,
) -> None:
    fixed = attrs.evolve(finding.repro, knobs={**finding.repro.knobs, "attempt_guard": "G3"})
    assert replay(fixed, SCENARIOS) is None


def test_an_entry_that_no_longer_fits_is_named(finding: Finding) -> None:
    entries = finding.repro.schedule.entries
    other = attrs.evolve(entries[0], op="record step_completed of work#9")
    repro = attrs.evolve(finding.repro, schedule=Schedule((other, *entries[1:])))
    with pytest.raises(DidNotReproduce, match="entry 1 of"):
        replay(repro, SCENARIOS)
    repro = attrs.evolve(finding.repro, schedule=Schedule((*entries, Advance("nobody", 1))))
    with pytest.raises(DidNotReproduce, match=f"entry {len(entries) + 1} .*never reached: nobody"):
        replay(repro, SCENARIOS)


def test_another_failure_is_not_clean(finding: Finding) -> None:
    story = replay(attrs.evolve(finding.repro, place="run/work#99"), SCENARIOS)
    assert story is not None
    assert story.anomaly.place == finding.repro.place


def test_a_fault_that_never_happens_is_named(finding: Finding) -> None:
    """A step that was renamed must not read as a fix."""
    faults = (Fault("duplicate", "start/flow/gone#1", 3),)
    repro = attrs.evolve(finding.repro, faults=faults, schedule=Schedule())
    with pytest.raises(DidNotReproduce, match="gone#1 never came to happen"):
        replay(repro, SCENARIOS)


def changed(finding: Finding, path: pathlib.Path, **fields: object) -> pathlib.Path:
    """The repro's file with some fields replaced."""
    save_repro(finding.repro, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return path


def test_other_versions_and_foreign_files_are_refused(
    finding: Finding, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / "repro.json"
    with pytest.raises(UsageError, match="cannot read"):
        load_repro(tmp_path / "missing.json")
    path.write_bytes(b"\x00\x01")
    with pytest.raises(UsageError, match="is not a repro"):
        load_repro(path)
    path.write_text('{"scenario": "x"}')
    with pytest.raises(UsageError, match="is not a repro"):
        load_repro(path)
    with pytest.raises(ReproVersionError, match="format 99"):
        load_repro(changed(finding, path, version=99))
    with pytest.raises(UsageError, match="damaged repro"):
        load_repro(changed(finding, path, turns_max="many"))
    with pytest.raises(UsageError, match="a count in it is too small"):
        load_repro(changed(finding, path, turns_max=-5))
    with pytest.raises(UsageError, match="a count in it is too large"):
        load_repro(changed(finding, path, turns_max=10**9))
    with pytest.raises(UsageError, match="unknown world 'postgress'"):
        load_repro(changed(finding, path, world="postgress"))
    with pytest.raises(UsageError, match="unknown law 'Z-99'"):
        load_repro(changed(finding, path, law="Z-99"))
    fault = [{"kind": "meteor", "target": "start", "value": 1}]
    with pytest.raises(UsageError, match="meteor"):
        load_repro(changed(finding, path, faults=fault))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scenario": "inflated_attempt"}, "did you mean inflated_attempts"),
        ({"scenario": "os.system"}, "unknown scenario 'os.system'"),
        ({"case": "R-99"}, "unknown case"),
        ({"variant": "v2_merg"}, "did you mean v2_merge"),
        ({"knobs": {"attempt_guard": "G12"}}, "unknown value of attempt_guard"),
        ({"knobs": {"no_such_knob": "1"}}, "unknown knob"),
    ],
)
def test_a_repro_names_only_what_is_registered(
    finding: Finding, tmp_path: pathlib.Path, fields: dict[str, object], message: str
) -> None:
    repro = load_repro(changed(finding, tmp_path / "repro.json", **fields))
    with pytest.raises(UsageError, match=message):
        replay(repro, SCENARIOS)
