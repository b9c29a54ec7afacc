"""Text → the events in it, piece by piece: JSON lines, arrays, pages, or one value after another.

The whole text is never in memory: a window moves over it that holds the value being read, and that
value is bounded.  What is no value is reported with line and column, and reading goes on: in JSON
lines with the next line, otherwise at the next object that begins as events do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

VALUE_BYTES_MAX = 16 * 1024 * 1024
"""An event that is longer is not read."""
HEAD_BYTES = 64 * 1024
"""What is looked at to tell JSON lines from a document."""
SHOWN_MAX = 24

_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+("?)|[{}\[\]]', re.DOTALL)
"""A string (its group is empty if it does not end) or a bracket."""
_KEYS = rb"runId|eventId|eventType|correlationId|createdAt|specVersion|eventData"
_EVENT = re.compile(rb'\{\s*"(?:' + _KEYS + rb')"\s*:')
_EVENT_KEYS = frozenset({b'"runId"', b'"eventId"', b'"eventType"'})
_PAGE_KEYS = frozenset({b'"data"', b'"events"'})
_ARRAY_FOLLOWS = re.compile(rb"\s*:\s*\[")
_UNDECIDED = re.compile(rb"\s*:?\s*\Z")
_BLANK = re.compile(rb"[\s,]*")
_SCALAR = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s,{}\[\]"]+', re.DOTALL)
_QUOTE, _OPEN, _CLOSE, _OPEN_ARRAY, _CLOSE_ARRAY = b'"{}[]'
_BOM = b"\xef\xbb\xbf"


class Piece(NamedTuple):
    """The text of one value that should be an event."""

    line: int
    column: int
    data: bytes


class Unread(NamedTuple):
    """Something that cannot be an event."""

    line: int
    column: int
    reason: str


class Text:
    """A window on a stream of bytes that knows line and column."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.data = b""
        self.at = 0
        """Everything before it has been dealt with."""
        self._line = 1
        self._line_start = 0
        self._counted = 0

    def more(self) -> bool:
        """Twice as much as there is of it, without what has been dealt with; False at the end."""
        parts = [self.data[self.at :]]
        wanted = max(len(parts[0]), 1)
        for chunk in self._chunks:
            parts.append(chunk)
            wanted -= len(chunk)
            if wanted <= 0:
                break
        if len(parts) == 1:
            return False
        self.place(self.at)
        self._line_start -= self.at
        self._counted -= self.at
        self.data = b"".join(parts)
        self.at = 0
        return True

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of an offset that is no less than any asked for before."""
        breaks = self.data.count(b"\n", self._counted, at)
        if breaks:
            self._line += breaks
            self._line_start = self.data.rindex(b"\n", self._counted, at) + 1
        self._counted = max(at, self._counted)
        return self._line, at - self._line_start + 1


class Splitter:
    """Iterate over it once; ``reject`` says that the piece given last is no JSON at all."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._text = Text(chunks)
        self._rejected = False
        self._depth: list[int] = []
        """What the value being read is in: arrays, and pages that are not over with their array."""

    def reject(self) -> None:
        """Look for the next event inside the piece, too: a quote or bracket may be missing."""
        self._rejected = True

    def __iter__(self) -> Iterator[Piece | Unread]:
        text = self._text
        while len(text.data) < HEAD_BYTES and text.more():
            pass
        if text.data.startswith(_BOM):
            text.data = text.data[len(_BOM) :]
        return self._document() if _is_document(text.data) else self._lines()

    # --- JSON lines -------------------------------------------------------------------------------

    def _lines(self) -> Iterator[Piece | Unread]:
        text, number, searched = self._text, 0, 0
        while True:
            end = text.data.find(b"\n", text.at + searched)
            if end < 0:
                searched = len(text.data) - text.at
                if searched <= VALUE_BYTES_MAX and text.more():
                    continue
                end = len(text.data)
            number += 1
            line = text.data[text.at : end]
            text.at, searched = end + 1, 0
            if len(line) > VALUE_BYTES_MAX:
                yield Unread(number, 1, _too_long())
                self._skip_line(ended=end < len(text.data))
            else:
                value = line.strip()
                if value:
                    yield Piece(number, line.index(value[:1]) + 1, value)
            if text.at > len(text.data):
                text.at = len(text.data)
                if not text.more():
                    return

    def _skip_line(self, *, ended: bool) -> None:
        """Go on behind the end of the line of which the window holds the beginning."""
        text = self._text
        while not ended:
            text.at = len(text.data)
            if not text.more():
                text.at = len(text.data) + 1
                return
            end = text.data.find(b"\n")
            if end >= 0:
                text.at, ended = end + 1, True

    # --- documents --------------------------------------------------------------------------------

    def _document(self) -> Iterator[Piece | Unread]:
        """Values one after another; arrays and pages are entered, their elements are values."""
        text, depth = self._text, self._depth
        while (char := self._next()) >= 0:
            if char == _OPEN:
                yield from self._object()
            elif char == _OPEN_ARRAY:
                depth.append(_OPEN_ARRAY)
                text.at += 1
            elif char == _CLOSE_ARRAY and depth:
                text.at += 1
                if depth.pop() == _OPEN and not self._skip_page():
                    yield Unread(*text.place(len(text.data)), "the text ends inside a page")
            else:
                yield from self._garbage()
        if depth:
            yield Unread(*text.place(len(text.data)), "the text ends inside an array of events")

    def _next(self) -> int:
        """The first byte that is no white space; -1 at the end."""
        text = self._text
        while True:
            found = _BLANK.match(text.data, text.at)
            text.at = found.end() if found else text.at
            if text.at < len(text.data):
                return text.data[text.at]
            if not text.more():
                return -1

    def _object(self) -> Iterator[Piece | Unread]:
        """An event, or a page whose events are the next values."""
        text = self._text
        while True:
            end, is_page = _scan(text.data, text.at)
            if end >= 0:
                break
            if len(text.data) - text.at > VALUE_BYTES_MAX:
                yield Unread(*text.place(text.at), _too_long())
                self._resume()
                return
            if not text.more():
                end = len(text.data)
                self._rejected = True
                break
        start, place = text.at, text.place(text.at)
        text.at = end
        if is_page:
            self._depth.append(_OPEN)
            return
        yield Piece(*place, text.data[start:end])
        if self._rejected:
            self._rejected = False
            text.at = start
            self._resume()

    def _skip_page(self) -> bool:
        """Leave a page: behind its array it tells where the next one begins, and its end."""
        text = self._text
        while True:
            end = _closing(text.data, text.at)
            if end >= 0 or not text.more():
                break
        text.at = end if end >= 0 else len(text.data)
        return end >= 0

    def _garbage(self) -> Iterator[Unread]:
        text = self._text
        if len(text.data) - text.at < SHOWN_MAX:
            text.more()
        found = _SCALAR.match(text.data, text.at)
        shown = text.data[text.at : found.end() if found else text.at + 1][:SHOWN_MAX]
        reason = f"expected an event, found {shown.decode(errors='replace')}"
        yield Unread(*text.place(text.at), reason)
        if found and found.end() < len(text.data):
            text.at = found.end()
        else:
            self._resume()

    def _resume(self) -> None:
        """Go on at the next object that begins as events do, behind the byte the window is at."""
        text = self._text
        text.at += 1
        while True:
            found = _EVENT.search(text.data, text.at)
            if found:
                text.at = found.start()
                return
            text.at = max(text.at, len(text.data) - HEAD_BYTES)
            if not text.more():
                text.at = len(text.data)
                return


def _scan(data: bytes, at: int) -> tuple[int, bool]:
    """End of the object that begins here, and False; or the place behind the bracket that opens
    its array of events, and True.  -1: it needs more text."""
    level, is_event = 0, False
    for token in _TOKEN.finditer(data, at):
        char = data[token.start()]
        if char == _QUOTE:
            if not token[1]:
                return -1, False
            if level != 1 or is_event:
                continue
            is_event = token[0] in _EVENT_KEYS
            if token[0] in _PAGE_KEYS:
                if _UNDECIDED.match(data, token.end()):
                    return -1, False
                array = _ARRAY_FOLLOWS.match(data, token.end())
                if array:
                    return array.end(), True
        elif char in (_OPEN, _OPEN_ARRAY):
            level += 1
        else:
            level -= 1
            if not level:
                return token.end(), False
    return -1, False


def _closing(data: bytes, at: int) -> int:
    """The place behind the bracket that closes what is open here; -1: it needs more text."""
    level = 1
    for token in _TOKEN.finditer(data, at):
        char = data[token.start()]
        if char == _QUOTE:
            if not token[1]:
                return -1
        elif char in (_OPEN, _OPEN_ARRAY):
            level += 1
        else:
            level -= 1
            if not level:
                return token.end()
    return -1


def _is_document(head: bytes) -> bool:
    """Whether values may go over several lines; otherwise each line is one, whatever it holds."""
    start = head.lstrip()
    if not start.startswith(b"{"):
        return start.startswith(b"[")
    line, ended, rest = start.partition(b"\n")
    end, is_page = _scan(line, 0)
    if is_page or (not ended and len(head) >= HEAD_BYTES):
        return True
    if end >= 0:
        return line[end:].lstrip().startswith(b"{")
    return bool(ended) and not rest.lstrip(b"\r\n").startswith(b"{")


def _too_long() -> str:
    return f"longer than {VALUE_BYTES_MAX // 1024 // 1024} MiB: no event is"
