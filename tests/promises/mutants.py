"""Faults that this project must never have, or had, planted on purpose: a proof that overlooks them proves nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

import campaign.dialing.placing
import campaign.ledger.claims.judging
import webhooks.judging
from campaign.attempts import VACANT, Attempt, Claim
from campaign.following import follower, judging, outcomes, reading, settling
from campaign.ledger import transaction
from campaign.ledger.ledger import ClaimRequest, Ledger
from campaign.rules.rules import Go, Never, NotNow
from hamsa import CallRequest, HamsaClient, Uncertain
from hamsa.client import MAX_PER_PAGE
from hamsa.models import CallPage, CallSummary, JobRecord


@contextmanager
def claim_after_the_post() -> Iterator[None]:
    """The rules are asked and the key is made before the POST, but the row is written after it."""
    owed: dict[str, ClaimRequest] = {}
    keys: dict[int, tuple[ClaimRequest, str]] = {}
    written = {name: getattr(Ledger, name) for name in ("claim", "place", "release", "refuse", "mark_uncertain")}
    judge_one = campaign.ledger.claims.judging._judge_one  # noqa: SLF001 - a fault is planted in the middle of it

    async def claim(self: Ledger, request: ClaimRequest) -> Claim | NotNow | Never:
        past = await self.history(request.campaign, [request.phone], [request.recipient_id])
        history = {id(each): each for each in past[request.phone] + past["id:" + request.recipient_id]}
        verdict = request.decide(list(history.values()), self.now())
        if not isinstance(verdict, Go):
            return verdict
        mine = [row for row in await self.attempts(campaign=request.campaign) if row.attempt == verdict.attempt]
        vacant = [row for row in mine if row.recipient_id == request.recipient_id and row.state in VACANT]
        key = vacant[0].call_key if vacant else uuid4().hex
        owed[key] = request
        return Claim(
            call_key=key,
            campaign=request.campaign,
            recipient_id=request.recipient_id,
            phone=request.phone,
            attempt=verdict.attempt,
            turn=vacant[0].tries + 1 if vacant else 1,
            claimed_at=self.now(),
            lease_until=self.now() + timedelta(seconds=request.lease_seconds),
        )

    def first_claiming(name: str) -> Callable[..., Any]:
        async def report(self: Ledger, about: Claim | str, *args: Any, **facts: Any) -> Any:
            key = about if isinstance(about, str) else about.call_key
            if (request := owed.pop(key, None)) is not None:
                keys[id(request)] = request, key
                await written["claim"](self, request)
            return await written[name](self, about, *args, **facts)

        return report

    def judge_with_key(request: ClaimRequest, *args: Any, **more: Any) -> Any:
        if id(request) not in keys:
            return judge_one(request, *args, **more)
        _, key = keys[id(request)]
        with mock.patch.object(campaign.ledger.claims.judging, "uuid4", return_value=mock.Mock(hex=key)):
            return judge_one(request, *args, **more)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(campaign.ledger.claims.judging, "_judge_one", judge_with_key))
        stack.enter_context(mock.patch.object(Ledger, "claim", claim))
        for name in written.keys() - {"claim"}:
            stack.enter_context(mock.patch.object(Ledger, name, first_claiming(name)))
        yield


@contextmanager
def retry_on_timeout() -> Iterator[None]:
    """A POST whose answer was lost is sent once more, as many an HTTP library would."""
    create = HamsaClient.create_call

    async def create_call(self: HamsaClient, call: CallRequest) -> JobRecord:
        try:
            return await create(self, call)
        except Uncertain:
            return await create(self, call)

    with mock.patch.object(HamsaClient, "create_call", create_call):
        yield


@contextmanager
def adopt_the_first_candidate() -> Iterator[None]:
    """Settling takes the first call to the number that the list shows."""
    judge = judging.judge

    def first(
        attempt: Attempt, rows: Sequence[CallSummary], evidence: judging.Evidence, **known: Any
    ) -> judging.Found | judging.Unclear | judging.NoTrace:
        for row in rows:
            owner = evidence.owners.get(row.id)
            fits = judging.fits(attempt, row, evidence.offset, evidence.tolerance)
            if owner is None and fits and row.id in evidence.records:
                return judging.Found(evidence.records[row.id], certain=False)
        return judge(attempt, rows, evidence, **known)

    with mock.patch.object(settling, "judge", first):
        yield


@contextmanager
def look_without_controls() -> Iterator[None]:
    """A look that shows nothing counts, whatever else it does not show. So it was until phones rang twice."""
    with mock.patch.object(settling.Settler, "_why_silent", return_value=None):
        yield


@contextmanager
def believe_what_a_list_counts() -> Iterator[None]:
    """A list is read whole once it showed as many calls as it says that there are. So it was."""
    take = reading.Reading.take

    def taken(self: reading.Reading, page: CallPage) -> None:
        take(self, page)
        whole = page.filtered is not None and len(self.rows) >= page.filtered and len(page.calls) < MAX_PER_PAGE
        self.over = self.over or whole

    def look(self: reading.Reading) -> reading.Look:
        return reading.Look(list(self.rows.values()))

    with (
        look_without_controls(),
        mock.patch.object(reading.Reading, "take", taken),
        mock.patch.object(reading.Reading, "look", look),
    ):
        yield


@contextmanager
def rule_out_by_what_is_displayed() -> Iterator[None]:
    """A call that the list shows at another time, number or agent is not looked into. So it was."""
    judge = judging.judge

    def displayed(attempt: Attempt, rows: Sequence[CallSummary], evidence: judging.Evidence, **known: Any) -> Any:
        fitting = [row for row in rows if judging.fits(attempt, row, evidence.offset, evidence.tolerance)]
        return judge(attempt, fitting, evidence, **known)

    with look_without_controls(), mock.patch.object(settling, "judge", displayed):
        yield


@contextmanager
def rule_out_by_a_missing_key() -> Iterator[None]:
    """Where records were seen to give keys back, one without a key is not ours. So it was, and keys can come late."""
    possible = judging.possible

    def keyed(
        attempt: Attempt, rows: Sequence[CallSummary], evidence: judging.Evidence, **how: Any
    ) -> list[CallSummary]:
        left = possible(attempt, rows, evidence, **how)
        return [row for row in left if not (evidence.echoes and row.id in evidence.records)]

    with look_without_controls(), mock.patch.object(judging, "possible", keyed):
        yield


@contextmanager
def judge_refusals_by_ones_own_settings() -> Iterator[None]:
    """What is written on the claim of what means *no more calls* is looked at by nobody, the ledger included."""
    judge_end, judge_event = outcomes.end_of_call, outcomes.end_of_event

    def own_end(*shown: Any, opt_out_fields: Sequence[str], **more: Any) -> Any:
        return judge_end(*shown, opt_out_fields=(), **more)

    def own_event(event: Any, *, opt_out_fields: Sequence[str], **more: Any) -> Any:
        return judge_event(event, opt_out_fields=(), **more)

    with (
        mock.patch.object(follower, "end_of_call", own_end),
        mock.patch.object(webhooks.judging, "end_of_event", own_event),
        mock.patch.object(transaction, "read_opt_out", return_value=None),
    ):
        yield
