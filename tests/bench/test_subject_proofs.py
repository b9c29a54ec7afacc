"""The proofs over an engine that is as it is: one of them is run, the others only told of."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import pytest

from bench.subject_proof_acts import ACTS, Seen
from bench.subject_proofs import ROOT, Result, Version, page, proved, said_of, table

VERSIONS = (Version("/made/up/python", "1.0", "2.0", "3.11"), Version("", "1.1", "2.0", "3.11"))


def result(version: str, shown: bool | None) -> Result:
    seen = None if version == "1.1" else Seen(shown, {"run": "failed", "bodies": 1})
    return Result("f5", version, seen, "" if seen else "took too long", 1.0)


RESULTS = (result("1.0", True), result("1.1", None))


def test_a_proof_runs_by_itself_and_leaves_nothing(tmp_path, monkeypatch):
    pytest.importorskip("vercel.workflow", reason="needs simworld[vercel]")
    pytest.importorskip("time_machine", reason="needs simworld[vercel]")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    done = proved("f5", Version(sys.executable, "", "", ""))
    assert done.why_not == ""
    assert done.seen is not None
    assert done.seen.facts["run"] in ("completed", "failed")
    assert done.seen.facts["bodies"] >= 1
    assert list(tmp_path.iterdir()) == []


def test_proofs_need_nothing_of_ours():
    code = "import sys, bench.subject_proof_acts; sys.exit('simworld' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("name", ACTS)
def test_a_proof_says_what_it_does(name):
    title, done, expected = said_of(name)
    assert title.endswith(".")
    assert done.startswith("Set: ")
    assert expected.startswith("Expected: ")


def test_a_proof_that_does_not_end_is_told(monkeypatch):
    monkeypatch.setattr("bench.subject_proofs.LIMIT_S", 0.01)
    done = proved("f5", Version(sys.executable, "", "", ""))
    assert (done.word, done.why_not) == ("could not be run", "took longer than 0 s")


def test_table():
    assert table(["f5"], VERSIONS, RESULTS).splitlines()[2:] == [
        "| f5 | A result that could not be recorded counts as a failure of the body. "
        "| yes | could not be run |"
    ]


def test_page_names_no_folder_of_this_machine():
    text = page(["f5"], VERSIONS, RESULTS)
    assert "--python PYTHON-WITH-1.0" in text
    assert "/made/up" not in text
    assert "* 1.0: yes; run: failed, bodies: 1 (1 s)" in text
    assert "* 1.1: could not be run; took too long (1 s)" in text
