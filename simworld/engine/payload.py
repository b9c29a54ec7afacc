"""The payload codec: what crosses the log is bytes (msgpack by msgspec).

Keys are sorted and unordered sets are refused, so equal values have equal bytes: hashes of inputs
may be compared (spec §7, I-16 and I-19).
"""

from __future__ import annotations

from typing import Any

import msgspec

from simworld.errors import UsageError

_decoder = msgspec.msgpack.Decoder()


def _refuse(value: object) -> object:
    raise NotImplementedError(f"a value of type {type(value).__name__}")


_encoder = msgspec.msgpack.Encoder(order="sorted", enc_hook=_refuse)


def encode(value: object) -> bytes:
    """The value's bytes; ``UsageError`` for what cannot be stored (an open file, a set …)."""
    if isinstance(value, set | frozenset):
        raise UsageError("a set has no order and cannot be a payload; use a sorted list")
    try:
        return _encoder.encode(value)
    except (NotImplementedError, TypeError) as error:
        raise UsageError(
            f"{error} cannot be a payload; use None, bool, numbers, text, bytes, lists, dicts"
        ) from error


def decode(data: bytes) -> Any:
    """The value again; tuples come back as lists."""
    return _decoder.decode(data)


def encode_error(error: BaseException, *, kind: str) -> bytes:
    """An error as bytes; ``kind`` says why it is final: fatal, exhausted, interrupted, error."""
    return _encoder.encode({"kind": kind, "message": str(error), "name": type(error).__name__})


def decode_error(data: bytes) -> dict[str, str]:
    """The fields ``kind``, ``message`` and ``name`` of an encoded error."""
    fields: dict[str, str] = _decoder.decode(data)
    return fields
