"""What is measured: a workflow, what to give it, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from simworld.engine import Program, Step, Workflow
from simworld.errors import SimworldError
from simworld.records import WorkloadInfo

WINDOW_S = 5.0
"""How long samples of a trivial workload are taken, after one that only warms up."""


class WrongOutput(SimworldError):
    """A run has completed with something else than its workload says."""


@attrs.frozen(eq=False)
class Benchmark:
    """One workload.  Its module says ``benchmarks = (Benchmark(…), …)``.

    What time its bodies take is known where they say ``with body(): …``.
    """

    name: str
    workflow: Workflow[..., Any]
    steps: tuple[Step[..., Any], ...]
    args: tuple[object, ...]
    expected: object = None
    """The run's output; of one that returns a stream None."""
    content: Callable[[], bytes] | None = None
    """What the returned stream must hold, byte for byte."""
    live: str = ""
    """The stream of the run, by its name, that somebody reads from its beginning while it is
    written; what it must hold is ``content``."""
    ideal_ms: int = 0
    """The least time its bodies take, one after the other where they must be."""
    window_s: float = 0.0
    """For how long samples are taken, after one that only warms up; 0: one sample."""
    full: bool = False
    """Only ``--full`` runs it, or asking for it by name."""
    step_count: int = 0
    family: str = ""
    """Workloads of one family differ in ``step_count`` alone: they share a plot."""
    noop: bool = False
    """Its bodies do nothing, so that what is measured is overhead alone."""

    @property
    def program(self) -> Program:
        """What a trial or a worker runs."""
        return Program.of(self.workflow, *self.steps)

    @property
    def streams(self) -> bool:
        """Whether it is about streams: it belongs in their section."""
        return self.content is not None

    @property
    def info(self) -> WorkloadInfo:
        """What tables say of it."""
        return WorkloadInfo(self.name, self.streams, self.step_count, self.family, self.noop)

    def check(self, output: object, content: bytes | None) -> None:
        """``WrongOutput`` unless the run's output and its stream's content are the right ones."""
        if self.content is None:
            if output != self.expected:
                raise WrongOutput(f"its output is {_short(output)}, not {_short(self.expected)}")
            return
        wanted = self.content()
        if content == wanted:
            return
        if content is None:
            raise WrongOutput(f"it has returned {_short(output)} and no stream")
        pairs = zip(content, wanted, strict=False)
        shorter = min(len(content), len(wanted))
        same = next((at for at, (byte, right) in enumerate(pairs) if byte != right), shorter)
        raise WrongOutput(
            f"its stream holds {len(content)} bytes instead of {len(wanted)}; byte {same} is the "
            "first wrong one"
        )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"
