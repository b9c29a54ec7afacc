"""Correlation ids: every scheme, from the run's identity and the order of draws alone."""

from __future__ import annotations

import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import Draws, IdScheme, RunIdentity, Seed, ulid
from simworld.entropy import Stream

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
IDENTITY = RunIdentity("wrun_1", "order", 1_750_000_000_123, 1_750_000_000_001)
every_scheme = pytest.mark.parametrize("scheme", list(IdScheme))
every_seed = pytest.mark.parametrize("seed", list(Seed))


def number(text):
    """The value of an id's ULID, read digit by digit."""
    value = 0
    for character in text.rpartition("_")[2]:
        value = value * 32 + CROCKFORD.index(character)
    return value


def made(scheme, seed=Seed.STARTED_AT, identity=IDENTITY):
    return Draws(identity, scheme, seed)


def drawn(draws, *asked):
    """Ids for what is asked for: ``step a`` is a step called a; ``random`` draws for the author."""
    ids = []
    for each in asked:
        if each == "random":
            draws.bits(53)
        else:
            kind, _, site = each.partition(" ")
            ids.append(draws.draw(kind, site.encode()))
    return ids


@given(st.integers(0, 2**128 - 1))
def test_a_ulid_is_26_crockford_characters_that_give_its_value_back(value):
    text = ulid(value)
    assert re.fullmatch(f"[{CROCKFORD}]{{26}}", text)
    assert number(text) == value


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ulids_sort_as_their_values_do(one, other):
    assert (ulid(one) < ulid(other)) == (one < other)


# --- what holds under every scheme ------------------------------------------------------------

MIXED = ("step a", "wait", "step a", "random", "hook", "step b", "attr", "wait")


@every_scheme
@every_seed
def test_an_id_names_its_kind_and_no_two_are_equal(scheme, seed):
    ids = drawn(made(scheme, seed), *MIXED)
    assert [each.partition("_")[0] for each in ids] == [
        each.partition(" ")[0] for each in MIXED if each != "random"
    ]
    assert all(re.fullmatch(f"[a-z]+_[{CROCKFORD}]{{26}}", each) for each in ids)
    assert len(set(ids)) == len(ids)


@every_scheme
@every_seed
def test_equal_identities_draw_the_same(scheme, seed):
    one, other = made(scheme, seed), made(scheme, seed, attrs.evolve(IDENTITY))
    assert drawn(one, *MIXED) == drawn(other, *MIXED)
    assert [one.bits(53), one.token("hook_1")] == [other.bits(53), other.token("hook_1")]


@every_scheme
@every_seed
@pytest.mark.parametrize("field", ["run_id", "workflow_name"])
def test_other_runs_draw_otherwise(scheme, seed, field):
    other = attrs.evolve(IDENTITY, **{field: "another"})
    assert drawn(made(scheme, seed), *MIXED)[0] != drawn(made(scheme, seed, other), *MIXED)[0]
    assert made(scheme, seed).bits(53) != made(scheme, seed, other).bits(53)


@every_scheme
def test_the_seed_says_whether_the_start_is_part_of_all_that_is_random(scheme):
    later = attrs.evolve(IDENTITY, started_at_ms=IDENTITY.started_at_ms + 1)
    by_start = [made(scheme, Seed.STARTED_AT, each) for each in (IDENTITY, later)]
    by_run = [made(scheme, Seed.RUN_ID, each) for each in (IDENTITY, later)]
    assert by_start[0].bits(53) != by_start[1].bits(53)
    assert by_run[0].bits(53) == by_run[1].bits(53)
    low = [number(drawn(each, "step a")[0]) & (2**80 - 1) for each in (*by_start, *by_run)]
    assert low[0] != low[1]
    assert low[2] == low[3]


def test_the_time_of_creation_is_never_random():
    later = attrs.evolve(IDENTITY, created_at_ms=IDENTITY.created_at_ms + 1)
    for seed in Seed:
        assert IDENTITY.seed(seed) == later.seed(seed)


# --- what an extra draw of the author's shifts ------------------------------------------------

ASKED = ("step a", "hook t", "step b")


@pytest.mark.parametrize(
    ("scheme", "first", "middle"),
    [
        # Which of the three ids stay, with an extra random() in front, and behind the first id.
        (IdScheme.MONOTONIC, [False, False, False], [True, True, True]),
        (IdScheme.FRESH_RANDOM, [False, False, False], [True, False, False]),
        (IdScheme.PER_KIND, [True, True, True], [True, True, True]),
        (IdScheme.CALL_SITE, [True, True, True], [True, True, True]),
    ],
)
def test_what_an_extra_random_call_shifts(scheme, first, middle):
    plain = drawn(made(scheme), *ASKED)
    early = drawn(made(scheme), "random", *ASKED)
    late = drawn(made(scheme), ASKED[0], "random", *ASKED[1:])
    assert [a == b for a, b in zip(plain, early, strict=True)] == first
    assert [a == b for a, b in zip(plain, late, strict=True)] == middle


@pytest.mark.parametrize(
    ("scheme", "same"),
    [
        # Which ids stay when a wait is asked for before: step a, hook t, step b.
        (IdScheme.MONOTONIC, [False, False, False]),
        (IdScheme.FRESH_RANDOM, [False, False, False]),
        (IdScheme.PER_KIND, [True, True, True]),
        (IdScheme.CALL_SITE, [True, True, True]),
    ],
)
def test_what_an_extra_wait_shifts(scheme, same):
    plain, more = drawn(made(scheme), *ASKED), drawn(made(scheme), "wait 5", *ASKED)[1:]
    assert [a == b for a, b in zip(plain, more, strict=True)] == same


@pytest.mark.parametrize("scheme", [each for each in IdScheme if each is not IdScheme.CALL_SITE])
def test_two_steps_in_another_order_swap_their_ids(scheme):
    """Same badge, different person (spec §1.4)."""
    assert drawn(made(scheme), "step a", "step b") == drawn(made(scheme), "step b", "step a")


def test_call_sites_keep_their_ids_in_any_order():
    orders = [[f"step {name}" for name in names] for names in ("abcd", "dbca")]
    one, other = [
        dict(zip(order, drawn(made(IdScheme.CALL_SITE), *order), strict=True)) for order in orders
    ]
    assert one == other


def test_equal_call_sites_are_counted():
    asked = ("step a", "step a", "wait a", "step b", "step a")
    ids = drawn(made(IdScheme.CALL_SITE), *asked)
    again = drawn(made(IdScheme.CALL_SITE), "step b", "step a", "step a", "step a", "wait a")
    assert ids == [again[1], again[2], again[4], again[0], again[3]]


# --- the shape of the ids ---------------------------------------------------------------------

NAMES = st.text("ab_1é", max_size=8)


@given(NAMES, NAMES, st.integers(0, 2**48 - 1), st.sampled_from(Seed))
def test_monotonic_is_time_and_seeded_randomness_and_then_one_more_each_time(
    run_id, workflow_name, started_at_ms, seed
):
    identity = RunIdentity(run_id, workflow_name, started_at_ms)
    asked = ["step a", "wait", "hook t", "random"] * 10
    values = [number(each) for each in drawn(made(IdScheme.MONOTONIC, seed, identity), *asked)]
    assert values[0] >> 80 == started_at_ms
    assert values[0] & (2**80 - 1) == Stream(identity.seed(seed)).bits(80)
    assert values == list(range(values[0], values[0] + 30))


@pytest.mark.parametrize("scheme", [IdScheme.MONOTONIC, IdScheme.PER_KIND])
def test_a_long_sequence_has_no_seam(scheme):
    values = [number(each) for each in drawn(made(scheme), *["step a"] * 3_000)]
    assert values == list(range(values[0], values[0] + 3_000))


def test_each_kind_counts_for_itself():
    ids = drawn(made(IdScheme.PER_KIND), "step a", "wait", "step a", "hook", "wait", "step a")
    values = [number(each) for each in ids]
    assert [values[2] - values[0], values[5] - values[2], values[4] - values[1]] == [1, 1, 1]
    assert len({value >> 20 for value in (values[0], values[1], values[3])}) == 3


@pytest.mark.parametrize("scheme", [IdScheme.FRESH_RANDOM, IdScheme.PER_KIND])
def test_random_ids_carry_the_start(scheme):
    ids = drawn(made(scheme), *["step a"] * 3)
    assert {number(each) >> 80 for each in ids} == {IDENTITY.started_at_ms}


def test_fresh_ids_have_no_order():
    values = [number(each) for each in drawn(made(IdScheme.FRESH_RANDOM), *["step a"] * 20)]
    assert values != sorted(values)


def test_a_call_site_seeded_by_the_run_knows_nothing_of_the_start():
    """Two handlers that believe in different starts ask for the same steps."""
    later = attrs.evolve(IDENTITY, started_at_ms=IDENTITY.started_at_ms + 7)
    ids = [drawn(made(IdScheme.CALL_SITE, Seed.RUN_ID, each), *ASKED) for each in (IDENTITY, later)]
    assert ids[0] == ids[1]
    positional = [
        drawn(made(IdScheme.MONOTONIC, Seed.RUN_ID, each), *ASKED)[0] for each in (IDENTITY, later)
    ]
    assert positional[0] != positional[1]


# --- tokens and the author's own randomness ---------------------------------------------------


@every_scheme
def test_a_token_can_stand_in_an_address(scheme):
    assert re.fullmatch("[0-9A-Za-z_-]{21}", made(scheme).token("hook_1"))


@pytest.mark.parametrize("scheme", [each for each in IdScheme if each is not IdScheme.CALL_SITE])
def test_tokens_come_from_the_generator(scheme):
    draws = made(scheme)
    tokens = [draws.token("hook_1"), draws.token("hook_1")]
    assert tokens[0] != tokens[1]
    shifted = made(scheme)
    shifted.bits(53)
    assert shifted.token("hook_1") not in tokens


def test_the_token_of_a_call_site_is_a_function_of_its_id():
    one, other = made(IdScheme.CALL_SITE), made(IdScheme.CALL_SITE)
    other.bits(53)
    assert one.token("hook_1") == other.token("hook_1") != other.token("hook_2")


def test_ids_and_the_authors_randomness_share_one_generator():
    """Randomness goes on behind the 80 bits of the first id, whoever came first."""
    stream = Stream(IDENTITY.seed(Seed.STARTED_AT))
    draws = made(IdScheme.MONOTONIC)
    (first,) = drawn(draws, "step a")
    assert number(first) & (2**80 - 1) == stream.bits(80)
    assert draws.bits(53) == stream.bits(53)
    stream = Stream(IDENTITY.seed(Seed.STARTED_AT))
    draws = made(IdScheme.MONOTONIC)
    assert draws.bits(53) == stream.bits(53)
    (first,) = drawn(draws, "step a")
    assert number(first) & (2**80 - 1) == stream.bits(80)
