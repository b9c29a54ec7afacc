"""The result table: a test's category, what is counted, and when nothing is written."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.result_table import RULES, category

pytest_plugins = ["pytester"]

ROOT = pathlib.Path(__file__).parent.parent
INI = """
[pytest]
testpaths = tests
addopts = -m "not prove"
markers = prove: long
"""
CONFTEST = """
import pytest

@pytest.fixture
def pg_dsn():
    return "nowhere"

@pytest.fixture
def broken():
    yield
    raise OSError
"""
SIMULATED = """
import pytest

def test_passes(): pass
def test_passes_and_cannot_tidy_up(broken): pass
@pytest.mark.prove
def test_long(): pass
def test_on_a_server(pg_dsn): pass
def test_fails_on_a_server(pg_dsn): assert False
"""
PEERS = """
import pytest

@pytest.mark.skip(reason="install the extra peers")
def test_a_peer(): pass
"""
ABSENT = """
import pytest

pytest.skip("no peers here", allow_module_level=True)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A small suite that looks like ours."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pytester.makefile(".ini", pytest=INI)
    for path, text in {
        "tests/conftest.py": CONFTEST,
        "tests/sim/test_small.py": SIMULATED,
        "tests/bench/test_peers.py": PEERS,
        "tests/bench/test_peers_too.py": ABSENT,
        "tests/test_rules.py": "def test_rule(): pass\n",
    }.items():
        file = pytester.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> None:
    """All of it, unless the options say otherwise, in a process of its own."""
    plugins = ("-p", "tests.result_table", "-p", "no:cacheprovider", "-p", "no:benchmark")
    table = ("--result-table=told", "--import-mode=importlib")
    suite.runpytest_subprocess(*plugins, *table, *options)


def row(passed: int = 0, failed: int = 0, skipped: int = 0) -> dict[str, int]:
    """The counts of a category."""
    total = passed + failed + skipped
    return {"passed": passed, "failed": failed, "skipped": skipped, "total": total}


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two"])
def test_a_whole_run_is_counted(suite: pytest.Pytester, options: tuple[str, ...]) -> None:
    run(suite, *options)
    told = json.loads((suite.path / "told" / "tests.json").read_text())
    assert told["categories"] == {
        "simulated": row(passed=1, failed=1),
        "local real": row(),
        "HTTP": row(),
        "PostgreSQL real": row(passed=1, failed=1),
        "peers": row(skipped=2),
        "other": row(passed=1),
    }
    assert told["all"] == row(passed=3, failed=2, skipped=2)
    assert told["verdict"] == "FAIL: 2 of 7 failed"
    assert told["skipped"] == {
        "tests/bench/test_peers.py::test_a_peer": "install the extra peers",
        "tests/bench/test_peers_too.py": "no peers here",
    }
    assert len(told["failed"]) == 2
    page = (suite.path / "told" / "tests.md").read_text()
    assert "| PostgreSQL real | 1 | 1 | 0 | 2 |" in page
    assert "* `tests/bench/test_peers.py::test_a_peer`: install the extra peers" in page


def test_what_is_right_is_told_in_one_line(suite: pytest.Pytester) -> None:
    (suite.path / "tests" / "sim" / "test_small.py").write_text("def test_passes(): pass\n")
    run(suite)
    assert "**PASS: 2 passed, 2 skipped**" in (suite.path / "told" / "tests.md").read_text()


@pytest.mark.slow
def test_a_file_that_cannot_be_read_has_failed(suite: pytest.Pytester) -> None:
    (suite.path / "tests" / "test_rules.py").write_text("import no_such_module\n")
    run(suite, "-n", "2")
    told = json.loads((suite.path / "told" / "tests.json").read_text())
    assert told["categories"]["other"] == row(failed=1)


@pytest.mark.parametrize(
    "options", [("tests/test_rules.py",), ("-k", "rule"), ("-m", "prove"), ("-x",)], ids=str
)
def test_a_run_of_a_part_is_not_written(suite: pytest.Pytester, options: tuple[str, ...]) -> None:
    run(suite, *options)
    assert not (suite.path / "told").exists()


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("tests/sim/test_kernel.py::test_turns", "simulated"),
        ("tests/conformance/test_worlds.py::test_the_file_world_on_a_disk", "local real"),
        ("tests/conformance/test_worlds.py::test_a_world_in_memory[local]", "simulated"),
        ("tests/service/test_flow.py::test_a_step_message", "HTTP"),
        ("tests/service/test_torture.py::test_workers_may_be_killed[postgres]", "PostgreSQL real"),
        ("tests/bench/test_peers.py::test_dbos", "peers"),
        ("tests/test_readme.py::test_linked_files_exist", "other"),
    ],
)
def test_categories(nodeid: str, expected: str) -> None:
    assert category(nodeid) == expected


def test_a_server_counts_more_than_a_folder() -> None:
    assert category("tests/service/test_flow.py::test_x", {"pg_dsn"}) == "PostgreSQL real"


def test_every_pattern_means_a_folder_that_is_there() -> None:
    for pattern in (each for rule in RULES for each in rule.ids if each != "*"):
        assert (ROOT / pattern.partition("*")[0]).parent.is_dir(), pattern
