"""The program: its arguments, its commands, and what an error becomes."""

from __future__ import annotations

import argparse
import os
import traceback
from collections.abc import Sequence

from simworld import __version__
from simworld.cli import (
    bench,
    book,
    catalogue,
    check_log,
    confirm,
    explain,
    faults,
    hunt,
    listing,
    replay,
    serve,
    variants,
)
from simworld.cli.common import BROKEN, UNDECIDED, USAGE, Parser, complain
from simworld.errors import ReplayDivergence, UncontrolledNondeterminism, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        args = _parser().parse_args(argv)
        code: int = args.command(args)
    except UsageError as error:
        code = complain(USAGE, f"error: {error}")
    except ReplayDivergence as error:  # the workflow author's mistake
        code = complain(USAGE, f"error: {error}")
    except KeyboardInterrupt:
        code = complain(UNDECIDED, "interrupted")
    except UncontrolledNondeterminism as error:
        code = complain(BROKEN, f"the same seed gave two different traces: {error}")
    except Exception as error:
        if os.environ.get("SIMWORLD_DEBUG") == "1":
            traceback.print_exc()
        code = complain(
            BROKEN,
            f"internal error: {type(error).__name__}: {error} (please report this with the whole "
            "command line; SIMWORLD_DEBUG=1 shows the traceback)",
        )
    return code


def _parser() -> Parser:
    parser = Parser(
        prog="simworld",
        description="Find, shrink, tell and replay races of durable workflow engines, and run "
        "programs on the real thing.",
        epilog="examples:\n  simworld list\n  simworld hunt --trials 2000\n"
        "  simworld replay repros/NAME.json\n  simworld explain repros/NAME.json\n"
        "  simworld variants v2_merge fixed\n\n"
        "exit codes: 0 pass, 1 fail, 2 usage, 3 unknown or not reproduced, 4 simworld itself "
        "failed",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"simworld {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, dest="command_name")
    for each in (
        hunt,
        replay,
        explain,
        confirm,
        catalogue,
        book,
        check_log,
        listing,
        variants,
        faults,
        serve,
        bench,
    ):
        each.add(commands)
    return parser
