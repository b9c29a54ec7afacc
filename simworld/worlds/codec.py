"""How events and rows are written down, in files and in columns of bytes: JSON, readable by people.

An event has the names of spec §1.2 on the outside (``runId``, ``eventType`` …) and the fields of
its fact inside ``eventData``; payloads are base64, for they are bytes of the payload codec.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

import attrs
import msgspec

from simworld.engine import Event, Fact
from simworld.errors import UsageError

T = TypeVar("T")

FACTS: dict[str, type[Any]] = {kind.type: kind for kind in get_args(Fact)}
"""Event type → the class of its fact."""

_encoder = msgspec.json.Encoder()
_DIGITS = {digit: value for value, digit in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}


class _Stored(msgspec.Struct, rename="camel"):
    run_id: str
    event_id: str
    position: int
    created_at: int
    event_type: str
    correlation_id: str
    event_data: msgspec.Raw


_stored = msgspec.json.Decoder(_Stored)


_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    return decoder


def encode_fact(fact: Fact) -> bytes:
    """The fields of a fact; its type is kept beside them."""
    return _encoder.encode(fact)


def decode_fact(event_type: str, data: bytes | msgspec.Raw) -> Fact:
    """The reverse of ``encode_fact``; ``UsageError`` for what it has never written."""
    kind = FACTS.get(event_type)
    if kind is None:
        raise UsageError(f"there is no event type {event_type!r}")
    fact: Fact = _decode(data, kind)
    return fact


def encode_event(event: Event) -> bytes:
    """A whole event."""
    return _encoder.encode(
        _Stored(
            event.run_id,
            event.event_id,
            event.position,
            event.created_at_ms,
            event.type,
            event.correlation_id,
            msgspec.Raw(_encoder.encode(event.fact)),
        )
    )


@functools.lru_cache(maxsize=4_096)
def decode_event(data: bytes) -> Event:
    """The reverse of ``encode_event``; ``UsageError`` if it is none.  Remembered: events last."""
    try:
        found = _stored.decode(data)
    except msgspec.MsgspecError as error:
        raise UsageError(f"this is no event: {error}") from error
    fact = decode_fact(found.event_type, found.event_data)
    return Event(
        found.run_id,
        found.event_id,
        found.position,
        found.created_at,
        found.event_type,
        found.correlation_id,
        fact,
    )


def encode_events(events: Sequence[Event]) -> bytes:
    """Events of one commit: one as itself, several as a list."""
    if len(events) == 1:
        return encode_event(events[0])
    return b"[%s]" % b",".join(map(encode_event, events))


def decode_events(data: bytes) -> Sequence[Event]:
    """The reverse of ``encode_events``; ``UsageError`` if it is none."""
    return _decode_list(data) if data.startswith(b"[") else (decode_event(data),)


@functools.lru_cache(maxsize=1_024)
def _decode_list(data: bytes) -> Sequence[Event]:
    parts: list[msgspec.Raw] = _decode(data, list[msgspec.Raw])
    if not parts:
        raise UsageError("this is no event: an empty list")
    return tuple(decode_event(bytes(part)) for part in parts)


def encode_row(row: attrs.AttrsInstance) -> bytes:
    """A row of the lifecycles, or any other attrs record of plain values."""
    return _encoder.encode(row)


def decode_row(data: bytes, kind: type[T]) -> T:
    """The reverse of ``encode_row``; ``UsageError`` if it is none."""
    found: T = _decode(data, kind)
    return found


def _decode(data: bytes | msgspec.Raw, kind: type[Any]) -> Any:
    try:
        return _decoder(kind).decode(data)
    except msgspec.MsgspecError as error:
        raise UsageError(f"this is no {kind.__name__}: {error}") from error


def minted_position(event_id: str) -> int:
    """The place in the log of an event whose order is its id's: a ULID, or a count."""
    digits = event_id.rpartition("_")[2]
    if len(digits) < 26:
        return int(digits)
    value = 0
    for digit in digits:
        value = value << 5 | _DIGITS[digit]
    return value
