"""What a row says of its person is asked twice: when the list is made, and in the transaction that writes the claim."""

from datetime import timedelta
from typing import Any

import pytest

from campaign.attempts import AttemptState
from campaign.buckets import Bucket
from campaign.dialing.one_recipient import NotCalled
from campaign.dialing.screener import Screened, Screener
from campaign.intake import CallTerms, Consent
from campaign.intake.recipients import ColumnMapping
from campaign.intake.screening import Screen
from campaign.ledger.ledger import Ledger
from campaign.rules.policy import Policy
from sandbox.clock import DEFAULT_START
from tests.campaign.campaign_world import CampaignWorld, people
from tests.campaign.dialing.desk import Desk

STRICT = Policy(
    by_place=[{"place": "GB-SCT", "closed_dates": [str(DEFAULT_START.date())]}],
    quiet_times=[{"start": "12:00", "end": "13:00"}],
    consent_max_days=30,
)
YES = Consent("yes", DEFAULT_START.date(), dated=True)
MAPPING = ColumnMapping(subdivision="part", call_hours="hours", consent="consent", consent_at="agreed")
# Fifteen o'clock in London.
CASES: list[tuple[CallTerms, Bucket, str]] = [
    (CallTerms("England", consent=YES), Bucket.COMPLETED, ""),
    (CallTerms("ENG", consent=YES), Bucket.COMPLETED, ""),
    (CallTerms("Scotland", consent=YES), Bucket.DEFERRED, "closed dates by the rules for GB-SCT"),
    (
        CallTerms("ENG", hours=((16 * 60, 17 * 60),), consent=YES),
        Bucket.DEFERRED,
        "that the person named (16:00-17:00)",
    ),
    (CallTerms(None, consent=YES), Bucket.DEFERRED, "closed dates by the rules for any part of GB"),
    (CallTerms(consent=None), Bucket.NO_CONSENT, "nothing says that they agreed"),
    (CallTerms(consent=Consent("")), Bucket.NO_CONSENT, "no consent is noted"),
    (
        CallTerms(consent=Consent("yes", DEFAULT_START.date() - timedelta(days=31))),
        Bucket.NO_CONSENT,
        "is more than 30 days old",
    ),
]


@pytest.mark.parametrize(("terms", "bucket", "why"), CASES, ids=range(len(CASES)))
async def test_the_claim_asks_for_all_of_it(world: CampaignWorld, terms: CallTerms, bucket: Bucket, why: str) -> None:
    [result] = await world.dial([people(1)[0].model_copy(update={"terms": terms})], policy=STRICT)
    assert result.bucket is bucket
    assert why in result.reason
    assert (result.until is not None) is (bucket is Bucket.DEFERRED)


async def test_the_list_asks_for_the_same(world: CampaignWorld) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"c{number}", "phone": person.phone, "part": terms.subdivision}
        | {"hours": "16-17" if terms.hours else "", "consent": terms.consent and terms.consent.basis}
        | {"agreed": terms.consent and terms.consent.day}
        for number, (person, (terms, _, _)) in enumerate(zip(people(len(CASES)), CASES, strict=True))
    ]
    async with Ledger(world.url, clock=world.clock) as ledger:
        screener = Screener(
            screen=Screen(mapping=MAPPING), ledger=ledger, rules=STRICT.resolved(), campaign="c", run_id="r"
        )
        screened: Screened = await screener.page(list(enumerate(rows, 1)))
    assert [recipient.id for recipient in screened.go] == ["c0", "c1"]
    assert [result.bucket for result in screened.results] == [bucket for _, bucket, _ in CASES[2:]]
    deferred = [result for result in screened.results if result.bucket is Bucket.DEFERRED]
    assert [result.until for result in deferred] == [
        DEFAULT_START + timedelta(hours=19),  # tomorrow at ten
        DEFAULT_START + timedelta(hours=1),
        DEFAULT_START + timedelta(hours=19),
    ]


async def test_the_claim_keeps_by_what_it_was_allowed(world: CampaignWorld) -> None:
    terms = CallTerms("England", ((14 * 60, 17 * 60),), YES)
    await world.dial([people(1)[0].model_copy(update={"terms": terms})], policy=STRICT)
    [attempt] = await world.attempts()
    assert attempt.decided_by is not None
    assert attempt.decided_by["rules_for"] == "GB"
    assert attempt.decided_by["part_of_country"] == "GB-ENG"
    assert attempt.decided_by["hours_named"] == ["14:00-17:00"]
    assert attempt.decided_by["consent"] == {"basis": "yes", "day": "2026-11-03"}
    assert attempt.decided_by["window"] == ["2026-11-03T14:00+00:00", "2026-11-03T17:00+00:00"]


# -- single calls ---------------------------------------------------------------------------------------------------


async def test_one_call_is_judged_by_the_same(desk: Desk) -> None:
    how: dict[str, Any] = {"policy": STRICT}
    said: dict[str, Any] = {"recipient_id": "c1", "subdivision": "ENG"}
    with pytest.raises(NotCalled, match="nothing says that they agreed to be called"):
        await desk.open(how=how, **said)
    with pytest.raises(NotCalled, match="outside the hours that the person named") as early:
        await desk.open(how=how, consent="yes", consent_at="2026-11-01", call_hours="16-17", **said)
    assert early.value.until == DEFAULT_START + timedelta(hours=1)
    with pytest.raises(NotCalled, match="call_hours holds 'evenings', which names no hours") as unread:
        await desk.open(how=how, consent="yes", consent_at="2026-11-01", call_hours="evenings", **said)
    assert unread.value.bucket is Bucket.BAD_ROW
    opened = await desk.open(how=how, consent="yes", consent_at="2026-11-01", call_hours="14-17", **said)
    assert opened.is_new


async def test_caps_hold_for_the_person_of_single_calls_at_whatever_number(desk: Desk) -> None:
    policy = Policy(preset="unrestricted", per_24_hours=1)
    how = {"policy": policy}
    first = await desk.open("+442079460101", how=how, recipient_id="invoice-1", person="17")
    await desk.follow(first)
    with pytest.raises(NotCalled, match="called 1 time in 24 hours, the most for one person"):
        await desk.open("+442079460102", how=how, recipient_id="invoice-2", person="17.0")
    assert (await desk.open("+442079460103", how=how, recipient_id="invoice-3", person="18")).is_new


async def test_the_us_preset_counts_single_calls_by_person_and_debt(desk: Desk) -> None:
    policy = Policy(preset="us", beyond_preset=True, per_24_hours=1000)
    for number, debt in enumerate(("A", "A", "B")):
        whom: dict[str, Any] = {"recipient_id": f"call-{number}", "person": "17", "debt": debt, "subdivision": "NY"}
        if number == 1:
            with pytest.raises(NotCalled, match="had a conversation less than 7 days ago"):
                await desk.open(f"+1212555012{number}", how={"policy": policy}, **whom)
            continue
        ended = await desk.follow(await desk.open(f"+1212555012{number}", how={"policy": policy}, **whom))
        assert ended.state is AttemptState.COMPLETED
        assert (ended.person, ended.debt) == ("17", debt)
        desk.world.clock.advance(timedelta(minutes=10).total_seconds())
