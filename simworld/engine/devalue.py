"""Payloads of other engines of the field, read: four letters that tell the form, then devalue.

They stay in logs as they were written; whoever judges or tells a log reads them here.  Devalue is
JSON: a list of all values, in which objects and lists name their parts by their places.  Nothing
is ever written in it, and what it has no reading for stays as it is.
"""

from __future__ import annotations

import gzip
import importlib
import re
import zlib
from collections.abc import Mapping, Sequence

import msgspec

from simworld.engine.payload import decode, decode_error

PLAIN, PACKED = b"devl", (b"gzip", b"zstd")
ENVELOPE = b"\x00simworld\x01"
"""Begins what an adapter has put around a payload, with what else its engine says."""
DEPTH_MAX = 100
"""How deep a value may go; a deeper one is a circle, or nothing that anybody looks at."""
_CONSTANTS: Mapping[int, object] = {
    -1: None,
    -2: None,
    -3: float("nan"),
    -4: float("inf"),
    -5: float("-inf"),
    -6: -0.0,
}
"""What has no place in the list: undefined, a hole, and numbers that JSON lacks."""
_EXHAUSTED = re.compile(r"exceeded max retries|failed after \d+ retr(y|ies)")
"""How engines of the field say that a step's tries are used up."""


def value_of(data: bytes) -> object:
    """The value of a payload, whoever has written it."""
    if data.startswith(ENVELOPE):
        inside = msgspec.msgpack.decode(data[len(ENVELOPE) :])["value"]
        return value_of(inside) if isinstance(inside, bytes) else inside
    return read_foreign(data) if data[:4] in (PLAIN, *PACKED) else decode(data)


def error_of(data: bytes) -> dict[str, str]:
    """Kind, message and name of a recorded error, whoever has written it."""
    if data[:4] in (PLAIN, *PACKED) or data.startswith(ENVELOPE):
        return foreign_error(data)
    return decode_error(data)


def read_foreign(data: bytes) -> object:
    """The value, plain: errors and objects of classes are dicts; ``ValueError`` for no payload."""
    try:
        while data[:4] in PACKED:
            data = _unpacked(data)
        if data[:4] != PLAIN:
            raise ValueError(f"no payload in a form that is known: {data[:4]!r}")
        found = msgspec.json.decode(data[4:])
    except (OSError, EOFError, zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"a damaged payload: {error}") from error
    if isinstance(found, int):
        return _CONSTANTS.get(found)
    if not isinstance(found, list) or not found:
        raise ValueError("a damaged payload: it lists no values")
    return _value(found, 0, 0)


def _unpacked(data: bytes) -> bytes:
    """One layer less.  What reads zstd is an extra, and there where an engine writes it."""
    if data[:4] == b"gzip":
        return gzip.decompress(data[4:])
    try:
        zstd = importlib.import_module("zstandard")
    except ImportError as error:
        raise ValueError("a payload packed by zstd; pip install zstandard") from error
    try:
        unpacked: bytes = zstd.ZstdDecompressor().decompressobj().decompress(data[4:])
    except zstd.ZstdError as error:
        raise ValueError(f"a damaged payload: {error}") from error
    return unpacked


def foreign_error(data: bytes) -> dict[str, str]:
    """Kind, message and name of an error, as ``decode_error`` tells them of ours."""
    value = value_of(data)
    if not isinstance(value, dict):
        return {"kind": "", "message": str(value), "name": ""}
    name, message = str(value.get("name", "")), str(value.get("message", ""))
    kind = "exhausted" if _EXHAUSTED.search(message) else "fatal" if name == "FatalError" else ""
    return {"kind": kind, "message": message, "name": name}


def _value(values: Sequence[object], place: object, depth: int) -> object:
    """The value at a place of the list."""
    if not isinstance(place, int) or isinstance(place, bool) or depth > DEPTH_MAX:
        raise ValueError(f"a damaged payload: {place!r} is no place in its list")
    if place < 0:
        return _CONSTANTS.get(place)
    if place >= len(values):
        raise ValueError(f"a damaged payload: its list ends before place {place}")
    found = values[place]
    if isinstance(found, dict):
        return {key: _value(values, part, depth + 1) for key, part in found.items()}
    if not isinstance(found, list):
        return found
    if found and isinstance(found[0], str):
        return _tagged(values, found[0], found[1:], depth + 1)
    return [_value(values, part, depth + 1) for part in found]


def _tagged(values: Sequence[object], tag: str, parts: Sequence[object], depth: int) -> object:
    """A value of a type that has a name: what is read of it depends on that."""
    if tag in ("Date", "RegExp", "URL", "ArrayBuffer"):
        return parts[0] if parts else None
    if tag == "BigInt":
        return int("".join(map(str, parts)))
    if tag == "Set":
        return [_value(values, part, depth) for part in parts]
    if tag == "Map":
        read = [_value(values, part, depth) for part in parts]
        return [list(pair) for pair in zip(read[::2], read[1::2], strict=True)]
    if tag == "null":
        return {
            str(key): _value(values, part, depth)
            for key, part in zip(parts[::2], parts[1::2], strict=True)
        }
    value = _value(values, parts[0], depth) if parts else None
    if isinstance(value, dict) and "message" in value:
        return {"name": tag, **value}  # an error, whose class is its tag
    return value
