"""The receiver as an ASGI application: `POST /hamsa` takes an event, `GET /health` says how it goes.

Promises an answer within Hamsa's five seconds, 200 only for what is on the disk or of no use, and to whoever cannot
show the secret the same answer whatever they sent, before anything of it is read.
"""

import asyncio
import hashlib
import hmac
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from campaign.clock import Clock
from webhooks.received import NoEvent, read_event, what_is_kept
from webhooks.recorder import Recorder
from webhooks.settings import ANSWER_SECONDS, WebhookSettings
from webhooks.spool import Spool, SpoolError

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
    """A request is not taken. `str()` is what its sender is told."""

    def __init__(self, status: int, why: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        # What is left of its body is not worth reading.
        self.headers = {"connection": "close", **(headers or {})}


class WebhookAuthenticator:
    """Knows Hamsa by the header that it sends.

    Args:
        authorization: The whole header; None lets everybody in.
    """

    def __init__(self, authorization: str | None) -> None:
        self._expected = None if authorization is None else _digest(authorization)

    def admits(self, request: Request) -> bool:
        """Whether a request shows the secret. Takes the same time whatever it shows."""
        if self._expected is None:
            return True
        shown = request.headers.getlist("authorization")
        # Digests are of one length, so that nothing of the secret, its length included, shows in the time this takes.
        return hmac.compare_digest(_digest(shown[0] if len(shown) == 1 else ""), self._expected)


class WebhookReceiver:
    """Takes events into the spool.

    Args:
        settings: What is taken.
        spool: Open while requests come.
        recorder: Told of each new event.
        clock: The time of reports about strangers.
    """

    def __init__(self, settings: WebhookSettings, spool: Spool, recorder: Recorder, clock: Clock) -> None:
        self.answers: Counter[int] = Counter()
        """Answers given, by status."""
        self.taken: Counter[str] = Counter()
        """Events by type that were taken on; doubles as well."""
        self.doubles = 0
        self.ignored: Counter[str] = Counter()
        """Events by type of which nothing is to be recorded."""
        self._settings = settings
        self._spool = spool
        self._recorder = recorder
        self._clock = clock
        self._keeper = WebhookAuthenticator(settings.authorization)
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
        if not self._keeper.admits(request):
            self._report_stranger()
            raise Refusal(401, "Unauthorized", CHALLENGE)
        _check_kind(request)
        body = await self._read(request)
        try:
            event = read_event(body)
        except NoEvent as error:
            raise Refusal(422, str(error)) from None
        kept = what_is_kept(event)
        if kept is None:
            known = event.event_type in self.ignored or len(self.ignored) < MOST_TYPES
            self.ignored[event.event_type if known else "other"] += 1
            return JSONResponse({"message": "Nothing is to be recorded of this event."})
        if self._spool.waiting >= self._settings.max_waiting:
            logger.error("%s events wait to be recorded, no more are taken: see to the ledger", self._spool.waiting)
            return self._not_now("Too many events wait.")
        new = await self._spool.add(kept)
        self.taken[kept.event_type] += 1
        self.doubles += not new
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

    def _not_now(self, why: str) -> Response:
        return JSONResponse({"message": why}, 503, {"retry-after": str(RETRY_AFTER_SECONDS), "connection": "close"})

    def _report_stranger(self) -> None:
        """Say that somebody without the secret was here; not for each, as they may come in thousands."""
        now = self._clock.now()
        self._strangers += 1
        if self._reported_strangers_at is None or now - self._reported_strangers_at >= REPORT_STRANGERS_EVERY:
            logger.warning(
                "%s requests did not show the Authorization that is expected; if Hamsa sent them, the agent's webhook "
                "auth is not this receiver's",
                self._strangers,
            )
            self._strangers, self._reported_strangers_at = 0, now

    async def health(self, _request: Request) -> Response:
        """Answer a GET: 200 while events can be taken on, 503 while they cannot."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._spool.probe()
        except (SpoolError, TimeoutError) as error:
            logger.error("The spool cannot be written: %s", error)
            can_take = False
        else:
            can_take = self._spool.waiting < self._settings.max_waiting
        return JSONResponse(self._report(can_take), 200 if can_take else 503, {"cache-control": "no-store"})

    def _report(self, can_take: bool) -> dict[str, Any]:
        """How it goes: counts since the start, and no address, number or id."""
        since = self._recorder.failing_since
        error = None
        if not can_take:
            error = "events cannot be taken on: the spool cannot be written or is full; the log says why"
        elif since is not None:
            error = f"the ledger has taken no events since {since.isoformat(timespec='seconds')}; the log says why"
        return {
            "status": "ok" if error is None else ("recording is delayed" if can_take else "failing"),
            "waiting": self._spool.waiting,
            "last_error": error,
            "taken": dict(self.taken),
            "doubles": self.doubles,
            "ignored": dict(self.ignored),
            "results": dict(self._recorder.results),
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
    app = Starlette(routes=routes, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


def _check_kind(request: Request) -> None:
    """Refuse what does not say that it is JSON in UTF-8."""
    kind, *parameters = request.headers.get("content-type", "").lower().split(";")
    if not re.fullmatch(r"application/([\w.-]+\+)?json", kind.strip()):
        raise Refusal(415, "An event is sent as application/json.")
    charsets = [text.partition("=")[2].strip(' "') for text in parameters if text.strip().startswith("charset=")]
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity" or not set(charsets) <= {"utf-8", "utf8", "us-ascii"}:
        raise Refusal(415, "An event is sent in UTF-8 and not compressed.")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("latin-1", "replace")).digest()
