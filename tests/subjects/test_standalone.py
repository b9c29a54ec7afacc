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
from simworld.subjects import Seen, evidence_of, installed_version, script_of

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


def plan(folder: Path, workflow: str = "pair", **changed: Any) -> dict[str, Any]:
    """A plan that leaves everything to chance, but for what is ``changed``."""
    (folder / "alone_flows.py").write_text(FLOWS)
    return {
        "subject": f"{NAME}=={VERSION}",
        "module": "alone_flows",
        "path": [str(folder)],
        "expected": "completed",
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


def shown(folder: Path, told: dict[str, Any], *options: str) -> tuple[int, str, Seen]:
    """Exit code, output, evidence."""
    script = folder / "show.py"
    script.write_text(script_of(NAME, told, "I-99 of nothing."))
    ran = subprocess.run(
        [sys.executable, "-I", str(script), "--folder", str(folder), *options],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout, evidence_of(NAME, folder / "evidence.jsonl", LABELS)


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
    assert (
        "simworld" not in sys.modules or "import simworld" not in (tmp_path / "show.py").read_text()
    )
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
    _, output, seen = shown(tmp_path, plan(tmp_path, client=client, path=[str(tmp_path)]))
    ends = {seen.final.labels[run_id]: row.status for run_id, row in seen.final.runs.items()}
    assert ends == {"run": RunStatus.COMPLETED, "run.2": RunStatus.CANCELLED}, output
    assert "seen: completed: 'hello'" in output


def test_a_run_that_hangs_is_told(tmp_path: Path) -> None:
    code, output, seen = shown(tmp_path, plan(tmp_path, "never"), "--plain")
    assert code == 1
    assert "nothing will ever go on" in output
    assert seen.final.drained
