"""`/_sandbox/…`: the truth about every ring, and the means to change how things go. No key is asked for."""

import json
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from sandbox.calls import SHOWN_AS, BadOrder, Phase, describe_call, read_order
from sandbox.http.answers import Json, Problem
from sandbox.http.middleware import Endpoint
from sandbox.scenario import ScenarioProblem, read_scenario
from sandbox.world import World

_ENDINGS = tuple(phase.value for phase in Phase if SHOWN_AS[phase].value not in {"PENDING", "IN_PROGRESS"})


class Control:
    """The sandbox's own endpoints over a world.

    Args:
        world: The world that they show and change.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    async def get_calls(self, request: Request) -> Response:
        """The truth about every call, or about those to `number`."""
        return Json(self._world.calls(request.query_params.get("number")))

    async def plant_call(self, request: Request) -> Response:
        """Put in a call that somebody made from the dashboard."""
        body = await _read_object(request)
        created_at, ends_as = body.pop("createdAt", None), body.pop("endsAs", None)
        try:
            order = read_order(body, "hamsa")
        except BadOrder as error:
            raise _bad(f"{error.field} {error.reason}.") from None
        created = None if created_at is None else _moment(created_at)
        if ends_as is not None and ends_as not in _ENDINGS:
            raise _bad(f"endsAs must be one of {', '.join(_ENDINGS)}.")
        call = self._world.plant(order, created=created, ends_as=Phase(ends_as) if ends_as else None)
        return Json(describe_call(call, self._world.now()), 201)

    async def get_stats(self, request: Request) -> Response:
        """Counts over everything since the start or the last reset."""
        return Json(self._world.stats())

    async def reset(self, request: Request) -> Response:
        """Forget every call and count; `seed` and `scenario` in the body replace the present ones."""
        body = await _read_object(request, empty_is_fine=True)
        unknown = set(body) - {"seed", "scenario"}
        seed = body.get("seed")
        if unknown or not (seed is None or isinstance(seed, int)) or not isinstance(body.get("scenario", {}), dict):
            raise _bad("reset takes seed (a whole number) and scenario (an object), both optional.")
        if "scenario" in body:
            self._world.scenario = read_scenario(body["scenario"])
        self._world.reset(seed)
        return Json({"seed": self._world.seed, "scenario": self._world.scenario.model_dump(mode="json")})

    async def scenario(self, request: Request) -> Response:
        """GET returns the scenario, PUT replaces it, PATCH changes some fields of it."""
        if request.method == "PUT":
            self._world.scenario = read_scenario(await _read_object(request))
        elif request.method == "PATCH":
            self._world.scenario = self._world.scenario.changed(await _read_object(request))
        return Json(self._world.scenario.model_dump(mode="json"))


def plainly(endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with its problems turned into answers: one sentence in `message`."""

    async def answering(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ScenarioProblem as problem:
            return _bad(str(problem)).answer()
        except Problem as problem:
            return problem.answer()

    return answering


async def _read_object(request: Request, *, empty_is_fine: bool = False) -> dict[str, Any]:
    raw = await request.body()
    if not raw and empty_is_fine:
        return {}
    try:
        body = json.loads(raw)
    except ValueError:
        raise _bad("the body is not JSON.") from None
    if not isinstance(body, dict):
        raise _bad("the body must be a JSON object.")
    return body


def _moment(text: object) -> float:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _bad("createdAt must be a time in ISO 8601 with its offset, like 2026-11-03T15:00:00Z.")
    return moment.timestamp()


def _bad(message: str) -> Problem:
    return Problem(400, "SandboxProblem", message)
