"""README.md is true: its commands exist and work, its example is found and judged."""

from __future__ import annotations

import functools
import pathlib
import re
import subprocess
import sys

import pytest

from simworld.campaign import hunt, load_scenarios, preset
from simworld.records import WorldProfile
from simworld.worlds import AtomicWorld

ROOT = pathlib.Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """The command, in the repository."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_make_hunt_finds_tells_and_checks() -> None:
    assert "make hunt" in README
    done = run("make", "--no-print-directory", "hunt", "TRIALS=300")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as declared" in done.stdout
    command = done.stdout.rstrip().splitlines()[-1].split()
    assert command[1] == "replay"
    replayed = run(*command)
    assert replayed.returncode == 1, replayed.stdout + replayed.stderr
    assert "The failure shows again." in replayed.stdout


def test_a_race_is_told_as_a_race() -> None:
    done = run(
        *(sys.executable, "-m", "simworld.cli", "hunt", "inflated_attempts", "--case", "R-02"),
        *("--variant", "v2_merge", "--seed", "12", "--trials", "60", "--expect"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is held back here" in done.stdout
    assert "The race: on the row of work#" in done.stdout
    assert "I-12 wanted:" in done.stdout


def test_make_test_runs_what_the_gate_runs() -> None:
    assert "make test" in README
    assert "make --no-print-directory test" in (ROOT / ".ci" / "run").read_text()
    recipe = run("make", "-n", "test").stdout
    for each in ("ruff format --check", "ruff check", "mypy", "pytest"):
        assert each in recipe


def test_make_bench_runs_every_program() -> None:
    recipe = run("make", "-n", "bench").stdout
    programs = {
        path.stem for path in (ROOT / "bench").glob("*.py") if "__main__" in path.read_text()
    }
    programs.remove("subject_cells")  # which bench.subjects starts, one for each cell
    assert set(re.findall(r"-m bench\.(\w+)", recipe)) == programs
    assert "simworld bench --report reports" in recipe


@pytest.mark.parametrize(
    "line", [line for line in README.splitlines() if line.startswith("simworld ")]
)
def test_every_command_shown_is_understood(line: str) -> None:
    commit = "9fceb02d0ae598e95dc970b74767f19372d61af8"
    words = line.partition("#")[0].replace("$GITHUB_SHA", commit).split()[1:]
    done = run(sys.executable, "-m", "simworld.cli", *words, "--help")
    assert done.returncode == 0, done.stderr
    options = [word for word in words if word.startswith("--")]
    assert all(option in done.stdout for option in options)


@pytest.mark.parametrize("name", ["order_total", "approval"])
def test_an_example_scenario_is_found_and_holds(tmp_path: pathlib.Path, name: str) -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (example,) = [each for each in examples if f'name="{name}"' in each]
    folder = tmp_path / f"readme_{name}"
    folder.mkdir()
    (folder / f"{name}.py").write_text(f'"""From the README."""\n\n{example}')
    scenario = load_scenarios(str(folder))[name]
    result = hunt(scenario, preset("fixed"), trials=300)
    assert str(result.verdict) == "PASS", result.findings
    assert result.as_expected
    assert result.overlap_share > 0.3


def test_the_example_of_a_world_of_ones_own_judges_it() -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (example,) = [each for each in examples if "check_world" in each]
    assert "sequences=500" in example
    scope = {"MyStorage": functools.partial(AtomicWorld, profile=WorldProfile())}
    exec(example.replace("sequences=500", "sequences=20"), scope)
    scope["test_my_world_is_a_world"]()


@pytest.mark.slow
def test_the_example_of_ones_own_test_suite_passes(tmp_path: pathlib.Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (orders,) = [each for each in examples if each.startswith("# orders.py")]
    (example,) = [each for each in examples if "@simworld.scenario" in each]
    (tmp_path / "orders.py").write_text(orders)
    (tmp_path / "test_orders.py").write_text(example)
    command = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--simworld-trials", "100")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
