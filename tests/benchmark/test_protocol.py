"""Lines between a contender and whoever takes samples."""

from __future__ import annotations

import subprocess
import sys

import pytest

from simworld.benchmark import line_of, read_line
from simworld.errors import UsageError
from simworld.records import Ask, Hello, Sample, Told

MESSAGES = [
    Hello(synced="fsync", version="1.2"),
    Hello(absent="it is not installed"),
    Ask("a workload", 3),
    Told(sample=Sample(1.5, 0.5, workflow_s=1.25, gaps_s=(0.1, 0.2))),
    Told(refused="it has no streams"),
    Told(failed="41 instead of 42"),
]
CHATTY = """
import sys
from simworld.benchmark.protocol import Channel
from simworld.records import Hello, Told
channel = Channel()
print("chatter")
channel.hello(Hello(synced="well"))
while (ask := channel.asked()) is not None:
    print("more chatter")
    channel.tell(Told(refused=ask.workload))
"""


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_is_one_line_and_comes_back(message):
    line = line_of(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert read_line(line, type(message)) == message


def test_what_is_no_message_is_shown():
    with pytest.raises(UsageError, match="'hello there' is no Hello line"):
        read_line(b"hello there\n", Hello)
    with pytest.raises(UsageError, match="is no Told line"):
        read_line(b'{"sample": {"wall_s": "long"}}\n', Told)


def test_what_a_worker_prints_is_no_answer():
    asked = line_of(Ask("one")) + line_of(Ask("two"))
    done = subprocess.run(
        [sys.executable, "-c", CHATTY], input=asked, capture_output=True, check=True
    )
    hello, *told = done.stdout.splitlines()
    assert read_line(hello, Hello) == Hello(synced="well")
    assert [read_line(each, Told).refused for each in told] == ["one", "two"]
    assert b"more chatter" in done.stderr
