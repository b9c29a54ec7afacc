"""The pytest plugin: the scenarios of test modules are tests.

A ``Scenario`` is collected where a module binds it to a public name by anything but an import: a
test module may import one without running it again.  In a folder ``scenarios`` that the command
line names, all files are looked at, whatever they are called.

Every run of pytest in an environment with simworld loads this module, so it fetches nothing heavy
before it meets the first scenario.
"""

from __future__ import annotations

import os
import pathlib
import sys

import pytest

from simworld.pytest_plugin.settings import SETTINGS, add_options, replay_name, settings_of

__all__ = [
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_pycollect_makeitem",
    "pytest_report_header",
]

FOLDER = "scenarios"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare options and ini values."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read them; what makes no sense is told before anything runs."""
    config.addinivalue_line("markers", "simworld: a scenario; each has it by itself")
    config.stash[SETTINGS] = settings_of(config)


def pytest_report_header(config: pytest.Config) -> str:
    """The seed, before anything runs."""
    settings = config.stash[SETTINGS]
    if settings.replay is not None:
        return f"simworld: replaying a failure of {settings.replay.scenario}"
    where = ", ".join(settings.worlds)
    return f"simworld: seed {settings.seed}, {settings.trials} trials each, world {where}"


def pytest_collect_file(file_path: pathlib.Path, parent: pytest.Collector) -> pytest.Module | None:
    """The files of a folder ``scenarios`` that the command line, or ``testpaths``, names."""
    folder, config = file_path.parent, parent.config
    if file_path.suffix != ".py" or folder.name != FOLDER:
        return None
    here = config.invocation_params.dir
    named = [os.path.abspath(here / each.partition("::")[0]) for each in config.args]
    if str(folder) not in named and str(file_path) not in named:
        return None  # nobody has asked for it
    if str(folder.parent) not in sys.path:  # they import one another, as under ``simworld hunt``
        sys.path.insert(0, str(folder.parent))
    patterns = ["__init__.py", *config.getini("python_files")]
    if str(file_path) in named or any(file_path.match(each) for each in patterns):
        return None  # pytest takes it by itself
    return pytest.Module.from_parent(parent, path=file_path)


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[pytest.Item] | None:
    """The items of a scenario; there is none before somebody has imported what makes them."""
    kind = getattr(sys.modules.get("simworld.campaign"), "Scenario", None)
    if kind is None or not isinstance(obj, kind) or not isinstance(collector, pytest.Module):
        return None
    from simworld.pytest_plugin.items import items_of

    return items_of(collector, name, obj, collector.config.stash[SETTINGS])


def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """With a repro to replay, nothing else runs."""
    repro = config.stash[SETTINGS].replay
    if repro is None:
        return
    others = [each for each in items if each.name != replay_name(repro.scenario)]
    items[:] = [each for each in items if each not in others]
    config.hook.pytest_deselected(items=others)
    if not items and not session.testsfailed:
        raise pytest.UsageError(
            f"simworld-replay: no scenario called {repro.scenario} is collected here; name the "
            "file that holds it"
        )
