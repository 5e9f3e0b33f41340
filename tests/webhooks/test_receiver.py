"""The receiver: who is let in, what is taken, and what everybody else is told."""

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.webhooks.in_process import House, an_event, house
from tests.webhooks.running import HEADERS, SECRET
from webhooks import receiver as receiver_module
from webhooks.receiver import create_app
from webhooks.recorder import CONFLICT, FOREIGN, NOTHING_NEW, UNCLEAR
from webhooks.settings import ANSWER_SECONDS, WebhookSettings
from webhooks.spool_file import SpoolError

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "webhooks.md"
EVENT = an_event("call.ended", "job-1", status="COMPLETED")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


def shut(receiver: House, **settings: Any) -> httpx.AsyncClient:
    """The same receiver with other settings."""
    app = create_app(
        WebhookSettings(auth_secret=SECRET, **settings), receiver.spool, receiver.recorder, clock=receiver.clock
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver")


async def test_an_event_is_taken(served: House) -> None:
    answer = await served.post(EVENT)
    assert (answer.status_code, answer.json()) == (200, {"message": "The event is taken."})
    answer = await served.post(EVENT)
    assert (answer.status_code, answer.json()) == (200, {"message": "The event had been taken before."})
    assert served.spool.waiting == 1


WRONG: list[list[tuple[str, str]]] = [
    [],
    [("authorization", "")],
    [("authorization", "Bearer")],
    [("authorization", SECRET)],
    [("authorization", f"Bearer {SECRET[:-1]}")],
    [("authorization", f"Bearer {SECRET}x")],
    [("authorization", f"Bearer  {SECRET}")],
    [("authorization", f"bearer {SECRET}")],
    [("authorization", f"Basic {SECRET}")],
    [("authorization", "Bearer ümlaut")],
    [("authorization", "x" * 10_000)],
    [("authorization", f"Bearer {SECRET}"), ("authorization", f"Bearer {SECRET}")],
    [("x-authorization", f"Bearer {SECRET}")],
]


async def test_strangers_all_get_the_same_answer_whatever_they_show_and_send(served: House) -> None:
    answers = []
    for headers in WRONG:
        for body in (b"", b"{}", b"x" * 5_000_000):
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            answers.append(await served.http.post("/hamsa", headers=raw, content=body))
    assert {answer.status_code for answer in answers} == {401}
    assert len({(answer.content, tuple(answer.headers.items())) for answer in answers}) == 1
    assert answers[0].headers["www-authenticate"] == 'Bearer realm="webhooks"'
    assert answers[0].json() == {"message": "Unauthorized"}
    assert served.spool.waiting == 0


async def test_while_the_secret_is_changed_the_old_one_is_taken_as_well_and_counted(served: House) -> None:
    new = "another-secret-of-many-characters"
    async with shut(served, previous_auth_secret=new) as http:  # which of the two is the old one is a name only
        for secret, status in ((SECRET, 200), (new, 200), (new[:-1], 401)):
            answer = await http.post("/hamsa", headers={"authorization": f"Bearer {secret}"}, json=EVENT)
            assert answer.status_code == status
        assert (await http.get("/health")).json()["by_previous_secret"] == 1


@pytest.mark.parametrize("path", ["/", "/hamsa/", "/health"])
async def test_whoever_asks_for_anything_but_to_deliver_is_sent_off_with_the_answer(served: House, path: str) -> None:
    assert (await served.http.get(path)).headers["connection"] == "close"
    assert (await served.http.get("/hamsa")).headers["connection"] == "close"
    assert "connection" not in (await served.post(EVENT)).headers


async def test_a_spool_that_holds_too_many_bytes_takes_no_more_and_says_so(served: House) -> None:
    await served.recorder.stop()
    async with shut(served, max_waiting_bytes=1024) as http:
        full = 0
        for number in range(20):
            event = an_event("call.ended", f"job-{number}", result={"note": "x" * 200}, status="COMPLETED")
            full += (await http.post("/hamsa", headers=HEADERS, json=event)).status_code == 503
        assert 14 < full < 17
        health = await http.get("/health")
        assert health.status_code == 503
        assert "the spool is full" in health.json()["last_error"]
        assert 1024 <= health.json()["waiting_bytes"] < 1500


async def test_secrets_are_compared_in_constant_time(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[Any, Any]] = []
    compare = hmac.compare_digest

    def watched(one: Any, other: Any) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    for headers in [*WRONG, list(HEADERS.items())]:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
        await served.http.post("/hamsa", headers=raw, json=EVENT)
    # One comparison for each, whatever was shown or missing, of things that are equally long.
    assert len(compared) == len(WRONG) + 1
    assert {(len(one), len(other)) for one, other in compared} == {(32, 32)}


async def test_nothing_of_a_strangers_body_is_read(served: House) -> None:
    scope = {"type": "http", "method": "POST", "path": "/hamsa", "headers": [], "query_string": b""}
    sent: list[Any] = []

    async def receive() -> Any:
        pytest.fail("it was read")

    async def send(message: Any) -> None:
        sent.append(message)

    await served.app(scope, receive, send)
    assert sent[0]["status"] == 401


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"content-type": "application/json; charset=utf-16"}, b"{}", 415),
        ({"content-type": "text/plain; charset=iso-8859-1"}, b"{}", 415),
        ({"content-encoding": "gzip"}, b"{}", 415),
        ({}, b"", 422),
        ({}, b"no json", 422),
        ({}, b"[1, 2]", 422),
        ({}, b"{}", 422),
        ({}, b'{"eventType": ""}', 422),
        ({"content-type": "application/json; charset=UTF-8"}, b'{"eventType": "x"}', 200),
        ({"content-type": "application/vnd.hamsa+json"}, b'{"eventType": "x"}', 200),
        ({"content-type": "text/plain;charset=utf-8"}, b'{"eventType": "x"}', 200),
        ({"content-type": "application/x-www-form-urlencoded"}, b'{"eventType": "x"}', 200),
        ({"content-type": "application/x-www-form-urlencoded"}, b"eventType=x", 422),
        ({"content-type": ""}, b'{"eventType": "x"}', 200),
        ({}, b'"' + b"x" * 1_048_576 + b'"', 413),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_the_reason(
    served: House, headers: dict[str, str], body: bytes, status: int
) -> None:
    answer = await served.http.post("/hamsa", headers={**HEADERS, **headers}, content=body)
    assert answer.status_code == status
    assert answer.json()["message"].endswith(".")


async def test_a_body_that_grows_beyond_the_bound_is_cut_off(served: House) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 10_000

    async with shut(served, max_body_bytes=20_000) as http:
        answer = await http.post("/hamsa", headers=HEADERS, content=body())
    assert (answer.status_code, answer.json()) == (413, {"message": "The body is larger than 20000 bytes."})
    assert sent <= 4


async def test_unknown_events_are_accepted_and_counted_by_name_up_to_a_bound(served: House) -> None:
    for number in range(70):
        assert (await served.post({"eventType": f"new.{number}", "callId": "job-1"})).status_code == 200
    assert (await served.post({"eventType": "transcription.update", "callId": "job-1"})).status_code == 200
    health = (await served.http.get("/health")).json()
    assert health["ignored"]["new.0"] == 1
    assert health["ignored"]["other"] == 21
    assert health["waiting"] == 0


async def test_without_auth_anybody_is_let_in(served: House) -> None:
    app = create_app(WebhookSettings(without_auth=True), served.spool, served.recorder, clock=served.clock)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as http:
        assert (await http.post("/hamsa", json=EVENT)).status_code == 200


async def test_no_200_without_the_disk(served: House, caplog: pytest.LogCaptureFixture) -> None:
    served.spool.path.unlink()
    answer = await served.post(EVENT)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "10"
    served.world.clock.advance(5)
    health = await served.http.get("/health")
    assert (health.status_code, health.json()["status"]) == (503, "failing")
    assert str(served.spool.path) in caplog.text
    assert str(served.spool.path) not in answer.text + health.text


async def test_a_disk_that_hangs_gets_an_answer_in_time(served: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ANSWER_SECONDS < 5, "Hamsa waits no longer; some of it goes by on the way"

    async def hang(_event: object) -> bool:
        await asyncio.Event().wait()
        raise SpoolError

    monkeypatch.setattr(receiver_module, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(served.spool, "add", hang)
    assert (await served.post(EVENT)).status_code == 503


async def test_a_spool_that_is_full_takes_no_more_until_it_is_worked_off(served: House) -> None:
    async with shut(served, max_waiting=2) as http:
        statuses = [
            (await http.post("/hamsa", headers=HEADERS, json=an_event("call.ended", f"job-{n}"))).status_code
            for n in range(3)
        ]
        assert statuses == [200, 200, 503]
        assert (await http.get("/health")).status_code == 503
        await served.rest(3600)  # nobody's calls: they are let go
        assert (await http.post("/hamsa", headers=HEADERS, json=an_event("call.ended", "job-9"))).status_code == 200
        assert (await http.get("/health")).status_code == 200


async def test_strangers_are_reported_once_a_minute(served: House, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(50):
        await served.http.post("/hamsa", json=EVENT)
    assert caplog.text.count("did not show the Authorization") == 1
    served.world.clock.advance(60)
    await served.http.post("/hamsa", json=EVENT)
    assert "50 requests did not show" in caplog.text
    assert SECRET not in caplog.text


async def test_the_how_to_shows_what_health_really_says(served: House) -> None:
    text = HOW_TO.read_text(encoding="utf-8")
    shown = json.loads(text.split("```json\n")[1].split("```")[0])
    assert list((await served.http.get("/health")).json()) == list(shown)
    for kind in (NOTHING_NEW, FOREIGN, UNCLEAR, CONFLICT, "ended", "placed"):
        assert f"`{kind}`" in text
    statuses = {int(status) for status in re.findall(r"^\| (\d{3}) \| ", text, re.MULTILINE)}
    assert statuses == {200, 401, 408, 413, 415, 422, 503}


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/hamsa", 405), ("POST", "/", 404), ("GET", "/", 404)])
async def test_there_is_nothing_else_here(served: House, method: str, path: str, status: int) -> None:
    assert (await served.http.request(method, path)).status_code == status
