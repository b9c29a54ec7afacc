"""Where workloads come from: ``bench/shapes.py`` of the current directory, or what is named."""

from __future__ import annotations

import importlib
import importlib.util
import pathlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from types import ModuleType

from simworld.benchmark.contenders import Peer
from simworld.benchmark.workload import Benchmark
from simworld.errors import UsageError, unknown_name

DEFAULT = "bench/shapes.py"


def load_benchmarks(where: str | None = None) -> dict[str, Benchmark]:
    """The workloads of a file or a module, by name, in its order; None: of ``DEFAULT``."""
    if where is None and not pathlib.Path(DEFAULT).is_file():
        raise UsageError(
            f"there is no {DEFAULT} in this directory; name a file or module with --workloads"
        )
    module = _module(where or DEFAULT)
    told = getattr(module, "benchmarks", ())
    if not isinstance(told, tuple | list) or not told:
        raise UsageError(
            f"{where or DEFAULT} lists no workloads; write benchmarks = (Benchmark(…),)"
        )
    found: dict[str, Benchmark] = {}
    for each in told:
        if not isinstance(each, Benchmark):
            raise UsageError(f"benchmarks of {where or DEFAULT} holds {each!r}, no Benchmark")
        if each.name in found:
            raise UsageError(f"two workloads are called {each.name!r}")
        found[each.name] = each
    return found


def load_peers(where: str | None = None) -> dict[str, Peer]:
    """Other engines that run the same workloads, by name: what such a module calls ``peers``."""
    found: dict[str, Peer] = {}
    for each in getattr(_module(where or DEFAULT), "peers", ()):
        if not isinstance(each, Peer):
            raise UsageError(f"peers of {where or DEFAULT} holds {each!r}, which is no Peer")
        found[each.contender.name] = each
    return found


def chosen_benchmarks(
    known: Mapping[str, Benchmark], named: Sequence[str], *, full: bool
) -> list[Benchmark]:
    """Those that are named, in the order of the table; else all, the long ones if ``full``.

    A name of which there is none stands for all whose names contain it.
    """
    usual = [each for each in known.values() if full or not each.full]
    chosen: list[str] = []
    for name in named:
        meant = [name] if name in known else [each.name for each in usual if name in each.name]
        if not meant:
            raise unknown_name("workload", name, known)
        chosen += meant
    return [each for each in known.values() if each.name in chosen] if named else usual


def _module(where: str) -> ModuleType:
    path = pathlib.Path(where)
    try:
        if path.suffix != ".py" and not path.exists():
            if "" not in sys.path:  # as under ``python -m``, which is how a contender is started
                sys.path.insert(0, "")
            return importlib.import_module(where)
        if not path.is_file():
            raise UsageError(f"cannot load workloads from {where!r}: it is no file")
        return _from_file(path.resolve())
    except UsageError:
        raise
    except (Exception, SystemExit) as error:  # the author's code: it may fail in any way
        at = traceback.extract_tb(error.__traceback__)[-1]
        line = "" if at.filename.startswith("<frozen") else f" at {at.filename}:{at.lineno}"
        if isinstance(error, SyntaxError):
            line = f" at {error.filename}:{error.lineno}"
        raise UsageError(
            f"cannot load workloads from {where!r}{line}: {type(error).__name__}: {error}"
        ) from error


def _from_file(path: pathlib.Path) -> ModuleType:
    """The module of a file; its folder is a package to it, if it says so."""
    in_package = (path.parent / "__init__.py").is_file()
    folder = path.parent.parent if in_package else path.parent
    name = f"{path.parent.name}.{path.stem}" if in_package else path.stem
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    known = sys.modules.get(name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"cannot load workloads from {str(path)!r}: it is no Python file")
    module = importlib.util.module_from_spec(spec)
    if known is None:
        sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        if known is None:
            del sys.modules[name]
        raise
    return module
