"""What each law wants, in one sentence a newcomer understands (spec §7, decisions §1)."""

from __future__ import annotations

_WANTED = {
    "I-01": "a run is created once and first, started at most once, and ends at most once.",
    "I-02": (
        "nothing follows the end of a run in its log, except the ends of bodies that had begun"
        " before it."
    ),
    "I-03": "a run or step that has ended never changes again.",
    "I-04": "every step, wait and hook is created once.",
    "I-05": "a step is created, then started, then ended, and it ends only once.",
    "I-06": (
        "a sleep is completed once, and not before the time that was recorded for it, unless"
        " somebody wakes the run."
    ),
    "I-07": "a hook receives payloads only while it lives, and it is disposed of once.",
    "I-08": (
        "a token belongs to one live hook at a time, and a hook is refused one only while another"
        " owns it."
    ),
    "I-09": (
        "the log has one order for everybody: ids and positions are unique, what was recorded stays"
        " where it is, and whoever reads it sees a beginning of it."
    ),
    "I-10": "what a row says is what the events of its log add up to, nothing more or less.",
    "I-11": "a step's attempt is the number of starts that were accepted.",
    "I-12": (
        "a step may be given up for exhausted retries only after max_retries + 1 of its bodies"
        " have really failed; until then it is tried again."
    ),
    "I-13": "no step runs more bodies than its retries, its deliveries and the faults explain.",
    "I-13a": (
        "a step whose bodies are killed again and again is given up after a bounded number of"
        " them; it does not run for ever."
    ),
    "I-14": "two bodies of a step overlap only if the first one's owner is dead or its lease up.",
    "I-15": "one handler at a time considers itself the inline owner of a step.",
    "I-16": (
        "a pass over the same log asks for the same things, and a replay of a finished run ends as"
        " the run did."
    ),
    "I-17": "a deterministic workflow and its own log never disagree.",
    "I-18": "the run ends with the result that the workflow has when nothing is raced.",
    "I-19": (
        "what a call is given was made by a body that ran that very call, with the same arguments."
    ),
    "I-20": (
        "a race is won by the branch that the log decides first, in every pass, and a sleep that"
        " was due long before wins."
    ),
    "I-21": (
        "a fault of the infrastructure (a duplicate, a crash, a lost answer) never surfaces as a"
        " failed step or run."
    ),
    "I-22": (
        "an error is charged to who has raised it: the workflow and its bodies, or the engine and"
        " its world."
    ),
    "I-23": "now_ms of a workflow never goes back, and depends on the log before it alone.",
    "I-24": (
        "whoever reads a stream is given what was written to it, in order and whole, and its end"
        " once and last."
    ),
    "I-25": (
        "a payload that was accepted is recorded once, and it reaches the workflow unless the run"
        " ends first."
    ),
    "I-26": "once a run is cancelled, no new body of it is started.",
    "I-27": "without faults a run costs no more than it needs, and no pass is run in vain.",
    "L-01": (
        "a run that has not ended has a message or a handler that will bring it further, or waits"
        " for nothing but a payload from outside."
    ),
    "L-02": "once the last fault is over, every run reaches its end.",
    "L-03": "a sleep ends soon after the time that was recorded for it.",
    "L-04": "once an event has decided a race its run goes on, however long the losers take.",
    "L-05": "a payload is seen by a pass soon after it was recorded, or its run has ended.",
    "L-06": "a failed step is tried again soon after the time set for that, and never before it.",
    "L-07": "a run is not delivered over and over without getting any further.",
    "L-08": "whoever reads a stream comes to its end once it is closed, or its run has ended.",
    "L-09": "workers that wait for others leave enough workers for those they wait for.",
}


def wanted(law: str) -> str:
    """The sentence of ``law``; for one without a sentence, where to look."""
    return _WANTED.get(
        law, f"see the law {law} itself (spec §7): no short form of it is known here."
    )
