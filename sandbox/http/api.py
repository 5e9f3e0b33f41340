"""Hamsa's endpoints: place a call, look at one, list many, and what else the client asks for."""

import json
from dataclasses import replace
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from hamsa.models import JobStatus
from sandbox.calls import BadOrder, Call, CallOrder, Wanted, read_order
from sandbox.http.answers import Json, Problem, fail_with, spoil
from sandbox.http.middleware import Endpoint
from sandbox.http.wire import conversation, job_record, list_row, preview_address
from sandbox.scenario import AgentSpec, Fault, Manner, agent_v1, agent_v2
from sandbox.world import PROJECT_ID, World

MAX_PER_PAGE = 200
LATE_SECONDS = 5.0
"""For so long after the end of a call its record is behind, if records are late."""
_STATUSES = frozenset(str(status) for status in JobStatus)


class Api:
    """Hamsa's endpoints over a world.

    Args:
        world: Whose calls these are.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def placing(self, source: str) -> Endpoint:
        """Return the endpoint that places calls from this source of numbers: hamsa, own or twilio."""

        async def place_call(request: Request) -> Response:
            order = await read_call_order(request, source)
            if refusal := self._world.refusal_for_agent(order.agent_id):
                raise Problem(refusal.status, refusal.message_key, refusal.message)
            return await self._place(order)

        return place_call

    async def _place(self, order: CallOrder) -> Response:
        world = self._world
        retry_after = world.scenario.retry_after_seconds
        if world.lines_are_full():
            world.faults["lines_full"] += 1
            raise Problem(
                429, "ConcurrencyLimitReached", "Too many calls are in progress already", retry_after=retry_after
            )
        met = world.meet_fault(order.number)
        if met is None:
            return self._placed(world.place(order))
        kind, fault = met
        if not fault.places:
            return fail_with(fault, retry_after)
        call = world.place(order, kind)
        return await self._answer_after_placing(call, fault)

    async def _answer_after_placing(self, call: Call, fault: Fault) -> Response:
        if fault.manner is Manner.SLOW:
            await self._world.clock.sleep(self._world.scenario.slow_seconds)
        elif fault.manner not in {Manner.GARBAGE, Manner.NO_ID}:
            return fail_with(fault, self._world.scenario.retry_after_seconds)
        return spoil(self._placed(call), fault)

    def _placed(self, call: Call) -> Response:
        if call.source == "own":
            data: dict[str, Any] = {"voiceAgentId": call.agent_id, "jobId": call.id}
        else:
            data = self._job(call)
        # As documented: `success` is false beside a call that was placed.
        return Json({"success": False, "message": "success", "data": data}, self._world.scenario.created_status)

    async def get_job(self, request: Request) -> Response:
        """The job record of `jobId`."""
        job_id, lies = request.query_params.get("jobId"), self._world.scenario.lies
        call = self._find(job_id, "jobId", "JobNotFound")
        late = lies.record_late if call.life.ends_at <= self._world.now() < call.life.ends_at + LATE_SECONDS else "no"
        if lies.record_missing or late == "unknown":
            raise Problem(404, "JobNotFound", f"There is nothing with the jobId {job_id}", params={"jobId": job_id})
        shown = self._world.shown_instead(call)
        record = self._job(shown, shown.life.ends_at - 0.001 if late == "in_progress" else None)
        if late == "without_outcome":
            record["jobResponse"] = None
        if lies.record_of == "other_content":
            record["id"] = call.id
        return Json({"message": "success", "previewUrl": preview_address(call), "data": lies.data(record)})

    async def get_conversation(self, request: Request) -> Response:
        """The conversation of that id, which is the job id."""
        call = self._find(request.path_params["id"], "conversationId", "ConversationNotFound")
        data = conversation(call, self._world.scenario, self._world.now())
        return Json({"success": True, "message": "success", "data": data})

    async def terminate(self, request: Request) -> Response:
        """Hang up a call that is pending or in progress: a GET with an effect, as documented."""
        call = self._world.call(request.path_params["id"])
        if call is None or not self._world.terminate(call):
            given = {"conversationId": request.path_params["id"]}
            raise Problem(400, "ConversationNotActive", "There is no such conversation in progress", params=given)
        key = "ConversationTerminatedSuccessfully"
        return Json({"success": True, "message": "Conversation terminated successfully", "messageKey": key})

    async def list_calls(self, request: Request) -> Response:
        """One page of many calls."""
        wanted = self._wanted(request)
        if (data := self._world.cached_list()) is None:
            page = self._world.page(wanted)
            scenario, at = self._world.scenario, self._world.list_moment()
            rows = [list_row(call, scenario, at) for call in page.calls]
            data = {**scenario.lies.counts(page), "calls": rows}
            self._world.cache_list(data)
        return Json({"success": True, "message": "success", "data": data})

    async def get_project(self, request: Request) -> Response:
        """The project that the key belongs to."""
        if not self._world.scenario.knows_project:
            raise Problem(404, "NotFound", f"Cannot {request.method} {request.url.path}")
        data = {"id": PROJECT_ID, "name": "Sandbox"}
        return Json({"success": True, "message": "success", "data": data})

    def getting_voice_agent(self, version: Literal["v1", "v2"]) -> Endpoint:
        """Return the endpoint that shows the voice agent of an id as this version of the API does."""
        show = agent_v1 if version == "v1" else agent_v2

        async def get_voice_agent(request: Request) -> Response:
            agent_id = request.path_params["id"]
            if self._world.scenario.agent_versions not in ("both", version):
                raise Problem(404, "NotFound", f"Cannot {request.method} {request.url.path}")
            if refusal := self._world.refusal_for_agent(agent_id):
                raise Problem(refusal.status, refusal.message_key, refusal.message)
            data = show(agent_id, self._world.agent(agent_id))
            return Json({"success": True, "message": "success", "data": data})

        return get_voice_agent

    async def list_voice_agents(self, request: Request) -> Response:
        """The scenario's agents. It is paginated; how a page is asked for is not documented, so all are on one."""
        if self._world.scenario.agent_versions == "v1":
            raise Problem(404, "NotFound", f"Cannot {request.method} {request.url.path}")
        shown = [agent_v2(agent_id, agent) for agent_id, agent in self._world.scenario.agents.items()]
        data = {"total": len(shown), "filtered": len(shown), "voiceAgents": shown}
        return Json({"success": True, "message": "success", "data": data})

    async def get_overview(self, request: Request) -> Response:
        """How many conversations an agent has in progress, and had in all."""
        agent_id = request.query_params.get("voiceAgentId") or None
        both = [
            self._world.page(Wanted(agent_id=agent_id, statuses=statuses)).filtered
            for statuses in (frozenset({"PENDING", "IN_PROGRESS"}), frozenset())
        ]
        data = {"liveSessionsNumber": both[0], "totalSessionsNumber": both[1]}
        return Json({"success": True, "message": "success", "data": data})

    async def get_statistics(self, request: Request) -> Response:
        """What all calls of the project cost so far."""
        cost = self._world.stats()["cost"]
        return Json({"success": True, "message": "success", "data": {"price": {"value": cost, "unit": "USD"}}})

    def _job(self, call: Call, at: float | None = None) -> dict[str, Any]:
        world = self._world
        now = world.now() if at is None else at
        agent = world.agent(call.agent_id) if call.agent_id else AgentSpec(name=call.agent_name)
        return job_record(call, agent, world.scenario, max(now, call.created))

    def _find(self, call_id: str | None, field: str, message_key: str) -> Call:
        if not call_id:
            raise Problem(400, "ValidationError", f"{field} must be given", params={"field": field})
        call = self._world.call(call_id)
        if call is None:
            raise Problem(404, message_key, f"There is nothing with the {field} {call_id}", params={field: call_id})
        return call

    def _wanted(self, request: Request) -> Wanted:
        query = request.query_params
        statuses = frozenset(query.getlist("status"))
        for status in statuses - _STATUSES:
            raise _bad_query("status", f"must be one of {', '.join(sorted(_STATUSES))}, not {status}")
        scenario = self._world.scenario
        wanted = Wanted(
            agent_id=query.get("voiceAgentId") or None,
            statuses=statuses,
            order=scenario.list_order,
            page=_whole(request, "page", 1, low=1),
            per_page=_whole(request, "perPage", 100, low=1, high=MAX_PER_PAGE),
        )
        # The client names moments of the server's clock, and that clock may be wrong.
        ahead_ms = scenario.clock_skew_seconds * 1000
        if "startTime" in query:
            wanted = replace(wanted, from_ms=_whole(request, "startTime", 0, low=0) - ahead_ms)
        if "endTime" in query:
            wanted = replace(wanted, to_ms=_whole(request, "endTime", 0, low=0) - ahead_ms)
        return wanted


async def read_call_order(request: Request, source: str) -> CallOrder:
    """Understand the body of a request to place a call.

    Raises:
        Problem: It would be refused, with 400.
    """
    try:
        body = json.loads(await request.body())
    except ValueError:
        raise Problem(400, "InvalidJson", "The body is not JSON") from None
    try:
        return read_order(body, source)
    except BadOrder as error:
        params = {"field": error.field, "reason": error.reason}
        raise Problem(400, "ValidationError", f"{error.field} {error.reason}", params=params) from None


def _whole(request: Request, field: str, default: int, *, low: int, high: int | None = None) -> int:
    text = request.query_params.get(field)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < low or (high is not None and int(text) > high):
        bounds = f"of {low} or more" if high is None else f"from {low} to {high}"
        raise _bad_query(field, f"must be a whole number {bounds}")
    return int(text)


def _bad_query(field: str, reason: str) -> Problem:
    return Problem(400, "ValidationError", f"{field} {reason}", params={"field": field, "reason": reason})
