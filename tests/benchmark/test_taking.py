"""Taking a sample: what bodies note becomes figures."""

from __future__ import annotations

import pytest

from simworld.benchmark import Taking, body, covered, gaps, wrote
from simworld.benchmark import taking as inside


class Clock:
    """A clock that somebody sets."""

    now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(inside.time, "perf_counter", clock.perf_counter)
    return clock


def test_time_covered_by_bodies_counts_overlaps_once():
    assert covered([]) == 0.0
    assert covered([(0.0, 1.0), (0.5, 2.0), (0.6, 0.7), (3.0, 4.0)]) == pytest.approx(3.0)


def test_gaps_are_from_end_to_begin_and_nothing_where_bodies_overlap():
    assert gaps([(0.0, 1.0), (1.5, 2.0), (4.0, 5.0)]) == (0.5, 2.0)
    assert gaps([(0.0, 1.0), (0.5, 2.0)]) == ()
    assert gaps([(0.0, 1.0)]) == ()


def test_a_sample_tells_first_body_gaps_and_what_is_outside(clock):
    clock.now = 10.0
    taking = Taking()
    for began, ended in ((11.0, 12.0), (12.5, 13.0)):
        clock.now = began
        with body():
            clock.now = ended
    clock.now = 14.0
    taking.ended()
    clock.now = 99.0
    sample = taking.sample(workflow_s=3.5)
    assert (sample.wall_s, sample.workflow_s, sample.first_step_s) == (4.0, 3.5, 1.0)
    assert (sample.outside_s, sample.gaps_s) == (2.5, (0.5,))
    assert sample.last_step_s == 2.5
    assert sample.stream_overhead_s is None


def test_a_live_reader_gives_overhead_of_the_first_and_latency_of_all_chunks(clock):
    taking = Taking()
    for at in (1.0, 2.0, 3.0):
        clock.now = at
        wrote()
    taking.ended()
    sample = taking.sample(arrived=[1.5, 2.1, 3.2])
    assert sample.stream_overhead_s == pytest.approx(0.5)
    assert sample.stream_latency_s == pytest.approx((0.5, 0.1, 0.2))


def test_a_sample_knows_nothing_of_the_one_before(clock):
    with body():
        clock.now = 1.0
    wrote()
    taking = Taking()
    taking.ended()
    sample = taking.sample(arrived=[5.0])
    assert sample.first_step_s is None
    assert sample.outside_s is None
    assert sample.stream_latency_s == ()


def test_a_body_that_fails_is_noted_too(clock):
    taking = Taking()
    clock.now = 1.0
    with pytest.raises(ValueError, match="no"), body():
        raise ValueError("no")
    taking.ended()
    assert taking.sample().first_step_s == 1.0
