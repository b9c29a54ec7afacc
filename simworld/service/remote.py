"""A worker's queue as seen from another process: messages go to its ``POST /messages``.

The queue of a file world lives in the memory of its worker, so a client elsewhere has to ask for
it.  While no worker answers it is asked again, for a while: a message may arrive twice by that,
which a queue may do anyway.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import trio

from simworld.errors import DefiniteFailure, IndefiniteFailure, UsageError, WorldError
from simworld.ports import Delivery, Message
from simworld.service.flow import encode_message

PATIENCE_S = 20.0
"""For how long a worker that is down is asked again."""
PAUSE_FIRST_S, PAUSE_MAX_S = 0.05, 1.0


class HttpQueue:
    """``ports.Queue`` of the first of several workers that accepts a message."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        workers: Sequence[str],
        *,
        secret: str = "",
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._client = client
        self._urls = [f"{each.rstrip('/')}/messages" for each in workers]
        self._headers = {"content-type": "application/json"}
        if secret:
            self._headers["authorization"] = f"Bearer {secret}"
        self._patience_s = patience_s

    async def send(
        self, message: Message, *, key: str = "", delay_s: int = 0, merge: bool = False
    ) -> str:
        """See ``ports.Queue``."""
        body = encode_message(message, key=key, delay_s=delay_s, merge=merge)
        give_up_at = trio.current_time() + self._patience_s
        pause_s, may_have, why = PAUSE_FIRST_S, False, ""
        while True:
            for url in self._urls:
                try:
                    answer = await self._client.post(url, content=body, headers=self._headers)
                except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                    why = f"{url}: {error}"
                except httpx.TransportError as error:
                    may_have, why = True, f"{url}: {error!r}"
                else:
                    if answer.status_code == 202:
                        return str(answer.json()["messageId"])
                    why = f"{url}: {_refused(answer)}"
            if trio.current_time() + pause_s > give_up_at:
                kind = IndefiniteFailure if may_have else DefiniteFailure
                raise kind(
                    f"no worker has accepted a message of run {message.run_id} ({why}); start one "
                    "with: simworld serve"
                )
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)

    def let_pass(self, delivery: Delivery) -> None:
        """See ``ports.Queue``; nothing is delivered from here."""


def _refused(answer: httpx.Response) -> str:
    """Why a worker has not accepted a message now; raises if it never will."""
    status = answer.status_code
    if status == 401:
        raise UsageError(f"the worker at {answer.url} wants a secret; pass secret=…")
    if 400 <= status < 500 and status != 429:
        raise WorldError(f"the worker at {answer.url} refused: {answer.text}", status=status)
    return f"status {status}"
