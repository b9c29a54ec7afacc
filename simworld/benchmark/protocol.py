"""How a contender is asked for samples: JSON lines on its stdin and stdout.

Whoever is measured is a process of its own, ours and peers alike, so that CPU time and noise are
accounted alike.  Such a worker

 1. says one ``Hello`` line: ``{"synced": "fsync of every file", "version": "1.2"}``, or
    ``{"absent": "dbos is not installed; pip install 'simworld[peers]'"}`` and ends;
 2. reads one ``Ask`` line at a time: ``{"workload": "10 sequential no-op steps", "nth": 0}``;
 3. answers each with one ``Told`` line: ``{"sample": {"wall_s": 0.1, "cpu_s": 0.1, …}}``,
    ``{"refused": "it has no streams"}`` or ``{"failed": "expected 42, got 41"}``;
 4. ends when its stdin does, and takes along whatever it has started.

All samples of a workload are asked for before the next workload begins; what belongs to a workload
is set up at its first ``Ask``, before the sample's clock runs.  Fields that are None may be left
out.  Between two questions a worker does nothing that costs time.

A worker in Python is this loop::

    channel = Channel()                       # from now on print() goes to stderr
    channel.hello(Hello(synced="…"))
    while (ask := channel.asked()) is not None:
        taking = Taking()                     # collects garbage, forgets bodies, starts the clocks
        output = run(ask.workload)            # whose bodies say ``with body(): …``
        taking.ended()                        # stops the clocks
        check(output)
        channel.tell(Told(sample=taking.sample(workflow_s=…)))
"""

from __future__ import annotations

import os
import sys
from typing import TypeVar

import msgspec

from simworld.errors import UsageError
from simworld.records import Ask, Hello, Told

T = TypeVar("T")


def line_of(message: Hello | Ask | Told) -> bytes:
    """The message as one line; what has its default is left out."""
    fields = msgspec.to_builtins(message)
    return msgspec.json.encode({key: each for key, each in fields.items() if each}) + b"\n"


def read_line(line: bytes, kind: type[T]) -> T:
    """The message of a line; ``UsageError`` names a line that is none."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        shown = line[:200].decode("utf-8", errors="replace").strip()
        raise UsageError(f"{shown!r} is no {kind.__name__} line: {error}") from error


class Channel:
    """A worker's end; stdout is its alone, and whatever else is printed goes to stderr."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._questions = os.fdopen(os.dup(0), "rb")
        self._answers = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)

    def hello(self, hello: Hello) -> None:
        """The first line."""
        self._answers.write(line_of(hello))

    def asked(self) -> Ask | None:
        """The next question, which is waited for; None: there will be none."""
        line = self._questions.readline()
        return read_line(line, Ask) if line else None

    def tell(self, told: Told) -> None:
        """The answer to the question before."""
        self._answers.write(line_of(told))
