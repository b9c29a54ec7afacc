"""Seeded randomness, split by name.

The idea: every place that draws owns a stream of its own, forked from the seed by name, so a new
draw in one place moves no draw in another.  Only ``random.Random.random`` and ``getrandbits`` are
used underneath: both are stable across Python versions.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def derive(seed: int, *names: object) -> int:
    """The 64-bit seed of the stream ``names`` under ``seed`` (blake2b of both)."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def seed_of(text: str) -> int:
    """The seed that a text names: a whole number, or a commit hash.

    Of a hash the first seven digits count, so that it and what git abbreviates it to are one seed
    (unless that has no letter in it: then it is a number).  ``ValueError`` for anything else.
    """
    if text.isascii() and text.isdecimal():
        return int(text)
    if re.fullmatch(r"[0-9a-fA-F]{7,64}", text):
        return int(text[:7], 16)
    raise ValueError(f"takes a whole number or a commit hash (7 to 64 hex digits), not {text!r}")


class Stream:
    """A reproducible source of small decisions."""

    __slots__ = ("_source", "random", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._source = random.Random(seed)
        self.random = self._source.random  # bound once: it is on the hot path
        """A float in [0, 1)."""

    def fork(self, *names: object) -> Stream:
        """An independent stream; drawing from it never moves this one."""
        return Stream(derive(self.seed, *names))

    def below(self, bound: int) -> int:
        """An integer in [0, bound); ``bound`` ≥ 1."""
        return int(self.random() * bound)

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both ends included."""
        return low + int(self.random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.random() < probability

    def choice(self, values: Sequence[T]) -> T:
        """One of ``values``, all alike likely; ``values`` is not empty."""
        return values[int(self.random() * len(values))]

    def bits(self, count: int) -> int:
        """An integer of ``count`` random bits."""
        return self._source.getrandbits(count)

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The values in random order (Fisher-Yates, so it is stable across Python versions)."""
        items = list(values)
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items
