"""The private server: private, unprivileged, and gone whatever became of who started it."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

import psycopg
import pytest

from simworld.errors import UsageError
from simworld.substrates import PrivateServer, pg_server

STARTER = """
import sys
from simworld.substrates import PrivateServer
with PrivateServer(durable=False) as server:
    print(server.dsn, flush=True)
    sys.stdin.read()
"""


def folder_of(dsn):
    return pathlib.Path(psycopg.conninfo.conninfo_to_dict(dsn)["host"])


def asked(dsn, question):
    with psycopg.connect(dsn) as connection:
        return connection.execute(question).fetchone()[0]


def owner_of_process(pid):
    return os.stat(f"/proc/{pid}").st_uid


def test_it_is_private_and_unprivileged(pg_server, pg_dsn):
    folder = folder_of(pg_dsn)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert asked(pg_dsn, "SHOW listen_addresses") == ""
    pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
    assert owner_of_process(pid) != 0


def test_each_database_is_fresh_or_a_copy(pg_server):
    first = pg_server.new_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE thing AS SELECT 7 AS n")
        name = connection.info.dbname
    assert asked(pg_server.new_database(), "SELECT to_regclass('thing')") is None
    assert asked(pg_server.new_database(template=name), "SELECT n FROM thing") == 7


def test_commits_are_durable_unless_the_caller_says_otherwise(pg_server):
    assert asked(pg_server.dsn, "SHOW fsync") == "off"
    with PrivateServer() as server:
        folder = folder_of(server.dsn)
        assert asked(server.dsn, "SHOW fsync") == "on"
    assert not folder.exists()
    with pytest.raises(UsageError, match="not running"):
        server.new_database()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_it_is_gone_after_whoever_started_it(how):
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with starter:
        folder = folder_of(starter.stdout.readline())
        pid = (folder / "data" / "postmaster.pid").read_text().split()[0]
        starter.send_signal(how)
        starter.wait()
    until = time.monotonic() + 20
    while folder.exists() or pathlib.Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until, "the server outlived who started it"
        time.sleep(0.02)


@pytest.mark.slow
def test_binaries_in_a_folder_of_roots_own_are_copied_to_where_the_server_may_run(
    monkeypatch, tmp_path
):
    """As in a container, where root has everything, this package included, at home."""
    (place,) = importlib.util.find_spec(pg_server.PIPED).submodule_search_locations
    package, own = pathlib.Path(place), tmp_path / "own"
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(package / "pginstall", own / package.name / "pginstall")
    if libraries.is_dir():
        shutil.copytree(libraries, own / libraries.name)
    own.chmod(0o700)
    monkeypatch.setattr(pg_server, "_binaries", lambda: [own / package.name / "pginstall" / "bin"])
    monkeypatch.setattr(tempfile, "tempdir", str(own))
    with PrivateServer(durable=False) as server:
        assert asked(server.new_database(), "SELECT 1") == 1


def test_without_a_server_the_error_says_what_was_tried(monkeypatch, tmp_path):
    (tmp_path / "initdb").write_text("#!/bin/sh\necho no such locale >&2; exit 1\n")
    (tmp_path / "initdb").chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    monkeypatch.setattr(pg_server, "_binaries", lambda: [tmp_path])
    with pytest.raises(UsageError, match=r"install PostgreSQL.*no such locale"):
        PrivateServer().__enter__()
