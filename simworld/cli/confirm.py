"""``simworld confirm``: show a finding in another engine for real, without any simulation."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    FAILED,
    UNDECIDED,
    add_command,
    add_scenarios,
    complain,
    scenarios_of,
    whole_number,
)
from simworld.errors import DidNotReproduce, UsageError

if TYPE_CHECKING:
    from simworld.cli.common import Commands
    from simworld.records import Confirmation, Repro
    from simworld.render import Output

ATTEMPTS = 5
TIMEOUT_S = 60


def add(commands: Commands) -> None:
    """The command and its options."""
    confirm = add_command(
        commands,
        "confirm",
        short="show a finding in another engine without simulation",
        long="Turn the repro of a finding in another engine into a stand-alone script: the\n"
        "unmodified engine on its own world, its own queue and the real clock. Run it several\n"
        "times, each time in a process of its own, and judge what it shows by the same law.\n"
        "The script does only what contracts allow: calls take a while, messages are delivered\n"
        "more than once, one call fails. Some attempts leave everything to chance: no order, no\n"
        "duplicate, no failed call. What the workload plans stays in all of them: which bodies\n"
        "fail, and how often a step may be tried again.",
        epilog="examples:\n  simworld confirm repros/NAME.json\n"
        "  simworld confirm repros/NAME.json --attempts 20 --keep shown\n\n"
        "verdicts: confirmed (k of n attempts), simulated only (needs X, or not tried), world\n"
        "contract (a fault that breaks a promise of its own world)\n\n"
        "exit codes: 1 confirmed, 3 simulated only, world contract, or the schedule can no longer\n"
        "be followed",
    )
    confirm.add_argument("repro", metavar="REPRO", help="a file that hunt --subject has saved")
    confirm.add_argument(
        "--attempts",
        type=whole_number,
        default=ATTEMPTS,
        metavar="N",
        help=f"how often the script is run (default: {ATTEMPTS})",
    )
    confirm.add_argument(
        "--timeout",
        type=whole_number,
        default=TIMEOUT_S,
        metavar="S",
        help=f"how long one attempt may take, in seconds (default: {TIMEOUT_S})",
    )
    confirm.add_argument(
        "--keep",
        metavar="DIR",
        help="keep the script and what every attempt has written down",
    )
    add_scenarios(confirm)
    confirm.set_defaults(command=_confirm)


def _confirm(args: argparse.Namespace) -> int:
    from simworld.campaign import confirm, load_repro
    from simworld.records import Level
    from simworld.render import Output, check_targets

    repro = load_repro(Path(args.repro))
    scenarios = scenarios_of(args.scenarios, repro)
    check_targets(args.json)
    keep = _folder(args.keep)
    out = Output(args.json)
    out.say(
        f"confirming {args.repro}: {repro.law} {repro.kind} of {repro.place}, "
        f"{repro.subject} {repro.subject_version}\n"
    )
    try:
        confirmation = confirm(
            repro,
            scenarios,
            attempts=args.attempts,
            timeout_s=float(args.timeout),
            keep=keep,
            tell=lambda kind, number, count: out.say(f"{kind} {number} of {count} …"),
        )
    except DidNotReproduce as error:
        return complain(UNDECIDED, f"the schedule cannot be followed: {error}")
    _tell(out, args.repro, repro, confirmation, keep)
    return FAILED if confirmation.level is Level.CONFIRMED else UNDECIDED


def _tell(
    out: Output, path: str, repro: Repro, confirmation: Confirmation, keep: Path | None
) -> None:
    from simworld.render import confirmation_json, confirmation_text

    out.say(f"\n{confirmation_text(confirmation)}")
    if keep is not None and confirmation.script:
        out.say(f"\nThe script, which needs nothing of simworld:\n  {confirmation.again}")
    out.write_json(confirmation_json(path, repro, confirmation))
    out.finish()


def _folder(keep: str | None) -> Path | None:
    """The folder to keep things in, made; ``UsageError`` where that fails."""
    if keep is None:
        return None
    try:
        Path(keep).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot make the folder {keep}: {error.strerror}") from error
    return Path(keep)
