"""Taking samples in turn: every round asks each contender once, so that noise befalls all alike.

``Contestant`` is a contender's process, seen from outside; ``interleaved`` takes the samples of one
workload.  Ratios are taken within a round and then the median over the rounds (``ratio``).
"""

from __future__ import annotations

import os
import select
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO

import attrs

from simworld.benchmark.protocol import line_of, read_line
from simworld.benchmark.workload import Benchmark
from simworld.errors import UsageError
from simworld.records import Ask, Contender, Hello, Sample, Told

HELLO_S = 60.0
"""After so long a process that has said nothing is given up."""
ANSWER_S = 900.0
"""The same for a sample; who runs a workload gives up before."""
END_S = 10.0
"""How long a process may take to end after its last sample."""
SAMPLES_MAX = 200
"""In one window, however short the samples are."""


class Contestant:
    """A contender's process between ``with`` and the end of its block.

    Several may be started before the first one is listened to.
    """

    def __init__(self, contender: Contender, command: Sequence[str]) -> None:
        self.contender = contender
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None
        self._hello: Hello | None = None

    def __enter__(self) -> Contestant:
        self._stderr = tempfile.TemporaryFile()
        # A session of its own: Ctrl-C is for whoever measures.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            bufsize=0,
            start_new_session=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:  # nobody waits for the sample that is being taken
            self._kill()
        self.close()

    @property
    def hello(self) -> Hello:
        """What it says first; with ``absent`` it cannot be asked anything."""
        if self._hello is None:
            try:
                line = self._line(HELLO_S)
                self._hello = read_line(line, Hello) if line else self._absent(self._last_words())
            except UsageError as error:
                self._hello = self._absent(str(error))
        return self._hello

    def _absent(self, reason: str) -> Hello:
        self._kill()
        return Hello(absent=reason)

    def ask(self, workload: str, nth: int = 0) -> Told:
        """One sample; a process that has died, or says nothing, has failed."""
        if self.hello.absent:
            return Told(failed=self.hello.absent)
        process = self._process
        if process is None or process.stdin is None:
            raise UsageError(f"{self.contender.name} is not running: it runs inside `with`")
        try:
            process.stdin.write(line_of(Ask(workload, nth)))
            line = self._line(ANSWER_S)
            return read_line(line, Told) if line else Told(failed=self._last_words())
        except (BrokenPipeError, UsageError) as error:
            self._kill()
            return Told(failed=str(error) if isinstance(error, UsageError) else self._last_words())

    def close(self) -> None:
        """Let it end in good order, and end it if it does not."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
            process.wait(END_S)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._kill()
        process.stdout.close()
        self._process = None
        if self._stderr is not None:
            self._stderr.close()

    def _line(self, timeout_s: float) -> bytes:
        """The next line; empty if there is none, or not in time."""
        assert self._process is not None
        out = self._process.stdout
        assert out is not None
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([out], [], [], timeout_s)[0]:
                self._kill()
                return b""
            more = os.read(out.fileno(), 1 << 16)
            if not more:
                return b""
            line += more
        return line

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _last_words(self) -> str:
        assert self._stderr is not None
        self._stderr.seek(0)
        lines = self._stderr.read().decode(errors="replace").strip().splitlines()
        return f"its process has ended: {lines[-1] if lines else 'without a word'}"


@attrs.define
class Taken:
    """What one contender has shown on one workload."""

    samples: list[Sample] = attrs.Factory(list)
    refused: str = ""
    failed: str = ""

    @property
    def is_over(self) -> bool:
        """It is not asked again."""
        return bool(self.refused or self.failed)


OnSample = Callable[[Contender, Told], None]


def interleaved(
    contestants: Sequence[Contestant],
    benchmark: Benchmark,
    taken: Sequence[Taken],
    *,
    samples: int | None = None,
    warm_up: bool | None = None,
    on_sample: OnSample = lambda contender, told: None,
) -> None:
    """Fill ``taken``, contestant by contestant; what is in there stays if this is interrupted.

    ``samples`` None: as the workload says, one or a window.  ``warm_up`` None: where it has a
    window.
    """
    windowed = samples is None and benchmark.window_s > 0
    warm = benchmark.window_s > 0 if warm_up is None else warm_up
    rounds = SAMPLES_MAX if windowed else samples or 1
    spent_s = [0.0] * len(contestants)
    for nth in range(warm + rounds):
        asked = False
        for at, contestant in enumerate(contestants):
            if taken[at].is_over or (windowed and spent_s[at] >= benchmark.window_s):
                continue
            asked = True
            told = contestant.ask(benchmark.name, nth)
            taken[at].refused, taken[at].failed = told.refused, told.failed
            if told.sample is not None and nth >= warm:
                taken[at].samples.append(told.sample)
                spent_s[at] += told.sample.wall_s
            on_sample(contestant.contender, told)
        if not asked:
            return


def ratio(own: Sequence[float], other: Sequence[float]) -> float:
    """How many times as long as the other: the median over rounds that both have."""
    return statistics.median(mine / theirs for mine, theirs in zip(own, other, strict=False))


def worker_command(*options: str) -> list[str]:
    """The command line of a contender of our own (``worker``)."""
    return [sys.executable, "-m", "simworld.benchmark.worker", *options]
