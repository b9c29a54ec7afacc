"""A canary on the command line: what it finds fails nothing, and its silence is exit code 4."""

from __future__ import annotations

import json
from pathlib import Path

import attrs

from simworld.records import Result, Verdict
from tests.cli.fakes import FakeCampaign, FakeScenario, Run
from tests.render import samples

SILENT = ("case killed was not refuted in 60 trials",)


def found(scenario: str, variant: str) -> Result:
    """The canary is refuted, everything else passes."""
    if scenario != "canary":
        return samples.passing(scenario=scenario, variant=variant)
    return samples.result(scenario=scenario, variant=variant, canary=True)


def silent(scenario: str, variant: str) -> Result:
    """Only one half of it is refuted."""
    result = found(scenario, variant)
    return attrs.evolve(result, surprises=SILENT) if result.canary else result


def with_canary(campaign: FakeCampaign) -> None:
    assert isinstance(campaign.scenarios, dict)
    canary = FakeScenario("canary", (), canary=True)
    campaign.scenarios = {"canary": canary, **campaign.scenarios}


def test_what_it_finds_fails_nothing_and_is_not_told(run: Run, campaign: FakeCampaign) -> None:
    with_canary(campaign)
    campaign.results = found
    ran = run("hunt", "--json", "out.json", "--junit", "out.xml")
    assert ran.code == 0, ran.err
    assert "4 hunts: 4 PASS; " in ran.out
    assert "; canary ok · " in ran.out
    assert "The smallest failure" not in ran.out
    assert not Path("repros").exists()
    rows = json.loads(Path("out.json").read_text())["results"]
    assert [each["canary"] for each in rows] == [True, True, False, False, False, False]
    assert "<failure" not in Path("out.xml").read_text()
    assert run("hunt", "--expect", "--variant", "v2_merge", "canary").code == 0


def test_its_silence_is_exit_code_4(run: Run, campaign: FakeCampaign) -> None:
    with_canary(campaign)
    campaign.results = silent
    for options in ((), ("--expect", "--variant", "v2_merge")):
        ran = run("hunt", *options, "--junit", "out.xml")
        assert ran.code == 4
        assert "simworld: the harness finds nothing where it must: canary on v2_merge" in ran.err
        assert f"canary on v2_merge: the harness is broken: {SILENT[0]}" in ran.out
        assert '<error type="silent canary"' in Path("out.xml").read_text()


def test_an_interruption_is_no_silence(run: Run, campaign: FakeCampaign) -> None:
    with_canary(campaign)
    campaign.results = lambda scenario, variant: attrs.evolve(
        found(scenario, variant), verdict=Verdict("UNKNOWN"), findings=(), interrupted=True
    )
    assert run("hunt", "canary").code == 3
