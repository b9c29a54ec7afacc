"""Other engines as contenders: what they answer, and what they say where they are not installed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from bench.peers.answering import Reading, Refusal, _answer
from bench.shapes import benchmarks, peers
from simworld.benchmark import Contestant, Taking, WrongOutput, wrote
from simworld.records import Sample, Told

ABSENT = """
import sys
sys.modules[%r] = None
from bench.peers.%s import main
main(%r)
"""
TAKEN = Sample(wall_s=2.0, cpu_s=1.0)


@pytest.fixture(params=[each.contender.name for each in peers])
def peer(request, tmp_path):
    """A peer's process; skipped where the peer is not installed."""
    found = next(each for each in peers if each.contender.name == request.param)
    dsn = request.getfixturevalue("pg_dsn") if found.wants_database else ""
    given = {"folder": tmp_path, "dsn": dsn, "sync": "off"}
    words = [word.format_map(given) for word in found.command]
    with Contestant(found.contender, [sys.executable, *words]) as contestant:
        if contestant.hello.absent:
            pytest.skip(contestant.hello.absent)
        yield contestant


def test_what_a_peer_answers(peer):
    assert peer.hello.version
    assert peer.hello.synced
    none = peer.ask("workflow with no steps").sample
    assert none is not None
    assert none.gaps_s == ()
    told = peer.ask("10 sequential no-op steps")
    assert told.failed == told.refused == ""
    assert told.sample is not None
    assert len(told.sample.gaps_s) == 9
    assert 0 < told.sample.outside_s <= told.sample.wall_s
    assert peer.ask("gather of 10 no-op steps").sample is not None
    streamed = peer.ask("stream pipeline with 5 transform steps (1MB)")
    assert streamed.sample is not None, streamed
    assert streamed.sample.ttfb_s > 0
    assert "there is no workload 'nothing'" in peer.ask("nothing").failed


@pytest.mark.parametrize(
    ("package", "module", "options"),
    [
        ("dbos", "dbos_worker", ["--database", "sqlite:x", "--sync", "on"]),
        ("vercel", "vercel_worker", ["--folder", "x"]),
    ],
)
def test_a_peer_that_is_not_installed(package, module, options):
    code = ABSENT % (package, module, options)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, input=""
    )
    told = json.loads(done.stdout)
    assert set(told) == {"absent"}
    assert "pip install 'simworld[peers]'" in told["absent"]


@pytest.mark.parametrize(
    ("come", "told"),
    [
        (TAKEN, Told(sample=TAKEN)),
        (Refusal("it has no streams"), Told(refused="it has no streams")),
        (WrongOutput("41, not 42"), Told(failed="WrongOutput: 41, not 42")),
        (OSError("the disk is full"), Told(failed="OSError: the disk is full")),
    ],
)
def test_what_becomes_an_answer(come, told):
    async def take(benchmark):
        assert benchmark is benchmarks[0]
        if isinstance(come, Exception):
            raise come
        return come

    assert asyncio.run(_answer(benchmarks[0], benchmarks[0].name, take)) == told


def test_a_stream_that_was_read():
    async def chunks():
        for chunk in (b"ab", b"c"):
            wrote()
            yield chunk

    reading, taking = Reading(), Taking()
    asyncio.run(reading.whole(chunks()))
    taking.ended()
    assert reading.content == b"abc"
    sample = reading.sample(taking, reading.first_s - 3.0, live=True)
    assert sample.ttfb_s == pytest.approx(3.0)
    assert sample.slurp_s == pytest.approx(reading.arrived[1] - reading.arrived[0], abs=2e-6)
    assert sample.stream_overhead_s is not None
    assert reading.sample(taking, 0.0, live=False).stream_overhead_s is None
    unread = Reading().sample(taking, 0.0, live=False, workflow_s=0.5)
    assert (unread.ttfb_s, unread.slurp_s, unread.workflow_s) == (None, None, 0.5)
