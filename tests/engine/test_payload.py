"""The payload codec: values round-trip, equal values have equal bytes, the rest is refused."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import uuid
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simworld.engine import decode, decode_error, encode, encode_error
from simworld.engine.payload import hydrate, hydrate_args, result_hint
from simworld.engine.refs import AbortSignal, StreamRef
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
REFS = st.builds(StreamRef, TEXT, TEXT)
VALUES = st.recursive(
    SCALARS | REFS | st.datetimes(timezones=st.just(datetime.UTC)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


class Size(enum.StrEnum):
    SMALL = "small"
    LARGE = "large"


class Grade(enum.IntEnum):
    ONE = 1


class Colour(enum.Enum):
    RED = "red"


@attrs.frozen
class Item:
    name: str
    price: int
    size: Size = Size.SMALL


@attrs.frozen
class Order:
    items: tuple[Item, ...]
    stream: StreamRef | None = None
    wait: datetime.timedelta | None = None


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


class Pair(NamedTuple):
    left: int
    right: str


@attrs.frozen
class Private:
    name: str
    _hidden: int = 0


@attrs.frozen
class Loose:
    anything: Any


ORDER = Order((Item("book", 3), Item("pen", 1, Size.LARGE)), StreamRef("wrun_1", "out"))


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


# --- plain values --------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "value",
    [
        set(), {1, 2}, frozenset({1}), [{1}], {"a": {1}}, Loose({1}), [Loose([{1}])],
        Loose({"a": Loose(frozenset())}),
    ],
    ids=repr,
)  # fmt: skip
def test_a_set_is_refused_and_told_what_to_use_instead(value):
    with pytest.raises(UsageError, match="use a sorted list"):
        encode(value)


@pytest.mark.parametrize(
    "value",
    [
        object(), [object()], {"a": object()}, encode, 1j, {1: "number as key"},
        bytearray(b"x"), uuid.UUID(int=1), datetime.timedelta(1), datetime.datetime(2020, 1, 1),
        datetime.date(2020, 1, 1), {"day": datetime.date(2020, 1, 1)},
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],
)  # fmt: skip
def test_what_would_not_come_back_is_refused_and_told_what_would(value):
    with pytest.raises(UsageError, match="cannot be a payload; use None, bool, numbers, text"):
        encode(value)


def test_numbers_that_fit_nowhere_and_endless_lists_are_refused():
    endless: list[Any] = []
    endless.append(endless)
    for value in (2**64, endless):
        with pytest.raises(UsageError, match="this value cannot be a payload"):
            encode(value)


def test_an_error_keeps_its_kind_name_and_message():
    data = encode_error(KeyError("missing"), kind="fatal")
    assert decode_error(data) == {"kind": "fatal", "message": "'missing'", "name": "KeyError"}


# --- references ----------------------------------------------------------------------------------


def test_references_come_back_wherever_they_stand():
    stream = StreamRef("wrun_1", "out")
    value = {"deep": [stream, {"signal": AbortSignal(StreamRef("wrun_1", "abort"))}]}
    back = decode(encode(value))
    assert back["deep"][0] == stream
    signal = back["deep"][1]["signal"]
    assert type(signal) is AbortSignal
    assert signal.stream == StreamRef("wrun_1", "abort")
    assert encode(back) == encode(value)


def test_a_reference_is_no_list_that_looks_like_it():
    assert encode(StreamRef("a", "b")) != encode(["a", "b"])


# --- objects -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (Item("book", 3, Size.LARGE), Item),
        (ORDER, Order),
        (Order((), wait=datetime.timedelta(seconds=90)), Order),
        (Point(1, 2.5), Point),
        ([Point(1), Point(2)], list[Point]),
        ({"a": Item("x", 1)}, dict[str, Item]),
        (Item("x", 1), Item | None),
        (None, Item | None),
        (Size.LARGE, Size),
        (Grade.ONE, Grade),
        (Colour.RED, Colour),
        (Pair(1, "a"), Pair),
        ((1, "a"), tuple[int, str]),
        ((Point(1),), tuple[Point, ...]),
    ],
    ids=repr,
)
def test_an_object_comes_back_where_somebody_says_its_type(value, annotation):
    back = hydrate(encode(value), annotation)
    assert (type(back), back) == (type(value), value)


@pytest.mark.parametrize("annotation", [None, Any, object, dict, dict[str, Any]])
def test_without_a_type_an_object_comes_back_as_a_dict(annotation):
    assert hydrate(encode(Item("book", 3)), annotation) == {
        "name": "book", "price": 3, "size": "small",
    }  # fmt: skip


def test_the_order_of_the_fields_does_not_show():
    @attrs.frozen
    class Turned:
        size: str
        price: int
        name: str

    assert encode(Turned("small", 3, "book")) == encode(Item("book", 3))


def test_what_a_class_does_not_promise_is_refused_where_it_is_made():
    with pytest.raises(UsageError, match=r"this Item cannot.*Expected `int`, got `str`.*\$\.price"):
        encode(Item("book", "three"))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"Loose\(anything=Item.*would come back as Loose"):
        encode(Loose(Item("book", 3)))
    with pytest.raises(UsageError, match=r"Expected `int`, got `str`"):
        encode([Order((Item("pen", "x"),))])  # type: ignore[arg-type]


def test_a_private_field_would_get_lost_and_is_refused():
    with pytest.raises(UsageError, match="its private field _hidden would get lost"):
        encode(Private("a"))


def test_an_enum_value_that_is_no_text_is_refused():
    with pytest.raises(UsageError, match=r"enum value.*Odd\.ONE"):
        encode(enum.Enum("Odd", {"ONE": (1, 2)}).ONE)  # type: ignore[attr-defined]


# --- calls ---------------------------------------------------------------------------------------


def body(ctx, order: Order, note: str, *rest: Point, size: Size = Size.SMALL, **more: Item) -> Item:
    """Only its annotations matter."""


def call(*args, **kwargs):
    return encode([list(args), kwargs])


def test_a_call_is_hydrated_parameter_by_parameter():
    args, kwargs = hydrate_args(
        body, call(ORDER, "n", Point(1), Point(2), size=Size.LARGE, extra=Item("x", 1)), skip=1
    )
    assert args == [ORDER, "n", Point(1), Point(2)]
    assert kwargs == {"size": Size.LARGE, "extra": Item("x", 1)}
    assert type(kwargs["size"]) is Size


def test_a_parameter_may_be_given_by_name():
    args, kwargs = hydrate_args(body, call(note="n", order=ORDER), skip=1)
    assert (args, kwargs) == ([], {"note": "n", "order": ORDER})


def test_a_result_is_hydrated():
    assert hydrate(encode(Item("x", 1)), result_hint(body)) == Item("x", 1)


def test_plain_parameters_stay_as_they_are():
    def plain(ctx, numbers: list[int], whatever, stream: StreamRef) -> dict[str, int]: ...

    stream = StreamRef("r", "n")
    assert hydrate_args(plain, call(["no check"], 1, stream), skip=1)[0] == [
        ["no check"], 1, stream,
    ]  # fmt: skip
    assert result_hint(plain) is None


def test_wrong_data_names_function_parameter_expected_and_found():
    with pytest.raises(
        UsageError,
        match=r"'order' of body\(\) takes Order, not \{'items': 3.*: Expected `array`, got `int`"
        r".*\$\.items",
    ):
        hydrate_args(body, call({"items": 3}, "n"), skip=1)
    with pytest.raises(UsageError, match=r"'size' of body\(\) takes Size, not 'huge'"):
        hydrate_args(body, call(ORDER, "n", size="huge"), skip=1)
    with pytest.raises(UsageError, match="this payload takes Item, not 5: Expected `object`"):
        hydrate(encode(5), result_hint(body))


def test_a_class_nobody_can_look_up_is_named_when_an_object_needs_it():
    class Local: ...

    def lost(ctx, local: Local) -> Local: ...

    assert hydrate_args(lost, call(5), skip=1)[0] == [5]
    with pytest.raises(
        UsageError,
        match=r"'local' of test_.*lost\(\) is annotated with Local, which cannot be looked up.*"
        "at the top of its module",
    ):
        hydrate_args(lost, call({"a": 1}), skip=1)
    assert hydrate(encode("text"), result_hint(lost)) == "text"
    with pytest.raises(UsageError, match="this payload is annotated with Local"):
        hydrate(encode({"a": 1}), result_hint(lost))


def test_an_annotation_that_cannot_be_decided_is_named():
    def either(ctx, what: Item | Point) -> None: ...

    with pytest.raises(UsageError, match=r"'what' of .*either\(\) is annotated with .*Item"):
        hydrate_args(either, call(Point(1)), skip=1)
