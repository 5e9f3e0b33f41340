"""A campaign run: settle, load, screen, dial, report. One code path for the first run, a retry, a resume and a redial.

Promises that each row ends in exactly one bucket of the report, and that running again calls nobody twice.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from prefect.client.schemas.objects import State
from prefect.exceptions import Pause, TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed

from blocks import CallingPolicy, CallLedger, VoiceAgent
from blocks.agent import default_campaign
from blocks.ledger import ensure_ledger_outlives
from campaign.attempts import Attempt
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.dialing.account import Account
from campaign.dialing.dialer import Dialer
from campaign.dialing.settings import settings_of
from campaign.errors import CampaignError, LedgerError
from campaign.following.call_events import CallEvent
from campaign.heap import old_objects_left_alone
from campaign.intake.recipients import ColumnMapping, Recipient, Source, SqlQuery
from campaign.intake.screening import DueFilter, Screen
from campaign.ledger.ledger import Ledger
from campaign.reporting.report import CampaignReport, Tally
from campaign.reporting.results import Batch
from campaign.reporting.stops import Stop, stop_kind
from campaign.rules.decision import Rules
from campaign.unexpected import log_unexpected, redact_unexpected_errors
from hamsa import HamsaClient, NotPlaced
from runtime.artifacts import Records
from runtime.cancellation import cancel_on_sigterm, finish_despite_cancellation
from runtime.events import call_event_emitter, emit_campaign_finished, emit_campaign_started
from runtime.run_logs import logged_in_run
from runtime.shared_limits import shared_lines
from runtime.suspension import until_suspended
from tasks.account import check_account
from tasks.approve import Forecast, ask, earlier_answer, forecast
from tasks.dial import Followed, dial, follow
from tasks.do_not_call import load_do_not_call
from tasks.load import Mappings, Rows, load
from tasks.recheck import Recheck
from tasks.screen import Page, Screening, screen
from tasks.settle import settle

logger = logging.getLogger("campaign")

PAGE_ROWS = 5000
"""Rows screened at once: they share one task run and one look into the ledger."""

PROGRESS_SECONDS = 3.0
"""How often the progress artifact moves."""

CLOSING_SECONDS = 15.0
"""How long a cancelled run may take to report: a worker kills it half a minute after it asked."""

CANCELLED = Stop("cancelled", "The run was cancelled: nobody more is called. Run it again to call the rest.", False)


@redact_unexpected_errors
async def run_campaign(
    rows: Source | Mappings,
    *,
    agent: VoiceAgent,
    policy: CallingPolicy | None = None,
    ledger: CallLedger | None = None,
    campaign: str | None = None,
    columns: ColumnMapping | None = None,
    default_region: str | None = None,
    do_not_call: Source | None = None,
    still_due: SqlQuery | None = None,
    due: DueFilter | None = None,
    dry_run: bool = False,
    outcome_fields: Iterable[str] = (),
    events_per_call: bool = True,
    clock: Clock | None = None,
) -> CampaignReport:
    """Call everybody in `rows` who may be called now and was not called yet, and follow each call to its end.

    Call it from a flow of your own: its task runs, artifacts and events appear there. Run it again at any time.

    Args:
        rows: A `SqlQuery`, a `CsvFile`, or mappings that an upstream task made. Needs a phone and an id in each.
        agent: Who talks.
        policy: The rules; strict if none is given.
        ledger: Where claims are kept; the SQLite file below `PREFECT_HOME` if none is given.
        campaign: The name under which each recipient is called at most `max_attempts` times. By default the flow's
            name and the local date on which the run was to start, so that a retry after midnight is the same campaign.
        columns: Which keys of the mappings hold what; a source has its own.
        default_region: Country of national numbers in mappings; a source has its own.
        do_not_call: Numbers that are not to be called, by a query or a file with a phone column.
        still_due: A query with the parameter `:id`, asked just before each call: whoever gives no row is not called.
        due: Chooses rows by due date and amount.
        dry_run: Do everything but dial, and write nothing to the ledger.
        outcome_fields: Fields of the outcome that events may show.
        events_per_call: Whether each call emits events; the campaign's own are always emitted.
        clock: Where the time comes from; the machine's, if none is given.

    Returns:
        The counts. Its buckets add up to the rows read.

    Raises:
        CampaignError: It could not begin: source, ledger, key or agent are not in order. Nobody was called.
        NotApproved: It asked, by the policy's `approve_above`, and somebody decided that nobody is called.
        CampaignFailed: It began and had to stop for a reason that somebody must mend; it carries the report.
        prefect.exceptions.Pause: Somebody suspended the run. It goes on when it is resumed.
    """
    plan = _Plan(
        agent=agent,
        policy=policy or CallingPolicy(),
        ledger=ledger or CallLedger(),
        campaign=campaign or default_campaign("run-campaign"),
        run_id=str(flow_run.id or uuid.uuid4()),
        dry_run=dry_run,
        clock=clock or SystemClock(),
    )
    with logged_in_run(), cancel_on_sigterm(), old_objects_left_alone():
        await ensure_ledger_outlives(plan.ledger)
        async with AsyncExitStack() as stack:
            run = await _open(
                plan, stack, _of_this_run(call_event_emitter(list(outcome_fields))) if events_per_call else None
            )
            loaded = await stack.enter_async_context(load(rows, columns=columns, default_region=default_region))
            barred = await load_do_not_call(do_not_call) if do_not_call is not None else frozenset[str]()
            if still_due is not None or do_not_call is not None:
                run.dialer.recheck = Recheck(plan.clock, still_due=still_due, do_not_call=do_not_call, barred=barred)

            async def new_screen() -> Screen:
                made = Screen(
                    kinds=run.rules.line_kinds,
                    default_region=loaded.default_region,
                    mapping=loaded.columns,
                    due_filter=due,
                    do_not_call=barred,
                    required_params=run.account.placeholders,
                )
                await loaded.prepare(made)
                return made

            if plan.policy.approve_above is not None and not plan.dry_run:
                await run.require_approval(plan.policy.approve_above, loaded, run.screening(await new_screen()))
            report = await run.carry_out(loaded, run.screening(await new_screen()))
    if report.failed:
        raise CampaignFailed(report)
    return report


class CampaignFailed(CampaignError):
    """A run that began to call and had to stop. `report` has the counts; `str()` says what to mend."""

    def __init__(self, report: CampaignReport) -> None:
        super().__init__(report.stopped or report.headline)
        self.report = report


def state_of(report: CampaignReport) -> Any:
    """The Prefect state that tells the truth about a run, with its headline, the report as its result.

    Completed, or Cancelled if somebody cancelled the run and it followed its calls to their ends all the same.
    """
    if report.stop_kind == "cancelled":
        return Cancelled(message=report.headline, data=report)
    return Completed(message=report.headline, data=report)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for."""

    agent: VoiceAgent
    policy: CallingPolicy
    ledger: CallLedger
    campaign: str
    run_id: str
    dry_run: bool
    clock: Clock


@dataclass(slots=True)
class _Run:
    """A run with everything open."""

    plan: _Plan
    client: HamsaClient
    ledger: Ledger
    account: Account
    rules: Rules
    dialer: Dialer
    records: Records
    tally: Tally
    started_at: datetime
    followed: Followed = field(default_factory=lambda: Followed([]))
    batches: int = 0
    suspended: State[Any] | None = None
    reported: CampaignReport | None = None

    def screening(self, rows: Screen) -> Screening:
        plan = self.plan
        return Screening(
            screen=rows,
            ledger=self.ledger,
            rules=self.rules,
            campaign=plan.campaign,
            run_id=plan.run_id,
            dry_run=plan.dry_run,
        )

    async def require_approval(self, above: int, loaded: Rows, screening: Screening) -> None:
        """Ask a person if this run would call more people than `above`, and heed the answer.

        Raises:
            NotApproved: The answer was no.
            prefect.exceptions.Pause: The run is suspended until there is an answer, and begins anew then.
        """
        plan, settings = self.plan, self.dialer.settings
        answer = await earlier_answer(plan.campaign)
        if answer is None:
            found = Forecast(plan.campaign)
            await forecast(loaded, screening, found)
            if found.count <= above:
                # Rows are screened again as their turn comes: hours may have opened, and no more are called unasked.
                self.dialer.allow(above, "that need no approval (approve_above)")
                return
            page = found.page(
                lines=settings.lines,
                calls_per_minute=settings.calls_per_minute,
                averages=await self.ledger.averages(),
                max_calls=settings.max_calls,
                max_cost=settings.max_cost,
                now=plan.clock.now(),
            )
            answer = await ask(found, page)
        if answer.at_most is not None:
            self.dialer.allow(answer.at_most, "that were approved")

    async def carry_out(self, loaded: Rows, screening: Screening) -> CampaignReport:
        """Screen and dial all rows, and report."""
        plan = self.plan
        emit_campaign_started(plan.campaign, rows=loaded.count, agent_id=plan.agent.voice_agent_id)
        progress = asyncio.create_task(self.records.progress(PROGRESS_SECONDS, loaded.count, self.dialer.lines))
        guard = asyncio.create_task(self._stop_when_lost())
        watch = asyncio.create_task(self._leave_when_suspended(asyncio.current_task()))
        try:
            await self._call_everybody(loaded, screening)
        except (asyncio.CancelledError, TerminationSignal):
            stop = CANCELLED
            if self.suspended is not None:
                stop = Stop(
                    "suspended", "The run was suspended: nobody more is called until somebody resumes it.", False
                )
            await finish_despite_cancellation(self._abort(loaded, stop), seconds=CLOSING_SECONDS)
            if self.suspended is not None:
                raise Pause(state=self.suspended) from None
            raise
        except Exception as error:
            # Whatever it is: every row still gets its bucket, and the automations that wait for an end hear of it.
            await self._abort(loaded, _stop_for(error))
            if isinstance(error, CampaignError) and self.reported is not None:
                return self.reported
            raise
        finally:
            for helper in (progress, guard, watch):
                helper.cancel()
            await asyncio.gather(progress, guard, watch, return_exceptions=True)
        return await self._report(loaded)

    @redact_unexpected_errors
    async def _call_everybody(self, loaded: Rows, screening: Screening) -> None:
        async with self.dialer:
            await self._dial_all(loaded, screening)
        # Watched too: a table that cannot be written must show in how the run ends.
        await self.records.close()
        self._stop_when_unread()

    async def _abort(self, loaded: Rows, stop: Stop) -> None:
        """The run ends in its midst: account for every row, and tell of it, before it goes."""
        self.dialer.stop(stop)
        message = self.dialer.stopped.message if self.dialer.stopped is not None else stop.message
        try:
            for batch in list(self.records.in_hand.values()):
                await self._account(batch, message)
            self.records.tally.add(Bucket.NOT_REACHED, message, rows=loaded.count - self.records.tally.rows)
            await self.records.close()
            await self._report(loaded)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            what = "The run ends, and its report could not be written; the ledger has every call"
            log_unexpected(logger, what, error)

    async def _account(self, batch: Batch, why: str) -> None:
        """Give every row of a batch that was broken off its bucket: of who was called, the ledger knows the rest."""
        mine: list[Attempt] = []
        if ids := [recipient.id for recipient in batch.without_result]:
            with suppress(LedgerError):  # what was already claimed or called has its result from the dialer
                mine = await self.ledger.attempts(
                    campaign=self.plan.campaign, run_id=self.plan.run_id, recipient_ids=ids
                )
        await self.records.dialed(batch, batch.broken_off(why, mine))

    def _stop_when_unread(self) -> None:
        if self.records.unread is not None:
            self.dialer.stop(Stop("ledger", str(self.records.unread), failed=True))

    async def _report(self, loaded: Rows) -> CampaignReport:
        """Add up, and tell Prefect."""
        plan = self.plan
        await self.records.finish_progress(loaded.count)
        report = self.tally.report(
            campaign=plan.campaign,
            run_id=plan.run_id,
            started_at=self.started_at,
            ended_at=plan.clock.now(),
            rows_read=loaded.count,
            dry_run=plan.dry_run,
            calls=self.records.calls,
            seconds=self.records.seconds,
            cost=self.records.cost,
            followed=self.followed.states(),
            stop=self.dialer.stopped,
        )
        self.reported = report
        try:
            await self.records.summary(report)
        finally:
            emit_campaign_finished(report)
            logger.log(logging.ERROR if report.failed else logging.INFO, "%s", report.headline)
        return report

    async def _dial_all(self, loaded: Rows, screening: Screening) -> None:
        following = asyncio.create_task(self._follow())
        held: list[Recipient] = []
        waiting: list[Recipient] = []
        running: set[asyncio.Task[None]] = set()
        size = self.plan.policy.calls_per_task
        try:
            async for page in loaded.pages(PAGE_ROWS):
                await screen(screening, Page(page), page[0][0], page[-1][0])
                await self.records.not_called(screening.results)
                held += screening.held
                waiting += screening.go
                while len(waiting) >= size:
                    await self._start(waiting[:size], running)
                    del waiting[:size]
            if waiting:
                await self._start(waiting, running)
            await _all(running)
            await following
            if held:
                # What their open attempts came to is known now, as far as it will be: the claim decides once more.
                await screening.again(held)
                await self.records.not_called(screening.results)
                if screening.go:
                    await self._start(screening.go, running)
                    await _all(running)
        except BaseException:
            for work in (*running, following):
                work.cancel()
            await asyncio.gather(*running, following, return_exceptions=True)
            raise

    async def _start(self, recipients: list[Recipient], running: set[asyncio.Task[None]]) -> None:
        self.batches += 1
        batch = Batch(self.batches, recipients)
        await self.dialer.room(batch)
        self.records.in_hand[batch.number] = batch
        work = asyncio.create_task(self._dial(batch))
        running.add(work)
        work.add_done_callback(running.discard)

    async def _dial(self, batch: Batch) -> None:
        try:
            await dial(batch, self.dialer, self.records)
        except (NotPlaced, CampaignError) as error:
            # Its retries are used up, or the ledger failed: the run ends, and every row still gets its bucket.
            stop = _stop_for(error)
            self.dialer.stop(stop)
            if batch.number in self.records.in_hand:
                await self._account(batch, stop.message)
        self._stop_when_unread()

    async def _follow(self) -> None:
        if self.followed.attempts:
            await follow(self.followed, self.dialer, self.records)

    async def _stop_when_lost(self) -> None:
        lost = await self.records.prefect_lost()
        message = f"{lost}: nobody more is called. The ledger has every call; run again when it is back."
        self.dialer.stop(Stop("prefect", message, failed=True))

    async def _leave_when_suspended(self, run: "asyncio.Task[Any] | None") -> None:
        self.suspended = await until_suspended(lambda: self.dialer.stop(CANCELLED))
        if run is not None:
            run.cancel()


def _stop_for(error: Exception) -> Stop:
    """What an error means for the run that it ends."""
    if isinstance(error, NotPlaced):
        if error.status_code == 429:
            said = f"Hamsa took no call for a long time ({error}). Use fewer lines, or run again later."
            return Stop("hamsa", said, failed=True)
        return Stop("hamsa", f"Hamsa cannot be reached ({error}). Run again when it can.", failed=True)
    if isinstance(error, CampaignError):
        return Stop(stop_kind(error), str(error), failed=True)
    return Stop("hamsa", f"Hamsa did not give the run what it needs ({error}).", failed=True)


def _of_this_run(tell: Callable[[CallEvent], None]) -> Callable[[CallEvent], None]:
    """Let events name the flow run that they belong to, and not the batch's task run too: that costs a tenth more."""
    context = copy_context()
    return lambda fact: context.run(tell, fact)


async def _open(plan: _Plan, stack: AsyncExitStack, on_event: Any) -> _Run:
    """Open ledger and client, make sure of key and agent, and settle what earlier runs left."""
    rules = plan.policy.resolved()
    calling = plan.agent.calling_agent()
    client = await stack.enter_async_context(plan.agent.credentials.get_client())
    ledger = await stack.enter_async_context(plan.ledger.open(clock=plan.clock))
    account = await check_account(client, calling)
    tally = Tally()
    dialer = Dialer(
        client=client,
        ledger=ledger,
        agent=calling,
        rules=rules,
        campaign=plan.campaign,
        run_id=plan.run_id,
        account=account.id,
        settings=settings_of(plan.policy),
        clock=plan.clock,
        on_event=on_event,
        permit=await shared_lines(plan.policy.concurrency_limit),
    )
    run = _Run(
        plan=plan,
        client=client,
        ledger=ledger,
        account=account,
        rules=rules,
        dialer=dialer,
        records=Records(plan.campaign, ledger, tally),
        tally=tally,
        started_at=plan.clock.now(),
    )
    if not plan.dry_run:
        await settle(ledger, dialer.settler, run.followed, account=account.id, scope=plan.campaign)
    return run


async def _all(running: set[asyncio.Task[None]]) -> None:
    while running:
        done, _ = await asyncio.wait(set(running), return_when=asyncio.FIRST_EXCEPTION)
        for work in done:
            work.result()
