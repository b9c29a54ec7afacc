"""The workflows of the SDK's scenarios, for real: they do what their scenarios take for right."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip("vercel.workflow", reason="needs simworld[vercel]")

HERE = pathlib.Path(__file__)
ROOT = HERE.parents[2]
WANTED = {
    "a step": 7,
    "one after the other": [0, 1, 2],
    "side by side": [0, 1, 2, 3],
    "two each": [0, 1, 2],
    "nested": [0, 1, 2, 3, 4],
    "the step wins": "settled by the step",
    "the sleep wins": "recovered from the sleep",
    "the letter wins": "settled by a letter",
    "no letter": "recovered from the sleep",
    "sleeps": [0, 1, 2],
    "tried again": "whole",
    "caught": "recovered from a failure",
    "given up": "recovered from four failures",
    "refused": "recovered from a refusal",
    "letters": ["settled by one", "settled by two", "settled by all"],
    "a child": 7,
    "a stream": ["line 0", "line 1", "line 2"],
    "cancelled": "workflow cancelled",
    "stopped": "recovered from the sleep",
    "marked": [0, 1],
}
"""What every run of ``on_local_world`` comes to."""
NEWER = ("cancelled", "stopped", "marked")
"""What version 0.9 cannot do."""


def test_flows_end_as_they_should_on_the_sdks_own_world(tmp_path: pathlib.Path) -> None:
    """Without simworld: real time, real files, and the queue of the SDK."""
    ran = subprocess.run(
        [sys.executable, str(HERE.with_name("on_local_world.py"))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WORKFLOW_LOCAL_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    absent = {name for name in NEWER if told[name] is None}
    assert told == {**WANTED, **dict.fromkeys(absent)}


def test_flows_import_nothing_of_simworld() -> None:
    """What a user writes needs the SDK only, in its sandbox as outside."""
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import scenarios.vercel.flows; "
            "print([name for name in sys.modules if name.partition('.')[0] == 'simworld'])",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ran.stdout.strip() == "[]"
