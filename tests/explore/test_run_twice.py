"""Run twice: it sees what the seed does not decide, and disturbs nothing."""

from __future__ import annotations

import itertools

import pytest

from simworld.errors import UncontrolledNondeterminism
from simworld.explore import EXPLORERS, RunTwice, Uniform
from simworld.records import Profile
from tests.explore.planted import first_starts, noise
from tests.explore.toy import Toy, op, trial


def _twice(program, inner, seed=0):
    twice = RunTwice(inner)
    first = trial(program, twice, seed)
    twice.rewind()
    trial(program, twice, seed)
    twice.finish()
    return first


@pytest.mark.parametrize("name", EXPLORERS)
def test_a_clean_program_passes_and_the_wrapper_changes_nothing(name):
    for seed in range(10):
        wrapped = _twice(first_starts, EXPLORERS[name](), seed)
        assert wrapped.path == trial(first_starts, EXPLORERS[name](), seed).path


def _counting(operations):
    """A program with state that outlives a trial: the very mistake."""
    trials = itertools.count()

    def program(toy):
        number = next(trials)

        def body():
            yield op("begin")
            yield from operations(number)

        toy.spawn("a", body())
        toy.spawn("b", noise("b", 3))
        return lambda: False

    return program


@pytest.mark.parametrize("alone", [False, True])
def test_it_catches_an_operation_that_depends_on_outer_state(alone):
    # Also where only one task is enabled, and no explorer would have been asked.
    def operations(number):
        yield op(f"write version {number}", "file")

    program = _counting(operations)

    def lonely(toy: Toy):
        check = program(toy)
        if alone:
            del toy.tasks[1]
        return check

    with pytest.raises(UncontrolledNondeterminism) as caught:
        _twice(lonely, EXPLORERS["default"]())
    text = str(caught.value)
    assert "first differ at turn 1\n" in text
    assert "first:  turn 1 at 0 ms: a out of a (write version 0)" in text
    assert "second: turn 1 at 0 ms: a out of a (write version 1)" in text
    assert "the real clock, iteration over a set, order by id() or hash()" in text


@pytest.mark.parametrize(("lengths", "ended"), [((2, 4), "first:  had ended"), ((4, 2), "second:")])
def test_it_catches_a_trial_that_is_longer_or_shorter(lengths, ended):
    def operations(number):
        for _ in range(lengths[number]):
            yield op("write", "file")

    program = _counting(operations)

    def lonely(toy: Toy):
        check = program(toy)
        del toy.tasks[1]
        return check

    with pytest.raises(UncontrolledNondeterminism, match=ended):
        _twice(lonely, Uniform())


def test_it_compares_the_answers_too():
    class Fickle(Uniform):
        """Draws from something that is not its stream."""

        trials = 0

        def begin(self, stream, profile):
            self.trials += 1

        def choose(self, point, enabled):
            return self.trials - 1

    with pytest.raises(UncontrolledNondeterminism, match="first differ at turn 0\n"):
        _twice(first_starts, Fickle())


def test_a_new_begin_without_rewind_is_a_first_trial():
    twice = RunTwice(Uniform())
    trial(first_starts, twice, 1)
    trial(first_starts, twice, 2)  # another seed, another trial: nothing to compare
    twice.rewind()
    trial(first_starts, twice, 2)
    twice.finish()
    twice.rewind()
    with pytest.raises(UncontrolledNondeterminism):
        trial(first_starts, twice, 1, Profile())
