"""What a whole run of the tests has come to, by category: reports/tests.md and reports/tests.json.

``make test`` asks for it (``--result-table=reports``).  Only a run of all tests that came to its
end is written; there are no times in it, so that it changes when the counts do.  Processes of
pytest-xdist tell the category of each test with its report.
"""

from __future__ import annotations

import fnmatch
import json
import pathlib
from collections.abc import Collection, Iterable, Iterator

import attrs
import pytest

COMMAND = "make test"
CATEGORY = "category"
OUTCOMES = ("passed", "failed", "skipped")
GATE = "not prove"
"""What ``-m`` selects for the gate; with any other selection a run is no whole one."""


@attrs.frozen
class Rule:
    """Which tests are of a category: those that use a fixture, or are called so."""

    category: str
    title: str
    fixtures: frozenset[str] = frozenset()
    ids: tuple[str, ...] = ()
    """Patterns of node ids."""

    def fits(self, nodeid: str, fixtures: Collection[str]) -> bool:
        """Whether the test is of this category."""
        return not self.fixtures.isdisjoint(fixtures) or any(
            fnmatch.fnmatchcase(nodeid, each) for each in self.ids
        )


RULES = (
    Rule("peers", "other engines beside this one", ids=("tests/bench/test_peers*",)),
    Rule(
        "PostgreSQL real",
        "a private PostgreSQL server, over HTTP or in the test's own process",
        frozenset({"pg_server", "pg_dsn"}),
        (
            "tests/substrates/test_pg_*",
            # These ask for a server only when they are told to.
            *(f"tests/service/test_{name}.py::*postgres*" for name in ("torture", "fronts")),
            "tests/service/test_worker.py::test_a_worker_in_this_process[[]*postgres*",
        ),
    ),
    Rule(
        "HTTP",
        "workers, routes and fronts, in memory or on a disk",
        ids=("tests/service/*", "tests/cli/test_serve.py::*"),
    ),
    Rule(
        "local real",
        "a directory on a disk, real clocks and processes",
        ids=(
            *("tests/substrates/test_files.py::*", "tests/substrates/test_trio_host.py::*"),
            *(f"tests/{folder}/*disk*" for folder in ("conformance", "substrates", "worlds")),
            *("tests/benchmark/*disk*", "tests/benchmark/*real*"),
        ),
    ),
    Rule(
        "simulated",
        "the engine and its worlds in memory, under the kernel or alone; laws and searches",
        ids=tuple(
            f"tests/{folder}/*"
            for folder in (
                *("campaign", "check", "conformance", "engine", "explore", "runtime", "sim"),
                *("substrates", "worlds"),
            )
        ),
    ),
    Rule("other", "commands, pages, packaging, rules of the house", ids=("*",)),
)
"""The first that fits counts."""


def category(nodeid: str, fixtures: Collection[str] = ()) -> str:
    """The category of a test."""
    return next(rule.category for rule in RULES if rule.fits(nodeid, fixtures))


@attrs.frozen
class Told:
    """What came of one test."""

    category: str
    outcome: str
    reason: str = ""


# --- the hooks -----------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption(
        "--result-table",
        metavar="DIR",
        type=pathlib.Path,
        help="write tests.md and tests.json of a whole run to this folder",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Look on, if somebody wants the table."""
    if config.getoption("--result-table") is not None:
        config.pluginmanager.register(ResultTable(config), "result-table")


class ResultTable:
    """Collects outcomes; the process that pytest was started in writes them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._told: dict[str, Told] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Every test takes its category along, from whichever process."""
        for item in items:
            fixtures = getattr(item, "fixturenames", ())
            item.user_properties.append((CATEGORY, category(item.nodeid, fixtures)))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected has failed, and one may be skipped as a whole."""
        if not report.passed:
            where = category(report.nodeid)
            self._told[report.nodeid] = Told(where, report.outcome, _reason(report))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """The worst of set-up, call and tear-down counts."""
        known = self._told.get(report.nodeid)
        if known is None or OUTCOMES.index(known.outcome) == 0 or report.failed:
            found = dict(report.user_properties).get(CATEGORY)
            where = str(found) if found else category(report.nodeid)
            self._told[report.nodeid] = Told(where, report.outcome, _reason(report))

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, exitstatus: int) -> None:
        """Write, if all of them ran."""
        if not self._is_whole(exitstatus):
            return
        folder: pathlib.Path = self._config.getoption("--result-table")
        folder = self._config.rootpath / folder
        folder.mkdir(exist_ok=True)
        (folder / "tests.md").write_text("\n".join(page(self._told)) + "\n", encoding="utf-8")
        text = json.dumps(data(self._told), indent=2, ensure_ascii=False)
        (folder / "tests.json").write_text(f"{text}\n", encoding="utf-8")

    def _is_whole(self, exitstatus: int) -> bool:
        config = self._config
        named = config.args_source is not pytest.Config.ArgsSource.TESTPATHS
        chosen = config.getoption("keyword") or config.getoption("markexpr") != GATE
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        return ended and not named and not chosen and not config.getoption("maxfail")


def _reason(report: pytest.CollectReport | pytest.TestReport) -> str:
    """Why it was skipped."""
    if not report.skipped or not isinstance(report.longrepr, tuple):
        return ""
    return str(report.longrepr[2]).removeprefix("Skipped: ")


# --- the table -----------------------------------------------------------------------------------


def counts(told: Iterable[Told]) -> dict[str, int]:
    """passed, failed, skipped and total."""
    outcomes = [each.outcome for each in told]
    return {**{each: outcomes.count(each) for each in OUTCOMES}, "total": len(outcomes)}


def verdict(told: Iterable[Told]) -> str:
    """One line."""
    found = counts(told)
    if found["failed"]:
        return f"FAIL: {found['failed']} of {found['total']} failed"
    skipped = f", {found['skipped']} skipped" if found["skipped"] else ""
    return f"PASS: {found['passed']} passed{skipped}"


def by_category(told: dict[str, Told]) -> dict[str, dict[str, int]]:
    """The counts of each category, in the order of the rules read from the end."""
    return {
        rule.category: counts(each for each in told.values() if each.category == rule.category)
        for rule in (*RULES[-2::-1], RULES[-1])
    }


def data(told: dict[str, Told]) -> dict[str, object]:
    """The table for machines."""
    return {
        "command": COMMAND,
        "verdict": verdict(told.values()),
        "categories": by_category(told),
        "all": counts(told.values()),
        **{name: _named(told, name) for name in ("failed", "skipped")},
    }


def _named(told: dict[str, Told], outcome: str) -> dict[str, str]:
    return {name: each.reason for name, each in sorted(told.items()) if each.outcome == outcome}


def page(told: dict[str, Told]) -> Iterator[str]:
    """The table for people."""
    yield "# Tests"
    yield ""
    yield f"Made by `{COMMAND}`; do not edit."
    yield ""
    yield f"**{verdict(told.values())}**"
    yield ""
    titles = {rule.category: rule.title for rule in RULES}
    yield "| category | passed | failed | skipped | total | what it is |"
    yield "|---|--:|--:|--:|--:|---|"
    for name, found in by_category(told).items():
        yield f"| {name} | {' | '.join(map(str, found.values()))} | {titles[name]} |"
    yield f"| all | {' | '.join(map(str, counts(told.values()).values()))} | |"
    for outcome in ("failed", "skipped"):
        if names := _named(told, outcome):
            yield ""
            yield f"## {outcome.capitalize()}"
            yield ""
            yield from (f"* `{name}`{f': {why}' if why else ''}" for name, why in names.items())
