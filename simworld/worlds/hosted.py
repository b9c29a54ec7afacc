"""The hosted world: the atomic world on a server, reached through a wire (spec §2).

Creates are performed by the server, each in one step.  Reads of rows and logs may be answered by a
replica: it shows a run as it was some commits ago, or without one of its newest events; a run's
first commit is everywhere.  A page's cursor is that of the last event it shows, so a reader who was
shown a hole never sees what belongs there (R-13, R-24, R-45).  Tokens are looked up on the server.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from simworld.engine import Event, Fact, HookRow, RunRow
from simworld.marks import reached
from simworld.ports import (
    Answer,
    BatchFact,
    Chunks,
    Page,
    Replica,
    Request,
    StreamInfo,
    Streams,
    Wire,
)
from simworld.records import HostedProfile
from simworld.worlds.atomic import AtomicWorld


class _Version(NamedTuple):
    """A run as it was right after one of its commits."""

    row: RunRow
    log: Sequence[Event]


class HostedWorld:
    """``ports.Storage``; ``server`` is used by nobody else."""

    def __init__(self, wire: Wire, *, server: AtomicWorld, profile: HostedProfile) -> None:
        self._wire = wire
        self._server = server
        self._kept = profile.lag_max + 1
        self._versions: dict[str, deque[_Version]] = {}
        """Run id → its newest versions, the last one as it is now."""

    async def create(self, run_id: str, fact: Fact) -> Answer:
        """See ``ports.Storage``."""
        request = Request("create", run_id, fact=fact, writes=True)
        return await self._wire.call(request, partial(self._create, run_id, fact))

    async def _create(self, run_id: str, fact: Fact, _: Replica) -> Answer:
        answer = await self._server.create(run_id, fact)
        if answer.event is not None:
            self._committed(run_id)
        return answer

    def _committed(self, run_id: str) -> None:
        server = self._server
        versions = self._versions.setdefault(run_id, deque(maxlen=self._kept))
        versions.append(_Version(server.runs[run_id], tuple(server.logs[run_id])))

    async def append(
        self, run_id: str, facts: Sequence[BatchFact], *, after: int | None = None
    ) -> Sequence[Answer]:
        """See ``ports.Storage``; one request, and one commit."""

        async def append(_: Replica) -> Sequence[Answer]:
            answers = await self._server.append(run_id, facts, after=after)
            self._committed(run_id)
            return answers

        request = Request("append", run_id, facts=tuple(facts), writes=True)
        return await self._wire.call(request, append)

    async def wait_end(self, run_id: str, timeout_ms: int) -> None:
        """See ``ports.Storage``; it is the server that waits."""

        async def wait(_: Replica) -> None:
            await self._server.wait_end(run_id, timeout_ms)

        await self._wire.call(Request("wait for the end", run_id, waits=True), wait)

    async def events(self, run_id: str, cursor: str | None = None) -> Page:
        """See ``ports.Storage``; by a replica."""
        request = Request("events", run_id)
        return await self._wire.call(request, partial(self._events, run_id, cursor))

    async def _events(self, run_id: str, cursor: str | None, replica: Replica) -> Page:
        if run_id not in self._versions or not (replica.lag or replica.hole):
            return await self._server.events(run_id, cursor)
        log = self._as_of(run_id, replica.lag).log
        if 0 < replica.hole < len(log):
            reached("read.holed")
            missing = len(log) - replica.hole
            log = (*log[:missing], *log[missing + 1 :])
        return self._server.page(log, cursor)

    def _as_of(self, run_id: str, lag: int) -> _Version:
        """The run as it was ``lag`` commits ago, but not before its first one."""
        versions = self._versions[run_id]
        if lag and len(versions) > 1:
            reached("read.stale")
        return versions[max(0, len(versions) - 1 - lag)]

    async def run(self, run_id: str) -> RunRow:
        """See ``ports.Storage``; by a replica."""
        return await self._wire.call(Request("run", run_id), partial(self._run, run_id))

    async def _run(self, run_id: str, replica: Replica) -> RunRow:
        if run_id not in self._versions or not replica.lag:
            return await self._server.run(run_id)
        return self._as_of(run_id, replica.lag).row

    async def hook(self, token: str) -> HookRow:
        """See ``ports.Storage``."""

        async def find(_: Replica) -> HookRow:
            return await self._server.hook(token)

        return await self._wire.call(Request("hook", name=token), find)

    async def active_runs(self) -> Sequence[str]:
        """See ``ports.Storage``."""

        async def find(_: Replica) -> Sequence[str]:
            return await self._server.active_runs()

        return await self._wire.call(Request("active runs"), find)


class HostedStreams:
    """``ports.Streams`` on a server; a live read waits there, however long it takes."""

    def __init__(self, wire: Wire, *, server: Streams) -> None:
        self._wire = wire
        self._server = server

    async def write(self, run_id: str, name: str, chunks: Sequence[bytes]) -> None:
        """See ``ports.Streams``."""

        async def write(_: Replica) -> None:
            await self._server.write(run_id, name, chunks)

        await self._wire.call(Request("write to stream", run_id, name, writes=True), write)

    async def close(self, run_id: str, name: str) -> None:
        """See ``ports.Streams``."""

        async def close(_: Replica) -> None:
            await self._server.close(run_id, name)

        await self._wire.call(Request("close stream", run_id, name, writes=True), close)

    async def read(self, run_id: str, name: str, start: int, *, live: bool) -> Chunks:
        """See ``ports.Streams``."""

        async def read(_: Replica) -> Chunks:
            return await self._server.read(run_id, name, start, live=live)

        verb = "follow stream" if live else "read stream"
        return await self._wire.call(Request(verb, run_id, name, waits=live), read)

    async def info(self, run_id: str, name: str) -> StreamInfo:
        """See ``ports.Streams``."""

        async def info(_: Replica) -> StreamInfo:
            return await self._server.info(run_id, name)

        return await self._wire.call(Request("look at stream", run_id, name), info)

    async def names(self, run_id: str) -> Sequence[str]:
        """See ``ports.Streams``."""

        async def names(_: Replica) -> Sequence[str]:
            return await self._server.names(run_id)

        return await self._wire.call(Request("list the streams", run_id), names)
