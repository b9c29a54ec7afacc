"""Goal: a letter that was taken for a run reaches its workflow, once, and in its turn.

Method: a client sends letters to a run which takes one after the other, with a step for each; or
one that races a sleep.  A client whose call fails sends its letter again, as it would in the field,
so the workflow counts each once.  Right outcome: the workflow ends with all letters, in the order
in which they were sent (I-18), and a race is decided as the log has it.

What breaks it: a letter that comes while the workflow does something else, or as its hook goes.
"""

from __future__ import annotations

from collections.abc import Sequence

from scenarios.vercel.troubles import first_of, scenario
from simworld.engine import Event
from simworld.entropy import Stream
from simworld.errors import DefiniteFailure, HookNotFoundError
from simworld.marks import reached
from simworld.records import Workload
from simworld.subjects import SubjectClient

TOKEN = "post"
TRIES_MAX = 40
PAUSE_MS = 250
"""So long a client waits before it sends a letter again."""
LETTERS = (1, 2, 2, 3)
SLEEPS_MS = (100, 250, 1_000)
LATE_MS = (0, 50, 100, 250, 900, 2_000)


async def send(user: SubjectClient, text: str) -> None:
    """Send a letter, again and again until it is taken; the hook may not be there yet, or gone."""
    for _ in range(TRIES_MAX):
        try:
            await user.resume_hook(TOKEN, {"text": text})
        except (DefiniteFailure, HookNotFoundError):
            await user.sleep(PAUSE_MS)
        else:
            return


async def sends_all(user: SubjectClient, workload: Workload) -> None:
    """Start the run and send it its letters."""
    await user.start(*args(workload))
    for text in texts(workload):
        await send(user, text)


def texts(workload: Workload) -> list[str]:
    """The letters."""
    return [f"letter {number}" for number in range(1, workload.value("letters", 1) + 1)]


def args(workload: Workload) -> tuple[object, ...]:
    """What the run of letters is started with."""
    return TOKEN, len(texts(workload))


letters = scenario(
    "vercel_letters",
    "a workflow takes letters from a hook, with a step for each, and lets the hook go",
    "letters",
    law="I-18",
    draw=lambda stream: Workload(steps=1, extra=(("letters", stream.choice(LETTERS)),)),
    args=args,
    client=sends_all,
    oracle=lambda workload, log: [f"settled by {text}" for text in [*texts(workload), "all"]],
    targets=lambda workload: ["settle#2"],
)


async def sends_late(user: SubjectClient, workload: Workload) -> None:
    """Start the run, and send it a letter after a while."""
    await user.start(TOKEN, workload.value("sleep_ms", SLEEPS_MS[0]))
    await user.sleep(workload.value("late_ms", 0))
    try:
        await user.resume_hook(TOKEN, {"text": "hello"})
    except (DefiniteFailure, HookNotFoundError):
        reached("race.letter_refused")


def race(stream: Stream) -> Workload:
    """The letter may come earlier, later, or at the sleep's end."""
    extra = (("sleep_ms", stream.choice(SLEEPS_MS)), ("late_ms", stream.choice(LATE_MS)))
    return Workload(steps=1, extra=extra)


def winner(workload: Workload, log: Sequence[Event]) -> str:
    """Whose event is the first in the log."""
    if first_of(log, "hook_received", "wait_completed") == "hook_received":
        reached("race.letter_won")
        return "settled by a letter"
    reached("race.sleep_won")
    return "recovered from the sleep"


hook_or_sleep = scenario(
    "vercel_hook_or_sleep",
    "a letter races a sleep",
    "hook_or_sleep",
    law="I-18",
    draw=race,
    args=lambda workload: (TOKEN, workload.value("sleep_ms", SLEEPS_MS[0])),
    client=sends_late,
    oracle=winner,
    marks=("race.letter_refused", "race.letter_won", "race.sleep_won"),
    targets=lambda workload: ["settle#3"],
)
