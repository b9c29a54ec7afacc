"""Payloads of other engines: read as they were written, and damage is named."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime

import msgspec
import pytest

from simworld.engine import encode, encode_error, error_of, value_of
from simworld.engine.devalue import ENVELOPE, read_foreign

VALUES = [
    None,
    True,
    0,
    -1,
    2.5,
    -0.0,
    float("inf"),
    2**60,
    "text \N{SNOWMAN}",
    [],
    {},
    [1, [2, [3]], {"a": {"b": [None, False]}}],
    {"same": ["x", "x"], "other": "x"},
]


def envelope(value: object) -> bytes:
    return ENVELOPE + msgspec.msgpack.encode({"value": value, "spec": 2})


def test_it_reads_what_an_engine_of_the_field_writes() -> None:
    wire = "vercel.workflow._internal.serialization"
    sdk = pytest.importorskip(wire, reason="pip install 'simworld[vercel]'")
    encoder = sdk.PayloadEncoder()
    for value in VALUES:
        data = encoder.encode(value)
        assert value_of(data) == value
        assert value_of(b"gzip" + gzip.compress(data)) == value
        assert value_of(envelope(data)) == value
    long = ["the same again"] * 500 + list(range(500))
    assert value_of(sdk.PayloadEncoder(compression=True).encode(long)) == long
    assert value_of(encoder.encode((1, {2}))) == [1, [2]]
    assert value_of(encoder.encode(datetime(2026, 1, 2, tzinfo=UTC))) == "2026-01-02T00:00:00.000Z"
    error = {"kind": "", "message": "boom", "name": "ValueError"}
    assert error_of(encoder.encode_error(ValueError("boom"))) == {**error, "name": "RangeError"}
    assert error_of(encoder.encode_error(OSError("boom"))) == {**error, "name": "OSError"}


def test_ours_are_read_as_well() -> None:
    assert value_of(encode([1, {"a": None}])) == [1, {"a": None}]
    assert error_of(encode_error(ValueError("boom"), kind="fatal"))["kind"] == "fatal"


@pytest.mark.parametrize(
    ("tag", "message", "kind"),
    [
        ("FatalError", "Step 'a' exceeded max retries (1 retry)", "exhausted"),
        ("FatalError", "Step 'a' failed after 3 retries: ValueError: boom", "exhausted"),
        ("FatalError", "refused", "fatal"),
        ("Error", "refused", ""),
    ],
)
def test_an_error_says_why_it_is_final(tag: str, message: str, kind: str) -> None:
    data = b"devl" + msgspec.json.encode([[tag, 1], {"message": 2}, message])
    assert error_of(data) == {"kind": kind, "message": message, "name": tag}
    assert error_of(envelope({"message": message}))["message"] == message
    assert error_of(envelope(message))["message"] == message


@pytest.mark.parametrize(
    "data",
    [
        b"devl",
        b"devl{}",
        b"devl[]",
        b"devl[[7]]",
        b"devl[[0]]",
        b'devl[["BigInt","x"]]',
        b'devl[["BigInt"]]',
        b'devl[{"a":"b"}]',
        b"gzipdevl[1]",
        b"zstd[1]",
    ],
)
def test_damage_is_an_error_that_says_so(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"damaged|no payload|invalid literal|zstandard"):
        read_foreign(data)
