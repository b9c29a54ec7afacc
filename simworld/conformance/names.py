"""Names as an enemy would choose them: some no world takes, and some that any world has to take."""

from __future__ import annotations

BAD_NAMES = (
    "",
    "\0",
    "a\0b",
    "line\nbreak",
    "\ud800",
    "tail\udfff",
    "\x1b[2J",
    "\u202eright to left",
    "x" * 1_001,
    "x" * 1_000_000,
)
"""Refused with 400 wherever they come in: empty, too long, or not text."""

ODD_NAMES = (
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/b",
    "a\\b",
    "C:\\x",
    "~",
    "-rf",
    "con",
    "*",
    "'; drop table runs; --",
    '"',
    "%(x)s",
    "%s %d %%",
    "{0} ${HOME} `id`",
    "wrun",
    "Wrun",
    "WRUN",
    "ä",
    "a\u0308",
    "漢字",
    "🐍" * 50,
    "x" * 190,
    "null",
    "_",
    "=41",
    "a.json",
    "a.tmp",
    "events",
)
"""Text, if strange: stored and given back exactly, each of them distinct from the others."""

BAD_CURSORS = ("", "no cursor", "-1", "../1", "\0", "1; drop table events", "²", "9" * 5_000)
"""What no world has given out as a cursor."""
