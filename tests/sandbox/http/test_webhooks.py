"""Webhooks: what they say, what happens to them on the way, and that they never leave the machine."""

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from hamsa.models import WebhookEvent
from sandbox import ManualClock, Sandbox, preset
from sandbox.http import webhooks
from sandbox.http.webhooks import NotLoopback, post_to_loopback
from tests.sandbox.asking import ANN, fictional, job, order, place
from tests.sandbox_transport import SandboxTransport

HOOK = "http://127.0.0.1:9/hook"


class Mailbox:
    """Takes what is posted, and answers as it is told."""

    def __init__(self) -> None:
        self.answers: list[int | Exception] = []
        self.posted: list[tuple[str, dict[str, str], dict[str, Any]]] = []

    async def take(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        self.posted.append((url, dict(headers), json.loads(body)))
        answer = self.answers.pop(0) if self.answers else 200
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def kinds(self) -> list[str]:
        return [event["eventType"] for _, _, event in self.posted]


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def sandbox(clock: ManualClock, mailbox: Mailbox) -> Sandbox:
    return Sandbox(clock=clock, scenario=preset("everyone_answers"), send_webhook=mailbox.take)


async def test_a_call_is_reported_from_start_to_end_with_its_outcome_and_its_params(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    auth = {"authKey": "Bearer", "authSecret": "s3cret"}
    params = {"call_key": "k1", "invoices": ["A1", "A2"], "note": None}
    made = await place(http, webhookUrl=HOOK, webhookAuth=auth, params=params)
    await clock.run_for(3600)
    assert mailbox.kinds == ["call.started", "call.answered", "call.ended"]
    assert {url for url, _, _ in mailbox.posted} == {HOOK}
    for _, headers, event in mailbox.posted:
        assert headers["authorization"] == "Bearer s3cret"
        assert set(event) == {"eventType", "callId", "timestamp", "projectId", "agentId", "agentName", "data"}
        assert event["callId"] == made["id"]
    result = mailbox.posted[-1][2]["data"]["data"]["outcomeResult"]
    assert result["summary"]
    assert {name: result[name] for name in params} == params
    ended = WebhookEvent.model_validate(mailbox.posted[-1][2])
    assert ended.call_key == "k1"
    truth = sandbox.calls()[0]
    assert ended.timestamp is not None
    assert ended.timestamp.isoformat()[:23] == truth["ended_at"][:23]
    assert [(entry["event"], entry["result"]) for entry in truth["webhooks"]] == [
        ("call.started", 200),
        ("call.answered", 200),
        ("call.ended", 200),
    ]


@pytest.mark.parametrize(("after", "kinds"), [(0, []), (60, ["call.started", "call.answered"])])
async def test_a_call_that_is_hung_up_ends_there_and_frees_its_line(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox, after: int, kinds: list[str]
) -> None:
    sandbox.change(lines=1, dwells={"talk": {"mean_seconds": 900, "sigma": 0}})
    made = await place(http, webhookUrl=HOOK)
    await clock.run_for(after)
    path = f"/v1/voice-agents/conversation/{made['id']}/terminate"
    said = await http.get(path)
    assert (said.status_code, said.json()["messageKey"]) == (200, "ConversationTerminatedSuccessfully")
    assert (await job(http, made["id"]))["status"] == "TERMINATED"
    again = await http.get(path)
    assert (again.status_code, again.json()["messageKey"]) == (400, "ConversationNotActive")
    await place(http, fictional(5))
    await clock.run_for(3600)
    assert mailbox.kinds == [*kinds, "call.ended"]


async def test_an_unanswered_call_is_reported_without_an_outcome_and_with_its_params(
    clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await place(http, "+12125550190", webhookUrl=HOOK, params={"call_key": "k1"})
    await clock.run_for(3600)
    assert mailbox.kinds == ["call.started", "call.ended"]
    data = mailbox.posted[-1][2]["data"]
    assert data["data"]["outcomeResult"] == {"call_key": "k1"}
    assert data["status"] == "NO_ANSWER"


async def test_what_is_not_documented_can_be_left_out(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_details=False)
    await place(http, webhookUrl=HOOK)
    await clock.run_for(3600)
    assert set(mailbox.posted[-1][2]["data"]) == {"data"}


async def test_lists_and_objects_can_come_as_json_strings(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(json_strings=True)
    await place(http, webhookUrl=HOOK, params={"call_key": "k1", "invoices": ["A1", "A2"]})
    await clock.run_for(3600)
    event = mailbox.posted[-1][2]
    assert event["data"]["data"]["outcomeResult"]["invoices"] == '["A1", "A2"]'
    assert WebhookEvent.model_validate(event).outcome_result["invoices"] == ["A1", "A2"]


async def test_all_five_documented_kinds_of_event_are_sent_if_asked_for(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_transcripts=True)
    await place(http, webhookUrl=HOOK)
    await clock.run_for(3600)
    assert mailbox.kinds == ["call.started", "call.answered", "transcription.update", "tool.executed", "call.ended"]


async def test_events_can_be_lost(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_lost=1)
    await place(http, webhookUrl=HOOK)
    await clock.run_for(3600)
    assert mailbox.posted == []
    assert sandbox.stats()["webhooks"] == {"lost": 3}


async def test_events_can_be_doubled(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_doubled=1)
    await place(http, webhookUrl=HOOK)
    await clock.run_for(3600)
    assert mailbox.kinds == [kind for kind in ("call.started", "call.answered", "call.ended") for _ in range(2)]
    assert mailbox.posted[0][2] == mailbox.posted[1][2]


async def test_events_can_be_late_and_still_say_when_it_happened(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_late=1, webhook_late_seconds=600)
    await place(http, webhookUrl=HOOK)
    await clock.run_for(590)
    assert mailbox.posted == []
    await clock.run_for(3600)
    assert mailbox.kinds == ["call.started", "call.answered", "call.ended"]
    assert mailbox.posted[0][2]["timestamp"] == "2026-11-03T15:00:01.000Z"


async def test_events_can_come_out_of_order(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_disorder=0.5)
    for ordinal in range(20):
        await place(http, fictional(ordinal), webhookUrl=HOOK)
    await clock.run_for(3600)
    by_call: dict[str, list[str]] = {}
    for _, _, event in mailbox.posted:
        by_call.setdefault(event["callId"], []).append(event["timestamp"])
    assert {len(stamps) for stamps in by_call.values()} == {3}
    assert 0 < sum(stamps != sorted(stamps) for stamps in by_call.values()) < 20


async def test_what_is_not_taken_is_sent_again_a_few_times(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    mailbox.answers = [500, ConnectionRefusedError(), 200, 404, 404, 404]
    await place(http, webhookUrl=HOOK)
    await clock.run_for(3600)
    assert mailbox.kinds == ["call.started"] * 3 + ["call.answered"] * 3 + ["call.ended"]
    results = [entry["result"] for entry in sandbox.calls()[0]["webhooks"]]
    assert results == [500, "ConnectionRefusedError", 200, 404, 404, 404, 200]


async def test_a_call_without_a_webhook_sends_nothing(
    clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await place(http)
    assert clock.next_wake is None
    await clock.run_for(3600)
    assert mailbox.posted == []


async def test_a_lost_answer_does_not_keep_the_webhook_back(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.fail_next("lost_answer")
    with pytest.raises(httpx.ReadError):
        await place(http, webhookUrl=HOOK, params={"call_key": "k1"})
    await clock.run_for(3600)
    assert WebhookEvent.model_validate(mailbox.posted[-1][2]).call_key == "k1"


async def test_closing_drops_what_was_not_yet_sent(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await place(http, webhookUrl=HOOK)
    await asyncio.sleep(0)
    await sandbox.aclose()
    await clock.run_for(3600)
    assert mailbox.posted == []


@pytest.mark.parametrize("url", ["https://example.com/hook", "http://192.0.2.1/hook", "https://localhost/hook"])
async def test_nothing_is_sent_to_another_machine(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), pytest.raises(NotLoopback):
        await post_to_loopback(url, {}, b"{}")
    assert "Webhook not sent" in caplog.text


async def test_a_webhook_has_five_seconds_for_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    assert webhooks.ANSWER_WITHIN_SECONDS == 5
    monkeypatch.setattr(webhooks, "ANSWER_WITHIN_SECONDS", 0.05)

    hung_up = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        hung_up.set()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        with pytest.raises(TimeoutError):
            await post_to_loopback(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook", {}, b"{}")
        await hung_up.wait()


async def test_a_webhook_elsewhere_is_accepted_and_never_posted(clock: ManualClock) -> None:
    sandbox = Sandbox(clock=clock, scenario=preset("everyone_answers", webhook_retries=0))
    async with httpx.AsyncClient(
        transport=SandboxTransport(sandbox), base_url="http://sandbox", headers={"Authorization": "Token any"}
    ) as http:
        response = await http.post(
            "/v1/voice-agents/call", json=order(ANN, webhookUrl="https://hooks.example.com/hamsa")
        )
        assert response.status_code == 200
        await clock.run_for(3600)
    assert sandbox.stats()["webhooks"] == {"NotLoopback": 3}


async def test_a_post_over_http_arrives_whole_and_brings_the_status_back() -> None:
    received: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        received.extend([head, await reader.readexactly(5)])
        writer.write(answers.pop(0))
        await writer.drain()
        writer.close()

    answers = [b"HTTP/1.1 204 No Content\r\n\r\n", b"SSH-2.0-nonsense\r\n", b""]
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?who=hamsa"
        assert await post_to_loopback(url, {"authorization": "Bearer s3cret"}, b"hello") == 204
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await post_to_loopback(url, {}, b"hello")
    assert received[0].startswith(b"POST /hook?who=hamsa HTTP/1.1\r\n")
    assert b"authorization: Bearer s3cret\r\n" in received[0]
    assert received[1] == b"hello"
    with pytest.raises(OSError, match=r"refused|Connect"):
        await post_to_loopback(url, {}, b"hello")


async def test_an_event_may_tell_the_params_at_the_start_and_how_long_it_rang(
    sandbox: Sandbox, clock: ManualClock, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    sandbox.change(webhook_params=True)
    await place(http, webhookUrl=HOOK, params={"call_key": "k1"})
    await clock.run_for(3600)
    started, answered, _ = (event["data"] for _, _, event in mailbox.posted)
    assert started == {"params": {"call_key": "k1"}}
    assert answered["ringingSeconds"] >= 0
