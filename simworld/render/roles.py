"""Who is who in a story: a short role for every delivery that is told about.

A task's name is its causal path (decisions §4.2), so the delivery a task works for is the longest
prefix of its name that ends in a message: ``flow``, or a step's label such as ``work#3``, with
``~n`` for the n-th delivery of that message.  A branch of a handler (``create.work#3``) is no
message.  Deliveries are called ``A``, ``B``, … in order of first appearance; whatever no delivery
causes (a client) keeps its own name.  Messages have numbers, in the order in which they were sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from simworld.records import Turn
from simworld.render.text import ordinal

_MESSAGE = re.compile(r"(?P<what>flow|[^/~.]*#\d+)(?P<again>[.+:@!]\d+)?(?:~(?P<number>\d+))?")

CLIENT = "client"
"""What a scenario's only client is called."""

_PATH = re.compile(r"[^\s,;:()]+/[^\s,;:()]+")
_QUEUED = re.compile(r"queued as ([^\s,]+)")
_TIMES = ("", "", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth")


def delivery_of(task: str) -> str:
    """The delivery that ``task`` works for, or the empty string."""
    parts = task.split("/")
    for length in range(len(parts), 1, -1):  # the first part is a client, whatever it is called
        if _MESSAGE.fullmatch(parts[length - 1]):
            return "/".join(parts[:length])
    return ""


class Message(NamedTuple):
    """A message of a trial."""

    number: int
    """In the order in which they were sent."""
    what: str
    """What its sender calls it: ``flow``, ``work#3``, ``flow of run:work#1``."""


def messages_of(turns: Sequence[Turn]) -> dict[str, Message]:
    """Name of a message's first delivery → the message.

    One whose sender was not told that it is queued is counted when it is delivered.
    """
    found: dict[str, Message] = {}
    for turn in turns:
        name = _message(delivery_of(turn.task))
        if name and name not in found:
            found[name] = Message(len(found) + 1, turn.op.removeprefix("deliver "))
        sent = _QUEUED.match(turn.outcome)
        if sent and sent[1] not in found:
            found[sent[1]] = Message(len(found) + 1, turn.op.removeprefix("send "))
    return found


def _message(delivery: str) -> str:
    """The first delivery of the same message."""
    match = _MESSAGE.fullmatch(delivery.rsplit("/", maxsplit=1)[-1])
    again = match["number"] if match else None
    return delivery.removesuffix(f"~{again}") if again else delivery


def _client_of(task: str) -> str:
    return task.split("/", maxsplit=1)[0]


def _letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA, as columns of a spreadsheet."""
    name = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        name = chr(ord("A") + digit) + name
    return name


class Roles:
    """The cast: roles by delivery, given out in order of appearance."""

    def __init__(
        self, tasks: Iterable[str] = (), messages: Mapping[str, Message] | None = None
    ) -> None:
        self._messages = messages or {}
        """As ``messages_of`` gives them."""
        self._names: dict[str, str] = {}
        self._clients: dict[str, None] = {}
        for task in tasks:
            self.cast(task)

    def cast(self, task: str) -> None:
        """``task`` appears; its delivery gets the next free role, unless it has one."""
        delivery = delivery_of(task)
        if not delivery:
            self._clients.setdefault(_client_of(task))
        elif delivery not in self._names:
            self._names[delivery] = _letters(len(self._names))

    def cast_all(self, text: str) -> None:
        """Every delivery whose path occurs in ``text`` appears."""
        for path in _PATH.findall(text):
            if delivery_of(path) == path and _client_of(path) in self._clients:
                self.cast(path)

    def knows(self, task: str) -> bool:
        """Whether ``task`` has a role."""
        return (delivery_of(task) or _client_of(task)) in (*self._names, *self._clients)

    def role_of(self, task: str) -> str:
        """The role that ``task`` plays; for a task that never appeared, its own name."""
        delivery = delivery_of(task)
        return self._names.get(delivery, delivery) if delivery else _client_of(task)

    def who(self, task: str) -> str:
        """The role, with the branch of it that ``task`` is: ``A`` or ``A/create.2``."""
        whole = delivery_of(task) or _client_of(task)
        return self.role_of(task) + task[len(whole) :]

    def shorten(self, text: str) -> str:
        """``text`` with the causal path of every known delivery replaced by its role."""
        return _PATH.sub(lambda match: self._names.get(match[0], match[0]), text)

    def named(self, task: str) -> str:
        """``handler A`` or ``the client``: who it is within a sentence, whatever branch of it."""
        role = self.role_of(task)
        if delivery_of(task):
            return f"handler {role}"
        return f"the {role}" if role == CLIENT else f"the client {role}"

    def explain(self, task: str) -> str:
        """``handler A, delivering message 3 (step work#3), second time``: where no legend is."""
        delivery = delivery_of(task)
        if not delivery:
            return self.named(task)
        known = delivery in self._names
        who = f"handler {self._names[delivery]}," if known else "the handler"
        return f"{who} {self._in_words(delivery)}"

    def asked(self, request: str) -> str:
        """``the request step_started.work#3 of handler A, delivering …``."""
        who = delivery_of(request) or _client_of(request)
        return f"the request {request[len(who) + 1 :]} of {self.explain(request)},"

    def legend(self) -> list[tuple[str, str]]:
        """(role, who that is) of everybody, clients first."""
        rows = [(name, "a client") for name in self._clients]
        rows += [
            (role, f"handler {role}, {self._in_words(delivery)}; {delivery}")
            for delivery, role in self._names.items()
        ]
        return rows

    def message(self, task: str) -> str:
        """``message 3 (step work#3)``; one that nobody has sent has no number."""
        name = _message(task)
        last = name.rsplit("/", maxsplit=1)[-1]
        match = _MESSAGE.fullmatch(last)
        number, what = self._messages.get(name, (0, match["what"] if match else last))
        what = what if what.split()[0] == "flow" else f"step {what}"
        return f"message {number} ({what})" if number else f"the message for {what}"

    def _in_words(self, delivery: str) -> str:
        again = delivery[len(_message(delivery)) + 1 :]
        nth = int(again) if again else 1
        time = _TIMES[nth] if nth < len(_TIMES) else ordinal(nth)
        return f"delivering {self.message(delivery)}{f', {time} time' if nth > 1 else ''}"
