"""Files in memory: what the simulator interposes, and what tests of worlds run on.

No operation suspends, except waiting for more.  For the simulator there are, beside the port, what
a torn write and a power loss leave behind, and a look at everything at once (``contents``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import TypeAlias

from simworld.errors import DefiniteFailure, InternalError
from simworld.ports import Latch, Tasks
from simworld.substrates.paths import Sync, check_path

Names: TypeAlias = list[str]


class MemoryFiles:
    """``ports.Files``."""

    def __init__(self, *, tasks: Tasks | None = None, sync: Sync = Sync.EACH) -> None:
        self._tasks = tasks
        self._syncs = sync is Sync.EACH
        self.contents: dict[str, bytes] = {}
        """Path → content of every file; to look at."""
        self._folders: dict[str, Names] = {"": []}
        """Folder → the names in it, sorted; a folder stays when its last file goes."""
        self._durable: dict[str, bytes | None] = {}
        """Path → what a power loss brings back, for what has changed since the last sync."""
        self._news: dict[str, Latch] = {}
        """Folder → what wakes those who wait for more names in it."""

    async def create(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        return self._put_new(path, data)

    async def link(self, path: str, data: bytes) -> bool:
        """See ``ports.Files``."""
        return self._put_new(path, data)

    async def link_all(self, paths: Sequence[str], parts: Sequence[bytes]) -> int:
        """See ``ports.Files``."""
        for done, (path, data) in enumerate(zip(paths, parts, strict=True)):
            if not self._put_new(path, data):
                return done
        return len(paths)

    async def replace(self, path: str, data: bytes) -> None:
        """See ``ports.Files``."""
        if path in self.contents:
            self._remember(path)
            self.contents[path] = data
        elif not self._put_new(path, data):
            raise DefiniteFailure(f"cannot write {path}: it is a folder; remove it")

    async def read(self, path: str) -> bytes | None:
        """See ``ports.Files``."""
        return self.contents.get(path)

    async def read_all(self, paths: Sequence[str]) -> list[bytes | None]:
        """See ``ports.Files``."""
        return [*map(self.contents.get, paths)]

    async def read_on(self, paths: Sequence[str]) -> list[bytes]:
        """See ``ports.Files``."""
        found = []
        for path in paths:
            data = self.contents.get(path)
            if data is None:
                break
            found.append(data)
        return found

    async def list(self, folder: str) -> Names:
        """See ``ports.Files``."""
        return self._folders.get(folder, [])[:]

    async def unlink(self, path: str) -> bool:
        """See ``ports.Files``."""
        if path not in self.contents:
            return False
        self._remember(path)
        self._remove(path)
        return True

    async def wait_more(self, folder: str, count: int) -> None:
        """See ``ports.Files``."""
        if self._tasks is None:
            raise InternalError("files in memory need tasks to wait for more files")
        while len(self._folders.get(folder, ())) <= count:
            news = self._news.get(folder)
            if news is None:
                news = self._news[folder] = self._tasks.latch(f"see more files in {folder}")
            await news.wait()

    # For the simulator.

    def tear(self, path: str, data: bytes, keep: int) -> bool:
        """What a ``create`` leaves whose host dies in it: the first ``keep`` bytes, if any file."""
        return self._put_new(path, data[:keep])

    def sync(self) -> None:
        """All that was written so far is durable."""
        self._durable.clear()

    def lose_unsynced(self) -> Names:
        """The power fails: every path goes back to what was durable; those that changed, sorted."""
        durable, self._durable = self._durable, {}
        for path, data in durable.items():
            if data is None:
                if path in self.contents:
                    self._remove(path)
            elif path in self.contents:
                self.contents[path] = data
            else:
                self._put_new(path, data)
        self._durable.clear()
        return sorted(durable)

    def _put_new(self, path: str, data: bytes) -> bool:
        if path in self.contents:
            return False
        check_path(path)
        folder, _, name = path.rpartition("/")
        names = self._folders.get(folder)
        if names is None:
            names = self._make_folder(folder)
        elif path in self._folders:
            return False
        self._remember(path)
        self.contents[path] = data
        if not names or names[-1] < name:
            names.append(name)
        else:
            insort(names, name)
        self._tell(folder)
        return True

    def _make_folder(self, folder: str) -> Names:
        if folder in self.contents:
            raise DefiniteFailure(f"cannot make folder {folder}: it is a file; remove it")
        above, _, name = folder.rpartition("/")
        names = self._folders.get(above)
        if names is None:
            names = self._make_folder(above)
        insort(names, name)
        self._tell(above)
        found: Names = []
        self._folders[folder] = found
        return found

    def _tell(self, folder: str) -> None:
        if self._news:
            news = self._news.pop(folder, None)
            if news is not None:
                news.set()

    def _remove(self, path: str) -> None:
        del self.contents[path]
        folder, _, name = path.rpartition("/")
        names = self._folders[folder]
        del names[bisect_left(names, name)]

    def _remember(self, path: str) -> None:
        if not self._syncs and path not in self._durable:
            self._durable[path] = self.contents.get(path)
