"""Where scenarios come from: a folder, a file, a module, or what installed packages offer."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import pathlib
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TypeVar

from simworld.campaign.book import Page
from simworld.campaign.modules import is_module, module_scenarios
from simworld.campaign.scenario import Scenario
from simworld.campaign.script import line_in, told
from simworld.errors import UsageError
from simworld.records import Race

T = TypeVar("T")

FLOWS = "flows"
"""Modules of this name hold workflows of a subject; only its host imports them."""


def load_scenarios(where: str | None = None, *, deep: bool = False) -> dict[str, Scenario]:
    """The scenarios of a folder, a file or a module, by name; or those of a subject's workflows
    (``modules``).

    None: the folder ``scenarios`` of the current directory; without one, whatever installed
    packages offer under the entry point group ``simworld.scenarios`` (decisions §5.11).
    ``deep``: also those of packages in the folder, which are hunted only by their names.
    """
    if where is not None and is_module(where):
        return module_scenarios(where)
    found: dict[str, Scenario] = {}
    for module in _modules(where, deep=deep):
        pages = [page.scenario for page in _told_by(module, "pages", Page)]
        for value in (*vars(module).values(), *pages):
            if isinstance(value, Scenario):
                if found.get(value.name, value) is not value:
                    raise UsageError(f"two scenarios are called {value.name!r}")
                found[value.name] = value
    if not found:
        raise UsageError(
            f"no scenarios in {where or 'the folder scenarios/ of this directory'}; "
            "name a folder, file or module with --scenarios (or, of workflows of yours for a "
            "subject, their module: --subject NAME --module MODULE)"
        )
    return dict(sorted(found.items()))


def load_races(where: str | None = None) -> dict[str, Race]:
    """The catalogue, by id: what the modules of ``load_scenarios`` and below call ``races``."""
    found: dict[str, Race] = {}
    for module in _modules(where, deep=True):
        for race in _told_by(module, "races", Race):
            if found.get(race.id, race) is not race:
                raise UsageError(f"two entries of the catalogue are called {race.id}")
            found[race.id] = race
    return dict(sorted(found.items()))


def load_pages(where: str | None = None) -> dict[str, Page]:
    """The scenario book, by id: what those modules call ``pages``, in their order."""
    found: dict[str, Page] = {}
    for module in _modules(where, deep=True):
        for page in _told_by(module, "pages", Page):
            if found.get(page.id, page) is not page:
                raise UsageError(f"two pages of the scenario book are called {page.id}")
            found[page.id] = page
    return found


def _told_by(module: ModuleType, name: str, kind: type[T]) -> Sequence[T]:
    """What a module holds under that name: a tuple or list of that kind; nothing without one."""
    values = getattr(module, name, ())
    if not isinstance(values, tuple | list):
        raise UsageError(
            f"{name} of {module.__name__} is no tuple of {kind.__name__}s but {values!r}; "
            f"write {name} = (…,) or call it otherwise"
        )
    for value in values:
        if not isinstance(value, kind):
            raise UsageError(
                f"{name} of {module.__name__} holds {value!r}, which is no {kind.__name__}"
            )
    return values


def _modules(where: str | None, *, deep: bool) -> list[ModuleType]:
    if where is not None:
        path = pathlib.Path(where)
        return _from_path(path, deep=deep) if path.exists() else [_import(where)]
    if pathlib.Path("scenarios").is_dir():
        return _from_path(pathlib.Path("scenarios"), deep=deep)
    points = importlib.metadata.entry_points(group="simworld.scenarios")
    return [
        _executed(point.value, point.load) for point in sorted(points, key=lambda each: each.name)
    ]


def _from_path(path: pathlib.Path, *, deep: bool) -> list[ModuleType]:
    path = path.resolve()
    files = _files(path, deep=deep) if path.is_dir() else [path]
    folder = path if path.is_dir() else path.parent
    while (folder.parent / "__init__.py").exists():  # a package in a package has a longer name
        folder = folder.parent
    parent = str(folder.parent)
    if parent not in sys.path:
        sys.path.insert(0, parent)
    return [_load(folder, file) for file in files if file.stem not in ("__init__", FLOWS)]


def _files(folder: pathlib.Path, *, deep: bool) -> list[pathlib.Path]:
    """The modules of a folder; ``deep``: then those of the packages in it."""
    files = sorted(folder.glob("*.py"))
    for marker in sorted(folder.glob("*/__init__.py")) if deep else []:
        files += _files(marker.parent, deep=True)
    return files


def _load(folder: pathlib.Path, file: pathlib.Path) -> ModuleType:
    """The module of one file, found by its place: another package may have the folder's name."""
    name = ".".join((folder.name, *file.relative_to(folder).with_suffix("").parts))
    known = sys.modules.get(name)
    if known is not None and known.__file__ == str(file):
        return known
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UsageError(f"cannot load scenarios from {str(file)!r}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    if known is None:
        sys.modules[name] = module
    try:
        _executed(str(file), functools.partial(spec.loader.exec_module, module))
    except UsageError:
        sys.modules.pop(name, None)
        raise
    return module


def _import(name: str) -> ModuleType:
    return _executed(name, functools.partial(importlib.import_module, name))


def _executed(where: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except (Exception, SystemExit) as error:  # the author's code: it may fail in any way
        raise _failed(where, error) from error


def _failed(where: str, error: BaseException) -> UsageError:
    """What could not be loaded, the line at which it failed, and why."""
    line = line_in(error, where) or _innermost(error)
    if isinstance(error, SyntaxError):
        line = f"{error.filename}:{error.lineno}"
    at = f" at {line}" if line else ""
    return UsageError(f"cannot load scenarios from {where!r}{at}: {told(error)}")


def _innermost(error: BaseException) -> str:
    """The innermost line that is neither ours nor the import system's."""
    found, traceback = "", error.__traceback__
    while traceback is not None:
        frame = traceback.tb_frame
        module = frame.f_globals.get("__name__", "").partition(".")[0]
        if module not in ("simworld", "importlib") and frame.f_code.co_filename[0] != "<":
            found = f"{frame.f_code.co_filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
