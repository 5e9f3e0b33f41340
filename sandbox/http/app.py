"""The sandbox as an ASGI application: Hamsa's API over a world, and beside it `/_sandbox/…`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sandbox.calls import ROUTES
from sandbox.http.answers import Problem
from sandbox.http.api import Api
from sandbox.http.control import Control, plainly
from sandbox.http.middleware import Endpoint, Gate
from sandbox.http.webhooks import Postman
from sandbox.world import World


class _SandboxApp(Starlette):
    """Starlette without the layer that answers 500 to every exception: a lost answer must stay lost."""

    def build_middleware_stack(self) -> ASGIApp:
        return ExceptionMiddleware(self.router, handlers=self.exception_handlers)


def create_app(world: World, *, api_key: str | None = None, postman: Postman | None = None) -> Starlette:
    """Return the API of `world` as an ASGI application.

    Where there is no answer to a request, `sandbox.http.answers.AnswerLost` leaves the application.

    Args:
        world: Whose calls these are.
        api_key: The only key that is let in; without one, any secret key is.
        postman: Sends the webhooks; closed when the application ends.
    """
    gate, api, control = Gate(world, api_key), Api(world), Control(world)

    def get(path: str, endpoint: Endpoint) -> Route:
        return Route(path, gate.guard(f"GET {path}", endpoint), methods=["GET"])

    routes = [
        Route(route.path, gate.guard(f"POST {route.path}", api.placing(source)), methods=["POST"])
        for source, route in ROUTES.items()
    ]
    routes += [
        get("/v1/voice-agents/conversations/minimal-list", api.list_calls),
        get("/v1/jobs", api.get_job),
        get("/v1/voice-agents/conversation/{id}", api.get_conversation),
        get("/v1/voice-agents/conversation/{id}/terminate", api.terminate),
        get("/v1/projects/by-api-key", api.get_project),
        get("/v1/voice-agents/{id}", api.getting_voice_agent("v1")),
        get("/v2/voice-agents", api.list_voice_agents),
        get("/v2/voice-agents/{id}", api.getting_voice_agent("v2")),
        get("/v1/agent-analytics/overview", api.get_overview),
        get("/v1/projects/statistics/numbers", api.get_statistics),
        Route("/_sandbox/calls", plainly(control.get_calls), methods=["GET"]),
        Route("/_sandbox/calls", plainly(control.plant_call), methods=["POST"]),
        Route("/_sandbox/stats", plainly(control.get_stats), methods=["GET"]),
        Route("/_sandbox/reset", plainly(control.reset), methods=["POST"]),
        Route("/_sandbox/scenario", plainly(control.scenario), methods=["GET", "PUT", "PATCH"]),
    ]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        if postman is not None:
            await postman.aclose()

    app = _SandboxApp(routes=routes, exception_handlers={HTTPException: _not_here}, lifespan=lifespan)
    app.router.redirect_slashes = False
    return app


async def _not_here(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Problem(status, "NotFound", f"Cannot {request.method} {request.url.path}").answer()
