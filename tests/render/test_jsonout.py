"""JSON: the schema of issue 2, item 9, and nothing that only Python can read."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from simworld.records import Repro, Result
from simworld.render import replay_json, results_json
from tests.render import samples

RESULT_KEYS = {
    "scenario", "variant", "world", "seed", "explorer", "trials", "turns", "seconds", "verdict",
    "anomalies", "marks", "digest",
}  # fmt: skip
ANOMALY_KEYS = {
    "kind", "law", "trial", "moves_before", "moves_after", "faults", "repro",
}  # fmt: skip


def _one(result: Result, saved: dict[tuple[int, int], str] | None = None) -> dict[str, Any]:
    document = json.loads(results_json([result], saved or {}))
    assert document["schema"] == 1
    (row,) = document["results"]
    assert isinstance(row, dict)
    return row


def test_a_result_has_every_key_of_the_schema() -> None:
    row = _one(samples.result())
    assert row.keys() >= RESULT_KEYS
    assert row["verdict"] == "FAIL"
    assert row["law"] == "I-12"
    assert row["trials"] == 2_000
    assert row["marks"] == {"start.accepted_while_running": 9, "delivery.duplicate": 40}
    assert list(row["marks"]) == sorted(row["marks"])


def test_an_anomaly_has_every_key_of_the_schema() -> None:
    (anomaly,) = _one(samples.result())["anomalies"]
    assert anomaly.keys() >= ANOMALY_KEYS
    assert anomaly["trial"] == 131
    assert anomaly["count"] == 12
    assert (anomaly["moves_before"], anomaly["moves_after"]) == (145, 4)
    assert anomaly["faults"] == [{"kind": "duplicate", "target": samples.STEP, "value": 3}]


def test_a_saved_repro_is_a_path_and_another_one_is_whole() -> None:
    two = samples.result(findings=(samples.finding(), samples.finding()))
    first, second = _one(two, {(0, 1): "repros/b.json"})["anomalies"]
    assert second["repro"] == "repros/b.json"
    assert msgspec.convert(first["repro"], Repro) == samples.repro()


def test_the_declared_verdict_is_compared() -> None:
    row = _one(samples.result())
    assert row["expected"] == {"verdict": "FAIL", "law": "I-12"}
    assert row["as_expected"] is True
    assert _one(samples.passing(verdict=samples.result().verdict))["as_expected"] is False
    undeclared = _one(samples.result(expected=None))
    assert undeclared["expected"] is None
    assert undeclared["as_expected"] is None


def test_equal_results_give_equal_bytes_in_the_order_of_the_schema() -> None:
    data = results_json([samples.result()], {})
    assert data == results_json([samples.result()], {})
    keys = [key for key in json.loads(data)["results"][0] if key in RESULT_KEYS]
    assert keys == [
        "scenario", "variant", "world", "seed", "explorer", "trials", "turns", "seconds",
        "verdict", "anomalies", "marks", "digest",
    ]  # fmt: skip


def test_a_replay_says_how_it_ended() -> None:
    document = json.loads(replay_json("r.json", samples.repro(), "failed", "seen", samples.story()))
    replay = document["replay"]
    assert document["schema"] == 1
    assert (replay["repro"], replay["outcome"], replay["turns"]) == ("r.json", "failed", 17)
    assert replay["anomaly"]["law"] == "I-12"
    clean = json.loads(replay_json("r.json", samples.repro(), "clean", "holds", None))["replay"]
    assert clean["anomaly"] is None
