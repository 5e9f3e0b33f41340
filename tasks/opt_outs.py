"""The tasks that keep and lift what people said about more calls, outside of any call."""

import logging

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks import CallLedger
from blocks.ledger import ensure_ledger_outlives
from campaign.errors import LedgerError
from campaign.intake import Row, SourceError
from campaign.rules import OptOut
from campaign.wording import counted
from runtime.sources import Rows, numbers_of, person_of

logger = logging.getLogger(__name__)

PEOPLE_AT_ONCE = 1000
"""People who are written in one transaction."""


@task(name="keep opt-outs", task_run_name="keep opt-outs of {origin}", cache_policy=NO_CACHE, persist_result=False)
async def keep_opt_outs(rows: Rows, origin: str, ledger: CallLedger) -> tuple[int, int, int]:
    """Keep everybody on a list in the ledger: they are not called by any campaign until a person lifts it.

    Returns:
        How many people the list names, how many of them are new, and how many of these had been lifted before.

    Raises:
        SourceError: A row is not understood. Nothing was written.
        LedgerError: The ledger cannot be used, or would go away with this run.
    """
    await _ensure(ledger, "Nobody was kept.")
    people: dict[tuple[str | None, str | None], None] = {}
    nobody: list[str] = []
    async for page in rows.pages():
        for number, row in page:
            named = _people_of(row, rows, rows.place_of(number))
            people |= dict.fromkeys(named)
            if not named:
                nobody.append(rows.place_of(number))
    if not people:
        raise SourceError(f"the list {rows} names nobody: no row has a number or an id; correct it")
    if nobody:
        logger.warning(
            "%s of %s name nobody, because they hold neither a phone number nor an id (the first is %s): whoever is "
            "meant by them is called",
            counted(len(nobody), "row"),
            rows,
            nobody[0],
        )
    listed = list(people)
    new = again = 0
    async with ledger.open() as book:
        for first in range(0, len(listed), PEOPLE_AT_ONCE):
            added, lifted = await book.add_opt_outs(listed[first : first + PEOPLE_AT_ONCE], origin=origin)
            new, again = new + added, again + lifted
    if again:
        logger.warning(
            "%s on the list %s, and so not called again, though lifted before: take them off the list and lift them "
            "once more if they do want calls",
            counted(again, "person is", "people are"),
            origin,
        )
    return len(listed), new, again


@task(name="lift opt-out", cache_policy=NO_CACHE, persist_result=False)
async def lift_opt_out_of(
    phone: str | None, person: str | None, *, by: str, because: str, ledger: CallLedger
) -> tuple[list[OptOut], list[OptOut]]:
    """Lift whatever blocks a number or a person.

    Returns:
        What was lifted, and what blocks the numbers and people of that still.

    Raises:
        LedgerError: The ledger cannot be used, or would go away with this run. Nothing was lifted.
    """
    await _ensure(ledger, "Nothing was lifted.")
    async with ledger.open() as book:
        lifted = await book.lift_opt_outs(phone=phone, person=person, by=by, because=because)
        phones = {each.phone for each in lifted if each.phone} | ({phone} if phone else set())
        persons = {each.person for each in lifted if each.person} | ({person} if person else set())
        return lifted, await book.opt_outs(phones, persons)


async def _ensure(ledger: CallLedger, nothing: str) -> None:
    try:
        await ensure_ledger_outlives(ledger)
    except LedgerError as error:
        raise LedgerError(f"{nothing} {error}") from error


def _people_of(row: Row, rows: Rows, place: str) -> list[tuple[str | None, str | None]]:
    """The people in a row: each of its numbers with its id, or the id alone."""
    numbers, person = numbers_of(row, rows, place), person_of(row, rows, place)
    if numbers:
        return [(number, person) for number in numbers]
    return [(None, person)] if person else []
