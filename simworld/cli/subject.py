"""What ``simworld hunt --subject`` hunts: an engine that nobody here wrote, or several of them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from simworld.cli.common import OK, complain
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.campaign import Scenario
    from simworld.cli.common import Parser

SUBJECTS_DIR = ".simworld/subjects"


class Wanted(NamedTuple):
    """A subject that is to be hunted."""

    name: str
    version: str
    """As it was asked for; empty: the one that is installed."""

    def __str__(self) -> str:
        return f"{self.name}=={self.version}" if self.version else self.name


def add_subject(hunt: Parser) -> None:
    """The options."""
    hunt.add_argument(
        "--subject",
        action="append",
        default=[],
        metavar="NAME[==VERSION]",
        help="hunt an engine that nobody here wrote (vercel-workflow) instead of ours; repeatable: "
        "each version in a virtual environment of its own",
    )
    hunt.add_argument(
        "--module",
        default="",
        metavar="MODULE",
        help="with --subject: hunt the workflows of a module of yours (shop.flows)",
    )
    hunt.add_argument(
        "--workflow", default="", metavar="NAME", help="only this one of the module's workflows"
    )
    hunt.add_argument(
        "--args", metavar="JSON", help="a list with the arguments of --workflow: '[\"7\", 20]'"
    )
    hunt.add_argument(
        "--subjects-dir",
        default=SUBJECTS_DIR,
        metavar="DIR",
        help=f"where virtual environments of other versions are made; default: {SUBJECTS_DIR}/",
    )


def wanted_of(args: argparse.Namespace) -> list[Wanted]:
    """What --subject names; ``UsageError`` for what nobody knows and for options that do not go
    with it."""
    from simworld.subjects import is_version, subject_named

    if not args.subject:
        for option, value in (
            ("--module", args.module),
            ("--workflow", args.workflow),
            ("--args", args.args),
        ):
            if value:
                raise UsageError(
                    f"{option} is about workflows of a subject; name it with --subject"
                )
        return []
    found = []
    for text in dict.fromkeys(args.subject):
        name, _, version = text.partition("==")
        subject_named(name)
        if "==" in text and not is_version(version):
            raise UsageError(f"--subject takes NAME or NAME==VERSION (0.9.0), not {text!r}")
        found.append(Wanted(name, version))
    if args.variant:
        raise UsageError(
            f"--variant names an engine of ours and --subject another one ({args.subject[0]}); "
            "give one of them"
        )
    if args.generated:
        raise UsageError(
            "--generated draws workflows for our own engine; a subject runs those that are written"
        )
    _check_module(args)
    return found


def elsewhere(wanted: Sequence[Wanted]) -> bool:
    """Whether other processes hunt them: several, or one in a version that is not installed."""
    from simworld.subjects import installed_version

    if len(wanted) != 1 or not wanted[0].version:
        return len(wanted) > 1
    try:
        return installed_version(wanted[0].name) != wanted[0].version
    except UsageError:
        return True


def _check_module(args: argparse.Namespace) -> None:
    if not args.module and (args.workflow or args.args is not None):
        option = "--workflow" if args.workflow else "--args"
        raise UsageError(f"{option} is about a workflow of a module; name it with --module")
    if args.module and args.scenarios:
        raise UsageError("--module and --scenarios both say what is hunted; give one of them")
    if args.module and args.names:
        raise UsageError(
            f"--module hunts workflows of {args.module}, not scenarios; name one with --workflow "
            f"{args.names[0]}"
        )


def from_module(args: argparse.Namespace, subject: str) -> None:
    """Have scenarios come from the module, if one was named; here, in other processes, later."""
    from simworld.campaign import where_of

    if args.module:
        args.scenarios = where_of(subject, args.module, args.workflow, args.args)


def of_engine(known: dict[str, Scenario], names: list[str], subject: str) -> dict[str, Scenario]:
    """The scenarios of one engine; ``UsageError`` for a name of another one's."""
    for name in names:
        if name in known and known[name].subject != subject:
            other = known[name].subject
            cure = f"hunt it with --subject {other}" if other else "leave out --subject"
            whose = f"the engine {other}" if other else "our own engine"
            raise UsageError(f"scenario {name} is one of {whose}; {cure}")
    return {name: each for name, each in known.items() if each.subject == subject}


def runnable(args: argparse.Namespace, chosen: list[Scenario], subject: str) -> list[Scenario]:
    """Those that the installed version of the subject can run; the others are told of."""
    from simworld.records import ForeignProgram
    from simworld.subjects import installed_version, is_too_new

    able = []
    for each in chosen:
        program = each.workflow
        if not isinstance(program, ForeignProgram) or not is_too_new(program):
            able.append(each)
            continue
        needs = f"scenario {each.name} needs {subject} {program.since} or later"
        if each.name in args.names:
            raise UsageError(f"{needs}, and installed is {installed_version(subject)}")
        complain(OK, f"{needs}: it is left out")
    return able
