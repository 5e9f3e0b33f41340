"""The client: every request to Hamsa goes out here, and comes back as a record or as an error that says what to do.

It never retries and never follows a redirect: who may ask again, and when, is decided by those who know what a second
ring would mean.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Self
from urllib.parse import quote, urlencode

import httpx

from hamsa.agents import VoiceAgentRecord
from hamsa.answers import error_for_another
from hamsa.connection import MAX_IDLE, HamsaConnection
from hamsa.errors import Refused, Unavailable
from hamsa.models import CallPage, JobRecord, Project
from hamsa.requests import CallRequest, json_body
from hamsa.settings import HamsaAccess

MAX_PER_PAGE = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class HamsaClient(HamsaConnection):
    """Hamsa's HTTP API over one pool of connections.

    Use it as an async context manager, or call `aclose()` at the end. One client serves any number of tasks of one
    event loop. Cancelling a request cancels it: `asyncio.CancelledError` passes through, and a call whose creation was
    cancelled may have been placed all the same.

    Args:
        api_key: A secret key of the Hamsa project, with or without the word `Token` before it.
        base_url: Where the API is: https, or plain http to this machine.
        timeouts: How long each part of a request may take.
        transport: What carries the requests instead of the network, for tests.
        max_connections: The most connections that are open at once; other requests wait for one of them.
        max_idle: The most connections that are kept for later.

    Raises:
        ValueError: The key or the address cannot be right; the text says why and does not show the key.

    Example:
        >>> async def ring() -> str:
        ...     async with HamsaClient("my-key") as hamsa:
        ...         job = await hamsa.create_call(CallRequest(to_number="+12125550123", voice_agent_id="a1"))
        ...     return job.id
    """

    @classmethod
    def from_settings(
        cls,
        settings: HamsaAccess,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        max_idle: int = MAX_IDLE,
    ) -> Self:
        """Make a client as the settings say. `transport` and `max_idle` as for the client itself.

        Raises:
            ValueError: The settings hold no API key.
        """
        if settings.api_key is None:
            raise ValueError("There is no Hamsa API key: set HAMSA_API_KEY to a secret key of your Hamsa project.")
        return cls(
            settings.api_key,
            base_url=settings.resolved_base_url,
            timeouts=settings.timeouts,
            transport=transport,
            max_connections=settings.max_connections,
            max_idle=max_idle,
        )

    async def create_call(self, call: CallRequest) -> JobRecord:
        """Place a call: this rings a phone.

        Args:
            call: Whom to call, with which agent.

        Returns:
            The job record of the call that now exists. (For a number of one's own Hamsa sends its id and agent only.)

        Raises:
            NotPlaced: It surely was not placed; the same call may be asked for again, after `retry_after` if given.
            Refused: Hamsa said no; asking again changes nothing.
            Unauthorized: The key is not valid; no other call will succeed either.
            Uncertain: It may have been placed; find out before anything else.
        """
        path, body = call.to_wire()
        webhook_secret = call.webhook_auth.auth_secret.get_secret_value() if call.webhook_auth else None
        response = await self._request("POST", path, content=json_body(body), secret=webhook_secret)
        return self._record(JobRecord, response, secret=webhook_secret)

    async def get_job(self, job_id: str) -> JobRecord:
        """Return the job record of a call.

        Raises:
            Refused: Hamsa knows no such job, or not for this key (`Unauthorized`).
            Unavailable: There was no usable answer, or one about another job; look again later.
        """
        response = await self._request("GET", f"/v1/jobs?{urlencode({'jobId': _checked_id(job_id)})}")
        # Where the conversation can be seen is said beside the record.
        job = self._record(JobRecord, response, known_id=job_id, beside=("previewUrl",))
        # Assumed: a record is that of the job that was asked for. Another's would be taken for this call's end.
        if job.id.strip().casefold() != job_id.strip().casefold():
            raise error_for_another(response.method, response.url, response.status_code, job_id, job.id)
        return job

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


def _checked_id(identifier: str) -> str:
    # An empty id, or one of dots only, would turn the path into that of another endpoint.
    if not identifier.strip(". "):
        raise ValueError(f"{identifier!r} is not an id that Hamsa could know.")
    return identifier


def _since_epoch(moment: datetime) -> timedelta:
    if moment.tzinfo is None:
        raise ValueError("start_time and end_time need a time zone: Hamsa counts in UTC.")
    return moment - _EPOCH
