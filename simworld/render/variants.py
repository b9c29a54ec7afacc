"""The table of knobs, and the matrix of what each variant sets.

The matrix shows the knobs in which the variants differ, marked against ``v2_merge``; what is the
same in all of them is in the table of knobs.  Where it is too wide, it continues below.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from rich.text import Text

from simworld.render.jsonout import document
from simworld.render.tables import plain_table, rendered
from simworld.render.text import wrapped

DIFFERS, ASSUMED = "*", "?"
NUMBER = "a whole number"
KNOB_WIDTH, VALUE_WIDTH = 20, 20
"""Columns that a knob's name and a value take up, with the gap behind them."""


class KnobView(Protocol):
    """What the tables show of a knob."""

    @property
    def name(self) -> str: ...
    @property
    def part(self) -> str: ...
    @property
    def values(self) -> tuple[str, ...]: ...
    @property
    def default(self) -> str: ...
    @property
    def doc(self) -> str: ...
    @property
    def value_docs(self) -> Mapping[str, str]: ...


class VariantView(Protocol):
    """What the tables show of a variant."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def knobs(self) -> dict[str, str]: ...
    @property
    def assumed(self) -> tuple[str, ...]: ...


def knobs_table(knobs: Sequence[KnobView], *, width: int = 100, color: bool = False) -> str:
    """One row per knob: its values, its default, what it does."""
    table = plain_table(gap=2)
    table.add_column("knob", no_wrap=True)
    table.add_column("values", overflow="fold", ratio=3)
    table.add_column("default", no_wrap=True)
    table.add_column("what it does", overflow="fold", ratio=5)
    part = ""
    for knob in knobs:
        if knob.part != part:
            part = knob.part
            table.add_row(Text(f"of the {part}", style="bold"))
        table.add_row(f"  {knob.name}", ", ".join(knob.values) or NUMBER, knob.default, knob.doc)
    table.expand = True
    return rendered(table, width, color=color)


def variants_table(
    knobs: Sequence[KnobView],
    variants: Sequence[VariantView],
    *,
    width: int = 100,
    color: bool = False,
) -> str:
    """What the variants are, then a column for each."""
    indent = max(len(each.name) for each in variants) + 2
    lines = [
        line
        for each in variants
        for line in wrapped(each.title, width, first=f"{each.name:<{indent}}", rest=" " * indent)
    ]
    telling = [
        knob
        for knob in knobs
        if any(_cell(knob, each, color=color).plain not in ("", knob.default) for each in variants)
    ]
    tables = []
    at_once = max((width - KNOB_WIDTH) // VALUE_WIDTH, 1)
    for start in range(0, len(variants) if telling else 0, at_once):
        shown = variants[start : start + at_once]
        table = plain_table(gap=2)
        table.add_column("knob", no_wrap=True)
        for each in shown:
            table.add_column(each.name, overflow="fold")
        for knob in telling:
            table.add_row(knob.name, *[_cell(knob, each, color=color) for each in shown])
        tables.append(rendered(table, width, color=color))
    told = f"{DIFFERS} differs from v2_merge   {ASSUMED} assumed: no source tells"
    rest = "every other knob has its default" if telling else "every knob has its default"
    return "\n\n".join(["\n".join(lines), *[each.rstrip() for each in tables], f"{told}\n{rest}\n"])


def _cell(knob: KnobView, variant: VariantView, *, color: bool) -> Text:
    value = variant.knobs.get(knob.name)
    if value is None:  # a variant of another sort of engine
        return Text("")
    differs = value != knob.default
    mark = (DIFFERS if differs else "") + (ASSUMED if knob.name in variant.assumed else "")
    text = f"{value} {mark}" if mark else value
    return Text(text, style="bold" if differs and color else "")


def variants_json(knobs: Sequence[KnobView], variants: Sequence[VariantView]) -> bytes:
    """The same for machines: knobs, and each variant's every value."""
    return document(
        {
            "knobs": [
                {
                    "name": knob.name,
                    "part": knob.part,
                    "values": list(knob.values) or NUMBER,
                    "default": knob.default,
                    "doc": knob.doc,
                    "value_docs": dict(knob.value_docs),
                }
                for knob in knobs
            ],
            "variants": [
                {
                    "name": each.name,
                    "title": each.title,
                    "knobs": each.knobs,
                    "differs_from_v2_merge": [
                        knob.name
                        for knob in knobs
                        if each.knobs.get(knob.name, knob.default) != knob.default
                    ],
                    "assumed": list(each.assumed),
                }
                for each in variants
            ],
        }
    )
