"""What the command line and the ini file say about scenarios; an option wins over its ini value."""

from __future__ import annotations

import pathlib
from typing import TYPE_CHECKING, NamedTuple

import pytest

from simworld.entropy import seed_of
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.records import Repro

TRIALS = 200
SAVED = ".simworld"
OPTIONS = (
    ("trials", "N", f"trials of each scenario, variant and world; default {TRIALS}", TRIALS),
    ("seed", "SEED", "a whole number or a commit hash; default 0", 0),
    ("world", "NAMES", "where scenarios run, commas between; default atomic", "atomic"),
    ("save", "DIR", f"where repros of failures go; default {SAVED}", SAVED),
)
"""Name, metavar, help and default; each is an ini value, too."""


class Settings(NamedTuple):
    """How scenarios are run."""

    trials: int
    """Per item."""
    seed: int
    worlds: tuple[str, ...]
    replay: Repro | None
    """All there is to run."""
    save: pathlib.Path
    """Where repros go."""


SETTINGS = pytest.StashKey[Settings]()


def add_options(parser: pytest.Parser) -> None:
    """Declare them."""
    group = parser.getgroup("simworld", "simworld: scenarios of durable workflows")
    for name, metavar, text, default in OPTIONS:
        group.addoption(f"--simworld-{name}", metavar=metavar, help=text)
        parser.addini(f"simworld_{name}", text, default=str(default))
    group.addoption(
        "--simworld-replay",
        metavar="FILE",
        help="run nothing but this repro, on the scenario of its name; passes when it runs clean",
    )


def replay_name(scenario: str) -> str:
    """The name of the item that replays a repro of this scenario."""
    return f"{scenario}[replay]"


def settings_of(config: pytest.Config) -> Settings:
    """What they say; ``pytest.UsageError`` where that makes no sense."""
    here, replay = config.invocation_params.dir, config.getoption("--simworld-replay")
    save = config.getoption("--simworld-save")
    return Settings(
        _trials(_value(config, "trials")),
        _seed(_value(config, "seed")),
        _worlds(_value(config, "world")),
        _repro(here / replay) if replay else None,
        here / save if save else config.rootpath / _value(config, "save"),
    )


def _value(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"--simworld-{name}")
    return str(config.getini(f"simworld_{name}") if given is None else given).strip()


def _trials(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise pytest.UsageError(f"simworld-trials takes a whole number from 1, not {text!r}")
    return int(text)


def _seed(text: str) -> int:
    try:
        return seed_of(text)
    except ValueError as error:
        raise pytest.UsageError(f"simworld-seed {error}") from error


def _worlds(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(each.strip() for each in text.split(",")))
    if names != ("atomic",):  # only who asks for another one pays for the import
        from simworld.campaign import as_variant

        try:
            for name in names:
                as_variant(name)
        except UsageError as error:
            raise pytest.UsageError(f"simworld-world: {error}") from error
    return names


def _repro(path: pathlib.Path) -> Repro:
    from simworld.campaign import load_repro

    try:
        return load_repro(path)
    except UsageError as error:
        raise pytest.UsageError(f"simworld-replay: {error}") from error
