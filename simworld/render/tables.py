"""Tables: what a hunt has shown, and what there is to hunt.

Tables are rendered to text here, so that a pipe, a terminal and a test get the same thing; only
ASCII is drawn between the cells.  Where a table is too wide, its first columns share one.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from rich.box import Box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from simworld.records import FAIL, PASS, UNKNOWN, Finding, Result
from simworld.render.phrases import compared
from simworld.render.text import count, number

_LINES = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""Nothing but a dashed line below the head."""

_STYLES = {PASS: "green", FAIL: "red", UNKNOWN: "yellow"}
_NOTHING = "–"

ENDED_SHARE_MIN = 0.99
OVERLAP_SHARE_MIN = 0.30
"""Below these a clean result proves little (decisions §7.3)."""


class CaseView(Protocol):
    """What the list shows of a case."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def races(self) -> tuple[str, ...]: ...
    @property
    def marks(self) -> tuple[str, ...]: ...


class ScenarioView(Protocol):
    """What the list shows of a scenario."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def law(self) -> str: ...
    @property
    def laws(self) -> tuple[str, ...]: ...
    @property
    def marks(self) -> tuple[str, ...]: ...
    @property
    def canary(self) -> bool: ...
    @property
    def subject(self) -> str: ...
    @property
    def cases(self) -> Sequence[CaseView]: ...


# --- results -------------------------------------------------------------------------------------


def results_table(results: Sequence[Result], *, width: int = 100, color: bool = False) -> str:
    """One row per result; canaries stand apart, at the end."""
    results = sorted(results, key=lambda result: result.canary)
    flat = _results(results, stacked=False)
    table = flat if natural_width(flat) <= width else _results(results, stacked=True)
    return rendered(table, width, color=color)


def _results(results: Sequence[Result], *, stacked: bool) -> Table:
    table = plain_table(gap=1 if stacked else 2)
    with_case = any(each.case for each in results)
    if stacked:
        table.add_column("scenario\n  variant", overflow="fold")
    else:
        for name in ("scenario", *(["case"] if with_case else []), "variant"):
            table.add_column(name, overflow="fold")
    for name in ("verdict", "law", "ok" if stacked else "as\ndeclared"):
        table.add_column(name, no_wrap=True)
    for name in ("first\nfound", "moves", "trials\n/s", "deliv.\n/trial", "turns\n/trial"):
        table.add_column(name, justify="right", no_wrap=True)
    for nth, result in enumerate(results):
        if nth and result.canary and not results[nth - 1].canary:
            table.add_section()
        names = [result.scenario, *([result.case] if with_case else []), result.system]
        if stacked:
            case = f" · {result.case}" if result.case else ""
            variant = result.variant.replace(" ", "\n    ")  # changed knobs, one per line
            variant += result.system.removeprefix(result.variant)
            names = [f"{result.scenario}{case}\n  {variant}"]
        outcome = Text(result.verdict.outcome, style=_STYLES.get(result.verdict.outcome, ""))
        table.add_row(*names, outcome, *_figures(result, arrow="→" if stacked else " → "))
    return table


def _figures(result: Result, *, arrow: str) -> list[str]:
    """Everything right of the verdict."""
    finding = _telling_finding(result)
    worlds = sum(each.is_worlds for each in result.findings)
    others = len(result.findings) - worlds - (finding is not None)
    law = result.verdict.law or _NOTHING
    if others:
        law += f" +{others}"
    if worlds:
        law += f" +{worlds} world's"
    return [
        law,
        {None: _NOTHING, True: "✓", False: "✗"}[compared(result)],
        number(finding.trial + 1) if finding else _NOTHING,
        f"{finding.moves_before}{arrow}{finding.moves_after}" if finding else _NOTHING,
        _per(result.trials, result.seconds),
        _per(result.deliveries, result.trials),
        _per(result.turns, result.trials),
    ]


def _telling_finding(result: Result) -> Finding | None:
    """The first finding of the law that the verdict names."""
    law = result.verdict.law
    found = [each for each in result.findings if each.anomaly.law == law and not each.is_worlds]
    return min(found, key=lambda each: each.trial, default=None)


def _per(amount: float, whole: float) -> str:
    return number(amount / whole) if whole else _NOTHING


def summary_line(results: Sequence[Result]) -> str:
    """One line over all results; a canary's FAIL is none."""
    canaries = [each for each in results if each.canary]
    results = [each for each in results if not each.canary] or canaries
    outcomes = [each.verdict.outcome for each in results]
    verdicts = ", ".join(
        f"{outcomes.count(name)} {name}" for name in (FAIL, UNKNOWN, PASS) if name in outcomes
    )
    declared = [each for each in map(compared, results) if each is not None]
    surprises = declared.count(False)
    said = ""
    if declared:
        undeclared = sum(1 for each in results if each.expected is None)
        said = "; all as declared"
        if surprises:
            said = f"; {surprises} not as declared"
        elif undeclared:
            said = f"; all declared ones as declared, {undeclared} undeclared"
    if canaries:
        said += "; the canary is silent" if any(each.silent for each in canaries) else "; canary ok"
    trials = count(sum(each.trials for each in results), "trial")
    turns = count(sum(each.turns for each in results), "turn")
    seconds = number(sum(each.seconds for each in results))
    hunts = count(len(results), "hunt")
    return f"{hunts}: {verdicts or 'nothing'}{said} · {trials}, {turns} in {seconds} s"


def notes_text(results: Sequence[Result]) -> str:
    """What the table has no room for: who is to blame, why a verdict is UNKNOWN, a weak PASS."""
    lines = []
    for result in results:
        where = f"{result.scenario} on {result.system}"
        lines += [f"{where}: {each}" for each in _blames(result)]
        if result.silent:
            lines.append(f"{where}: the harness is broken: {'; '.join(result.surprises)}")
        elif result.interrupted:
            lines.append(f"{where}: interrupted after {count(result.trials, 'trial')}")
        elif result.verdict.outcome == UNKNOWN:
            lines.append(f"{where}: {result.verdict.reason or 'no reason was given'}")
        if result.verdict.outcome == PASS and result.trials and not result.canary:
            for share, share_min, what in (
                (result.ended_share, ENDED_SHARE_MIN, "of the runs ended"),
                (
                    result.overlap_share,
                    OVERLAP_SHARE_MIN,
                    "of the trials had overlapping deliveries",
                ),
            ):
                if share < share_min:
                    lines.append(
                        f"{where}: PASS is weak, only {share:.1%} {what} (want {share_min:.0%})"
                    )
    return "\n".join(lines)


def _blames(result: Result) -> Iterator[str]:
    """Who is to blame for the findings, each answer once, with the laws it is about."""
    laws: dict[str, dict[str, None]] = {}
    for finding in result.findings:
        if finding.repro.blame is not None and not result.canary:
            laws.setdefault(str(finding.repro.blame), {})[finding.anomaly.law] = None
    for blame, broken in laws.items():
        yield f"{', '.join(broken)}: {blame}"


# --- the list ------------------------------------------------------------------------------------


def scenarios_table(
    scenarios: Mapping[str, ScenarioView],
    variants: Sequence[str],
    *,
    width: int = 100,
    color: bool = False,
) -> str:
    """All scenarios with their cases, then the variants."""
    table = plain_table(gap=2)
    table.add_column("scenario\n  case", no_wrap=True, overflow="fold")
    table.add_column("laws", overflow="fold", ratio=3)
    table.add_column("what it is about", overflow="fold", ratio=5)
    for name, scenario in scenarios.items():
        laws = dict.fromkeys([scenario.law, *scenario.laws])
        about = _about(scenario)
        if scenario.subject:
            about += f"\nfor {scenario.subject} (simworld hunt --subject {scenario.subject})"
        table.add_row(Text(name, style="bold"), ", ".join(laws), about)
        for case in scenario.cases:
            table.add_row(f"  {case.name}", ", ".join(case.races), _about(case))
    table.expand = natural_width(table) > width  # only then the ratios count
    text = rendered(table, width, color=color)
    return f"{text}\nvariants: {', '.join(variants)}\n"


def _about(view: ScenarioView | CaseView) -> str:
    """The title, and below it the marks that a search must reach."""
    return "\n".join([view.title, *([f"reaches {', '.join(view.marks)}"] if view.marks else [])])


# --- rich ----------------------------------------------------------------------------------------


def plain_table(*, gap: int) -> Table:
    """An empty table with nothing but a dashed line, and ``gap`` blanks between its columns."""
    return Table(
        box=_LINES,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap - 1, 0, 0),
        header_style="bold",
    )


def natural_width(table: Table) -> int:
    """How wide it is where there is room for everything."""
    console = _console(io.StringIO(), 10_000, color=False)
    return Measurement.get(console, console.options, table).maximum


def _console(file: io.StringIO, width: int, *, color: bool) -> Console:
    return Console(
        file=file,
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        legacy_windows=False,
        highlight=False,
        emoji=False,
        markup=False,
        no_color=not color,
    )


def rendered(table: Table, width: int, *, color: bool) -> str:
    """The table as text."""
    file = io.StringIO()
    _console(file, width, color=color).print(table)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())
