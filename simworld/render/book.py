"""The scenario book for people and for JSON: page by page, what each preset makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.text import Text

from simworld.records import PASS, Repro, Verdict
from simworld.render.jsonout import document
from simworld.render.tables import plain_table, rendered
from simworld.render.text import count


class PageView(Protocol):
    """What is shown of a page."""

    @property
    def id(self) -> str: ...
    @property
    def title(self) -> str: ...


class ObservedView(Protocol):
    """What is shown of an observation."""

    @property
    def page(self) -> str: ...
    @property
    def variant(self) -> str: ...
    @property
    def expected(self) -> Verdict | None: ...
    @property
    def verdict(self) -> Verdict: ...
    @property
    def unfollowed(self) -> str: ...
    @property
    def repro(self) -> Repro | None: ...
    @property
    def is_right(self) -> bool: ...


Pages = Mapping[str, PageView]


def book_table(
    pages: Pages, observed: Sequence[ObservedView], *, width: int = 100, color: bool = False
) -> str:
    """One row per page, one column per preset."""
    variants = list(dict.fromkeys(each.variant for each in observed))
    cells = {(each.page, each.variant): each for each in observed}
    table = plain_table(gap=2)
    table.add_column("page", no_wrap=True)
    for variant in variants:
        table.add_column(variant)
    for name in pages:
        row = [cells[name, variant] for variant in variants if (name, variant) in cells]
        if row:
            told = [Text(_cell(each), style="" if each.is_right else "red") for each in row]
            table.add_row(name, *told)
    return f"{rendered(table, width, color=color)}\n{book_summary(observed)}\n"


def _cell(observed: ObservedView) -> str:
    """The broken law, or a tick; what is not as declared says so."""
    if observed.unfollowed:
        return "–"
    told = "✓" if observed.verdict.outcome == PASS else observed.verdict.law or "?"
    return told if observed.is_right else f"{told} (not {_declared(observed)})"


def _declared(observed: ObservedView) -> str:
    return str(observed.expected) if observed.expected is not None else "declared"


def book_summary(observed: Sequence[ObservedView]) -> str:
    """How many observations there are, and how many are not what their page declares."""
    pages = len(dict.fromkeys(each.page for each in observed))
    wrong = [f"{each.page} on {each.variant}" for each in observed if not each.is_right]
    text = f"{count(pages, 'page')}, {count(len(observed), 'observation')}"
    return f"{text}; not as declared: {', '.join(wrong)}" if wrong else f"{text}; all as declared"


def book_report(pages: Pages, observed: Sequence[ObservedView], *, command: str) -> str:
    """The whole book as Markdown."""
    variants = list(dict.fromkeys(each.variant for each in observed))
    cells = {(each.page, each.variant): each for each in observed}
    lines = ["# The scenario book", "", f"Made by `{command}`.", "", book_summary(observed), ""]
    lines += [
        "Each page is one interleaving that people know by heart, scripted.  The right outcome is "
        "what its title says; ✓ is that outcome, a law is what the preset breaks instead, – a "
        "script that the preset cannot follow (it has no such message or operation).",
        "",
        f"| page | what is right | {' | '.join(variants)} |",
        f"|---|---|{'---|' * len(variants)}",
    ]
    for name, page in pages.items():
        row = [cells[name, each] for each in variants if (name, each) in cells]
        if row:
            lines.append(f"| {name} | {page.title} | {' | '.join(map(_cell, row))} |")
    return "\n".join(lines) + "\n"


def book_json(pages: Pages, observed: Sequence[ObservedView]) -> bytes:
    """Every observation."""
    return document({"book": [_row(pages[each.page], each) for each in observed]})


def _row(page: PageView, observed: ObservedView) -> dict[str, Any]:
    expected = observed.expected
    return {
        "page": observed.page,
        "title": page.title,
        "variant": observed.variant,
        "expected": None if expected is None else f"{expected.outcome} {expected.law}".strip(),
        "verdict": observed.verdict.outcome,
        "law": observed.verdict.law,
        "reason": observed.verdict.reason,
        "unfollowed": observed.unfollowed,
        "as_expected": observed.is_right,
    }
