"""What all commands share: exit codes, the parser, one line for every bad input."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from simworld.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from simworld.campaign import Scenario
    from simworld.records import Repro

OK, FAILED, USAGE, UNDECIDED, BROKEN = 0, 1, 2, 3, 4

T = TypeVar("T")


class Parser(argparse.ArgumentParser):
    """Reports bad arguments as every other bad input is reported: in one line."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[Parser]  # the only name argparse gives it


def add_command(commands: Commands, name: str, *, short: str, long: str, epilog: str) -> Parser:
    """A command with what every command has."""
    command = commands.add_parser(
        name,
        help=short,
        description=long,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_argument(
        "--json", metavar="FILE", help="write the outcome as JSON; - for stdout, and only that"
    )
    return command


def add_scenarios(command: Parser) -> None:
    """The option that says where scenarios come from."""
    command.add_argument(
        "--scenarios",
        metavar="WHERE",
        help="folder, file or module (default: ./scenarios, else installed ones)",
    )


def whole_number(text: str) -> int:
    """An option's value of at least 1."""
    return _whole(text, 1)


def jobs_number(text: str) -> int:
    """How many processes; 0 stands for one per core."""
    return 0 if text == "auto" else _whole(text, 0)


def _whole(text: str, least: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"takes a whole number of at least {least}, not {text!r}")
    return value


def complain(code: int, line: str) -> int:
    """One line on stderr, whatever the message looked like; the code again."""
    print(f"simworld: {' '.join(line.split())}", file=sys.stderr)
    return code


def chosen(known: Mapping[str, T], only: str, what: str) -> dict[str, T]:
    """Those of ``known`` that ``--only`` names (all, if it names none); ``UsageError`` for others.

    ``what`` they are: an entry, a page.
    """
    if not known:
        raise UsageError(f"there is no {what} here; name a folder that has one with --scenarios")
    names = [each.strip() for each in only.split(",") if each.strip()]
    for name in names:
        if name not in known:
            raise unknown_name(what, name, known)
    return {name: known[name] for name in dict.fromkeys(names or known)}


def write_report(path: Path, text: str) -> None:
    """Write a page, in a folder that is made if need be; ``UsageError`` where that fails."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write --report {path}: {error.strerror}") from error


def scenarios_of(where: str | None, repro: Repro | None = None) -> dict[str, Scenario]:
    """The scenarios found there, those that are hunted only by their names included.

    Of a ``repro`` that was found in a module of workflows: that module's, if nobody says where.
    """
    from simworld.campaign import load_scenarios

    if where is None and repro is not None:
        where = repro.origin or None
    return load_scenarios(where, deep=True)
