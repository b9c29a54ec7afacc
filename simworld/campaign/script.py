"""A scenario's client script: run so that an error that leaves it names the script's own line."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from simworld.errors import InternalError, UsageError
from simworld.records import Workload
from simworld.runtime import Client

Script = Callable[[Client, Workload], Coroutine[Any, Any, object]]


async def run_script(script: Script, client: Client, workload: Workload) -> None:
    """Run the script; ``UsageError`` with the line of the call whose error it did not catch."""
    try:
        await script(client, workload)
    except (UsageError, InternalError):
        raise
    except Exception as error:
        raise UsageError(
            f"the client script lets an error out at {_line_of(error)}: {type(error).__name__}: "
            f"{error}; catch it there, since a client meets every answer of the world"
        ) from error


def _line_of(error: Exception) -> str:
    """The innermost line that is not ours."""
    found, traceback = "a line unknown", error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        if not frame.f_globals.get("__name__", "").startswith("simworld."):
            found = f"{frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
