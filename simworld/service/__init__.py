"""The production shell: workers, their HTTP routes, and clients, on trio.

    async with connect("local:state", program, workers=["http://127.0.0.1:8338"]) as app:
        run_id = await app.start(20)
        print(await app.result(run_id, timeout_s=60))

``simworld serve`` runs a worker; ``working`` runs one inside of another program.
"""

from simworld.service.app import App
from simworld.service.asgi import AsgiApp
from simworld.service.flow import BODY_MAX, encode_message, flow_app
from simworld.service.fronts import FRONTS, open_front
from simworld.service.log import QUIET, ServiceLog
from simworld.service.opening import Settings
from simworld.service.remote import HttpQueue
from simworld.service.server import GRACE_S, ServeOptions, serve, serve_app
from simworld.service.worker import PORT, Front, Worker, connect, working

__all__ = [
    "BODY_MAX",
    "FRONTS",
    "GRACE_S",
    "PORT",
    "QUIET",
    "App",
    "AsgiApp",
    "Front",
    "HttpQueue",
    "ServeOptions",
    "ServiceLog",
    "Settings",
    "Worker",
    "connect",
    "encode_message",
    "flow_app",
    "open_front",
    "serve",
    "serve_app",
    "working",
]
