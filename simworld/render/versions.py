"""Versions of a subject side by side: a row for each scenario and version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text

from simworld.render.jsonout import document
from simworld.render.tables import plain_table, rendered


class VersionRow(NamedTuple):
    """What hunting one scenario in one version has shown."""

    scenario: str
    version: str
    world: str
    verdict: str
    trials: int
    signatures: tuple[str, ...]


def versions_table(rows: Sequence[VersionRow], *, width: int = 100, color: bool = False) -> str:
    """The rows, those of one scenario below each other."""
    table = plain_table(gap=2)
    table.add_column("scenario", overflow="fold")
    table.add_column("version", no_wrap=True)
    table.add_column("world", no_wrap=True)
    table.add_column("trials", justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    table.add_column("found", overflow="fold")
    last = ""
    for row in sorted(rows, key=lambda each: (each.scenario, each.world)):
        shown = "" if row.scenario == last else row.scenario
        last = row.scenario
        style = "bold" if color and row.verdict.startswith("FAIL") else ""
        table.add_row(
            shown,
            row.version,
            row.world,
            str(row.trials),
            Text(row.verdict, style=style),
            ", ".join(row.signatures),
        )
    return rendered(table, width, color=color)


def versions_json(documents: Mapping[str, Mapping[str, Any]]) -> bytes:
    """The results of all versions as those of one hunt; each says in which version it was."""
    return document(
        {
            key: [
                {"subject_version": version, **row}
                for version, told in documents.items()
                for row in told[key]
            ]
            for key in ("results", "unjudged")
        }
    )
