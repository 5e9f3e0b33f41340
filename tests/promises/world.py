"""The world of the proof: a sandbox, one ledger, processes that come and go, and what must be true at any moment.

What is true is asked of the sandbox, which remembers every ring, and read from the ledger's file with SQLite alone.
"""

import asyncio
import hashlib
import itertools
import random
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock
from uuid import UUID

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, AttemptState
from campaign.buckets import Bucket
from campaign.dialing.dialer import Dialer
from campaign.errors import CampaignError, JobConflict
from campaign.following.settling import Settler
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.results import Batch, Result
from campaign.reporting.stops import Stop
from campaign.rules import Policy, Rules
from campaign.rules.decision import decide
from campaign.rules.policy.dial_settings import DialSettings
from campaign.rules.rules import Go, Never, NotNow
from hamsa import HamsaClient, NotPlaced, Unauthorized
from sandbox import Sandbox, Scenario
from tests import empty_ledger
from tests.promises.postgres import postgres_of_processes, postgres_rows
from tests.promises.processes import MortalTransport, Process, count_tasks, sqlite_without_threads
from tests.promises.turned_time import LoopClock, TurnedLoop

T = TypeVar("T")

ACCOUNT = "project"
AGENT = "agent-plain"

DIAL = DialSettings(
    lines=3, longest_refusal_seconds=120.0, give_up_after_seconds=900, settle_grace_seconds=600, settle_looks=2
)
"""Absence is believed ten minutes after the lease, and two looks."""

LONGEST_LAG_SECONDS = 500
"""The list is never further behind than settling is told to wait."""

POLICY = Policy(
    preset="unrestricted",
    max_attempts=2,
    minutes_after_no_answer=30,
    minutes_after_failed=10,
    minutes_after_terminated=60,
    per_24_hours=2,
    per_7_days=3,
)
"""Two attempts in a campaign, two calls a day over all campaigns, three a week."""

CANNOT_BE_CHECKED = (
    "by which the list could be checked",
    "shows no call that nobody answered",
    "only the latest call to each",
)
"""Said of an attempt beside which too little was called to check the list by: it stays uncertain until more is."""

DIAL_RETRIES = 3
"""How often a run dials its batch again when there was no connection, as a task's retries would."""

ENDINGS: tuple[type[BaseException], ...] = (CampaignError, NotPlaced, Unauthorized)
"""How a run may fail: each says what to do. Anything else is a fault of ours."""


def person(number: int, campaign: str) -> Recipient:
    """The recipient of that number; the same phone in every campaign."""
    return Recipient(
        id=f"c{number}",
        phone=f"+4420794{60000 + number}",
        zones=("Europe/London",),
        country="GB",
        params={"campaign": campaign},
        row=number + 1,
    )


@dataclass
class Run:
    """One run of a campaign, and what it reported."""

    process: Process
    campaign: str
    recipients: list[Recipient]
    results: list[Result] | None = None
    stopped: Stop | None = None


@dataclass
class World:
    """Everything there is. `close()` it at the end.

    Args:
        folder: Where the ledger's file is.
        scenario: How the sandbox behaves at first.
        policy: Every run's.
        dial: How every run dials.
        url: A ledger in PostgreSQL, empty; by default it is a SQLite file in the folder.
    """

    folder: Path
    scenario: Scenario
    policy: Policy = field(default_factory=lambda: POLICY)
    dial: DialSettings = DIAL
    url: str | None = None
    runs: list[Run] = field(default_factory=list)
    others: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = TurnedLoop()
        count_tasks(self.loop)
        self.clock = LoopClock(self.loop)
        self.sandbox = Sandbox(clock=self.clock, scenario=self.scenario, send_webhook=self.deliver)
        self.path = self.folder / "calls.db"
        if self.url is None:
            empty_ledger.lay(self.path)
        self.rules = self.policy.resolved()
        self.people: set[tuple[str, int]] = set()
        self._stack = ExitStack()
        self._stack.enter_context(sqlite_without_threads() if self.url is None else postgres_of_processes(self.loop))
        self._stack.enter_context(_countable_keys())
        self._echo_known = False
        self._from_dashboard: set[str] = set()
        self._made = 0
        self._asked_at: dict[str, datetime] = {}

    def close(self) -> None:
        """Kill everybody."""
        try:
            for process in self.processes():
                self.kill(process)
            self.run_for(5)
        finally:
            self._stack.close()
            self.loop.close()

    def processes(self) -> list[Process]:
        """Those that still run."""
        everybody = [run.process for run in self.runs] + self.others
        return [process for process in everybody if not process.ended]

    # -- what can happen -----------------------------------------------------------------------------------------

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Let time pass until `work` is done; it belongs to no process."""
        return self.loop.run_until_complete(work)

    def run_for(self, seconds: float) -> None:
        """Let so much time pass."""
        self.do(asyncio.sleep(seconds))

    def begin_run(self, campaign: str, numbers: Sequence[int], **how: Any) -> Run:
        """Start a campaign run over these people, in a process of its own. It goes on while time passes."""
        self._made += 1
        process = Process(f"run-{self._made}", **how)
        run = Run(process, campaign, [person(number, campaign) for number in numbers])
        self.people |= {(campaign, number) for number in numbers}
        self.runs.append(run)
        self._start(process, self._dial(run))
        return run

    def begin_settling(self, **how: Any) -> Process:
        """Start a process that settles what it can in all campaigns, as `settle_calls` does."""
        return self.begin_other("settle", self.settle_all, **how)

    def report_by_webhook(self, call: dict[str, Any], **how: Any) -> Process:
        """Start a process that writes down what a webhook event says of a call."""
        return self.begin_other("webhook", lambda process: self._note_event(process, call), **how)

    def begin_other(self, name: str, work: Callable[[Process], Coroutine[Any, Any, None]], **how: Any) -> Process:
        """Start a process that does some other work."""
        self._made += 1
        process = Process(f"{name}-{self._made}", **how)
        self.others.append(process)
        self._start(process, work(process))
        return process

    def _start(self, process: Process, work: Coroutine[Any, Any, None]) -> None:
        async def start() -> None:
            process.start(work)

        self.do(start())

    def kill(self, process: Process) -> None:
        """End a process as SIGKILL does."""

        async def kill() -> None:
            process.kill()

        self.do(kill())

    def cancel(self, process: Process) -> None:
        """Ask a process to end: what it must put in order, it may."""

        async def cancel() -> None:
            if process.task is not None:
                process.task.cancel()

        self.do(cancel())

    # -- what processes do ---------------------------------------------------------------------------------------

    def client(self, process: Process) -> HamsaClient:
        """A client of the sandbox that ends with its process."""
        return HamsaClient(
            "secret-key", base_url="http://127.0.0.1:8765", transport=MortalTransport(process, self.sandbox)
        )

    def ledger(self) -> Ledger:
        """The ledger, as one process opens it."""
        return Ledger(self.url or f"sqlite:///{self.path}", clock=self.clock)

    # What a kind of world may have otherwise.

    def agent_of(self, campaign: str) -> CallingAgent:
        """Who talks in a campaign."""
        return CallingAgent(voice_agent_id=AGENT)

    def rules_of(self, campaign: str) -> Rules:
        """The rules of a campaign."""
        return self.rules

    async def account_of(self, client: HamsaClient, ledger: Ledger, campaign: str) -> str | None:
        """Whose attempts a run's are."""
        return ACCOUNT

    async def deliver(self, url: str, headers: Mapping[str, str], body: bytes) -> int:
        """What happens to an event that Hamsa sends."""
        raise ConnectionRefusedError

    async def _dial(self, run: Run) -> None:
        """A campaign run: settle, follow, dial. The same steps as the flow's."""
        process, campaign = run.process, run.campaign
        async with self.client(process) as client, self.ledger() as ledger:
            account = await self.account_of(client, ledger, campaign)
            dialer = Dialer(
                client=client,
                ledger=ledger,
                agent=self.agent_of(campaign),
                rules=self.rules_of(campaign),
                campaign=campaign,
                run_id=process.name,
                account=account,
                settings=self.dial,
                clock=self.clock,
                rng=random.Random(process.name),
            )
            await ledger.expire_leases()
            doubtful = await ledger.attempts(campaign=campaign, states=[AttemptState.UNCERTAIN], account=account)
            await dialer.settler.settle(doubtful)
            placed = await ledger.attempts(campaign=campaign, states=[AttemptState.PLACED], account=account)
            async with dialer:
                following = asyncio.create_task(dialer.follow_all(placed))
                try:
                    run.results = await self._dial_batch(dialer, Batch(1, run.recipients))
                    await following
                finally:
                    run.stopped = dialer.stopped
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
        self._check_results(run)

    async def _dial_batch(self, dialer: Dialer, batch: Batch) -> list[Result]:
        for retry in range(DIAL_RETRIES):
            try:
                return await dialer.run(batch)
            except NotPlaced:
                await self.clock.sleep(4.0 * 2**retry)
        return await dialer.run(batch)

    async def settle_all(self, process: Process) -> None:
        """What a process that settles does."""
        async with self.client(process) as client, self.ledger() as ledger:
            await ledger.expire_leases()
            doubtful = await ledger.attempts(states=[AttemptState.UNCERTAIN], account=ACCOUNT)
            await Settler(client, ledger, DIAL).settle(doubtful)

    async def _note_event(self, process: Process, call: dict[str, Any]) -> None:
        # Where a fault has a phone ring twice, the ledger says so too; that it must not is looked at elsewhere.
        async with self.ledger() as ledger:
            with suppress(JobConflict):
                await self._note(ledger, call)

    async def _note(self, ledger: Ledger, call: dict[str, Any]) -> None:
        if call["ended_at"] is None:
            await ledger.place(call["call_key"], call["job_id"])
            return
        end = CallEnd(
            AttemptState(call["status"].lower()),
            status=call["status"],
            ended_at=datetime.fromisoformat(call["ended_at"]),
            cost=call["cost"],
        )
        await ledger.end(end, call_key=call["call_key"], job_id=call["job_id"])

    # -- what must be true ---------------------------------------------------------------------------------------

    def rows(self) -> list[dict[str, Any]]:
        """The ledger's rows, as whoever opens the file reads them."""
        if self.url is not None:
            return postgres_rows(self.url)
        if not self.path.exists():
            return []
        with closing(sqlite3.connect(self.path, timeout=0)) as connection, connection:
            connection.row_factory = sqlite3.Row
            try:
                return [dict(row) for row in connection.execute("SELECT * FROM call_attempts")]
            except sqlite3.OperationalError:  # a process that has not made its tables yet
                return []

    def calls(self) -> list[dict[str, Any]]:
        """Every ring that one of our requests made, the oldest first."""
        return [call for call in self.sandbox.calls() if call["source"] != "dashboard"]

    def check(self) -> None:
        """What must be true at any moment."""
        calls, rows = self.calls(), self.rows()
        self._check_rings(calls)
        self._check_jobs(calls, rows)
        for run in self.runs:
            task = run.process.task
            if task is not None and task.done() and not task.cancelled() and not run.process.dead:
                error = task.exception()
                if error is not None and not isinstance(error, ENDINGS):
                    raise AssertionError(f"{run.process.name} failed in a way that tells nobody what to do") from error

    def check_rings(self) -> None:
        """No attempt rang twice, whatever Hamsa's answers look like."""
        self._check_rings(self.calls())

    def check_told(self) -> None:
        """Nobody is lost without a word: every run told of each of its rows, and what is unfinished says why."""
        for run in self.runs:
            if run.results is None:
                task = run.process.task
                error = task.exception() if task is not None and task.done() and not task.cancelled() else None
                assert run.process.dead or isinstance(error, ENDINGS), f"{run.process.name} told nothing: {error!r}"
                continue
            assert [result.row for result in run.results] == [each.row for each in run.recipients]
            assert all(result.reason for result in run.results), f"no word: {run.results}"
        silent = [row for row in self.rows() if row["state"] == "uncertain" and not row["error"]]
        assert not silent, f"uncertain without a word: {silent}"

    def _check_rings(self, calls: Sequence[dict[str, Any]]) -> None:
        rang = Counter(call["call_key"] for call in calls)
        twice = [_brief(call) for call in calls if rang[call["call_key"]] > 1]
        assert not twice, f"one attempt rang twice: {twice}"
        rings = Counter((call["params"]["campaign"], call["number"]) for call in calls)
        most = self.rules.max_attempts
        assert all(count <= most for count in rings.values()), f"more rings than attempts allowed: {rings}"
        by_number: defaultdict[str, list[datetime]] = defaultdict(list)
        for call in calls:
            by_number[call["number"]].append(datetime.fromisoformat(call["created_at"]))
        for number, times in by_number.items():
            times.sort()
            for cap in self.rules.caps:
                # A ring comes up to a request's length after its claim, which is what a cap counts.
                within = cap.within - timedelta(seconds=200)
                for first, last in zip(times, times[cap.calls :], strict=False):
                    assert last - first >= within, f"{number} rang more than {cap.calls} times in {cap.within}"

    def _check_jobs(self, calls: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]]) -> None:
        truth = {call["job_id"]: call for call in self.sandbox.calls()}
        claimed = {row["call_key"] for row in rows}
        unclaimed = [call for call in calls if call["call_key"] not in claimed]
        assert not unclaimed, f"a phone rang for which there is no claim: {unclaimed}"
        owners = Counter(row["job_id"] for row in rows if row["job_id"] is not None)
        assert all(count == 1 for count in owners.values()), f"a job with two owners: {owners}"
        from_dashboard = set()
        for row in rows:
            if row["job_id"] is None:
                continue
            call = truth[row["job_id"]]
            if call["source"] == "dashboard":
                from_dashboard.add(row["call_key"])
                continue
            assert call["call_key"] == row["call_key"], f"{row} owns the call of another attempt: {call}"
        if self._echo_known:
            adopted = from_dashboard - self._from_dashboard
            assert not adopted, f"a call made from the dashboard was taken for ours: {adopted}"
        self._from_dashboard = from_dashboard
        self._echo_known = any(row["echoed"] for row in rows)

    def _check_results(self, run: Run) -> None:
        """A run that reports tells of each of its rows once, and nothing that the ledger does not say."""
        assert run.results is not None
        assert [result.row for result in run.results] == [each.row for each in run.recipients]
        assert sum(Counter(result.bucket for result in run.results).values()) == len(run.recipients)
        if self.url is None and not self.path.exists():
            return  # the ledger was taken away: it is compared again when it is back
        states = {row["call_key"]: row["state"] for row in self.rows()}
        for result in run.results:
            if result.call_key is None:
                continue
            assert result.call_key in states, f"there is no claim for {result}"
            state = AttemptState(states[result.call_key])
            if result.bucket.value in {ended.value for ended in ENDED}:
                assert result.bucket.value == state.value, f"{result} but the ledger has {state}"
            elif state is AttemptState.REFUSED:
                assert result.bucket is Bucket.REFUSED, f"{result} but the ledger has {state}"

    # -- in the end ----------------------------------------------------------------------------------------------

    def heal(self) -> None:
        """Nothing fails any more."""
        echo, skew = self.sandbox.scenario.echo_params, self.sandbox.scenario.clock_skew_seconds
        self.sandbox.scenario = Scenario(magic_numbers=False, echo_params=echo, clock_skew_seconds=skew)

    def finish(self, rounds: int = 4) -> None:
        """Let everybody end, then run every campaign again a few times, as a schedule would."""
        self.heal()
        self.run_for(3600)
        for _ in range(rounds):
            for campaign in sorted({campaign for campaign, _ in self.people}):
                numbers = sorted(number for name, number in self.people if name == campaign)
                self._asked_at[campaign] = self.clock.now()
                run = self.begin_run(campaign, numbers)
                self.run_for(1200)
                assert run.process.ended, f"{run.process.name} does not come to its end"
                self.check()
        self._check_nobody_lost()

    def _check_nobody_lost(self) -> None:
        calls = {call["job_id"]: call for call in self.sandbox.calls()}
        rows = {row["call_key"]: row for row in self.rows()}
        for call in self.calls():
            row = rows[call["call_key"]]
            if row["job_id"] == call["job_id"]:
                assert AttemptState(row["state"]) in ENDED, f"a call without its end: {row}"
            elif row["job_id"] is None:
                self._explain(row)
            else:
                # Allowed only where nothing told the two apart: somebody called the same customer meanwhile.
                assert calls[row["job_id"]]["source"] == "dashboard", f"the wrong call: {row}"
        for campaign, number in self.people:
            self._check_decided(campaign, number)

    def _explain(self, row: dict[str, Any]) -> None:
        """An attempt that stayed uncertain: its call cannot be told from another one."""
        assert row["state"] == AttemptState.UNCERTAIN, f"an attempt whose phone rang was given up: {row}"
        calls = [call for call in self.sandbox.calls() if call["number"] == row["phone"]]
        # The call that another attempt took for its own by number and time alone may still be this one's.
        rivals = [
            each
            for each in self.rows()
            if each["phone"] == row["phone"] and (each["state"] == "uncertain" or each["adopted_by"] == "match")
        ]
        # One that somebody made by hand carries no key: it may be this attempt's, or nobody's.
        by_hand = any(call["source"] == "dashboard" for call in calls)
        assert len(calls) > 1 or by_hand or (calls and len(rivals) > 1), f"uncertain without a reason: {row}"
        assert row["error"], "uncertain without a word"

    def _check_decided(self, campaign: str, number: int) -> None:
        someone = person(number, campaign)

        async def ask() -> Go | NotNow | Never:
            async with self.ledger() as ledger:
                history = await ledger.history(campaign, [someone.phone], [someone.id])
                return decide(
                    recipient=someone,
                    history=history.of(someone.phone, someone.id),
                    campaign=campaign,
                    run_id="next",
                    rules=self.rules,
                    at=self._asked_at[campaign],  # whoever might have been called then, had to be
                )

        verdict = self.do(ask())
        assert not isinstance(verdict, Go), f"{someone.id} of {campaign} could be called, and was not"
        doubtful = [
            row for row in self.rows() if row["phone"] == someone.phone and row["state"] == AttemptState.UNCERTAIN
        ]
        waits = (Bucket.OTHER_RUN, Bucket.IN_PROGRESS)
        assert verdict.bucket not in waits or doubtful, f"{someone.id}: {verdict.reason}"
        if verdict.bucket in (*waits, Bucket.UNCERTAIN):
            for row in doubtful:
                if not any(said in (row["error"] or "") for said in CANNOT_BE_CHECKED):
                    self._explain(row)


@contextmanager
def _countable_keys() -> Iterator[None]:
    """Call keys that are the same each time, so that what failed once fails again."""
    with mock.patch("campaign.ledger.claims.judging.uuid4", side_effect=map(_key, itertools.count(1))):
        yield


def _key(number: int) -> UUID:
    return UUID(bytes=hashlib.blake2b(str(number).encode(), digest_size=16).digest())


def _brief(call: dict[str, Any]) -> dict[str, Any]:
    """What matters of a call in a message."""
    names = ("job_id", "number", "call_key", "source", "fault", "created_at", "ended_at", "status")
    return {**{name: call[name] for name in names}, "campaign": call["params"].get("campaign")}
