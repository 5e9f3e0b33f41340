"""Many connections at the price of few.

For each request httpcore's pool looks at all its connections several times over, and asks the system about every idle
one: with 200 of them that costs ten times the request itself (measured). As many pools of one connection behind one
transport do not.
"""

import asyncio
from contextlib import aclosing
from urllib.request import getproxies, proxy_bypass

import httpx


class SpreadTransport(httpx.AsyncBaseTransport):
    """Carries each request through a pool of one connection that has nothing else to do, the last used first.

    An answer is read to its end in here, so that a connection counts as busy for exactly as long as it is.

    Args:
        max_connections: The most connections in all. Who finds none free waits, in the order of coming.
        keepalive_seconds: How long an idle connection is kept for the next request.
        proxy: URL of the proxy to go through, if any.
    """

    def __init__(self, *, max_connections: int, keepalive_seconds: float, proxy: str | None = None) -> None:
        certificates = httpx.create_ssl_context()  # loaded once: for each pool anew it would take half a second
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keepalive_seconds)
        self._pools = [
            httpx.AsyncHTTPTransport(verify=certificates, limits=limits, proxy=proxy) for _ in range(max_connections)
        ]
        self._idle = self._pools[::-1]
        self._free = asyncio.Semaphore(max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, read to the end.

        Raises:
            httpx.PoolTimeout: No connection was free in time. Nothing was sent.
        """
        await self._wait_for_a_connection(request)
        pool = self._idle.pop()
        try:
            response = await pool.handle_async_request(request)
            async with aclosing(response):
                await response.aread()
        finally:
            self._idle.append(pool)
            self._free.release()
        return response

    async def _wait_for_a_connection(self, request: httpx.Request) -> None:
        if not self._free.locked():  # the common case, without a timer
            await self._free.acquire()
            return
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use", request=request) from None

    async def aclose(self) -> None:
        """Close the connections of all pools."""
        for pool in self._pools:
            await pool.aclose()


def proxy_from_environment(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`) names for a host, if any."""
    if proxy_bypass(host):
        return None
    proxies = getproxies()
    return proxies.get(scheme) or proxies.get("all")
