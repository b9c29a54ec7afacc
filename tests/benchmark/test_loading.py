"""Where workloads come from, and which of them are meant."""

from __future__ import annotations

import sys

import pytest

from simworld.benchmark import chosen_benchmarks, load_benchmarks, load_peers
from simworld.errors import UsageError

MINE = """
from simworld.benchmark import Benchmark, Peer
from simworld.engine import workflow


@workflow
async def twice(value):
    return 2 * value


benchmarks = (
    Benchmark("twice one", twice, (), (1,), 2),
    Benchmark("twice two", twice, (), (2,), 4, full=True),
)
peers = (Peer("other", "its own", ("-m", "other", "{folder}")),)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder, text, name="mine.py"):
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return str(path)


def test_they_come_from_the_folder_bench_of_the_current_directory(folder):
    written(folder, MINE, "bench/shapes.py")
    assert list(load_benchmarks()) == ["twice one", "twice two"]


def test_or_from_a_file_or_a_module_that_is_named(folder, monkeypatch):
    path = written(folder, MINE, "own_workloads.py")
    monkeypatch.syspath_prepend(str(folder))
    assert list(load_benchmarks(path)) == ["twice one", "twice two"]
    assert list(load_benchmarks("own_workloads")) == ["twice one", "twice two"]
    assert list(load_peers(path)) == ["other on its own"]


def test_a_module_beside_one_is_found(folder, monkeypatch):
    monkeypatch.setattr("sys.path", [each for each in sys.path if each])
    written(folder, MINE, "beside_me.py")
    assert list(load_benchmarks("beside_me")) == ["twice one", "twice two"]


def test_without_any_it_is_told_how_to_name_them():
    with pytest.raises(UsageError, match=r"there is no bench/shapes\.py .* --workloads"):
        load_benchmarks()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("benchmarks = ()", "lists no workloads"),
        ("x = 1", "lists no workloads"),
        ("benchmarks = (1,)", "holds 1, no Benchmark"),
        (MINE + "benchmarks += benchmarks[:1]", "two workloads are called 'twice one'"),
        ("\n1 / 0", r"at .*broken\.py:2: ZeroDivisionError"),
        ("def (", r"at .*broken\.py:1: SyntaxError"),
        ("raise SystemExit('no')", "SystemExit: no"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(folder, text, told):
    path = written(folder, text, "broken.py")
    with pytest.raises(UsageError, match=told):
        load_benchmarks(path)


def test_a_file_that_is_not_there_is_told():
    with pytest.raises(UsageError, match=r"'gone\.py': it is no file"):
        load_benchmarks("gone.py")
    with pytest.raises(UsageError, match="ModuleNotFoundError"):
        load_benchmarks("gone_module")


def test_long_ones_run_when_all_or_they_are_asked_for(folder):
    known = load_benchmarks(written(folder, MINE, "some.py"))

    def names(*named, full=False):
        return [each.name for each in chosen_benchmarks(known, named, full=full)]

    assert names() == ["twice one"]
    assert names(full=True) == ["twice one", "twice two"]
    assert names("twice two") == ["twice two"]
    assert names("twice") == ["twice one"]
    assert names("twice", full=True) == ["twice one", "twice two"]
    assert names("two", "one", full=True) == ["twice one", "twice two"]
    with pytest.raises(UsageError, match="did you mean twice"):
        names("twcie one")
