"""One call at a time, under the promises of a campaign: a claim by the rules, one POST, and its end followed.

The Voice Agent block, the tasks for people's own flows and the flow for a single call all stand on this. Promises that
asking again for the same recipient in the same campaign goes on with the call that was made, instead of making another:
so a retried task, a repeated run and an event that comes twice ring once.
"""

import logging
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from campaign.agent import CALL_KEY, CallingAgent, reserved_names
from campaign.attempts import COUNTS, ENDED, VACANT, Attempt, AttemptState, Claim
from campaign.buckets import Bucket
from campaign.clock import Clock, SystemClock
from campaign.dialing.account import Account, ask_account, filed
from campaign.dialing.claiming import ASK_AGAIN_SECONDS, Claimant, claim_request
from campaign.dialing.one_recipient import NotCalled, clean_params, read_id, read_terms
from campaign.dialing.placing import lease_seconds, place_call
from campaign.errors import CampaignError, LedgerError
from campaign.following import CallEvent, CallFollower, Denials, EventEmitter
from campaign.intake import NumberProblem, Recipient, mask, parse_number
from campaign.ledger import Ledger, LimitReached, Limits
from campaign.rules import DialSettings, Never, NotNow, Policy
from campaign.time_zones import why_no_time_zone
from hamsa import HamsaClient, Uncertain

logger = logging.getLogger(__name__)

_GOES_ON = frozenset({Bucket.IN_PROGRESS, Bucket.OTHER_RUN, Bucket.ALREADY_CALLED})
"""Verdicts that mean: this recipient's call was made already. Whoever asks again is given that call."""


class NoEndYet(CampaignError):
    """A call was followed for as long as the policy says, and its end is not known. Settling follows it further."""


@dataclass(frozen=True, slots=True)
class OpenedCall:
    """A call that Hamsa has, in progress or over.

    Attributes:
        attempt: As the ledger has it; its `job_id` is set.
        is_new: Whether it was placed just now; otherwise it had been made before, and nobody was called again.
    """

    attempt: Attempt
    is_new: bool


class Caller:
    """Makes single calls.

    Args:
        policy: The rules. Lines and pace are a campaign's own affair and play no part here.
        campaign: The name under which each recipient is called at most `max_attempts` times.
        on_event: Called with each event once the ledger has it; must be quick.
        outcome_fields: Fields of the outcome that its listener shows; the agent must have them.
    """

    def __init__(
        self,
        client: HamsaClient,
        ledger: Ledger,
        agent: CallingAgent,
        policy: Policy,
        *,
        campaign: str,
        run_id: str,
        clock: Clock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
        outcome_fields: Collection[str] = (),
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._agent = agent
        self._rules = policy.resolved()
        self._settings = DialSettings.of(policy)
        self._campaign = campaign
        self._outcome_fields = outcome_fields
        self._run_id = run_id
        self._clock = clock or SystemClock()
        self._emitter = EventEmitter(on_event or (lambda _event: None), run_id=run_id, agent_id=agent.voice_agent_id)

    # -- placing -------------------------------------------------------------------------------------------------

    async def open(
        self,
        phone: str,
        params: Mapping[str, Any] | None = None,
        *,
        recipient_id: str | None = None,
        region: str | None = None,
        timezone: str | None = None,
        person: str | None = None,
        debt: str | None = None,
        **terms: Any,
    ) -> OpenedCall:
        """Call somebody, or find the call that was made already.

        Args:
            phone: E.164, or a national number together with `region`.
            params: Values for the agent's placeholders.
            recipient_id: The person's id upstream. Without one, it is whoever the campaign called at this number.
            region: Two letters of the country of a national number.
            timezone: The person's time zone, where it is known better than by the number.
            person: Who it is, where the recipient's id is something else's, such as an invoice's.
            debt: What the call is about.
            terms: How the person may be called: `subdivision`, `call_hours`, `consent` and `consent_at`, as a row's
                columns would say it.

        Raises:
            NotCalled: The number, the rules or an earlier attempt say no. Nobody was called.
            NotPlaced: There was no connection, or Hamsa asked to wait (429). Nobody was called; try again.
            Refused: Hamsa said no. Nobody was called; asking again changes nothing.
            Uncertain: Nobody knows whether the phone rang. Never try again; settling finds out.
            Unavailable: Hamsa could not be asked whose key this is. Nobody was called; try again.
            CampaignError: Key, agent or ledger cannot be used.
        """
        number = parse_number(phone, region, kinds=tuple(self._rules.line_kinds))
        if isinstance(number, NumberProblem):
            raise NotCalled(mask(str(phone)), number.bucket, number.reason)
        if timezone and (why := why_no_time_zone(timezone)):
            reason = f"the time zone '{timezone}' {why}"
            raise NotCalled(mask(number.e164), Bucket.UNKNOWN_TIME_ZONE, reason)
        account = await ask_account(
            self._client, self._agent, outcome_fields=self._outcome_fields, opt_out_fields=self._rules.opt_out_fields
        )
        account = await filed(account, self._ledger)
        for warning in (*account.warnings, *reserved_names(params or ())):
            logger.warning("%s", warning)
        recipient = Recipient.at(
            number,
            recipient_id=read_id(recipient_id, number.e164) or await self._known_as(number.e164),
            timezone=timezone or None,
            params=clean_params(params or {}, account.placeholders, number.e164),
            person=read_id(person, number.e164) or None,
            debt=read_id(debt, number.e164) or None,
            terms=read_terms(terms, number.e164),
        )
        await self._check_campaign(recipient)
        # Before there is a claim: what cannot be asked of Hamsa must not leave one behind.
        self._agent.request(recipient.phone, recipient.params, CALL_KEY)
        await self._ledger.expire_leases()
        claim = await self._claim(recipient, account)
        if not isinstance(claim, Claim):
            earlier = await self._earlier(recipient, claim)
            if earlier is not None:
                return OpenedCall(earlier, is_new=False)
            # What was uncertain is settled: the phone did not ring.
            claim = await self._claim(recipient, account)
            if not isinstance(claim, Claim):
                raise _not_called(recipient, claim)
        return OpenedCall(await self._place(recipient, claim), is_new=True)

    async def _known_as(self, phone: str) -> str:
        """The id of whoever the campaign called at this number; a new one if it has not called there."""
        history = await self._ledger.history(self._campaign, [phone], [], rules=self._rules)
        known = [past.recipient_id for past in history.get(phone, ()) if past.campaign == self._campaign]
        # Not made from the number, which would be masked wherever the id is shown.
        return known[-1] if known else f"call-{uuid.uuid4().hex[:12]}"

    async def _check_campaign(self, recipient: Recipient) -> None:
        if (note := await self._ledger.on_hold(self._campaign)) is not None:
            reason = f"the campaign {self._campaign} is on hold ({note}) until somebody resumes it (resume-campaign)"
            raise NotCalled(mask(recipient.phone), Bucket.NOT_REACHED, reason)

    async def _claim(self, recipient: Recipient, account: Account) -> Claim | NotNow | Never:
        claimant = Claimant(
            campaign=self._campaign,
            run_id=self._run_id,
            rules=self._rules,
            lease_seconds=lease_seconds(self._client),
            account=account.id,
            agent_id=self._agent.voice_agent_id,
            route=self._agent.number_source,
            agent_updated_at=account.agent_updated_at,
        )
        # How many calls a run makes bounds campaigns: this is one call.
        limits = replace(Limits.of(self._settings), max_calls=None)
        while True:
            answer = await self._ledger.claim(claim_request(recipient, claimant, limits))
            if not isinstance(answer, LimitReached):
                return answer
            if not answer.may_wait:
                return NotNow(Bucket.NOT_REACHED, answer.clause, None)
            # Calls of the campaign that are in flight may leave room: whoever waits here is not lost.
            await self._clock.sleep(ASK_AGAIN_SECONDS)
            await self._ledger.expire_leases()

    async def _place(self, recipient: Recipient, claim: Claim) -> Attempt:
        request = self._agent.request(recipient.phone, recipient.params, claim.call_key)
        try:
            denials = Denials(self._client, self._ledger, self._settings)
            placed = await place_call(self._client, self._ledger, claim, request, denials=denials)
        except Uncertain as error:
            logger.warning(
                "%s: nobody knows whether the phone rang; looking for the call (%s)", mask(claim.phone), error
            )
            attempt = await self.look_up(claim.call_key)
            self._emitter.emit("uncertain", attempt, reason=str(error))
            attempt = await self._look_for(attempt)
            if attempt.job_id is None:
                raise
            return attempt
        logger.info("%s: calling (job %s)", mask(claim.phone), placed.job.id)
        attempt = await self.look_up(claim.call_key)
        if placed.first:
            self._emitter.emit("placed", attempt, job_id=attempt.job_id)
        return attempt

    # -- calls that were made already ----------------------------------------------------------------------------

    async def _earlier(self, recipient: Recipient, verdict: NotNow | Never) -> Attempt | None:
        """The call because of which no other is made; None if it turned out that there was none.

        Raises:
            NotCalled: The verdict has nothing to do with a call of this recipient that could be gone on with.
            Uncertain: There may have been a call, and nobody knows yet.
        """
        attempt = await self._attempt_behind(recipient, verdict)
        if attempt is None:
            raise _not_called(recipient, verdict)
        if attempt.state is AttemptState.UNCERTAIN:
            attempt = await self._look_for(attempt)
            if attempt.state in VACANT:
                return None
            if attempt.job_id is None:
                raise Uncertain(
                    f"Nobody knows yet whether the phone of {mask(recipient.phone)} rang in attempt {attempt.attempt} "
                    f"({attempt.error}), so it is not called again; settling finds out."
                )
        elif attempt.state is AttemptState.CLAIMED or not self._goes_on(attempt, verdict):
            raise _not_called(recipient, verdict)
        logger.info(
            "%s: not called again, its call is %s (job %s)", mask(recipient.phone), _words(attempt), attempt.job_id
        )
        return attempt

    def _goes_on(self, attempt: Attempt, verdict: NotNow | Never) -> bool:
        if isinstance(verdict, NotNow) and verdict.bucket is Bucket.OTHER_RUN:
            return False  # another campaign's call is in the way, or one to the same person's other number
        if verdict.bucket in _GOES_ON:
            return True
        # A run that is repeated is given the call it made, whatever the rules say of a further one. A refusal is news.
        return attempt.run_id == self._run_id and verdict.bucket is not Bucket.REFUSED

    async def _attempt_behind(self, recipient: Recipient, verdict: NotNow | Never) -> Attempt | None:
        history = await self._ledger.history(self._campaign, [], [recipient.id], rules=self._rules)
        past = [past for past in history.get(f"id:{recipient.id}", ()) if past.state in COUNTS]
        if verdict.bucket is Bucket.UNCERTAIN:
            past = [each for each in past if each.state is AttemptState.UNCERTAIN]
        latest = max(past, key=lambda each: each.attempt, default=None)
        if latest is None:
            return None
        rows = await self._ledger.attempts(campaign=self._campaign, recipient_ids=[recipient.id])
        mine = [row for row in rows if row.attempt == latest.attempt]
        return mine[0] if mine else None

    # -- following -----------------------------------------------------------------------------------------------

    async def look_up(self, call_key: str) -> Attempt:
        """The attempt as the ledger has it now.

        Raises:
            LedgerError: The ledger does not know it, or cannot be read.
        """
        rows = await self._ledger.attempts(call_keys=[call_key])
        if not rows:
            raise LedgerError(
                f"The ledger {self._ledger.name} does not know the call {call_key}: use the one with which it was made."
            )
        return rows[0]

    async def follow(self, call_key: str) -> Attempt:
        """Follow an attempt until its call is over, and write the end into the ledger.

        An end that the ledger has already is not asked for again, and any status that Hamsa calls final is an end.

        Returns:
            The attempt as the ledger has it afterwards: over, however it went.

        Raises:
            NoEndYet: It did not end within the policy's `give_up_after_seconds`, or there is no call to follow.
            LedgerError: The ledger does not know the attempt, or cannot be read or written.
        """
        attempt = await self.look_up(call_key)
        while attempt.state is AttemptState.CLAIMED:
            # Somebody is placing it just now, or went away while doing so.
            left = (attempt.lease_until - self._ledger.now()).total_seconds()
            await self._clock.sleep(min(max(left, 0.1), self._settings.poll_max_seconds))
            await self._ledger.expire_leases()
            attempt = await self.look_up(call_key)
        if attempt.state is AttemptState.UNCERTAIN:
            attempt = await self._look_for(attempt)
        if attempt.state is AttemptState.PLACED:
            async with self._follower(attempt.account) as follower:
                attempt = await follower.follow(attempt)
        if attempt.state not in ENDED:
            raise NoEndYet(_why_no_end(attempt, self._settings.give_up_after_seconds))
        return attempt

    def _follower(self, account: str | None) -> CallFollower:
        return CallFollower(
            self._client,
            self._ledger,
            rules=self._rules,
            emitter=self._emitter,
            agent=self._agent,
            account=account,
            settings=self._settings,
            clock=self._clock,
        )

    async def _look_for(self, attempt: Attempt) -> Attempt:
        """Look for an uncertain attempt's call for a while, and return the attempt as it is afterwards."""
        async with self._follower(attempt.account) as follower:
            return await follower.look_for(attempt.call_key)


def _not_called(recipient: Recipient, verdict: NotNow | Never) -> NotCalled:
    until = verdict.until if isinstance(verdict, NotNow) else None
    return NotCalled(mask(recipient.phone), verdict.bucket, verdict.reason, until)


def _why_no_end(attempt: Attempt, followed_seconds: float) -> str:
    who = mask(attempt.phone)
    if attempt.state is AttemptState.PLACED:
        return (
            f"The call to {who} (job {attempt.job_id}) has not ended within {followed_seconds:.0f} seconds "
            "(give_up_after_seconds): settling follows it to its end."
        )
    if attempt.state is AttemptState.UNCERTAIN:
        return f"Nobody knows yet whether the phone of {who} rang ({attempt.error}): settling finds out."
    return f"There is no call to {who} to wait for: the attempt is {attempt.state.value} ({attempt.error})."


def _words(attempt: Attempt) -> str:
    return "over" if attempt.state in ENDED else "in progress"
