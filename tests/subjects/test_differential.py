"""The SDK's own local world against ours: one table of differences, each with its reason."""

from __future__ import annotations

import pytest

pytest.importorskip("vercel.workflow", reason="needs simworld[vercel]")
pytest.importorskip("time_machine", reason="needs simworld[vercel]")

from tests.subjects import differing
from tests.subjects.differing import KNOWN, MAKERS, compared


@pytest.mark.parametrize("name", [name for name in MAKERS if name != "atomic"])
def test_what_our_worlds_answer_is_what_the_sdk_s_own_world_answers(name: str) -> None:
    found = compared(name, 40)
    assert not [where for differs, where in found.differences.items() if differs not in KNOWN]


def test_the_table_of_differences_holds_what_there_is_and_nothing_else() -> None:
    found = compared("atomic", 160)
    assert not [where for differs, where in found.differences.items() if differs not in KNOWN]
    assert set(found.differences) == set(KNOWN)
    assert found.calls["refused"] > 0.2 * found.calls.total()
    assert found.calls["legal"] > 0.3 * found.calls.total()


def test_a_planted_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    row = differing.Difference("wait_created", "ok", "EntityConflictError")
    monkeypatch.delitem(KNOWN, row)
    assert row in compared("atomic", 40).differences
