"""The world of random lies: several campaigns with agents, rules and webhooks of their own, one ledger, one Hamsa.

What is planned for a world is drawn beforehand, so that what failed once fails again.
"""

import asyncio
import json
import logging
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, AttemptState
from campaign.dialing.account import ask_account, filed
from campaign.following import Settler
from campaign.ledger import Ledger
from campaign.rules import Rules
from hamsa import HamsaClient, HamsaError, Unavailable, WebhookAuth
from sandbox import Scenario
from sandbox.scenario.lies import Lies
from tests.promises.processes import Process
from tests.promises.turned_time import START
from tests.promises.world import AGENT, ENDINGS, POLICY, Run, World, person
from tests.promises.world import DIAL as QUICKLY_SETTLED
from webhooks.receiver import create_app
from webhooks.recorder import Recorder
from webhooks.settings import WebhookSettings
from webhooks.spool import Spool

CUSTOMERS = range(8)
MANUAL = 90
"""Of this customer somebody plants calls from the dashboard, beside those of the campaign's."""

CAMPAIGNS = ("c", "d")

FIELD = "wants_no_more_calls"
"""In which the sandbox's agents note that somebody wants no more calls."""

SECRET = "the-secret-of-the-worlds"

DIAL = QUICKLY_SETTLED.model_copy(
    # Less often than in use: what a look finds matters here, not how soon, and each costs a world its time.
    update={"poll_min_seconds": 5.0, "poll_max_seconds": 40.0, "ledger_interval_seconds": 10.0}
)


@dataclass(frozen=True)
class Plan:
    """One world: how its Hamsa lies, what its requests meet, and what happens.

    Attributes:
        lies: How Hamsa lies at first.
        later_lies: How from the second round on, if otherwise.
        scenario: How else it behaves.
        later: What of that changes in the second round.
        faults: What the first requests to place a call meet.
        dies_at: The effect at which the first run dies.
        rounds: How long each round of settling goes on.
        by_hand: Seconds ago at which somebody made calls from the dashboard.
        campaigns: Who talks in each campaign: an agent's id, or `inline`.
        webhooks: Whether events are sent, and received.
        strangers: How many events of nobody's calls come.
        persons: Of the uncertain attempts in each round, how many a person settles.
        customers: Whom each campaign is to call.
        opt_out_fields: Which fields each campaign knows; the receiver and settling know none.
        seed: Decides what the rest leaves open.
    """

    lies: dict[str, Any] = field(default_factory=dict)
    later_lies: dict[str, Any] | None = None
    scenario: dict[str, Any] = field(default_factory=dict)
    later: dict[str, Any] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    dies_at: int | None = None
    rounds: tuple[int, ...] = (1800, 1800, 1800)
    by_hand: tuple[int, ...] = ()
    campaigns: tuple[str, ...] = (AGENT,)
    webhooks: bool = False
    strangers: int = 0
    persons: int = 0
    customers: tuple[tuple[int, ...], ...] = (tuple(CUSTOMERS), tuple(CUSTOMERS))
    opt_out_fields: tuple[tuple[str, ...], ...] = ((FIELD,), (FIELD,))
    seed: int = 0


class LyingWorld(World):
    """A world as a plan has it."""

    def __init__(self, folder: Path, plan: Plan, *, url: str | None = None) -> None:
        lies = Lies.model_validate(plan.lies)
        scenario = {"magic_numbers": False, "slow_seconds": 40, "opt_outs": 0.0, **plan.scenario}
        super().__init__(folder, Scenario(lies=lies, **scenario), policy=POLICY, dial=DIAL, url=url)
        self.plan = plan
        self._receiver: Starlette | None = None
        self._barred: list[tuple[str, str, datetime]] = []

    # -- what its processes have otherwise ------------------------------------------------------------------------

    def agent_of(self, campaign: str) -> CallingAgent:
        """Who talks in a campaign."""
        who = self.plan.campaigns[CAMPAIGNS.index(campaign)]
        webhook: dict[str, Any] = {}
        if self.plan.webhooks:
            auth = WebhookAuth(auth_key="Bearer", auth_secret=SecretStr(SECRET))
            webhook = {"webhook_url": "http://127.0.0.1:9/hamsa", "webhook_auth": auth}
        if who == "inline":
            return CallingAgent(agent_details={"agentName": "Inline", "greetingMessage": "Hello"}, **webhook)
        return CallingAgent(voice_agent_id=who, **webhook)

    def rules_of(self, campaign: str) -> Rules:
        """The rules of a campaign: they differ in what they know of opting out."""
        fields = self.plan.opt_out_fields[CAMPAIGNS.index(campaign)]
        return POLICY.model_copy(update={"opt_out_fields": list(fields)}).resolved()

    async def account_of(self, client: HamsaClient, ledger: Ledger, campaign: str) -> str | None:
        """Whose attempts a run's are, as far as Hamsa says."""
        for retry in range(4):
            try:
                return (await filed(await ask_account(client, self.agent_of(campaign)), ledger)).id
            except Unavailable:
                await self.clock.sleep(4.0 * 2**retry)
        return (await filed(await ask_account(client, self.agent_of(campaign)), ledger)).id

    async def settle_all(self, process: Process) -> None:
        """Settle, as `settle-calls` does, with rules that know of no opting out."""
        async with self.client(process) as client, self.ledger() as ledger:
            account = await self.account_of(client, ledger, CAMPAIGNS[0])
            await ledger.expire_leases()
            doubtful = await ledger.attempts(states=[AttemptState.UNCERTAIN], account=account)
            await Settler(client, ledger, DIAL).settle(doubtful)

    # -- webhooks ------------------------------------------------------------------------------------------------

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """Hand an event to the receiver, if there is one just now."""
        if self._receiver is None:
            raise ConnectionRefusedError
        return await self._post(self._receiver, headers, body)

    async def _post(self, app: Starlette, headers: Mapping[str, str], body: bytes) -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://receiver") as http:
            return (await http.post("/hamsa", headers=dict(headers), content=body)).status_code

    def begin_receiving(self, **how: Any) -> Process:
        """Start the receiver, in a process of its own."""
        return self.begin_other("receiver", self._receive, **how)

    async def _receive(self, process: Process) -> None:
        async with self._receiving(process) as app:
            self._receiver = app
            try:
                await asyncio.Event().wait()
            finally:
                self._receiver = None

    @asynccontextmanager
    async def _receiving(self, process: Process) -> AsyncIterator[Starlette]:
        spool = Spool(self.folder / "spool.db", clock=self.clock)
        recorder = Recorder(
            spool,
            self.ledger,
            emit=lambda _fact: None,
            opt_out_fields=(),
            keep=timedelta(days=7),
            clock=self.clock,
            rng=random.Random(process.name),
        )
        async with spool:
            recorder.start()
            try:
                yield create_app(WebhookSettings(auth_secret=SecretStr(SECRET)), spool, recorder, clock=self.clock)
            finally:
                await recorder.stop()

    def send_strangers(self) -> None:
        """Let events come that belong to no call of ours, or say so."""
        known = [call["job_id"] for call in self.calls()]
        for number in range(self.plan.strangers):
            nobodys = f"job-of-nobody-{number}"
            event = {
                "eventType": ("call.ended", "call.started")[number % 2],
                "callId": known[number] if number % 3 == 2 and number < len(known) else nobodys,
                "timestamp": self.clock.now().isoformat(),
                "agentId": AGENT,
                "data": {"data": {"outcomeResult": {"call_key": f"{number:032x}", FIELD: True}}},
            }
            self._start_event(event)

    def _start_event(self, event: dict[str, Any]) -> None:
        headers = {"authorization": f"Bearer {SECRET}", "content-type": "application/json"}

        async def send(_process: Process) -> None:
            if self._receiver is not None:
                await self._post(self._receiver, headers, json.dumps(event).encode())

        self.begin_other("stranger", send)

    # -- persons -------------------------------------------------------------------------------------------------

    def let_persons_settle(self, most: int) -> None:
        """Persons say of some uncertain attempts what is true: whether the phone rang, or will."""

        async def settle(_process: Process) -> None:
            async with self.ledger() as ledger:
                await ledger.expire_leases()
                for attempt in (await ledger.attempts(states=[AttemptState.UNCERTAIN]))[:most]:
                    rang = any(call["call_key"] == attempt.call_key for call in self.calls())
                    await ledger.settle_by_hand(attempt, rang=rang, who="somebody", why="asked")

        self.begin_other("person", settle)

    def check_others(self) -> None:
        """Whoever settled, received or wrote something down came to their end, or failed in a way that is known."""
        for process in self.others:
            task = process.task
            if task is None or not task.done() or task.cancelled() or process.dead:
                continue
            error = task.exception()
            assert error is None or isinstance(error, (*ENDINGS, HamsaError)), f"{process.name} failed: {error!r}"

    # -- opting out ------------------------------------------------------------------------------------------------

    def remember_who_is_barred(self) -> None:
        """Keep who may not be called any more, by the ends that the ledger knows now."""
        truth = {call["call_key"]: call for call in self.calls()}
        changes = (self.plan.lies, self.plan.later_lies or {})
        lied = any(name in lies and lies[name] != default for lies in changes for name, default in _RECORDS.items())
        for row in self.rows():
            outcome = row["outcome"] if isinstance(row["outcome"], dict) else json.loads(row["outcome"] or "{}")
            said = bool(outcome.get(FIELD)) if isinstance(outcome, dict) else False
            call = truth.get(row["call_key"])
            if not lied and row["adopted_by"] != "person" and row["state"] in _TALKED and call is not None:
                said = said or bool((call["outcome"] or {}).get(FIELD))
            if not said:
                continue
            theirs = self.plan.opt_out_fields[CAMPAIGNS.index(row["campaign"])]
            for campaign in CAMPAIGNS[: len(self.plan.campaigns)]:
                fields = (*theirs, *self.plan.opt_out_fields[CAMPAIGNS.index(campaign)])
                if FIELD in fields:
                    self._barred.append((campaign, row["phone"], self.clock.now()))

    def check_barred(self) -> None:
        """Nobody was called who had opted out before, in whatever campaign, by whatever path it was learned."""
        for campaign, phone, since in self._barred:
            for row in self.rows():
                if row["campaign"] == campaign and row["phone"] == phone:
                    claimed = _moment(row["claimed_at"])
                    assert claimed <= since, f"called after opting out (at {since}): {row}"


_TALKED = frozenset(state.value for state in ENDED if state not in (AttemptState.NO_ANSWER, AttemptState.FAILED))
_RECORDS = {
    name: value
    for name, value in Lies().model_dump(mode="json").items()
    if name in ("record_of", "record_missing", "record_data", "event_call_id", "event_key", "unknown_statuses")
}


def _moment(value: Any) -> datetime:
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=START.tzinfo)


def live_through(world: LyingWorld) -> None:
    """Let happen what is planned, and check on the way."""
    plan = world.plan
    world.sandbox.fail_next(*plan.faults)
    campaigns = CAMPAIGNS[: len(plan.campaigns)]
    receiver = world.begin_receiving() if plan.webhooks else None
    for ago in plan.by_hand:
        world.run_for(1)
        world.sandbox.plant_call(
            person(MANUAL, "").phone, voice_agent_id=AGENT, created=world.clock.now().timestamp() - ago
        )
    _call(world, "c", 400, seed=plan.seed, dies_at=plan.dies_at)
    for number, seconds in enumerate(plan.rounds):
        if number == 1:
            world.sandbox.change(**plan.later)
            if plan.later_lies is not None:
                world.sandbox.change(lies=plan.later_lies)
            if receiver is not None:  # it dies as well, and another one goes on
                world.kill(receiver)
                world.run_for(5)
                receiver = world.begin_receiving()
        world.send_strangers()
        world.begin_settling(seed=plan.seed + number)
        world.run_for(seconds)
        if plan.persons:
            world.let_persons_settle(plan.persons)
        for campaign in campaigns:
            _call(world, campaign, 1200 // len(campaigns), seed=plan.seed + number)
    for run in world.runs:
        world.run_for(0 if run.process.ended else 7200)
    world.check_rings()
    world.check_barred()
    world.check_told()
    world.check_others()


def _call(world: LyingWorld, campaign: str, seconds: float, **how: Any) -> Run:
    world.remember_who_is_barred()
    run = world.begin_run(campaign, world.plan.customers[CAMPAIGNS.index(campaign)], **how)
    world.run_for(seconds)
    world.check_rings()
    return run


def one_world(plan: Plan) -> None:
    """Live through it, with a ledger in a file."""
    _one_world(plan, url=None)


def one_world_on_postgres(plan: Plan, url: str) -> None:
    """Live through it, with a ledger in this PostgreSQL, which is empty."""
    _one_world(plan, url=url)


def _one_world(plan: Plan, *, url: str | None) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hamsa-lies-"))
    logging.disable()
    world = LyingWorld(folder, plan, url=url)
    try:
        live_through(world)
    finally:
        world.close()
        logging.disable(logging.NOTSET)
        shutil.rmtree(folder)
