"""The task that takes a person out of the ledger."""

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import CallLedger
from blocks.ledger import ensure_ledger_outlives
from campaign.errors import LedgerError
from campaign.ledger import Erased, Erasure, Order


@task(name="erase person", cache_policy=NO_CACHE, persist_result=False)
async def erase(
    phone: str | None, person: str | None, order: Order, *, ledger: CallLedger
) -> tuple[Erased, bool, list[Erasure]]:
    """Erase a person by a number or an id.

    Returns:
        What was found; whether the ledger's file is clean of it and the log beside it written; and every time that they
        were erased, the last first.

    Raises:
        LedgerError: The ledger cannot be used, or would go away with this run, or the number or id belongs to several
            people. Nobody was erased.
    """
    try:
        await ensure_ledger_outlives(ledger)
    except LedgerError as error:
        raise LedgerError(f"Nobody was erased. {error}") from error
    async with ledger.open() as book:
        erased = await book.erasures.erase(phone, person, order)
        return erased, await book.erasures.are_done(), await book.erasures.of(phone, person)
