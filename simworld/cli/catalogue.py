"""``simworld catalogue``: the known races, and with ``--run`` whether each is found and gone."""

from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from simworld.cli.common import (
    FAILED,
    OK,
    UNDECIDED,
    add_command,
    add_scenarios,
    chosen,
    complain,
    jobs_number,
    scenarios_of,
    whole_number,
    write_report,
)
from simworld.errors import UsageError

if TYPE_CHECKING:
    from simworld.campaign import Scenario
    from simworld.cli.common import Commands
    from simworld.records import Finding, Race, Search, Searched
    from simworld.render import Output

SEEDS, TRIALS = 3, 2_000
REPORT, TABLE, FOLDER = "races.json", "races.md", "races"


def add(commands: Commands) -> None:
    """The command and its options."""
    catalogue = add_command(
        commands,
        "catalogue",
        short="show the known races, or search for every one of them",
        long="Show the catalogue of known races: what goes wrong, on which system it is found, what"
        "\nmends it.  With --run every faulty system is searched until it fails, from several "
        "seeds,\nits failure is shrunk, and every fix is searched with the same budget and seeds "
        "and must\nstay clean.",
        epilog="examples:\n  simworld catalogue\n  simworld catalogue --run --only R-02,R-26\n"
        "  simworld catalogue --run --jobs auto --report reports   # goes on where it was stopped\n"
        "  simworld catalogue --run --seeds 10 --trials 10000 --clean-trials 1000 --json out.json\n"
        "  simworld catalogue --run --on fast   # is it as safe as fixed?\n"
        "\nexit codes: 0 all as the catalogue says, 1 something is not, 3 interrupted",
    )
    catalogue.add_argument("--run", action="store_true", help="search; without it, only show")
    catalogue.add_argument(
        "--only", default="", metavar="ID,…", help="these entries alone (R-02,R-26)"
    )
    catalogue.add_argument(
        "--seeds", type=whole_number, default=SEEDS, metavar="N", help=f"default: {SEEDS}"
    )
    catalogue.add_argument(
        "--trials",
        type=whole_number,
        default=TRIALS,
        metavar="N",
        help=f"the most a seed takes; a faulty system is left when it fails; default: {TRIALS}",
    )
    catalogue.add_argument(
        "--clean-trials",
        type=whole_number,
        metavar="N",
        help="the same of systems that must stay clean; default: as --trials",
    )
    catalogue.add_argument(
        "--jobs",
        type=jobs_number,
        default=0,
        metavar="N",
        help="search in N processes; default: auto, one per core",
    )
    catalogue.add_argument(
        "--report",
        metavar="DIR",
        help=f"write {TABLE} there, and a story and a repro per race under {FOLDER}/; what the "
        "last run of the same source has searched is not searched again",
    )
    catalogue.add_argument(
        "--on",
        default="",
        metavar="SYSTEM",
        help="search what is about fixed on this system instead, for example 'fast' or 'fixed "
        "commits=together': does a change for speed keep every fix?",
    )
    add_scenarios(catalogue)
    catalogue.set_defaults(command=_catalogue)


def _catalogue(args: argparse.Namespace) -> int:
    from simworld.campaign import check_races, claimed_variant, load_races, rebased
    from simworld.records import Examined
    from simworld.render import Output, check_targets, races_json, races_table

    if args.report and not args.run:
        raise UsageError("--report writes what searches show; add --run")
    known, scenarios = load_races(args.scenarios), scenarios_of(args.scenarios)
    if args.on:
        claimed_variant(args.on)
        known = {each.id: new for each in known.values() if (new := rebased(each, args.on))}
    races = chosen(known, args.only, "entry")
    check_races(known, scenarios)
    check_targets(args.json)
    out = Output(args.json)
    if args.run:
        return _run(args, out, known, races, scenarios)
    if args.json:
        out.write_json(races_json([Examined(race, ()) for race in races.values()]))
    if args.json != "-":
        out.say(races_table(list(races.values()), width=out.width, color=out.color))
    out.finish()
    return OK


# --- searching ------------------------------------------------------------------------------------


def _run(
    args: argparse.Namespace,
    out: Output,
    known: Mapping[str, Race],
    races: Mapping[str, Race],
    scenarios: Mapping[str, Scenario],
) -> int:
    from simworld.campaign import searches_of
    from simworld.records import Examined
    from simworld.render import examined_summary, examined_table, races_json

    began = time.monotonic()
    plan = [
        search
        for race in races.values()
        for search in searches_of(
            race,
            seeds=args.seeds,
            trials=args.trials,
            clean_trials=args.clean_trials or args.trials,
        )
    ]
    plan.sort(key=lambda search: search.seed)  # whoever stops it has a little of everything
    report = _Report(args, known, scenarios) if args.report else None
    done, interrupted = _searched(args, out, plan, report)
    examined = [
        Examined.of(race, [each for each in done if each.search.race == race.id])
        for race in races.values()
    ]
    if report is not None:
        report.write()
    if args.json:
        out.write_json(races_json(examined))
    if args.json != "-":
        out.say(examined_table(examined, width=out.width, color=out.color))
    out.say(examined_summary(examined))
    out.say(f"{len(done)} of {len(plan)} searches in {time.monotonic() - began:.0f} s")
    out.finish()
    if interrupted:
        return complain(UNDECIDED, "interrupted; --report DIR would go on where this was stopped")
    wrong = [each for each in examined if not (each.is_answered or each.race.absent)]
    return FAILED if wrong else OK


def _searched(
    args: argparse.Namespace, out: Output, plan: Sequence[Search], report: _Report | None
) -> tuple[list[Searched], bool]:
    """What the searches have shown, here or in an earlier run; whether Ctrl-C ended them."""
    from simworld.campaign import cores, examine
    from simworld.render import searches_bar

    known = report.known if report else {}
    done = [known[each.key] for each in plan if each.key in known and known[each.key].answers(each)]
    kept = {each.search.key for each in done}
    rest = [each for each in plan if each.key not in kept]
    if done:
        out.say(f"{len(done)} of {len(plan)} searches are known from {args.report}/{REPORT}")
    examining = examine(rest, where=args.scenarios, jobs=args.jobs or cores())
    try:
        with searches_bar(len(rest), stream=sys.stderr) as tell:
            for searched, finding in examining:
                done.append(searched)
                tell(searched)
                if report is not None:
                    report.add(searched, finding)
    except KeyboardInterrupt:
        return done, True
    finally:
        examining.close()
    return done, False


class _Report:
    """The folder that ``--report`` names."""

    def __init__(
        self,
        args: argparse.Namespace,
        races: Mapping[str, Race],
        scenarios: Mapping[str, Scenario],
    ) -> None:
        from simworld.campaign import load_searched, sources_of

        self._args, self._scenarios = args, scenarios
        self._folder = Path(args.report)
        self._stories = self._folder / FOLDER
        try:
            self._stories.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write --report {args.report}: {error.strerror}") from error
        self._races = races
        self._sources = sources_of(self._races, scenarios)
        kept = load_searched(self._folder / REPORT, self._sources)
        self.known = {each.search.key: each for each in kept}

    def add(self, searched: Searched, finding: Finding | None) -> None:
        """Keep it at once: a run may be stopped at any time."""
        import attrs

        from simworld.campaign import save_repro, save_searched

        race = searched.search.race
        searched = attrs.evolve(searched, source=self._sources[race])
        self.known[searched.search.key] = searched
        if finding is not None and searched.search.seed == 0:
            save_repro(finding.repro, self._repro(race))
        save_searched(self._folder / REPORT, self.known.values())

    def _repro(self, race: str) -> Path:
        return self._stories / f"{race}.json"

    def write(self) -> None:
        """The page over all entries that were ever searched, and the story of each failure."""
        from simworld.records import Examined
        from simworld.render import races_report

        searched = list(self.known.values())
        examined = [
            Examined.of(race, [each for each in searched if each.search.race == race.id])
            for race in self._races.values()
        ]
        examined = [each for each in examined if each.shown or each.race.absent]
        for each in examined:
            found = each.faulty.searched if each.faulty is not None else ()
            if any(one.law and one.search.seed == 0 for one in found):  # else the file is older
                self._tell(each.race)
        args = self._args
        words = ["simworld", "catalogue", "--run", "--seeds", str(args.seeds)]
        words += ["--trials", str(args.trials)]
        words += ["--clean-trials", str(args.clean_trials)] if args.clean_trials else []
        words += ["--only", args.only] if args.only else []
        words += ["--on", args.on] if args.on else []
        words += ["--report", args.report]
        page = races_report(examined, command=shlex.join(words), folder=FOLDER)
        write_report(self._folder / TABLE, page)

    def _tell(self, race: Race) -> None:
        from simworld.campaign import load_repro, tell
        from simworld.render import race_page, story_text

        path = self._repro(race.id)
        story = story_text(tell(load_repro(path), self._scenarios))
        where = ["--scenarios", self._args.scenarios] if self._args.scenarios else []
        replay, explain = (
            shlex.join(["simworld", command, str(path), *where])
            for command in ("replay", "explain")
        )
        page = race_page(race, story, replay=replay, explain=explain)
        write_report(path.with_suffix(".md"), page)
