"""The report of the micro-benchmarks: what is kept of what pytest-benchmark stores."""

from __future__ import annotations

import json

import pytest

from bench.micro import measured, page, seconds, short, stored, words

STORED = {
    "machine_info": {"node": "somebody's"},
    "benchmarks": [
        {
            "name": "test_trials_on_a_world[local-v2_merge]",
            "group": "trials",
            "stats": {"median": 0.00123456789, "iqr": 0.0000123, "rounds": 5, "data": [1.0] * 5},
            "extra_info": {"trials": 123456, "ratio": 1.98765432},
        },
        {
            "name": "test_judge",
            "group": None,
            "stats": {"median": 2e-07, "iqr": 0, "rounds": 9},
            "extra_info": {},
        },
    ],
}


def test_a_few_figures_are_kept_of_each() -> None:
    told = json.loads(stored(measured(STORED)))
    assert told["command"] == "python -m bench.micro"
    assert told["benchmarks"]["test_trials_on_a_world[local-v2_merge]"] == {
        "group": "trials",
        "median_s": 0.001235,
        "iqr_s": 0.0000123,
        "ops": 810,
        "rounds": 5,
        "extra": {"trials": 123456, "ratio": 1.988},
    }


def test_every_benchmark_is_a_line_of_its_group() -> None:
    lines = list(page(measured(STORED)))
    place = lines.index("## trials")
    assert lines[place + 4 :] == [
        "| trials on a world[local-v2_merge] | 1.235 ms | 12.3 µs | 810 | 5 "
        "| trials 123456, ratio 1.988 |",
        "",
        "## Further",
        "",
        "| benchmark | median | spread | calls/s | rounds | of what |",
        "| --- | --- | --- | --- | --- | --- |",
        "| judge | 200 ns | 0 ns | 5,000,000 | 9 |  |",
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(2.5, "2.5 s"), (0.0999, "99.9 ms"), (1e-6, "1 µs"), (5.4321e-9, "5.432 ns"), (0, "0 ns")],
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_large_figures_are_not_told_in_powers() -> None:
    assert [short(each) for each in (0.5, 999.96, 12_345_678)] == ["0.5", "1000", "12,345,678"]


def test_names_are_words_but_parameters_are_not() -> None:
    assert words("test_one_pass[v2_merge]") == "one pass[v2_merge]"
