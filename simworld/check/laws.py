"""The laws by name, and the ones that are always judged (decisions §1.1)."""

from __future__ import annotations

from collections.abc import Iterable

from simworld.check.bodies import I_13, I_13A, I_14
from simworld.check.budget import I_12
from simworld.check.clients import I_25, L_05
from simworld.check.codes import I_22
from simworld.check.cost import I_27
from simworld.check.entities import I_04, I_06, I_07, I_08
from simworld.check.law import Law
from simworld.check.liveness import L_02, L_03, L_09
from simworld.check.logs import I_02, I_09
from simworld.check.order import I_01, I_03, I_05
from simworld.check.outcomes import I_18, I_21, I_26
from simworld.check.owners import I_15
from simworld.check.races import I_20, L_04
from simworld.check.replays import I_16, I_17
from simworld.check.retries import L_06
from simworld.check.rows import I_10, I_11
from simworld.check.storms import L_07
from simworld.check.streams import I_24, L_08
from simworld.check.stuck import L_01
from simworld.check.values import I_19, I_23
from simworld.errors import unknown_name

LAWS: dict[str, Law] = {
    law.id: law
    for law in (
        I_01,
        I_02,
        I_03,
        I_04,
        I_05,
        I_06,
        I_07,
        I_08,
        I_09,
        I_10,
        I_11,
        I_12,
        I_13,
        I_13A,
        I_14,
        I_15,
        I_16,
        I_17,
        I_18,
        I_19,
        I_20,
        I_21,
        I_22,
        I_23,
        I_24,
        I_25,
        I_26,
        I_27,
        L_01,
        L_02,
        L_03,
        L_04,
        L_05,
        L_06,
        L_07,
        L_08,
        L_09,
    )
}
"""Every law there is so far, in the order of the spec."""

ALWAYS = ("I-01", "I-03", "I-05", "I-10", "I-11", "L-01")
"""Judged in every trial, whatever the scenario asks for."""

FOREIGN = (
    *("I-01", "I-02", "I-03", "I-04", "I-05", "I-06", "I-07", "I-08", "I-09", "I-10", "I-11"),
    *("I-12", "I-13", "I-13a", "I-17", "I-18", "I-19", "I-21", "I-22", "I-24", "I-25", "I-26"),
    *("L-01", "L-02", "L-03", "L-06", "L-07", "L-08"),
)
"""What an engine can be asked that nobody here wrote.

Not I-14 and I-15: it has no leases, and runs no step inline.  Not I-16, I-20, I-23, L-04, L-05: it
tells nothing of its passes; who must win a race is said by an oracle over the log (I-18).  Not I-27
and L-09: it promises no cost, and the pool is its deployment's."""


def laws_named(ids: Iterable[str]) -> tuple[Law, ...]:
    """The laws with these ids, in this order, each once; a ``UsageError`` for an unknown one."""
    found: dict[str, Law] = {}
    for each in ids:
        law = LAWS.get(each)
        if law is None:
            raise unknown_name("law", each, LAWS)
        found[each] = law
    return tuple(found.values())
