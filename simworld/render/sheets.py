"""A table of words, for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.table import Table

from simworld.render.tables import natural_width, plain_table, rendered

NOTHING = "–"


class Sheet(NamedTuple):
    """A table before it is drawn."""

    title: str
    head: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    numbers_from: int = 3
    """The first column that is right-aligned; further left there are names."""


def sheet_text(sheet: Sheet, *, width: int, color: bool) -> str:
    """For a terminal; where it is narrow, the heads of figures are broken before any name is."""
    table = _table(sheet, gap=2)
    if natural_width(table) > width:
        table = _table(sheet, gap=1)
    return f"{sheet.title}\n{rendered(table, width, color=color)}"


def _table(sheet: Sheet, *, gap: int) -> Table:
    table = plain_table(gap=gap)
    for at, name in enumerate(sheet.head):
        number = at >= sheet.numbers_from
        table.add_column(name, justify="right" if number else "left", no_wrap=not number)
    for row in sheet.rows:
        table.add_row(*row)
    return table


def sheet_markdown(sheet: Sheet) -> list[str]:
    """Lines of a page."""
    rules = ["---:" if at >= sheet.numbers_from else "---" for at in range(len(sheet.head))]
    return [_line(sheet.head), _line(rules), *(_line(row) for row in sheet.rows)]


def _line(cells: Sequence[str]) -> str:
    plain = [" ".join(each.replace("|", "\\|").split()) for each in cells]
    return f"| {' | '.join(plain)} |"
