"""Digests of the source that a proof depends on: with another one it is made anew."""

from __future__ import annotations

import hashlib
import pathlib
from collections.abc import Sequence

SHELL = (
    "simworld/cli/",
    "simworld/conformance/",
    "simworld/pytest_plugin",
    "simworld/render/",
    "simworld/service/",
    "simworld/substrates/disk",
    "simworld/substrates/pg_",
    "simworld/substrates/postgres",
    "simworld/substrates/real_ids",
    "simworld/substrates/trio_host",
)
"""What no trial gets to see."""


def source_digest(elsewhere: Sequence[str], *own: str) -> str:
    """Digest of the package but for the paths that begin so, of the scenarios, of these files."""
    digest = hashlib.blake2b(digest_size=8)
    package = pathlib.Path("simworld").rglob("*.py")
    files = [each for each in package if not each.as_posix().startswith(tuple(elsewhere))]
    files += pathlib.Path("scenarios").glob("*.py")
    for path in (*sorted(files), *map(pathlib.Path, own)):
        digest.update(path.as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
