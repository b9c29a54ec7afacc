"""The payload codec: what crosses the log is bytes (msgpack by msgspec).

Keys are sorted and unordered sets are refused, so equal values have equal bytes: hashes of inputs
may be compared (spec §7, I-16 and I-19).  What would not come back as it was is refused, too;
typed payloads (attrs, dataclasses) join here with their types.
"""

from __future__ import annotations

from typing import Any

import msgspec

from simworld.errors import UsageError

_encoder = msgspec.msgpack.Encoder(order="sorted")
_decoder = msgspec.msgpack.Decoder()
_PLAIN = frozenset({int, str, bytes, float, bool, type(None)})


def _check(value: object) -> None:
    """``UsageError`` for anything but plain values, lists, tuples and dicts of them."""
    kind = type(value)
    if kind in _PLAIN:
        return
    if isinstance(value, list | tuple):
        for each in value:
            if type(each) not in _PLAIN:
                _check(each)
    elif isinstance(value, dict):
        for key, each in value.items():
            if type(key) is not str:
                raise _refused(f"a dict with a key of type {type(key).__name__}")
            _check(each)
    elif isinstance(value, set | frozenset):
        raise UsageError("a set has no order and cannot be a payload; use a sorted list")
    else:
        raise _refused(f"a value of type {kind.__name__}")


def _refused(what: str) -> UsageError:
    return UsageError(
        f"{what} cannot be a payload; use None, bool, numbers, text, bytes, lists, dicts with text "
        "as keys"
    )


def encode(value: object) -> bytes:
    """The value's bytes; ``UsageError`` for what cannot be stored (an open file, a set …)."""
    try:
        _check(value)
        return _encoder.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UsageError(f"this value cannot be a payload: {error}") from error


def decode(data: bytes) -> Any:
    """The value again; tuples come back as lists."""
    return _decoder.decode(data)


def encode_error(error: BaseException, *, kind: str) -> bytes:
    """An error as bytes; ``kind`` says why it is final: fatal, exhausted, interrupted, error."""
    text = str(error).encode("utf-8", "backslashreplace").decode()
    return _encoder.encode({"kind": kind, "message": text, "name": type(error).__name__})


def decode_error(data: bytes) -> dict[str, str]:
    """The fields ``kind``, ``message`` and ``name`` of an encoded error."""
    fields: dict[str, str] = _decoder.decode(data)
    return fields
