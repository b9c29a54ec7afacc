"""Subjects by name and version: what is installed, and the environments of other versions."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import simworld
from simworld.errors import UsageError
from simworld.records import ForeignProgram
from simworld.subjects import (
    SUBJECTS,
    installed_version,
    is_too_new,
    is_version,
    python_of,
    subject_named,
    venvs,
)

NAME = "vercel-workflow"


@pytest.fixture
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.10.2")


def test_subjects_are_known_by_name() -> None:
    assert subject_named(NAME) is SUBJECTS[NAME]
    assert SUBJECTS[NAME].hint == "pip install 'simworld[vercel]'"
    with pytest.raises(UsageError, match="unknown subject 'vercel'; did you mean vercel-workflow"):
        subject_named("vercel")


def test_what_is_not_installed_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(UsageError, match=r"not installed: pip install 'simworld\[vercel\]'"):
        installed_version(NAME)


@pytest.mark.parametrize(
    ("since", "too_new"),
    [("", False), ("0.9", False), ("0.10.2", False), ("0.10.3", True), ("0.11", True), ("1", True)],
)
@pytest.mark.usefixtures("_installed")
def test_versions_are_compared_by_their_numbers(since: str, too_new: bool) -> None:
    assert is_too_new(ForeignProgram(NAME, "shop.flows", "checkout", since)) is too_new


@pytest.mark.parametrize("text", ["0.9.0", "0.12.0rc1", "1", "5.0.0-beta.4"])
def test_versions_are_taken(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize("text", ["", "newest", "../../etc", "0.9.0; rm", ">=0.9", "-e ."])
def test_other_words_are_not(text: str) -> None:
    assert not is_version(text)


@pytest.mark.usefixtures("_installed")
def test_the_installed_version_runs_here(tmp_path: Path) -> None:
    assert python_of(NAME, "0.10.2", tmp_path, print) == Path(sys.executable)
    assert list(tmp_path.iterdir()) == []


def test_an_environment_is_made_of_this_very_simworld_and_that_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []
    said: list[str] = []

    def run(command: Sequence[str], what: str) -> None:
        commands.append(list(command))
        python = tmp_path / "envs" / f"{NAME}-0.9.0" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text("#!/bin/sh\necho 0.9.0 here\n")
        python.chmod(0o755)

    monkeypatch.setattr(venvs, "_run", run)
    python = python_of(NAME, "0.9.0", tmp_path / "envs", said.append)
    assert python == tmp_path / "envs" / f"{NAME}-0.9.0" / "bin" / "python"
    (line,) = said
    assert f"{NAME} 0.9.0" in line
    make, install = commands
    assert make[1:3] == ["-m", "venv"]
    assert install[0] == str(python)
    assert install[-2:] == [f"{NAME}==0.9.0", "time-machine"]
    assert "-e" in install
    assert python_of(NAME, "0.9.0", tmp_path / "envs", said.append) == python
    assert len(commands) == 2, "it is made once"


@pytest.mark.parametrize(
    ("told", "asked"),
    [
        (None, f"simworld=={simworld.__version__}"),
        ('{"url": "file:///src/simworld", "dir_info": {}}', "simworld @ file:///src/simworld"),
        (
            '{"url": "https://host/s", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "simworld @ git+https://host/s@abc",
        ),
    ],
)
def test_one_without_its_source_tree_is_got_from_where_this_one_was(
    told: str | None, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "simworld-1.dist-info"
    metadata.mkdir()
    if told is not None:
        (metadata / "direct_url.json").write_text(told)
    monkeypatch.setattr(simworld, "__file__", str(tmp_path / "simworld" / "__init__.py"))
    distribution = importlib.metadata.PathDistribution(metadata)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: distribution)
    assert venvs._ourselves() == [asked]


def test_half_an_environment_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(command: Sequence[str], what: str) -> None:
        (tmp_path / f"{NAME}-0.9.0").mkdir(exist_ok=True)
        if "pip" in command:
            raise UsageError(f"{what}: no network")

    monkeypatch.setattr(venvs, "_run", run)
    with pytest.raises(UsageError, match=r"cannot install vercel-workflow 0\.9\.0 into .*: no net"):
        python_of(NAME, "0.9.0", tmp_path, lambda line: None)
    assert list(tmp_path.iterdir()) == []


def test_what_pip_says_last_is_what_is_told(tmp_path: Path) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('first\\n\\nlast line')"]
    with pytest.raises(UsageError, match=r"^cannot do it: last line$"):
        venvs._run(failing, "cannot do it")
