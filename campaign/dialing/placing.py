"""One POST under one claim: the only place in the project from which a phone is made to ring.

Promises that whatever happens to the POST, the claim ends in the state that tells the truth about it, or stays
claimed until its lease makes it uncertain. It never sends a second POST.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta

from campaign.attempts import Claim
from campaign.errors import LedgerError
from campaign.finishing import finish
from campaign.ledger import Ledger
from hamsa import CallRequest, HamsaClient, NotPlaced, Refused, Unauthorized, Uncertain
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


async def place_call(client: HamsaClient, ledger: Ledger, claim: Claim, request: CallRequest) -> Placed:
    """Send the POST of a fresh claim, made from its phone and key, and write down the result.

    Returns:
        The call that Hamsa made. The attempt is `placed`.

    Raises:
        NotPlaced: Surely no call (no connection, 429, or the lease ran short): the claim is released; try again.
        Refused: Hamsa said no: the attempt is `refused`.
        Unauthorized: The key is not valid, whoever is called: the claim is released; stop.
        Uncertain: Nobody knows: the attempt is `uncertain`; settle it, never try again.
        LedgerError: The call was made but could not be written down. Its lease makes it uncertain; it will be settled.
        asyncio.CancelledError: The attempt is `uncertain`, since the POST may have been on its way.
    """
    left = (claim.lease_until - ledger.now()) / timedelta(seconds=1)
    if left < client.request_deadline_seconds:
        # This process was asleep between the claim and here. Somebody else may soon settle this claim as absent.
        error = NotPlaced("This process stalled until its claim was about to lapse; nothing was sent.")
        await ledger.release(claim, error=str(error))
        raise error
    try:
        job = await client.create_call(request)
    except (NotPlaced, Unauthorized) as error:
        await ledger.release(claim, error=str(error))
        raise
    except Refused as error:
        await ledger.refuse(claim, error=str(error), message_key=error.message_key, status_code=error.status_code)
        raise
    except Uncertain as error:
        said = str(error)
        await ledger.mark_uncertain(
            claim, error=said, answer=said, message_key=error.message_key, status_code=error.status_code
        )
        raise
    except BaseException as error:
        # Cancelled, or a fault of our own, in the middle of a POST: it may have been sent.
        why = "the run was cancelled while the call was being placed"
        if not isinstance(error, asyncio.CancelledError):
            why = f"{type(error).__name__} while the call was being placed"
        await finish(ledger.mark_uncertain(claim, error=why))
        raise
    return Placed(job, first=await finish(_note_placed(ledger, claim, job)))


async def _note_placed(ledger: Ledger, claim: Claim, job: JobRecord) -> bool:
    try:
        return await ledger.place(
            claim.call_key, job.id, status=job.status, record=job.as_json(), created_at=job.created_at
        )
    except LedgerError as error:
        logger.critical("Job %s was placed but could not be noted: %s", job.id, error)
        raise
