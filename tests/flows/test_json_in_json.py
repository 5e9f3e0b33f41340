"""JSON in JSON in a customer's cell, and its neighbours, through a campaign, its settling and the receiver over HTTP.

Hamsa gives back what it was sent: in the answer, in the record, in the event. None of it may end a run or a receiver.
"""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from campaign.buckets import Bucket
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from flows.settle_calls import settle_calls
from runtime.campaign_flow import state_of
from tests.flows.world import World
from tests.webhooks.running import AUTH, RunningReceiver, start_receiver

pytestmark = [pytest.mark.prefect, pytest.mark.processes]


def json_in_json(times: int, levels: int) -> str:
    """Lists in a text in lists in a text, `levels` deep each."""
    text = "x"
    for _ in range(times):
        text = "[" * levels + json.dumps(text) + "]" * levels
    return text


CELLS: dict[str, Any] = {
    "json in json": json_in_json(8, 140),
    "plain": "Sami",
    "ten thousand deep": "[" * 10_000 + "]" * 10_000,
    "objects ten thousand deep": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "backslashes": "\\" * 990_000,
    "too many backslashes": "\\" * 1_100_000,
    "nan": float("nan"),
    "the text nan": "NaN",
    "half a character": "a\ud83d",
    "the other half": "\udc00b",
    "a half as JSON": '["\\ud83d"]',
    "the end of time": "9999-12-31T23:59:59-14:00",
}
"""By what they are: the value in the column `name`."""


@pytest.fixture
def receiver(world: World, reaper: Any, tmp_path: Path) -> Any:
    ledger_url = f"sqlite:///{tmp_path / 'calls.db'}"
    # Of a cell of a million backslashes two million bytes of JSON come back.
    running = start_receiver(reaper, tmp_path, ledger_url=ledger_url, max_body_bytes=4_000_000)
    yield running
    running.program.stop()


def people() -> list[dict[str, Any]]:
    return [{"id": f"C-{n}", "phone": f"+1212555{160 + n:04}", "name": cell} for n, cell in enumerate(CELLS.values())]


async def call(world: World, receiver: RunningReceiver) -> CampaignReport:
    @flow(name="call")
    async def call_them() -> CampaignReport:
        agent = world.agent(
            voice_agent_id="agent-collections", webhook_url=receiver.url, webhook_auth_secret=AUTH.auth_secret
        )
        policy = world.policy(lines=3)
        report = await run_campaign(people(), agent=agent, policy=policy, ledger=world.ledger, campaign="c")
        return state_of(report)  # type: ignore[no-any-return]

    flow_of_anything: Any = call_them
    state = await flow_of_anything(return_state=True)
    report = await state.aresult(raise_on_failure=False)
    assert isinstance(report, CampaignReport), state
    return report


async def test_whatever_stands_in_a_cell_is_called_recorded_settled_and_received(
    world: World, receiver: RunningReceiver
) -> None:
    world.sandbox.change_scenario(json_strings=True, script_by_number={"+12125550160": ["lost_answer"]})
    report = await call(world, receiver)
    assert not report.failed
    assert report.buckets[Bucket.BAD_ROW] == report.buckets[Bucket.MISSING_PARAMS] == 1  # too long a text, and NaN
    assert "holds more than 1,000,000 characters" in str(report.reasons[Bucket.BAD_ROW])
    assert report.in_group("called") == len(CELLS) - 2
    again = await call(world, receiver)
    assert not again.failed
    settled: Any = await settle_calls(credentials=world.credentials, ledger=world.ledger, policy=world.policy())
    assert settled.unfinished == {}
    rings = world.rings()
    assert set(rings.values()) == {1}
    assert {"+12125550160", "+12125550161"} <= set(rings)
    with closing(sqlite3.connect(world.folder / "calls.db")) as ledger, ledger:
        rows = ledger.execute("SELECT recipient_id, state, record, outcome FROM call_attempts").fetchall()
    ledger.close()
    assert len(rows) == len(rings)
    for recipient, state, record, outcome in rows:
        assert state in {"completed", "no_answer", "failed", "forwarded", "terminated"}, (recipient, state)
        for kept in (record, outcome):  # what is kept can be read by whoever reads the table
            json.loads(kept or "null")
    deadline = time.monotonic() + 240
    while (health := receiver.health())["waiting"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert health["waiting"] == 0, health
    assert "put aside" not in str(health), health
    answers = {
        (call["number"], event["event"], event["result"])
        for call in world.sandbox.calls()
        for event in call["webhooks"]
        if event["result"] != 200
    }
    assert not answers
