"""Small words: numbers, plurals, lists, wrapping, and a fallback for terminals without Unicode."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

_PLAIN = str.maketrans(
    {
        "→": "->",
        "✓": "ok",
        "✗": "no",
        "…": "...",
        "·": "|",
        "×": "x",
        "–": "-",
        "≥": ">=",
        "≤": "<=",
        "“": '"',
        "”": '"',
        "🥇": "*",
        "🔺": "!",
        "🟢": "+",
    }
)


def for_encoding(text: str, encoding: str | None) -> str:
    """``text`` in characters that ``encoding`` has; None stands for a stream without one."""
    try:
        text.encode(encoding or "utf-8")
        return text
    except (UnicodeEncodeError, LookupError):
        plain = text.translate(_PLAIN)
        return plain.encode("ascii", errors="backslashreplace").decode("ascii")


def number(value: float) -> str:
    """A figure with as many digits as anybody reads: 0.42, 7.1, 52, 12 345."""
    if value < 1 and value:
        return f"{value:.2f}"
    if value < 10 and value != int(value):
        return f"{value:.1f}"
    return f"{round(value):,}".replace(",", " ")


def count(value: int, noun: str) -> str:
    """``1 turn``, ``14 turns``; irregular nouns give both forms: ``delivery/deliveries``."""
    one, _, many = noun.partition("/")
    return f"{number(value)} {one if value == 1 else many or one + 's'}"


def ordinal(value: int) -> str:
    """1st, 2nd, 3rd, 4th…"""
    suffix = (
        "th" if value % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")
    )
    return f"{value}{suffix}"


def listed(items: Sequence[str], *, items_max: int = 4) -> str:
    """``A``, ``A and B``, ``A, B, C and 5 others``."""
    if len(items) > items_max:
        rest = len(items) - (items_max - 1)
        return f"{', '.join(items[: items_max - 1])} and {rest} others"
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def wrapped(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Lines of at most ``width``; words too long for a line (paths) stay whole."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]
