"""Import opt-outs: people who told another channel that they want no calls stay in the ledger for every campaign."""

import sys
from typing import Annotated

from blocks import CallLedger
from blocks.forms import OptionalLedger, OptionalText, titled
from campaign.intake import CsvFile, SqlQuery
from campaign.wording import counted
from runtime.annotations import as_one
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from tasks.load import load
from tasks.opt_outs import keep_opt_outs


@campaign_flow(
    name="import-opt-outs",
    flow_run_name="import opt-outs from {people}",
    description="Keeps people who told another channel that they want no calls: no campaign of the ledger calls them.",
)
async def import_opt_outs(
    people: Annotated[SqlQuery | CsvFile, titled("People")],
    origin: Annotated[OptionalText, titled("Origin", maxLength=200)] = "",
    ledger: OptionalLedger = None,
) -> str:
    """Import opt-outs.

    Run it as often as you like: whoever is kept already is not kept twice. A list that is not understood keeps nobody
    and says which row to correct.

    Args:
        people: A query or a CSV file with a column `phone` and, if you like, `id` (or `customer_id`); a row may leave
            one of them empty.
        origin: What the list is called, shown to whoever asks why somebody is not called; the source's name if empty.
        ledger: Where they are kept. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
    """
    name = origin or str(people)
    with await load(as_one(people), id_needed=False) as rows:
        listed, new, again = await keep_opt_outs(as_one(rows), name, ledger or CallLedger())
    words = f"{counted(listed, 'opt-out')} in {name}, {new} of them new."
    if again:
        words += f" {again} of these had been lifted and {'is' if again == 1 else 'are'} on the list again: not called."
    return words


if __name__ == "__main__":
    sys.exit(run_from_command_line(import_opt_outs))
