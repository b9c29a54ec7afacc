"""``simworld serve``: a worker that runs a program on a real world."""

from __future__ import annotations

import argparse
import importlib
import pathlib
import sys
import traceback
from typing import TYPE_CHECKING

from simworld.cli.common import OK
from simworld.errors import UsageError, unknown_name

SECONDS_MAX = 1e9

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simworld.cli.common import Commands
    from simworld.engine import Program
    from simworld.service import ServeOptions, Settings


def add(commands: Commands) -> None:
    """The command and its options."""
    serve = commands.add_parser(
        "serve",
        help="run a program for real, on files or PostgreSQL",
        description="Run a worker: it takes the messages of a world's runs and works on them,\n"
        "until SIGTERM or Ctrl-C; a second one ends it at once.",
        epilog="examples:\n"
        "  simworld serve --world local:state --program orders:program\n"
        "  simworld serve --world postgres:postgresql://me@host/orders --program orders:program\n"
        "  simworld serve --world local:state --program orders:program --host 0.0.0.0 "
        "--secret-file secret.txt\n\n"
        "routes: POST /flow (one delivery), POST /messages (into the queue), GET /health",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    serve.add_argument("--world", required=True, metavar="WORLD", help="local:DIR or postgres:DSN")
    serve.add_argument(
        "--program",
        required=True,
        metavar="MODULE:NAME",
        help="the program, as made by Program.of(workflow, *steps)",
    )
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    serve.add_argument("--port", type=int, metavar="N", help="default: 8338; 0: any that is free")
    serve.add_argument(
        "--secret-file", metavar="FILE", help="callers have to send its content as a bearer token"
    )
    serve.add_argument(
        "--insecure", action="store_true", help="listen to other machines without a secret"
    )
    serve.add_argument(
        "--workers", type=int, metavar="N", help="deliveries at a time (default: the world's own)"
    )
    serve.add_argument(
        "--variant",
        default="",
        metavar="NAME",
        help="preset of the engine's knobs (default: fast; fixed on worlds as they were before)",
    )
    serve.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KNOB=VALUE",
        help="change one knob, for example lease_ms=60000; may be repeated",
    )
    serve.add_argument(
        "--log", choices=("text", "json"), default="text", help="form of the log on stderr"
    )
    serve.add_argument(
        "--grace-s",
        type=float,
        default=30.0,
        metavar="S",
        help="how long steps under way may take to end after SIGTERM (default: 30)",
    )
    serve.add_argument(
        "--job-lease-s",
        type=float,
        default=30.0,
        metavar="S",
        help="how long a message in PostgreSQL is its worker's own, if that dies (default: 30)",
    )
    serve.add_argument(
        "--ready-file", metavar="FILE", help="written when ready: address and process id, as JSON"
    )
    serve.set_defaults(command=_serve)


def _serve(args: argparse.Namespace) -> int:
    try:
        import trio

        from simworld.service import serve
    except ImportError as error:
        raise UsageError(
            f"serve needs {error.name}; install it with: pip install 'simworld[service]'"
        ) from error
    trio.run(serve, _options(args))
    return OK


def _options(args: argparse.Namespace) -> ServeOptions:
    import attrs

    from simworld.service import PORT, ServeOptions, ServiceLog

    for option, value in (("--grace-s", args.grace_s), ("--job-lease-s", args.job_lease_s)):
        if not 0 <= value < SECONDS_MAX:
            raise UsageError(f"{option} is not in 0…{SECONDS_MAX:.0f}: {value}")
    knobs = args.set if args.workers is None else [*args.set, f"workers={args.workers}"]
    world, settings = system(args.world, args.variant, knobs)
    return ServeOptions(
        world=world,
        program=load_program(args.program),
        settings=attrs.evolve(settings, job_lease_ms=int(args.job_lease_s * 1_000)),
        host=args.host,
        port=PORT if args.port is None else args.port,
        secret=_secret(args.secret_file),
        insecure=args.insecure,
        grace_s=args.grace_s,
        ready_file=args.ready_file or "",
        log=ServiceLog(form=args.log),
    )


def system(world: str, name: str = "", knobs: Sequence[str] = ()) -> tuple[str, Settings]:
    """What a worker runs: the world without the name of its preset, and all knobs.

    ``name``: the engine's preset; empty: the one that a real worker runs on such a world.
    """
    import attrs

    from simworld.campaign import PLACES, check_together, placed, preset, with_knob
    from simworld.service import Settings
    from simworld.worlds import TABLE_QUEUE

    kind, colon, where = world.partition(":")
    quick, place = Settings(), None
    if colon and kind.replace("-", "").isalnum():  # else it is told when it is opened
        if kind not in PLACES:
            real = [each for each, one in PLACES.items() if one.ground in ("local", "postgres")]
            raise unknown_name("world", kind, real)
        place = PLACES[kind]
    variant = preset(name or ("fast" if place is None or place.repaired else "fixed"))
    if place is not None:
        variant, world = placed(variant, kind), f"{place.ground}:{where}"
        if place.ground == "postgres":  # the other one cannot be had in a table
            variant = attrs.evolve(variant, queue=TABLE_QUEUE)
        if place.repaired:
            variant = attrs.evolve(variant, local=quick.local, postgres=quick.postgres)
    for knob in knobs:
        variant = with_knob(variant, knob)
    check_together(variant)
    return world, Settings(
        engine=variant.engine,
        queue=variant.queue,
        world=variant.world,
        local=variant.local,
        postgres=variant.postgres,
    )


def _secret(path: str | None) -> str:
    """The first line of the file; an empty secret would be none."""
    if path is None:
        return ""
    try:
        secret = pathlib.Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the secret file {path!r}: {error}") from error
    if not secret or not secret.isascii() or not secret.isprintable():
        raise UsageError(f"the secret in {path!r} is not a line of ASCII text")
    return secret


def load_program(where: str) -> Program:
    """The program that ``module:name`` names; the module may lie in the current directory."""
    from simworld.engine import Program, Workflow

    module_name, colon, name = where.partition(":")
    if not (colon and module_name and name):
        raise UsageError(f"--program takes module:name, not {where!r}")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the author's code: it may fail in any way
        why = f"{type(error).__name__}: {error}{_raised_at(error)}"
        if module_name.endswith(".py"):
            why += "; name the module, without .py"
        raise UsageError(f"cannot import {module_name!r}: {why}") from error
    program = getattr(found, name, None)
    if isinstance(program, Program):
        return program
    if isinstance(program, Workflow):
        raise UsageError(
            f"{where} is a workflow, without its steps; make a program of them: "
            f"program = Program.of({name}, *steps), and name that"
        )
    if program is None:
        known = [key for key, value in vars(found).items() if isinstance(value, Program)]
        hint = f"; its programs: {', '.join(known)}" if known else ""
        raise UsageError(f"module {module_name} has no {name!r}{hint}")
    raise UsageError(f"{where} is no program: it is a {type(program).__name__}")


def _raised_at(error: BaseException) -> str:
    """`` (at orders.py:3)``, if that is a line of a module and not of the import itself."""
    frames = list(traceback.extract_tb(error.__traceback__))
    if isinstance(error, SyntaxError):
        return ""
    if isinstance(error, ImportError):  # an import hook may be the innermost
        frames = [each for each in frames if "import" not in each.name] or frames
    frame = frames[-1]
    if frame.filename.startswith("<frozen"):
        return ""
    return f" (at {frame.filename}:{frame.lineno})"
