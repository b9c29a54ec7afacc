"""The log of a process: what the runtime notes about runs, and what the process says of itself."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence

from simworld.engine import Request
from simworld.ports import ClientCalled, PassReport
from simworld.records import RunLogLine
from simworld.render import log_json, log_text
from simworld.substrates import task_name, wall_ms

TEXT_MAX = 200
"""Characters of a text in a line; whoever sends it does not decide how long our log gets."""
FORMS: dict[str, Callable[[Sequence[RunLogLine]], str]] = {"text": log_text, "json": log_json}


def to_stderr(text: str) -> None:
    """Write at once; who reads may be a pipe, and the process may be killed."""
    sys.stderr.write(text)
    sys.stderr.flush()


def cut(text: str) -> str:
    """No longer than a line takes."""
    return text if len(text) <= TEXT_MAX else f"{text[: TEXT_MAX - 1]}…"


class ServiceLog:
    """``ports.RunLog``, a line per note."""

    def __init__(
        self,
        write: Callable[[str], object] = to_stderr,
        *,
        form: str = "text",
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._write = write
        self._form = FORMS[form]
        self._now_ms = now_ms

    def pass_ended(self, report: PassReport) -> None:
        """See ``ports.RunLog``; a real host has nothing to learn from passes."""

    def chunk_written(self, run_id: str, stream: str, chunk: bytes) -> None:
        """See ``ports.RunLog``; nor from chunks."""

    def client_called(self, call: ClientCalled, phase: str) -> None:
        """See ``ports.RunLog``; nor from calls."""

    def asked_ahead(self, run_id: str, asked: Sequence[tuple[int, Request]]) -> None:
        """See ``ports.RunLog``; nor from what may come."""

    def owned_inline(self, run_id: str, step_ids: Sequence[str]) -> None:
        """See ``ports.RunLog``; nor from owners."""

    def note(self, run_id: str, message: str, **fields: object) -> None:
        """See ``ports.RunLog``."""
        shown = {key: cut(each) if isinstance(each, str) else each for key, each in fields.items()}
        self._line(cut(run_id), message, shown)

    def say(self, message: str, **fields: object) -> None:
        """Something about the process itself."""
        self.note("", message, **fields)

    def failed(self, task: str, error: Exception) -> None:
        """A task has ended with an error that nobody had expected: the whole of it."""
        told = "".join(traceback.format_exception(error))
        fields = {"failed": cut(task), "error": cut(repr(error)), "traceback": told}
        self._line("", "task failed", fields)

    def _line(self, run_id: str, message: str, fields: Mapping[str, object]) -> None:
        line = RunLogLine(None, self._now_ms(), run_id, task_name(), message, fields)
        self._write(self._form([line]))


QUIET = ServiceLog(lambda _text: None)
"""Says nothing."""
