"""JUnit XML for build servers: a suite per scenario, a test case per variant and world.

What decides is what the exit code says: a failure fails its case, what nobody knows is an error (a
skipped case would be silent), and a failure that was declared or is in the ledger passes and is
told in the case's output.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import attrs

from simworld.records import FAIL, UNKNOWN, Compared, Finding, Result, Unjudged
from simworld.render.phrases import compared, surprise_lines
from simworld.render.text import count

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that no XML document may hold, however they are written."""


@attrs.frozen
class JunitTold:
    """What is told of the findings of one result, beside themselves."""

    story: str
    """Of its smallest failure."""
    replays: Mapping[int, str]
    """Finding's index → the command that replays it."""


def junit_xml(
    results: Sequence[Result],
    *,
    told: Mapping[int, JunitTold],
    unjudged: Sequence[Unjudged] = (),
    beside: Compared | None = None,
    expect: bool = False,
) -> bytes:
    """The document; ``told`` by result's index.

    ``expect``: a case fails where its verdict is not the declared one.  ``beside``: it fails where
    the ledger does not list what was found.
    """
    cases: dict[str, list[ElementTree.Element]] = {}
    for at, result in enumerate(results):
        new = None if beside is None else [nth for where, nth in beside.new if where == at]
        case = _case(result, told.get(at), new, expect=expect)
        cases.setdefault(result.scenario, []).append(case)
    for each in unjudged:
        case = _element("testcase", classname=each.scenario, name=each.system, time="0.000")
        case.append(_problem("error", "not judged", each.reason, each.reason))
        cases.setdefault(each.scenario, []).append(case)
    root = _element("testsuites", name="simworld")
    root.extend(_suite(scenario, inside) for scenario, inside in cases.items())
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    ElementTree.indent(root)
    body: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return body + b"\n"


def _suite(scenario: str, cases: Sequence[ElementTree.Element]) -> ElementTree.Element:
    suite = _element(
        "testsuite",
        name=scenario,
        tests=str(len(cases)),
        failures=str(sum(1 for case in cases if case.find("failure") is not None)),
        errors=str(sum(1 for case in cases if case.find("error") is not None)),
        skipped="0",
        time=f"{sum(float(case.get('time', '0')) for case in cases):.3f}",
    )
    suite.extend(cases)
    return suite


def _case(
    result: Result, told: JunitTold | None, new: Sequence[int] | None, *, expect: bool
) -> ElementTree.Element:
    name = f"{result.system} · {result.case}" if result.case else result.system
    spent = result.seconds + sum(each.shrink_seconds for each in result.findings)
    case = _element("testcase", classname=result.scenario, name=name, time=f"{spent:.3f}")
    case.append(_properties(result))
    problem = _judged(result, told, new, expect=expect)
    if problem is not None:
        case.append(problem)
    elif result.findings:
        out = _element("system-out")
        out.text = _text(_findings(result, told))
        case.append(out)
    return case


def _properties(result: Result) -> ElementTree.Element:
    properties = _element("properties")
    values: dict[str, object] = {
        "seed": result.seed,
        "explorer": result.explorer,
        "trials": result.trials,
        "turns": result.turns,
        "digest": result.digest,
        "verdict": result.verdict,
        **{f"mark {name}": times for name, times in sorted(result.marks.items())},
    }
    for name, value in values.items():
        properties.append(_element("property", name=name, value=str(value)))
    return properties


def _judged(
    result: Result, told: JunitTold | None, new: Sequence[int] | None, *, expect: bool
) -> ElementTree.Element | None:
    """What is wrong with the case, if anything."""
    verdict = result.verdict
    if result.canary and not result.interrupted:
        said = "; ".join(result.surprises)
        return _problem("error", "silent canary", said, said) if result.silent else None
    if expect and compared(result) is not None:
        surprises = surprise_lines([result])
        if not surprises:
            return None
        return _problem("failure", "surprise", surprises[0], _findings(result, told))
    if verdict.outcome == FAIL and (new is None or new):
        first = result.findings[new[0]] if new else _telling(result)
        said = f"{verdict}: {first.anomaly.message}" if first else str(verdict)
        kind = first.anomaly.law if first else verdict.law
        return _problem("failure", kind, said, _findings(result, told))
    if verdict.outcome == UNKNOWN or result.interrupted:
        reason = verdict.reason or f"interrupted after {count(result.trials, 'trial')}"
        return _problem("error", UNKNOWN, reason, _findings(result, told) or reason)
    return None


def _telling(result: Result) -> Finding | None:
    """A finding of the law that the verdict names."""
    law = result.verdict.law
    found = (each for each in result.findings if each.anomaly.law == law and not each.is_worlds)
    return next(found, None)


def _findings(result: Result, told: JunitTold | None) -> str:
    """All findings in a line or two each, then the story of the smallest."""
    lines = []
    for nth, finding in enumerate(result.findings):
        anomaly = finding.anomaly
        seen = f"{count(finding.count, 'trial')}, first in trial {finding.trial}"
        lines.append(f"{anomaly.law} {anomaly.kind} at {anomaly.place} ({seen}): {anomaly.message}")
        if finding.repro.blame is not None:
            lines.append(f"  {finding.repro.blame}")
        if told is not None and nth in told.replays:
            lines.append(f"  {told.replays[nth]}")
    if told is not None:
        lines += ["", told.story]
    return "\n".join(lines)


# --- XML -----------------------------------------------------------------------------------------


def _problem(tag: str, kind: str, message: str, text: str) -> ElementTree.Element:
    element = _element(tag, type=kind, message=message)
    element.text = _text(text)
    return element


def _element(tag: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.Element(tag, {name: _text(value) for name, value in attributes.items()})


def _text(text: str) -> str:
    """The text with what XML cannot hold written as Python writes it."""
    return _NO_XML.sub(lambda found: ascii(found.group())[1:-1], text)
