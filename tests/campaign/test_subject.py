"""A subject in a campaign: somebody's own module hunted as it is, its repros, other processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from simworld.campaign import (
    Hunter,
    Pool,
    check_hash_seeds,
    hunt,
    load_repro,
    load_scenarios,
    preset,
    replay,
    save_repro,
    where_of,
)
from simworld.cli.common import scenarios_of
from simworld.errors import UsageError
from simworld.records import PASS, BodyEnded, Finding, Record, Repro, Workload
from simworld.subjects import installed_version

NAME = "vercel-workflow"
try:
    VERSION = installed_version(NAME)
except UsageError as error:
    pytest.skip(f"there is no subject here: {error}", allow_module_level=True)

SUBJECT = preset(NAME)
FLOWS = """
import asyncio

from vercel.workflow import FatalError, Workflows, sleep

wf = Workflows()

@wf.step
async def charge(amount: int) -> int:
    await asyncio.sleep(0.2)
    return amount

@wf.step
async def refuse() -> None:
    raise FatalError("out of stock")

@wf.workflow
async def nightly() -> int:
    await sleep("1s")
    return await charge(7)

@wf.workflow
async def checkout(order: str, amounts: list[int]) -> str:
    paid = await asyncio.gather(*[charge(each) for each in amounts])
    return f"{order}: {sum(paid)}"

@wf.step
async def refund(amount: int) -> int:
    return amount

@wf.step(max_retries=0)
async def only_once() -> int:
    return 5

@wf.workflow
async def later() -> int:
    total = 0
    for pause in ("1s", "2s"):
        await sleep(pause)
        total += await only_once()
    return await refund(total)

@wf.workflow
async def no_second_try() -> int:
    return await only_once()

@wf.workflow
async def sold_out() -> None:
    await refuse()

@wf.workflow
async def reads_a_file() -> None:
    await looks()

@wf.step
async def looks() -> None:
    await asyncio.to_thread(print, "outside")
"""
MODULE = "h6_shop_flows"
WHERE = f"{NAME}:{MODULE}"


@pytest.fixture(autouse=True)
def _shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder with the module in it is the current one."""
    (tmp_path / f"{MODULE}.py").write_text(FLOWS)
    (tmp_path / "h6_empty.py").write_text("x = 1\n")
    (tmp_path / "h6_broken.py").write_text("import no_such_thing\n")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    yield
    sys.path[:] = before


def _scenario(name: str, where: str = WHERE):
    return load_scenarios(where)[name]


@pytest.fixture
def finding() -> Finding:
    """A run that fails because a step of it says so."""
    result = hunt(_scenario("sold_out"), SUBJECT, trials=3, case="quiet")
    assert result.findings, str(result.verdict)
    return result.findings[0]


def test_every_workflow_without_arguments_is_a_scenario() -> None:
    found = load_scenarios(WHERE)
    assert sorted(found) == ["later", "nightly", "no_second_try", "reads_a_file", "sold_out"]
    assert {each.subject for each in found.values()} == {NAME}
    assert load_scenarios(WHERE)["nightly"] is found["nightly"], "workers look for this one"


def test_one_with_arguments_is_named_with_them() -> None:
    where = where_of(NAME, MODULE, "checkout", '["7", [10, 20]]')
    assert list(load_scenarios(where)) == ["checkout"]


@pytest.mark.parametrize(
    ("where", "told"),
    [
        (f"{NAME}:h6_nowhere", "h6_nowhere"),
        (f"{NAME}:h6_broken", "no_such_thing"),
        (f"{NAME}:h6_empty", "h6_empty"),
        (f"{WHERE}:nightl", "did you mean nightly?"),
        (f"{WHERE}:checkout", "checkout(order: str, amounts: list[int])"),
        (f'{WHERE}:checkout["7"]', "give them with --args"),
        (f"{WHERE}:nightly[1]", "nightly()"),
    ],
)
def test_what_cannot_be_hunted_says_why(where: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_scenarios(where)
    assert told in str(caught.value)


def test_a_healthy_workflow_is_run_through_every_sort_of_trouble() -> None:
    scenario = _scenario("nightly")
    for case in scenario.cases:
        result = hunt(scenario, SUBJECT, trials=5, case=case.name)
        assert result.trials == 5
        assert result.ended_share == 1.0, (case.name, str(result.verdict))


def test_trouble_strikes_the_steps_that_a_run_has() -> None:
    """``later`` asks for four other things before the only step of it that may fail."""
    scenario = _scenario("later")
    assert scenario.victims(Workload()) == ["only_once#2", "only_once#4", "refund#5"]
    failing, slow = (Hunter(scenario, SUBJECT, case=case) for case in ("failing", "slow"))
    frozen = 0
    for number in range(8):
        trial = failing.trial(number)
        assert trial.verdict.outcome == PASS
        assert {each.step for each in trial.records if _has_failed(each)} == {"refund#5"}
        frozen += any(each.kind == "slow_body" for each in slow.trial(number).faults)
    assert frozen >= 4


def _has_failed(record: Record) -> bool:
    return isinstance(record, BodyEnded) and record.outcome == "error"


def test_only_a_step_with_retries_is_made_to_fail() -> None:
    cases = {name: [case.name for case in _scenario(name).cases] for name in load_scenarios(WHERE)}
    assert [name for name, drawn in cases.items() if "failing" in drawn] == ["nightly", "later"]


def test_an_engine_runs_its_own_scenarios_only() -> None:
    with pytest.raises(UsageError, match="nightly is run by vercel-workflow, and fixed is an eng"):
        hunt(_scenario("nightly"), preset("fixed"), trials=1)


def test_what_the_simulation_does_not_have_is_told_with_its_line() -> None:
    with pytest.raises(UsageError, match=f"{MODULE}.py"):
        hunt(_scenario("reads_a_file"), SUBJECT, trials=1)


def test_a_repro_says_in_what_it_was_found_and_shows_it_again(
    finding: Finding, tmp_path: Path
) -> None:
    save_repro(finding.repro, tmp_path / "repro.json")
    repro = load_repro(tmp_path / "repro.json")
    assert (repro.subject, repro.subject_version, repro.origin) == (NAME, VERSION, WHERE)
    story = replay(repro, scenarios_of(None, repro))
    assert story is not None
    assert story.anomaly.law == finding.anomaly.law


def test_a_repro_names_no_other_place_to_import_from(finding: Finding, tmp_path: Path) -> None:
    save_repro(attrs.evolve(finding.repro, origin="scenarios"), tmp_path / "repro.json")
    with pytest.raises(UsageError, match="damaged repro: 'scenarios' names no module"):
        load_repro(tmp_path / "repro.json")


def test_whoever_says_where_is_listened_to(finding: Finding) -> None:
    with pytest.raises(UsageError, match="h6_nowhere"):
        scenarios_of(f"{NAME}:h6_nowhere", finding.repro)


def test_without_its_module_it_says_what_to_name(finding: Finding) -> None:
    with pytest.raises(UsageError, match=f"name the module: --scenarios {NAME}:MODULE"):
        replay(finding.repro, {})


def test_another_version_does_not_follow_it(finding: Finding) -> None:
    other = attrs.evolve(finding.repro, subject_version="0.8.0")
    with pytest.raises(UsageError) as caught:
        replay(other, load_scenarios(WHERE))
    assert f"found in {NAME} 0.8.0, and installed here is {VERSION}" in str(caught.value)
    assert f"--subject {NAME}==0.8.0" in str(caught.value)


def test_a_repro_of_our_own_engine_names_no_subject() -> None:
    fields = attrs.fields_dict(Repro)
    names = ("subject", "subject_version", "origin")
    assert {fields[name].default for name in names} == {""}


@pytest.mark.slow
def test_other_processes_find_the_same() -> None:
    scenario = _scenario("nightly")
    alone = hunt(scenario, SUBJECT, trials=12)
    with Pool(2, where=WHERE) as pool:
        together = hunt(scenario, SUBJECT, trials=12, pool=pool)
    assert (together.digest, together.verdict) == (alone.digest, alone.verdict)


@pytest.mark.slow
def test_the_hash_seed_of_the_process_changes_nothing() -> None:
    check_hash_seeds(_scenario("nightly"), SUBJECT, where=WHERE, seed=3, trials=5)
