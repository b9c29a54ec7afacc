"""A user's module, as the SDK sees it: registries, workflows and steps.

A module is imported once per process.  A registry without shared sandboxes gets one that is shared
by all runs, with a policy that is otherwise its own: a sandbox per pass costs ten times as much as
all the rest.  So what a workflow module keeps in globals outlives a run, as it does wherever
sandboxes are shared; a workflow that depends on such globals is told of by a replay that differs.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from types import ModuleType
from typing import Any

import attrs
from vercel.workflow._internal import core, py_sandbox
from vercel.workflow._internal import world as w

from simworld.errors import UsageError, unknown_name


@attrs.frozen(eq=False)
class Loaded:
    """A module with its registries."""

    module: str
    workflows: dict[str, Any]
    """Plain name → ``Workflow``."""
    steps: tuple[Any, ...]
    """Of all its registries."""
    registries: dict[str, Any]
    """Name of a workflow's queue → the registry that serves it."""

    def workflow(self, name: str) -> Any:
        """The workflow of this name."""
        if name not in self.workflows:
            raise unknown_name(f"workflow of {self.module}", name, self.workflows)
        return self.workflows[name]


def load(module: str) -> Loaded:
    """Import a module of workflows."""
    try:
        imported = importlib.import_module(module)
    except ImportError as error:
        named = module.removesuffix(".py").replace("/", ".")
        cure = (
            "is it on the path (PYTHONPATH, or run simworld where it lies)?"
            if named == module
            else f"name it as Python imports it: {named}"
        )
        raise UsageError(f"module {module!r} cannot be imported: {error}; {cure}") from error
    except (Exception, SystemExit) as error:  # the author's code: it may fail in any way
        raise UsageError(
            f"module {module!r} raises while it is imported: {type(error).__name__}: {error}"
        ) from error
    registries = _registries(imported)
    if not registries:
        raise UsageError(
            f"module {module!r} has no registry of workflows: make one with "
            "vercel.workflow.Workflows() and decorate the functions with it"
        )
    found: dict[str, Any] = {}
    queues: dict[str, Any] = {}
    for registry in registries:
        for workflow in registry._workflows.values():
            if workflow.module == module or workflow.qualname not in found:
                found[workflow.qualname] = workflow
            queues[w.get_queue_name(workflow.workflow_id, registry.namespace)] = registry
        _share_sandbox(registry)
    if not found:
        raise UsageError(f"no workflow in module {module!r}: decorate one with @registry.workflow")
    steps = tuple(step for registry in registries for step in registry._steps.values())
    return Loaded(module, found, steps, queues)


def _registries(module: ModuleType) -> list[Any]:
    found: dict[int, Any] = {}
    for value in vars(module).values():
        if isinstance(value, core.Workflow):
            value = value._registry  # noqa: PLW2901 - a workflow stands for its registry
        if isinstance(value, core.Workflows):
            found[id(value)] = value
    return list(found.values())


def _share_sandbox(registry: Any) -> None:
    """Share one sandbox, where the SDK knows how, and import the workflows in it already."""
    if getattr(registry, "_cached_sandbox", registry) is None:
        policy = dataclasses.replace(registry._sandbox_policy, share_sandboxes=True)
        registry._sandbox_policy = policy
        registry._cached_sandbox = py_sandbox.Sandbox(policy=policy, run_cleanups=False)
    sandbox = getattr(registry, "_cached_sandbox", None)
    if sandbox is not None:
        with sandbox.enter(), sandbox.import_lock:
            for workflow in registry._workflows.values():
                _import_again(workflow.module)


def _import_again(module: str) -> None:
    try:
        importlib.import_module(module)
    except (Exception, SystemExit) as error:
        reason = str(error).partition("\n")[0]
        raise UsageError(
            f"module {module!r} cannot be imported by the SDK into the sandbox of its workflows "
            f"(nor can it be without simworld): {type(error).__name__}: {reason}; move what a "
            "workflow may not do into another module, and name that in "
            "Workflows(sandbox_policy=SandboxPolicy(passthrough_modules=…))"
        ) from error


def own_steps() -> tuple[Any, ...]:
    """The SDK's own: what a workflow asks of another run is a step; before 0.10 it has none."""
    return tuple(getattr(core, "_builtin_steps", {}).values())


def plain_name(name: str) -> str:
    """``step//shop.flows//charge`` → ``charge``."""
    return name.rpartition("//")[2]


def parameters(workflow: Any) -> str:
    """Of a workflow function, as its author has written them."""
    signature = inspect.signature(workflow.func)
    return str(signature.replace(return_annotation=inspect.Signature.empty))
