"""Ids and randomness of a run: one generator per pass (spec §1.4, decisions §5.2).

Under ``monotonic`` the first draw takes 80 random bits from the run's seed and every later draw
adds one, so the n-th id of a run is the same in every pass if and only if the draws happen in the
same order.  The other schemes move that condition: see ``policy.IdScheme``.  What workflow code
draws for itself (``random()``, hook tokens) comes from the same generator.
"""

from __future__ import annotations

import functools
import hashlib

import attrs

from simworld.engine.policy import IdScheme, Seed
from simworld.entropy import Stream, derive

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_TOKEN_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-"
_TOKEN_LENGTH = 21


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

    def seed(self, what: Seed) -> int:
        """Seed of everything random in the workflow (spec §1.4)."""
        if what is Seed.RUN_ID:
            return _derived(self.run_id, self.workflow_name)
        return _derived(self.run_id, self.workflow_name, self.started_at_ms)


@functools.lru_cache(maxsize=1_024)
def _derived(*names: object) -> int:
    """Remembered, because every pass of a run begins with it."""
    return derive(0, *names)


class Draws:
    """The draws of one pass; equal identities give equal sequences."""

    __slots__ = ("_count", "_identity", "_known", "_scheme", "_seed", "_seen", "_start", "_stream")

    def __init__(self, identity: RunIdentity, scheme: IdScheme, seed: Seed) -> None:
        self._identity = identity
        self._scheme = scheme
        self._seed = seed
        self._start = identity.seed(seed) if scheme is IdScheme.CALL_SITE else 0
        self._stream: Stream | None = None
        self._count = 0
        self._known: _Sequence | None = None
        """The sequence of ``monotonic``, once its first id has been drawn."""
        self._seen: dict[object, int] = {}
        """Draws so far, by kind (``per_kind``) or by what was asked for (``call_site``)."""

    def draw(self, kind: str, site: bytes) -> str:
        """The next id, for example ``step_01J…``; ``site`` says what is asked for."""
        if self._scheme is IdScheme.CALL_SITE:
            seen = self._seen
            count = seen.get((kind, site), 0)
            seen[kind, site] = count + 1
            return _call_site_id(self._start, kind, site, count)
        if self._scheme is IdScheme.MONOTONIC:
            known = self._known
            if known is None:
                known = self._known = self._first_sequence()
            count = self._count
            self._count = count + 1
            return f"{kind}_{known.at(count)}"
        if self._scheme is IdScheme.FRESH_RANDOM:
            time = self._identity.started_at_ms << 80
            return f"{kind}_{ulid(time | self._generator().bits(80))}"
        count = self._seen.get(kind, 0)
        self._seen[kind] = count + 1
        return f"{kind}_{_sequence(self._identity, self._seed, kind).at(count)}"

    def bits(self, count: int) -> int:
        """Randomness for the workflow's own use: 0 ≤ it < 2 ** count."""
        return self._generator().bits(count)

    def token(self, correlation_id: str) -> str:
        """A hook's token, where its author gives none."""
        if self._scheme is IdScheme.CALL_SITE:  # as independent of other draws as the id itself
            value = derive(0, correlation_id) << 64 | derive(1, correlation_id)
        else:
            value = self.bits(6 * _TOKEN_LENGTH)
        return "".join(_TOKEN_ALPHABET[value >> 6 * n & 63] for n in range(_TOKEN_LENGTH))

    def _generator(self) -> Stream:
        """The run's generator, behind what the first id has taken from it."""
        if self._stream is None:
            self._stream = Stream(self._identity.seed(self._seed))
            if self._known is not None:
                self._stream.bits(80)
        return self._stream

    def _first_sequence(self) -> _Sequence:
        if self._stream is None:
            return _sequence(self._identity, self._seed, "")
        return _Sequence(self._identity.started_at_ms << 80 | self._stream.bits(80))


class _Sequence:
    """Ids that count up, remembered: every pass of the run draws them again."""

    __slots__ = ("first", "known")

    def __init__(self, first: int) -> None:
        self.first = first
        self.known: list[str] = []

    def at(self, count: int) -> str:
        """The ULID ``count`` steps behind the first one."""
        known = self.known
        while count >= len(known):
            known.append(ulid(self.first + len(known)))
        return known[count]


@functools.lru_cache(maxsize=1_024)
def _sequence(identity: RunIdentity, seed: Seed, kind: str) -> _Sequence:
    start = identity.seed(seed)
    random = Stream(derive(start, kind) if kind else start).bits(80)
    return _Sequence(identity.started_at_ms << 80 | random)


@functools.lru_cache(maxsize=16_384)
def _call_site_id(seed: int, kind: str, site: bytes, count: int) -> str:
    digest = hashlib.blake2b(site, digest_size=16, key=f"{seed}/{kind}/{count}".encode())
    return f"{kind}_{ulid(int.from_bytes(digest.digest()))}"
