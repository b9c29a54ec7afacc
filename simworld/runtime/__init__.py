"""The engine's runtime: performs what passes decide, by awaiting port calls and nothing else.

``handler_for`` gives the handler of all messages: of the combined engine, or of the split V1.
"""

from simworld.runtime.client import Client
from simworld.runtime.context import BodyContext
from simworld.runtime.executor import StepExecutor
from simworld.runtime.handler import FlowHandler
from simworld.runtime.runs import RunFailedError, recover
from simworld.runtime.services import Services
from simworld.runtime.streams import StreamWriter, read_stream
from simworld.runtime.v1 import V1Handler, handler_for
from simworld.runtime.webhooks import WebhookRequest, WebhookResponse, WebhookUnanswered

__all__ = [
    "BodyContext",
    "Client",
    "FlowHandler",
    "RunFailedError",
    "Services",
    "StepExecutor",
    "StreamWriter",
    "V1Handler",
    "WebhookRequest",
    "WebhookResponse",
    "WebhookUnanswered",
    "handler_for",
    "read_stream",
    "recover",
]
