"""Where drawn data come from: Hypothesis draws bytes, and targets are dealt out to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import hypothesis
from hypothesis import strategies as st

from simworld.conformance.cells import Target
from simworld.entropy import Stream, derive
from simworld.errors import UsageError

TAPE_BYTES = 400
"""Enough for the decisions of a long sequence; after them the first option is taken."""
TARGETS_EACH = 6
"""Cells a sequence aims at, if there are sequences enough."""


def tapes(
    sequences: int, seed: int, aims: Sequence[Target]
) -> Iterator[tuple[bytes, Sequence[Target]]]:
    """Drawn bytes and what they aim at, for every sequence; the targets are dealt out evenly."""
    if sequences < 1:
        raise UsageError(f"a suite of {sequences} sequences shows nothing; at least 1 is needed")
    dealt = Stream(derive(seed, "targets")).shuffled(aims)
    blocks = max(1, min(-(-len(dealt) // TARGETS_EACH), sequences // 2))
    for number in range(blocks):
        count = sequences // blocks + (number < sequences % blocks)
        mine = dealt[number::blocks]
        for data in drawn_bytes(count, derive(seed, "block", number)):
            first = data[0] % len(mine)
            yield data, [*mine[first:], *mine[:first]]


def drawn_bytes(count: int, seed: int) -> list[bytes]:
    """What Hypothesis draws, the simplest first."""
    found: list[bytes] = []

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(st.binary(min_size=TAPE_BYTES, max_size=TAPE_BYTES))
    def draw(data: bytes) -> None:
        found.append(data)

    draw()
    return found
