"""What all commands share: exit codes, the parser, one line for every bad input."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.campaign import Scenario

OK, FAILED, USAGE, UNDECIDED, BROKEN = 0, 1, 2, 3, 4


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


def scenarios_of(where: str | None) -> dict[str, Scenario]:
    """The scenarios found there, those that are hunted only by their names included."""
    from simworld.campaign import load_scenarios

    return load_scenarios(where, deep=True)
