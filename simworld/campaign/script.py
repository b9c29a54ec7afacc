"""What a scenario brings of its own code, called so that its mistakes name its own lines."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeAlias, TypeVar

from simworld.errors import InternalError, UsageError
from simworld.records import Workload
from simworld.runtime import Client
from simworld.subjects import SubjectClient

P = ParamSpec("P")
T = TypeVar("T")

Acts: TypeAlias = Coroutine[Any, Any, object]
Script: TypeAlias = Callable[[Client, Workload], Acts] | Callable[[SubjectClient, Workload], Acts]
"""What clients do: of our own engine, or of another one."""


def asked(what: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a scenario's function answers; ``UsageError`` with the line at which it fails.

    ``what`` names the function and the scenario.
    """
    try:
        return function(*args, **kwargs)
    except InternalError:
        raise
    except Exception as error:
        raise UsageError(f"{what} fails at {line_of(error, function)}: {told(error)}") from error


async def run_script(
    script: Callable[[Any, Workload], Acts], client: Client | SubjectClient, workload: Workload
) -> None:
    """Run the script; ``UsageError`` with the line of the call whose error it did not catch."""
    acts = asked("the client script", script, client, workload)
    if not inspect.isawaitable(acts):
        raise UsageError(
            f"the client script at {place_of(script)} is no coroutine function; write async def"
        )
    try:
        await acts
    except (UsageError, InternalError):
        raise
    except Exception as error:
        raise UsageError(
            f"the client script lets an error out at {line_of(error, script)}: {told(error)}; "
            "catch it there, since a client meets every answer of the world"
        ) from error


def told(error: BaseException) -> str:
    """The error with its type, which says nothing where the error is ours."""
    return str(error) if isinstance(error, UsageError) else f"{type(error).__name__}: {error}"


def line_of(error: BaseException, function: Callable[..., object]) -> str:
    """The innermost line in the function's own file; where there is none, its first line."""
    place = place_of(function)
    return line_in(error, place.rpartition(":")[0]) or place


def line_in(error: BaseException, file: str) -> str:
    """``file:line`` of the innermost line of this file that the error came through, if any."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == file:
            found = f"{file}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found


def place_of(function: Callable[..., object]) -> str:
    """``file:line`` of a function; of anything else that can be called, what it is."""
    while isinstance(function, functools.partial):
        function = function.func
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function)
