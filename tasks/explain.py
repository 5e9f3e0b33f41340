"""The task that looks up everything the ledger has of one person, over all campaigns."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import CallLedger
from campaign.intake import mask
from campaign.reporting import CustomerHistory, history_of

MOST_REFUSALS = 200
"""The newest reasons for not calling somebody that are shown."""


@task(name="look up customer", cache_policy=NO_CACHE, persist_result=False)
async def look_up(phone: str | None, person: str | None, *, ledger: CallLedger) -> CustomerHistory:
    """Everything that the ledger has of a number or a person: calls, refusals and what blocks them. Numbers are masked.

    Raises:
        LedgerError: The ledger cannot be read.
    """
    phones, persons = ({phone} if phone else set[str]()), ({person} if person else set[str]())
    async with ledger.open() as book:
        calls = await book.calls_of(phones=phones, persons=persons)
        # The person's other numbers, and whoever else was called at this one.
        phones |= {call.phone for call in calls if person}
        persons |= {call.person or call.recipient_id for call in calls}
        refusals = await book.refusals_of(phones=phones, persons=persons, most=MOST_REFUSALS)
        blocked = await book.opt_outs(phones, persons, lifted=True)
        erasures = await book.erasures.of(phone, person)
    return history_of(mask(phone) if phone else str(person), calls, refusals, blocked, erasures)
