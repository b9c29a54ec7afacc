"""What the parts cost by themselves; writes reports/micro.md and reports/micro.json.

Run with ``python -m bench.micro`` (about two minutes).  pytest-benchmark drives ``bench/test_*.py``
and stores all it has seen; what is worth keeping of it is a few figures for each benchmark.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from bench.report import table

ROOT = pathlib.Path(__file__).resolve().parent.parent
REPORTS = ROOT / "reports"
COMMAND = "python -m bench.micro"
PYTEST = ("-m", "pytest", "bench", "--benchmark-only", "--benchmark-columns=median,rounds")
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


@attrs.frozen
class Micro:
    """One benchmark: the wall time of a call, and what else it has told."""

    name: str
    group: str
    median_s: float
    iqr_s: float
    """Between the quarters; what is less than this apart is the same."""
    ops: float
    """Calls a second, by the median."""
    rounds: int
    extra: Mapping[str, Any]


def measured(stored: Mapping[str, Any]) -> list[Micro]:
    """What pytest-benchmark has stored, in its order, in short."""
    return [
        Micro(
            each["name"],
            each["group"] or "",
            _rounded(each["stats"]["median"]),
            _rounded(each["stats"]["iqr"]),
            _rounded(1 / each["stats"]["median"]),
            each["stats"]["rounds"],
            {name: _rounded(value) for name, value in each["extra_info"].items()},
        )
        for each in stored["benchmarks"]
    ]


def _rounded(value: Any) -> Any:
    """What is measured has four digits; what is counted has all."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


def short(value: float) -> str:
    """Four digits at most, whatever the size."""
    return f"{value:.4g}" if abs(value) < 1_000 else f"{value:,.0f}"


def seconds(value: float) -> str:
    """In the unit that leaves something before the point."""
    size, unit = next((each for each in UNITS if value >= each[0]), UNITS[-1])
    return f"{short(value / size)} {unit}"


def words(name: str) -> str:
    """A test's name as words; what it is parametrised with stays as it is."""
    what, bracket, given = name.removeprefix("test_").partition("[")
    return what.replace("_", " ") + bracket + given


def shown(value: object) -> str:
    """A further figure."""
    return short(value) if isinstance(value, float) else str(value)


def page(found: Sequence[Micro]) -> Iterator[str]:
    """The report for people."""
    yield "# The parts by themselves"
    yield ""
    yield f"Made by `{COMMAND}`; do not edit.  Every figure is of that one run."
    yield ""
    yield (
        f"Machine: {os.cpu_count()} cores ({platform.machine()}), CPython "
        f"{platform.python_version()}.  Wall time of one call, median of the rounds; between the "
        "quarters of the rounds lies the spread.  A call may do its work many times: the last "
        "column says how often, or how much it worked on."
    )
    for group in dict.fromkeys(each.group for each in found):
        yield ""
        yield f"## {group or 'Further'}"
        yield ""
        yield from table(
            ("benchmark", "median", "spread", "calls/s", "rounds", "of what"),
            (
                (
                    words(each.name),
                    seconds(each.median_s),
                    seconds(each.iqr_s),
                    short(each.ops),
                    str(each.rounds),
                    ", ".join(f"{name} {shown(value)}" for name, value in each.extra.items()),
                )
                for each in found
                if each.group == group
            ),
        )


def stored(found: Sequence[Micro]) -> str:
    """The report for machines."""
    told = {each.name: attrs.asdict(each) for each in found}
    for each in told.values():
        del each["name"]
    return json.dumps({"command": COMMAND, "benchmarks": told}, indent=1, ensure_ascii=False)


def main() -> int:
    """Measure and write; pytest's code if a benchmark fails."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "micro.json"
        command = [sys.executable, *PYTEST, f"--benchmark-json={file}", *sys.argv[1:]]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            return done.returncode
        found = measured(json.loads(file.read_text()))
    REPORTS.mkdir(exist_ok=True)
    (REPORTS / "micro.md").write_text("\n".join(page(found)) + "\n", encoding="utf-8")
    (REPORTS / "micro.json").write_text(stored(found) + "\n", encoding="utf-8")
    print(f"wrote {REPORTS / 'micro.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
