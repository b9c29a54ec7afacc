"""The SDK's own local world beside ours: the same drawn calls, and where the answers differ.

Runs without a test runner, so that every version of the SDK can be looked at with its own Python:
``python -m tests.subjects.differing 100``.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from datetime import UTC, datetime
from typing import Any, NamedTuple

import trio
from vercel.workflow._internal import world as sdk

from simworld.engine import (
    AttrSet,
    HookCreated,
    HookDisposed,
    HookReceived,
    RunCancelled,
    RunCompleted,
    RunCreated,
    RunFailed,
    RunStarted,
    StepCompleted,
    StepCreated,
    StepFailed,
    StepRetrying,
    StepStarted,
    WaitCompleted,
    WaitCreated,
)
from simworld.records import SubjectCursor, SubjectErrors, SubjectProfile, WorldProfile
from simworld.subjects.seam import Create, FindHook, ReadLog, ReadRun
from simworld.subjects.vercel.envelope import pack
from simworld.subjects.vercel.local import SdkLocal, SdkRefusal
from simworld.subjects.vercel.translate import CURRENT, sdk_request
from simworld.subjects.vercel.world import make_world
from tests.conformance import real, worlds

BEGINNING_MS = 1_700_000_000_000
CALLS = 40
"""Calls of a sequence that meets no difference."""
WORDED = hasattr(sdk, "StructuredError")
"""0.9 writes errors as texts, later versions as payloads."""
LOCAL = SubjectProfile(SubjectErrors.LOCAL, SubjectCursor.NONE)
WHOLE = WorldProfile()
MAKERS = {
    "atomic": worlds.atomic(),
    "local": real.local(world=WHOLE),
    "postgres": real.twins(world=WHOLE),
    "hosted": real.hosted(page_max=WHOLE.page_max),
}


class Difference(NamedTuple):
    """What was asked, what the SDK's own world has said and what ours."""

    call: str
    theirs: str
    ours: str


class Reason(NamedTuple):
    """Why a difference is known, and whether both can be compared after it."""

    why: str
    goes_on: bool = False


MISSING = Reason("our worlds and the hosted one refuse what is about a run that does not exist")
KNOWN: dict[Difference, Reason] = {
    Difference("attr_set", "EntityConflictError", "ok"): Reason(
        "our worlds record a second attr_set of one call; the adapter never shows it", goes_on=True
    ),
    Difference("attr_set", "ok", "ok, but run"): Reason(
        "nobody reads the row that comes with it; a run's attributes are folded when it is read",
        goes_on=True,
    ),
    Difference("wait_created", "ok", "EntityConflictError"): Reason(
        "spec §1.3: a duplicate is refused; its local world records a wait as often as it is asked"
    ),
    Difference("wait_completed", "ok", "EntityConflictError"): Reason(
        "spec §1.3: no such wait, also because its run has ended; its local world records it once"
    ),
    Difference("hook_created", "ok", "EntityConflictError"): Reason(
        "a hook that has lost its token: its local world records the conflict again"
    ),
    Difference("step_failed", "EntityConflictError", "ok"): Reason(
        "spec §1.3: a body begun before its run has ended may tell so; its local world wants the "
        "step to be running, and does not look for step_completed and step_retrying"
    ),
    Difference("run_cancelled", "ok", "ok, but run.completedAt"): Reason(
        "of a cancelled run: its local world leaves the row as it is"
    ),
    Difference("hook_received", "HookNotFoundError", "RuntimeError"): Reason(
        MISSING.why, goes_on=True
    ),
    Difference("hook_disposed", "HookNotFoundError", "RuntimeError"): Reason(
        MISSING.why, goes_on=True
    ),
    **{
        Difference(call, "ok", "RuntimeError"): MISSING
        for call in (
            "step_created",
            "hook_created",
            "wait_created",
            "run_completed",
            "run_cancelled",
        )
    },
}
"""All the differences there are; ``call, theirs, ours`` → why."""
if WORDED:
    untold = Reason("0.9 records step_retrying and leaves the row as it is: running, without delay")
    KNOWN |= {
        Difference("step_started", "ok", "TooEarlyError"): untold,
        Difference("step_started", "ok", "EntityConflictError"): untold,
        Difference("step_started", "ok", "ok, but step.error"): untold,
        Difference("step_completed", "ok", "ok, but step.error"): untold,
        Difference("step_completed", "ok", "ok, but step.error step.retryAfter"): untold,
        Difference("step_failed", "ok", "ok, but step.retryAfter"): untold,
    }


class Now:
    """A clock that is moved by hand."""

    ms = BEGINNING_MS

    def now_ms(self) -> int:
        """See ``ports.Clock``."""
        return self.ms


class Counting:
    """Ids that count."""

    number = 0

    def event_id(self) -> str:
        """See ``ports.Ids``."""
        self.number += 1
        return f"evnt_{self.number}"


class Call(NamedTuple):
    """``fact``: what is to be recorded; None: ``verb`` reads."""

    verb: str
    run_id: str
    fact: Any = None
    token: str = ""


ALONE = (
    "hook_created",
    "hook_disposed",
    "hook_received",
    "run_cancelled",
    "run_completed",
    "step_created",
    "wait_created",
)
"""What is asked of a run that does not exist; each begins some of the sequences."""


def drawn(stream: random.Random, now_ms: int, only: str = "") -> Call:
    """Any call, legal or not; ``only``: of this type."""
    number = stream.choice("12")
    step, hook = stream.choice("ab") + number, stream.choice("abc") + number
    attr, wait = stream.choice("ab") + number, f"wait_{number}"
    payload = f"devl{stream.randrange(9)}".encode()
    error = pack(str(payload)) if WORDED else payload
    begun = pack(payload, deploymentId="dpl_1", specVersion=CURRENT)
    changes = [(stream.choice("xy"), stream.choice(["1", None]))]
    later = stream.choice([0, now_ms + 500, now_ms + 5_000])
    token = {"a": "t1", "b": "t2", "c": "t1"}[hook[0]]
    facts = (
        (3, RunCreated("order", begun)),
        (3, RunStarted()),
        (2, RunStarted("order", begun)),
        (0.5, RunCompleted(payload)),
        (0.3, RunFailed(error, "USER_ERROR")),
        (0.4, RunCancelled()),
        (5, StepCreated(f"step_{step}", "work", payload)),
        (7, StepStarted(f"step_{step}", "")),
        (2, StepCompleted(f"step_{step}", payload)),
        (1, StepFailed(f"step_{step}", error)),
        (2, StepRetrying(f"step_{step}", error, later)),
        (3, HookCreated(f"hook_{hook}", token)),
        (2, HookReceived(f"hook_{hook}", "", payload)),
        (2, HookDisposed(f"hook_{hook}", "")),
        (1, WaitCreated(wait, now_ms + 500)),
        (0.7, WaitCompleted(wait)),
        (1.5, AttrSet(f"attr_{attr}", pack(changes, writer={"type": "workflow"}))),
        (2, None),
    )
    if only:
        facts = tuple(each for each in facts if each[1] is not None and each[1].type == only)
    fact = stream.choices([each for _, each in facts], [weight for weight, _ in facts])[0]
    verb = stream.choice(["list", "get", "find"]) if fact is None else fact.type
    return Call(verb, f"wrun_{number}", fact, token)


def beginning(number: str) -> Call:
    """A run begins."""
    return Call(
        "run_created",
        f"wrun_{number}",
        RunCreated("order", pack(b"devl", deploymentId="dpl_1", specVersion=CURRENT)),
    )


async def performed(world: Any, call: Call) -> object:
    """What the world answers, or raises."""
    try:
        if call.fact is not None:
            return await world.events_create(call.run_id, sdk_request(call.fact))
        if call.verb == "list":
            return await world.events_list(call.run_id)
        if call.verb == "get":
            return await world.runs_get(call.run_id)
        return await world.hooks_get_by_token(call.token)
    except Exception as error:  # whatever it is, it is compared
        return error


class Theirs:
    """The SDK's local world, asked directly."""

    def __init__(self, inner: SdkLocal) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        async def ask(*args: object) -> object:
            try:
                return self._inner.ask(getattr(self._inner.world, name)(*args))
            except SdkRefusal as refusal:
                raise refusal.original from None

        return ask


def ours(storage: Any) -> Any:
    """One of our worlds, as the SDK sees it."""

    async def ask(question: object) -> object:
        match question:
            case Create():
                return await storage.create(question.run_id, question.fact)
            case ReadLog():
                return await storage.events(question.run_id, question.cursor)
            case ReadRun():
                return await storage.run(question.run_id)
            case FindHook():
                return await storage.hook(question.token)
        raise AssertionError(question)

    return make_world(ask, LOCAL)


# --- comparing ------------------------------------------------------------------------------------

UNREAD = ("eventId", "updatedAt", "cancelReason")
"""What nobody reads in an answer, or what is another one in each world."""
UNREAD_OF_CREATES = ("attributes",)
"""What nobody reads in the rows that come with an event: our worlds fold it when a run is read."""
DEFAULTS = (None, {}, False)


def plain(value: object) -> object:
    """The same, comparable: models as dicts without what they do not say."""
    if isinstance(value, Exception):
        return (type(value).__name__, getattr(value, "retry_after", None))
    if hasattr(value, "model_dump"):
        told = value.model_dump()
        props = getattr(value, "server_props", None)
        if props is not None:
            told |= {"runId": props.run_id, "createdAt": props.created_at}
        return plain(told)
    if isinstance(value, dict):
        kept = {key: plain(each) for key, each in value.items() if key not in UNREAD}
        return {key: each for key, each in kept.items() if each not in DEFAULTS}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value


def told(call: Call, answer: Any) -> object:
    """An answer, comparable; of a create the event and the rows by name."""
    if isinstance(answer, Exception) or (call.fact is None and call.verb != "list"):
        return plain(answer)
    if call.verb == "list":
        return {
            "log": [plain(event) for event in answer.data],
            "more": [answer.cursor, answer.has_more],
        }
    parts = {part: plain(getattr(answer, part)) for part in ("event", "run", "step")}
    for row in parts.values():
        for key in UNREAD_OF_CREATES if isinstance(row, dict) else ():
            row.pop(key, None)
    return parts


def difference(call: Call, theirs: Any, ours: Any) -> Difference | None:
    """How ours differs; where its own world says nothing of a row, ours may."""
    left, right = told(call, theirs), told(call, ours)
    if isinstance(left, dict) and isinstance(right, dict):
        parts = [
            _field(part, left[part], right.get(part))
            for part in left
            if left[part] != right.get(part) and (left[part] is not None or part == "event")
        ]
        return Difference(call.verb, "ok", f"ok, but {', '.join(parts)}") if parts else None
    if left == right:
        return None
    return Difference(call.verb, _word(left), _word(right))


def _field(part: str, left: Any, right: Any) -> str:
    if isinstance(left, dict) and isinstance(right, dict):
        keys = [each for each in {**left, **right} if left.get(each) != right.get(each)]
        return " ".join(f"{part}.{key}" for key in keys)
    return part


def _word(answer: Any) -> str:
    return str(answer[0]) if isinstance(answer, tuple) else "ok"


class Compared(NamedTuple):
    """What came of many sequences."""

    differences: dict[Difference, str]
    """Each with the first sequence that has shown it."""
    calls: Counter[str]
    """How many were ``legal``, how many ``refused``."""


async def compare(maker: Any, seeds: range, found: Compared) -> None:
    """Ask both worlds the same, in each sequence up to a difference that parts them."""
    for seed in seeds:
        now = Now()
        inner = SdkLocal(now)
        try:
            async with maker(now, Counting()) as under_test:
                await _sequence(seed, now, Theirs(inner), ours(under_test.storage), found)
        finally:
            inner.release()


async def _sequence(seed: int, now: Now, left: Any, right: Any, found: Compared) -> None:
    stream = random.Random(seed)
    opening = [beginning("1"), beginning("2")]
    if seed % 5 == 0:
        opening = [drawn(stream, now.ms, ALONE[seed // 5 % len(ALONE)])]
    for number in range(CALLS):
        now.ms += stream.choice([0, 0, 1, 100, 700])
        call = opening.pop() if opening else drawn(stream, now.ms)
        theirs, ours = await performed(left, call), await performed(right, call)
        found.calls["refused" if isinstance(theirs, Exception) else "legal"] += 1
        differs = difference(call, theirs, ours)
        if differs is not None:
            where = f"seed {seed}, call {number}: {call}\n  {theirs!r}\n  {ours!r}"
            found.differences.setdefault(differs, where)
            if differs not in KNOWN or not KNOWN[differs].goes_on:
                return


def compared(name: str, count: int) -> Compared:
    """So many sequences on the world of ours that is called so."""
    found = Compared({}, Counter())
    trio.run(compare, MAKERS[name], range(count), found)
    return found


if __name__ == "__main__":
    for each in MAKERS:
        result = compared(each, int(sys.argv[1]))
        print(each, dict(result.calls))
        for differs, where in result.differences.items():
            known = KNOWN.get(differs)
            print(f"  {tuple(differs)}: {known.why if known else 'UNKNOWN ' + where[:2_000]}")
