"""How far a hunt is: a bar on a terminal, gone when it is done; elsewhere a line now and then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TextIO

import attrs
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from simworld.records import Progress, Searched
from simworld.render.text import count

DRAW_EVERY_S = 0.1
"""A bar drawn after every trial would cost more than the trials."""
SAY_EVERY_S = 30.0
"""Logs of build servers want to see life, not more."""


def _now_s() -> float:
    return time.monotonic()


@attrs.define
class Pace:
    """When a line was last said; of all hunts of one command."""

    last: float = attrs.Factory(_now_s)

    @property
    def due(self) -> bool:
        """Whether it is time for another one, which then is the last."""
        now = _now_s()
        if now - self.last < SAY_EVERY_S:
            return False
        self.last = now
        return True


@contextlib.contextmanager
def progress_bar(
    label: str, *, seconds: float | None, stream: TextIO, pace: Pace
) -> Iterator[Callable[[Progress], None]]:
    """What to call after every trial.

    With ``seconds`` the bar shows time, because then time is what ends the hunt.
    """
    if not stream.isatty():
        yield lambda progress: _say(label, progress, stream, pace)
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
        said = _said(progress)
        done: float = progress.trials_done
        total: float = progress.trials_max
        if seconds:
            done, total = min(now - began, seconds), seconds
        bar.update(task, completed=done, total=total, said=said)
        bar.refresh()

    with bar:
        yield update


def _say(label: str, progress: Progress, stream: TextIO, pace: Pace) -> None:
    if pace.due:
        print(f"{label}: {_said(progress)} so far", file=stream, flush=True)


def _said(progress: Progress) -> str:
    return f"{count(progress.trials_done, 'trial')}, {progress.findings_count} found"


@contextlib.contextmanager
def searches_bar(total: int, *, stream: TextIO) -> Iterator[Callable[[Searched], None]]:
    """What to call after every search."""
    done = 0
    with counting_bar("searching", total, "search/searches", stream=stream) as counting:

        def update(searched: Searched) -> None:
            nonlocal done
            done += 1
            counting(f"{searched.search.race} on {searched.search.system}", done)

        yield update


@contextlib.contextmanager
def counting_bar(
    label: str, total: int, noun: str, *, stream: TextIO
) -> Iterator[Callable[[str, int], None]]:
    """What to call with a word on what has been done last, and how many are done of the total."""
    pace = Pace()
    bar = Bar(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        console=Console(file=stream),
        transient=True,
        auto_refresh=False,
        disable=not stream.isatty(),
    )
    task = bar.add_task(label, total=total)

    def update(said: str, done: int) -> None:
        bar.update(task, completed=done, description=said)
        bar.refresh()
        if not stream.isatty() and pace.due:
            print(f"{count(done, noun)} of {total}: {said}", file=stream, flush=True)

    with bar:
        yield update


@contextlib.contextmanager
def reading_bar(
    label: str, *, bytes_count: int, stream: TextIO
) -> Iterator[Callable[[int, str], None] | None]:
    """What to call now and then with the bytes read so far and a word on them."""
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
        auto_refresh=False,
    )
    task = bar.add_task(label, total=bytes_count or None, said="")
    shown = time.monotonic()

    def update(done: int, said: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < DRAW_EVERY_S:
            return
        shown = now
        bar.update(task, completed=done, said=said)
        bar.refresh()

    with bar:
        yield update
