"""Entries R-37 to R-41 and R-45: what a handler has cached of the log is the log, or is not.

Their scenario is ``cursor_dedupe``, which tells the goal, the method and the right outcome; R-45
has ``step_before_sleep``, where no hook brings in races of its own.
"""

from __future__ import annotations

from simworld.records import Fix, Race

SCENARIO = "cursor_dedupe"
MINTED = "log_position=mint_at_start"

races = (
    Race(
        id="R-37",
        title="a wait is completed from a snapshot that misses the payload before it",
        trigger="A handler loads the log; the client's payload for round-0 is recorded; the "
        "handler records wait_completed and appends it to what it has loaded, where the payload "
        "is missing: its race is won by the sleep, everybody else's by the hook.",
        laws=("I-16", "I-17", "I-18"),
        scenario=SCENARIO,
        case="R-37",
        faulty="fixed wait_push=local",
        fixes=(Fix(system="v2_merge wait_push=refresh"), Fix(system="b12"), Fix(system="fixed")),
        source="spec §6 R-37; #2029, #2038",
    ),
    Race(
        id="R-38",
        title="who loses the race for wait_completed has a hole in its cache",
        trigger="Two deliveries of the wake find the sleep over; the second one is refused (409), "
        "appends nothing, and its pass waits for a sleep that it knows to be completed.",
        laws=("I-27",),
        scenario=SCENARIO,
        case="R-38",
        faulty="fixed wait_push=local",
        fixes=(Fix(system="fixed"),),
        answer="confirmed as a matter of cost: the pass behind the refusal is wasted (I-27) and "
        "has the run woken once more. The second that this may take is within what L-03 grants, "
        "which was never broken; with R-36 it never ends.",
        source="spec §6 R-38, derived",
    ),
    Race(
        id="R-39",
        title="a wait that was pushed into the cache is read again",
        trigger="A handler appends the wait_completed that it has recorded and leaves the cursor "
        "where it was; its next read answers the event again, and nobody takes the second one.",
        laws=("I-17",),
        scenario=SCENARIO,
        case="R-39",
        faulty="v2_merge dedupe=false",
        fixes=(
            Fix(system="v2_merge"),
            Fix(system="v2_merge cursor_move=true dedupe=false"),
            Fix(system="fixed dedupe=false"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-39",
    ),
    Race(
        id="R-40",
        title="the order of the cache is not the order of the log",
        trigger="A payload stands before a handler's wait_completed in the log, and the handler "
        "reads it only after it has appended that one to its cache, since it was recorded after "
        "the handler's last read or became visible late: the cache has the two the other way "
        "round than the log.",
        laws=("I-16", "I-17", "I-18"),
        scenario=SCENARIO,
        case="R-40",
        faulty=f"fixed {MINTED} wait_push=local",
        fixes=(
            Fix(
                system=f"fixed cursor_move=true {MINTED} wait_push=local",
                remains="the moved cursor has passed the payload by: it is never read again",
            ),
            Fix(
                system=f"fixed {MINTED}",
                remains="reading again by cursor misses what becomes visible behind it (R-45)",
            ),
            Fix(system="fixed"),
        ),
        answer="confirmed: the fix that the review suggests, to move the cursor to what was "
        "pushed, is faulty itself. The run goes wrong as soon as without it, and the payload that "
        "was late in the cache is now never in it.",
        source="spec §6 R-40, its fix derived",
    ),
    Race(
        id="R-41",
        title="a world that gives no cursor with its last page is read whole, again and again",
        trigger="A quiet run of three rounds: every iteration finds no cursor and reads the log "
        "from its beginning.",
        laws=("I-27",),
        scenario=SCENARIO,
        case="R-41",
        faulty="fixed last_cursor=null",
        fixes=(
            Fix(
                system="v2_merge last_cursor=null",
                remains="the fallback reads the whole log: nothing is wrong, and all of it is paid "
                "for again in every iteration",
            ),
            Fix(system="v2_merge"),
            Fix(system="fixed"),
        ),
        source="spec §6 R-41",
    ),
    Race(
        id="R-45",
        title="keys minted before they are visible: a cursor passes an event by",
        trigger="The handler that runs ship takes a key for its step_completed; the handler that "
        "ends the sleep takes the next one, publishes, and reads on to that; the first one "
        "publishes behind its cursor. There the sleep has won the race, everywhere else ship has.",
        laws=("I-20", "I-16"),
        scenario="step_before_sleep",
        case="R-48",
        faulty=f"fixed {MINTED}",
        fixes=(
            Fix(
                system="fixed pg_position=minted @ postgres",
                remains="creates are one transaction under the lock of the run's row, and their "
                "ids are minted before they have it",
            ),
            Fix(system="fixed"),
            Fix(system="fixed @ local"),
            Fix(system="fixed @ postgres"),
        ),
        source="spec §6 R-45; #3201, #3269, #3305, #3389",
    ),
)
