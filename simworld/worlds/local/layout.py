"""Where everything lies in the tree of files: paths are made here and nowhere else.

Names come from users, so each becomes one piece of a path by one function, ``piece``: what is plain
stays as it is, for people who look; everything else becomes a hash.
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_right
from functools import lru_cache

from simworld.engine import Event
from simworld.worlds.codec import minted_position

PLAIN_MAX = 120
"""Characters of the longest name that is its own piece."""
BUCKET = 256
"""Slots, or minted ids, in one folder."""

_is_plain = re.compile(rf"[A-Za-z0-9_~][A-Za-z0-9\-_.~]{{0,{PLAIN_MAX - 1}}}").fullmatch

RUNS = "runs"
EVENTS = "events"
TOKENS = "tokens"
CLAIMS = "claims"
STREAMS = "streams"
STREAM_NAMES = "stream-names"


@lru_cache(maxsize=4_096)
def piece(name: str) -> str:
    """One piece of a path for any name, another one for every other name."""
    if _is_plain(name):
        return name
    return "=" + hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


@lru_cache(maxsize=256)
def _bucket_paths(run_id: str, bucket: int) -> list[str]:
    """The files of one bucket of a run: asked for again and again, so they are kept."""
    first = bucket * BUCKET + 1
    folder = slot_folder(run_id, first)
    return [f"{folder}/{slot:08d}" for slot in range(first, first + BUCKET)]


def slot_folder(run_id: str, slot: int) -> str:
    """The bucket a slot belongs to."""
    return f"{RUNS}/{piece(run_id)}/{(slot - 1) // BUCKET:06d}"


@lru_cache(maxsize=16_384)
def slot_path(run_id: str, slot: int) -> str:
    """The file of a run's event, if it is the first one of a commit; slots begin at 1."""
    return _bucket_paths(run_id, (slot - 1) // BUCKET)[(slot - 1) % BUCKET]


def slot_paths(run_id: str, first: int, count: int) -> list[str]:
    """Consecutive ones of them; ``count`` or, where a bucket ends, fewer."""
    bucket, start = divmod(first - 1, BUCKET)
    return _bucket_paths(run_id, bucket)[start : start + count]


def is_slot(path: str) -> bool:
    """Whether it is a file of events of a log of slots."""
    return path.startswith("runs/") and path.count("/") == 3


def number_path(folder: str, number: int) -> str:
    """A numbered file."""
    return f"{folder}/{number:08d}"


def token_folder(token: str) -> str:
    """The claims of a token, numbered from 1 (slots)."""
    return f"{TOKENS}/{piece(token)}"


def stream_folder(run_id: str, name: str) -> str:
    """The chunks of a stream, numbered from 0."""
    return f"{STREAMS}/{piece(run_id)}/{piece(name)}"


def names_folder(run_id: str) -> str:
    """The names of a run's streams, numbered from 0."""
    return f"{STREAM_NAMES}/{piece(run_id)}"


# What ``local_log=minted`` has.


def run_path(run_id: str) -> str:
    """A run's row."""
    return f"{RUNS}/{piece(run_id)}"


def rows_folder(kind: str, run_id: str) -> str:
    """The rows of the ``steps``, ``hooks`` or ``waits`` of a run."""
    return f"{kind}/{piece(run_id)}"


def row_path(kind: str, run_id: str, correlation_id: str) -> str:
    """The row of one of them."""
    return f"{kind}/{piece(run_id)}/{piece(correlation_id)}"


def token_path(token: str) -> str:
    """The claim of a token."""
    return f"{TOKENS}/{piece(token)}"


def claim_path(what: str, run_id: str, correlation_id: str = "run") -> str:
    """The file whose exclusive creation is the right to do ``what`` to an entity."""
    return f"{CLAIMS}/{piece(run_id)}/{what}/{piece(correlation_id)}"


def flat_event_path(run_id: str, event_id: str) -> str:
    """An event among the events of all runs."""
    return f"{EVENTS}/{piece(run_id)}-{event_id}"


def flat_ids(run_id: str, names: list[str]) -> list[str]:
    """The ids of a run's events among the names of all runs' events."""
    prefix = f"{piece(run_id)}-"
    length = len(prefix)
    return [name[length:] for name in names if name.startswith(prefix) and "-" not in name[length:]]


def bucketed_event_path(run_id: str, event_id: str) -> str:
    """An event in a folder of events whose ids are near to each other."""
    return f"{EVENTS}/{piece(run_id)}/{bucket_of(event_id)}/{event_id}"


def bucket_of(event_id: str) -> str:
    """The bucket of an id: the front of its time, or its count; in the order of the ids."""
    digits = event_id.rpartition("_")[2]
    if len(digits) < 26:
        return f"{int(digits) // BUCKET:08d}"
    return digits[:7]


def ids_after(ids: list[str], cursor_id: str) -> list[str]:
    """The ids behind that of a cursor, in their order."""
    ids.sort(key=minted_position)
    if not cursor_id:
        return ids
    return ids[bisect_right(ids, minted_position(cursor_id), key=minted_position) :]


def log_order(event: Event) -> tuple[int, int]:
    """The key of the minted log: when, then the id."""
    return event.created_at_ms, event.position
