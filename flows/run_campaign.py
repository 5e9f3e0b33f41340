"""A campaign run, step by step: account, settle, load, screen, approve, dial, report.

One code path for the first run, a retry, a resume and a redial. Promises that each row ends in exactly one bucket of
the report, and that running again calls nobody twice.
"""

from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial

from blocks import CallingPolicy, CallLedger, VoiceAgent
from blocks.campaign_day import campaign_time_zone, default_campaign
from campaign.clock import Clock
from campaign.dialing import Account, Screener
from campaign.errors import CampaignError
from campaign.intake import (
    ColumnMapping,
    DoNotCallList,
    DueFilter,
    Recipient,
    Screen,
    Source,
    SqlQuery,
    check_connectors,
)
from campaign.reporting import CampaignReport
from campaign.unexpected import redact_unexpected_errors
from runtime.annotations import as_one
from runtime.campaign_run import CampaignRun, open_campaign_run
from runtime.sources import Mappings, Recheck, Rows
from tasks.account import check_account
from tasks.approve import approve
from tasks.dial import batches
from tasks.load import load, load_do_not_call
from tasks.report import report
from tasks.screen import screen
from tasks.settle import settle

PAGE_ROWS = 5000
"""Rows screened at once: they share one task run and one look into the ledger."""


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
    outcome_fields: Collection[str] = (),
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
            name and the date on which the run was to start, where the policy or the deployment's schedule says that its
            people are, so that a retry after midnight is the same campaign.
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
        CampaignError: It could not begin: source, ledger, key or agent cannot be used. Nobody was called.
        NotApproved: It asked, by the policy's `approve_above`, and somebody decided that nobody is called.
        CampaignFailed: It began and had to stop for a reason that somebody must fix; it carries the report.
        prefect.exceptions.Pause: Somebody suspended the run. It goes on when it is resumed.
    """
    opened = open_campaign_run(
        agent=agent,
        policy=policy or CallingPolicy(),
        ledger=ledger or CallLedger(),
        campaign=campaign or default_campaign("run-campaign", campaign_time_zone(policy)),
        dry_run=dry_run,
        outcome_fields=outcome_fields,
        events_per_call=events_per_call,
        clock=clock,
    )
    async with opened as run, AsyncExitStack() as stack:
        check_connectors(policy.connectors if policy else (), rows, do_not_call, still_due)
        account = await check_account(
            run.client,
            run.agent,
            run.ledger,
            outcome_fields=outcome_fields,
            opt_out_fields=run.rules.opt_out_fields,
            dry_run=dry_run,
        )
        run.notes.extend(account.warnings)
        await run.compare_agent(account)
        if not dry_run:
            run.earlier = await settle(run.ledger, run.settler, account=account.id, campaign=run.campaign)
        with await load(as_one(rows), columns=columns, default_region=default_region) as people:
            read_list = partial(load_do_not_call, do_not_call) if do_not_call is not None else None
            listed = await read_list() if read_list is not None else DoNotCallList()
            recheck = None
            if still_due is not None or read_list is not None:
                last_look = Recheck(run.clock, still_due=still_due, read_list=read_list, listed=listed)
                recheck = await stack.enter_async_context(last_look)
            dialer = await run.dialer(account, recheck)
            await approve(run, people, await screener_for(run, people, account, listed, due), dialer)
            screener = await screener_for(run, people, account, listed, due)
            held: list[Recipient] = []
            async with run.calling(dialer, people.count), batches(run, dialer) as dialing:
                dialing.follow(run.earlier)
                async for page in people.pages(PAGE_ROWS):
                    screened = await screen(as_one(page), screener)
                    await run.records.not_called(screened.results)
                    await dialing.add(screened.go)
                    held += screened.held
                await dialing.finish()
                # What their open attempts came to is known now, as far as it will be.
                screened = await screener.again(held)
                await run.records.not_called(screened.results)
                await dialing.add(screened.go)
            run.notes.extend(screener.warnings)
            result = await report(run, dialer, people.count)
    if result.failed:
        raise CampaignFailed(result)
    return result


async def screener_for(
    run: CampaignRun, rows: Rows, account: Account, do_not_call: DoNotCallList, due: DueFilter | None
) -> Screener:
    """What screens rows by the rules of a run.

    Raises:
        SourceError: The rows lack a column that is needed. Nobody was called.
    """
    run.rules.consent.check_columns(rows.columns)
    screen = Screen(
        kinds=run.rules.line_kinds,
        default_region=rows.default_region,
        mapping=rows.columns,
        due_filter=due,
        do_not_call=do_not_call,
        required_params=account.placeholders,
    )
    await rows.prepare(screen)
    return Screener(
        screen=screen, ledger=run.ledger, rules=run.rules, campaign=run.campaign, run_id=run.run_id, dry_run=run.dry_run
    )


class CampaignFailed(CampaignError):
    """A run that began to call and had to stop. `report` has the counts; `str()` says what to fix."""

    def __init__(self, report: CampaignReport) -> None:
        super().__init__(report.stopped or report.headline)
        self.report = report
