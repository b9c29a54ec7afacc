"""Interposition below a world: every operation on its files or tables is one of the kernel.

The world's call is what the task is *doing*; the operation says what of it comes next.  So one
``create`` of the file world is several turns, with a chance to die between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol

from simworld.errors import Crashed, DefiniteFailure, IndefiniteFailure, SimworldError
from simworld.marks import reached
from simworld.ports import Files, Notices, Row, Session, Statement, Tables
from simworld.records import Fault, LostAnswer, Op
from simworld.sim.kernel import Kernel
from simworld.sim.labels import Labels, part_op
from simworld.sim.parking import PARK
from simworld.sim.strikes import fail, struck
from simworld.sim.tasks import Host, Task
from simworld.sim.world import lose

Published = Callable[[str, bytes], None]
"""(path, content) of a file that has just come into being."""

CUT_BEFORE = 1
"""Value of ``lost_connection``: nothing of it has reached the tables."""


class _Parts:
    """Makes the operations of which a world's call consists; remembered, for they come again."""

    __slots__ = ("_kernel", "_labels", "_made")

    def __init__(self, kernel: Kernel, labels: Labels) -> None:
        self._kernel = kernel
        self._labels = labels
        self._made: dict[tuple[Op | None, str, str], Op] = {}

    def of_file(self, verb: str, path: str, *, writes: bool) -> Op:
        """An operation on a file, or on what begins with it; or on a folder."""
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        key = (task.doing, verb, path)
        op = self._made.get(key)
        if op is None:
            where = self._labels.reworded(path)
            folder = where if verb == "list" else where.rpartition("/")[0]
            fine = () if verb == "list" else (where,)
            coarse = (folder,) if writes or verb in ("list", "read on from") else ()
            op = part_op(task.doing, f"{verb} {where}", fine, coarse, writes=writes)
            self._made[key] = op
        return op

    def of_rows(self, verb: str, touched: Mapping[str, bool]) -> Op:
        """A statement, or a commit; label of a row → whether it is written."""
        task = self._kernel.current
        if task is None:
            raise Crashed("this host is dead")
        labels = {self._labels.reworded(label): writes for label, writes in touched.items()}
        fine = tuple(each for each in labels if not each.startswith("log "))
        coarse = tuple(each for each in labels if each.startswith("log "))
        writes = not touched or True in touched.values()
        return part_op(task.doing, verb, fine, coarse, writes=writes)

    def done(self, op: Op, outcome: str = "", *, losing: bool = False) -> None:
        """The operation has been performed; raises if its answer is lost.

        ``losing``: it was to be when the operation began; since then it may have waited.
        """
        kernel = self._kernel
        if kernel.trace is not None:
            kernel.tell(outcome)
        if (losing or kernel.losing) and kernel.faults.spends("lost_answer"):
            raise lose(kernel, op)


class PowerFailed(SimworldError):
    """A client's call was under way when files were lost: what it knew of them is not true."""


class Unsafe(Files, Protocol):
    """Files that a crash may damage."""

    def tear(self, path: str, data: bytes, keep: int) -> bool:
        """Leave the first ``keep`` bytes of what was to be written, if the file was to be new."""

    def lose_unsynced(self) -> Sequence[str]:
        """Every file goes back to what was synced of it; the paths that changed."""


class SimFiles:
    """Files whose operations are choice points; ``published`` is told of every new file."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Unsafe, published: Published) -> None:
        self._kernel = kernel
        self._inner = inner
        self._published = published
        self._parts = _Parts(kernel, labels)
        self._writing: dict[Task, tuple[str, bytes]] = {}
        """Who is about to write in place, and what."""
        self._cut: dict[Task, None] = {}
        """The clients that have to begin their calls again."""
        kernel.on_crash.append(self._host_died)

    def release(self) -> None:
        """After the trial: nobody is told any more."""
        self._published = _nobody

    def _host_died(self, host: Host) -> None:
        """Make it worse, if the nemesis says so."""
        kernel = self._kernel
        crash = kernel.fired[-1] if kernel.fired else None
        if crash is None or crash.kind != "crash":
            return
        for task in host.tasks:
            if task.name != crash.target:
                continue
            torn = self._writing.pop(task, None)
            if torn is not None and kernel.faults.worsens("torn_write", task.name):
                path, data = torn
                if self._inner.tear(path, data, len(data) // 2):
                    reached("file.torn")
                    kernel.note_fault(Fault("torn_write", task.name, task.ops))
            if kernel.faults.worsens("power_loss", task.name):
                kernel.note_fault(Fault("power_loss", task.name, task.ops))
                self._power_fails()

    def _power_fails(self) -> None:
        kernel = self._kernel
        for other in [task.host for task in kernel.tasks if not task.host.spared]:
            if other.alive:
                kernel.crash(other, why="the power has failed")
        for task in kernel.tasks:
            task.host.memory = None  # a client's, too
        if self._inner.lose_unsynced():
            reached("file.lost")
            survivors = [task for task in kernel.tasks if task.host.spared and not task.ended]
            self._cut = dict.fromkeys(survivors)

    def _goes_on(self) -> None:
        """The running task performs its operation; raises if it fails, or knows what is lost."""
        kernel = self._kernel
        task = kernel.current
        if self._cut and task in self._cut:
            del self._cut[task]
            raise PowerFailed("the power has failed")
        if kernel.striking is not None:
            fail(kernel)

    async def create(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``; readers, and who comes after a crash, may find a part (R-57)."""
        op = self._parts.of_file("create", path, writes=True)
        task = self._kernel.current
        assert task is not None
        self._writing[task] = path, data
        if self._kernel.at_point(op):
            await PARK
        self._writing.pop(task, None)
        self._goes_on()
        done = self._inner.tear(path, data, len(data) // 2)
        if done and data:
            # Half of it is there by now, for everybody to read.
            op = self._parts.of_file("go on writing", path, writes=True)
            if self._kernel.at_point(op):
                await PARK
            self._goes_on()
            await self._inner.replace(path, data)
        if done:
            self._published(path, data)
        self._parts.done(op, "" if done else "it exists")
        return done

    async def link(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        op = self._parts.of_file("link", path, writes=True)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        done = await self._inner.link(path, data)
        if done:
            self._published(path, data)
        self._parts.done(op, "" if done else "it exists")
        return done

    async def link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> int:
        """See ``ports.Files``; one operation each, so a crash leaves any first few of them."""
        for done, (path, data) in enumerate(zip(paths, parts, strict=True)):
            if not await self.link(path, data):
                return done
        return len(paths)

    async def replace(self, path: str, data: bytes) -> None:
        """See ``ports.Files``."""
        op = self._parts.of_file("write", path, writes=True)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        await self._inner.replace(path, data)
        self._parts.done(op)

    async def read(self, path: str) -> bytes | None:
        """See ``ports.Files``."""
        op = self._parts.of_file("read", path, writes=False)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        data = await self._inner.read(path)
        self._parts.done(op, "there is none" if data is None else "")
        return data

    async def read_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """See ``ports.Files``; one operation, as it is one batch on a disk."""
        op = self._parts.of_file("read on from", paths[0] if paths else "", writes=False)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        found = await self._inner.read_all(paths)
        if self._kernel.trace is None:
            self._parts.done(op)
        else:
            self._parts.done(op, f"{len(paths) - found.count(None)} of {len(paths)} are there")
        return found

    async def read_on(self, paths: Sequence[str]) -> list[bytes]:
        """See ``ports.Files``; one operation, as it is one batch on a disk."""
        op = self._parts.of_file("read on from", paths[0] if paths else "", writes=False)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        found = await self._inner.read_on(paths)
        if self._kernel.trace is None:
            self._parts.done(op)
        else:
            self._parts.done(op, f"{len(found)} of {len(paths)} are there")
        return found

    async def list(self, folder: str) -> list[str]:
        """See ``ports.Files``."""
        op = self._parts.of_file("list", folder, writes=False)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        names = await self._inner.list(folder)
        self._parts.done(op, f"{len(names)} names")
        return names

    async def unlink(self, path: str) -> bool:
        """See ``ports.Files``."""
        op = self._parts.of_file("remove", path, writes=True)
        if self._kernel.at_point(op):
            await PARK
        self._goes_on()
        done = await self._inner.unlink(path)
        self._parts.done(op, "" if done else "there is none")
        return done

    async def wait_more(self, folder: str, count: int) -> None:
        """See ``ports.Files``; waiting itself is no choice."""
        await self._inner.wait_more(folder, count)


def _nobody(path: str, data: bytes) -> None:
    """Hears of nothing."""


class SimTables:
    """Tables whose statements and commits are choice points."""

    def __init__(self, kernel: Kernel, labels: Labels, inner: Tables) -> None:
        self._kernel = kernel
        self._inner = inner
        self._parts = _Parts(kernel, labels)

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``: a transaction of its own."""
        return await self.statement(self._inner, statement, values)

    async def statement(
        self, session: Session, statement: Statement, values: Mapping[str, object]
    ) -> list[Row]:
        """One statement, on its own or inside a transaction."""
        kernel = self._kernel
        op = self._parts.of_rows(statement.name, statement.touches(values))
        if kernel.at_point(op):
            await PARK
        losing, cut = kernel.losing, 0
        if kernel.striking is not None:
            fail(kernel)
            cut = self._cut()
            if cut and session is not self._inner:
                raise DefiniteFailure(f"cannot {statement.name}: the connection is lost")
            if cut == CUT_BEFORE:
                raise _unknown(op)
        rows = await session.run(statement, **values)
        if cut:
            raise self.cut_after(op)
        self._parts.done(op, f"{len(rows)} row{'s' if len(rows) != 1 else ''}", losing=losing)
        return rows

    def _cut(self) -> int:
        """Whether the connection is lost, before or after what is to be done; 0: it is not."""
        fault = struck(self._kernel, "lost_connection")
        if fault is None:
            return 0
        reached("connection.lost")
        self._kernel.tell("the connection is lost")
        return fault.value

    def transaction(self) -> AbstractAsyncContextManager[Session]:
        """See ``ports.Tables``; to begin is no operation, to commit is one."""
        return _SimTransaction(self, self._inner.transaction())

    async def before_commit(self) -> tuple[Op, bool]:
        """The point at which a transaction is about to be committed; raises if it cannot be.

        Whether the connection is lost as soon as it has been.
        """
        kernel = self._kernel
        op = self._parts.of_rows("commit", {})
        if kernel.at_point(op):
            await PARK
        cut = 0
        if kernel.striking is not None:
            fail(kernel)
            cut = self._cut()
            if cut == CUT_BEFORE:
                raise _unknown(op)
        return op, cut > 0

    def cut_after(self, op: Op) -> IndefiniteFailure:
        """The connection was lost when ``op`` had been done: what its caller sees."""
        kernel = self._kernel
        task = kernel.current
        assert task is not None
        kernel.records.append(LostAnswer(kernel.turn, kernel.now_ms, task.name, op.text))
        return _unknown(op)

    def committed(self, op: Op) -> None:
        """It has been; raises if its answer is lost."""
        self._parts.done(op)

    def listen(self, channel: str) -> AbstractAsyncContextManager[Notices]:
        """See ``ports.Tables``; neither listening nor waiting is an operation."""
        return self._inner.listen(channel)


def _unknown(op: Op) -> IndefiniteFailure:
    return IndefiniteFailure(f"the connection was lost; whether '{op.text}' was done is not known")


class _SimTransaction:
    """A transaction: also the session inside of it."""

    __slots__ = ("_inner", "_session", "_tables")

    def __init__(self, tables: SimTables, inner: AbstractAsyncContextManager[Session]) -> None:
        self._tables = tables
        self._inner = inner
        self._session: Session | None = None

    async def __aenter__(self) -> Session:
        self._session = await self._inner.__aenter__()
        return self

    async def run(self, statement: Statement, **values: object) -> list[Row]:
        """See ``ports.Session``."""
        assert self._session is not None
        return await self._tables.statement(self._session, statement, values)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        if error is not None:
            return await self._inner.__aexit__(kind, error, traceback)
        try:
            op, cut = await self._tables.before_commit()
        except SimworldError as failure:
            await self._inner.__aexit__(type(failure), failure, None)
            raise
        await self._inner.__aexit__(None, None, None)
        if cut:
            raise self._tables.cut_after(op)
        self._tables.committed(op)
        return None
