"""How tests reach a sandbox in process: an httpx transport that tells failures as a network would."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

from sandbox import AnswerLost, NotConnected, Sandbox


class SandboxTransport(httpx.AsyncBaseTransport):
    """Hands requests to a sandbox, and its silences back as the errors that httpx raises over TCP.

    The client's read timeout is kept on the sandbox's clock, so that a slow answer times out without waiting for real.

    Args:
        sandbox: Whom to ask.
    """

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._asgi = httpx.ASGITransport(app=sandbox.app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the sandbox's answer, or raise what the network would."""
        patience = request.extensions.get("timeout", {}).get("read")
        answering = asyncio.ensure_future(self._asgi.handle_async_request(request))
        waiting: list[asyncio.Future[httpx.Response] | asyncio.Future[None]] = [answering]
        if patience is not None:
            waiting.append(asyncio.ensure_future(self._sandbox.clock.sleep(patience)))
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise httpx.ReadTimeout("the sandbox took too long", request=request)
            return answering.result()
        except NotConnected:
            raise httpx.ConnectError("connection refused", request=request) from None
        except AnswerLost:
            raise httpx.ReadError("connection closed without an answer", request=request) from None
        finally:
            for task in waiting:
                task.cancel()


def as_it_is(_request: httpx.Request, status: int, body: Any) -> tuple[int, Any]:
    """Leave an answer as the sandbox gave it."""
    return status, body


class OtherHamsa(SandboxTransport):
    """The sandbox, except that `change` makes another answer of each that it gives."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(sandbox)
        self.change: Callable[[httpx.Request, int, Any], tuple[int, Any]] = as_it_is

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the changed answer."""
        answer = await super().handle_async_request(request)
        status, body = self.change(request, answer.status_code, json.loads(await answer.aread()))
        return httpx.Response(status, json=body)
