"""A command line over a fake campaign, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from simworld import cli
from tests.cli.fakes import FakeCampaign, Ran, Run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIMWORLD_DEBUG", raising=False)


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch) -> FakeCampaign:
    fake = FakeCampaign()
    fake.install(monkeypatch)
    return fake


@pytest.fixture
def run(campaign: FakeCampaign, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*argv: str) -> Ran:
        code = cli.main(argv)
        return Ran(code, *capsys.readouterr())

    return run
