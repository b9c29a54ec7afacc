"""Where scenarios come from, when subjects are about: modules of workflows are left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from simworld.campaign import load_scenarios, where_of
from simworld.campaign.modules import is_module

NAME = "vercel-workflow"
SCENARIO = """
from simworld.campaign import Case, Scenario
from simworld.records import FaultBudget, ForeignProgram, Workload

scenario = Scenario(
    name="of_the_shop",
    title="it ends",
    law="I-12",
    workflow=ForeignProgram("vercel-workflow", "h6place.shop.flows", "checkout"),
    steps=(),
    args=lambda workload: (),
    cases=(Case("quiet", "calm", lambda stream: Workload(), FaultBudget(), {}),),
)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of scenarios with one in it, whose ``flows`` nobody may import here."""
    inner = tmp_path / "h6place" / "shop"
    inner.mkdir(parents=True)
    for folder in (inner, inner.parent):
        (folder / "__init__.py").write_text("")
    (inner / "orders.py").write_text(SCENARIO)
    (inner / "flows.py").write_text("raise SystemExit('imported without its host')\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    return inner.parent


def test_workflows_of_a_subject_are_not_imported_with_scenarios(place: Path) -> None:
    found = load_scenarios(str(place), deep=True)
    assert {name: each.subject for name, each in found.items()} == {"of_the_shop": NAME}


def test_a_package_in_a_package_keeps_its_name(place: Path) -> None:
    """Or its folder would come before a package of the same name, such as the engine's own."""
    load_scenarios(str(place / "shop"))
    assert str(place) not in sys.path
    assert "h6place.shop.orders" in sys.modules


@pytest.mark.parametrize(
    ("where", "yes"),
    [
        (f"{NAME}:shop.flows", True),
        (f"{NAME}:shop.flows:checkout[1]", True),
        (NAME, False),
        ("scenarios", False),
        ("C:scenarios", False),
    ],
)
def test_a_module_of_workflows_is_named_with_its_subject(where: str, yes: bool) -> None:
    assert is_module(where) is yes


def test_arguments_are_in_one_form() -> None:
    assert where_of(NAME, "m", "", None) == f"{NAME}:m"
    assert where_of(NAME, "m", "w", None) == f"{NAME}:m:w"
    assert where_of(NAME, "m", "w", ' ["a" ,1]') == f'{NAME}:m:w["a", 1]'
