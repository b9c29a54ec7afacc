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

    @property
    def seed(self) -> int:
        """Seed of everything random in the workflow (spec §1.4, merge era)."""
        return derive(0, self.run_id, self.workflow_name, self.started_at_ms)


class CorrelationIds:
    """The draws of one pass; equal identities give equal sequences."""

    __slots__ = ("_next",)

    def __init__(self, identity: RunIdentity) -> None:
        self._next = first_draw(identity)

    def draw(self, kind: str) -> str:
        """The next id, for example ``step_01J…``."""
        value = self._next
        self._next = value + 1
        return f"{kind}_{_head(value >> 20)}{_PAIRS[value >> 10 & 1023]}{_PAIRS[value & 1023]}"


_firsts: dict[RunIdentity, int] = {}
_heads: dict[int, str] = {}
_CACHE_MAX = 4_096


def first_draw(identity: RunIdentity) -> int:
    """The ULID value of a run's first draw; cached, as every pass of the run asks for it."""
    value = _firsts.get(identity)
    if value is None:
        if len(_firsts) >= _CACHE_MAX:
            _firsts.clear()
        value = identity.started_at_ms << 80 | Stream(identity.seed).bits(80)
        _firsts[identity] = value
    return value


def _head(bits: int) -> str:
    """The first 22 characters of a ULID, which consecutive draws share."""
    text = _heads.get(bits)
    if text is None:
        if len(_heads) >= _CACHE_MAX:
            _heads.clear()
        text = ulid(bits << 20)[:22]
        _heads[bits] = text
    return text
