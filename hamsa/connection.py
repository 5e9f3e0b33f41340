"""One request to Hamsa: sent once, read to its end, and returned as a record or raised as an error."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from hamsa.answers import error_for_answer, error_for_failure, error_for_unreadable
from hamsa.bodies import read_body, read_json
from hamsa.models import HamsaRecord
from hamsa.redaction import BLOT, decoded
from hamsa.settings import EU, Timeouts, clean_api_key, clean_base_url
from hamsa.urls import is_loopback

Record = TypeVar("Record", bound=HamsaRecord)

# Shorter than the five seconds after which many servers drop an idle connection: a POST that meets such a drop could
# not tell whether it arrived.
_KEEPALIVE_SECONDS = 4.0
SHORTEST_SECRET = 8
"""Characters of a secret of ours that is looked for in records: a shorter one is part of words as well."""
MAX_IDLE = 4
"""Connections kept for later. After a burst the others are closed at once, and do not wait until Hamsa drops them.

Each of them costs: twice for every request, the pool asks every idle connection whether it was closed meanwhile.
"""


class Answer(NamedTuple):
    """What came back, read to its end. `url` is without the query."""

    method: str
    url: str
    status_code: int
    headers: Mapping[str, str]
    body: bytes


class HamsaConnection:
    """A pool of connections and the key that goes out with each request. See `HamsaClient`."""

    def __init__(
        self,
        api_key: str | SecretStr,
        *,
        base_url: str = EU,
        timeouts: Timeouts | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_connections: int = 200,
        max_idle: int = MAX_IDLE,
    ) -> None:
        self.base_url = clean_base_url(base_url)
        self.timeouts = timeouts or Timeouts()
        self.max_connections = max_connections
        self.request_deadline_seconds = self.timeouts.request_deadline_seconds
        self._api_key = SecretStr(clean_api_key(api_key))
        host = urlsplit(self.base_url).hostname or ""
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=min(max_idle, max_connections),
            keepalive_expiry=_KEEPALIVE_SECONDS,
        )
        # Whoever waits for a connection waits here: for each request, the pool looks at all who wait in it.
        self._free = asyncio.Semaphore(max_connections)
        self._http = httpx.AsyncClient(
            headers={
                "Authorization": f"Token {self._api_key.get_secret_value()}",
                "Accept": "application/json",
                # What httpx would ask for depends on what else is installed, and some of it unpacks without a bound.
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": "hamsa-calls",
            },
            timeout=httpx.Timeout(
                connect=self.timeouts.connect_seconds,
                read=self.timeouts.read_seconds,
                write=self.timeouts.write_seconds,
                pool=self.timeouts.pool_seconds,
            ),
            limits=limits,
            transport=transport,
            follow_redirects=False,
            # Nothing that an answer sets is to come along with the next request.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            # A proxy named in the environment is for the outside: on the way to ourselves it must not see the key.
            trust_env=not is_loopback(host),
        )

    @property
    def key_name(self) -> str:
        """A name for the API key, always the same and of no use to anybody who wants the key."""
        key = self._api_key.get_secret_value().encode()
        return f"key-{blake2b(key, digest_size=8, person=b'hamsa-calls').hexdigest()}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections. A call that is asked for afterwards is `NotPlaced`."""
        await self._http.aclose()

    async def _request(
        self, method: str, path: str, *, content: bytes | None = None, secret: str | None = None
    ) -> Answer:
        """Send one request and return its 2xx answer, read to the end; anything else is raised as a `HamsaError`.

        Neither our key nor `secret`, which the request holds besides, comes back in an error's text.
        """
        where = self.base_url + path.partition("?")[0]
        if self._http.is_closed:
            raise error_for_failure(method, where, httpx.ConnectError("the client is closed"))
        answer = await self._answer_or_failure(method, self.base_url + path, content)
        # Raised out here and not while handling it: no chain leads from our error to one that holds the request.
        if isinstance(answer, Exception):
            raise error_for_failure(method, where, answer)
        body = answer.body
        # Assumed: any 2xx is a yes, whatever `success` says beside it. Examples show 200, another endpoint 201; whether
        # there is a call its id says.
        if not 200 <= answer.status_code < 300:
            body = self._without_our_secrets(body, secret)
            raise error_for_answer(method, where, answer.status_code, answer.headers, body=body, now=datetime.now(UTC))
        return answer

    async def _answer_or_failure(self, method: str, url: str, content: bytes | None) -> Answer | Exception:
        headers = None if content is None else {"Content-Type": "application/json"}
        try:
            # httpx bounds each wait for a piece; a server that dribbles its answer is bounded here.
            async with asyncio.timeout(self.request_deadline_seconds):
                await self._wait_for_connection()
                try:
                    async with self._http.stream(method, url, content=content, headers=headers) as response:
                        body = await read_body(response)
                        return Answer(method, url.partition("?")[0], response.status_code, response.headers, body)
                finally:
                    self._free.release()
        except Exception as failure:  # noqa: BLE001 - whatever it is, the phone may be ringing: the caller must know
            return failure

    async def _wait_for_connection(self) -> None:
        try:
            async with asyncio.timeout(self.timeouts.pool_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("all connections are in use") from None

    def _record(
        self,
        kind: type[Record],
        answer: Answer,
        *,
        known_id: str | None = None,
        beside: tuple[str, ...] = (),
        secret: str | None = None,
    ) -> Record:
        """Read `data` out of an answer; where it has no id of its own, it has the one that was asked for.

        Args:
            beside: What stands beside `data` and belongs to the record all the same.
        """
        try:
            body = read_json(self._without_our_secrets(answer.body, secret, shortest=SHORTEST_SECRET))
            data = decoded(body["data"])
            if isinstance(data, dict) and data:
                if known_id is not None and not data.get("id"):
                    data["id"] = known_id
                for name in beside:
                    data[name] = data.get(name) or body.get(name)
            return kind.model_validate(data)
        # ValueError covers JSON that is none and pydantic's verdict; the others, JSON of another shape.
        except (ValueError, TypeError, KeyError):
            pass
        body = self._without_our_secrets(answer.body, secret)
        raise error_for_unreadable(answer.method, answer.url, answer.status_code, body)

    def _without_our_secrets(self, body: bytes, secret: str | None, *, shortest: int = 1) -> bytes:
        """Blot out what a server may quote of our own request."""
        for ours in (self._api_key.get_secret_value(), secret):
            if ours and len(ours) >= shortest:
                body = body.replace(ours.encode(), BLOT.encode())
        return body
