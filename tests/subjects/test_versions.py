"""Which versions of the SDK are taken, and what a version that is not is told."""

from __future__ import annotations

import importlib.metadata
import inspect
import re

import pytest

pytest.importorskip("vercel.workflow", reason="the extra vercel is not installed")

from vercel.workflow._internal import world as sdk_world

from simworld.errors import UsageError
from simworld.subjects.vercel import messages, refusals, rows, translate, versions, world


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch):
    """Pretends that a version is installed; None: none is."""

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


@pytest.mark.parametrize("version", ["0.9.0", "0.11.2", "0.12.0", "0.13.0rc1", "1.0"])
def test_versions_from_the_oldest_on_are_taken_if_all_is_there(install, version: str) -> None:
    install(version)
    assert versions.check_version() == version


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
    """What it uses of the SDK's world module without asking whether it is there."""
    sources = [inspect.getsource(each) for each in (messages, refusals, rows, translate, world)]
    used = {name for text in sources for name in re.findall(r"\bw\.(\w+)", text)}
    used -= {"AttributeChange", "StepAttributeWriter", "WorkflowAttributeWriter"}  # of attr_set
    assert used <= {*versions.NEEDED["vercel.workflow._internal.world"].split()}
