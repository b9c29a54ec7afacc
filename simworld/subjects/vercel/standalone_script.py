"""The second half of the stand-alone script: the SDK's world, the bodies and the clients.

``standalone`` puts it behind the first half, ``standalone_turns``; what that has is imported here
only for those who read and check this file.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import importlib
import importlib.metadata
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import vercel.queue as vqs
from vercel.workflow import Workflows, get_step_metadata, start
from vercel.workflow._internal import runtime
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import local
from vercel.workflow._internal.worlds import vercel as hosted_module

from simworld.subjects.vercel.standalone_turns import (
    BODY,
    DOING,
    ENDED,
    ENDS,
    PLAN,
    QUIET_S,
    Conductor,
    Evidence,
    Names,
)

hosted: Any = hosted_module


def failure(how: str, *, of_queue: bool) -> Exception:
    """What the SDK gets to see: a full disk, or what its clients of the hosted service raise."""
    if of_queue and how == "lost_answer":
        return vqs.CommunicationError("no answer")
    if of_queue and how == "throttled":
        return vqs.ThrottledError(1)
    if of_queue:
        return vqs.InternalServerError("503")
    if PLAN["errors"] == "local":
        return OSError("no space left on device")
    if how == "lost_answer":
        silence: Exception = hosted.httpx.ReadTimeout("no answer")
        return silence
    if how == "throttled":
        return w.ThrottleError("429", status=429, retry_after=1)
    return w.WorkflowWorldError("503", status=503)


class World(local.LocalWorld):
    """The SDK's local world: a call waits for its turn, a message comes more than once, one call
    fails; all else is ``super()``'s."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        super().__init__()
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._at_work = 0
        """Deliveries that are being handled."""
        self._failed: dict[str, bool] = {}
        """Message that comes back in a minute → whether a copy of it came at once."""

    async def _performed(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Cancelled while it waits, it is carried out all the same: only its answer took long."""
        under_way = asyncio.ensure_future(self._in_turn(act, call))
        under_way.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(under_way)

    async def _in_turn(self, act: str, call: Callable[[], Awaitable[Any]]) -> Any:
        index = await self._conductor.turn(DOING.get(), act)
        how = PLAN["fails"].get(str(index), "")
        try:
            if how and how != "lost_answer":
                self._evidence.note("refused", act=act, how=how)
                raise failure(how, of_queue=act.startswith("send "))
            result = await call()
            if how:
                self._evidence.note("lost", act=act)
                raise failure(how, of_queue=act.startswith("send "))
            return result
        finally:
            self._conductor.done(index)

    async def events_create(self, run_id: Any, data: Any) -> Any:
        """``super()`` in its turn, and a line of evidence."""
        about = getattr(data, "correlation_id", None)
        unborn = f"run of {DOING.get()}"
        where = self._names.where(run_id or unborn, about)

        async def call() -> Any:
            result: Any = await local.LocalWorld.events_create(self, run_id, data)
            if run_id is None:  # before 0.10 it was the world that named a run
                self._names.runs[result.event.server_props.run_id] = self._names.runs.pop(unborn)
            if result.event is not None:
                record = local._encode_js(local.event_record(result.event))
                run_id_of = result.event.server_props.run_id
                self._evidence.note("event", event=record, where=where, run=run_id_of)
            return result

        return await self._performed(f"record {data.event_type}{where}", call)

    async def events_list(self, run_id: str, **kwargs: Any) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.events_list, self, run_id, **kwargs)
        return await self._performed(f"read the log{self._names.where(run_id, None)}", call)

    async def runs_get(self, run_id: str) -> Any:
        """``super()`` in its turn."""
        run = self._names.run(run_id)
        act = "read the run" if run == "run" else f"read {run}"
        return await self._performed(act, functools.partial(self.row, run_id))

    async def row(self, run_id: str) -> Any:
        """The run's row, whoever's turn it is."""
        return await local.LocalWorld.runs_get(self, run_id)

    async def hooks_get_by_token(self, token: str) -> Any:
        """``super()`` in its turn."""
        call = functools.partial(local.LocalWorld.hooks_get_by_token, self, token)
        return await self._performed(f"find the hook of token {token}", call)

    async def queue(self, queue_name: Any, message: Any, **kwargs: Any) -> str:
        """``super()`` in its turn; once more for each further delivery in the plan."""
        run_id, step_id = message.run_id, getattr(message, "step_id", None) or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"

        async def call() -> str:
            message_id: str = await local.LocalWorld.queue(self, queue_name, message, **kwargs)
            name = ""
            if not self._is_dropped(message_id):
                name = self._names.message(DOING.get(), part)
                self._names.bind(message_id, name)
            self._evidence.note("sent", message=name, run=run_id, step=step_id)
            for _ in range(PLAN["copies"].get(name, 0)):
                await self._send_copy(name, queue_name, message, kwargs, again=False)
            return message_id

        act = f"send {part}{self._names.where(run_id, None)}"
        return str(await self._performed(act, call))

    async def _send_copy(
        self, name: str, queue_name: Any, message: Any, how: Any, *, again: bool
    ) -> None:
        """At least once: the same message, without a key that would hold it back; ``again``: since
        its delivery has failed."""
        how = {**how, "idempotency_key": None}
        message_id = await local.LocalWorld.queue(self, queue_name, message, **how)
        self._names.bind(message_id, name)
        self._evidence.note("copied", message=name, again=again)

    def _is_dropped(self, message_id: str) -> bool:
        """Whether the queue knows it already, by its key and what it says."""
        service: Any = self._embedded_queue_service
        message = service.server.state.by_id.get(message_id)
        return message is not None and message.duplicate_of is not None

    def is_idle(self, *, all_ended: bool) -> bool:
        """Nothing is being handled, and nothing that matters waits for that."""
        service: Any = self._embedded_queue_service
        messages = [] if service is None else service.server.state.messages
        left = (
            each
            for each in messages
            if each.duplicate_of is None
            and not each.acknowledged_by_consumer
            and not self._failed.get(each.message_id, False)
            and not (all_ended and each.message_id in self._failed)
        )
        return not self._at_work and next(left, None) is None

    def create_queue_handler(self, queue_name_prefix: Any, handler: Any) -> Any:
        """``super()`` with a handler that knows which delivery it handles."""

        async def named(message: Any, **told: Any) -> Any:
            base, name = await self._names.delivery(told["message_id"])
            DOING.set(name)
            BODY.set("")
            self._at_work += 1
            try:
                return await self._handled(name, handler, message, told)
            except BaseException as error:
                told_error = f"{type(error).__name__}: {error}"
                self._evidence.note("raised", error=told_error, run=message.get("runId", ""))
                self._conductor.never(functools.partial(self._is_gone, name))
                again = self._names.copies[base] < PLAN["deliveries_max"]
                self._failed[told["message_id"]] = again
                if again:  # the queue's own delivery would come in a minute
                    adaptor: Any = w.QueuePayloadAdaptor
                    read = getattr(adaptor, "from_wire", None) or adaptor.validate_python
                    body = read(message)
                    await self._send_copy(base, told["queue_name"], body, {}, again=True)
                raise
            finally:
                self._at_work -= 1

        return super().create_queue_handler(queue_name_prefix, named)

    async def _handled(self, name: str, handler: Any, message: Any, told: Any) -> Any:
        run_id, step_id = message.get("runId", ""), message.get("stepId") or ""
        part = self._names.entity(run_id, step_id) if step_id else "flow"
        self._conductor.done(await self._conductor.turn(name, f"deliver {part}"))
        attempt = told["attempt"]
        self._evidence.note("delivered", run=run_id, step=step_id, attempt=attempt)
        result = await handler(message, **told)
        if result is None:  # else it sends a message yet
            self._conductor.never(functools.partial(self._is_gone, name))
        return result

    def _is_gone(self, name: str, doing: str) -> bool:
        """Whether it is this delivery, or one of a message that it has not sent."""
        if not doing.startswith(f"{name}/"):
            return doing == name
        part = doing[len(name) + 1 :].partition("/")[0].partition("~")[0]
        return f"{name}/{part}" not in self._names.copies


class Bodies:
    """Bodies begin and end in their turns, and fail where that was planned."""

    def __init__(self, evidence: Evidence, conductor: Conductor, names: Names) -> None:
        self._evidence = evidence
        self._conductor = conductor
        self._names = names
        self._begun: dict[str, int] = {}

    def watch(self, registry: Any) -> None:
        """The user's functions, not the SDK's: each is wrapped where it is registered."""
        for step in registry._steps.values():
            if PLAN["max_retries"] is not None:
                step.max_retries = PLAN["max_retries"]
            step.func = self._watched(step.name, step.func)

    def _watched(self, name: str, inner: Callable[..., Awaitable[Any]]) -> Any:
        @functools.wraps(inner)
        async def body(*args: Any, **kwargs: Any) -> Any:
            told = get_step_metadata()
            where = self._names.where(told.run_id, told.step_id).removeprefix(" of ")
            await self._take_turn(f"begin the body of {where}")
            BODY.set(f"{self._names.run(told.run_id)}/{where.rpartition('/')[2]}")
            number = self._begun[where] = self._begun.get(where, 0) + 1
            about: dict[str, Any] = {"run": told.run_id, "step": told.step_id, "number": number}
            self._evidence.note("began", name=name, attempt=told.attempt, **about)
            outcome, error = "ok", ""
            try:
                if [where, number] in PLAN["failures"]:
                    raise RuntimeError(f"flake: body {number} of {where} fails as planned")
                return await inner(*args, **kwargs)
            except Exception as raised:
                fatal = any(each.__name__ == "FatalError" for each in type(raised).__mro__)
                outcome, error = "fatal" if fatal else "error", f"{type(raised).__name__}: {raised}"
                raise
            finally:
                await self._take_turn(f"end the body of {where}")
                self._evidence.note("ended", outcome=outcome, error=error, **about)

        return body

    async def _take_turn(self, act: str) -> None:
        self._conductor.done(await self._conductor.turn(DOING.get(), act))


class Client:
    """What the clients did, call by call."""

    def __init__(self, module: Any, world: World, names: Names) -> None:
        self._module = module
        self._world = world
        self._names = names
        self.runs: list[Any] = []
        self.cancelled: set[str] = set()

    async def act(self) -> None:
        """All clients side by side, each one call after the other."""
        clients: dict[str, list[list[Any]]] = {}
        for doing, *call in PLAN["client"]:
            clients.setdefault(doing, []).append(call)
        await asyncio.gather(*[self._one(each, calls) for each, calls in clients.items()])

    async def _one(self, doing: str, calls: list[list[Any]]) -> None:
        DOING.set(doing)
        BODY.set("")
        for verb, *given in calls:
            await getattr(self, verb)(*given)

    async def start(self, workflow: str, args: list[Any], kwargs: dict[str, Any]) -> None:
        """A new run."""
        self.runs.append(await start(getattr(self._module, workflow), *args, **kwargs))

    async def sleep(self, duration_ms: int) -> None:
        """Let time pass, but no more than has passed until the failure showed."""
        await asyncio.sleep(min(duration_ms, PLAN["longest_ms"]) / 1_000)

    async def resume_hook(self, token: str, payload: Any) -> None:
        """Send a payload to a hook, once it is there."""
        until = time.monotonic() + PLAN["patience_s"]
        while True:
            try:
                await runtime.resume_hook(token, payload)
                return
            except Exception as error:
                if "NotFound" not in type(error).__name__ or time.monotonic() > until:
                    return
            await asyncio.sleep(0.05)

    async def cancel(self, number: int) -> None:
        """End a run; the method's name differs between versions."""
        run = await self._run(number)
        self.cancelled.add(run.run_id)
        try:
            await (run.terminate() if hasattr(run, "terminate") else run.cancel())
        except Exception as error:
            print(f"cancel: {type(error).__name__}: {error}")

    async def result(self, number: int) -> None:
        """Wait for a run's end."""
        run = await self._run(number)
        while (await self._world.row(run.run_id)).status not in ENDED:
            await asyncio.sleep(0.05)

    async def _run(self, number: int) -> Any:
        while len(self.runs) <= number:
            await asyncio.sleep(0.05)
        return self.runs[number]


async def run_once(folder: str) -> int:
    """One run, in a folder of its own; the exit code."""
    os.environ["WORKFLOW_LOCAL_DATA_DIR"] = os.path.join(folder, "data")
    os.environ.pop("VERCEL_QUEUE_BASE_URL", None)
    evidence, names = Evidence(os.path.join(folder, "evidence.jsonl")), Names()
    conductor = Conductor(PLAN["order"], evidence)
    world = World(evidence, conductor, names)
    w.set_world(world)
    try:
        module = importlib.import_module(PLAN["module"])
    except ModuleNotFoundError as error:
        print(f"{error}: go to the folder that {PLAN['module']} is in, or name it with --path DIR")
        return 2
    bodies = Bodies(evidence, conductor, names)
    for registry in [each for each in vars(module).values() if isinstance(each, Workflows)]:
        bodies.watch(registry)
        if not world._queue_callbacks:
            runtime.workflow_entrypoint(registry)  # somebody else was to serve it
    client = Client(module, world, names)
    acting = asyncio.ensure_future(client.act())
    drained = await settled(world, client, acting, evidence)
    if acting.done():
        acting.result()
    for run in client.runs:
        row = await world.row(run.run_id)
        evidence.note("run", run=run.run_id, status=row.status)
    evidence.note(
        "final",
        drained=drained,
        acted=acting.done(),
        runs=names.runs,
        followed=conductor.followed,
        skipped=conductor.skipped,
    )
    code = await tell(client, world, drained, evidence)
    sys.stdout.flush()
    os._exit(code)  # a delivery that has failed would come back in a minute, and is not awaited


async def settled(
    world: World, client: Client, acting: asyncio.Future[Any], evidence: Evidence
) -> bool:
    """Wait until there is nothing left to do; False: there is, and the time is over."""
    until = time.monotonic() + PLAN["timeout_s"]
    quiet = time.monotonic()
    seen = 0
    while time.monotonic() < until:
        await asyncio.sleep(0.05)
        ended = [each["event"]["eventType"] in ENDS for each in evidence.events]
        all_ended = 0 < len(client.runs) <= sum(ended) and acting.done()
        if not world.is_idle(all_ended=all_ended) or len(evidence.events) != seen:
            quiet, seen = time.monotonic(), len(evidence.events)
        elif time.monotonic() - quiet > QUIET_S + PLAN["longest_ms"] / 1_000 * (not acting.done()):
            return True
    return False


async def tell(client: Client, world: World, drained: bool, evidence: Evidence) -> int:
    """What was to be expected, and what was seen."""
    first = client.runs[0] if client.runs else None
    status = "not started" if first is None else (await world.row(first.run_id)).status
    print(f"vercel-workflow {importlib.metadata.version('vercel-workflow')}, its own local world")
    for line in evidence.events:
        kind = line["event"]["eventType"]
        at_ms = line["at_ms"] - evidence.events[0]["at_ms"]
        print(f"  {at_ms:6} ms  {kind}{line['where']}")
    told = ""
    if status in ENDED and first is not None:
        try:
            told = f": {await asyncio.wait_for(first.return_value(), 5)!r}"
        except Exception as error:
            told = f": {type(error).__name__}: {error}"
    expected = expected_of(first, client, evidence)
    print(f"expected: {' or '.join(expected)}, and nothing after that")
    print(f"seen: {status}{told}")
    for each in evidence.after.broken:
        print(f"seen: {each}")
    if not drained:
        print("seen: there was still something to do when the time was over")
    elif status not in ENDED:
        print("seen: the queue has nothing left to do, so nothing will ever go on")
    return 0 if status in expected and not evidence.after.broken else 1


def expected_of(first: Any, client: Client, evidence: Evidence) -> list[str]:
    """How the first run should end: as its client says, if that came first, else as planned."""
    if first is not None and first.run_id in client.cancelled:
        for line in evidence.events:
            kind = line["event"]["eventType"]
            if line["run"] == first.run_id and kind in ENDS:
                return ["cancelled"] if kind == "run_cancelled" else list(PLAN["expected"])
        return ["cancelled"]
    return list(PLAN["expected"])


def main() -> int:
    """Run it once."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--plain", action="store_true", help="no order, duplicate or failed call")
    parser.add_argument("--folder", help="where data and evidence go (default: a new one)")
    parser.add_argument("--path", action="append", default=[], help="where the module is, too")
    args = parser.parse_args()
    sys.path[:0] = [*args.path, os.path.dirname(os.path.abspath(__file__)), os.getcwd()]
    logging.disable(logging.CRITICAL)
    if args.plain:
        PLAN.update(order=[], copies={}, deliveries_max=0, fails={})
    return asyncio.run(run_once(args.folder or tempfile.mkdtemp(prefix="confirm-")))


if __name__ == "__main__":
    sys.exit(main())
