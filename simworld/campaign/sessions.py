"""Sessions: a drawn program and what a client does with it while it runs, drawn as well.

A client's script is a list of acts, each after a while:

    [[0, "resume", 1, 7], [1000, "cancel", 0], [10, "both", ["start"], ["wake", 0]]]

A client resumes hooks (twice, too), ends sleeps, cancels, starts further runs of the same program
and has runs looked at again.  A run ends by itself whatever it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

from simworld.campaign.drawing import Drawing, reading, simpler_picks
from simworld.campaign.generated import TOKENS, Node, draw_program, token_of
from simworld.entropy import Stream
from simworld.errors import (
    EntityConflictError,
    EntityNotFoundError,
    HookNotFoundError,
    UsageError,
)
from simworld.records import Workload
from simworld.runtime import Client

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

Act = list[Any]
"""How long after the last one (in ms), what, and numbers or further acts."""

DELAYS_MS = (0, 10, 999, 1_000, 5_000)
ACTS_MAX = 6
RUNS_MAX = 2
PAYLOADS = 4
TRIES, TRY_AGAIN_MS = 12, 499
"""How often a client looks for a hook that is not there yet, and after how long again."""
_ACTS = ("resume", "resume", "resume", "twice", "wake", "again", "start", "both", "cancel")


class Session(NamedTuple):
    """A program, and what a client does after it has started a run of it."""

    program: Node
    acts: list[Act]


# --- drawing -------------------------------------------------------------------------------------


def draw_session(drawing: Drawing) -> Session:
    """A program with a client, and its script."""
    program = draw_program(drawing, with_client=True)
    acts = drawing.several(lambda: _act(drawing), least=0, most=ACTS_MAX)
    return Session(program, acts)


def drawn_session(stream: Stream) -> tuple[int, ...]:
    """The picks of a session; equal streams give equal ones."""
    drawing = Drawing(stream.below)
    draw_session(drawing)
    return tuple(drawing.picks)


def session_of(picks: Sequence[int]) -> Session:
    """The session that these picks are of."""
    return draw_session(reading(picks))


def sessions() -> SearchStrategy[tuple[int, ...]]:
    """The picks of sessions as a Hypothesis strategy; they shrink towards a single step."""
    from hypothesis import strategies  # noqa: PLC0415  # for those who ask for a strategy only

    @strategies.composite
    def session(draw: DrawFn) -> tuple[int, ...]:
        drawing = Drawing(lambda bound: draw(strategies.integers(0, bound - 1)))
        draw_session(drawing)
        return tuple(drawing.picks)

    return session()


def _act(pick: Drawing) -> Act:
    delay_ms = DELAYS_MS[pick(len(DELAYS_MS))]
    return [delay_ms, *_what(pick, _ACTS)]


def _what(pick: Drawing, verbs: Sequence[str]) -> list[Any]:
    verb = verbs[pick(len(verbs))]
    match verb:
        case "resume" | "twice":
            return [verb, pick(TOKENS), pick(PAYLOADS)]
        case "both":
            simple = [each for each in verbs if each != "both"]
            return [verb, _what(pick, simple), _what(pick, simple)]
        case "start":
            return [verb]
        case _:
            return [verb, pick(RUNS_MAX)]


def simpler_session(workload: Workload) -> Iterator[Workload]:
    """Simpler programs and shorter scripts."""
    for picks in simpler_picks(workload.picks, draw_session):
        yield attrs.evolve(workload, picks=picks)


# --- performing ----------------------------------------------------------------------------------


async def play(user: Client, workload: Workload) -> None:
    """Start a run of the program, and do what the script says."""
    session = session_of(workload.picks)
    await user.start(session.program)
    for delay_ms, *what in session.acts:
        await user.sleep(delay_ms)
        await _do(user, session.program, what)


async def _do(user: Client, program: Node, what: list[Any]) -> None:
    try:
        await _act_out(user, program, what)
    except (EntityConflictError, EntityNotFoundError, HookNotFoundError):
        return  # the run has ended, or does not listen


async def _act_out(user: Client, program: Node, what: list[Any]) -> None:
    match what:
        case ["resume", token, payload]:
            await _resume(user, token, payload)
        case ["twice", token, payload]:
            await _resume(user, token, payload)
            await user.resume_hook(token_of(token), payload)
        case ["both", one, other]:
            await user.together(_do(user, program, one), _do(user, program, other))
        case ["start"]:
            if len(user.run_ids) < RUNS_MAX:
                await user.start(program)
        case ["wake", number]:
            await user.wake_up(_run(user, number))
        case ["again", number]:
            await user.reenqueue(_run(user, number))
        case ["cancel", number]:
            await user.cancel(_run(user, number))
        case _:
            raise UsageError(f"{what!r} is no act of a client; draw one with drawn_session()")


async def _resume(user: Client, token: int, payload: int) -> None:
    """Resume a hook as soon as somebody listens, within a few seconds."""
    for _ in range(TRIES):
        try:
            await user.resume_hook(token_of(token), payload)
        except HookNotFoundError:
            await user.sleep(TRY_AGAIN_MS)
        else:
            return


def _run(user: Client, number: int) -> str:
    """The run with this number; the last one where there are not so many."""
    return user.run_ids[min(number, len(user.run_ids) - 1)]


# --- telling -------------------------------------------------------------------------------------


def program_text(node: Node) -> list[str]:
    """A program, a line for every node."""
    verb: str = node[0]
    parts = node[1:]
    plain = [str(part) for part in parts if not isinstance(part, list)]
    lines = [_IN_WORDS[verb].format(*parts)] if verb in _IN_WORDS else [" ".join([verb, *plain])]
    for part in parts:
        if isinstance(part, list):
            lines += [f"  {line}" for line in program_text(part)]
    return lines


_IN_WORDS = {
    "work": "step work {0}",
    "risky": "step risky {0}",
    "sleep": "sleep {0} ms",
    "doze": "sleep {0} days",
    "hook": "hook, resumed {0} times by own steps",
    "deadline": "hook, resumed once by an own step, raced {1} times against {0} ms",
    "listen": "hook client-{0}, up to {2} payloads within {1} ms",
    "stream": "stream: {0} steps write, one closes",
    "loop": "loop {0} times",
    "clock": "step work, given the clock",
    "random": "step work, given a random number",
    "note": "attributes, nobody waits for them",
    "child": "child run of",
    "choose": "either, by {0}",
    "try": "try, and if it fails a step",
    "abort": "abort after",
}


def session_text(workload: Workload) -> list[str]:
    """A session for people: the program, and the client's script."""
    session = session_of(workload.picks)
    script = ["start a run", *[f"after {each[0]} ms {_said(each[1:])}" for each in session.acts]]
    return [
        *["The program:", *[f"  {line}" for line in program_text(session.program)]],
        *["The client:", *[f"  {line}" for line in script]],
    ]


def _said(what: list[Any]) -> str:
    match what:
        case ["resume", token, payload]:
            return f"resume {token_of(token)} with {payload}"
        case ["twice", token, payload]:
            return f"resume {token_of(token)} with {payload}, twice"
        case ["both", one, other]:
            return f"at once {_said(one)}, and {_said(other)}"
        case ["start"]:
            return "start another run"
    verb, number = what
    acts = {"wake": "end all sleeps of", "again": "have a look at", "cancel": "cancel"}
    return f"{acts[verb]} run {number + 1}"
