"""What a world of ours refuses, in the words that the SDK knows.

``hosted``: as the SDK's client for the hosted service says it (``worlds/vercel.py``:
``_error_for_response`` for events and rows, ``events_create`` and ``hooks_get_by_token`` for hooks,
``_stream_http_error`` and ``_write_stream_request`` for streams; nothing there catches what its
HTTP client raises when no answer comes; ``vercel/queue`` ``errors.py`` for messages).  That it
sends a write to a stream up to three times is not imitated: it is no code of the engine.

``local``: as the SDK's own local world says it (``worlds/local.py``: ``_events_create_impl``,
``runs_get``, ``hooks_get_by_token``): an ended run is a conflict, what is missing is a
``RuntimeError``, and what else may go wrong is what a disk says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import vercel.queue as vqs
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import vercel as hosted

from simworld.engine import WaitCompleted
from simworld.errors import (
    DefiniteFailure,
    EntityConflictError,
    HookNotFoundError,
    IndefiniteFailure,
    RunExpiredError,
    ThrottleError,
    TooEarlyError,
    WorldError,
)
from simworld.records import SubjectErrors
from simworld.subjects.seam import (
    CloseStream,
    Create,
    Failure,
    FindHook,
    Question,
    ReadStream,
    Send,
    WriteStream,
)

_http: Any = hosted.httpx  # type: ignore[attr-defined]  # whichever the SDK uses: httpx or httpx2
_STREAMS = (WriteStream, CloseStream, ReadStream)


def refused(
    question: Question, error: DefiniteFailure | IndefiniteFailure, style: SubjectErrors
) -> Exception:
    """The exception that the SDK gets: what its own local world has raised, or the same in words.

    What has been raised is taken from ``error``, so that the two do not keep each other alive.
    """
    original = vars(error).pop("original", None)
    if isinstance(original, Exception):
        return original
    if isinstance(error, HookNotFoundError):
        if isinstance(question, FindHook):
            return w.HookNotFoundError(token=question.token)
        if isinstance(question, Create):
            return w.HookNotFoundError(hook_id=getattr(question.fact, "correlation_id", ""))
    if isinstance(error, TooEarlyError):
        return w.TooEarlyError(str(error), retry_after=math.ceil(error.retry_after_s))
    if style is SubjectErrors.LOCAL:
        return _local(question, error)
    if isinstance(question, Send):
        return _queue(error)
    if isinstance(error, IndefiniteFailure):
        if isinstance(question, _STREAMS):
            return w.WorkflowWorldError(str(error), status=0)
        silence: Exception = _http.ReadTimeout(str(error))
        return silence
    if isinstance(error, EntityConflictError) and not isinstance(question, _STREAMS):
        return w.EntityConflictError(str(error))
    if isinstance(error, RunExpiredError):
        return w.RunExpiredError(str(error), status=410)
    if isinstance(error, ThrottleError):
        return w.ThrottleError(str(error), status=429, retry_after=math.ceil(error.retry_after_s))
    status = error.status if isinstance(error, WorldError) else 503
    return w.WorkflowWorldError(str(error), status=status)


def _local(question: Question, error: Exception) -> Exception:
    if isinstance(error, EntityConflictError | RunExpiredError):
        return w.EntityConflictError(str(error))
    if isinstance(error, WorldError) and error.status == 404:
        if isinstance(question, Create) and isinstance(question.fact, WaitCompleted):
            # Our waits end with their run, its waits do not: it says at most that it was done.
            return w.EntityConflictError(str(error))
        return RuntimeError(str(error))
    return OSError(str(error))


def _queue(error: Exception) -> Exception:
    if isinstance(error, IndefiniteFailure):
        return vqs.CommunicationError(str(error))
    if isinstance(error, ThrottleError):
        return vqs.ThrottledError(math.ceil(error.retry_after_s))
    return vqs.InternalServerError(str(error))


_FAILURES: Mapping[str, Failure] = {
    "TypeError": Failure.MISTAKE,
    "TypeValidationError": Failure.MISTAKE,
    "SerializationError": Failure.MISTAKE,
    "HookNotFoundError": Failure.NO_HOOK,
    "EntityConflictError": Failure.ENDED,
    "RunExpiredError": Failure.ENDED,
    "WorkflowRunFailedError": Failure.RUN_FAILED,
}
"""Classes of errors that the SDK's own functions raise, by name: old versions lack some of them."""


def failure_of(error: BaseException) -> Failure:
    """What a client's call has met; a cancelled run is told by the SDK's words for it alone."""
    if isinstance(error, RuntimeError) and str(error) == "workflow cancelled":
        return Failure.RUN_CANCELLED
    return _FAILURES.get(type(error).__name__, Failure.OTHER)
