"""Which versions of the SDK the adapter knows, and in what they differ.

Any version from ``OLDEST`` on whose surface is there is taken; a newer one than ``NEWEST`` has not
been looked at, so that is said, and what it lacks is named before anything runs.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import sys
from typing import NamedTuple

from simworld.errors import UsageError

PACKAGE = "vercel-workflow"
OLDEST = (0, 9)
NEWEST = (0, 12)
"""The newest one that the adapter has been run with."""
WAY_OUT = "pip install 'simworld[vercel]'"
_TOLD = "SIMWORLD_NEW_VERSION"
"""The environment says here which version has been warned of."""


class Difference(NamedTuple):
    """Something that is not the same in all versions."""

    what: str
    since: str
    """The first version that is as ``what`` says."""
    handled: str


DIFFERENCES = (
    Difference(
        "models are made by the names of their fields, no longer by those of the wire",
        "0.10",
        "models are made without validation, which takes field names in every version",
    ),
    Difference(
        "errors of rows are payloads; before, (message, stack, code)",
        "0.10",
        "rows.py looks whether StructuredError is there",
    ),
    Difference(
        "step_failed and step_retrying carry a payload; before, texts and a stack",
        "0.10",
        "the stack travels in the envelope of the error",
    ),
    Difference(
        "run_failed has errorCode, one of a few; before, code, the name of the error's class",
        "0.10",
        "translate.py takes the one that is there; it becomes RunFailed.code",
    ),
    Difference(
        "start() makes the run's id itself and its message carries the run's data; before, the "
        "world made the id and a lost run_created stayed lost",
        "0.10",
        "world.py makes an id when it is given none",
    ),
    Difference("the specification version of events is 5; before, 2", "0.10", "read off the SDK"),
    Difference(
        "attr_set, lazy hook resumption, noop, system hooks",
        "0.10",
        "older versions never ask for them",
    ),
    Difference(
        "sandboxes may be shared (SandboxPolicy.share_sandboxes); before, one for each pass",
        "0.10",
        "the host shares them where it can; older versions are slower",
    ),
    Difference(
        "run_cancelled, Run.terminate(); before, the SDK cannot read a log that has one",
        "0.11",
        "the adapter refuses to show it, as the SDK's own validation does",
    ),
    Difference("start and Run live in run.py; before, in runtime.py", "0.11", "the host looks"),
    Difference(
        "hook_created always says isWebhook",
        "0.12",
        "older versions never say it; our fact says it is none",
    ),
)

NEEDED = {
    "vercel.workflow._internal.world": """
        CancelledWorkflowRun CompletedWorkflowRun CompletedWorkflowStep EntityConflictError Event
        EventResult FailedWorkflowRun FailedWorkflowStep Hook HookConflictEvent
        HookConflictEventData HookCreatedEvent HookCreatedEventData HookDisposedEvent
        HookNotFoundError HookReceivedEvent HookReceivedEventData NonFinalWorkflowRun
        NonFinalWorkflowStep PaginatedResult PaginationOptions QueueContinuation RunCompletedEvent
        RunCompletedEventData RunCreatedEvent RunCreatedEventData RunExpiredError RunFailedEvent
        RunFailedEventData RunStartedEvent RunStartedEventData SPEC_VERSION_CURRENT ServerProps
        StepCompletedEvent StepCompletedEventData StepCreatedEvent StepCreatedEventData
        StepFailedEvent StepFailedEventData StepRetryingEvent StepRetryingEventData
        StepStartedEvent StreamChunk StreamChunksPage StreamInfo ThrottleError TooEarlyError
        WaitCompletedEvent WaitCreatedEvent WaitCreatedEventData WorkflowInvokePayload
        WorkflowWorldError World get_queue_name set_world the_world
        """,
    "vercel.workflow._internal.worlds.vercel": "httpx",
    "vercel.workflow._internal.worlds.local": "LocalWorld",
    "vercel.workflow._internal.runtime": """
        _step_streams_ctx get_step_metadata resume_hook workflow_handler
        """,
    "vercel.workflow._internal.core": "Workflow Workflows",
    "vercel.workflow._internal.errors": "FatalError",
    "vercel.workflow._internal.py_sandbox": "",
    "vercel.workflow._internal.ulid": "ENCODING RANDOM_LEN monotonic_factory",
    "vercel.workflow": "FatalError Run start",
    "vercel.queue": "CommunicationError InternalServerError ThrottledError",
}
"""Module → names that the adapter and its host use, whatever the version."""


def check_version() -> str:
    """The version that is installed; ``UsageError`` with the way out, if it cannot be driven."""
    try:
        version = importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise UsageError(f"the package {PACKAGE} is not installed: {WAY_OUT}") from None
    if series(version) < OLDEST:
        raise UsageError(
            f"{PACKAGE} {version} is installed; simworld drives {'.'.join(map(str, OLDEST))} and "
            f"later: {WAY_OUT}"
        )
    missing = [
        f"{module}.{name}" for module, names in NEEDED.items() for name in _lacks(module, names)
    ]
    if missing:
        raise UsageError(
            f"{PACKAGE} {version} lacks {', '.join(missing)}, which simworld needs; the newest "
            f"version it knows is {'.'.join(map(str, NEWEST))}: pip install "
            f"'{PACKAGE}=={'.'.join(map(str, NEWEST))}.*'"
        )
    if series(version) > NEWEST:
        _warn(version)
    return version


def _warn(version: str) -> None:
    """Once, and not again in processes that work for this one."""
    if os.environ.get(_TOLD) == version:
        return
    os.environ[_TOLD] = version
    print(
        f"simworld: {PACKAGE} {version} has not been looked at yet; the newest version that "
        f"simworld knows is {'.'.join(map(str, NEWEST))}",
        file=sys.stderr,
    )


def series(version: str) -> tuple[int, int]:
    """``0.12.0`` → (0, 12); what follows does not matter here."""
    major, _, rest = version.partition(".")
    minor = rest.partition(".")[0]
    if not (major.isdigit() and minor.isdigit()):
        raise UsageError(f"{PACKAGE} has the version {version!r}, which simworld cannot read")
    return int(major), int(minor)


def _lacks(module: str, names: str) -> list[str]:
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        return [f"* ({error})"]
    return [name for name in names.split() if not hasattr(found, name)]
