"""Call overdue customers: the first campaign, and the pattern for the next one."""

import sys
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from blocks import VoiceAgent
from blocks.campaign_day import campaign_time_zone, planned_day
from blocks.forms import OptionalCampaign, OptionalLedger, OptionalPolicy, OutcomeFields, titled
from campaign.form_inputs import SingleInput
from campaign.intake import CsvFile, DueFilter, SqlQuery
from campaign.reporting import CampaignReport
from flows.run_campaign import run_campaign
from runtime.campaign_flow import campaign_flow, campaign_run_name
from runtime.command_line import run_from_command_line


@campaign_flow(
    name="call-overdue-customers",
    flow_run_name=campaign_run_name("from {customers}"),
    description="Calls every customer in a query or a file whose payment is overdue, each at most once per campaign.",
)
async def call_overdue_customers(
    agent: Annotated[VoiceAgent, titled("Voice agent")],
    customers: Annotated[SqlQuery | CsvFile, titled("Customers")],
    policy: OptionalPolicy = None,
    ledger: OptionalLedger = None,
    campaign: OptionalCampaign = "",
    min_days_overdue: Annotated[
        Annotated[int, Field(ge=0, le=36500)] | None, SingleInput(), titled("Days overdue at least")
    ] = None,
    min_amount: Annotated[
        Annotated[Decimal, Field(ge=0, le=10**15)] | None, SingleInput(), titled("Amount at least")
    ] = None,
    as_of: Annotated[date | None, SingleInput(), titled("As of")] = None,
    do_not_call: Annotated[SqlQuery | CsvFile | None, titled("Do not call")] = None,
    still_due: Annotated[SqlQuery | None, titled("Still due")] = None,
    dry_run: Annotated[bool, titled("Dry run")] = False,
    outcome_fields: OutcomeFields = None,
    events_per_call: Annotated[bool, titled("Events for each call")] = True,
) -> CampaignReport:
    """Call overdue customers.

    Settles what earlier runs left, loads the customers, calls those who may be called now, follows each call to its end
    and reports. Run it again at any time: nobody is called twice, and whoever is still to be called is.

    Args:
        agent: The voice agent that talks. The picker stays empty though the deployment names one, which is then used.
        customers: Whom to call: a query or a CSV file with an `id` (or `customer_id`), a `phone` and, if you like,
            `region` and `timezone`; every other column becomes one of the agent's params.
        policy: When, how often and how many at once. An empty picker means the policy that the deployment names, or
            else the strict preset.
        ledger: Where it is kept who was called. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
        campaign: The name under which each customer is called at most `max_attempts` times; the flow's name and the
            date if empty.
        min_days_overdue: Call only those overdue for at least so many days, by the column `due_date`.
        min_amount: Call only those who owe at least so much, by the column `amount`.
        as_of: The day from which days overdue are counted; today if empty.
        do_not_call: A query or file with the numbers that are not to be called.
        still_due: A query with the parameter `:id`, asked just before each call; a customer who gives no row has paid
            meanwhile and is not called.
        dry_run: Show whom it would call and why not the rest; call nobody.
        outcome_fields: Fields of the outcome that may appear in events; none if empty.
        events_per_call: Emit an event for each call placed and ended.
    """
    due = None
    if min_days_overdue is not None or min_amount is not None:
        today = planned_day(campaign_time_zone(policy))
        due = DueFilter(as_of=as_of or today, min_days_overdue=min_days_overdue, min_amount=min_amount)
    return await run_campaign(
        customers,
        agent=agent,
        policy=policy,
        ledger=ledger,
        campaign=campaign or None,
        do_not_call=do_not_call,
        still_due=still_due,
        due=due,
        dry_run=dry_run,
        outcome_fields=outcome_fields or (),
        events_per_call=events_per_call,
    )


if __name__ == "__main__":
    sys.exit(run_from_command_line(call_overdue_customers))
