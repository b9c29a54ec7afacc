"""What the SDK says beyond our facts, inside the bytes of our facts.

Our facts have fewer fields than the SDK's events.  The payload itself stays as the SDK has written
it wherever that is all there is; else it becomes an *envelope*: a mark and a dict in msgpack.  (The
SDK's payloads begin with the four letters of their format, so none begins like the mark.)  Every
world of ours stores bytes as they are, so nothing gets lost, and equal things have equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from simworld.engine import ENVELOPE

_VALUE = "value"
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _plain(value: object) -> object:
    """Models that an old SDK passes on as payloads; as plain dicts they are no less."""
    dump = getattr(value, "model_dump", None)
    if dump is None:
        raise TypeError(f"a payload of type {type(value).__name__} cannot be recorded")
    return dump()


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain, order="deterministic")


def pack(value: object, **more: object) -> bytes:
    """A payload and what belongs to it; bytes alone stay what they are.

    Never empty: in our rows no bytes mean that there is nothing.
    """
    if not more and type(value) is bytes and value and not value.startswith(ENVELOPE):
        return value
    return ENVELOPE + _encoder.encode({**more, _VALUE: value})


def unpack(data: bytes) -> tuple[Any, Mapping[str, Any]]:
    """The payload and what belongs to it."""
    if not data.startswith(ENVELOPE):
        return data, _NOTHING
    told = msgspec.msgpack.decode(data[len(ENVELOPE) :])
    return told.pop(_VALUE), told
