"""A no is a no: whoever learns of it, by whatever settings, in whatever campaign, and until a person lifts it."""

import pytest

from campaign.attempts import AttemptState as S
from campaign.attempts import Claim
from campaign.buckets import Bucket
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.intake.recipients import Recipient
from campaign.ledger.ledger import CallEnd, ClaimRequest, Ledger
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Never
from tests.campaign.ledger.asking import phone

POLICY = Policy(preset="unrestricted", max_attempts=5)


def ask(
    number: int = 1,
    *,
    campaign: str = "c",
    policy: Policy = POLICY,
    recipient_id: str | None = None,
    person: str | None = None,
) -> ClaimRequest:
    recipient = Recipient(
        id=recipient_id or f"r{number}", phone=phone(number), zones=("Europe/London",), country="GB", person=person
    )
    return claim_request(
        recipient,
        Claimant(
            campaign=campaign, run_id="run", rules=policy.resolved(), lease_seconds=90.0, account=None, agent_id=None
        ),
    )


async def talk(ledger: Ledger, request: ClaimRequest, outcome: dict[str, object] | None) -> Claim:
    """Call somebody, who says something."""
    claim = await ledger.claim(request)
    assert isinstance(claim, Claim), claim
    await ledger.end(CallEnd(S.COMPLETED, outcome=outcome), call_key=claim.call_key, job_id=claim.call_key)
    return claim


def bucket(answer: object) -> Bucket | None:
    return answer.bucket if isinstance(answer, Never) else None


async def test_an_end_that_is_brought_by_somebody_with_other_settings_is_read_by_the_claims_fields(
    ledger: Ledger,
) -> None:
    policy = POLICY.model_copy(update={"opt_out_fields": ["leave_me_alone"]})
    claim = await talk(ledger, ask(policy=policy), {"leaveMeAlone": "ja"})  # whoever reports says opted_out=False
    assert claim.opt_out_fields == ("leave_me_alone",)
    (row,) = await ledger.attempts()
    assert (row.opted_out, row.opt_out_fields) == (True, ["leave_me_alone"])
    assert bucket(await ledger.claim(ask(campaign="another"))) is Bucket.OPTED_OUT


async def test_a_field_that_is_named_later_is_found_in_what_was_said_before_and_bars_every_campaign(
    ledger_url: str,
) -> None:
    async with Ledger(ledger_url) as ledger:
        await talk(ledger, ask(1), {"do_not_call_again": True, "wants_no_more_calls": False})
        await talk(ledger, ask(2), {"do_not_call_again": "no"})
        assert isinstance(await ledger.claim(ask(1, campaign="before")), Claim)
    later = POLICY.model_copy(update={"opt_out_fields": ["doNotCallAgain"]})
    async with Ledger(ledger_url) as ledger:
        assert bucket(await ledger.claim(ask(1, campaign="later", policy=later))) is Bucket.OPTED_OUT
        assert isinstance(await ledger.claim(ask(2, campaign="later", policy=later)), Claim)
        # A campaign whose policy does not name it is kept from calling as well.
        assert bucket(await ledger.claim(ask(1, campaign="third"))) is Bucket.OPTED_OUT


async def test_after_a_field_was_named_every_outcome_is_read_by_it(ledger: Ledger) -> None:
    await ledger.name_opt_out_fields(["do_not_call_again"])
    await talk(ledger, ask(), {"do_not_call_again": "yes"})
    assert bucket(await ledger.claim(ask(campaign="another"))) is Bucket.OPTED_OUT


async def test_an_outcome_that_comes_after_the_end_is_read_as_well(ledger: Ledger) -> None:
    claim = await talk(ledger, ask(), None)
    end = CallEnd(S.COMPLETED, outcome={"wants_no_more_calls": True})
    assert not await ledger.end(end, call_key=claim.call_key)
    assert bucket(await ledger.claim(ask(campaign="another"))) is Bucket.OPTED_OUT


@pytest.mark.parametrize("how", ["same number", "same person", "person column"])
async def test_a_refusal_bars_the_number_and_the_person(ledger: Ledger, how: str) -> None:
    person = "p-7" if how == "person column" else None
    await talk(ledger, ask(1, recipient_id="invoice-1", person=person), {"wants_no_more_calls": True})
    request = {
        "same number": ask(1, campaign="another", recipient_id="somebody"),
        "same person": ask(2, campaign="another", recipient_id="invoice-1"),
        "person column": ask(2, campaign="another", recipient_id="invoice-2", person="p-7"),
    }[how]
    assert bucket(await ledger.claim(request)) is Bucket.OPTED_OUT
    assert isinstance(await ledger.claim(ask(3, campaign="another", recipient_id="invoice-3")), Claim)


async def test_words_that_are_neither_yes_nor_no_bar_until_a_person_has_read_them(ledger: Ledger) -> None:
    claim = await talk(ledger, ask(), {"wants_no_more_calls": "no, thanks"})
    answer = await ledger.claim(ask(campaign="another"))
    assert isinstance(answer, Never)
    assert (answer.bucket, "a person has to read it" in answer.reason) == (Bucket.OPTED_OUT, True)
    (row,) = await ledger.attempts()
    assert not row.opted_out
    (lifted,) = await ledger.lift_opt_outs(person="r1", by="Huda", because="she only thanked")
    assert (lifted.lifted_by, lifted.lifted_because) == ("Huda", "she only thanked")
    # The same event again does not undo what a person decided.
    end = CallEnd(S.COMPLETED, outcome={"wants_no_more_calls": "no, thanks"})
    await ledger.end(end, call_key=claim.call_key)
    assert isinstance(await ledger.claim(ask(campaign="another")), Claim)


async def test_what_was_lifted_bars_no_more_until_it_is_said_again(ledger: Ledger) -> None:
    await talk(ledger, ask(), {"wants_no_more_calls": True})
    assert len(await ledger.lift_opt_outs(phone=phone(1), by="Huda", because="asked for a call by e-mail")) == 1
    assert await ledger.lift_opt_outs(phone=phone(1), by="Huda", because="again") == []
    assert await ledger.opt_outs([phone(1)], []) == []
    (kept,) = await ledger.opt_outs([phone(1)], [], lifted=True)
    assert (kept.lifted_by, kept.lifted_because) == ("Huda", "asked for a call by e-mail")
    await talk(ledger, ask(campaign="another"), {"wants_no_more_calls": True})
    assert bucket(await ledger.claim(ask(campaign="third"))) is Bucket.OPTED_OUT


async def test_a_list_of_another_channel_stays_in_the_ledger(ledger: Ledger) -> None:
    people = [(phone(1), None), (None, "r2"), (phone(3), "r4"), (phone(1), None), (None, None)]
    assert await ledger.add_opt_outs(people, origin="web form") == (3, 0)
    assert await ledger.add_opt_outs(people, origin="web form") == (0, 0)
    for request in (ask(1, recipient_id="x"), ask(2), ask(3, recipient_id="y"), ask(4)):
        answer = await ledger.claim(request)
        assert answer == Never(Bucket.OPTED_OUT, "asked not to be called again (web form)")
    assert isinstance(await ledger.claim(ask(5)), Claim)
    await ledger.lift_opt_outs(phone=phone(1), by="Huda", because="a mistake")
    assert isinstance(await ledger.claim(ask(1, recipient_id="x")), Claim)
    # Whoever is on the list still, or again, is barred again, and the caller is told.
    assert await ledger.add_opt_outs(people, origin="web form") == (1, 1)
    assert bucket(await ledger.claim(ask(1, recipient_id="z", campaign="d"))) is Bucket.OPTED_OUT


async def test_a_forecast_sees_what_bars(ledger: Ledger) -> None:
    await talk(ledger, ask(1), {"wants_no_more_calls": True})
    found = await ledger.history("another", [phone(1), phone(2)], ["x", "r1"], rules=POLICY.resolved())
    assert found.opt_out_of(phone(1), "x") is not None
    assert found.opt_out_of(phone(2), "r1") is not None
    assert found.opt_out_of(phone(2), "x") is None


async def test_a_claim_keeps_which_rules_said_yes_and_by_what(ledger: Ledger) -> None:
    policy = Policy(preset="strict", windows=[{"days": ["every_day"], "start": "00:00", "end": "24:00"}])
    assert isinstance(await ledger.claim(ask(policy=policy)), Claim)
    (row,) = await ledger.attempts()
    assert row.policy == policy.resolved().version != POLICY.resolved().version
    assert row.decided_by is not None
    assert row.decided_by["zones"] == ["Europe/London"]
    assert row.decided_by["calls_in_7_days"] == {"number": 0, "person": 0, "most": 2}
