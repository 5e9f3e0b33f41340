"""A no that comes by an event bars every campaign, however it is written, and whenever and how often it comes."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from campaign.attempts import AttemptState, Claim
from campaign.buckets import Bucket
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Never
from tests.webhooks.in_process import House, an_event, house

FIELD = "consent.no_more_calls"
"""Written on the claims. Neither the receiver nor the next campaign knows it."""

YES = (
    *(
        True,
        "TRUE",
        "yes",
        "Yes.",
        1,
        1.0,
        "1.0",
        "ja",
        "Oui !",
        "\u0646\u0639\u0645",
        "\u306f\u3044",
        "opted_out",
        "DO_NOT_CALL",
    ),
    *(["yes"], {"value": "true", "confidence": 0.3}, '{"answer": "yes"}', [False, True]),
)
UNCLEAR = ("she asked us to stop, I think", 2, "maybe", [{"reason": "moved"}])
"""A person has to read these; until then nobody calls."""

NO: tuple[Any, ...] = (
    *(
        False,
        "FALSE",
        "no",
        "No.",
        0,
        "0.0",
        None,
        "",
        "null",
        "N/A",
        [],
        {},
        "nein",
        "\u0644\u0627",
        "not mentioned",
        "none",
    ),
    *({"value": False, "confidence": 1}, ["no", None], '{"answer": "no"}'),
)

TALKED = {"status": "COMPLETED"}


async def ask(ledger: Ledger, number: int, campaign: str, fields: tuple[str, ...]) -> object:
    """Claim a call to somebody, as a campaign whose policy knows these fields."""
    policy = Policy(preset="unrestricted", max_attempts=5, opt_out_fields=list(fields))
    somebody = Recipient(id=f"r{number}", phone=f"+4420794{60000 + number}", zones=("Europe/London",), country="GB")
    claimant = Claimant(
        campaign=campaign,
        run_id="run",
        rules=policy.resolved(),
        lease_seconds=90.0,
        account="project",
        agent_id="agent-plain",
    )
    return await ledger.claim(claim_request(somebody, claimant))


Calls = Sequence[tuple[Claim, dict[str, Any]]]
"""Claims, each with the event that says how its call ended."""

Deliver = Callable[[House, Ledger, Calls], Awaitable[None]]


async def send(receiver: House, calls: Calls) -> None:
    for _, event in calls:
        await receiver.post(event)
    await receiver.rest()


async def before_the_answer(receiver: House, ledger: Ledger, calls: Calls) -> None:
    await send(receiver, calls)
    for claim, event in calls:
        await ledger.place(claim.call_key, event["callId"])


async def after_the_end(receiver: House, ledger: Ledger, calls: Calls) -> None:
    for claim, event in calls:
        await ledger.place(claim.call_key, event["callId"])
        await ledger.end(CallEnd(AttemptState.COMPLETED, status="COMPLETED"), call_key=claim.call_key)
    await send(receiver, calls)


async def twice_and_before_the_beginning(receiver: House, ledger: Ledger, calls: Calls) -> None:
    await send(receiver, calls)
    begun = [(claim, an_event("call.started", event["callId"])) for claim, event in calls]
    await send(
        receiver, [(claim, {**event, "data": {"params": {"call_key": claim.call_key}}}) for claim, event in begun]
    )
    await send(receiver, calls)


@pytest.mark.parametrize("deliver", [before_the_answer, after_the_end, twice_and_before_the_beginning])
async def test_however_a_no_is_written_and_whenever_it_comes_no_campaign_calls_again(
    tmp_path: Path, deliver: Deliver
) -> None:
    values = (*YES, *UNCLEAR, *NO)
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        calls = []
        for number, value in enumerate(values):
            claim = await ask(ledger, number, "c", (FIELD,))
            assert isinstance(claim, Claim)
            result = {"call_key": claim.call_key, "note": "talked", "consent": {"noMoreCalls": value}}
            calls.append((claim, an_event("call.ended", f"job-{number}", result=result, **TALKED)))
        await deliver(receiver, ledger, calls)
        answers = [await ask(ledger, number, "d", ("another_field",)) for number in range(len(values))]
    barred = [isinstance(answer, Never) and answer.bucket is Bucket.OPTED_OUT for answer in answers]
    assert [values[number] for number, bars in enumerate(barred) if bars] == [*YES, *UNCLEAR]
    assert all(isinstance(answer, Claim) for answer in answers[len(YES) + len(UNCLEAR) :])


async def test_a_no_that_equals_a_param_of_its_name_is_no_echo(tmp_path: Path) -> None:
    async with house(tmp_path) as receiver, Ledger(receiver.world.url, clock=receiver.clock) as ledger:
        claim = await ask(ledger, 1, "c", ("wants_no_more_calls",))
        assert isinstance(claim, Claim)
        params = {"call_key": claim.call_key, "wants_no_more_calls": "yes"}
        await ledger.place(claim.call_key, "job-1", record={"id": "job-1", "params": params})
        await receiver.post(an_event("call.ended", "job-1", result=params, **TALKED))
        await receiver.rest()
        answer = await ask(ledger, 1, "d", ())
    assert isinstance(answer, Never)
    assert answer.bucket is Bucket.OPTED_OUT
