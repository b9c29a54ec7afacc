"""Files on a disk: a directory tree, one thread hop for each operation.

A file gets its name by ``link`` or ``rename`` of a temporary file, so it is complete or absent;
only ``create`` writes in place.  What the system refuses is a ``DefiniteFailure`` that names the
path, the reason and the way out, and what was written of it is gone.

The root holds a version file, so that another version of simworld, or a world that lays out its
files in another way, is told so before it writes anything.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import trio

from simworld.errors import DefiniteFailure, UsageError
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
        self._writer = f"{secrets.token_hex(8)}-"
        """The front of our unfinished files' names; two containers may share process ids."""
        self._count = itertools.count()
        self._open(f"simworld world, version {VERSION}, layout {layout}\n".encode())

    async def create(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        return await self._hop(self._create, path, data)

    async def link(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        return await self._hop(self._link, path, data)

    async def replace(self, path: str, data: bytes) -> None:
        """See ``ports.Files``."""
        await self._hop(self._replace, path, data)

    async def read(self, path: str) -> bytes | None:
        """See ``ports.Files``."""
        return await self._hop(self._read, path)

    async def read_all(self, paths: Sequence[str]) -> Contents:
        """See ``ports.Files``."""
        if not paths:
            return []
        return await trio.to_thread.run_sync(self._read_all, [*paths])

    async def list(self, folder: str) -> Names:
        """See ``ports.Files``."""
        return await self._hop(self._list, folder)

    async def unlink(self, path: str) -> bool:
        """See ``ports.Files``."""
        return await self._hop(self._unlink, path)

    async def wait_more(self, folder: str, count: int) -> None:
        """See ``ports.Files``; asks again and again, less and less often."""
        pause_ms = POLL_FIRST_MS
        while len(await self.list(folder)) <= count:
            await trio.sleep(pause_ms / 1000)
            pause_ms = min(2 * pause_ms, POLL_MAX_MS)

    async def _hop(self, act: Callable[..., T], path: str, *more: bytes) -> T:
        def guarded() -> T:
            with _explained(path):
                return act(path, *more)

        return await trio.to_thread.run_sync(guarded)

    # In a thread.

    def _create(self, path: str, data: bytes) -> bool:
        target = self._target(path)
        try:
            self._write(target, data)
        except FileExistsError:
            return False
        self._sync_folder(os.path.dirname(target))
        return True

    def _link(self, path: str, data: bytes) -> bool:
        target = self._target(path)
        with self._temporary(data) as made:
            try:
                os.link(made, target)
            except FileExistsError:
                return False
        self._sync_folder(os.path.dirname(target))
        return True

    def _replace(self, path: str, data: bytes) -> None:
        target = self._target(path)
        with self._temporary(data) as made:
            os.replace(made, target)
        self._sync_folder(os.path.dirname(target))

    def _read(self, path: str) -> bytes | None:
        check_path(path)
        folder, _, name = path.rpartition("/")
        try:
            real = self._folder(folder)
            opened = os.open(os.path.join(real, name), os.O_RDONLY | os.O_NOFOLLOW)
        except _ABSENT:
            return None
        try:
            if stat.S_ISDIR(os.fstat(opened).st_mode):
                return None
            with open(opened, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(opened)

    def _read_all(self, paths: Sequence[str]) -> Contents:
        found = []
        for path in paths:
            with _explained(path):
                found.append(self._read(path))
        return found

    def _list(self, folder: str) -> Names:
        if folder:
            check_path(folder)
        try:
            names = os.listdir(self._folder(folder))
        except _ABSENT:
            return []
        hidden = "" if folder else VERSION_FILE
        return sorted(name for name in names if name != hidden and is_path(name))

    def _unlink(self, path: str) -> bool:
        check_path(path)
        folder, _, name = path.rpartition("/")
        try:
            real = self._folder(folder)
            os.unlink(os.path.join(real, name))
        except _ABSENT:
            return False
        self._sync_folder(real)
        return True

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
        return os.path.join(real, name)

    def _make_folder(self, folder: str) -> str:
        above = folder.rpartition("/")[0]
        try:
            real = self._folder(above)
        except FileNotFoundError:
            real = self._make_folder(above)
        with contextlib.suppress(FileExistsError):
            os.mkdir(os.path.join(self._root, folder))
        self._sync_folder(real)
        return self._folder(folder)

    # Writing.

    @contextlib.contextmanager
    def _temporary(self, data: bytes) -> Iterator[str]:
        """A complete file that has no name in the tree, gone at the end."""
        made = os.path.join(self._root, TEMPORARY, f"{self._writer}{next(self._count)}")
        self._write(made, data)
        try:
            yield made
        finally:
            with contextlib.suppress(FileNotFoundError):  # renamed
                os.unlink(made)

    def _write(self, target: str, data: bytes) -> None:
        """Write a file that is not there yet, all of it or nothing."""
        opened = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(opened, "wb", buffering=0) as file:
                left = memoryview(data)
                while left:
                    left = left[file.write(left) :]
                if self._syncs:
                    os.fsync(opened)
        except OSError:
            os.unlink(target)
            raise

    def _sync_folder(self, real: str) -> None:
        if self._syncs:
            opened = os.open(real, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(opened)
            finally:
                os.close(opened)

    # Opening.

    def _open(self, version: bytes) -> None:
        """Make a world's root, or find that it is one, of this version and layout."""
        try:
            os.makedirs(self._root, exist_ok=True)
            found = self._version()
            if found is None:
                os.makedirs(os.path.join(self._root, TEMPORARY), exist_ok=True)
                self._link(VERSION_FILE, version)
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


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    """Whatever the system refuses, as a ``DefiniteFailure``."""
    try:
        yield
    except OSError as error:
        way_out = _WAYS_OUT.get(error.errno or 0, "check the directory")
        raise DefiniteFailure(f"cannot use file {path}: {error.strerror}; {way_out}") from error
