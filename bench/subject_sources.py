"""Which sources a campaign's trials ran on: their digest, and the commit that has them."""

from __future__ import annotations

import collections
import io
import pathlib
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence

from bench.subject_cells import ROOT, SOURCES, Cell, sources_digest

COMMITS = 40
"""How far back a commit is looked for."""


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=False).stdout


def commit_of(digest: str) -> str:
    """The newest commit whose sources have this digest; empty if none of the last ones has."""
    where = [path.relative_to(ROOT).as_posix() for path in SOURCES]
    for commit in _git("rev-list", f"--max-count={COMMITS}", "HEAD").decode().split():
        packed = _git("archive", commit, "--", *where)
        if not packed:
            continue  # it has not all of them yet
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(folder, filter="data")
            if sources_digest(pathlib.Path(folder)) == digest:
                return commit[:7]
    return ""


def ran_on(cells: Sequence[Cell]) -> Iterator[str]:
    """A sentence for each state of the sources that cells ran on."""
    today = sources_digest()
    for digest, count in collections.Counter(cell.sources for cell in cells).most_common():
        commit = commit_of(digest)
        where = f"commit {commit}" if commit else "of no commit that is known"
        when = "they are today's" if digest == today else f"**not today's**, which are `{today}`"
        yield f"{count} of {len(cells)} cells ran on the sources `{digest}` ({where}); {when}."
