"""One connection to a PostgreSQL server, on trio: psycopg's generators, and who waits for them.

psycopg splits talking to the server into generators that say what they wait for; here trio does the
waiting, so there is neither a thread nor another event loop.  Values are those of ``ports.Row``:
text, whole numbers, booleans, bytes and None; parameters may be lists of bytes, too, and tuples of
rows, which go as JSON.  Statements are prepared when first run, and answer in binary.
"""

from __future__ import annotations

import re
import select
import struct
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import msgspec
import psycopg
import trio
from psycopg import generators, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.waiting import Ready, Wait

from simworld.errors import (
    Deadlock,
    DefiniteFailure,
    InternalError,
    SimworldError,
    UniqueViolation,
    UsageError,
    WorldError,
)
from simworld.ports import Row, Statement

T = TypeVar("T")

CANCEL_S = 2.0
"""How long a statement that nobody waits for any more may take to be cancelled."""

_encode_json = msgspec.json.Encoder().encode
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
_PORTS = re.compile(r"[\d,]*")
_SQLSTATE = pq.DiagnosticField.SQLSTATE
_MESSAGE = pq.DiagnosticField.MESSAGE_PRIMARY
_BYTEA = 17
_BINARY = pq.Format.BINARY
_LOST = ("57P01", "57P02", "57P03", "57P05", "08")
"""SQL states of a server that goes away; what was under way may have been done."""


class LostError(Exception):
    """The connection is gone, and with it the answer; ``simworld`` errors are made of it above."""


class NotAllowed(UsageError):
    """The role may not do it."""


class Compiled(NamedTuple):
    """A statement as the server knows it."""

    name: bytes
    text: bytes
    order: tuple[str, ...]
    """The parameters $1, $2 … by name."""


def compiled(statement: Statement, name: str) -> Compiled:
    """With numbers for named parameters; a name that occurs twice has one number."""
    order: dict[str, int] = {}

    def numbered(match: re.Match[str]) -> str:
        if match[1] is None:
            return "%"
        return f"${order.setdefault(match[1], len(order) + 1)}"

    text = _PARAMETER.sub(numbered, statement.sql)
    return Compiled(name.encode(), text.encode(), tuple(order))


# --- values ---------------------------------------------------------------------------------------


def _encoded(name: str, value: object) -> tuple[bytes | None, int]:
    """A parameter and its format: 0 text, 1 binary."""
    if value is None:
        return None, 0
    if isinstance(value, str):
        try:
            data = value.encode()
        except UnicodeEncodeError as error:
            raise WorldError(f"{name} {value[:40]!a} is not text", status=400) from error
        if b"\0" in data:
            shown = ascii(value[:40])
            raise WorldError(f"{name} {shown} has a NUL, which no text may have", status=400)
        return data, 0
    if isinstance(value, bool):
        return (b"t" if value else b"f"), 0
    if isinstance(value, int):
        return b"%d" % value, 0
    if isinstance(value, bytes):
        return value, 1
    if isinstance(value, tuple):
        return _json(name, value), 0
    if isinstance(value, list) and all(isinstance(each, bytes) for each in value):
        return _array(value), 1
    raise InternalError(f"{name} is a {type(value).__name__}; columns hold text, numbers, bytes")


def _json(name: str, rows: tuple[Row, ...]) -> bytes:
    """Rows as JSON."""
    try:
        data = _encode_json(rows)
    except UnicodeEncodeError as error:
        raise WorldError(f"{name} hold what is not text", status=400) from error
    if b"\\u0000" in data and any("\0" in str(value) for row in rows for value in row.values()):
        raise WorldError(f"{name} hold a NUL, which no text may have", status=400)
    return data


def _array(values: Sequence[bytes]) -> bytes:
    """A ``bytea[]`` in the server's binary format: dimensions, no nulls, type; length and start."""
    if not values:
        return struct.pack("!iii", 0, 0, _BYTEA)
    parts = [struct.pack("!iiiii", 1, 0, _BYTEA, len(values), 1)]
    for each in values:
        parts += [struct.pack("!i", len(each)), each]
    return b"".join(parts)


def _decode_int(data: bytes) -> int:
    return int.from_bytes(data, signed=True)


def _decode_numeric(data: bytes) -> int:
    """A whole one: digits of base 10000, of which zeros at the end are left out."""
    count, weight, sign = struct.unpack_from("!hhH", data)
    digits = struct.unpack_from(f"!{count}h", data, 8)
    value: int = sum(digit * 10_000 ** (weight - place) for place, digit in enumerate(digits))
    return -value if sign else value


_DECODERS: dict[int, Callable[[bytes], object]] = {
    16: b"\1".__eq__,
    _BYTEA: bytes,
    20: _decode_int,
    21: _decode_int,
    23: _decode_int,
    25: bytes.decode,
    1043: bytes.decode,
    1700: _decode_numeric,
    2278: lambda data: None,
}
"""Type → how its binary form is read: bool, bytea, int8, int2, int4, text, varchar, numeric, and
void."""

_Columns = Sequence[tuple[int, str, Callable[[bytes], object]]]
"""The number of a column, its name, and how its values are read."""


def _columns(result: pq.abc.PGresult) -> _Columns:
    columns = []
    for number in range(result.nfields):
        name = (result.fname(number) or b"").decode()
        decode = _DECODERS.get(result.ftype(number))
        if decode is None:
            raise InternalError(f"column {name} has type {result.ftype(number)}, which rows lack")
        columns.append((number, name, decode))
    return columns


def _rows(result: pq.abc.PGresult, columns: _Columns) -> list[Row]:
    get = result.get_value
    found: list[Row] = []
    for line in range(result.ntuples):
        row: dict[str, Any] = {}
        for number, name, decode in columns:
            value = get(line, number)
            row[name] = None if value is None else decode(value)
        found.append(row)
    return found


# --- waiting --------------------------------------------------------------------------------------


async def _ready(fileno: int, wanted: int) -> int:
    """Wait until the socket is what a generator wants it to be."""
    if wanted == Wait.R:
        await trio.lowlevel.wait_readable(fileno)
        return Ready.R
    if wanted == Wait.W:
        await trio.lowlevel.wait_writable(fileno)
        return Ready.W
    found = 0

    async def one(wait: Callable[[int], Any], ready: int) -> None:
        nonlocal found
        await wait(fileno)
        found |= ready
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(one, trio.lowlevel.wait_readable, Ready.R)
        nursery.start_soon(one, trio.lowlevel.wait_writable, Ready.W)
    return found


async def _drive(generator: Generator[int, int, T], fileno: int) -> T:
    """Run a generator of psycopg to its end."""
    try:
        wanted = next(generator)
        while True:
            wanted = generator.send(await _ready(fileno, wanted))
    except StopIteration as stop:
        result: T = stop.value
        return result
    except psycopg.OperationalError as error:
        raise LostError(str(error).strip()) from error


async def _connect(conninfo: str) -> pq.abc.PGconn:
    generator = generators.connect(conninfo)
    try:
        fileno, wanted = next(generator)
        while True:
            fileno, wanted = generator.send(Ready(await _ready(fileno, wanted)))
    except StopIteration as stop:
        connection: pq.abc.PGconn = stop.value
        return connection
    except psycopg.OperationalError as error:
        raise LostError(str(error).strip()) from error
    finally:
        generator.close()


def checked_dsn(dsn: str) -> str:
    """The DSN as libpq takes it; ``UsageError`` if it is none."""
    try:
        told = conninfo_to_dict(dsn)
        conninfo = make_conninfo(dsn, client_encoding="utf8", application_name="simworld")
    except psycopg.Error:
        raise UsageError(  # which tells nothing of it, and has no cause that does
            "this is no PostgreSQL DSN; use for example postgresql://user@host:5432/database"
        ) from None
    spilt = f"{told.get('host', '')}"[1:] + f"{told.get('dbname', '')}"
    if "@" in spilt or not _PORTS.fullmatch(str(told.get("port", ""))):
        raise UsageError(
            "the host, port or database of this PostgreSQL DSN is none; where a password has one "
            "of @ : / ? # %, write it as %40 %3A %2F %3F %23 %25"
        )
    return conninfo


# --- the connection -------------------------------------------------------------------------------


class Connection:
    """A connection; one task at a time may use it."""

    def __init__(self, pgconn: pq.abc.PGconn) -> None:
        self._pgconn = pgconn
        self._fileno = pgconn.socket
        self._prepared: dict[bytes, _Columns] = {}
        """Statement → the columns of its rows."""
        self._poll = select.poll()
        self._poll.register(self._fileno, select.POLLIN)
        self.closed = False
        pgconn.notice_handler = None
        self._told: list[pq.PGnotify] = []
        """Notifications that came while a command was under way."""
        pgconn.notify_handler = self._told.append

    @classmethod
    async def open(cls, conninfo: str) -> Connection:
        """Connect; ``LostError`` if there is nobody, or nobody who lets us in."""
        return cls(await _connect(conninfo))

    @property
    def pid(self) -> int:
        """The process at the server that works for this connection."""
        return self._pgconn.backend_pid

    def close(self) -> None:
        """Hang up; the server rolls back what is open."""
        if not self.closed:
            self.closed = True
            trio.lowlevel.notify_closing(self._fileno)
            self._pgconn.finish()

    def alive(self) -> bool:
        """Whether it seems good for another statement; the server may have hung up meanwhile."""
        if not self.closed and self._poll.poll(0):
            try:
                self._pgconn.consume_input()  # its last words, if it had any
                self._pgconn.consume_input()  # and then the end
            except psycopg.Error:
                self.close()
        return not self.closed

    async def command(self, text: bytes) -> bytes:
        """Run plain SQL, one or more statements; what the server calls the last one done."""
        result = await self._send(lambda: self._pgconn.send_query(text))
        return result.command_status or b""

    async def value(self, text: bytes) -> str | None:
        """The first column of the first row that plain SQL returns, as text."""
        result = await self._send(lambda: self._pgconn.send_query(text))
        value = result.get_value(0, 0) if result.ntuples else None
        return None if value is None else bytes(value).decode()

    async def run(self, statement: Compiled, values: Mapping[str, object]) -> list[Row]:
        """Run a statement, which is prepared first if it is new here."""
        missing = [name for name in statement.order if name not in values]
        if missing:
            raise InternalError(f"{statement.text!r} lacks values for {', '.join(missing)}")
        encoded = [_encoded(name, values[name]) for name in statement.order]
        name = statement.name
        if name not in self._prepared:
            await self._send(lambda: self._pgconn.send_prepare(name, statement.text))
            described = await self._send(lambda: self._pgconn.send_describe_prepared(name))
            self._prepared[name] = _columns(described)
        data, formats = [value for value, _ in encoded], [form for _, form in encoded]
        result = await self._send(
            lambda: self._pgconn.send_query_prepared(name, data, formats, _BINARY)
        )
        return _rows(result, self._prepared[name])

    async def _send(self, send: Callable[[], None]) -> pq.abc.PGresult:
        """The last result of what ``send`` sends, or the error that the server answers with."""
        try:
            send()
            results = await _drive(generators.execute(self._pgconn), self._fileno)
        except psycopg.OperationalError as error:
            self.close()
            raise LostError(str(error).strip()) from error
        except trio.Cancelled:
            await self._abandon()
            raise
        except BaseException:
            self.close()  # whatever it was, half an answer may be on its way
            raise
        for result in results:
            if result.status == pq.ExecStatus.FATAL_ERROR:
                raise self._refusal(result)
        last: pq.abc.PGresult = results[-1]
        return last

    async def _abandon(self) -> None:
        """Nobody waits for the statement any more: have it cancelled, so that it holds no locks."""
        try:
            cancel = self._pgconn.get_cancel()
        except psycopg.Error:
            self.close()  # there is nobody left to ask
            return
        with trio.move_on_after(CANCEL_S, shield=True):
            await trio.to_thread.run_sync(_cancel, cancel, abandon_on_cancel=True)
        self.close()

    def _refusal(self, result: pq.abc.PGresult) -> Exception:
        state = (result.error_field(_SQLSTATE) or b"").decode()
        said = (result.error_field(_MESSAGE) or b"").decode(errors="replace")
        if state.startswith(_LOST):
            self.close()
            return LostError(said)
        return refusal(state, said)

    async def readable(self) -> None:
        """Wait until the server has said something by itself."""
        await trio.lowlevel.wait_readable(self._fileno)

    def heard(self) -> list[str]:
        """The channels of the notifications that have come; ``LostError`` if it hung up."""
        try:
            self._pgconn.consume_input()
        except psycopg.Error as error:
            self.close()
            raise LostError(str(error).strip()) from error
        while (notice := self._pgconn.notifies()) is not None:
            self._told.append(notice)
        found = [each.relname.decode() for each in self._told]
        self._told.clear()
        return found


def _cancel(cancel: pq.abc.PGcancel) -> None:
    try:
        cancel.cancel()
    except psycopg.Error:
        pass  # The server is gone, and the statement with it.
    finally:
        cancel.free()


def refusal(state: str, said: str) -> SimworldError:
    """What an error of the server means for a world."""
    if state == "23505":
        return UniqueViolation(f"the database refuses a second row: {said}")
    if state in ("40P01", "40001"):
        return Deadlock(f"the database rolled the transaction back: {said}")
    if state in ("42P01", "42703", "42P07", "3F000"):
        return UsageError(f"the database has another schema ({said}); use an empty database")
    if state == "42501":
        return NotAllowed(
            f"the role may not do that: {said}; grant it SELECT, INSERT, UPDATE and DELETE on the "
            "world's tables"
        )
    if state.startswith("42"):
        return InternalError(f"the database does not understand a statement: {said}")
    return DefiniteFailure(f"the database refuses: {said} (SQLSTATE {state})")
