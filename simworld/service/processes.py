"""Worker processes of one's own: started, killed, started again, stopped."""

from __future__ import annotations

import pathlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import trio

from simworld.errors import UsageError

START_S = 60.0
"""A worker that is not ready after so long never will be."""
POLL_S = 0.05


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class WorkerProcess:
    """``simworld serve`` as a child process, at the same address however often it is started."""

    def __init__(self, options: Sequence[str], log: pathlib.Path, port: int = 0) -> None:
        self._port = port or free_port()
        self._options = options
        self._log = log
        self._process: trio.Process | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process that runs now."""
        assert self._process is not None
        return self._process.pid

    @property
    def runs(self) -> bool:
        """It has been started and has not ended."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it; what it says is added to the log."""
        command = [sys.executable, "-m", "simworld.cli", "serve", *self._options]
        with self._log.open("ab") as log:
            self._process = await trio.lowlevel.open_process(
                [*command, "--port", str(self._port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    async def ready(self) -> None:
        """Wait until it answers; ``UsageError`` if it ends before, or takes too long."""
        async with httpx.AsyncClient(trust_env=False) as client:
            with trio.move_on_after(START_S):
                while self.runs:
                    try:
                        if (await client.get(f"{self.url}/health")).status_code == 200:
                            return
                    except httpx.TransportError:
                        pass
                    await trio.sleep(POLL_S)
        said = self._log.read_text(errors="replace").splitlines()[-3:]
        raise UsageError(f"the worker at {self.url} does not get ready: {' '.join(said)}")

    async def kill(self) -> None:
        """SIGKILL; returns once it is gone."""
        assert self._process is not None
        self._process.kill()
        await self._process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return await self._process.wait()


@asynccontextmanager
async def worker_processes(
    count: int, options: Sequence[str], folder: pathlib.Path
) -> AsyncIterator[list[WorkerProcess]]:
    """So many workers that are ready; none of them is left behind, whatever happens."""
    hands = [WorkerProcess(options, folder / f"worker-{number}.log") for number in range(count)]
    try:
        for hand in hands:
            await hand.start()
        for hand in hands:
            await hand.ready()
        yield hands
    finally:
        with trio.CancelScope(shield=True):
            for hand in hands:
                if hand.runs:
                    await hand.kill()
