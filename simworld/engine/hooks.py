"""Hooks, webhooks and abort controllers, as workflow code sees them (spec §3.8).

    async with create_hook("order-7") as hook:
        async for payload in hook: ...

Creating one draws its id; nothing is written before the next suspension.  A payload resolves the
oldest waiter, or is kept for the next one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar, overload

from simworld.engine.payload import encode, hydrate
from simworld.engine.program import Future, HookState, PassLoop, Payload, current_loop, joined
from simworld.engine.refs import AbortSignal, StreamRef
from simworld.errors import UsageError

T = TypeVar("T")


class HookConflictError(Exception):
    """Raised where a workflow awaits a hook whose token another run owns."""

    def __init__(self, token: str, conflicting_run_id: str) -> None:
        super().__init__(
            f"the hook token {token!r} belongs to run {conflicting_run_id}; use another token, or "
            "wait until that run has disposed of its hook or has ended"
        )
        self.token, self.conflicting_run_id = token, conflicting_run_id


class Hook(Generic[T]):
    """Await it for the next payload, or iterate over all of them."""

    def __init__(self, loop: PassLoop, state: HookState, payload: object) -> None:
        self._loop = loop
        self._state = state
        self._payload = payload

    @property
    def token(self) -> str:
        """What a client resumes it with."""
        return self._state.request.token

    def next(self) -> Future[T]:
        """The next payload; race this, and race the same one again if something else was first.

        Every call waits for a payload of its own, abandoned or not.
        """
        encoded_one = self._state.next()
        hydrated: Future[T] = joined(Payload(self._state))

        def arrived(encoded: Future[bytes]) -> None:
            if encoded.error is not None:
                hydrated.reject(encoded.error)
                return
            assert encoded.value is not None
            try:
                value = hydrate(encoded.value, self._payload)
            except UsageError as error:
                hydrated.reject(UsageError(f"a payload of hook {self.token!r}: {error}"))
            else:
                hydrated.resolve(value)

        encoded_one.when_done(arrived)
        return hydrated

    def __await__(self) -> Generator[Future[Any], None, T]:
        return self.next().__await__()

    def __aiter__(self) -> Hook[T]:
        return self

    async def __anext__(self) -> T:
        return await self.next()

    def dispose(self) -> None:
        """Let go of the token; whoever still waits for a payload waits for ever."""
        request = self._state.request
        if not (self._loop.closed or request.done):
            request.dispose = True

    async def __aenter__(self) -> Hook[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.dispose()


@overload
def create_hook(token: str = "", *, metadata: object = None) -> Hook[Any]: ...
@overload
def create_hook(token: str = "", *, metadata: object = None, payload: type[T]) -> Hook[T]: ...
def create_hook(token: str = "", *, metadata: object = None, payload: Any = None) -> Hook[Any]:
    """A hook under ``token``, or under one drawn for it.

    ``payload``: the class its payloads are turned into; None leaves them plain.
    """
    loop = current_loop("create_hook was called")
    kept = b"" if metadata is None else encode(metadata)
    return Hook(loop, loop.request_hook(token, metadata=kept), payload)


def create_webhook(
    token: str = "", *, respond_with: object = None, manual: bool = False
) -> Hook[dict[str, Any]]:
    """A hook that answers HTTP requests; its payloads are the requests, as dicts.

    The caller gets 202, or ``respond_with`` (a dict with ``status``, ``headers``, ``body``).  With
    ``manual`` the request carries a stream under ``response``: the first chunk written to it is the
    answer.
    """
    loop = current_loop("create_webhook was called")
    if respond_with is not None:
        _check_response(respond_with)
    mode = "manual" if manual else "default" if respond_with is None else "static"
    metadata = encode({"respond": mode, "response": respond_with})
    return Hook(loop, loop.request_hook(token, metadata=metadata, is_webhook=True), None)


def _check_response(response: object) -> None:
    """``UsageError`` for a static answer that could not be given."""
    wrong = ""
    if not isinstance(response, dict):
        wrong = f"it is a {type(response).__name__}"
    elif unknown := [key for key in response if key not in ("status", "headers", "body")]:
        wrong = f"it has the key {unknown[0]!r}"
    elif type(status := response.get("status", 202)) is not int or not 100 <= status <= 599:
        wrong = f"its status is {status!r}"
    elif not isinstance(body := response.get("body", b""), bytes):
        wrong = f"its body is a {type(body).__name__}"
    elif not isinstance(headers := response.get("headers", {}), dict) or not all(
        isinstance(each, str) for pair in headers.items() for each in pair
    ):
        wrong = f"its headers are {headers!r}"
    if wrong:
        raise UsageError(
            "respond_with of a webhook is a dict with any of status (100 to 599), headers (text to "
            f"text) and body (bytes), but {wrong}"
        )


class AbortController:
    """Lets a workflow tell steps that it has given up on them."""

    def __init__(self, loop: PassLoop, state: HookState, signal: AbortSignal) -> None:
        self._loop = loop
        self._state = state
        self.signal = signal
        """Pass it to steps; they ask ``await ctx.aborted(signal)``."""

    def abort(self, reason: object = None) -> None:
        """Give up; recorded at the next suspension.  Later calls do nothing.

        Steps called from now on are sure to see it.  Those that run already read it from a stream,
        which is written next to the log, best effort: a host that dies in between leaves them
        unaware.
        """
        if self._loop.closed or self.signal.aborted:
            return
        encoded = encode(reason)
        self.signal.aborted, self.signal.reason = True, reason
        if not self._state.aborted:
            self._state.request.abort = encoded


def create_abort() -> AbortController:
    """A controller with a signal; the field calls it an abort controller."""
    loop = current_loop("create_abort was called")
    state = loop.request_hook("", is_system=True)
    signal = AbortSignal(StreamRef(loop.run_id, f"abort/{state.request.token}"))
    return AbortController(loop, state, signal)
