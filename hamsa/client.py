"""The client: every request to Hamsa goes out here, and comes back as a record or as an error that says what to do.

It never retries and never follows a redirect: who may ask again, and when, is decided by those who know what a second
ring would mean.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr
from pydantic_core import from_json, to_json

from hamsa.agents import VoiceAgentRecord
from hamsa.answers import error_for_another, error_for_answer, error_for_failure, error_for_unreadable
from hamsa.connections import SpreadTransport, proxy_from_environment
from hamsa.errors import Refused, Unavailable
from hamsa.models import (
    CallPage,
    CallSummary,
    Conversation,
    HamsaRecord,
    JobRecord,
    Project,
)
from hamsa.redaction import decoded
from hamsa.requests import CallRequest
from hamsa.settings import EU, HamsaSettings, Timeouts, clean_api_key, clean_base_url
from hamsa.urls import is_loopback

Record = TypeVar("Record", bound=HamsaRecord)
Told = TypeVar("Told", JobRecord, Conversation)

MAX_PER_PAGE = 200
# Shorter than the five seconds after which many servers drop an idle connection: a POST that meets such a drop could
# not tell whether it arrived.
_KEEPALIVE_SECONDS = 4.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class HamsaClient:
    """Hamsa's HTTP API over one pool of connections.

    Use it as an async context manager, or call `aclose()` at the end. One client serves any number of tasks of one
    event loop. Cancelling a request cancels it: `asyncio.CancelledError` passes through, and a call whose creation was
    cancelled may have been placed all the same.

    Args:
        api_key: A secret key of the Hamsa project, with or without the word `Token` before it.
        base_url: Where the API is: https, or plain http to this machine.
        timeouts: How long each part of a request may take.
        transport: What carries the requests instead of the network, for tests.
        max_connections: The most connections that are open at once.

    Raises:
        ValueError: The key or the address cannot be right; the text says why and does not show the key.

    Example:
        >>> async def ring() -> str:
        ...     async with HamsaClient("my-key") as hamsa:
        ...         job = await hamsa.create_call(CallRequest(to_number="+12125550123", voice_agent_id="a1"))
        ...     return job.id
    """

    def __init__(
        self,
        api_key: str | SecretStr,
        *,
        base_url: str = EU,
        timeouts: Timeouts | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        max_connections: int = 200,
    ) -> None:
        self.base_url = clean_base_url(base_url)
        self.timeouts = timeouts or Timeouts()
        self.request_deadline_seconds = self.timeouts.request_deadline_seconds
        self._api_key = SecretStr(clean_api_key(api_key))
        address = urlsplit(self.base_url)
        host = address.hostname or ""
        # A proxy named in the environment is for the outside: on the way to ourselves it must not see the key.
        proxy = None if is_loopback(host) else proxy_from_environment(address.scheme, host)
        # Requests go straight to the transport, built from the ready parts below: nothing of what `httpx.AsyncClient`
        # adds (redirects, cookies, merged headers) is wanted here, and it took a seventh of a request's processor time.
        self._transport = transport or SpreadTransport(
            max_connections=max_connections, keepalive_seconds=_KEEPALIVE_SECONDS, proxy=proxy
        )
        self._is_closed = False
        self._headers = httpx.Headers(
            {
                "Host": httpx.URL(self.base_url).netloc.decode("ascii"),
                "Authorization": f"Token {self._api_key.get_secret_value()}",
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "Connection": "keep-alive",
                "User-Agent": "hamsa-calls",
            }
        )
        self._post_headers = httpx.Headers([*self._headers.items(), ("Content-Type", "application/json")])
        self._extensions = {
            "timeout": httpx.Timeout(
                connect=self.timeouts.connect_seconds,
                read=self.timeouts.read_seconds,
                write=self.timeouts.write_seconds,
                pool=self.timeouts.pool_seconds,
            ).as_dict()
        }

    @classmethod
    def from_settings(cls, settings: HamsaSettings, transport: httpx.AsyncBaseTransport | None = None) -> Self:
        """Make a client as the settings say.

        Raises:
            ValueError: The settings hold no usable API key.
        """
        return cls(
            settings.clean_api_key(),
            base_url=settings.resolved_base_url,
            timeouts=settings.timeouts,
            transport=transport,
            max_connections=settings.max_connections,
        )

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
        self._is_closed = True
        await self._transport.aclose()

    async def create_call(self, call: CallRequest) -> JobRecord:
        """Place a call: this rings a phone.

        Args:
            call: Whom to call, with which agent.

        Returns:
            The job record of the call that now exists. (For a number of one's own Hamsa sends its id and agent only.)

        Raises:
            NotPlaced: It surely was not placed; the same call may be asked for again, after `retry_after` if given.
            Refused: Hamsa said no; asking again changes nothing.
            Unauthorized: The key is no good; no other call will succeed either.
            Uncertain: It may have been placed; find out before anything else.
        """
        path, body = call.to_wire()
        webhook_secret = call.webhook_auth.auth_secret.get_secret_value() if call.webhook_auth else None
        response = await self._request("POST", path, content=_json_body(body), secret=webhook_secret)
        return self._record(JobRecord, response, secret=webhook_secret)

    async def get_job(self, job_id: str) -> JobRecord:
        """Return the job record of a call.

        Raises:
            Refused: Hamsa knows no such job, or not for this key (`Unauthorized`).
            Unavailable: There was no usable answer, or one about another job; look again later.
        """
        response = await self._request("GET", f"/v1/jobs?{urlencode({'jobId': _checked_id(job_id)})}")
        return _the_one(self._record(JobRecord, response, known_id=job_id), job_id, response)

    async def get_conversation(self, conversation_id: str) -> Conversation:
        """Return a call as a conversation: duration, analysis, what was said. Assumed: its id is the job id.

        Raises:
            Refused: Hamsa knows no such conversation, or not for this key (`Unauthorized`).
            Unavailable: There was no usable answer; look again later.
        """
        path = f"/v1/voice-agents/conversation/{quote(_checked_id(conversation_id), safe='')}"
        response = await self._request("GET", path)
        return _the_one(self._record(Conversation, response, known_id=conversation_id), conversation_id, response)

    async def list_calls_page(
        self,
        *,
        voice_agent_id: str | None = None,
        statuses: Iterable[str] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page: int = 1,
        per_page: int = MAX_PER_PAGE,
    ) -> CallPage:
        """Return one page of the call list: one request for up to 200 calls.

        Args:
            voice_agent_id: Only calls of this agent.
            statuses: Only calls with one of these statuses; all of them if empty.
            start_time: Only calls created at this moment or later (aware).
            end_time: Only calls created at this moment or earlier (aware).
            page: Which page, from 1.
            per_page: Rows on a page, 1 to 200.

        Raises:
            ValueError: A page that cannot be, or a moment without a time zone.
            Refused: Hamsa did not like the filters or the key (`Unauthorized`).
            Unavailable: There was no usable answer; look again later.
        """
        if page < 1 or not 1 <= per_page <= MAX_PER_PAGE:
            raise ValueError(f"There is no page {page} of {per_page} rows: pages begin at 1, with 1 to 200 rows each.")
        query: list[tuple[str, str | int]] = []
        if voice_agent_id is not None:
            query.append(("voiceAgentId", voice_agent_id))
        query += [("status", status) for status in statuses]
        # The API counts whole milliseconds, both ends included: round outwards, so that no call slips out.
        if start_time is not None:
            query.append(("startTime", _since_epoch(start_time) // _MILLISECOND))
        if end_time is not None:
            query.append(("endTime", -(-_since_epoch(end_time) // _MILLISECOND)))
        query += [("page", page), ("perPage", per_page)]
        path = f"/v1/voice-agents/conversations/minimal-list?{urlencode(query)}"
        return self._record(CallPage, await self._request("GET", path))

    async def list_calls(
        self,
        *,
        voice_agent_id: str | None = None,
        statuses: Iterable[str] = (),
        start_time: datetime | None = None,
        end_time: datetime | None = None,
        page: int = 1,
        per_page: int = MAX_PER_PAGE,
    ) -> AsyncIterator[CallSummary]:
        """Iterate over all calls that match, from `page` on, each id once; arguments and errors of `list_calls_page`.

        The list lives while it is read: calls that change the filtered status meanwhile can shift others past the
        reader. Who needs certainty filters by time and not by status.
        """
        wanted = tuple(statuses)
        seen: set[str] = set()
        rows = 0
        before: Sequence[str] | None = None
        while True:
            answer = await self.list_calls_page(
                voice_agent_id=voice_agent_id,
                statuses=wanted,
                start_time=start_time,
                end_time=end_time,
                page=page,
                per_page=per_page,
            )
            ids = [call.id for call in answer.calls]
            # The same page again: the list ignores `page`, and would never end.
            if ids == before:
                return
            for call in answer.calls:
                if call.id not in seen:
                    seen.add(call.id)
                    yield call
            rows += len(ids)
            # Neither a short page nor the count alone ends it: a server may allow fewer rows than were asked for, or
            # count otherwise than assumed, and a call that is missed here could be taken for one that never was.
            if not ids or (len(ids) < per_page and answer.filtered is not None and rows >= answer.filtered):
                return
            before, page = ids, page + 1

    async def get_project(self) -> Project:
        """Return the project of the API key: the cheapest proof that the key works.

        Raises:
            Unauthorized: It does not.
            Unavailable: There was no usable answer; look again later.
        """
        return self._record(Project, await self._request("GET", "/v1/projects/by-api-key"))

    async def get_voice_agent(self, voice_agent_id: str) -> VoiceAgentRecord:
        """Return a voice agent: what it says and needs to be told, what it extracts, when it was last changed.

        Asked of v2; of the deprecated v1 only where v2 was answered with something else than an agent.

        Raises:
            Refused: Hamsa knows no such agent, or not for this key (`Unauthorized`).
            Unavailable: There was no usable answer; look again later.
        """
        try:
            return await self._voice_agent("v2", voice_agent_id)
        except (Refused, Unavailable) as error:
            newer = error
        # No answer at all, a bad key and "come later" would be no different a version further down.
        if newer.status_code in (None, 401, 403, 429):
            raise newer
        try:
            return await self._voice_agent("v1", voice_agent_id)
        except Refused:
            # That v1 knows no such agent proves nothing if v2 could not even be read: v1 may be gone.
            if isinstance(newer, Unavailable):
                raise newer from None
            raise

    async def _voice_agent(self, version: str, voice_agent_id: str) -> VoiceAgentRecord:
        path = f"/{version}/voice-agents/{quote(_checked_id(voice_agent_id), safe='')}"
        return self._record(VoiceAgentRecord, await self._request("GET", path), known_id=voice_agent_id)

    async def _request(
        self, method: str, path: str, *, content: bytes | None = None, secret: str | None = None
    ) -> httpx.Response:
        """Send one request and return its 2xx answer, read to the end; anything else is raised as a `HamsaError`.

        Args:
            method: `GET` or `POST`.
            path: Path and query, beginning with a slash.
            content: The JSON body of a POST.
            secret: What the request holds besides the key that must not come back in an error text.
        """
        where = self.base_url + path.partition("?")[0]
        if self._is_closed:
            raise error_for_failure(method, where, httpx.ConnectError("the client is closed"))
        request = httpx.Request(
            method,
            self.base_url + path if content is None else _parsed(self.base_url + path),
            headers=self._headers if content is None else self._post_headers,
            content=content,
            extensions=self._extensions,
        )
        answer = await self._answer_or_failure(request)
        # Raised out here and not while handling it: no chain leads from our error to one that holds the request.
        if isinstance(answer, Exception):
            raise error_for_failure(method, where, answer)
        if not answer.is_success:
            body = self._without_our_secrets(answer.content, secret)
            raise error_for_answer(method, where, answer.status_code, answer.headers, body=body, now=datetime.now(UTC))
        return answer

    async def _answer_or_failure(self, request: httpx.Request) -> httpx.Response | Exception:
        try:
            # httpx bounds each wait for a piece; a server that dribbles its answer is bounded here.
            async with asyncio.timeout(self.request_deadline_seconds):
                response = await self._transport.handle_async_request(request)
                response.request = request
                async with aclosing(response):
                    await response.aread()
                return response
        except Exception as failure:  # noqa: BLE001 - whatever it is, the phone may be ringing: the caller must know
            return failure

    def _record(
        self, kind: type[Record], response: httpx.Response, *, known_id: str | None = None, secret: str | None = None
    ) -> Record:
        """Read `data` out of an answer; where it has no id of its own, it has the one that was asked for."""
        try:
            answer = from_json(response.content)
            data = decoded(answer["data"])
            if known_id is not None and isinstance(data, dict) and data and not data.get("id"):
                data["id"] = known_id
            if kind is JobRecord and isinstance(data, dict) and answer.get("previewUrl"):
                data.setdefault("previewUrl", answer["previewUrl"])
            return kind.model_validate(data)
        # ValueError covers JSON that is none and pydantic's verdict; the others, JSON of another shape.
        except (ValueError, TypeError, KeyError):
            pass
        request = response.request
        where = str(request.url.copy_with(query=None))
        body = self._without_our_secrets(response.content, secret)
        raise error_for_unreadable(request.method, where, response.status_code, body)

    def _without_our_secrets(self, body: bytes, secret: str | None) -> bytes:
        """Blot out what a server may quote of our own request."""
        for ours in (self._api_key.get_secret_value(), secret):
            if ours:
                body = body.replace(ours.encode(), "•••".encode())
        return body


@lru_cache(maxsize=16)
def _parsed(address: str) -> httpx.URL:
    """There are few addresses to which calls are posted, and parsing one takes longer than making the request."""
    return httpx.URL(address)


def _the_one(record: Told, wanted: str, response: httpx.Response) -> Told:
    """Return a record if it is that of the call that was asked for; another's would be taken for this one's end."""
    if record.id.strip().casefold() == wanted.strip().casefold():
        return record
    request = response.request
    url = str(request.url.copy_with(query=None))
    raise error_for_another(request.method, url, response.status_code, wanted, record.id)


def _json_body(body: dict[str, Any]) -> bytes:
    try:
        return to_json(body, inf_nan_mode="null")
    except (ValueError, TypeError, RecursionError):
        pass
    raise Refused(f"{_unwritable(body)} cannot be written as JSON, so the call was not sent; give text or numbers.")


def _unwritable(body: dict[str, Any]) -> str:
    """Name what is at fault: `params.photo` rather than the whole request."""
    for part in ("params", "agentDetails"):
        for name, value in (body.get(part) or {}).items():
            try:
                to_json(value)
            except (ValueError, TypeError, RecursionError):
                return f"{part}.{name}"
    return "The call's params or agent details"


def _checked_id(identifier: str) -> str:
    # An empty id, or one of dots only, would turn the path into that of another endpoint.
    if not identifier.strip(". "):
        raise ValueError(f"{identifier!r} is no id that Hamsa could know.")
    return identifier


def _since_epoch(moment: datetime) -> timedelta:
    if moment.tzinfo is None:
        raise ValueError("start_time and end_time need a time zone: Hamsa counts in UTC.")
    return moment - _EPOCH
