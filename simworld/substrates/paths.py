"""What every kind of files has in common: which paths there are, and when a write is durable."""

from __future__ import annotations

import enum
import re

from simworld.errors import InternalError

PIECE_MAX = 200
"""Characters between two slashes of a path."""

_PIECE = rf"(?!\.{{1,2}}(?:/|\Z))[A-Za-z0-9\-_.=~]{{1,{PIECE_MAX}}}"
is_path = re.compile(rf"{_PIECE}(?:/{_PIECE})*").fullmatch
"""Whether a text is a path of ``ports.Files``: never absolute, never ``.`` or ``..``."""


class Sync(enum.StrEnum):
    """When what was written survives a power loss."""

    EACH = "each"
    """When the operation returns."""
    NEVER = "never"
    """When the system likes; only a process may die, not the machine."""


def check_path(path: str) -> None:
    """``InternalError`` unless it is one: worlds make their paths, users' names never get here."""
    if not is_path(path):
        raise InternalError(
            f"{path[:80]!a} is no path of a world: its pieces hold 1 to {PIECE_MAX} letters, "
            "digits and -_.=~ and are neither . nor .."
        )
