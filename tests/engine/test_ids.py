"""Correlation ids: one monotonic ULID sequence per pass, from the run's identity alone."""

from __future__ import annotations

import re

import attrs
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import CorrelationIds, RunIdentity, ulid
from simworld.engine.ids import first_draw
from simworld.entropy import Stream

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
IDENTITY = RunIdentity("wrun_1", "order", 1_750_000_000_123)


def number(text):
    """The value of a ULID, read digit by digit."""
    value = 0
    for character in text:
        value = value * 32 + CROCKFORD.index(character)
    return value


def draws(identity, count):
    ids = CorrelationIds(identity)
    return [ids.draw("step") for _ in range(count)]


@given(st.integers(0, 2**128 - 1))
def test_a_ulid_is_26_crockford_characters_that_give_its_value_back(value):
    text = ulid(value)
    assert re.fullmatch(f"[{CROCKFORD}]{{26}}", text)
    assert number(text) == value


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ulids_sort_as_their_values_do(one, other):
    assert (ulid(one) < ulid(other)) == (one < other)


def test_a_draw_names_its_kind():
    ids = CorrelationIds(IDENTITY)
    step, hook = ids.draw("step"), ids.draw("hook")
    assert re.fullmatch(f"step_[{CROCKFORD}]{{26}}", step)
    assert number(hook.removeprefix("hook_")) == number(step.removeprefix("step_")) + 1


NAMES = st.text("ab_1é", max_size=8)


@given(NAMES, NAMES, st.integers(0, 2**48 - 1))
def test_the_first_draw_is_time_and_seeded_randomness_and_each_later_one_adds_one(
    run_id, workflow_name, started_at_ms
):
    identity = RunIdentity(run_id, workflow_name, started_at_ms)
    values = [number(each.removeprefix("step_")) for each in draws(identity, 40)]
    assert values[0] >> 80 == started_at_ms
    assert values[0] & (2**80 - 1) == Stream(identity.seed).bits(80)
    assert values == list(range(values[0], values[0] + 40))


def test_the_sequence_goes_on_over_the_boundaries_of_its_cached_parts():
    values = [number(each.removeprefix("step_")) for each in draws(IDENTITY, 3_000)]
    assert values == list(range(values[0], values[0] + 3_000))


def test_equal_identities_give_equal_sequences_and_others_give_others():
    assert draws(IDENTITY, 3) == draws(attrs.evolve(IDENTITY), 3)
    others = [
        attrs.evolve(IDENTITY, run_id="wrun_2"),
        attrs.evolve(IDENTITY, workflow_name="other"),
        attrs.evolve(IDENTITY, started_at_ms=IDENTITY.started_at_ms + 1),
    ]
    assert len({first_draw(each) for each in (IDENTITY, *others)}) == 4


def test_a_first_draw_is_the_same_after_its_cache_was_emptied():
    before = draws(IDENTITY, 2)
    for number_ in range(4_100):
        first_draw(RunIdentity(f"wrun_{number_}", "filler", 0))
    assert draws(IDENTITY, 2) == before
