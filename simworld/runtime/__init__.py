"""The engine's runtime: performs what passes decide, by awaiting port calls and nothing else.

The split V1 handlers, hooks, waits and the stream writer join this room in later work.
"""

from simworld.runtime.client import Client, RunFailedError
from simworld.runtime.executor import StepExecutor
from simworld.runtime.handler import FlowHandler
from simworld.runtime.services import Services

__all__ = ["Client", "FlowHandler", "RunFailedError", "Services", "StepExecutor"]
