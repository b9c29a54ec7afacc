"""Files on a disk: a directory tree; what is synced hops to a thread, several writes together.

A file gets its name by ``link`` or ``rename`` of a temporary file, so it is complete or absent;
only ``create`` writes in place.  What the system refuses is a ``DefiniteFailure`` that names the
path, the reason and the way out, and what was written of it is gone.

What is small and need not be synced only moves bytes within memory, which takes less than to tell a
thread of it: it is done at once.

The root holds a version file, so that another version of simworld, or a world that lays out its
files in another way, is told so before it writes anything.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

import trio

from simworld.errors import DefiniteFailure, UsageError
from simworld.substrates.hops import Hops, Stages, at_once
from simworld.substrates.paths import Sync, check_path, is_path

T = TypeVar("T")
Names: TypeAlias = list[str]
Contents: TypeAlias = list[bytes | None]

VERSION = 1
"""Of the format of all files below a root."""
VERSION_FILE = "simworld-world"
TEMPORARY = "+tmp"
"""The folder of unfinished files; no path of a world has a ``+``."""
LEFT_OVER_S = 3_600
"""An unfinished file this old belongs to a process that has died."""
SMALL = 1 << 22
"""Bytes that are read or written at once, without a thread."""
FILE_COSTS = 4_096
"""To open a file takes as long as to read so many bytes."""
SMALL_FOLDER = 1 << 16
"""Bytes of a folder that is listed at once."""
LINKED_MAX = 32
"""Files that are open side by side for one ``link_all``."""
POLL_FIRST_MS = 5
POLL_MAX_MS = 100

_WAYS_OUT = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space or raise the quota",
    errno.EACCES: "give this user the right to write there",
    errno.EPERM: "give this user the right to write there",
    errno.EROFS: "choose a directory that can be written",
    errno.ENOTDIR: "remove the file that is where a folder should be",
    errno.EISDIR: "remove the folder that is where a file should be",
    errno.ENAMETOOLONG: "choose a directory with a shorter path",
    errno.EMFILE: "raise the limit of open files",
    errno.EXDEV: "choose a directory that is on one file system",
    errno.EIO: "check the disk",
}
_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


class DiskFiles:
    """``ports.Files``; ``layout`` is the world's own word for what it puts where."""

    def __init__(self, root: str | Path, *, sync: Sync = Sync.EACH, layout: str = "slots") -> None:
        self._root = os.path.realpath(root)
        self._syncs = sync is Sync.EACH
        self._inside: dict[str, str] = {}
        """Folders that exist and are where their path says, with their real path."""
        self._writer = f"{os.path.join(self._root, TEMPORARY)}/{secrets.token_hex(8)}-"
        """The front of our unfinished files' paths; two containers may share process ids."""
        self._count = itertools.count()
        self._hops = Hops(_sync_folder)
        self._news: dict[str, trio.Event] = {}
        """Folder → what wakes those who wait for more names in it, if this process makes them."""
        self._open(f"simworld world, version {VERSION}, layout {layout}\n".encode())

    async def create(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        done = await self._do(self._create(path, data), len(data))
        self._tell(path)
        return done

    async def link(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        return await self.link_all((path,), (data,)) == 1

    async def link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> int:
        """See ``ports.Files``."""
        done = 0
        while done < len(paths):
            some, datas = paths[done : done + LINKED_MAX], parts[done : done + LINKED_MAX]
            stages = self._link_all(some, datas)
            count = await self._do(stages, sum(map(len, datas)), files=len(some))
            done += count
            for path in some[:count]:
                self._tell(path)
            if count < len(some):
                break
        return done

    async def replace(self, path: str, data: bytes) -> None:
        """See ``ports.Files``."""
        await self._do(self._replace(path, data), len(data))
        self._tell(path)

    async def read(self, path: str) -> bytes | None:
        """See ``ports.Files``."""
        return (await self.read_all((path,)))[0]

    async def read_all(self, paths: Sequence[str]) -> Contents:
        """See ``ports.Files``."""
        found: Contents = []
        await trio.lowlevel.checkpoint()
        if not self._read_more(paths, found, SMALL):
            await trio.to_thread.run_sync(self._read_more, paths, found)
        return found

    async def read_on(self, paths: Sequence[str]) -> list[bytes]:
        """See ``ports.Files``."""
        found: Contents = []
        await trio.lowlevel.checkpoint()
        if not self._read_more(paths, found, SMALL, on=True):
            await trio.to_thread.run_sync(partial(self._read_more, paths, found, on=True))
        return [data for data in found if data is not None]

    async def list(self, folder: str) -> Names:
        """See ``ports.Files``."""
        await trio.lowlevel.checkpoint()
        if self._is_small(folder):
            return self._list(folder)
        return await trio.to_thread.run_sync(self._list, folder)

    async def unlink(self, path: str) -> bool:
        """See ``ports.Files``."""
        return await self._do(self._unlink(path), 0)

    async def wait_more(self, folder: str, count: int) -> None:
        """See ``ports.Files``; told by this process, of others it looks, less and less often."""
        pause_ms = POLL_FIRST_MS
        while True:
            news = self._news.setdefault(folder, trio.Event())
            try:
                if len(await self.list(folder)) > count:
                    return
                with trio.move_on_after(pause_ms / 1_000):
                    await news.wait()
            finally:
                # Whoever has it, and waits for it a little later, looks by himself.
                if not news.statistics().tasks_waiting and self._news.get(folder) is news:
                    del self._news[folder]
            pause_ms = POLL_FIRST_MS if news.is_set() else min(2 * pause_ms, POLL_MAX_MS)

    def _tell(self, path: str) -> None:
        """A name may be new in its folder, and that one in the folder above."""
        if self._news:
            folder = path
            while folder:
                folder = folder.rpartition("/")[0]
                news = self._news.pop(folder, None)
                if news is not None:
                    news.set()

    async def _do(self, stages: Stages[T], size: int, *, files: int = 1) -> T:
        """A write of so many bytes in so many files."""
        if self._syncs or size > SMALL:
            return await self._hops.do(stages, files=files)
        await trio.lowlevel.checkpoint()
        return at_once(stages, _sync_folder)

    # Writes, stage by stage.

    def _create(self, path: str, data: bytes) -> Stages[bool]:
        with _explained(path):
            target = self._target(path)
            try:
                yield from self._write([(target, data)])
            except FileExistsError:
                return False
            if self._syncs:
                yield os.path.dirname(target)
        return True

    def _link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> Stages[int]:
        count, folders = 0, dict[str, None]()
        with _explained(paths[0]):
            targets = [self._target(path) for path in paths]
            made = [self._temporary() for _ in parts]
            yield from self._write(zip(made, parts, strict=True))
            try:
                for name, target in zip(made, targets, strict=True):
                    os.link(name, target)
                    folders[os.path.dirname(target)] = None
                    count += 1
            except FileExistsError:
                pass
            finally:
                for name in made:
                    os.unlink(name)
            if self._syncs:
                yield from folders
        return count

    def _replace(self, path: str, data: bytes) -> Stages[None]:
        with _explained(path):
            target, made = self._target(path), self._temporary()
            yield from self._write([(made, data)])
            try:
                os.replace(made, target)
            except OSError:
                os.unlink(made)
                raise
            if self._syncs:
                yield os.path.dirname(target)

    def _unlink(self, path: str) -> Stages[bool]:
        with _explained(path):
            check_path(path)
            folder, _, name = path.rpartition("/")
            try:
                real = self._folder(folder)
                os.unlink(os.path.join(real, name))
            except _ABSENT:
                return False
            if self._syncs:
                yield real
        return True

    def _temporary(self) -> str:
        """Where a file is until it is whole."""
        return f"{self._writer}{next(self._count)}"

    def _write(self, files: Iterable[tuple[str, bytes]]) -> Stages[None]:
        """Write files that are not there yet, all of them whole, or nothing."""
        made: dict[str, int] = {}
        try:
            try:
                for target, data in files:
                    made[target] = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    left = memoryview(data)
                    while left:
                        left = left[os.write(made[target], left) :]
                if self._syncs:
                    for opened in made.values():
                        _begin_sync(opened)
                    yield ""
                    for opened in made.values():
                        os.fsync(opened)
                    yield ""
            finally:
                for opened in made.values():
                    os.close(opened)
        except BaseException:
            for target in made:
                os.unlink(target)
            raise

    # Reading.

    def _read_more(
        self, paths: Sequence[str], found: Contents, most: float = math.inf, *, on: bool = False
    ) -> bool:
        """Read what comes behind ``found``; False where that gets more than ``most``.

        ``on``: up to the first that is not there.
        """
        for path in paths[len(found) :]:
            try:
                data = self._read(path, most)
            except _LargeError:
                return False
            except OSError as error:
                raise _explanation(path, error) from error
            if data is None and on:
                break
            most -= FILE_COSTS + len(data or b"")
            found.append(data)
        return True

    def _read(self, path: str, most: float = math.inf) -> bytes | None:
        check_path(path)
        folder, _, name = path.rpartition("/")
        try:
            real = self._folder(folder)
            opened = os.open(f"{real}/{name}", os.O_RDONLY | os.O_NOFOLLOW)
        except _ABSENT:
            return None
        try:
            found = os.fstat(opened)
            if stat.S_ISDIR(found.st_mode):
                return None
            if found.st_size > most:
                raise _LargeError
            data = os.read(opened, found.st_size + 1)
            if len(data) != found.st_size:  # somebody writes it in place meanwhile
                with open(opened, "rb", closefd=False) as file:
                    data += file.read()
            return data
        finally:
            os.close(opened)

    def _is_small(self, folder: str) -> bool:
        try:
            return os.stat(os.path.join(self._root, folder)).st_size <= SMALL_FOLDER
        except OSError:
            return True  # there is nothing to list

    def _list(self, folder: str) -> Names:
        if folder:
            check_path(folder)
        with _explained(folder):
            try:
                names = os.listdir(self._folder(folder))
            except _ABSENT:
                return []
        hidden = "" if folder else VERSION_FILE
        return sorted(name for name in names if name != hidden and is_path(name))

    # Paths.

    def _folder(self, folder: str) -> str:
        """The real path of a folder that exists and is inside the root by its own name."""
        real = self._inside.get(folder)
        if real is None:
            expected = os.path.join(self._root, folder) if folder else self._root
            real = os.path.realpath(expected, strict=True)
            if real != expected:
                raise DefiniteFailure(
                    f"{folder} of {self._root} leads to {real}; remove the link, worlds follow none"
                )
            self._inside[folder] = real
        return real

    def _target(self, path: str) -> str:
        """Where a file is to be; its folder is made."""
        check_path(path)
        folder, _, name = path.rpartition("/")
        try:
            real = self._folder(folder)
        except FileNotFoundError:
            real = self._make_folder(folder)
        return f"{real}/{name}"

    def _make_folder(self, folder: str) -> str:
        above = folder.rpartition("/")[0]
        try:
            real = self._folder(above)
        except FileNotFoundError:
            real = self._make_folder(above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(self._root, folder))
        if self._syncs:
            _sync_folder(real)
        return self._folder(folder)

    # Opening.

    def _open(self, version: bytes) -> None:
        """Make a world's root, or find that it is one, of this version and layout."""
        try:
            os.makedirs(self._root, exist_ok=True)
            found = self._version()
            if found is None:
                os.makedirs(os.path.join(self._root, TEMPORARY), exist_ok=True)
                at_once(self._link_all((VERSION_FILE,), (version,)), _sync_folder)
                found = self._version()
            if not os.access(os.path.join(self._root, TEMPORARY), os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, "it may not be written")
            if found == version:
                self._sweep()
        except (OSError, DefiniteFailure) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise UsageError(
                f"cannot keep a world in {self._root}: {why}; give a directory that this user can "
                "write"
            ) from error
        if found != version:
            told = ascii((found or b"").decode(errors="replace").strip()[:80])
            raise UsageError(
                f"{self._root} holds a {told}, and this is a "
                f"{version.decode().strip()!r}: give another directory, or use what made it"
            )

    def _sweep(self) -> None:
        """Remove what processes that died were writing."""
        too_old_s = time.time() - LEFT_OVER_S
        for entry in os.scandir(os.path.join(self._root, TEMPORARY)):
            with contextlib.suppress(FileNotFoundError):  # another process sweeps, too
                if entry.stat(follow_symlinks=False).st_mtime < too_old_s:
                    os.unlink(entry)

    def _version(self) -> bytes | None:
        """What the version file says; None for a directory that is empty."""
        found = self._read(VERSION_FILE)
        if found is None:
            others = [each for each in os.listdir(self._root) if each != TEMPORARY]
            found = self._read(VERSION_FILE)  # somebody may have just made the world
            if found is None and others:
                raise DefiniteFailure(f"it holds other things ({sorted(others)[0]!r}) and no world")
        return found


class _LargeError(Exception):
    """A file that is not read at once."""


def _begin_sync(opened: int) -> None:
    """Have a new file on its way to the disk before the first of its hop is waited for.

    So one commit of the file system's journal may do for all of them.  None of its pages is dropped
    by the advice, for none is clean.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)


def _sync_folder(real: str) -> None:
    opened = os.open(real, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Whatever the system refuses, as a ``DefiniteFailure``."""
    try:
        yield
    except OSError as error:
        raise _explanation(path, error) from error


def _explanation(path: str, error: OSError) -> DefiniteFailure:
    way_out = _WAYS_OUT.get(error.errno or 0, "check the directory")
    return DefiniteFailure(f"cannot use file {path}: {error.strerror}; {way_out}")
