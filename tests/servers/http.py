"""HTTP to the servers on this machine: no TLS, no proxy, and no list of certificates to read for each request."""

import ssl
from pathlib import Path
from typing import Any

import httpx

CERTIFICATES = Path(__file__).with_name("certificates.pem")
"""One authority that has signed nothing: to read all that a machine trusts takes 20 ms, for each new client."""

LOOPBACK: dict[str, Any] = {"trust_env": False, "verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}
"""Arguments of an httpx client that speaks to this machine."""


def ask(method: str, url: str, body: Any = None, **options: Any) -> httpx.Response:
    """Send one request, with `body` as JSON. Takes what `httpx.request` takes."""
    return httpx.request(method, url, json=body, **{"timeout": 60.0, **LOOPBACK, **options})
