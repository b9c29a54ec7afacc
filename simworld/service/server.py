"""The process: a worker that listens on HTTP until it is told to stop."""

from __future__ import annotations

import ipaddress
import os
import pathlib
import signal
import socket
from collections.abc import AsyncIterator
from functools import partial

import attrs
import hypercorn.trio
import msgspec
import trio
from hypercorn.config import Config

from simworld.engine import Program
from simworld.errors import UsageError
from simworld.service.asgi import AsgiApp
from simworld.service.flow import flow_app
from simworld.service.log import ServiceLog
from simworld.service.opening import Settings, shown_world
from simworld.service.worker import PORT, Worker, working

GRACE_S = 30.0
PORT_MAX = 65_535


@attrs.frozen
class ServeOptions:
    """Everything ``simworld serve`` can be told."""

    world: str
    program: Program
    settings: Settings = attrs.Factory(Settings)
    host: str = "127.0.0.1"
    port: int = PORT
    """0: any that is free."""
    secret: str = ""
    insecure: bool = False
    """Listen to other machines without a secret."""
    grace_s: float = GRACE_S
    """How long what is under way may take to end once the worker is to stop."""
    ready_file: str = ""
    """Written when the worker is ready, with its address and process id as JSON."""
    log: ServiceLog = attrs.Factory(ServiceLog)


def listen(host: str, port: int, *, secret: str, insecure: bool) -> socket.socket:
    """A socket that listens; ``UsageError`` where that is not to be had, or not safe."""
    if not (secret or insecure or _is_loopback(host)):
        raise UsageError(
            f"{host} can be reached from other machines: give the worker a secret "
            "(--secret-file FILE), or say --insecure"
        )
    if not 0 <= port <= PORT_MAX:
        raise UsageError(f"there is no port {port}; ports are 0 (any that is free) to {PORT_MAX}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"cannot listen on {host}, port {port}: {error.strerror}; choose others with --host "
            "and --port"
        ) from error


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def serve(options: ServeOptions) -> None:
    """Run a worker until SIGTERM or SIGINT; a second one ends it at once."""
    try:
        await _serve(options)
    except ExceptionGroup as group:
        raise _only(group) from None


def _only(error: Exception) -> Exception:
    """The error itself, where a group has one."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def _serve(options: ServeOptions) -> None:
    _check_ready(options.ready_file)
    sock = listen(options.host, options.port, secret=options.secret, insecure=options.insecure)
    address, port = sock.getsockname()[:2]
    url = f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
    with sock, trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        opening = working(
            options.world, options.program, settings=options.settings, log=options.log
        )
        async with opening as worker, trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, signals, worker, options, nursery.cancel_scope)
            await nursery.start(partial(serve_app, worker_app(worker, options), sock))
            if options.ready_file:
                _write_ready(options.ready_file, url)
            options.log.say(
                "worker ready",
                url=url,
                world=shown_world(options.world),
                recovered=worker.recovered,
            )


def worker_app(worker: Worker, options: ServeOptions) -> AsgiApp:
    """The routes of a worker, as it is served."""
    return flow_app(
        worker.handler,
        workflows=worker.program.workflows,
        log=options.log,
        queue=worker.queue,
        knows=worker.knows,
        health=worker.health,
        secret=options.secret,
    )


async def serve_app(
    app: AsgiApp,
    sock: socket.socket,
    *,
    task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer HTTP requests on a socket until cancelled."""
    config = Config()
    config.bind = [f"fd://{os.dup(sock.fileno())}"]
    config.errorlog = None
    config.graceful_timeout = 1
    await hypercorn.trio.serve(app, config, task_status=task_status)  # type: ignore[arg-type]


async def _stop_on_signal(
    signals: AsyncIterator[int],
    worker: Worker,
    options: ServeOptions,
    scope: trio.CancelScope,
) -> None:
    log = options.log
    name = signal.Signals(await anext(signals)).name
    log.say("worker stopping", signal=name, grace_s=options.grace_s, **worker.health())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_stop_at_once, signals, log, scope)
        ended = await worker.stop(options.grace_s)
        nursery.cancel_scope.cancel()
    log.say("worker stopped", cut_off=0 if ended else worker.health()["active"])
    scope.cancel()


async def _stop_at_once(
    signals: AsyncIterator[int], log: ServiceLog, scope: trio.CancelScope
) -> None:
    await anext(signals)
    log.say("worker stops at once")
    scope.cancel()


def _check_ready(path: str) -> None:
    """Told before there is a world that nobody will use."""
    folder = pathlib.Path(path).parent
    if path and not folder.is_dir():
        raise UsageError(
            f"cannot write the ready file {path!r}: there is no folder {str(folder)!r}"
        )


def _write_ready(path: str, url: str) -> None:
    """Whole or not at all: whoever waits for the file reads it as soon as it is there."""
    text = msgspec.json.encode({"url": url, "pid": os.getpid()})
    unfinished = pathlib.Path(f"{path}.{os.getpid()}")
    try:
        unfinished.write_bytes(text)
        unfinished.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write the ready file {path!r}: {error.strerror}") from error
