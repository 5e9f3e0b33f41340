"""The automations that come as files, put on a real server and set off by real events."""

import asyncio
import http.server
import json
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from automations.__main__ import main
from automations.putting import FOLDER, AutomationError, put, read
from campaign import CsvFile
from flows.call_overdue_customers import call_overdue_customers
from tests.contact.place import Place
from tests.flows.world import World
from tests.servers.http import ask
from tests.servers.prefect import PrefectServer
from tests.servers.sandbox import RunningSandbox

pytestmark = [pytest.mark.prefect]

Posts = list[dict[str, Any]]


@pytest.fixture
def posts() -> Iterator[tuple[str, Posts]]:
    """A webhook's address on loopback, and what was sent there."""
    sent: Posts = []

    class WebhookReceiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), WebhookReceiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", sent
    server.shutdown()
    server.server_close()


async def campaign_event(kind: str, name: str, **payload: Any) -> None:
    """As `runtime.events` tells it."""
    resource = {"prefect.resource.id": f"hamsa.campaign.{name}", "prefect.resource.name": name}
    emit_event(f"hamsa.campaign.{kind}", resource=resource, payload={"campaign": name, "flow_run_id": "r", **payload})


def wait(happened: Callable[[], object], within_seconds: float = 240.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


async def emit_until(happened: Callable[[], object], tell: Callable[[], Awaitable[object]]) -> None:
    """Tell it, and again now and then: Prefect takes a moment until it acts on an automation that was just made."""
    deadline = time.monotonic() + 240
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        await tell()
        sent_at = time.monotonic()
        while not happened() and time.monotonic() < sent_at + 20:  # noqa: ASYNC110 - asked of another process
            await asyncio.sleep(0.2)


@pytest.fixture
async def operations(prefect_server: PrefectServer, posts: tuple[str, Posts]) -> Posts:
    """The block that the files name, leading to `posts`."""
    await Webhook(url=SecretStr(posts[0])).asave("operations", overwrite=True)
    return posts[1]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (None, "No Prefect server is chosen: start one by `prefect server start`"),
        ("http://127.0.0.1:9/api", "No Prefect server answers at http://127.0.0.1:9/api"),
    ],
    ids=["none chosen", "none there"],
)
def test_without_a_server_a_sentence_says_so(url: str | None, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with temporary_settings({PREFECT_API_URL: url}):
        assert main([]) == 1
    assert capsys.readouterr().err.startswith(said)


async def test_a_file_whose_block_is_not_there_is_refused_with_a_sentence(prefect_server: PrefectServer) -> None:
    shown = read(FOLDER / "campaign-stopped.yaml")
    shown["actions"][0]["block"] = "webhook/nobody-saved-this"
    with pytest.raises(AutomationError, match="save a webhook block with the name `nobody-saved-this`"):
        await put(shown)
    with pytest.raises(AutomationError, match="There is no automation nonsense; there are campaign-stopped"):
        read(FOLDER / "nonsense.yaml")


async def test_a_stopped_campaign_is_posted_to_the_webhook(operations: Posts) -> None:
    shown = read(FOLDER / "campaign-stopped.yaml")
    assert (await put(shown)).startswith("Created")
    assert (await put(shown)).startswith("Updated")
    headline = '3 of 9 customers called. Stopped early: "the key" is wrong.'
    await emit_until(lambda: operations, partial(campaign_event, "stopped", "overdue", headline=headline))
    assert operations[0]["text"] == 'overdue stopped. 3 of 9 customers called. Stopped early: "the key" is wrong.'


async def test_a_campaign_that_does_not_end_is_reported_and_one_that_finishes_or_stops_is_not(
    prefect_server: PrefectServer, operations: Posts
) -> None:
    shown = read(FOLDER / "campaign-unfinished.yaml")
    assert shown["trigger"]["within"] == 2 * 3600
    await put(shown)

    def open_ends() -> set[str]:
        """Campaigns for whose end the server waits."""
        with closing(sqlite3.connect(prefect_server.database)) as connection, connection:
            waiting = connection.execute("select bucketing_key from automation_bucket where count = 0").fetchall()
        connection.close()
        return {json.loads(key)[0].removeprefix("hamsa.campaign.") for (key,) in waiting if json.loads(key)}

    def is_watched(campaign: str) -> bool:
        return campaign in open_ends()

    # One after the other: of two events in the same moment, a server on SQLite may lose one for its automations.
    for campaign in ("ends", "stops"):
        await emit_until(partial(is_watched, campaign), partial(campaign_event, "started", campaign))
    await emit_until(lambda: "ends" not in open_ends(), partial(campaign_event, "finished", "ends"))
    await emit_until(lambda: "stops" not in open_ends(), partial(campaign_event, "stopped", "stops"))

    def unended() -> list[str]:
        # That one stopped is told as well, by the automation for that.
        return [post["text"] for post in operations if "run" not in post]

    # Only now is the time made short: a busy machine has none to lose before the ends above are told.
    shown["trigger"]["within"] = 10  # the shortest that Prefect takes
    await put(shown)
    await emit_until(lambda: is_watched("hangs") or unended(), partial(campaign_event, "started", "hangs"))
    wait(unended)
    assert set(unended()) == {"hamsa.campaign.hangs has not ended within two hours."}


async def test_an_event_whose_run_prefect_refuses_is_reported_without_the_number(
    place: Place, operations: Posts, event_trigger: str
) -> None:
    assert (await put(read(FOLDER / "event-without-run.yaml"))).endswith("the automation `an event made no run`.")
    path = f"/deployments/{place.deployment(event_trigger)['id']}"
    # Prefect's own check, which the deployment leaves to the run.
    place.ask("PATCH", path, {"enforce_parameter_schema": True})
    before = {run["id"] for run in place.runs_of(event_trigger)}

    async def refused() -> None:
        payload = {"invoice": 1, "customer_id": 17, "phone": 12125550123}
        emit_event("invoice.overdue", resource={"prefect.resource.id": "invoice.1"}, payload=payload)

    try:
        await emit_until(lambda: operations, refused)
    finally:
        place.ask("PATCH", path, {"enforce_parameter_schema": False})
    assert operations[0]["text"].startswith("call when an invoice is overdue: an event made no run")
    assert "5550123" not in str(operations)
    assert {run["id"] for run in place.runs_of(event_trigger)} == before
    wanted = {"filter": {"event": {"name": ["prefect.automation.action.failed"]}}}

    def told() -> list[dict[str, Any]]:
        """The event that was told of: Prefect has its automations see it before it is to be read."""
        failed = place.ask("POST", "/events/filter", wanted)["events"]
        return [each for each in failed if each["id"] == operations[0]["event"]]

    wait(told)
    (event,) = told()
    assert "17 is not of type 'string'" in event["payload"]["reason"] or "phone" in event["payload"]["reason"]


async def test_a_promise_to_pay_in_a_call_runs_a_deployment_and_no_other_call_does(
    prefect_server: PrefectServer, start_sandbox: Callable[..., RunningSandbox], tmp_path: Path
) -> None:
    @flow(name="note-promise")
    def note_promise(recipient_id: str, campaign: str, promised_date: str) -> None:
        """Somebody's own."""

    async with get_client() as client:
        flow_id = await client.create_flow(note_promise)
        deployment = await client.create_deployment(flow_id=flow_id, name="on-promise")
    await put(read(FOLDER / "promise-to-pay.yaml"))
    world = World(start_sandbox(speed=600), tmp_path)
    people = tmp_path / "people.csv"
    # The sandbox's magic numbers: one promises, the others want no more calls, do not answer, or fail.
    magic = {"promises": "0198", "wants-no-more": "0197", "rings-out": "0190", "fails": "0191"}
    people.write_text("id,phone\n" + "".join(f"{who},+1212555{ends}\n" for who, ends in magic.items()))
    campaigns = (f"promised-{number}" for number in count(1))

    async def call() -> None:
        any_flow: Any = call_overdue_customers
        await any_flow(
            agent=world.agent(),
            customers=CsvFile(path=people),
            policy=world.policy(),
            ledger=world.ledger,
            campaign=next(campaigns),
            outcome_fields=["promised_to_pay", "promised_date"],
        )

    def runs() -> list[dict[str, Any]]:
        wanted = {"deployments": {"id": {"any_": [str(deployment)]}}}
        address = f"{prefect_server.api_url}/flow_runs/filter"
        return list(ask("POST", address, wanted).json())

    await emit_until(runs, call)
    async with world.ledger.open() as ledger:
        promised = {
            attempt.campaign: (attempt.outcome or {})["promised_date"]
            for attempt in await ledger.attempts()
            if attempt.recipient_id == "promises"
        }
    shown = [run["parameters"] for run in runs()]
    for parameters in shown:
        campaign = parameters["campaign"]
        assert parameters == {
            "recipient_id": "promises",
            "campaign": campaign,
            "promised_date": promised[campaign],
        }
    assert len({parameters["campaign"] for parameters in shown}) == len(shown), "once for each promise"
