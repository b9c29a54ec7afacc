"""The suite: drawn sequences on a world, compared step by step with the atomic world.

Hypothesis draws the bytes that sequences are made of.  The target cells are dealt out evenly, so
that a hundred sequences visit each of them.  A difference is made small by leaving out operations
for as long as the world goes on to differ in the same place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product

import attrs

from simworld.conformance.cells import Target, targets, unreachable
from simworld.conformance.drawing import drawn
from simworld.conformance.driver import MakeWorld
from simworld.conformance.running import (
    Difference,
    NewPlace,
    against,
    compare,
    shortened,
)
from simworld.conformance.tapes import drawn_bytes, tapes
from simworld.entropy import derive
from simworld.records import WorldProfile


@attrs.frozen
class Conformance:
    """What a suite has done to a world, and what came of it."""

    sequences: int
    operations: int
    refused: int
    """Operations that the model refuses: the illegal ones."""
    hits: Mapping[str, int]
    """Cell → how many operations were about it; every cell that can be reached is a key."""
    unreachable: Mapping[str, str]
    """Cell of §1.3 that no history leads to → why."""
    difference: Difference | None = None
    shown: Mapping[str, int] = attrs.Factory(dict)
    """Allowed deviation → how many sequences it ended."""
    never_shown: Sequence[str] = ()
    """Allowed deviations that this world does not have."""

    @property
    def ok(self) -> bool:
        """It is a world, apart from what was allowed."""
        return self.difference is None and not self.never_shown

    @property
    def refused_share(self) -> float:
        """The share of illegal operations."""
        return self.refused / self.operations if self.operations else 0.0

    @property
    def least_hit(self) -> tuple[str, int]:
        """The cell with the fewest hits."""
        return min(self.hits.items(), key=lambda item: item[1])

    def __str__(self) -> str:
        if self.difference is not None:
            return str(self.difference)
        if self.never_shown:
            return f"allowed, but never shown: {'; '.join(self.never_shown)}"
        return (
            f"{self.sequences} sequences, {self.operations} operations, "
            f"{self.refused_share:.0%} of them illegal; least hit: "
            f"{self.least_hit[0]} ({self.least_hit[1]})"
        )


def check_world(
    make_world: MakeWorld,
    *,
    sequences: int = 100,
    seed: int = 0,
    profile: WorldProfile | None = None,
    streams: bool = True,
    appends: bool = True,
    allowed: Mapping[str, str] | None = None,
) -> Conformance:
    """Whether a world does what every World does; ``ok`` and ``difference`` tell.

    ``make_world(clock, ids)`` gives an empty world for every sequence, as an async context manager
    on trio, and the world takes its time and its ids from these two.  ``profile`` is the one it was
    made with (a small ``page_max`` tests more); ``streams=False`` leaves streams out,
    ``appends=False`` appends.  ``allowed``:
    cells in which the world differs on purpose, each with the reason; a sequence ends where it
    shows one.

    A world of one's own::

        @asynccontextmanager
        async def make_world(clock: Clock, ids: Ids) -> AsyncIterator[WorldUnderTest]:
            async with connect("redis://localhost") as connection:
                await connection.clear()
                yield WorldUnderTest(RedisWorld(connection, clock, ids))

        report = check_world(make_world, streams=False)
        assert report.ok, str(report)
    """
    suite = _Suite(
        lambda: make_world, None, profile, allowed or {}, streams, appends, reopening=False
    )
    return suite.run(sequences, seed)


def check_reopen(
    new_place: NewPlace,
    *,
    sequences: int = 100,
    seed: int = 0,
    profile: WorldProfile | None = None,
    streams: bool = True,
    appends: bool = True,
) -> Conformance:
    """Whether a world that is closed and opened again, at any time, is still the same world.

    ``new_place()`` is asked once for every sequence, and gives a ``make_world`` that opens the same
    data every time: nothing at first, and then what was acknowledged before.
    """
    suite = _Suite(new_place, None, profile, {}, streams, appends, reopening=True)
    return suite.run(sequences, seed)


def check_same(
    make_world: MakeWorld,
    other: MakeWorld,
    *,
    sequences: int = 100,
    seed: int = 0,
    profile: WorldProfile | None = None,
    streams: bool = True,
    appends: bool = True,
) -> Conformance:
    """Whether two worlds do the same, right or wrong, such as one world on two substrates."""
    suite = _Suite(lambda: make_world, other, profile, {}, streams, appends, reopening=False)
    return suite.run(sequences, seed)


def deviations(
    make_world: MakeWorld,
    *,
    each: int = 2,
    seed: int = 0,
    profile: WorldProfile | None = None,
    streams: bool = True,
    appends: bool = True,
) -> list[Difference]:
    """Every cell in which a world differs, each with the shortest sequence found, by cell.

    ``each``: how many sequences aim at each cell.  A sequence has one target and a fresh world, so
    that no difference hides another.
    """
    profile = profile or WorldProfile()
    found: dict[str, Difference] = {}
    aims = targets(with_streams=streams)
    for aim, data in product(aims, drawn_bytes(each, derive(seed, "deviations"))):
        steps = drawn(data, [aim], profile, with_streams=streams, with_appends=appends)
        difference = against(make_world, steps, profile, None)
        if difference is not None:
            known = found.setdefault(difference.cell, difference)
            if len(difference.operations) < len(known.operations):
                found[difference.cell] = difference
    return [
        shortened(found[cell], lambda operations: compare(make_world, operations, profile=profile))
        for cell in sorted(found)
    ]


class _Suite:
    """The counts of a suite that runs."""

    def __init__(
        self,
        new_place: NewPlace,
        other: MakeWorld | None,
        profile: WorldProfile | None,
        allowed: Mapping[str, str],
        with_streams: bool,
        with_appends: bool,
        *,
        reopening: bool,
    ) -> None:
        self._new_place = new_place
        self._other = other
        self._profile = profile or WorldProfile()
        self._allowed = allowed
        self._with_streams = with_streams
        self._with_appends = with_appends
        self._reopening = reopening
        self._aims = targets(with_streams=with_streams)
        self._hits: Counter[str] = Counter()
        self._sequences = self._operations = self._refused = 0
        self._shown: Counter[str] = Counter()

    def run(self, sequences: int, seed: int) -> Conformance:
        """All sequences, or those up to the first difference that is not allowed."""
        difference = None
        for data, aims in tapes(sequences, seed, self._aims):
            difference = self._sequence(data, aims)
            if difference is not None:
                break
        return Conformance(
            self._sequences,
            self._operations,
            self._refused,
            {each.name: self._hits[each.name] for each in self._aims},
            unreachable(),
            difference,
            dict(self._shown),
            tuple(each for each in self._allowed if each not in self._shown),
        )

    def _sequence(self, data: bytes, aims: Sequence[Target]) -> Difference | None:
        steps = drawn(
            data,
            aims,
            self._profile,
            with_streams=self._with_streams,
            with_appends=self._with_appends,
            reopening=self._reopening,
        )
        difference = against(self._new_place(), steps, self._profile, self._other)
        done = steps if difference is None else steps[: len(difference.operations)]
        self._sequences += 1
        self._operations += len(done)
        self._refused += sum(each.refused for each in done)
        self._hits.update(each.cell for each in done)
        if difference is None:
            return None
        if difference.cell in self._allowed:
            self._shown[difference.cell] += 1
            return None
        return shortened(
            difference,
            lambda operations: compare(
                self._new_place(), operations, profile=self._profile, other=self._other
            ),
        )
