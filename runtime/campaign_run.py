"""One run of a campaign in Prefect's engine: what is open while it lasts, and how it ends, whatever ends it.

Promises that every row gets its bucket, and that the run's last event is emitted, also when the run is cancelled,
suspended, or ended by an error: on the way out it accounts for whom it did not reach.
"""

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause, TerminationSignal
from prefect.runtime import flow_run

from blocks import CallingPolicy, CallLedger, VoiceAgent
from blocks.ledger import ensure_ledger_outlives
from campaign.agent import CallingAgent
from campaign.attempts import Attempt
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.dialing import Account, Dialer, change_sentence, is_changed, watch_agent
from campaign.errors import CampaignError, LedgerError
from campaign.following import CallEvent, Settler
from campaign.ledger import Ledger
from campaign.reporting import Batch, CampaignReport, Stop, Tally, stop_kind
from campaign.rules import DialSettings, Rules
from campaign.unexpected import log_unexpected, redacted
from hamsa import HamsaClient, NotPlaced
from runtime.artifacts import Records
from runtime.events import call_event_emitter, emit_campaign_finished, emit_campaign_started
from runtime.run_logs import link_logs_to_runs
from runtime.run_states import cancel_on_sigterm, finish_despite_cancellation, show_in_state, until_suspended
from runtime.shared_limits import shared_lines
from runtime.sources import Recheck

logger = logging.getLogger("campaign")

PROGRESS_SECONDS = 3.0
"""How often the progress artifact moves."""

CLOSING_SECONDS = 15.0
"""How long a cancelled run may take to report: a worker kills it half a minute after it asked."""

CANCELLED = Stop("cancelled", "The run was cancelled: no more calls are made. Run it again to call the rest.", False)
SUSPENDED = Stop("suspended", "The run was suspended: no more calls are made until somebody resumes it.", False)


@asynccontextmanager
async def open_campaign_run(
    *,
    agent: VoiceAgent,
    policy: CallingPolicy,
    ledger: CallLedger,
    campaign: str,
    dry_run: bool = False,
    outcome_fields: Iterable[str] = (),
    events_per_call: bool = True,
    clock: Clock | None = None,
) -> AsyncIterator["CampaignRun"]:
    """Open the ledger and the client of a campaign, and listen for Cancel.

    Raises:
        CampaignError: Policy or ledger cannot be used. Nobody was called.
    """
    clock = clock or SystemClock()
    link_logs_to_runs()
    with cancel_on_sigterm():
        await ensure_ledger_outlives(ledger)
        async with AsyncExitStack() as stack:
            rules = policy.resolved()
            calling = agent.calling_agent()
            client = await stack.enter_async_context(agent.credentials.get_client(lines=policy.lines))
            opened = await stack.enter_async_context(ledger.open(clock=clock))
            settings = DialSettings.of(policy)
            run_id = str(flow_run.id or uuid.uuid4())
            yield CampaignRun(
                campaign=campaign,
                run_id=run_id,
                dry_run=dry_run,
                policy=policy,
                agent=calling,
                rules=rules,
                settings=settings,
                client=client,
                ledger=opened,
                settler=Settler(client, opened, settings),
                records=Records(campaign, opened, Tally(), run_id=None if dry_run else run_id, rules=rules),
                clock=clock,
                started_at=clock.now(),
                on_event=_of_this_run(call_event_emitter(list(outcome_fields))) if events_per_call else None,
            )


@dataclass(slots=True)
class CampaignRun:
    """What a campaign's steps share: everything open, and what was counted."""

    campaign: str
    run_id: str
    dry_run: bool
    policy: CallingPolicy
    agent: CallingAgent
    rules: Rules
    settings: DialSettings
    client: HamsaClient
    ledger: Ledger
    settler: Settler
    records: Records
    clock: Clock
    started_at: datetime
    on_event: Callable[[CallEvent], None] | None
    earlier: list[Attempt] = field(default_factory=list)
    """Calls of earlier runs, as the ledger has them now."""
    agent_updated_at: datetime | None = None
    """When the agent had last been changed as this run began, if Hamsa says so."""
    notes: list[str] = field(default_factory=list)
    """What the report is to say besides its counts, a sentence each."""
    ended_early: CampaignReport | None = None
    """The report of a run that an error ended, written on the way out."""

    async def compare_agent(self, account: Account) -> None:
        """Say so if the agent was changed since the campaign last ran, and stop if the policy says so.

        Raises:
            CampaignError: It was, and the policy says to stop. Nobody was called; the next run goes on.
        """
        agent_id, now = self.agent.voice_agent_id, account.agent_updated_at
        if self.dry_run or agent_id is None or now is None:
            return
        self.agent_updated_at = now
        before = await self.ledger.note_agent(self.campaign, agent_id, now)
        if before is not None and is_changed(before, now):
            changed = change_sentence(agent_id, before, now)
            if self.policy.stop_when_agent_changes:
                raise CampaignError(
                    f"{changed}, and the policy says to stop then (stop_when_agent_changes). Nobody was called; run "
                    "again to continue with the agent as it is now."
                )
            self._note_change(changed)

    def _note_change(self, changed: str) -> None:
        logger.warning("%s: from now on people may hear something else", changed)
        self.notes.append(f"{changed}: since then people may have heard something else.")

    async def _watch_agent(self, dialer: Dialer) -> None:
        """While people are called, notice that the agent is changed."""
        agent_id, since = self.agent.voice_agent_id, self.agent_updated_at
        if agent_id is None or since is None:
            return

        async def report(before: datetime, now: datetime) -> None:
            changed = change_sentence(agent_id, before, now)
            dialer.agent_changed(now)
            if self.policy.stop_when_agent_changes:
                why = "the policy says to stop then (stop_when_agent_changes)"
                dialer.stop(
                    Stop("agent", f"{changed}, and {why}. Run again to continue with it as it is.", failed=True)
                )
            else:
                self._note_change(changed)
            with suppress(LedgerError):  # the next run says so once more
                await self.ledger.note_agent(self.campaign, agent_id, now)

        await watch_agent(self.client, agent_id, since, clock=self.clock, on_change=report)

    async def dialer(self, account: Account, recheck: Recheck | None) -> Dialer:
        """What places the calls of this run, each after a last look at whether it is still to be made.

        Raises:
            CampaignError: The policy names a concurrency limit that Prefect does not know.
        """
        return Dialer(
            client=self.client,
            ledger=self.ledger,
            agent=self.agent,
            rules=self.rules,
            campaign=self.campaign,
            run_id=self.run_id,
            account=account.id,
            agent_updated_at=account.agent_updated_at,
            settings=self.settings,
            settler=self.settler,
            clock=self.clock,
            on_event=self.on_event,
            recheck=recheck,
            permit=await shared_lines(self.policy.concurrency_limit),
        )

    @asynccontextmanager
    async def calling(self, dialer: Dialer, rows: int) -> AsyncIterator[None]:
        """Within this people are called. However it ends, every row is accounted for.

        What its user can fix ends it with a report, in `ended_early`; anything else is raised after the report.

        Raises:
            asyncio.CancelledError, TerminationSignal: The run was cancelled.
            prefect.exceptions.Pause: Somebody suspended the run.
        """
        emit_campaign_started(self.campaign, rows=rows, agent_id=self.agent.voice_agent_id)
        suspension: list[State[Any]] = []
        beside = [
            asyncio.create_task(self.records.progress(PROGRESS_SECONDS, rows, dialer.lines)),
            asyncio.create_task(self._stop_when_prefect_is_lost(dialer)),
            asyncio.create_task(self._watch_agent(dialer)),
            asyncio.create_task(_leave_when_suspended(dialer, suspension, asyncio.current_task())),
        ]
        try:
            async with dialer:
                yield
            # A table that cannot be written must show in how the run ends.
            await self.records.close()
            self.stop_when_unread(dialer)
        except (asyncio.CancelledError, TerminationSignal):
            stop = SUSPENDED if suspension else CANCELLED
            await finish_despite_cancellation(self._abort(dialer, rows, stop), seconds=CLOSING_SECONDS)
            shown = await show_in_state(self.ended_early.headline) if self.ended_early is not None else None
            if suspension:
                raise Pause(state=shown or suspension[0]) from None
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is: every row still gets its bucket, and automations their event
            known = redacted(error)
            await self._abort(dialer, rows, stop_for(known))
            if not (isinstance(known, CampaignError) and self.ended_early is not None):
                raise known from None
        finally:
            for work in beside:
                work.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def finish(self, dialer: Dialer, rows: int) -> CampaignReport:
        """Add up, write the summary, and emit the campaign's last event."""
        records = self.records
        await records.finish_progress(rows)
        stop = dialer.stopped
        report = CampaignReport(
            campaign=self.campaign,
            run_id=self.run_id,
            started_at=self.started_at,
            ended_at=self.clock.now(),
            rows_read=rows,
            dry_run=self.dry_run,
            **records.tally.counts(),
            calls=records.calls,
            minutes=round(records.seconds / 60, 2),
            cost=round(records.cost, 4),
            followed=dict(Counter(attempt.state.value for attempt in self.earlier)),
            stopped=stop.message if stop else None,
            stop_kind=stop.kind if stop else None,
            failed=stop is not None and stop.failed,
            notes=self.notes,
        )
        try:
            await records.summary(report)
        finally:
            emit_campaign_finished(report)
            logger.log(logging.ERROR if report.failed else logging.INFO, "%s", report.headline)
        return report

    async def account_for(self, batch: Batch, why: str) -> None:
        """Give every row of a batch that was broken off its bucket: of who was called, the ledger knows the rest."""
        mine: list[Attempt] = []
        if ids := [recipient.id for recipient in batch.without_result]:
            with suppress(LedgerError):  # what was already claimed or called has its result from the dialer
                mine = await self.ledger.attempts(campaign=self.campaign, run_id=self.run_id, recipient_ids=ids)
        await self.records.dialed(batch, batch.broken_off(why, mine))

    def stop_when_unread(self, dialer: Dialer) -> None:
        """Dial no more if the ledger could not be read for some record."""
        if self.records.unread is not None:
            dialer.stop(Stop("ledger", str(self.records.unread), failed=True))

    async def _abort(self, dialer: Dialer, rows: int, stop: Stop) -> None:
        """The run ends in the middle: account for every row, and report, before it goes."""
        dialer.stop(stop)
        message = dialer.stopped.message if dialer.stopped is not None else stop.message
        try:
            for batch in list(self.records.in_hand.values()):
                await self.account_for(batch, message)
            self.records.tally.add(Bucket.NOT_REACHED, message, rows=rows - self.records.tally.rows)
            await self.records.close()
            self.ended_early = await self.finish(dialer, rows)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged below
            what = "The run ends, and its report could not be written; the ledger has every call"
            log_unexpected(logger, what, error)

    async def _stop_when_prefect_is_lost(self, dialer: Dialer) -> None:
        lost = await self.records.prefect_lost()
        message = f"{lost}: no more calls are made. The ledger has every call; run again when it is back."
        dialer.stop(Stop("prefect", message, failed=True))


async def _leave_when_suspended(dialer: Dialer, suspension: list[State[Any]], run: "asyncio.Task[Any] | None") -> None:
    suspension.append(await until_suspended(lambda: dialer.stop(CANCELLED)))
    if run is not None:
        run.cancel()


def stop_for(error: Exception) -> Stop:
    """What an error means for the run that it ends."""
    if isinstance(error, NotPlaced):
        if error.status_code == 429:
            said = f"Hamsa took no call for a long time ({error}). Use fewer lines, or run again later."
            return Stop("hamsa", said, failed=True)
        return Stop("hamsa", f"Hamsa cannot be reached ({error}). Run again when it can.", failed=True)
    if isinstance(error, CampaignError):
        return Stop(stop_kind(error), str(error), failed=True)
    return Stop("hamsa", f"Hamsa did not give the run what it needs ({error}).", failed=True)


def _of_this_run(emit: Callable[[CallEvent], None]) -> Callable[[CallEvent], None]:
    """Let events name the flow run that they belong to, and not the batch's task run too: that costs a tenth more."""
    context = copy_context()
    return lambda event: context.run(emit, event)
