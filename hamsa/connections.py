"""Many connections at the price of few.

For each request httpcore's pool looks at all its connections several times over, and asks the system about every idle
one: with 200 of them that costs ten times the request itself (measured). Several small pools behind one transport do
not, and `httpx.AsyncClient` sees one transport.
"""

import math
from contextlib import aclosing
from urllib.request import getproxies, proxy_bypass

import httpx

# Measured: up to about ten, the size of a pool does not show.
_CONNECTIONS_PER_POOL = 8


class SpreadTransport(httpx.AsyncBaseTransport):
    """Carries each request through the one of several small pools that has most room.

    An answer is read to its end in here, so that a connection counts as busy for exactly as long as it is.

    Args:
        max_connections: The most connections in all.
        keepalive_seconds: How long an idle connection is kept for the next request.
        proxy: URL of the proxy to go through, if any.
    """

    def __init__(self, *, max_connections: int, keepalive_seconds: float, proxy: str | None = None) -> None:
        count = math.ceil(max_connections / _CONNECTIONS_PER_POOL)
        sizes = [max_connections // count + (i < max_connections % count) for i in range(count)]
        certificates = httpx.create_ssl_context()  # loaded once: for each pool anew it would take half a second
        self._pools = [
            httpx.AsyncHTTPTransport(
                verify=certificates,
                limits=httpx.Limits(
                    max_connections=size, max_keepalive_connections=size, keepalive_expiry=keepalive_seconds
                ),
                proxy=proxy,
            )
            for size in sizes
        ]
        self._room = sizes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return its answer, read to the end."""
        chosen = self._room.index(max(self._room))
        self._room[chosen] -= 1
        try:
            response = await self._pools[chosen].handle_async_request(request)
            async with aclosing(response):
                await response.aread()
        finally:
            self._room[chosen] += 1
        return response

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
