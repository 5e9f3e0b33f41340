"""What every request to the API passes: it is counted, its key is looked at, and its answer dated and counted."""

from collections.abc import Awaitable, Callable
from email.utils import formatdate
from secrets import compare_digest

from starlette.requests import Request
from starlette.responses import Response

from sandbox.http.answers import AnswerLost, Problem, fail_with, spoil
from sandbox.scenario import Manner
from sandbox.world import World

Endpoint = Callable[[Request], Awaitable[Response]]


class Gate:
    """Lets in who has a key.

    Args:
        world: Counts requests and answers, and decides which reads fail.
        api_key: The only key that is let in; without one, any secret key is.
    """

    def __init__(self, world: World, api_key: str | None = None) -> None:
        self._world = world
        self._api_key = api_key
        self._dated = (0, "")

    def guard(self, name: str, endpoint: Endpoint) -> Endpoint:
        """Return `endpoint` behind this gate; `name` is what its requests are counted under."""

        async def guarded(request: Request) -> Response:
            self._world.requests[name] += 1
            try:
                response = await self._answer(request, endpoint)
            except Problem as problem:
                response = problem.answer()
            except AnswerLost:
                self._world.answers["lost"] += 1
                raise
            self._world.answers[str(response.status_code)] += 1
            response.headers["date"] = self._date()
            return response

        return guarded

    async def _answer(self, request: Request, endpoint: Endpoint) -> Response:
        self._check_key(request.headers.get("authorization", ""))
        met = self._world.meet_reading_fault(request.url.path) if request.method == "GET" else None
        if met is None:
            return await endpoint(request)
        _, fault = met
        if fault.manner is Manner.SLOW:
            await self._world.clock.sleep(self._world.scenario.slow_seconds)
        elif fault.manner not in {Manner.GARBAGE, Manner.NO_ID}:
            return fail_with(fault, self._world.scenario.retry_after_seconds)
        return spoil(await endpoint(request), fault)

    def _check_key(self, header: str) -> None:
        word, _, key = header.partition(" ")
        if word != "Token" or not key or key != key.strip():
            raise Problem(401, "Unauthorized", "The Authorization header must be: Token <api-key>")
        if key.startswith("pk_"):
            raise Problem(401, "PublicKeyNotAllowed", "This is a public browser key")
        if key.startswith("ct_"):
            raise Problem(401, "CallTokenNotAllowed", "This is a token for one call")
        wrong = self._api_key is not None and not compare_digest(key.encode(), self._api_key.encode())
        if wrong or self._world.scenario.key_rotated:
            raise Problem(401, "KeyRotated", "The API key was rotated")

    def _date(self) -> str:
        second = int(self._world.now() + self._world.scenario.clock_skew_seconds)
        if self._dated[0] != second:
            self._dated = (second, formatdate(second, usegmt=True))
        return self._dated[1]
