"""The catalogue for people and for JSON: what each entry claims, and what searching it showed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.text import Text

from simworld.records import Examined, Race, Role, Searched, Shown, median
from simworld.render.jsonout import document
from simworld.render.tables import plain_table, rendered
from simworld.render.text import count, number

_MOVES_MAX = 8
"""What half of all failures may take at most, once shrunk."""
_LEGEND = "✗ has the race; ✓ is free of it; … is mended in part: what remains"


# --- without a search -----------------------------------------------------------------------------


def races_table(races: Sequence[Race], *, width: int = 100, color: bool = False) -> str:
    """Every entry with the scenario that finds it and the systems it speaks of."""
    table = plain_table(gap=2)
    table.add_column("race", no_wrap=True)
    table.add_column("law", no_wrap=True)
    table.add_column("what goes wrong, and where\n  systems", overflow="fold", ratio=1)
    for race in races:
        about = Text(race.title)
        about.append(f" ({race.scenario}, case {race.case})" if race.scenario else "")
        for line in _systems(race):
            about.append(f"\n  {line}")
        law = race.laws[0] if race.laws else "–"
        table.add_row(Text(race.id, style="bold"), law, about)
    table.expand = True
    return f"{rendered(table, width, color=color)}\n{_LEGEND}\n{_kinds(races)}\n"


def _systems(race: Race) -> Iterator[str]:
    if race.absent:
        yield f"not here: {race.absent}"
    if race.faulty:
        yield f"✗ {race.faulty}"
    for fix in race.fixes:
        yield f"… {fix.system}: {fix.remains}" if fix.remains else f"✓ {fix.system}"


def _kinds(races: Sequence[Race]) -> str:
    absent = sum(1 for race in races if race.absent)
    benign = sum(1 for race in races if race.is_benign)
    found = len(races) - absent - benign
    return (
        f"{len(races)} entries: {found} to find, {benign} that must stay silent, {absent} that the "
        "simulated system cannot have"
    )


# --- what searches have shown ---------------------------------------------------------------------


def examined_table(examined: Sequence[Examined], *, width: int = 100, color: bool = False) -> str:
    """One block per entry, one line per system."""
    table = plain_table(gap=2)
    table.add_column("race\n  system", overflow="fold", ratio=1)
    table.add_column("law", no_wrap=True)
    table.add_column("what was shown", no_wrap=True)
    table.add_column("trials\nto find", justify="right", no_wrap=True)
    table.add_column("moves", justify="right", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    for entry in examined:
        table.add_row(Text(f"{entry.race.id} {entry.race.title}", style="bold"))
        if entry.race.absent:
            table.add_row(f"  not here: {entry.race.absent}")
        for shown in entry.shown:
            style = "" if shown.is_right else "red"
            table.add_row(
                f"  {shown.system}",
                ", ".join(shown.laws),
                Text(_told(shown), style=style),
                _figure(shown.trials_to_find),
                _figure(shown.moves),
                _figure(shown.seconds_to_find),
            )
    return rendered(table, width, color=color)


def _told(shown: Shown) -> str:
    seeds = len(shown.searched)
    if not shown.role.is_clean:
        again = " again" if shown.role is Role.PARTIAL else ""
        mark = "✗" if shown.is_right else "?"
        return f"{mark} found{again} {shown.found}/{seeds}"
    if shown.found:
        return f"? broken {shown.found}/{seeds}"
    if not shown.is_right:
        return f"? weak: {_weakness(shown)}"
    return f"✓ clean {count(shown.trials, 'trial')}"


def _weakness(shown: Shown) -> str:
    """Why a clean result proves little."""
    for each in shown.searched:
        if each.missing_marks:
            return f"never reached {each.missing_marks[0]}"
    return f"{min(each.ended_share for each in shown.searched):.0%} of the runs ended"


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def examined_summary(examined: Sequence[Examined]) -> str:
    """All of it in a few sentences."""
    races = [each for each in examined if each.faulty is not None]
    benign = [each for each in examined if each.race.is_benign]
    absent = [each for each in examined if each.race.absent]
    answered = [each for each in examined if each.is_answered]
    wrong = [each.race.id for each in examined if not each.is_right]
    rest = [each.race.id for each in examined if each.is_right and not each.is_whole]
    fixes = [each for entry in races for each in entry.shown if each.role is Role.FIX]
    partial = [each for entry in races for each in entry.shown if each.role is Role.PARTIAL]
    moves = median([m for each in races if each.faulty and (m := each.faulty.moves) is not None])
    lines = [
        f"{len(answered)} of {count(len(examined), 'entry/entries')} answered.",
        f"Races: {_of(races)} found from every seed, with {_right(fixes)} full fixes clean and "
        f"{_right(partial)} partial ones found again.",
        f"Benign: {_of(benign)} silent.  Absent: {len(absent)}.",
    ]
    if moves is not None:
        small = sum(1 for each in races if each.faulty and (each.faulty.moves or 0) <= _MOVES_MAX)
        lines.append(
            f"Shrunk failures: {number(moves)} moves in the median, at most {_MOVES_MAX} for "
            f"{small} of {count(len(races), 'race')}."
        )
    if wrong:
        lines.append(f"Not as the catalogue says: {', '.join(wrong)}.")
    if rest:
        lines.append(f"Not searched to the end: {', '.join(rest)}.")
    return "\n".join(lines)


def _of(examined: Sequence[Examined]) -> str:
    return f"{sum(each.is_answered for each in examined)} of {len(examined)}"


def _right(shown: Sequence[Shown]) -> str:
    return f"{sum(each.is_right for each in shown)} of {len(shown)}"


# --- the report -----------------------------------------------------------------------------------


def races_report(examined: Sequence[Examined], *, command: str, folder: str) -> str:
    """The page, as Markdown; stories and repros lie in ``folder`` beside it."""
    lines = ["# The catalogue of races", "", f"Made by `{command}`.", ""]
    lines += [examined_summary(examined).replace("\n", "  \n"), ""]
    lines += [
        "A *system* is a preset, changed knobs, and a world if it is not the atomic one.  "
        "✗ must be found from every seed: the median of the trials it took, of the moves after "
        "shrinking (three seeds), of the seconds.  ✓ is a full fix, judged by all laws of the "
        "scenario with the budgets and seeds of its faulty twin.  … is a partial fix, and what "
        "remains must be found again.  A benign entry has only systems that must stay green.",
        "",
        "| entry | system | shown | law | trials to find | moves | s |",
        "|---|---|---|---|---:|---:|---:|",
    ]
    for entry in examined:
        lines += _rows(entry, folder)
    lines += ["", "## What the specification derived, answered", ""]
    lines += [f"- **{each.race.id}** {each.race.answer}" for each in examined if each.race.answer]
    lines += ["", "## What partial fixes leave", ""]
    lines += [
        f"- **{each.race.id}** `{fix.system}`: {fix.remains}"
        for each in examined
        for fix in each.race.fixes
        if fix.remains
    ]
    absent = [each.race for each in examined if each.race.absent]
    if absent:
        lines += ["", "## Not in the simulated system", ""]
        lines += [f"- **{race.id}** {race.title}: {race.absent}" for race in absent]
    return "\n".join(lines) + "\n"


def _rows(entry: Examined, folder: str) -> Iterator[str]:
    race = entry.race
    yield f"| **{race.id}** | {_linked(entry, folder)} | | | | | |"
    for shown in entry.shown:
        cells = [
            "",
            f"`{shown.system}`",
            _told(shown),
            ", ".join(shown.laws),
            _figure(shown.trials_to_find),
            _figure(shown.moves),
            _figure(shown.seconds_to_find),
        ]
        yield f"| {' | '.join(cells)} |"


def _linked(entry: Examined, folder: str) -> str:
    race = entry.race
    return f"[{race.title}]({folder}/{race.id}.md)" if race.faulty else race.title


def race_page(race: Race, story: str, *, replay: str, explain: str) -> str:
    """One entry with the story of its failure, and the commands that show it again."""
    lines = [
        f"# {race.id}: {race.title}",
        "",
        race.trigger,
        "",
        f"- law: {', '.join(race.laws)}",
        f"- scenario: `{race.scenario}`, case `{race.case}`",
        f"- found on: `{race.faulty}`",
    ]
    for fix in race.fixes:
        lines.append(
            f"- partial fix: `{fix.system}` ({fix.remains})"
            if fix.remains
            else f"- fix: `{fix.system}`"
        )
    if race.answer:
        lines.append(f"- answer: {race.answer}")
    lines += [f"- source: {race.source}", "", f"Replay it: `{replay}`  "]
    lines += [f"Beside the nearest run that passes: `{explain}`", "", "```", story.rstrip()]
    return "\n".join([*lines, "```", ""])


# --- JSON -----------------------------------------------------------------------------------------


def races_json(examined: Sequence[Examined]) -> bytes:
    """Every entry, with its searches if any were made."""
    return document({"races": [_race(each) for each in examined]})


def _race(entry: Examined) -> dict[str, Any]:
    race = entry.race
    return {
        "id": race.id,
        "title": race.title,
        "trigger": race.trigger,
        "laws": list(race.laws),
        "scenario": race.scenario,
        "case": race.case,
        "faulty": race.faulty,
        "fixes": [{"system": fix.system, "remains": fix.remains} for fix in race.fixes],
        "benign": race.is_benign,
        "answer": race.answer,
        "absent": race.absent,
        "source": race.source,
        "answered": entry.is_answered if entry.shown else None,
        "systems": [_shown(each) for each in entry.shown],
    }


def _shown(shown: Shown) -> dict[str, Any]:
    return {
        "role": shown.role.value,
        "system": shown.system,
        "right": shown.is_right,
        "found": shown.found,
        "trials_to_find": shown.trials_to_find,
        "moves": shown.moves,
        "seconds_to_find": shown.seconds_to_find,
        "seeds": [_searched(each) for each in shown.searched],
    }


def _searched(searched: Searched) -> dict[str, Any]:
    return {
        "seed": searched.search.seed,
        "trials": searched.trials,
        "law": searched.law,
        "moves": searched.moves,
        "seconds": round(searched.seconds, 3),
        "ended_share": searched.ended_share,
        "overlap_share": searched.overlap_share,
        "missing_marks": list(searched.missing_marks),
    }
