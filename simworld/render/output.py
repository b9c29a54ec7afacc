"""Where people read, and the files machines read: checked before the work, written after it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from simworld.errors import UsageError
from simworld.render.text import for_encoding

PIPE_WIDTH, WIDTH_MIN, WIDTH_MAX = 100, 60, 160
STDOUT = "-"


class Output:
    """Prints to stdout, or to stderr where stdout is kept for the machine (``--json -``, lines).

    A reader that goes away (``| head``) ends the printing, not the command.
    """

    def __init__(self, json_target: str | None, *, lines_on_stdout: bool = False) -> None:
        self._json_target = json_target
        taken = lines_on_stdout or json_target == STDOUT
        self._stream: TextIO = sys.stderr if taken else sys.stdout
        columns = shutil.get_terminal_size((PIPE_WIDTH, 24)).columns
        self.width = min(max(columns, WIDTH_MIN), WIDTH_MAX)
        colorful = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
        self.color = colorful and self._stream.isatty()

    def say(self, text: str) -> None:
        """Print lines."""
        line = text.rstrip("\n") + "\n"
        self._put(self._stream, for_encoding(line, self._stream.encoding))

    def write_json(self, data: bytes) -> None:
        """Write to the file that was asked for, or to stdout; to nothing if nobody asked."""
        if self._json_target == STDOUT:
            self._put(sys.stdout, data.decode())
        elif self._json_target:
            try:
                Path(self._json_target).write_bytes(data)
            except OSError as error:
                raise UsageError(f"cannot write {self._json_target}: {error.strerror}") from error

    def lines(self, text: str) -> None:
        """Put lines that a machine reads on stdout."""
        self._put(sys.stdout, for_encoding(text, sys.stdout.encoding))

    def _put(self, stream: TextIO, text: str) -> None:
        try:
            stream.write(text)
            stream.flush()
        except BrokenPipeError:
            pass
        except OSError as error:
            raise UsageError(f"cannot print: {error.strerror}") from error

    def finish(self) -> None:
        """Leave nothing for the interpreter's last flush to stumble over."""
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def check_targets(
    json_target: str | None,
    folder: str | None = None,
    *,
    folder_option: str = "--save",
    others: Mapping[str, str | None] = MappingProxyType({}),
) -> None:
    """``UsageError`` unless everything that will be written can be; leaves no trace.

    ``others``: option → the file it names.
    """
    if folder is not None:
        _check_folder(folder_option, Path(folder))
    if json_target and json_target != STDOUT:
        _check_file("--json", Path(json_target))
    for option, target in others.items():
        if target:
            _check_file(option, Path(target))


def _check_file(option: str, path: Path) -> None:
    existed = path.exists()
    try:
        with path.open("ab"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {option} {path}: {error.strerror}") from error


def _check_folder(option: str, folder: Path) -> None:
    """Make the folder and a file in it, and take away again what was not there before."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(f"cannot write into {option} {folder}: {error.strerror}") from error
    finally:
        for each in missing:
            with contextlib.suppress(OSError):
                each.rmdir()
