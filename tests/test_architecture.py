"""The house rules of simworld/ARCHITECTURE.md, enforced: rows, doors, sizes, seals.

Every rule is a function from a parsed file to complaints of the form ``file:line: what``.  The
rules are run over the repository, and over planted violations, because a checker that finds
nothing proves nothing until it has been seen to find something.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "simworld"
FOLDERS = (PACKAGE, "scenarios", "tests", "bench")

ROWS = {
    "cli": 9,
    "pytest_plugin": 9,
    "benchmark": 8,
    "campaign": 7,
    "conformance": 6,
    "subjects": 6,
    "service": 6,
    "runtime": 5,
    "worlds": 5,
    "substrates": 5,
    "sim": 5,
    "explore": 5,
    "check": 5,
    "render": 5,
    "ports": 3,
    "records": 3,
    "engine": 2,
    "entropy": 1,
    "errors": 1,
    "marks": 1,
}
"""A part may import only from rows strictly below its own."""

SEALED = ("engine", "runtime", "worlds")
"""Parts that may know no clock, no randomness, no I/O and no scheduler."""

_OUTSIDE = """
    aiofiles anyio asyncio concurrent datetime fcntl glob http httpx io logging mmap multiprocessing
    os pathlib psycopg queue random sched secrets select selectors shutil signal socket sqlite3 ssl
    subprocess sys tempfile threading time trio urllib uuid
"""
FORBIDDEN_IN_SEALED = frozenset(_OUTSIDE.split())
FORBIDDEN_CALLS_IN_SEALED = frozenset({"open", "print", "input", "breakpoint"})
CLOCK_METHODS = frozenset({"now", "utcnow", "today"})

EXEMPT = {
    ("simworld/engine/authoring.py", "datetime"): "RetryableError takes a timedelta",
    ("simworld/engine/verbs.py", "datetime"): "sleep takes a timedelta",
}
"""(file, module) → why this sealed file may import it."""

FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 500


@attrs.frozen
class Source:
    """One file, parsed."""

    root: Path
    path: str
    """Relative to the root, with forward slashes."""
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        return self.path.split("/", maxsplit=1)[0]

    @property
    def part(self) -> str:
        """The part of simworld that this file belongs to; empty for anything else."""
        pieces = self.path.removesuffix(".py").split("/")
        if pieces[0] != PACKAGE or pieces[1] == "__init__":
            return ""
        return pieces[1]

    def complaint(self, line: int, what: str) -> str:
        return f"{self.path}:{line}: {what}"


def read(root: Path, path: str) -> Source:
    """Parse one file."""
    text = (root / path).read_text(encoding="utf-8")
    return Source(root, path, text, ast.parse(text, filename=path))


def files(root: Path) -> list[str]:
    """All Python files under the rules, in a fixed order."""
    found: list[str] = []
    for folder in FOLDERS:
        found += [
            each.relative_to(root).as_posix()
            for each in sorted((root / folder).rglob("*.py"))
            if "__pycache__" not in each.parts
        ]
    return found


# --- sizes and form ------------------------------------------------------------------------------


def opens_with_docstring(source: Source) -> Iterator[str]:
    """Every module says what it is for."""
    if not (ast.get_docstring(source.tree) or "").strip():
        yield source.complaint(1, "opens with no docstring that says what it is for")


def sizes(source: Source) -> Iterator[str]:
    """No module and no function too long to read in one go."""
    lines = len(source.text.splitlines())
    if lines > MODULE_LINES_MAX:
        yield source.complaint(1, f"{lines} lines, at most {MODULE_LINES_MAX} are allowed")
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES_MAX:
                yield source.complaint(
                    node.lineno,
                    f"{node.name} has {length} lines, at most {FUNCTION_LINES_MAX} are allowed",
                )


def imports_are_absolute(source: Source) -> Iterator[str]:
    """No relative imports and no star imports."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ImportFrom):
            if node.level:
                yield source.complaint(node.lineno, "relative import")
            if any(each.name == "*" for each in node.names):
                yield source.complaint(node.lineno, "star import: name what you take")


# --- rows and doors ------------------------------------------------------------------------------


def _imports(source: Source) -> Iterator[tuple[int, str, tuple[str, ...]]]:
    """(line, module below simworld, names taken from it) of every import of simworld."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                if each.name.startswith(f"{PACKAGE}."):
                    yield node.lineno, each.name.removeprefix(f"{PACKAGE}."), ()
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            if node.module == PACKAGE:
                for each in node.names:
                    if not each.name.startswith("__"):  # __version__ belongs to nobody
                        yield node.lineno, each.name, ()
            elif node.module.startswith(f"{PACKAGE}."):
                names = tuple(each.name for each in node.names)
                yield node.lineno, node.module.removeprefix(f"{PACKAGE}."), names


def part_is_in_the_table(source: Source) -> Iterator[str]:
    """A part that no row knows could import anything."""
    if source.part and source.part not in ROWS:
        yield source.complaint(1, f"part {source.part!r} is not in the table of rows")


def rows(source: Source) -> Iterator[str]:
    """Imports point strictly downwards."""
    own = source.part
    if source.folder != PACKAGE or (own and own not in ROWS):
        return
    for line, module, _ in _imports(source):
        other = module.split(".")[0]
        if other == own:
            continue
        if not own:
            if line in {each.lineno for each in source.tree.body}:  # when it is imported itself
                yield source.complaint(line, f"the package itself imports {other}: that is heavy")
        elif other not in ROWS:
            yield source.complaint(line, f"imports {other!r}, which is not in the table of rows")
        elif ROWS[other] >= ROWS[own]:
            yield source.complaint(
                line, f"{own} (row {ROWS[own]}) imports {other} (row {ROWS[other]})"
            )


def doors(source: Source) -> Iterator[str]:
    """A part is entered through its own door only, and the door lists what goes through it."""
    if source.folder == "tests":
        return  # a test may look at the inside of what it tests
    for line, module, names in _imports(source):
        part, _, inside = module.partition(".")
        if part == source.part:
            continue
        if inside:
            yield source.complaint(line, f"imports {PACKAGE}.{module}, not through the door")
            continue
        public = _public_names(source.root, part)
        if public is None:
            yield source.complaint(line, f"there is no part {part!r}")
            continue
        for name in names:
            if name not in public:
                yield source.complaint(line, f"{PACKAGE}.{part} has no public name {name!r}")


def _public_names(root: Path, part: str) -> frozenset[str] | None:
    """What a part offers: its ``__all__``, or a single module's names without underscore."""
    package = root / PACKAGE / part / "__init__.py"
    if package.is_file():
        listed = _listed(ast.parse(package.read_text(encoding="utf-8")))
        return frozenset(listed[1] if listed else ())
    module = root / PACKAGE / f"{part}.py"
    if module.is_file():
        bound = _bound(ast.parse(module.read_text(encoding="utf-8")))
        return frozenset(name for name in bound if not name.startswith("_"))
    return None


def _listed(tree: ast.Module) -> tuple[int, list[str]] | None:
    """(line, names) of ``__all__``."""
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [each.id for each in targets if isinstance(each, ast.Name)]
            if "__all__" in names and node.value is not None:
                return node.lineno, [str(each) for each in ast.literal_eval(node.value)]
    return None


def _bound(tree: ast.Module) -> set[str]:
    """Names that the module's top level binds, conditional branches included."""
    names: set[str] = set()
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name):
                names.add(name)
            case ast.Import(names=taken) | ast.ImportFrom(names=taken):
                names.update(each.asname or each.name.split(".")[0] for each in taken)
            case ast.If(body=body, orelse=orelse) | ast.Try(body=body, orelse=orelse):
                pending += [*body, *orelse]
            case ast.Assign() | ast.AnnAssign():
                names.update(
                    each.id
                    for each in ast.walk(node)
                    if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
                )
    return names


def _order(name: str) -> tuple[int, list[tuple[int, str]]]:
    """Constants, then classes, then the rest, each in natural order: what ruff's RUF022 keeps."""
    kind = 0 if len(name) > 1 and name.isupper() else 1 if name[:1].isupper() else 2
    pieces = [
        (int(each), "") if each.isdigit() else (-1, each) for each in re.split(r"(\d+)", name)
    ]
    return kind, pieces


def exports(source: Source) -> Iterator[str]:
    """A door has ``__all__``; it is sorted, has no name twice, and each name exists."""
    listed = _listed(source.tree)
    if listed is None:
        is_door = source.part and source.path == f"{PACKAGE}/{source.part}/__init__.py"
        if is_door:
            yield source.complaint(1, "a door without __all__")
        return
    line, names = listed
    if names != sorted(names, key=_order):
        yield source.complaint(line, "__all__ is not sorted")
    if len(names) != len(set(names)):
        yield source.complaint(line, "__all__ names something twice")
    bound = _bound(source.tree)
    for name in names:
        if name not in bound:
            yield source.complaint(line, f"__all__ lists {name!r}, which does not exist")


# --- seals ---------------------------------------------------------------------------------------


def sealed(source: Source) -> Iterator[str]:
    """The simulated system gets time, chance and the outside world from its ports only."""
    if source.part not in SEALED:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            modules = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        else:
            yield from _forbidden_use(source, node)
            continue
        for module in modules:
            name = module.split(".")[0]
            if name in FORBIDDEN_IN_SEALED and (source.path, name) not in EXEMPT:
                yield source.complaint(node.lineno, f"{source.part} is sealed and imports {name}")


def _forbidden_use(source: Source, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in FORBIDDEN_CALLS_IN_SEALED:
            yield source.complaint(node.lineno, f"{source.part} is sealed and calls {name}()")
        case ast.Attribute(attr=method, value=owner) if method in CLOCK_METHODS:
            if ast.unparse(owner).split(".")[-1] in ("datetime", "date"):
                yield source.complaint(
                    node.lineno, f"{source.part} is sealed and reads the clock: {method}"
                )


RULES: tuple[Callable[[Source], Iterator[str]], ...] = (
    opens_with_docstring,
    sizes,
    imports_are_absolute,
    part_is_in_the_table,
    rows,
    doors,
    exports,
    sealed,
)


def complaints(root: Path, path: str) -> list[str]:
    """All that is wrong with one file."""
    source = read(root, path)
    return [each for rule in RULES for each in rule(source)]


# --- the repository ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", files(ROOT))
def test_file_keeps_the_rules(path: str) -> None:
    assert complaints(ROOT, path) == []


def test_the_whole_house_is_looked_at() -> None:
    looked_at = {read(ROOT, path).part for path in files(ROOT)}
    assert looked_at >= {"cli", "render", "records", "engine", "entropy", "errors", "marks"}


@pytest.mark.parametrize("exemption", EXEMPT)
def test_no_exemption_outlives_its_use(exemption: tuple[str, str]) -> None:
    path, module = exemption
    tree = read(ROOT, path).tree
    used = [
        each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names
    ]
    assert module in used


# --- planted violations --------------------------------------------------------------------------

CLEAN = {
    "simworld/__init__.py": '"""P."""\nif TYPE_CHECKING:\n    from simworld.engine import fold\n',
    "simworld/errors.py": '"""Errors."""\n\nclass Bad(Exception): ...\n\n_hidden = 1\n',
    "simworld/marks.py": '"""Marks."""\n',
    "simworld/engine/__init__.py": (
        '"""Engine."""\n\nfrom simworld.engine.facts import FACT, Fact, G2, G10, fold\n\n'
        '__all__ = ["FACT", "G2", "G10", "Fact", "fold"]\n'
    ),
    "simworld/engine/facts.py": (
        '"""Facts."""\n\nfrom simworld.errors import Bad\n\n'
        "FACT = 1\nG2, G10 = 2, 10\n\nclass Fact(Bad): ...\n\ndef fold(): ...\n"
    ),
    "simworld/records/__init__.py": (
        '"""Records."""\n\nfrom simworld.engine import Fact\n\n__all__ = ["Fact"]\n'
    ),
    "simworld/cli.py": '"""Cli."""\n\nfrom simworld import __version__, records\n',
    "scenarios/first.py": '"""Goal."""\n\nfrom simworld.engine import Fact\n',
    "tests/test_facts.py": '"""Tests."""\n\nfrom simworld.engine.facts import _fold\n',
    "bench/bench_it.py": '"""Bench."""\n',
}
"""A small house in order; some of it is odd on purpose, to see that the rules allow it."""

LONG = "def long():\n" + "    pass\n" * FUNCTION_LINES_MAX

PLANTED = [
    ("bench/bench_it.py", "x = 1\n", "1: opens with no docstring"),
    ("scenarios/first.py", '"""  """\n', "1: opens with no docstring"),
    ("simworld/marks.py", '"""M."""\n' + "x = 1\n" * MODULE_LINES_MAX, "1: 501 lines"),
    ("tests/test_facts.py", '"""T."""\n' + LONG, "2: long has 71 lines"),
    ("simworld/engine/facts.py", '"""F."""\nfrom . import other\n', "2: relative import"),
    ("simworld/cli.py", '"""C."""\nfrom simworld.records import *\n', "2: star import"),
    ("simworld/extra.py", '"""E."""\n', "1: part 'extra' is not in the table"),
    ("simworld/extra/__init__.py", '"""E."""\n__all__ = []\n', "1: part 'extra' is not in the"),
    (
        "simworld/engine/facts.py",
        '"""F."""\nfrom simworld.records import Fact\n',
        "2: engine (row 2) imports records (row 3)",
    ),
    (
        "simworld/engine/facts.py",
        '"""F."""\ndef f():\n    import simworld.cli\n',
        "3: engine (row 2) imports cli (row 9)",
    ),
    (
        "simworld/marks.py",
        '"""M."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n'
        "    from simworld.errors import Bad\n",
        "4: marks (row 1) imports errors (row 1)",
    ),
    ("simworld/__init__.py", '"""P."""\nfrom simworld import engine\n', "2: the package itself"),
    ("simworld/cli.py", '"""C."""\nfrom simworld import nowhere\n', "2: imports 'nowhere', which"),
    (
        "simworld/cli.py",
        '"""C."""\nfrom simworld.engine.facts import Fact\n',
        "2: imports simworld.engine.facts, not through the door",
    ),
    (
        "simworld/cli.py",
        '"""C."""\nimport simworld.engine.facts\n',
        "2: imports simworld.engine.facts, not through the door",
    ),
    (
        "scenarios/first.py",
        '"""G."""\nfrom simworld.engine.facts import Fact\n',
        "2: imports simworld.engine.facts, not through the door",
    ),
    (
        "simworld/cli.py",
        '"""C."""\nfrom simworld.engine import Bad\n',
        "2: simworld.engine has no public name 'Bad'",
    ),
    (
        "simworld/cli.py",
        '"""C."""\nfrom simworld.errors import _hidden\n',
        "2: simworld.errors has no public name '_hidden'",
    ),
    ("simworld/cli.py", '"""C."""\nfrom simworld.sim import Kernel\n', "2: there is no part 'sim'"),
    ("simworld/records/__init__.py", '"""R."""\n', "1: a door without __all__"),
    (
        "simworld/records/__init__.py",
        '"""R."""\nA = b = 1\n__all__ = ["b", "A"]\n',
        "3: __all__ is not sorted",
    ),
    ("simworld/records/__init__.py", '"""R."""\nA = 1\n__all__ = ["A", "A"]\n', "3: __all__ names"),
    ("simworld/records/__init__.py", '"""R."""\n__all__ = ["A"]\n', "2: __all__ lists 'A', which"),
    ("simworld/engine/facts.py", '"""F."""\nimport time\n', "2: engine is sealed and imports time"),
    (
        "simworld/runtime/a.py",
        '"""F."""\nfrom os.path import join\n',
        "2: runtime is sealed and imports os",
    ),
    ("simworld/worlds/a.py", '"""F."""\nimport trio\n', "2: worlds is sealed and imports trio"),
    (
        "simworld/worlds/a.py",
        '"""F."""\nfrom datetime import timedelta\n',
        "2: worlds is sealed and imports datetime",
    ),
    ("simworld/worlds/a.py", '"""F."""\nx = open("f")\n', "2: worlds is sealed and calls open()"),
    (
        "simworld/engine/authoring.py",
        '"""F."""\nimport datetime\nx = datetime.datetime.now()\n',
        "3: engine is sealed and reads the clock: now",
    ),
]


def _build(root: Path, extra: dict[str, str]) -> Path:
    for path, text in {**CLEAN, **extra}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return root


def test_a_house_in_order_is_left_alone(tmp_path: Path) -> None:
    root = _build(tmp_path, {})
    assert files(root) == sorted(CLEAN, key=lambda path: (FOLDERS.index(path.split("/")[0]), path))
    assert [each for path in files(root) for each in complaints(root, path)] == []


@pytest.mark.parametrize(
    ("path", "text", "expected"), PLANTED, ids=[f"{path}-{what}" for path, _, what in PLANTED]
)
def test_a_planted_violation_is_found(tmp_path: Path, path: str, text: str, expected: str) -> None:
    root = _build(tmp_path, {path: text})
    found = complaints(root, path)
    assert any(each.startswith(f"{path}:{expected}") for each in found), found


def test_sizes_at_the_limit_are_allowed(tmp_path: Path) -> None:
    function = "def long():\n" + "    pass\n" * (FUNCTION_LINES_MAX - 1)
    text = '"""M."""\n' + function
    text += "x = 1\n" * (MODULE_LINES_MAX - len(text.splitlines()))
    root = _build(tmp_path, {"simworld/marks.py": text})
    assert complaints(root, "simworld/marks.py") == []
