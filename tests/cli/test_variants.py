"""``simworld variants``: every knob with its meaning, what each variant sets, and the marks."""

from __future__ import annotations

import json
import re

import attrs
import pytest

from simworld import cli
from simworld.campaign import PLACES, PRESETS
from simworld.engine import EnginePolicy
from simworld.records import (
    HostedProfile,
    LocalProfile,
    PostgresProfile,
    QueueProfile,
    SubjectProfile,
    WorldProfile,
)

PARTS = {
    "engine": EnginePolicy,
    "queue": QueueProfile,
    "world": WorldProfile,
    "local": LocalProfile,
    "postgres": PostgresProfile,
    "hosted": HostedProfile,
    "adapter": SubjectProfile,
}
KNOBS = [field.name for kind in PARTS.values() for field in attrs.fields(kind)]
OF_ADAPTER = [field.name for field in attrs.fields(SubjectProfile)]
OURS = [knob for knob in KNOBS if knob not in OF_ADAPTER]


def shown(capsys: pytest.CaptureFixture[str], *names: str) -> str:
    assert cli.main(["variants", *names]) == 0
    return capsys.readouterr().out


def cells(text: str, knob: str) -> list[str]:
    """What the matrix has for a knob; the table of knobs indents them."""
    (line,) = re.findall(rf"^{knob} .*", text, re.MULTILINE)
    return re.split(r" {2,}", line)[1:]


def test_every_knob_is_listed_and_explained(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["variants", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in document["knobs"]] == KNOBS
    assert {each["part"] for each in document["knobs"]} == PARTS.keys()
    assert [each["name"] for each in document["knobs"] if not each["doc"]] == []


def test_the_words_are_those_of_the_records(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["variants", "--json", "-"])
    knobs = {each["name"]: each for each in json.loads(capsys.readouterr().out)["knobs"]}
    guard = knobs["attempt_guard"]
    assert guard["doc"].startswith("Who decides that a step's retries are used up")
    assert guard["values"] == [f"G{n}" for n in range(9)]
    assert guard["value_docs"]["G0"] == "Attempt number alone (V1)."
    assert knobs["max_inline"]["doc"] == "Owned steps that run inline side by side."
    assert knobs["max_inline"]["values"] == "a whole number"
    assert knobs["lazy_create"]["values"] == ["true", "false"]
    assert (knobs["lazy_create"]["default"], knobs["max_inline"]["default"]) == ("false", "1")


def test_all_variants_are_shown_with_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys)
    for variant in PRESETS.values():
        assert re.search(rf"^{variant.name} +{re.escape(variant.title[:40])}", text, re.MULTILINE)


def test_what_differs_from_the_merge_and_what_is_assumed_is_marked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "v2_merge", "b12", "b30")
    assert cells(text, "delivery") == ["D0", "D1 *?", "D3 *?"]
    assert cells(text, "unconsumed") == ["U0", "U2 *", "U2 *"]
    assert cells(text, "bg_after") == ["last_completer", "last_completer", "last_completer ?"]
    assert cells(text, "lazy_create") == ["false", "false", "true *"]
    assert not re.search("^attempt_guard", text, re.MULTILINE), "it is the same in all three"


def test_a_variant_without_any_difference_has_no_matrix(
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = shown(capsys, "v2_merge")
    assert "every knob has its default" in text
    assert not re.search("^knob .*v2_merge", text, re.MULTILINE)


def test_chosen_variants_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["variants", "b37", "--json", "-"])
    (b37,) = json.loads(capsys.readouterr().out)["variants"]
    assert b37["knobs"]["attempt_guard"] == "G7"
    assert list(b37["knobs"]) == OURS
    assert "attempt_guard" in b37["differs_from_v2_merge"]
    assert "bg_after" not in b37["differs_from_v2_merge"]
    assert b37["assumed"] == ["bg_after", "delivery", "clock", "loop_errors", "complete_errors"]


def test_a_subject_is_shown_with_the_knobs_that_it_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli.main(["variants", "vercel-workflow", "fixed", "--json", "-"])
    subject, _ = json.loads(capsys.readouterr().out)["variants"]
    engine = [field.name for field in attrs.fields(EnginePolicy)]
    assert sorted(subject["knobs"]) == sorted(set(KNOBS) - set(engine))
    text = shown(capsys, "vercel-workflow", "fixed")
    assert re.search(r"^vercel-workflow +the Python SDK from PyPI, ", text, re.MULTILINE)
    assert cells(text, "attempt_guard") == ["G8 *"]


def test_an_unknown_variant_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["variants", "b13"]) == 2
    assert "unknown variant 'b13'; did you mean b37 or b30 or b12?" in capsys.readouterr().err


def test_worlds_are_shown_as_what_they_set(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--worlds")
    for place in PLACES.values():
        assert re.search(rf"^{place.name} +{re.escape(place.title[:30])}", text, re.MULTILINE)
    assert cells(shown(capsys, "--worlds", "local", "local-4x"), "local_log") == [
        "slots",
        "minted *",
    ]
    assert cli.main(["variants", "--worlds", "locl"]) == 2
    assert "unknown world 'locl'; did you mean local" in capsys.readouterr().err
