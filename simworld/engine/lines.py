"""Which line of the author's an error comes from: neither ours nor one inside an event loop."""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any

from simworld.errors import UsageError

_EVENT_LOOPS = ("asyncio", "trio", "anyio", "curio")
_NOT_THE_AUTHORS = ("simworld", *_EVENT_LOOPS)


def author_line(error: BaseException) -> str:
    """``file:line`` of the innermost line of the author's in a traceback; empty without one."""
    found = ""
    for package, line in _lines(error.__traceback__):
        if package not in _NOT_THE_AUTHORS:
            found = line
    return found


def mistake(place: str, error: UsageError) -> UsageError:
    """The same mistake, told with its place and the author's line."""
    line = author_line(error)
    return UsageError(f"{place}, {line}: {error}" if line else f"{place}: {error}")


def called_exit(error: SystemExit, where: str) -> UsageError:
    """What ``sys.exit()`` in simulated code is: a mistake, and no way to end simworld."""
    return UsageError(
        f"{author_line(error) or where} calls sys.exit(), which is not simulated; raise an "
        "ordinary error instead, or return"
    )


def innermost_line(coroutine: Any) -> str:
    """``file:line`` where the innermost coroutine of the author's is suspended."""
    found = "a coroutine"
    while frame := getattr(coroutine, "cr_frame", None):
        if _package(frame.f_globals) not in _NOT_THE_AUTHORS:
            found = _place(frame.f_code, frame.f_lineno)
        coroutine = coroutine.cr_await
    return found


def event_loop_line(error: Exception) -> tuple[str, str]:
    """Where an event loop was asked for that is not running, and which; else two empty texts."""
    found = ""
    for package, line in _lines(error.__traceback__ if isinstance(error, RuntimeError) else None):
        if package in _EVENT_LOOPS:
            return found, package
        if package not in _NOT_THE_AUTHORS:
            found = line
    return "", ""


def _lines(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Package and ``file:line`` of every frame, outermost first."""
    while traceback is not None:
        frame = traceback.tb_frame
        yield _package(frame.f_globals), _place(frame.f_code, traceback.tb_lineno)
        traceback = traceback.tb_next


def _package(names: dict[str, Any]) -> str:
    return str(names.get("__name__", "")).partition(".")[0]


def _place(code: CodeType, line: int) -> str:
    return f"{code.co_filename}:{line}"
