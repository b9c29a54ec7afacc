"""Which versions of the SDK are taken, and what a version that is not is told."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import pathlib

import pytest

pytest.importorskip("vercel.workflow", reason="the extra vercel is not installed")

from vercel.workflow._internal import world as sdk_world

from simworld.errors import UsageError
from simworld.subjects.vercel import versions

MODULES = [
    path
    for path in pathlib.Path(versions.__file__).parent.glob("*.py")
    if not path.name.startswith("standalone")  # those write scripts, which say themselves
]
INTERNAL = "vercel.workflow._internal"
OPTIONAL = {
    *[
        f"{INTERNAL}.world.{name}"  # of attr_set
        for name in ("AttributeChange", "StepAttributeWriter", "WorkflowAttributeWriter")
    ],
    f"{INTERNAL}.py_sandbox.Sandbox",  # where sandboxes are shared
}


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Pretends that a version is installed; None: none is."""

    monkeypatch.setenv("SIMWORLD_NEW_VERSION", "")

    def pretend(version: str | None) -> None:
        def found(package: str) -> str:
            assert package == versions.PACKAGE
            if version is None:
                raise importlib.metadata.PackageNotFoundError(package)
            return version

        monkeypatch.setattr(importlib.metadata, "version", found)

    return pretend


def test_the_installed_version_is_taken() -> None:
    assert versions.check_version() == importlib.metadata.version("vercel-workflow")


@pytest.mark.parametrize("version", ["0.9.0", "0.11.2", "0.12.0"])
def test_versions_that_are_known_are_taken_without_a_word(install, capsys, version: str) -> None:
    install(version)
    assert versions.check_version() == version
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("version", ["0.13.0rc1", "1.0"])
def test_a_newer_number_is_warned_of_once_if_all_the_names_are_there(
    install, capsys, version: str
) -> None:
    """Its names are those of the installed one here; of what they do nothing is known."""
    install(version)
    assert versions.check_version() == versions.check_version() == version
    told = capsys.readouterr().err.splitlines()
    assert told == [
        f"simworld: vercel-workflow {version} has not been looked at yet; the newest version that "
        "simworld knows is 0.12"
    ]


@pytest.mark.parametrize("version", ["0.8.3", "0.1"])
def test_older_ones_are_refused_with_the_way_out(install, version: str) -> None:
    install(version)
    with pytest.raises(UsageError, match=rf"{version} is installed.*0\.9.*simworld\[vercel\]"):
        versions.check_version()


def test_without_the_package_the_way_out_is_told(install) -> None:
    install(None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'simworld\[vercel\]'"):
        versions.check_version()


def test_a_version_that_cannot_be_read_is_named(install) -> None:
    install("main")
    with pytest.raises(UsageError, match="'main', which simworld cannot read"):
        versions.check_version()


def test_a_newer_one_is_told_what_it_lacks(install, monkeypatch: pytest.MonkeyPatch) -> None:
    install("0.13.0")
    monkeypatch.delattr(sdk_world, "TooEarlyError")
    monkeypatch.setitem(versions.NEEDED, "vercel.workflow.gone", "start")
    with pytest.raises(UsageError) as told:
        versions.check_version()
    message = str(told.value)
    assert "vercel.workflow._internal.world.TooEarlyError, " in message
    assert "vercel.workflow.gone.* (No module named" in message
    assert "pip install 'vercel-workflow==0.12.*'" in message


def test_differences_are_of_versions_that_are_taken() -> None:
    for each in versions.DIFFERENCES:
        assert versions.OLDEST < versions.series(each.since) <= versions.NEWEST
        assert each.what
        assert each.handled


def test_all_that_the_adapter_names_of_the_sdk_is_looked_for() -> None:
    """What its modules use of the SDK's without asking whether it is there."""
    used = {name for path in MODULES for name in used_of_the_sdk(path.read_text())}
    needed = {f"{module}.{name}" for module in versions.NEEDED for name in needed_of(module)}
    assert len(used) > 40
    assert used - OPTIONAL <= needed


def needed_of(module: str) -> list[str]:
    return versions.NEEDED[module].split()


def used_of_the_sdk(source: str) -> set[str]:
    """``module.name`` of all that a text of Python takes from the SDK's modules."""
    tree, modules, used = ast.parse(source), {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname or each.name: each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                whole = f"{node.module}.{each.name}"
                modules[each.asname or each.name] = whole
                if whole.startswith("vercel.") and not is_module(whole):
                    used.add(whole)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module = modules.get(node.value.id, "")
            if module.startswith("vercel."):
                used.add(f"{module}.{node.attr}")
    return used


def is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False
