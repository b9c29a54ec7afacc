"""Who takes part: worlds, engines and fronts by their names, and peers, as processes to start."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import partial

import attrs

from simworld.benchmark.fronts import check_front
from simworld.benchmark.real import GROUNDS
from simworld.benchmark.rounds import Contestant, worker_command
from simworld.campaign import place_named, preset
from simworld.errors import UsageError, unknown_name
from simworld.records import IN_PROCESS, VIRTUAL, Contender
from simworld.substrates import PrivateServer

POSTGRES = "postgres"


@attrs.frozen
class Peer:
    """Somebody else's engine.  A module of workloads lists its own: ``peers = (Peer(…),)``."""

    name: str
    world: str
    command: tuple[str, ...]
    """What Python is called with; ``{folder}`` is one of its own, ``{dsn}`` a database, ``{sync}``
    on or off."""

    @property
    def contender(self) -> Contender:
        """As tables show it."""
        return Contender(self.world, self.name)

    @property
    def wants_database(self) -> bool:
        """Whether it has to be given one."""
        return any("{dsn}" in word for word in self.command)


def contenders_of(
    worlds: Sequence[str], engines: Sequence[str], fronts: Sequence[str]
) -> list[Contender]:
    """All that these go together to; ``UsageError`` with the nearest name for one nobody knows."""
    virtual = [world for world in worlds if _is_virtual(world)]
    for engine in engines:
        preset(engine)
    for front in fronts:
        check_front(front)
    others = [front for front in fronts if front != IN_PROCESS]
    if others and len(virtual) == len(worlds):
        raise UsageError(
            f"front {others[0]} needs a real world (memory, local, postgres): in virtual time "
            "there is no HTTP"
        )
    return [
        Contender(world, engine, front)
        for world in worlds
        for engine in engines
        for front in ([IN_PROCESS] if world in virtual else fronts)
    ]


def _is_virtual(world: str) -> bool:
    """``UsageError`` unless it is a world that can be measured."""
    if world.startswith(VIRTUAL):
        place_named(world.removeprefix(VIRTUAL))
        return True
    kind, colon, where = world.partition(":")
    if kind not in GROUNDS:
        known = [*GROUNDS, "sim:atomic", "sim:local", "sim:postgres"]
        raise unknown_name("world", world, known)
    if colon and (kind == "memory" or not where):
        raise UsageError(f"world {world!r} names no place; a place is local:DIR or postgres:DSN")
    return False


class Places:
    """Where contenders keep what they keep: folders, and databases of a private server."""

    def __init__(self, folder: pathlib.Path, stack: contextlib.ExitStack, *, sync: bool) -> None:
        self._folder = folder
        self._stack = stack
        self._server: PrivateServer | None = None
        self._count = 0
        self.sync = sync

    def folder(self, below: str = "") -> pathlib.Path:
        """A new one, below another if it has to be there."""
        self._count += 1
        made = pathlib.Path(below or self._folder) / f"bench-{self._folder.name}-{self._count}"
        try:
            made.mkdir(parents=True)
        except OSError as error:
            raise UsageError(
                f"no folder can be made in {below or self._folder} ({error.strerror}); name one "
                "that may be written to: local:DIR"
            ) from error
        self._stack.callback(shutil.rmtree, made, ignore_errors=True)
        return made

    def database(self, dsn: str = "") -> str:
        """The DSN of a new database, as durable as is asked for; of a given server, or our own.

        Contenders that shared one would take each other's messages.
        """
        if dsn:
            self._count += 1
            name = f"simworld_bench_{os.getpid()}_{self._count}"
            return self._stack.enter_context(_database_beside(dsn, name, sync=self.sync))
        if self._server is None:
            self._server = self._stack.enter_context(PrivateServer(durable=self.sync))
        return self._server.new_database()

    @property
    def word(self) -> str:
        """``on`` or ``off``."""
        return "on" if self.sync else "off"


@attrs.frozen
class Entry:
    """One who takes part: a process to start, or why there can be none."""

    contender: Contender
    contestant: Contestant | None
    reason: str = ""


def entries_of(
    contenders: Sequence[Contender], peers: Sequence[Peer], places: Places, workloads: str | None
) -> Iterator[Entry]:
    """All of them, our own first."""
    made = [(shown(each), partial(_own, each, places, workloads)) for each in contenders]
    made += [(each.contender, partial(_peer, each, places)) for each in peers]
    for contender, make in made:
        try:
            yield Entry(contender, Contestant(contender, make()))
        except UsageError as error:
            yield Entry(contender, None, str(error))


def shown(contender: Contender) -> Contender:
    """As tables may show it: a DSN may hold a password."""
    kind, colon, _ = contender.world.partition(":")
    if kind == POSTGRES and colon:
        return attrs.evolve(contender, world="postgres (given)")
    return contender


def _own(contender: Contender, places: Places, workloads: str | None) -> list[str]:
    kind, _, where = contender.world.partition(":")
    world = kind
    if kind == "local":
        world = f"local:{places.folder(where)}"
    elif kind == POSTGRES:
        world = f"postgres:{places.database(where)}"
    options = ["--world", world, "--engine", contender.engine, "--front", contender.front]
    options += ["--sync", places.word, *(["--workloads", workloads] if workloads else [])]
    return worker_command(*options)


def _peer(peer: Peer, places: Places) -> list[str]:
    dsn = places.database() if peer.wants_database else ""
    given = {"folder": str(places.folder()), "dsn": dsn, "sync": places.word}
    return [sys.executable, *(word.format_map(given) for word in peer.command)]


@contextlib.contextmanager
def _database_beside(dsn: str, name: str, *, sync: bool) -> Iterator[str]:
    """A new database on the server of ``dsn``, gone afterwards; its DSN."""
    try:
        import psycopg  # noqa: PLC0415  (an extra)
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415
    except ImportError as error:
        raise UsageError("psycopg is missing: pip install 'simworld[postgres]'") from error
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
    except psycopg.Error as error:
        raise UsageError(
            f"each contender needs a database of its own on the given server, and none could be "
            f"created ({type(error).__name__}); name a user who may"
        ) from error
    options = {} if sync else {"options": "-c synchronous_commit=off"}
    try:
        yield make_conninfo(dsn, dbname=name, **options)
    finally:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
