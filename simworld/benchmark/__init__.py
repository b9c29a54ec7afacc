"""Benchmarks: workloads, samples in virtual time and on real worlds, and what they come to.

A folder's ``bench/shapes.py`` lists its own::

    benchmarks = (Benchmark("order of 10", order, (charge,), args=([10] * 10,), expected=100),)

``Channel``, ``Taking`` and ``body`` are all that a contender's process needs (``protocol``).
"""

from simworld.benchmark.contenders import (
    Entry,
    Peer,
    Places,
    contenders_of,
    entries_of,
)
from simworld.benchmark.fronts import FRONTS, behind, check_front
from simworld.benchmark.loading import chosen_benchmarks, load_benchmarks, load_peers
from simworld.benchmark.measuring import Plan, measure
from simworld.benchmark.protocol import Channel, line_of, read_line
from simworld.benchmark.rounds import Contestant, Taken, interleaved, ratio, worker_command
from simworld.benchmark.taking import Taking, body, covered, cpu_s, forget, gaps, wrote
from simworld.benchmark.virtual import counted, counts_of
from simworld.benchmark.workload import WINDOW_S, Benchmark, WrongOutput

__all__ = [
    "FRONTS",
    "WINDOW_S",
    "Benchmark",
    "Channel",
    "Contestant",
    "Entry",
    "Peer",
    "Places",
    "Plan",
    "Taken",
    "Taking",
    "WrongOutput",
    "behind",
    "body",
    "check_front",
    "chosen_benchmarks",
    "contenders_of",
    "counted",
    "counts_of",
    "covered",
    "cpu_s",
    "entries_of",
    "forget",
    "gaps",
    "interleaved",
    "line_of",
    "load_benchmarks",
    "load_peers",
    "measure",
    "ratio",
    "read_line",
    "worker_command",
    "wrote",
]
