"""``simworld serve``: every bad input is one line and exit 2.  What it does is in tests/service."""

from __future__ import annotations

import socket
import sys

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from simworld import cli
from simworld.cli.serve import system
from simworld.engine import FAST, REPAIRED
from simworld.errors import UsageError
from simworld.service import Settings

PROGRAM = "tests.service.programs:program"
UNREADY = ["--program", PROGRAM, "--port", "0", "--ready-file", "/proc/ready"]
"""A worker that opens its world, and ends because it cannot say so."""


def told(capsys, *argv):
    """The one line of a command that is refused."""
    code = cli.main(["serve", *argv])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1), err
    return err


def test_help_has_examples(capsys):
    with pytest.raises(SystemExit):
        cli.main(["serve", "--help"])
    shown = capsys.readouterr().out
    assert "simworld serve --world local:state --program orders:program" in shown
    assert "postgres:postgresql://" in shown


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ("state", "'state' is no world; a world is local:DIR"),
        ("local:", "'local:' is no world"),
        ("lokal:state", "unknown world 'lokal'; did you mean local"),
        ("redis:x", "'redis'; known: local, local-4x, local-pr, postgres, postgres-merged"),
        ("hosted:x", "'hosted:…' is no world"),
    ],
)
def test_what_is_no_world(capsys, world, why):
    assert why in told(capsys, "--world", world, "--program", PROGRAM, "--port", "0")


@pytest.mark.parametrize("world", ["memory", "local:state", "postgres:dbname=orders"])
def test_a_worker_is_as_quick_as_one_inside_of_a_program(world):
    told_world, settings = system(world)
    quick = Settings()
    assert told_world == world
    assert settings.engine == quick.engine == FAST
    kind = world.partition(":")[0]
    if kind != "memory":
        assert getattr(settings, kind) == getattr(quick, kind)


def test_any_knob_of_a_worker_can_be_changed():
    world, settings = system("local:state", "fixed", ["local_commits=each", "lease_ms=1000"])
    assert (world, settings.local.local_commits, settings.local.local_memory) == (
        "local:state",
        "each",
        True,
    )
    assert (settings.engine.commits, settings.engine.lease_ms) == ("each", 1_000)


@pytest.mark.parametrize("world", ["local-pr", "local-4x", "postgres-merged"])
def test_a_world_as_it_was_before_has_the_repaired_engine(world):
    ground = world.partition("-")[0]
    told_world, settings = system(f"{world}:there")
    assert (told_world, settings.engine) == (f"{ground}:there", REPAIRED)
    with pytest.raises(UsageError, match="use commits=each"):
        system(f"{world}:there", "fast")


@pytest.mark.parametrize(
    ("program", "why"),
    [
        ("orders", "--program takes module:name, not 'orders'"),
        (":program", "--program takes module:name"),
        ("no_such_module:program", "cannot import 'no_such_module': ModuleNotFoundError"),
        ("tests/orders.py:program", "name the module, without .py"),
        ("tests.service.programs:prog", "has no 'prog'; its programs: program"),
        ("tests.service.programs:sequence", "is a workflow, without its steps"),
        ("tests.service.programs:trio", "is no program: it is a module"),
    ],
)
def test_what_is_no_program(capsys, program, why):
    assert why in told(capsys, "--world", "memory", "--program", program)


@pytest.mark.parametrize(
    "text", ["1 / 0", "raise SystemExit(3)", "import nowhere", "def broken(:"], ids=str.split
)
def test_a_module_that_cannot_be_imported(capsys, tmp_path, monkeypatch, text):
    (tmp_path / "broken_orders.py").write_text(text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    said = told(capsys, "--world", "memory", "--program", "broken_orders:program")
    assert "cannot import 'broken_orders'" in said
    assert ("broken_orders.py:1" in said) == (text != "def broken(:")


def test_a_port_that_is_taken(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = told(capsys, "--world", "memory", "--program", PROGRAM, "--port", port)
    assert f"cannot listen on 127.0.0.1, port {port}: Address already in use" in said


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["--port", "70000"], "there is no port 70000"),
        (["--host", "no.such.host.invalid", "--insecure"], "cannot listen on no.such.host.invalid"),
        (["--port", "x"], "invalid int value"),
        (["--host", "0.0.0.0", "--port", "0"], "can be reached from other machines"),
        (["--secret-file", "nowhere.txt"], "cannot read the secret file 'nowhere.txt'"),
        (["--variant", "fixd"], "unknown variant 'fixd'; did you mean fixed"),
        (["--set", "lease=1"], "unknown knob 'lease'"),
        (["--set", "lease_ms=soon"], "takes a whole number"),
        (["--set", "publish=beside_create"], "commits=together records several events"),
        (["--workers", "-1"], "workers"),
        (["--grace-s", "-1"], "--grace-s is not in 0"),
        (["--job-lease-s", "-1"], "--job-lease-s is not in 0"),
        (["--grace-s", "nan"], "--grace-s is not in 0"),
    ],
)
def test_options_that_make_no_sense(capsys, argv, why):
    assert why in told(capsys, "--world", "memory", "--program", PROGRAM, *argv)


@pytest.mark.parametrize("content", [b"", b"\n", b"two\nlines", b"\xff", "né".encode()])
def test_secrets_that_are_none(capsys, tmp_path, content):
    (tmp_path / "secret").write_bytes(content)
    said = told(
        capsys, "--world", "memory", "--program", PROGRAM, "--secret-file", str(tmp_path / "secret")
    )
    assert "secret" in said


def test_a_ready_file_that_cannot_be_written(capsys):
    assert "cannot write the ready file" in told(capsys, "--world", "memory", *UNREADY)


def test_a_ready_file_in_a_folder_that_is_not_there_leaves_no_world(capsys, tmp_path):
    ready = ["--ready-file", f"{tmp_path}/nowhere/ready"]
    given = ["--world", f"local:{tmp_path}/state", "--program", PROGRAM, "--port", "0"]
    assert f"there is no folder '{tmp_path}/nowhere'" in told(capsys, *given, *ready)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "world",
    [
        "postgres:postgresql://me:hunter2@127.0.0.1:1/x",
        "postgres:hunter2",
        "postgresql://me:hunter2@127.0.0.1:1/x",
        "host=127.0.0.1 password=hunter2",
        "host=127.0.0.1 password=hunter2:x",
    ],
)
def test_no_password_is_told(capsys, world):
    assert "hunter2" not in told(capsys, "--world", world, "--program", PROGRAM, "--port", "0")


def test_worlds_of_files_that_cannot_be_used(capsys, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "simworld-world").write_text("simworld world, version 0, layout slots\n")
    for where in ("file", "file/below", "old"):
        said = told(
            capsys, "--world", f"local:{tmp_path}/{where}", "--program", PROGRAM, "--port", "0"
        )
        assert str(tmp_path) in said
    assert [each.name for each in (tmp_path / "old").iterdir()] == ["simworld-world"]


def test_another_layout_of_files(capsys, tmp_path):
    world = f"{tmp_path}/state"
    assert cli.main(["serve", "--world", f"local:{world}", *UNREADY]) == 2
    capsys.readouterr()
    assert "layout" in told(capsys, "--world", f"local-pr:{world}", *UNREADY)


@pytest.mark.parametrize(
    "dsn", ["no such thing", "host=/nowhere dbname=x", "postgresql://127.0.0.1:1/x"]
)
def test_databases_that_cannot_be_reached(capsys, dsn):
    said = told(capsys, "--world", f"postgres:{dsn}", "--program", PROGRAM, "--port", "0")
    assert "DSN" in said


def test_a_database_with_another_schema(capsys, pg_dsn):
    assert cli.main(["serve", "--world", f"postgres:{pg_dsn}", *UNREADY]) == 2
    capsys.readouterr()
    said = told(capsys, "--world", f"postgres-merged:{pg_dsn}", *UNREADY)
    assert "the database holds schema" in said


@pytest.fixture
def role(pg_dsn):
    """(a command of the owner, the DSN of another role that may only connect)."""
    with psycopg.connect(pg_dsn, autocommit=True) as owner:
        name = f"guest_{owner.info.dbname}"
        owner.execute(f"CREATE ROLE {name} LOGIN")
        owner.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        yield owner.execute, name, make_conninfo(pg_dsn, user=name)
        owner.execute(f"DROP OWNED BY {name}")
        owner.execute(f"DROP ROLE {name}")


def test_a_role_that_may_not_create_tables(capsys, role):
    _, _, dsn = role
    said = told(capsys, "--world", f"postgres:{dsn}", "--program", PROGRAM, "--port", "0")
    assert "the role may not create the world's tables" in said
    assert "empty" not in said


@pytest.mark.parametrize("rights", ["", "SELECT"])
def test_a_role_that_may_not_write(capsys, role, pg_dsn, rights):
    do, name, dsn = role
    assert cli.main(["serve", "--world", f"postgres:{pg_dsn}", *UNREADY]) == 2
    capsys.readouterr()
    if rights:
        do(f"GRANT {rights} ON ALL TABLES IN SCHEMA public TO {name}")
    said = told(capsys, "--world", f"postgres:{dsn}", *UNREADY)
    assert "grant it SELECT, INSERT, UPDATE and DELETE" in said
    do(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
    assert "cannot write the ready file" in told(capsys, "--world", f"postgres:{dsn}", *UNREADY)


def test_a_database_that_takes_no_writes(capsys, role, pg_dsn):
    do, name, dsn = role
    do(f"ALTER ROLE {name} SET default_transaction_read_only = on")
    said = told(capsys, "--world", f"postgres:{dsn}", *UNREADY)
    assert "the database takes no writes" in said


def test_a_database_of_something_else(capsys, pg_dsn):
    with psycopg.connect(pg_dsn, autocommit=True) as owner:
        owner.execute("CREATE TABLE runs (id int)")
    said = told(capsys, "--world", f"postgres:{pg_dsn}", *UNREADY)
    assert "holds tables of something else" in said
    assert said.count("empty") == 1
