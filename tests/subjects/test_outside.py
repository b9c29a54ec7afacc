"""What user code must not do while an engine runs: refused by the line, and never heard."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from simworld.errors import UsageError
from simworld.subjects import open_host
from simworld.subjects.vercel.outside import Outside, Unheard

pytest.importorskip("vercel.workflow", reason="needs the extra 'vercel'")


class Refused(Exception):
    """What is raised here for all that is refused."""


def refuse(what):
    raise Refused(what)


@pytest.fixture
def runs():
    """Whether the engine runs; refused is what blocks while it does."""
    engine = [True]
    outside = Outside(refuse, lambda: engine[0])
    outside.begin()
    yield engine
    outside.end()


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        (lambda: time.sleep(0), "time.sleep"),
        (lambda: socket.create_connection(("localhost", 1)), "socket.getaddrinfo"),
        (lambda: socket.socket().connect(("127.0.0.1", 1)), "socket.connect"),
        (lambda: subprocess.run(["true"], check=False), "subprocess.Popen"),
        (lambda: threading.Thread(target=print).start(), "threading.Thread.start"),
        (lambda: os.system("true"), "os.system"),
    ],
)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_blocks_is_refused_while_the_engine_runs(runs, blocks, told):
    with pytest.raises(Refused, match=f"^{told}$"):
        blocks()


def test_the_harness_around_it_may_do_all_of_that(runs):
    runs[0] = False
    time.sleep(0)
    assert subprocess.run([sys.executable, "-c", ""], check=True).returncode == 0


def test_what_was_taken_is_given_back():
    before = time.sleep, socket.getaddrinfo, subprocess.Popen.__init__
    outside = Outside(refuse, lambda: True)
    outside.begin()
    assert time.sleep is not before[0]
    outside.end()
    assert (time.sleep, socket.getaddrinfo, subprocess.Popen.__init__) == before


def test_nobody_hears_what_is_printed(capfd, monkeypatch):
    monkeypatch.delenv("SIMWORLD_DEBUG", raising=False)
    with Unheard():
        print("out")
        print("err", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes")
    assert capfd.readouterr() == ("", "")


def test_who_looks_for_a_mistake_hears_it_on_stderr(capfd, monkeypatch):
    monkeypatch.setenv("SIMWORLD_DEBUG", "1")
    with Unheard():
        print("out")
    assert capfd.readouterr() == ("", "out\n")


# --- modules that cannot be loaded ----------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A module with this text below its registry."""
    name = tmp_path.name
    text = "from vercel.workflow import Workflows\nflows = Workflows()\n"
    text += textwrap.dedent(request.param)
    text += "\n@flows.workflow\nasync def main() -> str:\n    return ''\n"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.mark.parametrize(
    ("module", "told"),
    [
        ("import sys; sys.exit('no config')", "raises while it is imported: SystemExit: no config"),
        ("import threading; threading.Thread(target=print)", "sandbox of its workflows .nor can"),
    ],
    indirect=["module"],
)
def test_modules_that_cannot_be_imported_say_why(module, told):
    with pytest.raises(UsageError, match=told):
        open_host("vercel-workflow").workflows(module)


def test_a_file_is_told_how_it_is_named():
    with pytest.raises(UsageError, match=r"as Python imports it: shop\.flows$"):
        open_host("vercel-workflow").workflows("shop/flows.py")
