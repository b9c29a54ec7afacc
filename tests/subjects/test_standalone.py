"""The stand-alone script: what it does on the SDK's own world, and what its evidence says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simworld.engine import RunStatus
from simworld.errors import UsageError
from simworld.records import BodyBegan, BodyEnded, Committed, Delivered, LostAnswer, Sent
from simworld.subjects import Seen, added_by, evidence_of, installed_version, script_of

NAME = "vercel-workflow"
try:
    VERSION = installed_version(NAME)
except UsageError as error:
    pytest.skip(f"there is no subject here: {error}", allow_module_level=True)

FLOWS = """
import asyncio

from vercel.workflow import BaseHook, Workflows
from dataclasses import dataclass

wf = Workflows(as_vercel_job=False)

@dataclass
class Letter(BaseHook):
    text: str

@wf.step
async def work(value: int) -> int:
    return value

@wf.workflow
async def pair() -> list[int]:
    return await asyncio.gather(work(1), work(2))

@wf.workflow
async def letter() -> str:
    return (await Letter.wait(token="post")).text

@wf.workflow
async def never() -> None:
    await asyncio.Event().wait()
"""
LABELS = {"run/#1": "work#1", "run/#2": "work#2"}
WITHOUT_SIMWORLD = """
import runpy
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "simworld":
            raise ImportError("there is no simworld here")

assert not [name for name in sys.modules if name.partition(".")[0] == "simworld"]
sys.meta_path.insert(0, Refuse())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script in an interpreter that cannot import simworld, though it is installed there."""


def plan(folder: Path, workflow: str = "pair", **changed: Any) -> dict[str, Any]:
    """A plan that leaves everything to chance, but for what is ``changed``."""
    (folder / "alone_flows.py").write_text(FLOWS)
    return {
        "subject": f"{NAME}=={VERSION}",
        "module": "alone_flows",
        "expected": ["completed"],
        "max_retries": None,
        "client": [["start", "start", workflow, [], {}]],
        "failures": [],
        "copies": {},
        "fails": {},
        "errors": "hosted",
        "deliveries_max": 3,
        "patience_s": 5.0,
        "longest_ms": 0,
        "decided": 1_000,
        "timeout_s": 20,
        "order": [],
        **changed,
    }


def alone(script: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A script that can have nothing of simworld."""
    return subprocess.run(
        [sys.executable, "-I", "-c", WITHOUT_SIMWORLD, str(script), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def shown(folder: Path, told: dict[str, Any], *options: str) -> tuple[int, str, Seen]:
    """Exit code, output, evidence."""
    script = folder / "show.py"
    script.write_text(script_of(NAME, told, "I-99 of nothing."))
    ran = alone(script, "--folder", str(folder), *options)
    return (
        ran.returncode,
        ran.stdout + ran.stderr,
        evidence_of(NAME, folder / "evidence.jsonl", LABELS),
    )


def committed(seen: Seen) -> list[str]:
    return [
        f"{each.event.type} {each.step}".rstrip()
        for each in seen.records
        if isinstance(each, Committed)
    ]


def test_by_itself_it_is_a_run_like_any_other(tmp_path: Path) -> None:
    code, output, seen = shown(tmp_path, plan(tmp_path))
    assert code == 0, output
    assert "seen: completed: [1, 2]" in output
    assert seen.complete
    assert seen.acted
    (run,) = seen.final.runs.values()
    assert run.status is RunStatus.COMPLETED
    assert seen.final.drained
    assert sorted(seen.final.labels.values()) == ["run", "work#1", "work#2"]
    assert {row.attempt for row in seen.final.steps.values()} == {1}
    kinds = [type(each) for each in seen.records]
    assert [kinds.count(each) for each in (BodyBegan, BodyEnded)] == [2, 2]
    assert kinds.count(Sent) == kinds.count(Delivered) == 5


@pytest.mark.parametrize("first", [1, 2])
def test_calls_come_in_the_order_of_the_plan(tmp_path: Path, first: int) -> None:
    order = []
    for number in (first, 3 - first):
        doing = f"start/flow/#{number}"
        order += [
            [doing, f"deliver #{number}", 0],
            [doing, f"record step_started of #{number}", 0],
            [doing, f"begin the body of #{number}", 0],
            [doing, f"end the body of #{number}", 0],
            [doing, f"record step_completed of #{number}", 0],
            [doing, "send flow", 0],
        ]
    _, output, seen = shown(tmp_path, plan(tmp_path, order=order))
    assert (seen.followed, seen.skipped) == (12, 0), output
    steps = [each for each in committed(seen) if each.startswith(("step_started", "step_comp"))]
    assert steps == [
        f"step_started work#{first}",
        f"step_completed work#{first}",
        f"step_started work#{3 - first}",
        f"step_completed work#{3 - first}",
    ]


def test_what_never_comes_is_waited_for_a_while_only(tmp_path: Path) -> None:
    order = [["start/flow", "record wait_created of #9", 0], ["start/flow", "send #1", 0]]
    code, output, seen = shown(tmp_path, plan(tmp_path, order=order, patience_s=0.2))
    assert code == 0, output
    assert (seen.followed, seen.skipped) == (1, 1)


def test_a_message_comes_more_than_once(tmp_path: Path) -> None:
    _, output, seen = shown(tmp_path, plan(tmp_path, copies={"start/flow/#1": 2}))
    delivered = [each for each in seen.records if isinstance(each, Delivered)]
    assert [each.number for each in delivered if each.step == "work#1"] == [1, 2, 3], output


@pytest.mark.parametrize("how", ["server_error", "throttled", "lost_answer"])
def test_one_call_fails_before_it_is_done_or_after(tmp_path: Path, how: str) -> None:
    order = [["start/flow/#1", "record step_completed of #1", 0]]
    _, output, seen = shown(tmp_path, plan(tmp_path, order=order, fails={"0": how}))
    events = committed(seen)
    if how == "lost_answer":
        assert any(isinstance(each, LostAnswer) for each in seen.records), output
        assert events.count("step_started work#1") == 1
    else:
        assert "step_retrying work#1" in events, output
    assert events.count("step_completed work#1") == 1


def test_a_body_fails_where_that_was_planned(tmp_path: Path) -> None:
    code, output, seen = shown(tmp_path, plan(tmp_path, failures=[["#2", 1]]))
    ends = [each.outcome for each in seen.records if isinstance(each, BodyEnded)]
    assert sorted(ends) == ["error", "ok", "ok"], output
    assert committed(seen).count("step_retrying work#2") == 1
    assert code == 0


def test_clients_do_what_they_did(tmp_path: Path) -> None:
    client = [
        ["client", "start", "letter", [], {}],
        ["client", "sleep", 10],
        ["client", "resume_hook", "post", {"text": "hello"}],
        ["client", "result", 0],
        ["client", "start", "never", [], {}],
        ["client", "cancel", 1],
    ]
    _, output, seen = shown(tmp_path, plan(tmp_path, client=client, longest_ms=10))
    ends = {seen.final.labels[run_id]: row.status for run_id, row in seen.final.runs.items()}
    assert ends == {"run": RunStatus.COMPLETED, "run.2": RunStatus.CANCELLED}, output
    assert "seen: completed: 'hello'" in output


def test_simworld_is_out_of_reach(tmp_path: Path) -> None:
    script = tmp_path / "other.py"
    script.write_text("import simworld.errors")
    ran = alone(script)
    assert ran.returncode == 1
    assert "there is no simworld here" in ran.stderr


def test_the_module_is_beside_the_script_or_where_it_is_said(tmp_path: Path) -> None:
    told = plan(tmp_path)
    assert str(tmp_path) not in script_of(NAME, told, "I-99 of nothing.")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "alone_flows.py").write_text((tmp_path / "alone_flows.py").read_text())
    (tmp_path / "alone_flows.py").unlink()
    script = tmp_path / "show.py"
    script.write_text(script_of(NAME, told, "I-99 of nothing."))
    lost = alone(script, "--folder", str(tmp_path))
    assert lost.returncode == 2
    assert "No module named 'alone_flows': go to the folder" in lost.stdout
    found = alone(script, "--folder", str(tmp_path), "--path", str(elsewhere))
    assert found.returncode == 0, found.stdout


def test_who_cancels_expects_that(tmp_path: Path) -> None:
    client = [["client", "start", "never", [], {}], ["client", "cancel", 0]]
    code, output, _ = shown(tmp_path, plan(tmp_path, client=client))
    assert "expected: cancelled" in output
    assert "seen: cancelled" in output
    assert code == 0


@pytest.mark.parametrize("late", ["begin the body of #1", "record step_started of #1"])
def test_what_comes_after_the_end_is_told_unless_it_had_begun(tmp_path: Path, late: str) -> None:
    client = [["client", "start", "pair", [], {}], ["client", "cancel", 0]]
    step = [
        ["client/flow/#1", "deliver #1", 0],
        ["client/flow/#1", "record step_started of #1", 0],
        ["client/flow/#1", "begin the body of #1", 0],
    ]
    place = [act for _, act, _ in step].index(late)
    order = [*step[:place], ["client", "record run_cancelled", 0], *step[place:]]
    told = plan(tmp_path, client=client, order=order, deliveries_max=2)
    code, output, seen = shown(tmp_path, told)
    broken = "after run_cancelled" in output
    assert (code, broken) == (0, False) if late.startswith("begin") else (1, True), output
    assert "run_cancelled" in committed(seen)


def test_what_is_added_is_told(tmp_path: Path) -> None:
    order = [["start/flow/#1", "record step_completed of #1", 0], ["start/flow", "send #1", 0]]
    assert added_by(NAME, plan(tmp_path)) == ("delays of calls",)
    told = plan(tmp_path, order=order, copies={"start/flow": 2}, fails={"0": "lost_answer"})
    _, copies, call = added_by(NAME, told)
    assert copies == "2 duplicate deliveries"
    assert "record step_completed of #1" in call
    assert "ReadTimeout" in call
    assert "OSError" in added_by(NAME, {**told, "errors": "local"})[-1]
    assert "503" in added_by(NAME, {**told, "fails": {"1": "server_error"}})[-1]


def test_a_run_that_hangs_is_told(tmp_path: Path) -> None:
    code, output, seen = shown(tmp_path, plan(tmp_path, "never"), "--plain")
    assert code == 1
    assert "nothing will ever go on" in output
    assert seen.final.drained
