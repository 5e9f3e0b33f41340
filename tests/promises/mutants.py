"""Three faults that this project must never have, planted on purpose: a proof that overlooks them proves nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any
from unittest import mock
from uuid import uuid4

import campaign.dialing.placing
import campaign.following.settling
import campaign.ledger.claims
from campaign.attempts import VACANT, Attempt, Claim
from campaign.ledger.ledger import ClaimRequest, Ledger
from campaign.rules.decision import Go, Never, NotNow
from hamsa import CallRequest, HamsaClient, Uncertain
from hamsa.models import CallSummary, JobRecord


@contextmanager
def claim_after_the_post() -> Iterator[None]:
    """The rules are asked and the key is made before the POST, but the row is written after it."""
    owed: dict[str, ClaimRequest] = {}
    keys: dict[int, tuple[ClaimRequest, str]] = {}
    written = {name: getattr(Ledger, name) for name in ("claim", "place", "release", "refuse", "mark_uncertain")}
    judge_one = campaign.ledger.claims._judge_one  # noqa: SLF001 - a fault is planted in the middle of it

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
        with mock.patch.object(campaign.ledger.claims, "uuid4", return_value=mock.Mock(hex=key)):
            return judge_one(request, *args, **more)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(campaign.ledger.claims, "_judge_one", judge_with_key))
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
    judge = campaign.following.settling.judge

    def first(
        attempt: Attempt, mine: Sequence[CallSummary], records: Mapping[str, JobRecord], **known: Any
    ) -> campaign.following.settling.Found | campaign.following.settling.Unclear | campaign.following.settling.NoTrace:
        if mine and mine[0].id in records:
            return campaign.following.settling.Found(records[mine[0].id], certain=False)
        return judge(attempt, mine, records, **known)

    with mock.patch.object(campaign.following.settling, "judge", first):
        yield
