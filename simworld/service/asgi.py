"""The few things an ASGI application needs when it has no framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import attrs
import msgspec

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


@attrs.frozen
class Reply:
    """An answer: a status, an object that becomes JSON, and headers besides."""

    status: int
    body: object
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """A request that is answered with an error; its text is for whoever has sent it."""

    def __init__(self, status: int, why: str, *headers: tuple[str, str]) -> None:
        super().__init__(why)
        self.reply = Reply(status, {"error": why}, headers)


class Gone(Exception):
    """The client has hung up before it had sent the whole request."""


@attrs.frozen
class Request:
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str]
    """By lower-case names; of equal ones the last."""
    receive: Receive

    async def body(self, size_max: int) -> bytes:
        """The whole body; 413 as soon as it is known to be too large."""
        announced = self.headers.get("content-length", "0")
        if not (announced.isascii() and announced.isdigit()):
            raise Refused(400, "content-length is no number")
        if len(announced) > 18 or int(announced) > size_max:
            raise _too_large(size_max)
        pieces: list[bytes] = []
        size = 0
        while True:
            event = await self.receive()
            if event["type"] == "http.disconnect":
                raise Gone
            piece = event.get("body", b"")
            size += len(piece)
            if size > size_max:
                raise _too_large(size_max)
            pieces.append(piece)
            if not event.get("more_body", False):
                return b"".join(pieces)


def _too_large(size_max: int) -> Refused:
    return Refused(413, f"the body is larger than {size_max} bytes", ("connection", "close"))


def request_of(scope: Scope, receive: Receive) -> Request:
    """The request that an ASGI scope describes."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    return Request(scope["method"], scope["path"], headers, receive)


def whole_request(
    method: str, path: str, headers: Iterable[tuple[str, str]], body: bytes
) -> Request:
    """A request that a framework has received already."""

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body}

    return Request(method, path, {name.lower(): value for name, value in headers}, receive)


async def send_reply(send: Send, reply: Reply) -> None:
    """Send an answer."""
    body = msgspec.json.encode(reply.body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers),
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Receive, send: Send) -> None:
    """There is nothing to begin and nothing to end."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
