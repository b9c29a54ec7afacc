"""The stand-alone script of a race, and what its evidence says in our own records.

The script is ``standalone_turns.py`` with a plan in it, and ``standalone_script.py`` behind that.
"""

from __future__ import annotations

import importlib.util
import json
import pathlib
import pprint
import re
import sys
from collections.abc import Mapping
from typing import Any

import attrs
from vercel.workflow._internal import world as w
from vercel.workflow._internal.worlds import local

from simworld.engine import (
    Event,
    HookRow,
    RunRow,
    StepRow,
    WaitRow,
    apply_hook,
    apply_run,
    apply_step,
    apply_wait,
)
from simworld.errors import UsageError, WorldError
from simworld.records import (
    BodyBegan,
    BodyEnded,
    Committed,
    Delivered,
    Final,
    LostAnswer,
    Record,
    Sent,
)
from simworld.subjects.alone import Command, Failed, Seen
from simworld.subjects.vercel.loading import plain_name
from simworld.subjects.vercel.translate import our_event

_HALVES = ("standalone_turns.py", "standalone_script.py")
_EMPTY = "PLAN: dict[str, Any] = {}\n"
_FUTURE = "from __future__ import annotations\n"
_OURS = re.compile(r"^from simworld[^)]*\)\n", re.MULTILINE)


_RAISED = {"lost_answer": "carried out, and no answer: ", "server_error": "503", "throttled": "429"}
_SILENCE = {True: "CommunicationError of the queue's client", False: "ReadTimeout"}


def command_of(module: str) -> Command:
    """See ``simworld.subjects.alone``."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise UsageError(f"module {module} of the repro cannot be found; install it, or go to it")
    root = pathlib.Path(spec.origin).resolve().parents[module.count(".")]
    return Command("show.py", pathlib.Path(sys.executable), root)


def added_by(plan: Mapping[str, Any]) -> tuple[str, ...]:
    """See ``simworld.subjects.alone``."""
    added = ["delays of calls"]
    copies = sum(plan["copies"].values())
    if copies:
        added.append(f"{copies} duplicate {'delivery' if copies == 1 else 'deliveries'}")
    for index, how in plan["fails"].items():
        act: str = plan["order"][int(index)][1]
        told = _RAISED[how] + (_SILENCE[act.startswith("send ")] if how == "lost_answer" else "")
        if plan["errors"] == "local" and not act.startswith("send "):
            told = "OSError, as of a full disk"
        else:
            told = f"{told}, as the hosted service's client says it"
        added.append(f"one failed call ({act}: {told})")
    return tuple(added)


def script_text(plan: Mapping[str, Any], title: str) -> str:
    """The script that carries out the plan; ``title``: what it shows, in one line."""
    first, second = [
        pathlib.Path(__file__).with_name(each).read_text(encoding="utf-8") for each in _HALVES
    ]
    quotes = '"' * 3
    written = pprint.pformat(dict(plan), width=96, sort_dicts=False)
    first = first.replace(_EMPTY, f"PLAN: dict[str, Any] = {written}\n", 1)
    second = _OURS.sub("", second.partition(_FUTURE)[2])
    return f"{quotes}{title}\n\n{first.removeprefix(quotes)}\n{second}"


@attrs.define
class _Rows:
    """The rows of one run, as its log makes them."""

    run: RunRow | None = None
    steps: dict[str, StepRow] = attrs.Factory(dict)
    hooks: dict[str, HookRow] = attrs.Factory(dict)
    waits: dict[str, WaitRow] = attrs.Factory(dict)
    log: list[Event] = attrs.Factory(list)

    def apply(self, event: Event) -> None:
        """Move on by an event; one that no lifecycle allows changes no row."""
        self.log.append(event)
        fact: Any = event.fact
        run_id, name, now_ms = event.run_id, event.correlation_id, event.created_at_ms
        try:
            if event.type.startswith("run_"):
                self.run = apply_run(self.run, run_id, fact, now_ms) or self.run
            elif event.type.startswith("step_"):
                self.steps[name] = apply_step(self.steps.get(name), run_id, fact, now_ms)
            elif event.type.startswith("hook_"):
                self.hooks[name] = apply_hook(self.hooks.get(name), run_id, fact, now_ms)
            elif event.type.startswith("wait_"):
                self.waits[name] = apply_wait(self.waits.get(name), run_id, fact, now_ms)
        except WorldError:
            pass


def read_evidence(path: pathlib.Path, known: Mapping[str, str]) -> Seen:
    """See ``simworld.subjects.evidence_of``."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    end: dict[str, Any] = lines[-1] if lines else {}
    evidence = _Evidence(lines, end.get("runs", {}), known)
    return Seen(
        evidence.records,
        evidence.final(drained=end.get("drained", False)),
        end.get("kind") == "final",
        end.get("acted", False),
        end.get("followed", 0),
        end.get("skipped", 0),
        evidence.failed,
        evidence.repeated,
    )


class _Evidence:
    """Line by line in our records."""

    def __init__(
        self, lines: list[dict[str, Any]], runs: Mapping[str, str], known: Mapping[str, str]
    ) -> None:
        self._known = known
        self._runs = runs
        self._labels = dict(runs)
        self._rows: dict[str, _Rows] = {}
        self._delivered: dict[str, tuple[str, str, bool]] = {}
        """Delivery of a step's message → run, step, and whether the script has sent it."""
        self.records: list[Record] = []
        self.failed: list[Failed] = []
        self.repeated = 0
        for turn, line in enumerate(lines, start=1):
            take = getattr(self, f"_take_{line['kind']}", None)
            if take is not None:
                take(turn, line)

    def final(self, *, drained: bool) -> Final:
        """The state at the end."""
        rows = self._rows
        return Final(
            len(self.records),
            max((record.now_ms for record in self.records), default=0),
            drained,
            {run_id: each.run for run_id, each in rows.items() if each.run is not None},
            {(run, name): row for run, each in rows.items() for name, row in each.steps.items()},
            {run_id: tuple(each.log) for run_id, each in rows.items()},
            self._labels,
            (),
            -1,
            {(run, name): row for run, each in rows.items() for name, row in each.hooks.items()},
            {(run, name): row for run, each in rows.items() for name, row in each.waits.items()},
        )

    def _label(self, run_id: str, identifier: str, where: str) -> str:
        """The label of what ``where`` (``#3``) is in the run."""
        if not identifier:
            return ""
        key = f"{self._runs.get(run_id, run_id)}/{where.rpartition('/')[2]}"
        return self._labels.setdefault(identifier, self._known.get(key, where))

    def _take_event(self, turn: int, line: Mapping[str, Any]) -> None:
        adaptor: Any = w.EventAdaptor
        read = getattr(adaptor, "from_wire", None) or adaptor.validate_python
        decoded = read(local._decode_js(line["event"]))
        props: Any = decoded.server_props
        rows = self._rows.setdefault(props.run_id, _Rows())
        event = our_event(decoded, len(rows.log) + 1)
        rows.apply(event)
        where = line["where"].removeprefix(" of ")
        step = self._label(event.run_id, event.correlation_id, where)
        assert rows.run is not None
        name = event.correlation_id
        self.records.append(
            Committed(
                turn,
                event.created_at_ms,
                line["doing"],
                event,
                step,
                rows.run,
                rows.steps.get(name),
                rows.hooks.get(name),
                rows.waits.get(name),
            )
        )

    def _take_began(self, turn: int, line: Mapping[str, Any]) -> None:
        self.records.append(
            BodyBegan(
                turn,
                line["at_ms"],
                line["doing"],
                line["doing"],
                line["run"],
                self._labels.get(line["step"], line["step"]),
                line["number"],
                line["attempt"],
                line["attempt"],
                0,
                line["step"],
                plain_name(line["name"]),
            )
        )

    def _take_ended(self, turn: int, line: Mapping[str, Any]) -> None:
        step = self._labels.get(line["step"], line["step"])
        about = (line["doing"], line["run"], step, line["number"])
        self.records.append(BodyEnded(turn, line["at_ms"], *about, line["outcome"], line["error"]))

    def _take_sent(self, turn: int, line: Mapping[str, Any]) -> None:
        step = self._labels.get(line["step"], line["step"])
        self.records.append(
            Sent(turn, line["at_ms"], line["doing"], line["run"], line["message"], step)
        )

    def _take_delivered(self, turn: int, line: Mapping[str, Any]) -> None:
        step = self._labels.get(line["step"], line["step"])
        number = int(line["doing"].rpartition("/")[2].partition("~")[2] or "1")
        if step:  # the queue counts how often it has delivered what was sent once
            is_copy = number > 1 and line["attempt"] == 1
            self._delivered[line["doing"]] = line["run"], step, is_copy
        self.records.append(
            Delivered(turn, line["at_ms"], line["doing"], line["run"], step, number)
        )

    def _take_raised(self, turn: int, line: Mapping[str, Any]) -> None:
        if line["doing"] in self._delivered:
            run_id, step, is_copy = self._delivered[line["doing"]]
            self.failed.append(Failed(turn, run_id, step, line["error"], is_copy))

    def _take_copied(self, turn: int, line: Mapping[str, Any]) -> None:
        self.repeated += line["again"]

    def _take_lost(self, turn: int, line: Mapping[str, Any]) -> None:
        self.records.append(LostAnswer(turn, line["at_ms"], line["doing"], line["act"]))
