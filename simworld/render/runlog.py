"""The log of a run: one line per note, as key=value or as JSON.

Both forms have the same keys in the same order: when, which run, what, by whom, and the note's own
fields.  Lines of real hosts have no turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from simworld.records import RunLogLine

_BARE = re.compile(r"[\w./#~:+@,-]+", re.ASCII)
"""Values that need no quotes."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def log_text(lines: Sequence[RunLogLine]) -> str:
    """``time=… run=… msg="step failed" turn=… task=… step=work#3 …``, a line per note."""
    return "".join(
        " ".join(f"{key}={_text(key, value)}" for key, value in _pairs(line).items()) + "\n"
        for line in lines
    )


def log_json(lines: Sequence[RunLogLine]) -> str:
    """A JSON object per line."""
    return "".join(
        msgspec.json.encode(_pairs(line), enc_hook=str).decode() + "\n" for line in lines
    )


def _pairs(line: RunLogLine) -> dict[str, object]:
    pairs: dict[str, object] = {
        "time": _time(line.now_ms),
        "run": line.run,
        "msg": line.message,
    }
    if line.turn is not None:
        pairs["turn"] = line.turn
    pairs["task"] = line.task
    for key, value in line.fields.items():
        pairs[f"note.{key}" if key in pairs else key] = value
    return pairs


def _time(now_ms: int) -> str:
    at = _EPOCH + timedelta(milliseconds=now_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(key: str, value: object) -> str:
    if isinstance(value, str):
        text = value
    else:
        text = msgspec.json.encode(value, enc_hook=str).decode().strip('"')
    if key != "msg" and _BARE.fullmatch(text):
        return text
    return msgspec.json.encode(text).decode()
