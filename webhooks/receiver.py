"""The receiver as an ASGI application: `POST /hamsa` takes an event, `GET /health` says how it goes.

Promises an answer within Hamsa's five seconds, 200 only for what is on the disk or of no use, and to whoever cannot
show the secret the same answer whatever they sent, before anything of it is read.
"""

import asyncio
import hashlib
import hmac
import logging
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from campaign.clock import Clock
from campaign.wording import counted
from webhooks.received import NoEvent, read_event, to_be_kept
from webhooks.recorder import Recorder
from webhooks.settings import ANSWER_SECONDS, WebhookSettings
from webhooks.spool import Spool
from webhooks.spool_file import SpoolError

logger = logging.getLogger(__name__)

PATH = "/hamsa"
"""Where Hamsa posts its events."""

RETRY_AFTER_SECONDS = 10
"""After how long one may try again what could not be taken now."""

CHALLENGE = {"www-authenticate": 'Bearer realm="webhooks"'}
"""What HTTP wants beside a 401. It says nothing of the first word that is really expected."""

MOST_TYPES = 50
"""Unknown event types that are counted by name."""

REPORT_STRANGERS_EVERY = timedelta(minutes=1)


class Refusal(Exception):
    """A request is not taken. `str()` is what its sender gets to read."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        # What is left of its body is not worth reading.
        self.headers = {"connection": "close", **(headers or {})}


class WebhookAuthenticator:
    """Knows Hamsa by the header that it sends.

    Args:
        authorizations: The whole headers of which one is expected, the present one first; empty lets everybody in.
    """

    def __init__(self, authorizations: Sequence[str]) -> None:
        self.by_previous = 0
        """Requests that showed a secret that is being replaced."""
        self._expected = [_digest(authorization) for authorization in authorizations]

    def admits(self, request: Request) -> bool:
        """Whether a request shows a secret. Takes the same time whatever it shows."""
        if not self._expected:
            return True
        headers = request.headers.getlist("authorization")
        shown = _digest(headers[0] if len(headers) == 1 else "")
        # Digests are of one length, so that nothing of the secret, its length included, shows in the time this takes.
        matches = [hmac.compare_digest(shown, expected) for expected in self._expected]
        self.by_previous += any(matches[1:])
        return any(matches)


class WebhookReceiver:
    """Takes events into the spool."""

    def __init__(self, settings: WebhookSettings, spool: Spool, recorder: Recorder, clock: Clock) -> None:
        self.answers: Counter[int] = Counter()
        """Answers given, by status."""
        self.taken: Counter[str] = Counter()
        """Events by type that were taken on, duplicates included."""
        self.duplicates = 0
        self.ignored: Counter[str] = Counter()
        """Events by type of which nothing is to be recorded."""
        self._settings = settings
        self._spool = spool
        self._recorder = recorder
        self._clock = clock
        self._authenticator = WebhookAuthenticator(settings.authorizations)
        self._strangers = 0
        self._reported_strangers_at: datetime | None = None

    async def take(self, request: Request) -> Response:
        """Answer a POST."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self._take(request)
        except Refusal as refusal:
            answer = JSONResponse({"message": str(refusal)}, refusal.status, refusal.headers)
        except SpoolError as error:
            logger.error("An event could not be taken: %s", error)
            answer = self._not_now("The event cannot be kept now.")
        except TimeoutError:
            logger.error("An event was not on the disk within %s s, so it was not taken", ANSWER_SECONDS)
            answer = self._not_now("The event cannot be kept now.")
        except ClientDisconnect:
            answer = Response(status_code=400)  # nobody is there to read it
        self.answers[answer.status_code] += 1
        return answer

    async def _take(self, request: Request) -> Response:
        if not self._authenticator.admits(request):
            self._report_unauthorized()
            raise Refusal(401, "Unauthorized", CHALLENGE)
        _check_encoding(request)
        body = await self._read(request)
        try:
            event = read_event(body)
        except NoEvent as error:
            raise Refusal(422, str(error)) from None
        kept = to_be_kept(event)
        if kept is None:
            known = event.event_type in self.ignored or len(self.ignored) < MOST_TYPES
            self.ignored[event.event_type if known else "other"] += 1
            return JSONResponse({"message": "Nothing is to be recorded of this event."})
        if (full := self._why_full()) is not None:
            logger.error("%s to be recorded, no more are taken: check the ledger", full)
            return self._not_now("Too many events wait.")
        new = await self._spool.add(kept)
        self.taken[kept.event_type] += 1
        self.duplicates += not new
        self._recorder.wake()
        return JSONResponse({"message": "The event is taken." if new else "The event had been taken before."})

    async def _read(self, request: Request) -> bytes:
        most = self._settings.max_body_bytes
        refusal = Refusal(413, f"The body is larger than {most} bytes.")
        length = request.headers.get("content-length", "")
        if length.isdecimal() and int(length[:20]) > most:
            raise refusal
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._settings.body_timeout_seconds):
                async for part in request.stream():
                    size += len(part)
                    if size > most:
                        raise refusal
                    parts.append(part)
        except TimeoutError:
            raise Refusal(408, "The body took too long to arrive.") from None
        return b"".join(parts)

    def _why_full(self) -> str | None:
        """Why no more events can be kept for now, if so."""
        spool, settings = self._spool, self._settings
        if spool.waiting >= settings.max_waiting:
            return f"{spool.waiting} events wait"
        if spool.waiting_bytes >= settings.max_waiting_bytes:
            return f"{spool.waiting_bytes} bytes of events wait"
        return None

    def _not_now(self, why: str) -> Response:
        return JSONResponse({"message": why}, 503, {"retry-after": str(RETRY_AFTER_SECONDS), "connection": "close"})

    def _report_unauthorized(self) -> None:
        """Say that somebody without the secret was here; not for each, as they may come in thousands."""
        now = self._clock.now()
        self._strangers += 1
        if self._reported_strangers_at is None or now - self._reported_strangers_at >= REPORT_STRANGERS_EVERY:
            logger.warning(
                "%s did not show the Authorization that is expected; if Hamsa sent that, the webhook auth of the agent "
                "or of its block is not this receiver's",
                counted(self._strangers, "request"),
            )
            self._strangers, self._reported_strangers_at = 0, now

    async def health(self, _request: Request) -> Response:
        """Answer a GET: 200 while events can be taken, 503 while they cannot."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._spool.probe()
        except (SpoolError, TimeoutError) as error:
            logger.error("The spool cannot be written: %s", error)
            problem: str | None = "no events can be taken: the spool cannot be written; the log says why"
        else:
            full = self._why_full()
            problem = f"no events can be taken: the spool is full ({full}); check the ledger" if full else None
        return JSONResponse(self._report(problem), 503 if problem else 200, {"cache-control": "no-store"})

    def _report(self, problem: str | None) -> dict[str, Any]:
        """How it goes: counts since the start, and no address, number or id."""
        since = self._recorder.failing_since
        error = problem
        if problem is None and since is not None:
            error = f"the ledger has taken no events since {since.isoformat(timespec='seconds')}; the log says why"
        return {
            "status": "ok" if error is None else ("failing" if problem else "recording is delayed"),
            "waiting": self._spool.waiting,
            "waiting_bytes": self._spool.waiting_bytes,
            "last_error": error,
            "taken": dict(self.taken),
            "duplicates": self.duplicates,
            "ignored": dict(self.ignored),
            "results": dict(self._recorder.results),
            "by_previous_secret": self._authenticator.by_previous,
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
        }


def create_app(settings: WebhookSettings, spool: Spool, recorder: Recorder, *, clock: Clock) -> Starlette:
    """Make the application. The recorder works while it lives; the spool has to be open for as long."""
    receiver = WebhookReceiver(settings, spool, recorder, clock)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        recorder.start()
        try:
            yield
        finally:
            await recorder.stop()

    routes = [Route(PATH, receiver.take, methods=["POST"]), Route("/health", receiver.health, methods=["GET"])]
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[Middleware(CloseUnlessTaken)])
    app.router.redirect_slashes = False
    return app


class CloseUnlessTaken:
    """Lets only a connection stay open on which an event was just taken: whoever asks for anything else is sent off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start" and (message["status"] >= 400 or scope["path"] != PATH):
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        await self._app(scope, receive, answer if scope["type"] == "http" else send)


def _check_encoding(request: Request) -> None:
    """Refuse what says that it is not UTF-8. Whether it is JSON its content shows, whatever type its sender names."""
    _, *parameters = request.headers.get("content-type", "").lower().split(";")
    charsets = [text.partition("=")[2].strip(' "') for text in parameters if text.strip().startswith("charset=")]
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity" or not set(charsets) <= {"utf-8", "utf8", "us-ascii"}:
        raise Refusal(415, "An event is sent in UTF-8 and not compressed.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("latin-1", "replace")).digest()
