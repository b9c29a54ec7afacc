"""Scenarios as pytest items: a hunt each, or one repro that is followed again.

An item passes when its hunt shows what the scenario declares, a declared FAIL included, and where
nothing is declared when it shows PASS.  A failure is told as ``simworld hunt`` tells it, never as
a traceback: what broke, the story of the smallest schedule, and the one line that replays it.
"""

from __future__ import annotations

import ast
import functools
import os
import pathlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any, NamedTuple

import pytest

from simworld.campaign import (
    Scenario,
    claimed_variant,
    hunt,
    placed,
    replay,
    save_repro,
    tell,
    with_knob,
    with_twin,
)
from simworld.errors import (
    DidNotReproduce,
    InternalError,
    ReplayDivergence,
    UncontrolledNondeterminism,
    UsageError,
)
from simworld.pytest_plugin.settings import SAVED, SETTINGS, Settings, replay_name
from simworld.records import FAIL, PASS, Finding, Result, Story, Verdict
from simworld.render import repro_names, story_text

UNDECLARED = "fixed"
"""What a scenario of our own engine runs on that declares nothing."""


class Failed(Exception):
    """What the hunt or the replay has shown, in full."""


class Told:
    """A failure as pytest prints it; the first line is what its summaries show."""

    def __init__(self, text: str, item: pytest.Item) -> None:
        path, line, _ = item.reportinfo()
        self.text = text
        self.reprcrash = _Place(str(path), (line or 0) + 1, text.partition("\n")[0])

    def toterminal(self, writer: Any) -> None:
        """Print it."""
        writer.line(self.text)

    def __str__(self) -> str:
        return self.text


class _Place(NamedTuple):
    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.lineno}: {self.message}"


# --- which items there are -----------------------------------------------------------------------


def items_of(
    module: pytest.Module, name: str, scenario: Scenario, settings: Settings
) -> list[pytest.Item]:
    """The items of the scenario that the module binds to ``name``."""
    try:
        if scenario is not _own(module.obj).get(name):
            return []
        if settings.replay is not None:
            return list(_replays(module, scenario, settings.replay.scenario))
        return list(_hunts(module, scenario, settings))
    except UsageError as error:
        raise pytest.Collector.CollectError(f"{scenario.name}: {error}") from error


def _own(module: ModuleType) -> dict[str, Scenario]:
    """Public name → scenario, for what the module does not import; each once."""
    imported = _imported(pathlib.Path(module.__file__ or ""))
    found: dict[str, Scenario] = {}
    for name, value in vars(module).items():
        if not isinstance(value, Scenario) or name.startswith("_") or name in imported:
            continue
        if value in found.values():
            continue
        if value.name in {each.name for each in found.values()}:
            raise UsageError(f"two scenarios of {module.__file__} are called {value.name!r}")
        found[name] = value
    return found


def _imported(path: pathlib.Path) -> set[str]:
    """The names that a module has from imports alone."""
    imported: set[str] = set()
    bound: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_bytes())]
    while pending:
        node = pending.pop()
        match node:
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                imported.update(each.asname or each.name for each in names)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                bound.add(name)  # what is inside binds nothing out here
            case ast.ClassDef() | ast.Lambda():
                pass
            case ast.Name(id=name, ctx=ast.Store()):
                bound.add(name)
            case _:
                pending += ast.iter_child_nodes(node)
    return imported - bound


def _hunts(module: pytest.Module, scenario: Scenario, settings: Settings) -> Iterator[pytest.Item]:
    for key, case in _claims(scenario):
        for world in settings.worlds:
            words = [case, *key.split(), world if world != "atomic" else ""]
            yield HuntItem.from_parent(
                module,
                name=f"{scenario.name}[{'-'.join(word for word in words if word)}]",
                scenario=scenario,
                case=case,
                key=key,
                world=world,
            )


def _claims(scenario: Scenario) -> list[tuple[str, str]]:
    """(variant, case) of every claim; the case is empty where all claim something."""
    claims = [
        (key, case.name)
        for case in scenario.cases
        for key, claim in case.expect.items()
        if claim.partition(" ")[0] in (PASS, FAIL)
    ]
    if scenario.canary or not claims:
        return [(scenario.subject or UNDECLARED, "")]
    keys = [key for key, _ in claims]
    whole = [key for key in dict.fromkeys(keys) if keys.count(key) == len(scenario.cases)]
    return [(key, "") for key in whole] + [claim for claim in claims if claim[0] not in whole]


def _replays(module: pytest.Module, scenario: Scenario, wanted: str) -> Iterator[pytest.Item]:
    if scenario.name == wanted:
        yield ReplayItem.from_parent(module, name=replay_name(wanted), scenario=scenario)


# --- what an item does ---------------------------------------------------------------------------


class ScenarioItem(pytest.Item):
    """A test of one scenario."""

    def __init__(self, *, scenario: Scenario, **more: Any) -> None:
        super().__init__(**more)
        self.scenario = scenario
        self.add_marker("simworld")

    def reportinfo(self) -> tuple[pathlib.Path, int, str]:
        """Where the workflow or the client's script begins, if that is in this file."""
        for function in (self.scenario.client, *self.scenario.functions[:1]):
            code = getattr(function, "__code__", None)
            if code is not None and code.co_filename == str(self.path):
                return self.path, code.co_firstlineno - 1, self.name
        return self.path, 0, self.name

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """What has failed, and for the author's mistakes which line; a traceback for our own."""
        match excinfo.value:
            case Failed() as error:
                return Told(str(error), self)
            case UsageError() | ReplayDivergence() | UncontrolledNondeterminism() as error:
                return Told(f"{type(error).__name__}: {error}", self)
        return super().repr_failure(excinfo, style)

    @property
    def width(self) -> int:
        """How long the lines of a story may be."""
        return shutil.get_terminal_size((100, 24)).columns

    def story(self, story: Story) -> str:
        """The story as text."""
        return story_text(story, width=min(self.width, 120))


class HuntItem(ScenarioItem):
    """One scenario on one variant in one world."""

    def __init__(self, *, case: str, key: str, world: str, **more: Any) -> None:
        super().__init__(**more)
        self.case, self.key = case, key
        claimed = claimed_variant(key)
        self.variant = functools.reduce(with_knob, claimed.changed, placed(claimed, world))

    def runtest(self) -> None:
        """Hunt; ``Failed`` unless that shows what it has to."""
        settings = self.config.stash[SETTINGS]
        result = hunt(
            self.scenario,
            self.variant,
            seed=settings.seed,
            trials=settings.trials,
            case=self.case,
        )
        for name in ("seed", "trials", "digest"):
            self.user_properties.append((f"simworld_{name}", getattr(result, name)))
        if result.interrupted:
            raise KeyboardInterrupt
        if not self._right(result):
            shown = self._shown(result) if result.findings and not result.canary else ()
            raise Failed("\n\n".join([_said(result), *shown]))

    def _right(self, result: Result) -> bool:
        """What is declared was found; a case that declares a failure may show others beside it."""
        if result.canary:
            return not result.silent
        declared = {each.name: each.expect.get(self.key) for each in self.scenario.cases}
        if any(declared[each.repro.case] == PASS for each in result.findings):
            return False
        wanted = result.expected or Verdict(PASS)
        return (result.verdict.outcome, result.verdict.law) == (wanted.outcome, wanted.law)

    def _shown(self, result: Result) -> Iterator[str]:
        """The story of the smallest failure, the way to replay it, and what else was found."""
        saved, problem = self._save(result)
        first, *others = sorted(
            enumerate(result.findings), key=lambda each: result.interest(each[1])
        )
        yield self._story(first[1])
        if problem:
            yield problem
            return
        yield f"Replay it:\n  {self._command(saved[first[0]])}"
        if others:
            lines = [
                f"  {each.anomaly.signature}: {self._from_here(saved[nth])}" for nth, each in others
            ]
            yield "\n".join(["Beside it, with repros of their own:", *lines])

    def _story(self, finding: Finding) -> str:
        try:
            story = tell(finding.repro, {self.scenario.name: self.scenario})
        except DidNotReproduce as error:
            raise InternalError(f"a failure just found does not replay: {error}") from error
        return self.story(story).rstrip()

    def _save(self, result: Result) -> tuple[dict[int, pathlib.Path], str]:
        """Finding's index → file; and why there are none, if they could not be written."""
        folder = self.config.stash[SETTINGS].save
        names = {nth: name for (_, nth), name in repro_names([result]).items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if folder.name == SAVED:  # nobody has asked for it, so nobody should commit it
                (folder / ".gitignore").write_text("*\n")
            for nth, name in names.items():
                save_repro(result.findings[nth].repro, folder / name)
        except (OSError, UsageError) as error:
            return {}, f"The repro was not saved: {error}"
        return {nth: folder / name for nth, name in names.items()}, ""

    def _command(self, repro: pathlib.Path) -> str:
        """How to see the failure again, from where pytest was called."""
        given = [self._from_here(self.path), "--simworld-replay", self._from_here(repro)]
        return f"{_program()} {shlex.join(given)}"

    def _from_here(self, path: pathlib.Path) -> str:
        return os.path.relpath(path, self.config.invocation_params.dir)


class ReplayItem(ScenarioItem):
    """The repro that was asked for."""

    def runtest(self) -> None:
        """Follow it strictly; ``Failed`` if anything breaks, or if it cannot be followed."""
        repro = self.config.stash[SETTINGS].replay
        assert repro is not None  # else nobody makes this item
        try:
            story = replay(repro, {self.scenario.name: self.scenario})
        except DidNotReproduce as error:
            raise Failed(f"the schedule cannot be followed: {error}") from error
        if story is not None:
            story = with_twin(story, {self.scenario.name: self.scenario})
            raise Failed(f"{story.anomaly.law} is broken again\n\n{self.story(story).rstrip()}")


def _said(result: Result) -> str:
    """The verdict in a line, and below it what else is not as it should be."""
    where = f"{result.scenario} on {result.system}"
    if result.canary:
        where = f"the harness is broken: it finds nothing in {where}"
    expected = f", expected {result.expected}" if result.expected else ""
    head = f"{where}: {result.verdict}{expected} ({result.trials} trials, seed {result.seed})"
    return "\n".join([head, *result.surprises])


def _program() -> str:
    """How to call pytest again, as it was called now."""
    called = sys.argv[0]
    if pathlib.Path(called).name not in ("pytest", "py.test"):
        return f"{shlex.quote(sys.executable)} -m pytest"
    return "pytest" if shutil.which("pytest") == called else shlex.quote(called)
