"""One POST under one claim: the only place in the project from which a phone is made to ring.

Promises that whatever happens to the POST, the claim ends in the state that tells the truth about it, or stays
claimed until its lease makes it uncertain. It never sends a second POST.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from campaign.attempts import Claim, Denial
from campaign.errors import LedgerError
from campaign.finishing import finish
from campaign.following import Denials, Unclear
from campaign.intake import mask
from campaign.ledger import Ledger
from hamsa import CallRequest, HamsaClient, HamsaError, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import JobRecord

logger = logging.getLogger(__name__)

LEASE_MARGIN_SECONDS = 60.0
"""How much longer a lease is than the longest request: room for a stalled process and for writing the answer down."""


def lease_seconds(client: HamsaClient) -> float:
    """How long a claim is good for: the longest that one request of this client can live, and a margin."""
    return client.request_deadline_seconds + LEASE_MARGIN_SECONDS


@dataclass(frozen=True, slots=True)
class Placed:
    """A call that Hamsa made.

    Attributes:
        job: Its record.
        first: Whether this report was the first to say so; a webhook may have been quicker.
    """

    job: JobRecord
    first: bool


async def place_call(
    client: HamsaClient, ledger: Ledger, claim: Claim, request: CallRequest, *, denials: Denials | None = None
) -> Placed:
    """Send the POST of a fresh claim, made from its phone and key, and write down the result.

    An attempt that Hamsa denied before is looked for first, by `denials`: if a call was made of it all the same, that
    is its call.

    Returns:
        The call that Hamsa made. The attempt is `placed`.

    Raises:
        NotPlaced: Surely no call (no connection, 429, or the lease ran short): the claim is released; try again.
        Refused: Hamsa said no: the attempt is `refused`.
        Unauthorized: The key is not valid, whoever is called: the claim is released; stop.
        Uncertain: Nobody knows: the attempt is `uncertain`; settle it, never try again.
        LedgerError: The call was made but could not be written down. Its lease makes it uncertain; it will be settled.
        asyncio.CancelledError: The attempt is `uncertain`, since the POST may have been on its way; `released` if
            an earlier turn's call was still being looked for.
    """
    if claim.denial is not None:
        found = await _made_all_the_same(denials or Denials(client, ledger), ledger, claim, claim.denial)
        if found is not None:
            return found
    left = (claim.lease_until - ledger.now()) / timedelta(seconds=1)
    if left < client.request_deadline_seconds:
        # This process was asleep between the claim and here. Somebody else may soon settle this claim as absent.
        error = NotPlaced("This process stalled until its claim was about to lapse; nothing was sent.")
        await _give_back(ledger, claim, error)
        raise error
    # What is not known from here on is this turn's: any earlier one was looked for.
    since = claim.claimed_at if claim.denial is not None else None
    try:
        job = await client.create_call(request)
    except (NotPlaced, Unauthorized, Refused, Uncertain) as error:
        said_no = error.status_code is not None and not isinstance(error, Uncertain)
        said: dict[str, Any] = {
            "error": str(error),
            "message_key": error.message_key,
            "status_code": error.status_code,
            "denied_at": claim.claimed_at if said_no else since,
        }
        if isinstance(error, Uncertain):
            await ledger.mark_uncertain(claim, answer=str(error), **said)
        elif isinstance(error, Refused) and not isinstance(error, Unauthorized):
            await ledger.refuse(claim, **said)
        else:
            await ledger.release(claim, **said)
        raise
    except BaseException as error:
        # Cancelled, or a fault of our own, in the middle of a POST: it may have been sent.
        why = "the run was cancelled while the call was being placed"
        if not isinstance(error, asyncio.CancelledError):
            why = f"{type(error).__name__} while the call was being placed"
        await finish(ledger.mark_uncertain(claim, error=why, denied_at=since))
        raise
    return Placed(job, first=await finish(_note_placed(ledger, claim, job)))


async def _made_all_the_same(denials: Denials, ledger: Ledger, claim: Claim, denial: Denial) -> Placed | None:
    """The call that was made though Hamsa denied it, if there is one.

    Raises:
        NotPlaced: Hamsa does not show its calls for now: the claim is released; try again.
        Unauthorized: The key is not valid: the claim is released; stop.
        Uncertain: There is a call that may be this one: the attempt is `uncertain`; settle it.
    """
    try:
        found = await denials.look(claim, denial)
    except Unauthorized as error:
        await _give_back(ledger, claim, error)
        raise
    except HamsaError as error:
        said = f"Hamsa does not show now whether it made the call to which it had said no ({error}); nothing was sent."
        waiting = NotPlaced(said, status_code=error.status_code, retry_after=error.retry_after)
        await _give_back(ledger, claim, waiting)
        raise waiting from error
    except BaseException as error:
        await finish(_give_back(ledger, claim, error))
        raise
    if isinstance(found, Unclear):
        await ledger.mark_uncertain(claim, error=found.reason, answer=found.reason)
        raise Uncertain(found.reason)
    if found is None:
        return None
    logger.warning("%s: Hamsa made the call (job %s) to which it had said no", mask(claim.phone), found.job.id)
    first = await finish(_note_placed(ledger, claim, found.job, made_at=found.made_at or ledger.now()))
    return Placed(found.job, first=first)


async def _give_back(ledger: Ledger, claim: Claim, error: BaseException) -> None:
    """Nothing was sent: let the attempt be claimed again. What Hamsa said to an earlier turn of it still holds."""
    await ledger.release(claim, error=str(error) or type(error).__name__)


async def _note_placed(ledger: Ledger, claim: Claim, job: JobRecord, *, made_at: datetime | None = None) -> bool:
    """Note the job of a call that was made now, or, where `made_at` is given, by the turn that was denied."""
    try:
        return await ledger.place(
            claim.call_key,
            job.id,
            status=job.status,
            record=job.as_json(),
            placed_at=made_at,
            # It shows Hamsa's clock at the moment of our request: not of an earlier one.
            created_at=job.created_at if made_at is None else None,
            echoed=made_at is not None,
            adopted_by=None if made_at is None else "key",
        )
    except LedgerError as error:
        logger.critical("Job %s was placed but could not be noted: %s", job.id, error)
        raise
