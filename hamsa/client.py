"""The client: every request to Hamsa goes out here, and comes back as a record or as an error that says what to do.

It never retries and never follows a redirect: who may ask again, and when, is decided by those who know what a second
ring would mean.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import httpx
from pydantic import SecretStr
from pydantic_core import to_json

from hamsa.agents import VoiceAgentRecord
from hamsa.answers import error_for_another, error_for_answer, error_for_failure, error_for_unreadable
from hamsa.bodies import read_body, read_json
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
_MAX_IDLE = 20
"""Connections kept for later. After a burst the others are closed at once, and do not wait until Hamsa drops them."""
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
        host = urlsplit(self.base_url).hostname or ""
        limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=min(_MAX_IDLE, max_connections),
            keepalive_expiry=_KEEPALIVE_SECONDS,
        )
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
    ) -> "_Answer":
        """Send one request and return its 2xx answer, read to the end; anything else is raised as a `HamsaError`.

        Args:
            method: `GET` or `POST`.
            path: Path and query, beginning with a slash.
            content: The JSON body of a POST.
            secret: What the request holds besides the key that must not come back in an error text.
        """
        where = self.base_url + path.partition("?")[0]
        if self._http.is_closed:
            raise error_for_failure(method, where, httpx.ConnectError("the client is closed"))
        answer = await self._answer_or_failure(method, self.base_url + path, content)
        # Raised out here and not while handling it: no chain leads from our error to one that holds the request.
        if isinstance(answer, Exception):
            raise error_for_failure(method, where, answer)
        body = answer.body
        if not 200 <= answer.status_code < 300:
            body = self._without_our_secrets(body, secret)
            raise error_for_answer(method, where, answer.status_code, answer.headers, body=body, now=datetime.now(UTC))
        return answer

    async def _answer_or_failure(self, method: str, url: str, content: bytes | None) -> "_Answer | Exception":
        headers = None if content is None else {"Content-Type": "application/json"}
        try:
            # httpx bounds each wait for a piece; a server that dribbles its answer is bounded here.
            async with (
                asyncio.timeout(self.request_deadline_seconds),
                self._http.stream(method, url, content=content, headers=headers) as response,
            ):
                body = await read_body(response)
                return _Answer(method, url.partition("?")[0], response.status_code, response.headers, body)
        except Exception as failure:  # noqa: BLE001 - whatever it is, the phone may be ringing: the caller must know
            return failure

    def _record(
        self, kind: type[Record], answer: "_Answer", *, known_id: str | None = None, secret: str | None = None
    ) -> Record:
        """Read `data` out of an answer; where it has no id of its own, it has the one that was asked for."""
        try:
            data = decoded(read_json(answer.body)["data"])
            if known_id is not None and isinstance(data, dict) and data and not data.get("id"):
                data["id"] = known_id
            return kind.model_validate(data)
        # ValueError covers JSON that is none and pydantic's verdict; the others, JSON of another shape.
        except (ValueError, TypeError, KeyError):
            pass
        body = self._without_our_secrets(answer.body, secret)
        raise error_for_unreadable(answer.method, answer.url, answer.status_code, body)

    def _without_our_secrets(self, body: bytes, secret: str | None) -> bytes:
        """Blot out what a server may quote of our own request."""
        for ours in (self._api_key.get_secret_value(), secret):
            if ours:
                body = body.replace(ours.encode(), "•••".encode())
        return body


class _Answer(NamedTuple):
    """What came back, read to its end. `url` is without the query."""

    method: str
    url: str
    status_code: int
    headers: Mapping[str, str]
    body: bytes


def _the_one(record: Told, wanted: str, answer: "_Answer") -> Told:
    """Return a record if it is that of the call that was asked for; another's would be taken for this one's end."""
    if record.id.strip().casefold() == wanted.strip().casefold():
        return record
    raise error_for_another(answer.method, answer.url, answer.status_code, wanted, record.id)


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
