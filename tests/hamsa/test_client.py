"""The client over HTTP, in process: what it sends, what it makes of answers, what it never shows."""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from hamsa import (
    CallRequest,
    HamsaClient,
    HamsaError,
    HamsaSettings,
    NotPlaced,
    Refused,
    Timeouts,
    Unauthorized,
    Unavailable,
    Uncertain,
    WebhookAuth,
)
from tests.hamsa.asking import CALL, GETS
from tests.hamsa.conftest import API_KEY, StandIn


async def raised(asked: Awaitable[Any]) -> HamsaError:
    with pytest.raises(HamsaError) as error:
        await asked
    return error.value


def refusing(failure: Exception) -> HamsaClient:
    def handle(request: httpx.Request) -> httpx.Response:
        raise failure

    return HamsaClient(API_KEY, transport=httpx.MockTransport(handle))


# ------------------------------------------------------------------------------------------------------ what is sent


async def test_a_call_is_posted_once_as_documented(client: HamsaClient, stand_in: StandIn) -> None:
    record = await client.create_call(CALL)
    assert record.id == "job-1"
    [request] = stand_in.requests
    assert (request.method, request.path, request.query) == ("POST", "/v1/voice-agents/call", [])
    assert json.loads(request.body) == {
        "toNumber": "+12125550123",
        "voiceAgentId": "agent-1",
        "params": {"name": "Mona"},
    }
    assert request.header("content-type") == ["application/json"]
    assert request.header("content-length") == [str(len(request.body))]
    assert request.header("host") == ["api.tryhamsa.com"]


@pytest.mark.parametrize(
    "pasted", ["abc-123", "Token abc-123", "Authorization: Token abc-123 ", SecretStr("token abc-123")]
)
async def test_the_key_goes_out_once_behind_the_word_token_whatever_was_pasted(
    stand_in: StandIn, pasted: str | SecretStr
) -> None:
    async with HamsaClient(pasted, transport=httpx.ASGITransport(app=stand_in.app)) as client:
        await client.create_call(CALL)
        await client.get_project()
    for request in stand_in.requests:
        assert request.header("authorization") == ["Token abc-123"]
        assert sum("abc-123" in value for _, value in request.headers) == 1


async def test_values_as_databases_give_them_can_be_sent(client: HamsaClient, stand_in: StandIn) -> None:
    params = {
        "amount": Decimal("120.50"),
        "due": date(2026, 1, 2),
        "name": "منى 🌙",
        "missing": float("nan"),
        "lines": [{"n": 1}],
        "none": None,
    }
    await client.create_call(CallRequest(to_number="+12125550123", voice_agent_id="agent-1", params=params))
    assert json.loads(stand_in.requests[0].body)["params"] == {
        "amount": "120.50",
        "due": "2026-01-02",
        "name": "منى 🌙",
        "missing": None,
        "lines": [{"n": 1}],
        "none": None,
    }


@pytest.mark.parametrize("value", [object(), b"\xff", "\ud800"])
async def test_a_value_that_cannot_be_sent_is_refused_by_name_before_anything_is_sent(
    client: HamsaClient, stand_in: StandIn, value: object
) -> None:
    call = CallRequest(to_number="+12125550123", voice_agent_id="agent-1", params={"ok": 1, "photo": value})
    error = await raised(client.create_call(call))
    assert type(error) is Refused
    assert "params.photo" in str(error)
    assert stand_in.requests == []


async def test_a_path_in_front_of_the_api_is_kept(stand_in: StandIn) -> None:
    async with stand_in.client(base_url="https://gateway.example.com/hamsa/v1/") as client:
        await client.create_call(CALL)
    assert stand_in.requests[0].path == "/hamsa/v1/voice-agents/call"
    assert stand_in.requests[0].header("host") == ["gateway.example.com"]


async def test_an_id_cannot_lead_to_another_endpoint(client: HamsaClient, stand_in: StandIn) -> None:
    with pytest.raises(Unavailable, match="nothing is known of"):
        await client.get_job("a&b=c d")
    await client.get_voice_agent("../../projects/by-api-key?x=1#y")
    assert stand_in.requests[0].query == [("jobId", "a&b=c d")]
    assert stand_in.requests[1].path == "/v2/voice-agents/..%2F..%2Fprojects%2Fby-api-key%3Fx%3D1%23y"
    for empty in ("", " ", "..", "."):
        for ask in (client.get_job, client.get_voice_agent):
            with pytest.raises(ValueError, match="is not an id"):
                await ask(empty)
    assert len(stand_in.requests) == 2


# ------------------------------------------------------------------------------------- what is made of good answers


@pytest.mark.parametrize("status", [200, 201, 202])
@pytest.mark.parametrize("success", [False, True, None])
async def test_a_call_exists_when_its_id_is_there_whatever_success_says(
    client: HamsaClient, stand_in: StandIn, status: int, success: bool | None
) -> None:
    body = {"success": success, "message": "success", "data": {"id": "job-9", "status": "PENDING"}}
    stand_in.answer = JSONResponse(body, status_code=status)
    record = await client.create_call(CALL)
    assert (record.id, record.status) == ("job-9", "PENDING")


@pytest.mark.parametrize("key", ["ConversationTerminatedSuccessfully", "CALL_CREATED_SUCCESSFULLY"])
async def test_a_success_that_has_a_message_key_is_a_success(client: HamsaClient, stand_in: StandIn, key: str) -> None:
    stand_in.answer = JSONResponse({"success": False, "message": "done", "messageKey": key, "data": {"id": "job-9"}})
    assert (await client.create_call(CALL)).id == "job-9"


UNREADABLE: list[Response] = [
    *map(JSONResponse, ({}, [], None, "ok", 7, {"data": None}, {"data": {}}, {"data": []})),
    HTMLResponse("<title>Welcome</title>"),
    PlainTextResponse("OK"),
    PlainTextResponse('{"data": {"id": "job-1"'),
    Response(status_code=204),
    Response(b"\xff\xfe"),
    Response(b"no gzip", headers={"Content-Encoding": "gzip"}),
]


@pytest.mark.parametrize("answer", UNREADABLE)
async def test_a_success_that_nobody_can_read_is_uncertain_for_a_call_and_unavailable_otherwise(
    client: HamsaClient, stand_in: StandIn, answer: Response
) -> None:
    stand_in.answer = answer
    error = await raised(client.create_call(CALL))
    assert type(error) is Uncertain
    assert "may have been placed" in str(error)
    for ask in GETS:
        assert type(await raised(ask(client))) is Unavailable


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": ""}, {"id": []}, {"id": True}, {"id": {}}, {"jobId": None}])
async def test_a_success_without_an_id_is_uncertain(
    client: HamsaClient, stand_in: StandIn, data: dict[str, Any]
) -> None:
    stand_in.answer = JSONResponse({"success": True, "message": "success", "data": {"status": "PENDING", **data}})
    assert type(await raised(client.create_call(CALL))) is Uncertain


async def test_a_record_that_came_without_its_id_has_the_one_that_was_asked_for(
    client: HamsaClient, stand_in: StandIn
) -> None:
    stand_in.answer = JSONResponse({"data": {"status": "COMPLETED"}})
    assert (await client.get_job("job-7")).id == "job-7"
    assert (await client.get_voice_agent("agent-7")).id == "agent-7"


async def test_a_job_is_asked_for_by_its_id_and_where_it_can_be_seen_is_said_beside_it(
    client: HamsaClient, stand_in: StandIn
) -> None:
    seen = "https://dashboard.example.com/j-7"
    stand_in.answer = JSONResponse({"message": "ok", "previewUrl": seen, "data": {"id": "job-7", "status": "FAILED"}})
    job = await client.get_job("job-7")
    assert (job.id, job.status, job.preview_url) == ("job-7", "FAILED", seen)
    assert job.as_json()["previewUrl"] == seen
    assert (stand_in.requests[0].path, stand_in.requests[0].query) == ("/v1/jobs", [("jobId", "job-7")])
    nothings: list[Any] = [None, ["x"], {}]
    for nothing in nothings:
        stand_in.answer = JSONResponse({"previewUrl": nothing, "data": {"id": "job-7"}})
        assert "previewUrl" not in (await client.get_job("job-7")).as_json()


async def test_project_and_agent_are_read(client: HamsaClient, stand_in: StandIn) -> None:
    stand_in.answer = JSONResponse({"data": {"id": "p-1", "apiKey": "hush"}})
    project = await client.get_project()
    assert project.id == "p-1"
    assert "hush" not in project.model_dump_json()
    assert stand_in.requests[0].path == "/v1/projects/by-api-key"
    stand_in.answer = JSONResponse({"data": {"id": "agent-1", "agentName": "Salma", "preamble": "Call {{name}}."}})
    agent = await client.get_voice_agent("agent-1")
    assert agent.name == "Salma"
    assert agent.placeholders() == {"name"}
    assert stand_in.requests[-1].path == "/v2/voice-agents/agent-1"


V1_AGENT = JSONResponse({"data": {"id": "agent-1", "agentName": "Salma", "greetingMessage": "Hello {{name}}"}})


@pytest.mark.parametrize(
    "newer",
    [
        JSONResponse({"message": "Cannot GET /v2/voice-agents/agent-1"}, 404),
        JSONResponse({"message": "Bad id"}, 400),
        JSONResponse({}, 410),
        JSONResponse({}, 500),
        JSONResponse({"success": True, "data": None}),
        JSONResponse({"success": True, "data": ["agent-1"]}),
        JSONResponse(["agent-1"]),
        HTMLResponse("<html>Welcome</html>"),
        PlainTextResponse(""),
    ],
    ids=["404", "400", "410", "500", "null", "list", "no object", "page", "nothing"],
)
async def test_an_agent_that_version_2_does_not_show_is_read_by_version_1(
    client: HamsaClient, stand_in: StandIn, newer: Response
) -> None:
    stand_in.answer = lambda request: newer if request.url.path.startswith("/v2/") else V1_AGENT
    agent = await client.get_voice_agent("agent-1")
    assert agent.name == "Salma"
    assert agent.placeholders() == {"name"}
    assert [request.path for request in stand_in.requests] == [
        "/v2/voice-agents/agent-1",
        "/v1/voice-agents/agent-1",
    ]


@pytest.mark.parametrize(
    ("newer", "kind"), [(401, Unauthorized), (403, Unauthorized), (429, Unavailable)], ids=["401", "403", "429"]
)
async def test_where_version_2_says_no_to_us_version_1_is_not_asked(
    client: HamsaClient, stand_in: StandIn, newer: int, kind: type[HamsaError]
) -> None:
    stand_in.answer = lambda request: V1_AGENT if "/v1/" in request.url.path else JSONResponse({}, newer)
    assert type(await raised(client.get_voice_agent("agent-1"))) is kind
    assert len(stand_in.requests) == 1


async def test_an_agent_is_unknown_only_if_both_versions_say_so(client: HamsaClient, stand_in: StandIn) -> None:
    answers: dict[str, Response] = {"v2": JSONResponse({}, 404), "v1": JSONResponse({"message": "No such"}, 404)}
    stand_in.answer = lambda request: answers[request.url.path.split("/")[1]]
    assert type(await raised(client.get_voice_agent("agent-1"))) is Refused
    answers["v2"] = JSONResponse({}, 502)
    assert type(await raised(client.get_voice_agent("agent-1"))) is Unavailable


# ------------------------------------------------------------------------------------------ what is made of bad ones


async def test_an_html_502_leaves_a_call_uncertain_with_a_text_that_helps(
    client: HamsaClient, stand_in: StandIn
) -> None:
    stand_in.answer = HTMLResponse("<html><head><title>502 Bad Gateway</title></head><hr>nginx</html>", 502)
    error = await raised(client.create_call(CALL))
    assert type(error) is Uncertain
    assert error.status_code == 502
    assert str(error).startswith("502: an HTML page instead of an answer: 502 Bad Gateway.")
    assert "may have been placed" in str(error)
    for ask in GETS:
        assert type(await raised(ask(client))) is Unavailable


@pytest.mark.parametrize(
    ("status", "post", "get"),
    [
        *((400, Refused, Refused), (402, Refused, Refused), (404, Refused, Refused), (409, Refused, Refused)),
        *((401, Unauthorized, Unauthorized), (403, Unauthorized, Unauthorized), (422, Refused, Refused)),
        *((408, Uncertain, Unavailable), (429, NotPlaced, Unavailable)),
        *((500, Uncertain, Unavailable), (503, Uncertain, Unavailable)),
    ],
)
async def test_hamsas_own_words_reach_the_caller_as_the_right_error(
    client: HamsaClient, stand_in: StandIn, status: int, post: type[HamsaError], get: type[HamsaError]
) -> None:
    stand_in.answer = JSONResponse({"message": "Not now", "messageKey": "NotNow"}, status, headers={"Retry-After": "3"})
    for kind, asked in [(post, client.create_call(CALL)), *((get, ask(client)) for ask in GETS)]:
        error = await raised(asked)
        assert type(error) is kind
        assert str(error).startswith(f"{status} NotNow: Not now.")
        assert (error.message_key, error.status_code, error.retry_after) == ("NotNow", status, 3)
    # Nothing was tried twice; an agent that v2 does not show may be known to v1.
    assert len(stand_in.requests) == 1 + len(GETS) + (status not in (401, 403, 429))


async def test_a_retry_after_that_is_a_date_counts_from_now(client: HamsaClient, stand_in: StandIn) -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)
    stand_in.answer = JSONResponse({}, 429, headers={"Retry-After": f"{at:%a, %d %b %Y %H:%M:%S} GMT"})
    retry_after = (await raised(client.create_call(CALL))).retry_after
    assert retry_after is not None
    assert 60 < retry_after <= 90


async def test_a_redirect_is_never_followed(client: HamsaClient, stand_in: StandIn) -> None:
    stand_in.answer = RedirectResponse("https://elsewhere.example.com/v1/voice-agents/call", 307)
    error = await raised(client.create_call(CALL))
    assert type(error) is Uncertain, "whoever redirects may have placed the call"
    assert "base_url" in str(error)
    assert len(stand_in.requests) == 1


async def test_a_record_of_another_call_is_refused(client: HamsaClient, stand_in: StandIn) -> None:
    stand_in.answer = JSONResponse({"data": {"id": "job-2", "status": "COMPLETED"}})
    error = await raised(client.get_job("job-1"))
    assert type(error) is Unavailable
    assert "job-1" in str(error)
    assert (await client.get_job("JOB-2")).status == "COMPLETED"


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        *((httpx.ConnectError("no route"), NotPlaced), (httpx.ConnectTimeout("slow"), NotPlaced)),
        *((httpx.PoolTimeout("full"), NotPlaced), (httpx.ProxyError("407 Proxy"), NotPlaced)),
        *((httpx.ReadTimeout("slow"), Uncertain), (httpx.ReadError("reset"), Uncertain)),
        *((httpx.WriteError("reset"), Uncertain), (httpx.RemoteProtocolError("gone"), Uncertain)),
        *((OSError("odd"), Uncertain), (KeyError("a bug in a transport"), Uncertain)),
    ],
)
async def test_a_broken_transport_is_judged_by_whether_something_was_sent(
    failure: Exception, kind: type[HamsaError]
) -> None:
    async with refusing(failure) as client:
        error = await raised(client.create_call(CALL))
        assert type(error) is kind
        assert type(failure).__name__ in str(error)
        for ask in GETS:
            assert type(await raised(ask(client))) is Unavailable


async def test_a_closed_client_places_nothing(client: HamsaClient, stand_in: StandIn) -> None:
    await client.aclose()
    assert type(await raised(client.create_call(CALL))) is NotPlaced
    assert type(await raised(client.get_project())) is Unavailable
    assert stand_in.requests == []


async def test_cancelling_a_request_cancels_it() -> None:
    sending = asyncio.Event()

    async def handle(request: httpx.Request) -> httpx.Response:
        sending.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with HamsaClient(API_KEY, transport=httpx.MockTransport(handle)) as client:
        task = asyncio.create_task(client.create_call(CALL))
        await sending.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()


# -------------------------------------------------------------------------------------------------- what stays secret


async def test_the_key_is_in_no_text_and_hangs_on_no_error(stand_in: StandIn) -> None:
    def echo(request: Request) -> Response:
        authorization = request.headers["authorization"]
        return JSONResponse({"message": f"bad header {authorization!r}", "messageKey": authorization}, 400)

    stand_in.answer = echo
    async with stand_in.client() as client, refusing(httpx.ConnectError("refused")) as unconnected:
        assert API_KEY not in repr(client) + str(client) + repr(client.timeouts)
        for asked in (client.create_call(CALL), client.get_project(), unconnected.create_call(CALL)):
            error = await raised(asked)
            assert API_KEY not in f"{error!r} {error} {error.__dict__} {error.args}"
            # No chain leads to an httpx error, which holds the request and with it the header.
            assert error.__cause__ is None
            assert error.__context__ is None
            assert API_KEY not in "".join(traceback.format_exception(error))


async def test_a_webhook_secret_that_comes_back_in_an_error_is_blotted_out(
    client: HamsaClient, stand_in: StandIn
) -> None:
    call = CallRequest(
        to_number="+12125550123",
        voice_agent_id="agent-1",
        webhook_url="https://hooks.example.com",
        webhook_auth=WebhookAuth(auth_key="Bearer", auth_secret=SecretStr("hush-hush")),
    )
    for status in (200, 422):
        stand_in.answer = JSONResponse({"message": "bad Bearer hush-hush for +12125550123"}, status)
        error = await raised(client.create_call(call))
        assert "hush" not in str(error)
        assert "bad Bearer ••• for •••••0123" in str(error)


async def test_a_key_that_comes_back_in_a_record_is_in_no_record_of_ours(
    client: HamsaClient, stand_in: StandIn
) -> None:
    tools = [{"url": f"https://example.com/?k={API_KEY}", "note": f"we use {API_KEY} here"}]
    stand_in.answer = JSONResponse({"data": {"id": "job-1", "agentDetails": {"tools": tools}}})
    record = await client.create_call(CALL)
    assert API_KEY not in record.model_dump_json()
    assert "we use ••• here" in str(record.agent_details)


@pytest.mark.parametrize("key", ["", "Token ", "pk_hush", "hu sh", "hush\n\nX: 1"])
def test_a_key_that_cannot_be_one_is_refused_before_a_client_exists(key: str) -> None:
    with pytest.raises(ValueError, match="API key") as refused:
        HamsaClient(key)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://api.tryhamsa.com", "http://10.0.0.1", "https://me:hush@api.tryhamsa.com", ""])
def test_a_client_sends_its_key_nowhere_in_clear(url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as refused:
        HamsaClient(API_KEY, base_url=url)
    assert "hush" not in str(refused.value)


async def test_a_client_is_made_as_the_settings_say(stand_in: StandIn) -> None:
    settings = HamsaSettings(api_key=SecretStr("Token abc"), region="uae", read_timeout_seconds=7)
    transport = httpx.ASGITransport(app=stand_in.app)
    async with HamsaClient.from_settings(settings, transport=transport) as client:
        assert client.base_url == "https://api.uae.tryhamsa.com"
        assert client.timeouts == Timeouts(read_seconds=7)
        assert client.request_deadline_seconds == client.timeouts.request_deadline_seconds
        await client.get_project()
    assert stand_in.requests[0].header("authorization") == ["Token abc"]
    with pytest.raises(ValueError, match="HAMSA_API_KEY"):
        HamsaClient.from_settings(HamsaSettings())


# -------------------------------------------------------------------------------------------------------- the list


def pages(*sizes_or_ids: list[str], filtered: int | None = None) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        page = int(request.query_params["page"])
        ids = sizes_or_ids[page - 1] if page <= len(sizes_or_ids) else []
        return JSONResponse({"data": {"total": 99, "filtered": filtered, "calls": [{"id": i} for i in ids]}})

    return answer


async def test_a_page_is_asked_for_as_documented(client: HamsaClient, stand_in: StandIn) -> None:
    stand_in.answer = pages([])
    zone = timezone(timedelta(hours=3))
    page = await client.list_calls_page(
        voice_agent_id="agent-1",
        statuses=["PENDING", "IN_PROGRESS"],
        start_time=datetime(1970, 1, 1, 3, 0, 0, 1_999, tzinfo=zone),
        end_time=datetime(1970, 1, 1, 3, 0, 0, 1_001, tzinfo=zone),
        page=2,
        per_page=50,
    )
    assert page.calls == []
    assert stand_in.requests[0].path == "/v1/voice-agents/conversations/minimal-list"
    # Bounds are whole milliseconds and rounded outwards.
    assert stand_in.requests[0].query == [
        *(("voiceAgentId", "agent-1"), ("status", "PENDING"), ("status", "IN_PROGRESS")),
        *(("startTime", "1"), ("endTime", "2"), ("page", "2"), ("perPage", "50")),
    ]


async def test_without_filters_only_the_page_is_named(client: HamsaClient, stand_in: StandIn) -> None:
    stand_in.answer = pages([])
    await client.list_calls_page()
    assert stand_in.requests[0].query == [("page", "1"), ("perPage", "200")]


@pytest.mark.parametrize(
    "wrong",
    [{"page": 0}, {"per_page": 0}, {"per_page": 201}, {"start_time": datetime(2026, 1, 1)}],  # noqa: DTZ001 - as meant
)
async def test_a_page_that_cannot_be_is_not_asked_for(
    client: HamsaClient, stand_in: StandIn, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"no page|time zone"):
        await client.list_calls_page(**wrong)
    assert stand_in.requests == []
