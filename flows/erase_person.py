"""Erase a person: they are known to the ledger no more, and are still not called."""

import sys
from typing import Annotated

from prefect.artifacts import acreate_markdown_artifact
from pydantic import Field

from blocks import CallLedger
from blocks.forms import OptionalLedger, OptionalText, RequiredText, titled
from campaign.intake import ERASED, id_or_number, mask
from campaign.ledger import Order
from campaign.reporting import erasure_headline, erasure_page, shown_id
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from runtime.own_parameters import replace_own_parameters
from tasks.erase import erase


@campaign_flow(
    name="erase-person",
    flow_run_name="erase a person",
    description="Takes one person's number, ids and everything that was said out of the ledger; it cannot be undone.",
)
async def erase_person(
    customer: Annotated[RequiredText, titled("Customer")],
    erased_by: Annotated[RequiredText, titled("Erased by")],
    reason: Annotated[RequiredText, Field(max_length=2000), titled("Reason")],
    region: Annotated[OptionalText, titled("Region", maxLength=2)] = "",
    everyone: Annotated[bool, titled("Everyone who has it")] = False,
    may_be_called: Annotated[bool, titled("May be called again")] = False,
    ledger: OptionalLedger = None,
) -> str:
    """Erase a person.

    Numbers, ids and debts, outcomes, records, reasons and texts go, in every campaign, with the person's other numbers
    and ids. Opt-outs, caps and attempts made hold under pseudonyms. It cannot be undone. A call that is not over yet is
    erased when it is.

    Args:
        customer: The person's id, or the number in the form +12125550123.
        erased_by: Who decides so.
        reason: Why, such as when the person asked for it; do not name them.
        region: Two letters of the country of a national number; empty if the customer is an id.
        everyone: Whether all people who have the number, or the id, are meant, where the ledger knows several.
        may_be_called: Whether a source that names them later may have them called, as far as rules and opt-outs allow;
            otherwise they are not called until somebody lifts that.
        ledger: Where the calls are kept. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
    """
    phone, person = id_or_number(customer, region)
    order = Order(by=erased_by, why=reason, may_be_called=may_be_called, everyone=everyone)
    erased, done, erasures = await erase(phone, person, order, ledger=ledger or CallLedger())
    if erased.entries:
        words = erasure_headline(erased, erased_by, done=done)
        await acreate_markdown_artifact(erasure_page(erased, words), key="erased-person", description=words)
    elif erasures:
        words = f"Nothing was left to erase: the person was erased on {erasures[0].erased_at:%Y-%m-%d %H:%M} UTC."
    else:
        shown = mask(phone) if phone else shown_id(person, None)
        return f"The ledger has nothing of {shown}, so nobody was erased: is it written as in the source?"
    # Prefect would keep whom this was about.
    await replace_own_parameters({"customer": ERASED, "reason": erasures[0].reason})
    return words


if __name__ == "__main__":
    sys.exit(run_from_command_line(erase_person))
