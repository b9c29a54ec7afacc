"""Several versions of a subject, hunted side by side: each in its own environment and process.

Every version is hunted by this same command in another process; what it has shown comes back as
its JSON.  Ctrl-C is passed on, so that each of them keeps what it has.
"""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import attrs

from simworld.cli.common import BROKEN, FAILED, OK, UNDECIDED, USAGE, complain
from simworld.cli.subject import Wanted, from_module
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.render import Output, VersionRow

WORST = (OK, UNDECIDED, FAILED, USAGE, BROKEN)
"""Exit codes, the worst one last."""
GOODBYE_S = 60.0
"""How long a process may take to shrink and save what it has found, after Ctrl-C."""


@attrs.define(eq=False)
class _Hunt:
    """One version, and the process that hunts it."""

    wanted: Wanted
    python: Path
    folder: str
    """Where its repros go."""
    told: Path
    """Its JSON."""
    process: subprocess.Popen[str] | None = None
    errors: list[str] = attrs.Factory(list)
    """What it has said on stderr."""

    @property
    def code(self) -> int:
        """Its exit code; of one that a signal other than Ctrl-C has ended, that of a harness that
        is broken."""
        code = UNDECIDED if self.process is None else self.process.wait()
        if code == -signal.SIGINT:  # before it could say so itself
            return UNDECIDED
        return code if code in WORST else BROKEN

    @property
    def document(self) -> dict[str, Any]:
        """What it has told; nothing where it got nowhere."""
        try:
            found: dict[str, Any] = json.loads(self.told.read_bytes())
        except (OSError, ValueError):
            return {"results": [], "unjudged": []}
        return found


def hunt_versions(args: argparse.Namespace, wanted: Sequence[Wanted]) -> int:
    """Hunt each of them in its environment; one table of all, and the worst exit code."""
    from simworld.render import Output, check_targets, versions_json, versions_table

    _check(args)
    out = Output(args.json)
    out.say(f"seed {args.seed}")
    check_targets(args.json, args.save)
    named = [_named(each) for each in wanted]
    from_module(args, named[0].name)
    with tempfile.TemporaryDirectory(prefix="simworld-") as place:
        hunts = [_hunt(args, each, Path(place), out) for each in named]
        out.say(f"hunting {', '.join(map(str, named))} side by side, repros to {args.save}/VERSION")
        interrupted = _run(args, hunts)
        rows = [row for hunt in hunts for row in _rows(hunt)]
        if rows:
            out.say(f"\n{versions_table(rows, width=out.width, color=out.color)}")
        for hunt in hunts:
            _tell(args, out, hunt)
        if args.json:
            out.write_json(versions_json({hunt.wanted.version: hunt.document for hunt in hunts}))
        out.finish()
        codes = [hunt.code for hunt in hunts] + ([UNDECIDED] if interrupted else [])
    return max(codes, key=WORST.index)


def _check(args: argparse.Namespace) -> None:
    """``UsageError`` for what is about one hunt of one engine."""
    for option, value in (("--known", args.known), ("--junit", args.junit)):
        if value:
            raise UsageError(
                f"{option} is about one version of a subject; hunt them one by one (--subject "
                "NAME==VERSION in the environment that has it)"
            )


def _named(wanted: Wanted) -> Wanted:
    """With the version that is installed, if none was asked for."""
    from simworld.subjects import installed_version

    return Wanted(wanted.name, wanted.version or installed_version(wanted.name))


def _hunt(args: argparse.Namespace, wanted: Wanted, place: Path, out: Output) -> _Hunt:
    from simworld.subjects import python_of

    python = python_of(wanted.name, wanted.version, Path(args.subjects_dir), out.say)
    folder = f"{wanted.name}-{wanted.version}"
    return _Hunt(wanted, python, str(Path(args.save) / folder), place / f"{folder}.json")


# --- the processes --------------------------------------------------------------------------------


def _run(args: argparse.Namespace, hunts: Sequence[_Hunt]) -> bool:
    """Run them all, saying what each says on the way; whether Ctrl-C has ended that."""
    listeners = []
    try:
        for hunt in hunts:
            hunt.process = subprocess.Popen(
                [str(hunt.python), "-m", "simworld.cli", *_command(args, hunt)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C reaches each of them once, from here
            )
            listener = threading.Thread(target=_listen, args=(hunt, hunt.process.stderr))
            listener.start()
            listeners.append(listener)
        for listener in listeners:
            listener.join()
    except KeyboardInterrupt:
        _end(hunts)
        return True
    finally:
        for hunt in hunts:
            if hunt.process is not None and hunt.process.poll() is None:
                hunt.process.wait()
    return False


def _listen(hunt: _Hunt, stream: IO[str] | None) -> None:
    assert stream is not None
    with stream:
        for line in stream:
            hunt.errors.append(line.rstrip())
            print(f"{hunt.wanted.version}: {line.rstrip()}", file=sys.stderr, flush=True)


def _end(hunts: Sequence[_Hunt]) -> None:
    """Let each of them show what it has; who takes too long, or at another Ctrl-C, is killed."""
    running = [each.process for each in hunts if each.process is not None]
    for process in running:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    try:
        for process in running:
            process.wait(GOODBYE_S)
    except (subprocess.TimeoutExpired, KeyboardInterrupt):
        for process in running:
            process.kill()


def _command(args: argparse.Namespace, hunt: _Hunt) -> list[str]:
    """What the other process is asked for: the same as this one, of its own version."""
    command = ["hunt", *args.names, "--subject", str(hunt.wanted)]
    for option, values in (("--world", args.world), ("--set", args.set), ("--fault", args.fault)):
        command += [piece for value in values or () for piece in (option, value)]
    for option, value in (
        ("--case", args.case),
        ("--scenarios", args.scenarios),
        ("--trials", args.trials),
        ("--seconds", args.seconds),
        ("--explorer", args.explorer),
        ("--seed", args.seed.commit or args.seed.number),
        ("--jobs", args.jobs),
        ("--save", hunt.folder),
        ("--json", hunt.told),
    ):
        command += [option, str(value)] if value not in (None, "") else []
    command += ["--expect"] if args.expect else []
    return command + (["--run-twice"] if args.run_twice else [])


# --- what they have shown -------------------------------------------------------------------------


def _rows(hunt: _Hunt) -> list[VersionRow]:
    from simworld.render import VersionRow

    document = hunt.document
    rows = [
        VersionRow(
            result["scenario"],
            f"{hunt.wanted.name} {hunt.wanted.version}",
            result["world"],
            " ".join(filter(None, (result["verdict"], result["law"], result["reason"]))),
            result["trials"],
            tuple(dict.fromkeys(each["signature"] for each in result["anomalies"])),
        )
        for result in document["results"]
    ]
    return rows + [
        VersionRow(
            each["scenario"], f"{hunt.wanted.name} {hunt.wanted.version}", "", each["reason"], 0, ()
        )
        for each in document["unjudged"]
    ]


def _tell(args: argparse.Namespace, out: Output, hunt: _Hunt) -> None:
    """How to replay what was found in a version; why there is nothing of it."""
    document = hunt.document
    if not document["results"] and not document["unjudged"]:
        complain(0, f"{hunt.wanted} has shown nothing (exit code {hunt.code})")
        return
    findings = [
        each
        for result in document["results"]
        for each in result["anomalies"]
        if isinstance(each["repro"], str)
    ]
    if findings:
        smallest = min(findings, key=lambda each: int(each["moves_after"]))
        where = ["--scenarios", args.scenarios] if args.scenarios and not args.module else []
        words = [str(hunt.python), "-m", "simworld.cli", "replay", smallest["repro"], *where]
        out.say(f"{hunt.wanted}: {smallest['message']}\n  {shlex.join(words)}")
