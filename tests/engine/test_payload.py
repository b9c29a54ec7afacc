"""The payload codec: values round-trip, equal values have equal bytes, the rest is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import decode, decode_error, encode, encode_error
from simworld.errors import UsageError

TEXT = st.text('ab\x00\x1f /"é\u2028😀', max_size=6)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXT
    | st.binary(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


def shuffled(value):
    """An equal value whose dicts were filled in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [shuffled(each) for each in value]
    return value


def typed(value):
    """A value with its types, so that 1, 1.0 and True differ."""
    if isinstance(value, dict):
        return {key: typed(each) for key, each in value.items()}
    if isinstance(value, list):
        return [typed(each) for each in value]
    return (type(value), value)


@given(VALUES)
def test_a_value_comes_back_as_it_was(value):
    assert typed(decode(encode(value))) == typed(value)


@given(VALUES)
def test_the_order_in_which_a_dict_was_filled_does_not_show(value):
    assert encode(shuffled(value)) == encode(value)


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one, other):
    if typed(one) != typed(other):
        assert encode(one) != encode(other)


def test_keys_are_sorted():
    assert encode({"b": 1, "a": 2}) == encode({"a": 2, "b": 1})
    assert list(decode(encode({"b": 1, "a": 2}))) == ["a", "b"]


def test_tuples_come_back_as_lists():
    assert decode(encode((1, (2, 3)))) == [1, [2, 3]]


@pytest.mark.parametrize("value", [set(), {1, 2}, frozenset({1})])
def test_a_set_is_refused_and_told_what_to_use_instead(value):
    with pytest.raises(UsageError, match="use a sorted list"):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [object(), [object()], {"a": object()}, encode, 1j, {1: "number as key"}],
    ids=["object", "in a list", "in a dict", "function", "complex", "key"],
)
def test_what_cannot_be_stored_is_refused_and_told_what_can(value):
    with pytest.raises(UsageError, match="cannot be a payload; use None, bool, numbers, text"):
        encode(value)


def test_an_error_keeps_its_kind_name_and_message():
    data = encode_error(KeyError("missing"), kind="fatal")
    assert decode_error(data) == {"kind": "fatal", "message": "'missing'", "name": "KeyError"}
