"""Correlation ids: one monotonic ULID sequence per pass (spec §1.4, decisions §5.2).

The first draw takes 80 random bits from the run's seed, every later draw adds one, so the n-th
draw of a run is the same in every pass if and only if the draws happen in the same order.
"""

from __future__ import annotations

import attrs

from simworld.entropy import Stream, derive

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]


def ulid(value: int) -> str:
    """The 26 characters of a 128-bit ULID."""
    pairs = [_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)]
    return "".join(pairs)


@attrs.frozen
class RunIdentity:
    """What a pass knows of its run besides the log."""

    run_id: str
    workflow_name: str
    started_at_ms: int
    created_at_ms: int = 0

    @property
    def seed(self) -> int:
        """Seed of everything random in the workflow (spec §1.4, merge era)."""
        return derive(0, self.run_id, self.workflow_name, self.started_at_ms)


class CorrelationIds:
    """The draws of one pass; equal identities give equal sequences."""

    __slots__ = ("_count", "_first", "_known")

    def __init__(self, identity: RunIdentity) -> None:
        self._first, self._known = _sequence(identity)
        self._count = 0

    def draw(self, kind: str) -> str:
        """The next id, for example ``step_01J…``."""
        count, known = self._count, self._known
        self._count = count + 1
        if count == len(known):
            known.append(ulid(self._first + count))
        return f"{kind}_{known[count]}"


_sequences: dict[RunIdentity, tuple[int, list[str]]] = {}
_SEQUENCES_MAX = 1_024


def first_draw(identity: RunIdentity) -> int:
    """The ULID value of a run's first draw."""
    return _sequence(identity)[0]


def _sequence(identity: RunIdentity) -> tuple[int, list[str]]:
    """A run's first draw, and the ids drawn so far: every pass of the run draws them again."""
    sequence = _sequences.get(identity)
    if sequence is None:
        if len(_sequences) >= _SEQUENCES_MAX:
            _sequences.clear()
        first = identity.started_at_ms << 80 | Stream(identity.seed).bits(80)
        sequence = _sequences[identity] = (first, [])
    return sequence
