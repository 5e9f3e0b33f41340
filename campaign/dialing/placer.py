"""What the answer to one POST means for all lines: pause them, stop the run, or go on.

The POST itself, and what it means for its claim, is `campaign.dialing.placing.place_call`.
"""

import logging
import random
from datetime import datetime

from campaign.agent import CallingAgent
from campaign.attempts import Claim
from campaign.clock import Clock
from campaign.dialing.lines import Lines, LinesClosed
from campaign.dialing.placing import place_call
from campaign.dialing.safeguards import Refusals, Stopping
from campaign.errors import LedgerError
from campaign.following import Denials, EventEmitter
from campaign.intake import Recipient, mask
from campaign.ledger import Ledger
from hamsa import CallRequest, HamsaClient, NotPlaced, Refused, Unauthorized, Uncertain
from hamsa.models import JobRecord

logger = logging.getLogger(__name__)


class Placer:
    """Places the calls of a run."""

    def __init__(
        self,
        client: HamsaClient,
        ledger: Ledger,
        agent: CallingAgent,
        *,
        denials: Denials,
        lines: Lines,
        refusals: Refusals,
        stopping: Stopping,
        emitter: EventEmitter,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._agent = agent
        self._denials = denials
        self._lines = lines
        self._refusals = refusals
        self._stopping = stopping
        self._emitter = emitter
        self._clock = clock
        self._rng = rng

    async def place(
        self, recipient: Recipient, claim: Claim
    ) -> tuple[str, datetime] | Refused | Uncertain | LedgerError:
        """Place the call: its job and since when, or why there is none, or why nobody knows.

        Raises:
            NotPlaced: Surely no call was made; the recipient may be tried again.
            LinesClosed: The key is not valid: the run stops.
        """
        try:
            return (await self._post(recipient, claim)).id, self._clock.now()
        except (Refused, Uncertain, LedgerError) as error:
            return error

    async def _post(self, recipient: Recipient, claim: Claim) -> JobRecord:
        try:
            with self._stopping.stop_on_ledger_error():
                request = await self._request(recipient, claim)
                placed = await place_call(self._client, self._ledger, claim, request, denials=self._denials)
        except NotPlaced as error:
            if error.status_code == 429:
                self._lines.refused(error.retry_after)
            else:
                # Nobody else need find out the same way: a short breath for all lines, then the task's own back-off.
                self._lines.pause(1.0 + self._rng.random())
            raise
        except Unauthorized as error:
            self._stopping.unauthorized(error)
            raise LinesClosed from error
        except Refused as error:
            if (stop := self._refusals.refused(error)) is not None:
                self._stopping.stop(stop)
            raise
        except Uncertain as error:
            if (stop := self._refusals.uncertain(error)) is not None:
                self._stopping.stop(stop)
            logger.warning("%s: nobody knows whether the phone rang; settling finds out (%s)", mask(claim.phone), error)
            self._emitter.emit("uncertain", claim, reason=str(error))
            raise
        self._refusals.accepted()
        self._lines.accepted()
        logger.debug("%s: calling (job %s)", mask(claim.phone), placed.job.id)
        if placed.first:
            self._emitter.emit("placed", claim, job_id=placed.job.id)
        return placed.job

    async def _request(self, recipient: Recipient, claim: Claim) -> CallRequest:
        try:
            return self._agent.request(recipient.phone, recipient.params, claim.call_key)
        except ValueError as error:
            # Nothing was sent: as good as a refusal, and not left for settling to find out.
            refused = Refused(f"the call cannot be asked for: {error}")
            await self._ledger.refuse(claim, error=str(refused))
            raise refused from error
