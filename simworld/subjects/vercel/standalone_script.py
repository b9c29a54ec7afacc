"""One race of vercel-workflow, shown without any simulation.

The unmodified SDK runs on its own local world, its own embedded queue and the real clock.  This
file only adds what the contracts of storage and queue allow: a call may take a while (so that the
calls come in the order below), a message may be delivered more than once, and one call may fail.
It needs the SDK, the module with the workflow, and Python's standard library.

``python FILE`` runs it once in a new folder; ``--plain`` leaves everything to chance, and adds
nothing.  It exits with 0 if the run ended as its author would expect, with 1 if it did not, with 2
if it could not be run.
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import functools
import importlib
import importlib.metadata
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

PLAN: dict[str, Any] = {}

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ENDED = ("completed", "failed", "cancelled")
QUIET_S = 1.2
"""A queue that has nothing to do for so long has nothing to do any more."""
DOING: contextvars.ContextVar[str] = contextvars.ContextVar("DOING", default="")
"""The delivery, or the client's call, for which a call of the world is made."""
BODY: contextvars.ContextVar[str] = contextvars.ContextVar("BODY", default="")
"""The step whose body makes it."""


class Evidence:
    """What has happened, line by line."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115
        self._begun = time.time()
        self.events: list[dict[str, Any]] = []

    def note(self, kind: str, **fields: Any) -> None:
        """One line; ``at_ms`` counts from the beginning."""
        at_ms = int((time.time() - self._begun) * 1_000)
        line = {"kind": kind, "at_ms": at_ms, "doing": DOING.get(), **fields}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if kind == "event":
            self.events.append(line)


class Conductor:
    """Lets calls go ahead in the order of the plan; whoever is not in it may go at any time."""

    def __init__(self, order: list[list[Any]], evidence: Evidence) -> None:
        self._order = order
        self._evidence = evidence
        self._wanted: dict[tuple[str, str], deque[int]] = {}
        for index, (doing, act, _) in enumerate(order):
            self._wanted.setdefault((doing, act), deque()).append(index)
        self._over = [False] * len(order)
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._begun: list[int] = []
        """Those that have been let go ahead, and are not over yet."""
        self._next = 0
        self._alarm: asyncio.TimerHandle | None = None
        self.followed = 0
        self.skipped = 0

    @property
    def whole(self) -> bool:
        """Everything in the order has happened, or never will."""
        return self._next >= len(self._order)

    async def turn(self, doing: str, act: str) -> int:
        """Wait until everything before this act has happened; its index, or -1."""
        wanted = self._wanted.get((doing, act))
        if not wanted:
            return -1
        index = wanted.popleft()
        if self._over[index]:
            return -1
        future = self._waiting[index] = asyncio.get_running_loop().create_future()
        self._go_on()
        try:
            await future
        except asyncio.CancelledError:
            self._waiting.pop(index, None)
            self.done(index)
            raise
        self.followed += 1
        return index

    def done(self, index: int) -> None:
        """The act has happened."""
        if index >= 0:
            self._over[index] = True
            if index in self._begun:
                self._begun.remove(index)
            self._go_on()

    def never(self, gone: Callable[[str], bool]) -> None:
        """What these deliveries have not done, they will not do."""
        for index in range(self._next, len(self._order)):
            pending = index not in self._waiting and index not in self._begun
            if not self._over[index] and pending and gone(self._order[index][0]):
                self._over[index] = True
                self.skipped += 1
        self._go_on()

    def _go_on(self) -> None:
        while self._next < len(self._order) and self._over[self._next]:
            self._next += 1
            if self._alarm is not None:
                self._alarm.cancel()
                self._alarm = None
        if self._next >= len(self._order) or self._next in self._begun:
            return
        future = self._waiting.pop(self._next, None)
        if future is not None:
            self._begun.append(self._next)
            future.set_result(None)
        elif self._waiting and self._alarm is None:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(self._patience_s(), self._give_up, self._next)

    def _patience_s(self) -> float:
        """How long to wait for an act that has not come: its own time, and some more."""
        before = self._order[self._next - 1][2] if self._next else self._order[0][2]
        own_ms = self._order[self._next][2] - before
        return float(PLAN["patience_s"]) + min(max(0, own_ms), PLAN["longest_ms"]) / 1_000

    def _give_up(self, index: int) -> None:
        self._alarm = None
        if index == self._next and not self._over[index]:
            self._evidence.note("missing", act=self._order[index][1], by=self._order[index][0])
            self._over[index] = True
            self.skipped += 1
            self._go_on()


class Names:
    """Names that are the same in every run: deliveries by who has sent them, steps by number."""

    def __init__(self) -> None:
        self.runs: dict[str, str] = {}
        self._bases: dict[str, int] = {}
        self._children: dict[str, int] = {}
        self._sent: dict[str, int] = {}
        self._begun: dict[str, int] = {}
        self.copies: dict[str, int] = {}
        """Message → how many deliveries of it have been asked for."""
        self._messages: dict[str, asyncio.Future[str]] = {}

    def run(self, run_id: str) -> str:
        """``run``, ``run.2`` …; ``run:#3`` for one that the body of a step has started."""
        if run_id not in self.runs:
            parent = BODY.get().replace("/", ":")
            number = self._children[parent] = self._children.get(parent, 0) + 1
            label = parent or "run"
            self.runs[run_id] = label if number == 1 else f"{label}.{number}"
        return self.runs[run_id]

    def started(self, run: Any) -> None:
        """From its start on a run draws its ids from a generator that anybody can make again."""
        if run.run_id not in self._bases and run.started_at is not None:
            from vercel.workflow._internal import ulid

            draw = ulid.monotonic_factory(random.Random(run.run_id).random)
            self._bases[run.run_id] = number_of(draw(int(run.started_at.timestamp() * 1_000)))

    def entity(self, run_id: str, correlation_id: str) -> str:
        """``#3``: the third thing that the run has drawn an id for."""
        base = self._bases.get(run_id)
        if base is None:
            return correlation_id
        return f"#{number_of(correlation_id.partition('_')[2]) - base + 1}"

    def where(self, run_id: str, correlation_id: str | None) -> str:
        """`` of #3``, `` of run.2/#3``, `` of run.2``; nothing of the main run."""
        run = self.run(run_id)
        if not correlation_id:
            return "" if run == "run" else f" of {run}"
        entity = self.entity(run_id, correlation_id)
        return f" of {entity}" if run == "run" else f" of {run}/{entity}"

    def message(self, sender: str, part: str) -> str:
        """The name of a message that is sent now."""
        path = f"{sender}/{part}"
        number = self._sent[path] = self._sent.get(path, 0) + 1
        return path if number == 1 else f"{path}.{number}"

    def known(self, name: str) -> bool:
        """Whether somebody has sent it."""
        return name in self.copies

    def bind(self, message_id: str, name: str) -> None:
        """The queue calls it so."""
        future = self._future(message_id)
        if not future.done():
            future.set_result(name)

    async def delivery(self, message_id: str) -> tuple[str, str]:
        """(message, delivery) by the queue's id, which may be known a moment before its name."""
        name = await self._future(message_id)
        number = self._begun[name] = self._begun.get(name, 0) + 1
        return name, name if number == 1 else f"{name}~{number}"

    def _future(self, message_id: str) -> asyncio.Future[str]:
        if message_id not in self._messages:
            self._messages[message_id] = asyncio.get_running_loop().create_future()
        return self._messages[message_id]


def number_of(text: str) -> int:
    """A ULID as a number."""
    number = 0
    for letter in text:
        number = number * len(ALPHABET) + ALPHABET.index(letter)
    return number


def make_world(evidence: Evidence, conductor: Conductor, names: Names) -> Any:
    """The SDK's local world; every call of it is ``super()``'s."""
    from vercel.workflow._internal import world as w
    from vercel.workflow._internal.worlds import local

    planned = PLAN["failed_call"]

    def failure(how: str) -> Exception:
        """What the SDK's client of the hosted service would raise."""
        if how == "throttled":
            return w.ThrottleError("simworld: 429", status=429, retry_after=1)
        if how == "server_error":
            return w.WorkflowWorldError("simworld: 500", status=500)
        return ConnectionError("simworld: the answer is lost")

    class World(local.LocalWorld):
        """A call waits for its turn; a message comes more than once; one call fails."""

        def __init__(self) -> None:
            super().__init__()
            self.at_work = 0
            """Deliveries that are being handled."""

        async def _performed(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
            doing = DOING.get()
            index = await conductor.turn(doing, act)
            try:
                fails = planned is not None and index == planned["index"]
                if fails and planned["how"] != "lost_answer":
                    evidence.note("refused", act=act, how=planned["how"])
                    raise failure(planned["how"])
                result = await call()
                if fails:
                    evidence.note("lost", act=act)
                    raise failure("lost_answer")
                return result
            finally:
                conductor.done(index)

        async def events_create(self, run_id: Any, data: Any) -> Any:
            """``super()`` in its turn, and a line of evidence."""

            async def call() -> Any:
                result = await local.LocalWorld.events_create(self, run_id, data)
                if result.run is not None:
                    names.started(result.run)
                if result.event is not None:
                    event = local._encode_js(local.event_record(result.event))
                    evidence.note("event", event=event, where=names.where(run_id, about))
                return result

            about = getattr(data, "correlation_id", None)
            act = f"record {data.event_type}{names.where(run_id, about)}"
            return await self._performed(act, call)

        async def events_list(self, run_id: str, **kwargs: Any) -> Any:
            """``super()`` in its turn."""
            call = functools.partial(local.LocalWorld.events_list, self, run_id, **kwargs)
            return await self._performed(f"read the log{names.where(run_id, None)}", call)

        async def runs_get(self, run_id: str) -> Any:
            """``super()`` in its turn."""
            where = names.run(run_id)
            act = "read the run" if where == "run" else f"read {where}"
            return await self._performed(
                act, functools.partial(local.LocalWorld.runs_get, self, run_id)
            )

        async def hooks_get_by_token(self, token: str) -> Any:
            """``super()`` in its turn."""
            call = functools.partial(local.LocalWorld.hooks_get_by_token, self, token)
            return await self._performed(f"find the hook of token {token}", call)

        async def queue(self, queue_name: Any, message: Any, **kwargs: Any) -> str:
            """``super()`` in its turn; more than once for a message that comes more than once."""
            step_id = getattr(message, "step_id", None)
            run_id = message.run_id
            part = names.entity(run_id, step_id) if step_id else "flow"
            name = ""

            async def call() -> str:
                nonlocal name
                message_id: str = await local.LocalWorld.queue(self, queue_name, message, **kwargs)
                if not self._is_dropped(message_id):
                    name = names.message(DOING.get(), part)
                    names.copies[name] = 1
                    names.bind(message_id, name)
                evidence.note("sent", message=name, run=run_id, step=step_id or "")
                return message_id

            act = f"send {part}{names.where(run_id, None)}"
            message_id: str = await self._performed(act, call)
            for _ in range(PLAN["copies"].get(name, 0)):
                await self.send_copy(name, queue_name, message, kwargs)
            return message_id

        async def send_copy(self, name: str, queue_name: Any, message: Any, how: Any) -> None:
            """At-least-once: the same message again, without a key that would hold it back."""
            names.copies[name] += 1
            how = {**how, "idempotency_key": None}
            message_id = await local.LocalWorld.queue(self, queue_name, message, **how)
            names.bind(message_id, name)
            evidence.note("copied", message=name)

        def _is_dropped(self, message_id: str) -> bool:
            state = self._embedded_queue_service.server.state
            message = state.by_id.get(message_id)
            return message is not None and message.duplicate_of is not None

        def is_idle(self) -> bool:
            """Nothing is being handled, and nothing will be."""
            service = self._embedded_queue_service
            if service is None:
                return True
            left = (
                each
                for each in service.server.state.messages
                if each.duplicate_of is None and not each.acknowledged_by_consumer
            )
            return not self.at_work and next(left, None) is None

        def create_queue_handler(self, queue_name_prefix: Any, handler: Any) -> Any:
            """``super()`` with a handler that knows which delivery it handles."""

            async def named(message: Any, *, queue_name: Any, message_id: str, **more: Any) -> Any:
                base, name = await names.delivery(message_id)
                DOING.set(name)
                BODY.set("")
                run_id, step = message.get("runId", ""), message.get("stepId") or ""
                part = names.entity(run_id, step) if step else "flow"
                self.at_work += 1
                try:
                    conductor.done(await conductor.turn(name, f"deliver {part}"))
                    evidence.note("delivered", run=run_id, step=step, attempt=more.get("attempt"))
                    result = await handler(
                        message, queue_name=queue_name, message_id=message_id, **more
                    )
                except BaseException as error:
                    evidence.note("raised", error=f"{type(error).__name__}: {error}")
                    if names.copies[base] < PLAN["deliveries"].get(base, 1):
                        body = w.QueuePayloadAdaptor.from_wire(local._decode_js(message))
                        await self.send_copy(base, queue_name, body, {})
                    raise
                finally:
                    self.at_work -= 1
                    if result_is_last(name):
                        conductor.never(functools.partial(is_gone, name))
                return result

            return super().create_queue_handler(queue_name_prefix, named)

    def result_is_last(name: str) -> bool:
        return name != ""

    def is_gone(name: str, doing: str) -> bool:
        """Whether it is this delivery, or one of a message that it has not sent."""
        if doing == name:
            return True
        if not doing.startswith(f"{name}/"):
            return False
        sent = doing[len(name) + 1 :].partition("/")[0].partition("~")[0]
        return not names.known(f"{name}/{sent}") and not sent.startswith("flow")

    return World()


def watch_bodies(registry: Any, evidence: Evidence, conductor: Conductor, names: Names) -> None:
    """Bodies begin and end in their turns, and fail where that was planned."""
    from vercel.workflow import get_step_metadata

    begun: dict[tuple[str, str], int] = {}

    def watched(step: Any) -> Callable[..., Awaitable[Any]]:
        inner = step.func

        @functools.wraps(inner)
        async def body(*args: Any, **kwargs: Any) -> Any:
            told = get_step_metadata()
            entity = names.entity(told.run_id, told.step_id)
            place = f"{names.run(told.run_id)}/{entity}"
            where = names.where(told.run_id, told.step_id).removeprefix(" of ")
            conductor.done(await conductor.turn(DOING.get(), f"begin the body of {where}"))
            BODY.set(place)
            number = begun[told.run_id, told.step_id] = begun.get((told.run_id, told.step_id), 0) + 1
            about = {"run": told.run_id, "step": told.step_id, "number": number}
            evidence.note("began", name=step.name, attempt=told.attempt, **about)
            error = ""
            try:
                if [entity, number] in PLAN["failures"]:
                    raise RuntimeError(f"flake: body {number} of {entity} fails as planned")
                return await inner(*args, **kwargs)
            except Exception as raised:
                error = f"{type(raised).__name__}: {raised}"
                fatal = any(each.__name__ == "FatalError" for each in type(raised).__mro__)
                about["outcome"] = "fatal" if fatal else "error"
                raise
            finally:
                conductor.done(await conductor.turn(DOING.get(), f"end the body of {where}"))
                evidence.note("ended", error=error, **{"outcome": "ok", **about})

        return body

    for step in registry._steps.values():
        step.func = watched(step)


async def be_client(module: Any, runs: list[Any]) -> None:
    """What the client did, call by call."""
    from vercel.workflow._internal import runtime

    for number, (verb, doing, args, kwargs) in enumerate(PLAN["client"]):
        DOING.set(doing)
        if verb == "start":
            name, *given = args
            runs.append(await runtime_start(module, name, given, kwargs))
        elif verb == "sleep":
            await asyncio.sleep(args[0] / 1_000)
        elif verb == "resume_hook":
            await until_there(functools.partial(runtime.resume_hook, *args))
        elif verb == "cancel":
            await stop(runs[args[0]])
        else:
            raise SystemExit(f"call {number} of the client is {verb!r}, which this file cannot do")


async def runtime_start(module: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A new run."""
    from vercel.workflow import start

    return await start(getattr(module, name), *args, **kwargs)


async def stop(run: Any) -> None:
    """End the run; the method's name differs between versions."""
    await (run.terminate() if hasattr(run, "terminate") else run.cancel())


async def until_there(call: Callable[[], Awaitable[Any]]) -> None:
    """Call again while the hook is not there yet."""
    until = time.monotonic() + PLAN["patience_s"]
    while True:
        try:
            await call()
            return
        except Exception as error:
            if "NotFound" not in type(error).__name__ or time.monotonic() > until:
                return
            await asyncio.sleep(0.05)


async def run_once(folder: str, plain: bool) -> int:
    """One run, in a new folder; the exit code."""
    os.environ["WORKFLOW_LOCAL_DATA_DIR"] = os.path.join(folder, "data")
    os.environ.pop("VERCEL_QUEUE_BASE_URL", None)
    from vercel.workflow import Workflows
    from vercel.workflow._internal import runtime, world

    evidence = Evidence(os.path.join(folder, "evidence.jsonl"))
    names = Names()
    conductor = Conductor([] if plain else PLAN["order"], evidence)
    if plain:
        PLAN.update(copies={}, deliveries={}, failed_call=None)
    ours = make_world(evidence, conductor, names)
    world.set_world(ours)
    module = importlib.import_module(PLAN["module"])
    for registry in [each for each in vars(module).values() if isinstance(each, Workflows)]:
        watch_bodies(registry, evidence, conductor, names)
        if getattr(registry, "_http_handler", registry) is None:
            runtime.workflow_entrypoint(registry)  # it was made for another to serve
    runs: list[Any] = []
    client = asyncio.ensure_future(be_client(module, runs))
    drained = await settled(ours, client, conductor, evidence)
    if client.done():
        client.result()
    rows = [await world.LocalWorldRow.of(ours, run) for run in ()]
    del rows
    for run in runs:
        row = await ours.runs_get(run.run_id)
        evidence.note("run", run=run.run_id, status=row.status)
    followed = {"followed": conductor.followed, "skipped": conductor.skipped}
    evidence.note("final", drained=drained, client=client.done(), labels=names.runs, **followed)
    code = await tell(runs, ours, drained, evidence)
    sys.stdout.flush()
    os._exit(code)


async def settled(
    ours: Any, client: asyncio.Future[None], conductor: Conductor, evidence: Evidence
) -> bool:
    """Wait until there is nothing left to do; False: there is, and the time is over."""
    until = time.monotonic() + PLAN["timeout_s"]
    quiet = time.monotonic()
    seen = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        if not (ours.is_idle() and client.done()) or len(evidence.events) != seen:
            quiet, seen = time.monotonic(), len(evidence.events)
        elif time.monotonic() - quiet > QUIET_S:
            return True
    return False


async def tell(runs: list[Any], ours: Any, drained: bool, evidence: Evidence) -> int:
    """What was to be expected, and what was seen."""
    first = runs[0] if runs else None
    row = None if first is None else await ours.runs_get(first.run_id)
    status = "not started" if row is None else row.status
    print(f"vercel-workflow {importlib.metadata.version('vercel-workflow')}, its own local world")
    for line in evidence.events:
        event = line["event"]
        print(f"  {line['at_ms']:6} ms  {event['eventType']}{line['where']}")
    told = ""
    if status in ENDED and first is not None:
        try:
            told = f": {await asyncio.wait_for(first.return_value(), 5)!r}"
        except Exception as error:
            told = f": {type(error).__name__}: {error}"
    print(f"expected: {PLAN['expected']}")
    print(f"seen: {status}{told}")
    if not drained:
        print("seen: there was still something to do when the time was over")
    elif status not in ENDED:
        print("seen: the queue has nothing left to do, and nothing will ever go on")
    good = status == "completed" if PLAN["expected"] == "completed" else status in ENDED
    return 0 if good else 1


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="leave everything to chance")
    parser.add_argument("--folder", help="where data and evidence go (default: a new one)")
    parser.add_argument("--path", action="append", default=[], help="where the module is")
    args = parser.parse_args()
    sys.path[:0] = [*args.path, *PLAN["path"]]
    logging.disable(logging.CRITICAL)
    folder = args.folder or tempfile.mkdtemp(prefix="confirm-")
    try:
        importlib.metadata.version("vercel-workflow")
    except importlib.metadata.PackageNotFoundError:
        print(f"pip install vercel-workflow=={PLAN['version']}", file=sys.stderr)
        return 2
    return asyncio.run(run_once(folder, args.plain))


if __name__ == "__main__":
    sys.exit(main())
