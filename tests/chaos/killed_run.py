"""The process that is killed: one run of a campaign, as the flow makes it, against a Prefect server.

Everything is as in use, only faster: the run's clock and the sandbox's are one and the same accelerated clock, so that
leases, grace and patience have their real lengths and an hour takes a minute. What the clock cannot turn, the time that
a request may take, is short, and the lease long enough for it.
"""

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from prefect import flow
from pydantic import SecretStr

import campaign.dialing.placing
from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.reporting.report import CampaignReport
from flows.run_campaign import run_campaign
from sandbox.clock import SystemClock

CAMPAIGN = "chaos"

LONGEST_REQUEST_SECONDS = 6.0
"""The longest that one request may take, in real time: all four timeouts below."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a run is to do.

    Attributes:
        base_url: Where the sandbox is.
        api_key: The key it takes.
        speed: How many times as fast its clock is.
        epoch: When that clock and the machine's agreed.
        ledger_url: The ledger.
        customers: How many there are.
        lines: Calls in progress at once.
        give_up_seconds: How long one call is followed, on the fast clock.
        log: The file for what it has to say.
        report: The file for its report; there is none unless the run came to its end.
    """

    base_url: str
    api_key: str
    speed: float
    epoch: datetime
    ledger_url: str
    customers: int
    lines: int
    give_up_seconds: float
    log: Path
    report: Path


def number_of(customer: int) -> str:
    """A customer's number: London's, reserved for fiction, of which there are a thousand."""
    return f"+4420794{60000 + customer}"


def run(orders: Orders) -> None:
    """Run the campaign once. This is what a process is started for."""
    log = os.open(orders.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, sys.stdout.fileno())
    os.dup2(log, sys.stderr.fileno())
    # The lease is measured by the fast clock, the request by the machine's.
    campaign.dialing.placing.LEASE_MARGIN_SECONDS += LONGEST_REQUEST_SECONDS * orders.speed
    report = asyncio.run(_call_everybody(orders))
    # In one move: a report that is half written would say that the run ended.
    half = orders.report.with_suffix(".half")
    half.write_text(report.model_dump_json(), encoding="utf-8")
    half.rename(orders.report)


async def _call_everybody(orders: Orders) -> CampaignReport:
    credentials = HamsaCredentials(
        api_key=SecretStr(orders.api_key),
        base_url=orders.base_url,
        connect_timeout_seconds=1.0,
        read_timeout_seconds=3.0,
        write_timeout_seconds=1.0,
        pool_timeout_seconds=1.0,
    )
    policy = CallingPolicy(
        preset="unrestricted",
        lines=orders.lines,
        calls_per_task=20,
        poll_min_seconds=orders.speed / 5,
        poll_max_seconds=orders.speed / 2,
        give_up_after_seconds=orders.give_up_seconds,
    )
    clock = SystemClock(speed=orders.speed, epoch=orders.epoch)

    @flow(name="chaos", flow_run_name="call {customers} customers")
    async def chaos(agent: VoiceAgent, ledger: CallLedger, policy: CallingPolicy, customers: int) -> CampaignReport:
        rows = [
            {"id": f"c{number}", "phone": number_of(number), "name": f"Customer {number}"}
            for number in range(customers)
        ]
        return await run_campaign(rows, agent=agent, policy=policy, ledger=ledger, campaign=CAMPAIGN, clock=clock)

    return await chaos(
        VoiceAgent(credentials=credentials, voice_agent_id="agent-plain"),
        CallLedger(url=SecretStr(orders.ledger_url)),
        policy,
        orders.customers,
    )
