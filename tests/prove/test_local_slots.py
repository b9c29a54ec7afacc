"""Slots and token chains: 20 000 drawn interleavings of three processes, some of which die."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.worlds.local.test_slots import INTERLEAVINGS, interleave


@pytest.mark.prove
@settings(max_examples=20_000)
@given(*INTERLEAVINGS)
def test_the_atomic_world_would_have_recorded_the_same(calls, order, dead):
    interleave(calls, order, dead)
