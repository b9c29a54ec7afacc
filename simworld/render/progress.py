"""A progress bar for a running hunt: on a terminal only, and gone when the hunt is done."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from simworld.records import Progress
from simworld.render.text import count

DRAW_EVERY_S = 0.1
"""A bar drawn after every trial would cost more than the trials."""


@contextlib.contextmanager
def progress_bar(
    label: str, *, seconds: float | None, stream: TextIO
) -> Iterator[Callable[[Progress], None] | None]:
    """What to call after every trial; None where nobody would see it.

    With ``seconds`` the bar shows time, because then time is what ends the hunt.
    """
    if not stream.isatty():
        yield None
        return
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[said]}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
        transient=True,
        auto_refresh=False,  # a drawing thread would disturb the hunt, and Ctrl-C
    )
    task = bar.add_task(label, total=seconds, said="")
    began = shown = time.monotonic()

    def update(progress: Progress) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < DRAW_EVERY_S:
            return
        shown = now
        said = f"{count(progress.trials_done, 'trial')}, {progress.findings_count} found"
        done: float = progress.trials_done
        total: float = progress.trials_max
        if seconds:
            done, total = min(now - began, seconds), seconds
        bar.update(task, completed=done, total=total, said=said)
        bar.refresh()

    with bar:
        yield update
