"""Scripted interleavings: held writers, and what happens meanwhile."""

from __future__ import annotations

import pytest

from simworld.errors import ScriptError
from simworld.explore import Scripted
from tests.explore.toy import Body, Program, Toy, op


def two_writers(order: list[str]) -> Program:
    """A and B write what both touch; C only looks on."""

    def writer(name: str) -> Body:
        yield op(f"read of {name}", reads=("x",))
        yield op(f"write of {name}", "x")
        order.append(name)

    def program(toy: Toy):
        for name in ("A", "B", "C"):
            toy.spawn(f"task/{name}", writer(name))
        return lambda: False

    return program


def run(script: Scripted) -> list[str]:
    order: list[str] = []
    script.begin(None, None)
    Toy(two_writers(order), script).run()
    return order


def test_without_lines_the_default_goes_on() -> None:
    assert run(Scripted()) == ["A", "B", "C"]


def test_a_held_writer_is_overtaken() -> None:
    script = Scripted().hold("task/A", "write*").run_until("write of B").release("task/A")
    assert run(script) == ["B", "A", "C"]
    assert script.unfollowed() == ""


def test_names_are_patterns_and_the_end_releases_everybody() -> None:
    script = Scripted().hold("task/[AB]", "write*").run_until("write*", "task/C")
    assert run(script) == ["C", "A", "B"]


def test_one_of_two_is_released() -> None:
    script = Scripted().hold("task/A").hold("task/B", "write*").run_until("write of C")
    script.release("task/B").run_until("write of B")
    assert run(script) == ["C", "B", "A"]


def test_only_one_goes_on_until_it_is_released() -> None:
    script = Scripted().run_until("read of A").only("task/C").run_until("read of C")
    assert run(script.release("task/C").hold("task/A").run_until("write of B")) == ["C", "B", "A"]


def test_one_cuts_in_right_behind_another() -> None:
    assert run(Scripted().cut_in("task/C", "write*", behind="read of B")) == ["A", "C", "B"]


def test_what_can_never_come_names_its_line_and_who_stands_still() -> None:
    script = Scripted().hold("*", "write*").run_until("write of B")
    with pytest.raises(ScriptError, match=r"line 2 .*'write of B'.* task/A \(write of A\), task/B"):
        run(script)


def test_a_line_that_never_came_true_is_told() -> None:
    script = Scripted().run_until("delete*")
    assert run(script) == ["A", "B", "C"]
    assert script.unfollowed() == "run until 'delete*' by '*'"


def test_a_script_is_followed_again_from_its_first_line() -> None:
    script = Scripted().hold("task/A").run_until("write of C").release()
    assert run(script) == run(script) == ["B", "C", "A"]
