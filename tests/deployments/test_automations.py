"""The automations that come as files, put on a real server and set off by real events."""

import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect import flow
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from pydantic import SecretStr

from automations.putting import FOLDER, AutomationError, put, read
from tests.servers.prefect import PrefectServer

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(180)]

Posts = list[dict[str, Any]]


@pytest.fixture
def posts() -> Iterator[tuple[str, Posts]]:
    """A webhook's address on loopback, and what was sent there."""
    sent: Posts = []

    class Door(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", sent
    server.shutdown()
    server.server_close()


def campaign_event(kind: str, name: str, **payload: Any) -> None:
    """As `tasks.events` tells it."""
    resource = {"prefect.resource.id": f"hamsa.campaign.{name}", "prefect.resource.name": name}
    emit_event(f"hamsa.campaign.{kind}", resource=resource, payload={"campaign": name, "flow_run_id": "r", **payload})


def wait(happened: Callable[[], object], within_seconds: float = 180.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.2)


def tell_until(happened: Callable[[], object], tell: Callable[[], object]) -> None:
    """Tell it, and again now and then: Prefect takes a moment until it heeds an automation that was just made."""
    deadline = time.monotonic() + 150
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        tell()
        told_at = time.monotonic()
        while not happened() and time.monotonic() < told_at + 20:
            time.sleep(0.2)


@pytest.fixture
async def operations(prefect_server: PrefectServer, posts: tuple[str, Posts]) -> Posts:
    """The block that the files name, leading to `posts`."""
    await Webhook(url=SecretStr(posts[0])).asave("operations", overwrite=True)
    return posts[1]


async def test_a_file_whose_block_is_not_there_is_refused_with_a_sentence(prefect_server: PrefectServer) -> None:
    told = read(FOLDER / "campaign-stopped.yaml")
    told["actions"][0]["block"] = "webhook/nobody-saved-this"
    with pytest.raises(AutomationError, match="save a webhook block with the name `nobody-saved-this`"):
        await put(told)
    with pytest.raises(AutomationError, match="There is no automation nonsense; there are campaign-stopped"):
        read(FOLDER / "nonsense.yaml")


async def test_a_stopped_campaign_is_told_to_the_webhook(operations: Posts) -> None:
    told = read(FOLDER / "campaign-stopped.yaml")
    assert (await put(told)).startswith("Made")
    assert (await put(told)).startswith("Brought")
    headline = '3 of 9 customers called. Stopped early: "the key" is wrong.'
    tell_until(lambda: operations, lambda: campaign_event("stopped", "overdue", headline=headline))
    assert operations[0]["text"] == 'overdue stopped. 3 of 9 customers called. Stopped early: "the key" is wrong.'


async def test_a_campaign_that_does_not_end_is_told_and_one_that_does_is_not(operations: Posts) -> None:
    told = read(FOLDER / "campaign-unfinished.yaml")
    assert told["trigger"]["within"] == 2 * 3600
    told["trigger"]["within"] = 10  # the shortest that Prefect takes
    await put(told)
    campaign_event("started", "ends")
    campaign_event("started", "hangs")
    campaign_event("finished", "ends")
    wait(lambda: operations, within_seconds=90)
    time.sleep(3)
    assert [post["text"] for post in operations] == ["hamsa.campaign.hangs has not ended within two hours."]


async def test_a_promise_to_pay_runs_a_deployment_and_no_other_call_does(prefect_server: PrefectServer) -> None:
    @flow(name="note-promise")
    def note_promise(recipient_id: str, campaign: str, promised_date: str) -> None:
        """Somebody's own."""

    async with get_client() as client:
        flow_id = await client.create_flow(note_promise)
        deployment = await client.create_deployment(flow_id=flow_id, name="on-promise")
    await put(read(FOLDER / "promise-to-pay.yaml"))

    def tell() -> None:
        for call, promised in (("job-1", "false"), ("job-2", "true")):
            emit_event(
                "hamsa.call.ended",
                resource={"prefect.resource.id": f"hamsa.call.{call}", "hamsa.outcome.promised_to_pay": promised},
                payload={
                    "recipient_id": f"c-{call}",
                    "campaign": "overdue",
                    "outcome": {"promised_to_pay": promised == "true", "promised_date": "2026-12-01"},
                },
            )

    def runs() -> list[dict[str, Any]]:
        wanted = {"deployments": {"id": {"any_": [str(deployment)]}}}
        address = f"{prefect_server.api_url}/flow_runs/filter"
        return list(httpx.post(address, json=wanted, trust_env=False).json())

    tell_until(runs, tell)
    for run in runs():
        assert run["parameters"] == {"recipient_id": "c-job-2", "campaign": "overdue", "promised_date": "2026-12-01"}
