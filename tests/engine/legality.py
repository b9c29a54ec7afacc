"""The legality matrix of spec §1.3 (decisions §5.13), written out by hand.

"data": resilient start, the run's data is in it; "lazy": the step's input is in it.  ``early`` is a
pending step whose retryAfter is in the future.  ``> running`` is short for ``ok -> running``; 410
and 425 have one meaning each.  Where an ended run has hooks or waits, which the atomic world never
lets happen, the merge era does not consult the run.
"""

from __future__ import annotations

import re

LIVING, ENDED = ("pending", "running"), ("completed", "failed", "cancelled")

RUN_CELLS = """
event              missing      pending      running       completed     failed        cancelled
run_created        > pending    409 exists   409 exists    409 exists    409 exists    409 exists
run_started        404 missing  > running    ok, no event  410           410           410
run_started, data  > running    > running    ok, no event  410           410           410
run_completed      404 missing  > completed  > completed   409 terminal  409 terminal  409 terminal
run_failed         404 missing  > failed     > failed      409 terminal  409 terminal  409 terminal
run_cancelled      404 missing  > cancelled  > cancelled   409 terminal  409 terminal  > cancelled
attr_set           404 missing  ok           ok            409 terminal  409 terminal  409 terminal
"""

IN_A_LIVING_RUN = """
event               missing      pending      early        running      completed     failed
step_created        > pending    409 exists   409 exists   409 exists   409 exists    409 exists
step_started        404 missing  > running    425          > running    409 terminal  409 terminal
step_started, lazy  > running    409 exists   409 exists   409 exists   409 exists    409 exists
step_completed      404 missing  > completed  > completed  > completed  409 terminal  409 terminal
step_failed         404 missing  > failed     > failed     > failed     409 terminal  409 terminal
step_retrying       404 missing  > pending    > pending    > pending    409 terminal  409 terminal

event                      missing     live        conflict    disposed
hook_created               > live      409 exists  409 exists  409 exists
hook_created, token taken  > conflict  409 exists  409 exists  409 exists
hook_received              404 hook    > live      404 hook    404 hook
hook_disposed              404 hook    > disposed  404 hook    404 hook

event           missing      waiting      completed
wait_created    > waiting    409 exists   409 exists
wait_completed  404 missing  > completed  409 terminal
"""

IN_AN_ENDED_RUN = """
event               missing       pending      early        running      completed     failed
step_created        409 terminal  409 exists   409 exists   409 exists   409 exists    409 exists
step_started        404 missing   410          410          > running    409 terminal  409 terminal
step_started, lazy  410           409 exists   409 exists   409 exists   409 exists    409 exists
step_completed      404 missing   > completed  > completed  > completed  409 terminal  409 terminal
step_failed         404 missing   > failed     > failed     > failed     409 terminal  409 terminal
step_retrying       404 missing   > pending    > pending    > pending    409 terminal  409 terminal

event                      missing       live        conflict    disposed
hook_created               409 terminal  409 exists  409 exists  409 exists
hook_created, token taken  409 terminal  409 exists  409 exists  409 exists
hook_received              404 hook      > live      404 hook    404 hook
hook_disposed              404 hook      > disposed  404 hook    404 hook

event           missing       waiting      completed
wait_created    409 terminal  409 exists   409 exists
wait_completed  404 missing   > completed  409 terminal
"""

CREATIONS = ("step_created", "hook_created", "hook_created, token taken", "wait_created")


FULL = {"410": "410 run ended", "425": "425 too early"}


def _lines(text):
    for block in text.strip().split("\n\n"):
        head, *lines = [re.split(r" {2,}", line.strip()) for line in block.splitlines()]
        for event, *answers in lines:
            for state, answer in zip(head[1:], answers, strict=True):
                yield event, state, FULL.get(answer, answer.replace("> ", "ok -> "))


def cells(*, terminal_create="409"):
    """Every cell as ``(event, state, run) → answer``; nothing of a missing run is anywhere."""
    found = {(event, state, state): answer for event, state, answer in _lines(RUN_CELLS)}
    for event, state, answer in _lines(IN_A_LIVING_RUN):
        found[event, state, "missing"] = "404 missing"
        for run in LIVING:
            found[event, state, run] = answer
    for event, state, answer in _lines(IN_AN_ENDED_RUN):
        refused_for_the_run = event in CREATIONS and answer == "409 terminal"
        for run in ENDED:
            gone = refused_for_the_run and terminal_create == "410"
            found[event, state, run] = "410 run ended" if gone else answer
    return found
