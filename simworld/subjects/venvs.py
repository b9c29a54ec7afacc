"""Other versions of a subject: each in a virtual environment of its own, made when it is missing.

An environment is known by asking its interpreter, not by a mark left in it: whoever has made it,
it is used if it has the right version and can import this package.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import simworld
from simworld.errors import UsageError
from simworld.subjects.installed import installed_version, subject_named

_ASK = (
    "import importlib.metadata, simworld.subjects, sys; "
    "print(importlib.metadata.version(sys.argv[1]), simworld.subjects.__file__)"
)


def is_version(text: str) -> bool:
    """Whether it reads as a version: ``0.9.0``."""
    return re.fullmatch(r"[0-9]+(\.[0-9]+)*([-.+]?[0-9a-z]+)*", text) is not None


def venv_of(subject: str, version: str, folder: Path) -> Path:
    """Where the environment with that version is, or would be."""
    return folder / f"{subject}-{version}"


def python_of(subject: str, version: str, folder: Path, say: Callable[[str], None]) -> Path:
    """The interpreter that has this version: our own, one that is there, or one that is made.

    ``UsageError`` where it cannot be made.
    """
    if _is_installed(subject, version):
        return Path(sys.executable)
    venv = venv_of(subject, version, folder)
    python = (venv / "bin" / "python").absolute()
    if venv.exists():
        _check(subject, version, venv, python)
        return python
    say(f"making a virtual environment with {subject} {version} in {venv} (once)")
    try:
        _make(subject, version, venv, python)
        _check(subject, version, venv, python)
    except BaseException:  # half of one would be taken for a whole one
        shutil.rmtree(venv, ignore_errors=True)
        raise
    return python


def _is_installed(subject: str, version: str) -> bool:
    try:
        return installed_version(subject) == version
    except UsageError:
        return False


def _check(subject: str, version: str, venv: Path, python: Path) -> None:
    try:
        answer = subprocess.run(
            [python, "-c", _ASK, subject], capture_output=True, text=True, check=True
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(
            f"{venv} is there, but it is no environment with simworld and {subject}; remove it "
            "and it is made again, or name another folder with --subjects-dir"
        ) from error
    if answer[0] != version:
        raise UsageError(
            f"{venv} has {subject} {answer[0]}, not {version}; remove it and it is made again"
        )


def _make(subject: str, version: str, venv: Path, python: Path) -> None:
    venv.parent.mkdir(parents=True, exist_ok=True)
    _run([sys.executable, "-m", "venv", str(venv)], f"cannot make {venv}")
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    packages = [f"{subject}=={version}", *subject_named(subject).needs]
    _run([*pip, *_ourselves(), *packages], f"cannot install {subject} {version} into {venv}")


def _ourselves() -> list[str]:
    """What pip gets this very simworld by: its source tree, where it was installed from, or its
    version."""
    root = Path(simworld.__file__).parent.parent
    if (root / "pyproject.toml").exists():
        return ["--config-settings", "editable_mode=compat", "-e", str(root)]
    told = importlib.metadata.distribution("simworld").read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(told) if told else {}
    if "vcs_info" in origin:
        system = origin["vcs_info"]
        return [f"simworld @ {system['vcs']}+{origin['url']}@{system['commit_id']}"]
    if origin:
        return [f"simworld @ {origin['url']}"]
    return [f"simworld=={simworld.__version__}"]


def _run(command: Sequence[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        last = said[-1] if said else f"exit code {done.returncode}"
        raise UsageError(f"{what}: {last}")
