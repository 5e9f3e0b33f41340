"""Explain a customer: why somebody was called, and why not, over all campaigns of the ledger."""

import sys
from typing import Annotated

from prefect.artifacts import acreate_table_artifact

from blocks import CallLedger
from blocks.forms import OptionalLedger, OptionalText, RequiredText, titled
from campaign.intake import id_or_number
from campaign.reporting import CustomerHistory
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from tasks.explain import look_up


@campaign_flow(
    name="explain-customer",
    flow_run_name="explain a customer",
    description="Shows one person's calls and refusals over all campaigns, with the rules and facts that decided.",
)
async def explain_customer(
    customer: Annotated[RequiredText, titled("Customer")],
    region: Annotated[OptionalText, titled("Region", maxLength=2)] = "",
    ledger: OptionalLedger = None,
) -> CustomerHistory:
    """Explain a customer.

    Calls nobody and changes nothing. Numbers are shown masked, and so is an id that looks like one.

    Args:
        customer: The person's id, or the number in the form +12125550123.
        region: Two letters of the country of a national number; empty if the customer is an id.
        ledger: Where the calls are kept. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
    """
    phone, person = id_or_number(customer, region)
    history = await look_up(phone, person, ledger=ledger or CallLedger())
    for key, title, rows in (
        ("customer-calls", "Calls", history.calls),
        ("customer-not-called", "Why not called", history.not_called),
        ("customer-opt-outs", "What was said about more calls", history.opt_outs),
    ):
        if rows:
            await acreate_table_artifact(
                table=list(rows), key=key, description=f"{title}, times in UTC. {history.headline}"
            )
    return history


if __name__ == "__main__":
    sys.exit(run_from_command_line(explain_customer))
