"""Failures of an engine nobody here wrote, shown without simulation and without confirm's replay.

    python -m bench.subject_proofs                     all of them, with the installed version
    python -m bench.subject_proofs f1 f5               some
    python -m bench.subject_proofs --list              what each of them is about
    python -m bench.subject_proofs --python PYTHON     with the version of that interpreter, too
    python -m bench.subject_proofs --report reports/subjects_alone.md

The engine is ``vercel-workflow`` as it is installed, on its own ``LocalWorld`` with its embedded
queue; the proofs are in ``subject_proof_acts``.  Each runs in a process and a folder of its own,
one after the other.
"""

from __future__ import annotations

import argparse
import inspect
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import attrs
import msgspec

from bench.subject_proof_acts import ACTS, Seen, play

ROOT = pathlib.Path(__file__).resolve().parent.parent
SUBJECT = "vercel-workflow"
LIMIT_S = 60.0
"""What a proof may take; most take a few seconds."""
WORDS = {True: "yes", False: "no", None: "not to be had"}
FAILED = "could not be run"
ASK = (
    "import importlib.metadata as m, platform;"
    f"print(m.version('{SUBJECT}'), m.version('vercel-queue'), platform.python_version())"
)


@attrs.frozen
class Version:
    """A version of the engine, and the interpreter that has it."""

    python: str
    name: str
    queue: str
    language: str

    @property
    def option(self) -> str:
        """How it is asked for, without a folder of this machine."""
        path = pathlib.Path(self.python)
        if not path.is_relative_to(ROOT):
            return f"--python PYTHON-WITH-{self.name}"
        return f"--python {path.relative_to(ROOT)}"


@attrs.frozen
class Result:
    """One proof with one version."""

    proof: str
    version: str
    seen: Seen | None
    why_not: str
    spent_s: float

    @property
    def word(self) -> str:
        """Whether the failure has shown."""
        return WORDS[self.seen.shown] if self.seen else FAILED

    def __str__(self) -> str:
        told = self.seen or self.why_not
        return f"{self.proof:8} {self.version:7} {self.word:4} {told} ({self.spent_s:.0f} s)"


def version_of(python: str) -> Version:
    """What an interpreter has."""
    try:
        told = subprocess.run([python, "-c", ASK], capture_output=True, text=True, check=False)
    except OSError as error:
        sys.exit(f"{python}: {error.strerror}; name an interpreter that has {SUBJECT}")
    if told.returncode:
        sys.exit(f"{python} has no {SUBJECT}: pip install 'simworld[vercel]'")
    return Version(os.path.abspath(python), *told.stdout.split())


def versions_of(pythons: Sequence[str]) -> list[Version]:
    """The installed one and those that were named, one of each number, the oldest first."""
    found: dict[str, Version] = {}
    for python in (sys.executable, *pythons):
        version = version_of(python)
        found.setdefault(version.name, version)
    return sorted(found.values(), key=lambda each: [int(n) for n in each.name.split(".")])


def proved(name: str, version: Version) -> Result:
    """Run one proof in a process and a folder of its own; nothing of them is left."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="proof-") as folder:
        target = pathlib.Path(folder, "seen.json")
        command = [version.python, "-m", "bench.subject_proofs", "--play", str(target), name]
        data = {"WORKFLOW_LOCAL_DATA_DIR": str(pathlib.Path(folder, "data"))}
        why_not = ""
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                env={**os.environ, **data},
                capture_output=True,
                text=True,
                timeout=LIMIT_S,
                check=False,
            )
            why_not = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        except subprocess.TimeoutExpired:
            why_not = f"took longer than {LIMIT_S:.0f} s"
        seen = None
        if target.exists():
            seen, why_not = msgspec.json.decode(target.read_bytes(), type=Seen), ""
    return Result(name, version.name, seen, why_not, time.monotonic() - begun)


def said_of(name: str) -> list[str]:
    """The paragraphs of a proof's docstring, the first of them its title."""
    return [" ".join(part.split()) for part in (inspect.getdoc(ACTS[name]) or "").split("\n\n")]


# --- what is printed and written ------------------------------------------------------------------


def table(names: Sequence[str], versions: Sequence[Version], results: Sequence[Result]) -> str:
    """A line for each proof, a column for each version."""
    words = {(each.proof, each.version): each.word for each in results}
    head = ["", "What it shows", *(version.name for version in versions)]
    rows = [
        [name, said_of(name)[0], *(words[name, version.name] for version in versions)]
        for name in names
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def page(names: Sequence[str], versions: Sequence[Version], results: Sequence[Result]) -> str:
    """All of it as Markdown."""
    here = os.path.abspath(sys.executable)
    options = [version.option for version in versions if version.python != here]
    chosen = [] if list(names) == list(ACTS) else list(names)
    command = " ".join(["python -m bench.subject_proofs", *chosen, *options])
    had = "; ".join(f"{each.name} with vercel-queue {each.queue}" for each in versions)
    return "\n".join(
        [
            f"# {SUBJECT} alone",
            "",
            f"`{command}`",
            "",
            f"What a campaign has found in `{SUBJECT}`, shown without simworld: the package as it "
            "comes from PyPI, on its own `LocalWorld` and its embedded queue, in a process of its "
            "own. Nothing of it is changed. A call may be delayed or refused before it is made, "
            "and the clock of the process may be set; each proof says what, exactly. “Yes” means "
            "that the failure has shown; “not to be had”, that the version has no such call.",
            "",
            f"Versions: {had}; Python {versions[-1].language}.",
            "",
            table(names, versions, results),
            *(line for name in names for line in _paragraphs(name, results)),
            "",
        ]
    )


def _paragraphs(name: str, results: Sequence[Result]) -> Iterator[str]:
    title, *more = said_of(name)
    yield from ("", f"## {name}: {title.rstrip('.')}")
    for part in more:
        yield from ("", part)
    yield from ("", "Seen:", "")
    for each in results:
        if each.proof == name:
            told = each.seen or each.why_not
            yield f"* {each.version}: {each.word}; {told} ({each.spent_s:.0f} s)"


def as_data(versions: Sequence[Version], results: Sequence[Result]) -> dict[str, object]:
    """All of it as JSON."""
    return {
        "subject": SUBJECT,
        "versions": [
            {"version": each.name, "queue": each.queue, "python": each.language}
            for each in versions
        ],
        "proofs": [
            {
                "name": each.proof,
                "version": each.version,
                "shown": each.seen.shown if each.seen else None,
                "seen": each.seen.facts if each.seen else {},
                "failed": each.why_not,
                "seconds": round(each.spent_s, 1),
            }
            for each in results
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench.subject_proofs",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ACTS))
    parser.add_argument("--list", action="store_true", help="say what each is about")
    parser.add_argument(
        "--python", action="append", default=[], help="an interpreter with another version"
    )
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--report", type=pathlib.Path, metavar="FILE", help="a Markdown page")
    parser.add_argument("--play", metavar="FILE", help=argparse.SUPPRESS)
    return parser


def main() -> None:
    parser = _parser()
    args = parser.parse_args()
    names = args.names or list(ACTS)
    for name in names:
        if name not in ACTS:
            parser.error(f"there is no proof {name}; there are {', '.join(ACTS)}")
    if args.play:
        play(names[0], args.play)
    if args.list:
        for name in names:
            print(f"{name:8} {said_of(name)[0]}")
        return
    versions = versions_of(args.python)
    results = []
    for name in names:
        for version in versions:
            results.append(proved(name, version))
            print(results[-1], flush=True)
    if len(versions) > 1:
        print("", table(names, versions, results), sep="\n")
    if args.json:
        args.json.write_bytes(msgspec.json.format(msgspec.json.encode(as_data(versions, results))))
    if args.report:
        args.report.write_text(page(names, versions, results))
    if any(each.seen is None for each in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
