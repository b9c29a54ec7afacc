"""The log of a process: what the runtime notes about runs, and what the process says of itself."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Sequence

from simworld.ports import PassReport
from simworld.records import RunLogLine
from simworld.render import log_json, log_text
from simworld.substrates import task_name, wall_ms

FORMS: dict[str, Callable[[Sequence[RunLogLine]], str]] = {"text": log_text, "json": log_json}


def to_stderr(text: str) -> None:
    """Write at once; who reads may be a pipe, and the process may be killed."""
    sys.stderr.write(text)
    sys.stderr.flush()


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

    def note(self, run_id: str, message: str, **fields: object) -> None:
        """See ``ports.RunLog``."""
        line = RunLogLine(None, self._now_ms(), run_id, task_name(), message, fields)
        self._write(self._form([line]))

    def say(self, message: str, **fields: object) -> None:
        """Something about the process itself."""
        self.note("", message, **fields)

    def failed(self, task: str, error: Exception) -> None:
        """A task has ended with an error that nobody had expected: the whole of it."""
        told = "".join(traceback.format_exception(error))
        self.note("", "task failed", failed=task, error=repr(error), traceback=told)


QUIET = ServiceLog(lambda _text: None)
"""Says nothing."""
