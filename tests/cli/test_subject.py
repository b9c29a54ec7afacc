"""``simworld hunt --subject``: what is hunted, what does not go with it, and several versions."""

from __future__ import annotations

import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from simworld import cli
from simworld.cli.versions import WORST
from simworld.records import ForeignProgram
from tests.cli.fakes import SCENARIOS, FakeCampaign, FakeCase, FakeScenario, Run
from tests.render import samples

NAME = "vercel-workflow"
GATHER = FakeScenario("gather", (FakeCase("quiet"),), subject=NAME)
CASES = {
    **SCENARIOS,
    GATHER.name: GATHER,
}


@pytest.fixture(autouse=True)
def _scenarios(campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign.scenarios = CASES
    campaign.results = lambda scenario, variant: samples.passing(scenario=scenario, variant=variant)
    versions = {NAME: "0.12.0", "time-machine": "3.0.0"}
    real = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: versions.get(name) or real(name)
    )


# --- which scenarios, which variant ---------------------------------------------------------------


def test_a_subject_is_hunted_with_its_own_scenarios(run: Run, campaign: FakeCampaign) -> None:
    ran = run("hunt", "--subject", NAME)
    assert ran.code == 0
    assert [(call["scenario"], call["variant"].name) for call in campaign.calls] == [
        ("gather", NAME)
    ]


def test_the_installed_version_may_be_named(run: Run, campaign: FakeCampaign) -> None:
    assert run("hunt", "--subject", f"{NAME}==0.12.0", "--world", "local").code == 0
    (call,) = campaign.calls
    assert (call["variant"].name, call["variant"].place) == (NAME, "local")


def test_a_plain_hunt_leaves_scenarios_of_subjects_out(run: Run, campaign: FakeCampaign) -> None:
    run("hunt", "--variant", "fixed")
    assert [call["scenario"] for call in campaign.calls] == [
        "inflated_attempts",
        "retry_exhaustion",
    ]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (
            ("gather",),
            f"scenario gather is one of the engine {NAME}; hunt it with --subject {NAME}",
        ),
        (
            ("inflated_attempts", "--subject", NAME),
            "scenario inflated_attempts is one of our own engine; leave out --subject",
        ),
        (("--subject", "vercel-workflw"), "unknown subject 'vercel-workflw'; did you mean vercel-"),
        (("--subject", f"{NAME}=="), "--subject takes NAME or NAME==VERSION (0.9.0), not"),
        (("--subject", f"{NAME}==newest"), "--subject takes NAME or NAME==VERSION (0.9.0), not"),
        (("--subject", NAME, "--variant", "fixed"), "--variant names an engine of ours and"),
        (("--subject", NAME, "--generated"), "--generated draws workflows for our own engine"),
        (("--subject", NAME, "gathr"), "unknown scenario 'gathr'; did you mean gather?"),
        (("--module", "shop.flows"), "--module is about workflows of a subject; name it with"),
        (("--args", "[]"), "--args is about workflows of a subject; name it with --subject"),
        (("--subject", NAME, "--workflow", "x"), "--workflow is about a workflow of a module"),
        (("--subject", NAME, "--args", "[]"), "--args is about a workflow of a module"),
        (("--subject", NAME, "--module", "m", "--args", "[]"), "name it with --workflow"),
        (("--subject", NAME, "--module", "m", "x"), "name one with --workflow x"),
        (("--subject", NAME, "--module", "m", "--scenarios", "s"), "both say what is hunted"),
        (
            ("--subject", NAME, "--module", "m", "--workflow", "w", "--args", "7"),
            "--args takes a JSON list, such as '[7]', not 7",
        ),
        (
            ("--subject", NAME, "--module", "m", "--workflow", "w", "--args", "[7"),
            "--args takes a JSON list",
        ),
    ],
)
def test_what_does_not_go_together_is_bad_input(
    run: Run, campaign: FakeCampaign, argv: tuple[str, ...], told: str
) -> None:
    ran = run("hunt", *argv)
    assert ran.code == 2
    assert told in ran.err
    assert campaign.calls == []


def test_a_subject_without_scenarios_says_where_to_get_some(
    run: Run, campaign: FakeCampaign
) -> None:
    campaign.scenarios = SCENARIOS
    ran = run("hunt", "--subject", NAME)
    assert ran.code == 2
    assert f"no scenario in the folder scenarios/ of this directory is for {NAME}" in ran.err
    assert "--module" in ran.err


@pytest.mark.parametrize("missing", [NAME, "time-machine"])
def test_without_the_extra_it_says_how_to_get_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    def version(name: str) -> str:
        if name == missing:
            raise importlib.metadata.PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    ran = run("hunt", "--subject", NAME)
    assert ran.code == 2
    assert f"{missing}, which is not installed: pip install 'simworld[vercel]'" in ran.err


def test_a_module_is_where_the_scenarios_come_from(run: Run, campaign: FakeCampaign) -> None:
    run("hunt", "--subject", NAME, "--module", "shop.flows")
    assert set(campaign.places) == {f"{NAME}:shop.flows"}
    run("hunt", "--subject", NAME, "--module", "m", "--workflow", "w", "--args", '["7",20]')
    assert campaign.places[-1] == f'{NAME}:m:w["7", 20]'


@pytest.mark.parametrize("installed", ["0.9.0", "0.10.2", "0.11.2"])
def test_what_needs_a_later_version_is_left_out(
    run: Run, campaign: FakeCampaign, monkeypatch: pytest.MonkeyPatch, installed: str
) -> None:
    late = ForeignProgram(NAME, "shop.flows", "late", since="0.11.0")
    campaign.scenarios = {
        "gather": GATHER,
        "late": attrs.evolve(GATHER, name="late", workflow=late),
    }
    monkeypatch.setattr(importlib.metadata, "version", lambda name: installed)
    ran = run("hunt", "--subject", NAME)
    hunted = [call["scenario"] for call in campaign.calls]
    if installed == "0.11.2":
        assert hunted == ["gather", "late"]
        return
    assert hunted == ["gather"]
    assert f"scenario late needs {NAME} 0.11.0 or later: it is left out" in ran.err
    named = run("hunt", "--subject", NAME, "late")
    assert named.code == 2
    assert f"0.11.0 or later, and installed is {installed}" in named.err


# --- several versions -----------------------------------------------------------------------------

FAKE = """#!{python}
import json, os, signal, sys, time
if sys.argv[1] == "-c":
    print({version!r}, "here")
    sys.exit()
argv = sys.argv[3:]
asked = dict(zip(argv, argv[1:]))
print("going on", file=sys.stderr, flush=True)
stopped = False
if {slow}:
    def stop(*_):
        global stopped
        stopped = True
    signal.signal(signal.SIGINT, stop)
    open({ready!r}, "w").close()
    while not stopped:
        time.sleep(0.01)
finding = {{
    "signature": "I-12 retries", "message": "work#3 was given up", "moves_after": 3,
    "repro": asked["--save"] + "/r.json",
}}
result = {{
    "scenario": "gather", "world": "atomic", "trials": 7, "verdict": {verdict!r}, "law": "",
    "reason": " ".join(argv), "anomalies": [finding] if {code} else [],
}}
with open(asked["--json"], "w") as file:
    json.dump({{"results": [result], "unjudged": []}}, file)
sys.exit(3 if stopped else {code})
"""


def _fake(version: str, *, code: int = 0, slow: bool = False) -> None:
    """An environment whose interpreter answers as a hunt of that version would."""
    bin_ = Path("envs") / f"{NAME}-{version}" / "bin"
    bin_.mkdir(parents=True)
    text = FAKE.format(
        python=sys.executable,
        version=version,
        verdict="FAIL" if code else "PASS",
        code=code,
        slow=slow,
        ready=str(Path(f"ready-{version}").absolute()),
    )
    (bin_ / "python").write_text(text)
    (bin_ / "python").chmod(0o755)


def _both(*argv: str) -> tuple[str, ...]:
    wanted = ("--subject", f"{NAME}==0.9.0", "--subject", f"{NAME}==0.11.2")
    return ("hunt", *wanted, "--subjects-dir", "envs", *argv)


def test_versions_are_hunted_each_by_its_own_interpreter(run: Run) -> None:
    _fake("0.9.0", code=1)
    _fake("0.11.2")
    options = ("--world", "local", "--set", "dedup=none", "--fault", "crashes=2", "--jobs", "2")
    ran = run(*_both("gather", "--seed", "7", "--trials", "7", *options, "--json", "all.json"))
    assert ran.code == 1, "the worst of both"
    for version in ("0.9.0", "0.11.2"):
        assert f"{version}: going on" in ran.err
        assert f"{NAME} {version}" in ran.out
    assert f"{NAME}==0.9.0: work#3 was given up" in ran.out
    assert f"envs/{NAME}-0.9.0/bin/python -m simworld.cli replay" in ran.out
    assert f"repros/{NAME}-0.9.0/r.json" in ran.out
    first, second = json.loads(Path("all.json").read_text())["results"]
    assert (first["subject_version"], second["subject_version"]) == ("0.9.0", "0.11.2")
    for asked in (
        f"hunt gather --subject {NAME}==0.9.0",
        "--world local --set dedup=none --fault crashes=2",
        "--trials 7 --explorer portfolio --seed 7 --jobs 2",
        f"--save repros/{NAME}-0.9.0",
    ):
        assert asked in first["reason"]


def test_a_module_is_hunted_in_every_version(run: Run) -> None:
    _fake("0.9.0")
    _fake("0.11.2")
    run(*_both("--module", "shop.flows", "--json", "all.json"))
    for result in json.loads(Path("all.json").read_text())["results"]:
        assert f"--scenarios {NAME}:shop.flows" in result["reason"]


def test_a_version_that_shows_nothing_is_told_of(run: Run) -> None:
    _fake("0.9.0")
    _fake("0.11.2")
    broken = Path("envs") / f"{NAME}-0.11.2" / "bin" / "python"
    text = broken.read_text().replace("result = {", "sys.exit(2)\nresult = {")
    broken.write_text(text)
    ran = run(*_both())
    assert ran.code == 2
    assert f"{NAME}==0.11.2 has shown nothing (exit code 2)" in ran.err
    assert f"{NAME} 0.9.0" in ran.out


@pytest.mark.parametrize("option", ["--known", "--junit"])
def test_a_ledger_is_of_one_version(run: Run, option: str) -> None:
    ran = run(*_both(option, "file"))
    assert ran.code == 2
    assert f"{option} is about one version of a subject" in ran.err


def test_what_is_no_environment_of_that_version_is_not_used(run: Run) -> None:
    _fake("0.9.0")
    (Path("envs") / f"{NAME}-0.9.0").rename(Path("envs") / f"{NAME}-0.11.2")
    ran = run("hunt", "--subject", f"{NAME}==0.11.2", "--subjects-dir", "envs")
    assert ran.code == 2
    assert f"{NAME}-0.11.2 has {NAME} 0.9.0, not 0.11.2; remove it" in ran.err
    (Path("envs") / f"{NAME}-0.10.2").mkdir()
    ran = run("hunt", "--subject", f"{NAME}==0.10.2", "--subjects-dir", "envs")
    assert ran.code == 2
    assert "it is no environment with simworld and" in ran.err


def test_ctrl_c_ends_every_version_and_shows_what_there_is() -> None:
    _fake("0.9.0", slow=True)
    _fake("0.11.2", slow=True)
    root = str(Path(cli.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-m", "simworld.cli", *_both()],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while len(list(Path().glob("ready-*"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3, err
    assert f"{NAME} 0.9.0" in out
    assert f"{NAME} 0.11.2" in out


def test_exit_codes_have_an_order() -> None:
    assert sorted(WORST) == [0, 1, 2, 3, 4]
