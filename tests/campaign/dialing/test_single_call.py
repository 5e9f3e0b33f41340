"""Single calls keep the promises of a campaign: one ring, rules at the moment of dialing, every end written down."""

import asyncio
import logging
import pickle
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import ENDED, Attempt, AttemptState
from campaign.buckets import Bucket
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.dialing.one_recipient import NotCalled
from campaign.dialing.single_call import NoEndYet, OpenedCall
from campaign.errors import CampaignError
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.rules.policy.policy import Policy
from hamsa import HamsaClient, NotPlaced, Refused, Unavailable, Uncertain
from sandbox.world import PROJECT_ID
from tests.campaign.campaign_world import UNRESTRICTED, people
from tests.campaign.dialing.desk import LONDON, Desk
from tests.sandbox_transport import SandboxTransport

NEVER_ANSWERS, NEVER_ENDS, WANTS_NO_MORE = "+12125550190", "+12125550196", "+12125550197"
"""Magic numbers of the sandbox."""


class OddlySpoken(SandboxTransport):
    """A Hamsa that calls the statuses of calls in progress by names of its own."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        body = await answer.aread()
        for known, odd in ((b'"PENDING"', b'"RINGING"'), (b'"IN_PROGRESS"', b'"TALKING_TO_A_PARROT"')):
            body = body.replace(known, odd)
        return httpx.Response(answer.status_code, content=body)


async def test_a_call_is_placed_under_a_claim_and_followed_to_its_end(desk: Desk) -> None:
    opened = await desk.open(params={"name": "Mona"}, recipient_id="c1")
    assert opened.is_new
    assert opened.attempt.state is AttemptState.PLACED
    (shown,) = desk.world.sandbox.calls(LONDON)
    assert shown["params"]["call_key"] == opened.attempt.call_key
    assert shown["params"]["name"] == "Mona"
    ended = await desk.follow(opened)
    assert ended.state in ENDED
    assert ended.record is not None
    assert (await desk.world.attempts())[0] == ended
    assert [fact.kind for fact in desk.world.facts] == ["placed", "ended"]


async def test_asking_again_continues_with_the_call_that_was_made(desk: Desk) -> None:
    first = await desk.open(recipient_id="c1")
    in_progress = await desk.open(recipient_id="c1")
    assert not in_progress.is_new
    assert in_progress.attempt == first.attempt
    ended = await desk.follow(first)
    over = await desk.open(recipient_id="c1")
    assert not over.is_new
    assert over.attempt == ended
    assert await desk.follow(over) == ended
    assert desk.world.sandbox.rings() == 1
    assert [fact.kind for fact in desk.world.facts] == ["placed", "ended"]


async def test_whoever_is_called_by_number_alone_is_known_by_it_in_the_campaign(desk: Desk) -> None:
    first = await desk.open()
    again = await desk.open("020 7946 0123", region="GB")
    assert again.attempt == first.attempt
    assert LONDON[-4:] not in first.attempt.recipient_id
    assert desk.world.sandbox.rings() == 1


async def test_a_number_that_a_campaign_run_called_is_not_called_again(desk: Desk) -> None:
    (person,) = people(1)
    await desk.world.dial([person])
    opened = await desk.open(person.phone)
    assert not opened.is_new
    assert opened.attempt.recipient_id == person.id
    with pytest.raises(NotCalled, match="belongs to recipient c0 of the campaign as well") as raised:
        await desk.open(person.phone, recipient_id="somebody-else")
    assert raised.value.bucket is Bucket.DUPLICATE_NUMBER
    assert desk.world.sandbox.rings() == 1


async def test_two_that_ask_at_once_ring_once(desk: Desk) -> None:
    async def work() -> list[OpenedCall | BaseException]:
        async with desk.caller() as one, desk.caller() as other:
            both = (one.open(LONDON, recipient_id="c1"), other.open(LONDON, recipient_id="c1"))
            return list(await asyncio.gather(*both, return_exceptions=True))

    results = await desk.world.drive(work())
    assert sum(isinstance(result, OpenedCall) and result.is_new for result in results) == 1
    assert desk.world.sandbox.rings() == 1


async def test_a_further_attempt_is_made_where_the_rules_allow_one(desk: Desk) -> None:
    twice = Policy(preset="unrestricted", max_attempts=2)
    first = await desk.open(NEVER_ANSWERS, recipient_id="c1", how={"policy": twice})
    assert (await desk.follow(first)).state is AttemptState.NO_ANSWER
    second = await desk.open(NEVER_ANSWERS, recipient_id="c1", how={"policy": twice})
    assert second.is_new
    assert second.attempt.attempt == 2
    await desk.follow(second)
    third = await desk.open(NEVER_ANSWERS, recipient_id="c1", how={"policy": twice})
    assert third.attempt.attempt == 2
    assert not third.is_new
    assert desk.world.sandbox.rings() == 2


async def test_a_repeated_run_is_given_its_own_call_even_where_the_rules_want_to_wait(desk: Desk) -> None:
    strict = {"policy": Policy(max_attempts=2), "run_id": "the-run"}
    first = await desk.open(NEVER_ANSWERS, recipient_id="c1", how=strict)
    await desk.follow(first, **strict)
    again = await desk.open(NEVER_ANSWERS, recipient_id="c1", how=strict)
    assert again.attempt.call_key == first.attempt.call_key
    with pytest.raises(NotCalled) as raised:
        await desk.open(NEVER_ANSWERS, recipient_id="c1", how={"policy": Policy(max_attempts=2)})
    assert raised.value.bucket is Bucket.DEFERRED
    assert raised.value.until is not None
    assert desk.world.sandbox.rings() == 1


# -- what the rules say ----------------------------------------------------------------------------------------------


async def test_at_night_nobody_is_called_and_the_error_says_when(desk: Desk) -> None:
    clock = desk.world.clock
    clock.advance_to(clock.now().replace(hour=2) + timedelta(days=1))
    with pytest.raises(NotCalled) as raised:
        await desk.open(how={"policy": Policy()})
    assert raised.value.bucket is Bucket.DEFERRED
    assert raised.value.until is not None
    assert raised.value.until > clock.now()
    assert str(raised.value).startswith("+44•••••0123 was not called: ")
    assert desk.world.sandbox.rings() == 0


async def test_a_named_time_zone_wins_over_the_numbers(desk: Desk) -> None:
    with pytest.raises(NotCalled, match="not called"):
        await desk.open(timezone="Pacific/Auckland", how={"policy": Policy()})
    assert (await desk.open(timezone="Europe/London", how={"policy": Policy()})).is_new


@pytest.mark.parametrize(
    ("phone", "params", "bucket", "reason"),
    [
        ("12345", {}, Bucket.NO_REGION, "national number"),
        ("+1 212 555 01", {}, Bucket.NOT_A_NUMBER, "too short"),
        ("+1 900 555 0100", {}, Bucket.WRONG_LINE, "premium rate"),
        (LONDON, {}, Bucket.MISSING_PARAMS, "no value for name, which the agent needs"),
        (LONDON, {"name": " "}, Bucket.MISSING_PARAMS, "no value for name, which the agent needs"),
        (LONDON, {"name": "Mona", "photo": b"..."}, Bucket.BAD_ROW, "the param photo holds binary data"),
        (LONDON, {"name": "Mona", "call_key": "x"}, Bucket.BAD_ROW, "the param call_key has a name"),
    ],
)
async def test_what_cannot_be_called_is_said_in_one_sentence_and_leaves_no_claim(
    desk: Desk, phone: str, params: dict[str, Any], bucket: Bucket, reason: str
) -> None:
    with pytest.raises(NotCalled) as raised:
        await desk.open(phone, params, how={"agent": CallingAgent(voice_agent_id="agent-collections")})
    assert raised.value.bucket is bucket
    assert reason in str(raised.value)
    assert "\n" not in str(raised.value)
    assert await desk.world.attempts() == []


async def test_an_unknown_time_zone_is_not_guessed(desk: Desk) -> None:
    with pytest.raises(NotCalled, match="'Mars/Olympus' is not a name such as"):
        await desk.open(timezone="Mars/Olympus")


async def test_a_call_of_a_campaign_on_hold_is_followed_and_no_dialing_is_said_to_stop(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="campaign")
    opened = await desk.open(recipient_id="c1")
    await desk.world.hold("c", "the lawyers are looking")
    assert (await desk.follow(opened)).state in ENDED
    assert "on hold" not in caplog.text
    assert {fact.campaign for fact in desk.world.facts} == {"c"}


async def test_one_recipients_call_is_found_without_loading_all_that_the_run_made(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await desk.open(f"+44207946010{number}", recipient_id=f"c{number}", how={"run_id": "run"})
    loaded: list[int] = []
    attempts = Ledger.attempts

    async def counted(self: Ledger, **which: Any) -> list[Attempt]:
        rows = await attempts(self, **which)
        loaded.append(len(rows))
        return rows

    monkeypatch.setattr(Ledger, "attempts", counted)
    again = await desk.open("+442079460103", recipient_id="c3", how={"run_id": "run"})
    assert (again.is_new, again.attempt.recipient_id) == (False, "c3")
    assert max(loaded) == 1


async def test_an_id_that_is_a_number_is_its_text_and_one_that_is_none_is_refused(desk: Desk) -> None:
    whole, fraction = await desk.open(recipient_id=17), await desk.open(recipient_id=17.0)
    assert whole.attempt.recipient_id == fraction.attempt.recipient_id == "17"
    assert not fraction.is_new
    with pytest.raises(NotCalled, match="its id holds a value of type bool, not a text or a number"):
        await desk.open(recipient_id=True)


async def test_a_campaign_on_hold_calls_nobody(desk: Desk) -> None:
    await desk.world.hold("c", "the lawyers are looking")
    with pytest.raises(NotCalled, match=r"the campaign c is on hold \(the lawyers are looking\)"):
        await desk.open()


async def test_a_campaign_that_has_cost_what_it_may_calls_nobody(desk: Desk) -> None:
    await desk.world.dial(people(10))
    with pytest.raises(NotCalled, match=r"could bring it over 0\.01 \(max_cost\)"):
        await desk.open(how={"policy": Policy(preset="unrestricted", max_cost=0.01)})


async def test_whoever_asked_for_no_more_calls_is_not_called_by_another_campaign_either(desk: Desk) -> None:
    (person,) = people(1)
    await desk.world.dial([person.model_copy(update={"phone": WANTS_NO_MORE})], campaign="earlier")
    with pytest.raises(NotCalled, match="asked in an earlier call not to be called again") as raised:
        await desk.open(WANTS_NO_MORE)
    assert raised.value.bucket is Bucket.OPTED_OUT


def test_the_error_crosses_processes() -> None:
    error = NotCalled("+44•••••0123", Bucket.DEFERRED, "closed")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (str(copy), copy.bucket, copy.reason) == (str(error), error.bucket, error.reason)


# -- what Hamsa says -------------------------------------------------------------------------------------------------


async def test_an_agent_or_a_key_that_hamsa_does_not_know_is_said_before_anybody_is_called(desk: Desk) -> None:
    with pytest.raises(CampaignError, match=r"does not know the voice agent no-such-agent .* nobody was called"):
        await desk.open(how={"agent": CallingAgent(voice_agent_id="no-such-agent")})
    desk.world.sandbox.fail_next("unauthorized", reads=True)
    with pytest.raises(CampaignError, match=r"does not accept the API key .* nobody was called"):
        await desk.open()
    assert await desk.world.attempts() == []


async def test_a_refusal_is_kept_and_not_tried_again_in_the_same_run(desk: Desk) -> None:
    desk.world.sandbox.fail_next("refused")
    with pytest.raises(Refused):
        await desk.open(recipient_id="c1", how={"run_id": "the-run"})
    with pytest.raises(NotCalled, match="not tried again in the same run"):
        await desk.open(recipient_id="c1", how={"run_id": "the-run"})
    assert (await desk.open(recipient_id="c1")).is_new


@pytest.mark.parametrize("fault", ["no_connection", "rate_limited"])
async def test_a_call_that_was_surely_not_placed_may_be_asked_for_again(desk: Desk, fault: str) -> None:
    desk.world.sandbox.fail_next(fault)
    with pytest.raises(NotPlaced):
        await desk.open(recipient_id="c1")
    assert (await desk.open(recipient_id="c1")).is_new
    assert desk.world.sandbox.rings() == 1


async def test_no_answer_to_the_first_question_calls_nobody(desk: Desk) -> None:
    desk.world.sandbox.fail_next("html_502", reads=True)
    with pytest.raises(Unavailable):
        await desk.open()
    assert await desk.world.attempts() == []


@pytest.mark.parametrize("fault", ["lost_answer", "error_after", "unreadable", "no_id"])
async def test_a_lost_answer_is_looked_for_and_found(desk: Desk, fault: str) -> None:
    desk.world.sandbox.fail_next(fault)
    opened = await desk.open(recipient_id="c1")
    assert opened.attempt.job_id == desk.world.sandbox.calls()[0]["job_id"]
    assert (await desk.follow(opened)).state in ENDED
    assert desk.world.sandbox.rings() == 1
    assert [fact.kind for fact in desk.world.facts] == ["uncertain", "ended"]


async def test_what_stays_uncertain_is_never_called_again_until_it_is_found(desk: Desk) -> None:
    desk.world.sandbox.change(list_lag_seconds=600)
    desk.world.sandbox.fail_next("lost_answer")
    with pytest.raises(Uncertain):
        await desk.open(recipient_id="c1")
    with pytest.raises(Uncertain, match="Nobody knows yet whether the phone of \\+44•••••0123 rang"):
        await desk.open(recipient_id="c1")
    desk.world.sandbox.change(list_lag_seconds=0)
    found = await desk.open(recipient_id="c1")
    assert not found.is_new
    assert found.attempt.job_id == desk.world.sandbox.calls()[0]["job_id"]
    assert desk.world.sandbox.rings() == 1


async def test_a_call_that_is_proved_absent_is_made(desk: Desk) -> None:
    quick = {"policy": Policy(preset="unrestricted", settle_grace_seconds=0, poll_max_seconds=5)}
    before, after = people(2)
    desk.world.somebody_did_not_answer()
    await desk.open(before.phone, recipient_id="before")
    desk.world.clock.advance(1)
    desk.world.sandbox.fail_next("html_502")
    for look in range(8):
        try:
            opened = await desk.open(recipient_id="c1", how=quick)
            break
        except Uncertain:
            desk.world.clock.advance(60)
        if look == 2:  # until now there was nothing by which the list could be checked
            await desk.open(after.phone, recipient_id="after")
            desk.world.clock.advance(60)
    else:
        pytest.fail("it stayed uncertain")
    assert opened.is_new
    assert opened.attempt.attempt == 1
    assert look > 2
    assert desk.world.sandbox.rings() == 3


async def test_a_claim_of_a_run_that_died_is_not_taken_for_a_call_nor_called_over(desk: Desk) -> None:
    (person,) = people(1)
    async with Ledger(desk.world.url, clock=desk.world.clock) as ledger:
        await ledger.claim(
            claim_request(
                person,
                Claimant(
                    campaign="c",
                    run_id="dead",
                    rules=UNRESTRICTED.resolved(),
                    lease_seconds=120,
                    account=PROJECT_ID,
                    agent_id="agent-plain",
                ),
            )
        )
    with pytest.raises(NotCalled, match="is being placed by another run"):
        await desk.open(person.phone, recipient_id=person.id)
    desk.world.clock.advance(600)
    with pytest.raises(Uncertain):
        await desk.open(person.phone, recipient_id=person.id)
    assert desk.world.sandbox.rings() == 0


# -- ends ------------------------------------------------------------------------------------------------------------


async def test_an_end_that_the_ledger_has_is_not_asked_for_again(desk: Desk) -> None:
    opened = await desk.open(recipient_id="c1")
    async with Ledger(desk.world.url, clock=desk.world.clock) as ledger:
        await ledger.end(CallEnd(AttemptState.COMPLETED, status="COMPLETED"), job_id=opened.attempt.job_id)
    asked = desk.world.sandbox.stats()["requests"]
    assert (await desk.follow(opened)).state is AttemptState.COMPLETED
    assert desk.world.sandbox.stats()["requests"] == asked


async def test_statuses_that_nobody_knows_are_waited_through(desk: Desk) -> None:
    opened = await desk.open(recipient_id="c1")
    transport = OddlySpoken(desk.world.sandbox)
    client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
    assert (await desk.follow(opened, client=client)).state in ENDED


async def test_a_call_that_does_not_end_is_given_up_and_may_be_waited_for_again(desk: Desk) -> None:
    patience = Policy(preset="unrestricted", give_up_after_seconds=60)
    opened = await desk.open(NEVER_ENDS, recipient_id="c1")
    for _ in range(2):
        with pytest.raises(NoEndYet, match=r"has not ended within 60 seconds \(give_up_after_seconds\)"):
            await desk.follow(opened, policy=patience)


async def test_hamsa_out_of_reach_for_a_while_delays_the_end_and_loses_nothing(desk: Desk) -> None:
    opened = await desk.open(recipient_id="c1")
    desk.world.sandbox.fail_next(*["html_502"] * 5, reads=True)
    assert (await desk.follow(opened)).state in ENDED


async def test_a_call_of_another_ledger_is_said_to_be_unknown(desk: Desk) -> None:
    opened = await desk.open(recipient_id="c1")
    stranger = replace(opened, attempt=replace(opened.attempt, call_key="0" * 32))
    with pytest.raises(CampaignError, match=r"does not know the call 0+: use the one with which it was made"):
        await desk.follow(stranger)
