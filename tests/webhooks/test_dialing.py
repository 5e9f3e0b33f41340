"""The whole way: a dialer, a Hamsa that sends webhooks, and the receiver between them, each a process of its own."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from campaign.agent import CallingAgent
from campaign.attempts import Attempt, AttemptState
from campaign.dialing.dialer import Dialer
from campaign.following.call_events import CallEvent
from campaign.ledger.ledger import Ledger
from campaign.reporting.results import Batch, Result
from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient
from tests.campaign.campaign_world import people
from tests.servers.sandbox import RunningSandbox
from tests.webhooks.running import AUTH, RunningReceiver

pytestmark = pytest.mark.processes


async def dial(
    sandbox: RunningSandbox, receiver: RunningReceiver, ledger_url: str, count: int, *, list_every: float = 60.0
) -> tuple[list[Result], list[CallEvent]]:
    """A run that is told of its ends by the receiver."""
    facts: list[CallEvent] = []
    async with (
        HamsaClient(sandbox.api_key, base_url=sandbox.base_url) as client,
        Ledger(ledger_url) as ledger,
        Dialer(
            client=client,
            ledger=ledger,
            agent=CallingAgent(voice_agent_id="agent-plain", webhook_url=receiver.url, webhook_auth=AUTH),
            rules=Policy(preset="unrestricted").resolved(),
            campaign="c",
            run_id="run",
            account="project",
            settings=DialSettings(
                lines=20, poll_min_seconds=0.1, poll_max_seconds=0.5, webhook_interval_seconds=list_every
            ),
            on_event=facts.append,
        ) as dialer,
    ):
        return await dialer.run(Batch(1, people(count))), facts


async def attempts_in(ledger_url: str) -> list[Attempt]:
    async with Ledger(ledger_url) as ledger:
        return await ledger.attempts()


async def recorded(receiver: RunningReceiver, *, within_seconds: float = 120.0) -> dict[str, Any]:
    """What the receiver says of itself once nothing waits."""
    deadline = time.monotonic() + within_seconds
    while (health := receiver.health())["waiting"]:
        assert time.monotonic() < deadline, health
        await asyncio.sleep(0.1)
    return dict(health)


def agree(attempts: list[Attempt], sandbox: RunningSandbox) -> None:
    """The ledger says of each call what really happened."""
    calls = {call["job_id"]: call for call in sandbox.calls()}
    for attempt in attempts:
        call = calls[str(attempt.job_id)]
        assert (attempt.call_key, attempt.status) == (call["call_key"], call["status"])
        # Where the POST's answer was lost, and an event came first, its echo of a param looks like something said.
        echo = {"name"} if attempt.record is None else set()
        assert {name: value for name, value in (attempt.outcome or {}).items() if name not in echo} == (
            call["outcome"] or {}
        )
        assert attempt.cost == pytest.approx(call["cost"])
    assert len({attempt.job_id for attempt in attempts}) == len(calls) == len(attempts)


async def test_ends_come_by_webhook_and_hamsa_is_hardly_asked(
    start_sandbox: Callable[..., RunningSandbox], start_receiver: Callable[..., RunningReceiver], ledger_url: str
) -> None:
    sandbox = start_sandbox(speed=40, scenario={"magic_numbers": False})
    receiver = start_receiver()
    results, facts = await dial(sandbox, receiver, ledger_url, 60)
    assert {result.bucket.group for result in results} == {"called"}
    agree(await attempts_in(ledger_url), sandbox)
    assert sum(sandbox.stats()["requests"].values()) / 60 <= 1.1
    # Whoever is first to record something announces it, and nobody else; an end, that is hardly ever the run.
    health = await recorded(receiver)
    kinds = Counter(fact.kind for fact in facts) + Counter(health["results"])
    assert (kinds["placed"], kinds["ended"]) == (60, 60)
    kinds = Counter(fact.kind for fact in facts)
    assert kinds["ended"] <= 6
    assert set(health["answers"]) == {"200"}


async def test_lost_late_doubled_and_disordered_webhooks_and_a_killed_receiver_lose_no_end(
    start_sandbox: Callable[..., RunningSandbox], start_receiver: Callable[..., RunningReceiver], ledger_url: str
) -> None:
    faults = {
        "webhook_doubled": 0.3,
        "webhook_late": 0.2,
        "webhook_late_seconds": 1.0,
        "webhook_disorder": 0.3,
        "json_strings": True,
        "lost_answer": 0.05,
    }
    sandbox = start_sandbox(speed=40, scenario={"magic_numbers": False, **faults})
    receiver = start_receiver()
    run = asyncio.create_task(dial(sandbox, receiver, ledger_url, 60, list_every=5.0))
    while (await asyncio.to_thread(receiver.health))["results"].get("ended", 0) < 5:  # noqa: ASYNC110 - asked of another process
        await asyncio.sleep(0.05)
    receiver.program.kill()
    receiver = await asyncio.to_thread(start_receiver, port=receiver.port)
    sandbox.change_scenario(webhook_lost=0.2)
    results, facts = await run
    assert {result.bucket.group for result in results} == {"called"}
    attempts = await attempts_in(ledger_url)
    agree(attempts, sandbox)
    assert {attempt.state for attempt in attempts} <= {state for state in AttemptState if state.value != "uncertain"}
    shown = Counter(fact.call_key for fact in facts if fact.kind == "ended")
    assert set(shown.values()) <= {1}
    assert sandbox.stats()["most_rings_of_a_number"] == 1
