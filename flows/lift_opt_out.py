"""Lift an opt-out: somebody who asked for no more calls may be called again, and who decided so is kept."""

import sys
from typing import Annotated

from pydantic import Field

from blocks import CallLedger
from blocks.forms import OptionalLedger, OptionalText, RequiredText, titled
from campaign.intake import id_or_number, mask
from campaign.reporting import shown_id
from campaign.wording import counted
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from tasks.opt_outs import lift_opt_out_of


@campaign_flow(
    name="lift-opt-out",
    flow_run_name="lift an opt-out",
    description="Lets somebody be called again who asked for no more calls, or whose words were unclear.",
)
async def lift_opt_out(
    customer: Annotated[RequiredText, titled("Customer")],
    lifted_by: Annotated[RequiredText, titled("Lifted by")],
    reason: Annotated[RequiredText, Field(max_length=2000), titled("Reason")],
    region: Annotated[OptionalText, titled("Region", maxLength=2)] = "",
    ledger: OptionalLedger = None,
) -> str:
    """Lift an opt-out.

    Whatever blocks this person or number is lifted, in every campaign of the ledger, and stays there with who lifted
    it and why. If they say it again, it holds again.

    Args:
        customer: The person's id, or the number in the form +12125550123.
        lifted_by: Who decides so.
        reason: Why, such as what the person wrote.
        region: Two letters of the country of a national number; empty if the customer is an id.
        ledger: Where the opt-out is kept. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
    """
    phone, person = id_or_number(customer, region)
    lifted, left = await lift_opt_out_of(phone, person, by=lifted_by, because=reason, ledger=ledger or CallLedger())
    shown = mask(phone) if phone else shown_id(person, None)
    if not lifted and not left:
        words = f"Nothing blocks {shown}, so nothing was lifted: is the id or the number written as in the ledger?"
    else:
        words = f"{counted(len(lifted), 'opt-out')} of {shown} lifted by {lifted_by}: {reason}."
    if left:
        words += f" Still not called: {left[0].as_never().reason}; lift that by its own number or id."
    return words


if __name__ == "__main__":
    sys.exit(run_from_command_line(lift_opt_out))
