"""What the rules promise of one recipient: never too soon, never too often, never again after a no."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign.attempts import COUNTS, ENDED, VACANT, AttemptState, PastAttempt
from campaign.buckets import Bucket
from campaign.rules.decision import DONE, decide
from campaign.rules.opt_outs import asks_for_no_more_calls
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Go, Never, NotNow, Rules
from tests.campaign.rules.people import NEW_YORK, NOW, OTHER_PHONE, PHONE, customer, past

SANDBOX = Policy(preset="unrestricted", max_attempts=3).resolved()
STRICT = Policy(max_attempts=3).resolved()


def ask(
    history: Sequence[PastAttempt] = (),
    *,
    rules: Rules = SANDBOX,
    at: datetime = NOW,
    zones: Sequence[str] = NEW_YORK,
    country: str | None = "US",
    run_id: str = "run-2",
) -> Go | NotNow | Never:
    return decide(
        recipient=customer(zones=tuple(zones), country=country),
        history=history,
        campaign="autumn",
        run_id=run_id,
        rules=rules,
        at=at,
    )


def never(answer: Go | NotNow | Never) -> Bucket:
    assert isinstance(answer, Never)
    return answer.bucket


# -- never ----------------------------------------------------------------------------------------------------------


def test_somebody_unknown_in_open_hours_is_called_as_the_first_attempt() -> None:
    assert ask(rules=STRICT) == Go(1)


@pytest.mark.parametrize("campaign", ["autumn", "another"])
def test_whoever_asked_for_no_more_calls_is_never_called_by_any_campaign(campaign: str) -> None:
    history = [past(AttemptState.COMPLETED, timedelta(days=900), campaign=campaign, opted_out=True)]
    assert never(ask(history)) == Bucket.OPTED_OUT


@pytest.mark.parametrize("state", sorted(DONE))
def test_what_is_done_is_done_in_this_campaign(state: AttemptState) -> None:
    assert never(ask([past(state, timedelta(days=900))])) == Bucket.ALREADY_CALLED
    assert ask([past(state, timedelta(days=900), campaign="another")]) == Go(1)


def test_what_is_done_stays_done_though_the_customers_number_changed() -> None:
    assert never(ask([past(AttemptState.COMPLETED, phone=OTHER_PHONE)])) == Bucket.ALREADY_CALLED


def test_attempts_are_used_up_at_their_maximum_and_the_reason_says_so() -> None:
    history = [past(AttemptState.NO_ANSWER, timedelta(days=n), attempt=4 - n) for n in (3, 2, 1)]
    assert ask(history[:2]) == Go(3)
    answer = ask(history)
    assert answer == Never(
        Bucket.ALREADY_CALLED, "called as often as the policy allows (3 attempts); the last ended as no answer"
    )


def test_what_another_run_is_calling_is_left_to_it() -> None:
    state = AttemptState.CLAIMED
    assert never(ask([past(state)])) == Bucket.OTHER_RUN
    assert never(ask([past(state)], run_id="run-1")) == Bucket.IN_PROGRESS
    assert never(ask([past(state)], rules=replace(SANDBOX, max_attempts=1))) == Bucket.OTHER_RUN


@pytest.mark.parametrize("run_id", ["run-1", "run-2"])
@pytest.mark.parametrize("error", [None, "Hamsa shows a status unknown to us: BUSY"])
def test_a_call_without_an_end_says_since_when_and_what_is_known_of_it(run_id: str, error: str | None) -> None:
    call = replace(past(AttemptState.PLACED), error=error)
    answer = ask([call], run_id=run_id)
    assert isinstance(answer, Never)
    assert answer.bucket is Bucket.IN_PROGRESS
    assert answer.reason.startswith(f"attempt 1 has been in progress since {call.claimed_at:%Y-%m-%d %H:%M} UTC")
    assert answer.reason.endswith(error or "UTC")


@pytest.mark.parametrize("error", [None, "Hamsa's call list does not show it"])
def test_an_uncertain_attempt_says_what_is_known_of_it(error: str | None) -> None:
    answer = ask([replace(past(AttemptState.UNCERTAIN), error=error)])
    known = f": {error}" if error else ""
    assert answer == Never(Bucket.UNCERTAIN, f"nobody knows yet whether the phone rang in attempt 1{known}")


def test_the_uncertain_are_never_redialed_unless_that_was_asked_for() -> None:
    history = [past(AttemptState.UNCERTAIN, timedelta(days=2))]
    assert never(ask(history)) == Bucket.UNCERTAIN
    assert ask(history, rules=replace(SANDBOX, redial_uncertain=True)) == Go(2)


def test_an_uncertain_attempt_counts_as_an_attempt_even_where_redialing_was_asked_for() -> None:
    history = [past(AttemptState.UNCERTAIN, timedelta(days=2))]
    assert never(ask(history, rules=replace(SANDBOX, redial_uncertain=True, max_attempts=1))) == Bucket.UNCERTAIN


@pytest.mark.parametrize("state", list(AttemptState))
def test_one_number_belongs_to_one_recipient_of_a_campaign(state: AttemptState) -> None:
    answer = ask([past(state, timedelta(days=99), recipient_id="c-7")])
    assert answer == Never(Bucket.DUPLICATE_NUMBER, "this number belongs to recipient c-7 of the campaign as well")
    assert ask([past(state, timedelta(days=99), recipient_id="c-7", campaign="another")]) == Go(1)


def test_what_hamsa_refused_is_not_tried_again_in_the_same_run_but_in_the_next() -> None:
    assert never(ask([past(AttemptState.REFUSED)], run_id="run-1")) == Bucket.REFUSED
    assert ask([past(AttemptState.REFUSED)], run_id="run-2") == Go(1)


@pytest.mark.parametrize("state", sorted(VACANT))
def test_an_attempt_in_which_no_phone_rang_is_made_again_under_its_own_number(state: AttemptState) -> None:
    rules = replace(STRICT, caps=(), silence=timedelta())
    history = [past(AttemptState.NO_ANSWER, timedelta(days=2)), past(state, attempt=2)]
    assert ask(history, rules=rules) == Go(2)


def test_a_redialed_attempt_that_proved_absent_gives_its_number_back() -> None:
    history = [
        past(AttemptState.NOT_PLACED, timedelta(days=3)),
        past(AttemptState.NO_ANSWER, timedelta(days=2), attempt=2),
    ]
    assert ask(history) == Go(1)


def test_without_a_time_zone_nobody_is_called_unless_hours_do_not_matter() -> None:
    assert never(ask(rules=STRICT, zones=())) == Bucket.UNKNOWN_TIME_ZONE
    assert never(ask(rules=STRICT, zones=("Etc/Unknown",))) == Bucket.UNKNOWN_TIME_ZONE
    assert never(ask(rules=STRICT, zones=("Pacific/Honolulu", "Europe/London"))) == Bucket.UNKNOWN_TIME_ZONE
    assert ask(zones=()) == Go(1)


# -- not now --------------------------------------------------------------------------------------------------------


def test_outside_the_hours_the_reason_and_the_next_opening_are_in_the_callees_local_time() -> None:
    answer = ask(rules=STRICT, at=NOW + timedelta(hours=6, minutes=5))
    assert answer == NotNow(
        Bucket.DEFERRED,
        "it is Tuesday 2026-11-24 18:05 in America/New_York: outside the hours for calling; possible from "
        "Wednesday 2026-11-25 10:00 (America/New_York)",
        datetime(2026, 11, 25, 15, 0, tzinfo=UTC),
    )


def test_hours_that_never_open_again_defer_without_a_time() -> None:
    shut = Policy(windows_on_dates=[{"first_day": "2026-01-01", "last_day": "2029-01-01"}]).resolved()
    answer = ask(rules=shut)
    assert isinstance(answer, NotNow)
    assert answer.until is None


@pytest.mark.parametrize(
    ("state", "minutes"), [(AttemptState.NO_ANSWER, 240), (AttemptState.FAILED, 60), (AttemptState.TERMINATED, 1440)]
)
def test_the_gap_depends_on_how_the_last_attempt_ended(state: AttemptState, minutes: int) -> None:
    rules = replace(SANDBOX, gaps=STRICT.gaps)
    answer = ask([past(state)], rules=rules)
    assert isinstance(answer, NotNow)
    assert answer.until == NOW + timedelta(minutes=minutes)
    assert ask([past(state)], rules=rules, at=NOW + timedelta(minutes=minutes)) == Go(2)
    assert ask([past(state)]) == Go(2)  # the sandbox's preset has no gaps


def test_the_gap_runs_from_the_end_of_the_last_attempt() -> None:
    rules = replace(SANDBOX, gaps=STRICT.gaps)
    history = [
        past(AttemptState.NO_ANSWER, timedelta(days=1)),
        past(AttemptState.FAILED, attempt=2, claimed_at=NOW - timedelta(hours=2), ended_at=NOW),
    ]
    answer = ask(history, rules=rules)
    assert isinstance(answer, NotNow)
    assert answer.until == NOW + timedelta(hours=1)
    assert answer.reason.startswith("attempt 2 ended as failed less than 1 hour ago; possible from ")


def test_caps_count_every_campaigns_calls_to_the_number_and_open_to_the_microsecond() -> None:
    calls = [
        past(AttemptState.NO_ANSWER, timedelta(days=20, microseconds=3), campaign="a", recipient_id="x"),
        past(AttemptState.PLACED, timedelta(days=6, microseconds=2), campaign="b", recipient_id="y"),
        past(AttemptState.UNCERTAIN, timedelta(days=2, microseconds=1), campaign="c", recipient_id="z"),
    ]
    rules = replace(STRICT, hours=SANDBOX.hours)
    assert ask(calls[1:2], rules=rules) == Go(1)
    week = ask(calls[1:], rules=rules)
    assert isinstance(week, NotNow)
    assert week.until == calls[1].claimed_at + timedelta(days=7)
    month = ask(calls, rules=rules)
    assert isinstance(month, NotNow)
    assert month.until == calls[0].claimed_at + timedelta(days=30)
    assert month.reason.startswith("called 3 times in 30 days, the most for one number; possible from ")
    assert isinstance(ask(calls, rules=rules, at=month.until - timedelta(microseconds=1)), NotNow)
    assert ask(calls, rules=rules, at=month.until) == Go(1)


def test_calls_that_never_rang_and_calls_to_somebody_else_at_another_number_count_against_no_cap() -> None:
    history = [past(state, campaign="a", recipient_id="x") for state in VACANT]
    assert ask(history, rules=STRICT) == Go(1)
    others = [past(AttemptState.NO_ANSWER, timedelta(hours=5), campaign="a", recipient_id="x", phone=OTHER_PHONE)]
    assert ask(others, rules=STRICT) == Go(1)


@pytest.mark.parametrize("campaign", ["autumn", "another"])
def test_caps_count_a_persons_calls_at_all_their_numbers(campaign: str) -> None:
    moved = [past(AttemptState.NO_ANSWER, timedelta(hours=5), campaign=campaign, phone=OTHER_PHONE)]
    answer = ask(moved, rules=STRICT)
    assert isinstance(answer, NotNow)
    assert answer.reason.startswith("called 1 time in 24 hours, the most for one person; possible from ")


@pytest.mark.parametrize("state", [AttemptState.COMPLETED, AttemptState.FORWARDED, AttemptState.TERMINATED])
def test_a_conversation_in_any_campaign_is_followed_by_silence(state: AttemptState) -> None:
    talk = past(state, timedelta(days=1), campaign="a", recipient_id="x")
    rules = replace(STRICT, hours=SANDBOX.hours, caps=())
    answer = ask([talk], rules=rules)
    assert isinstance(answer, NotNow)
    assert answer.until == talk.claimed_at + timedelta(days=7)
    assert "had a conversation less than 7 days ago" in answer.reason


def test_several_waits_end_with_the_longest_and_then_with_the_hours() -> None:
    talked_until = NOW - timedelta(days=3, minutes=-4)
    history = [
        past(AttemptState.NO_ANSWER, timedelta(hours=1), campaign="a", recipient_id="x"),  # until tomorrow
        past(AttemptState.COMPLETED, timedelta(days=3), campaign="b", recipient_id="y", ended_at=talked_until),
    ]
    # Seven days after Saturday noon it is Saturday noon again, when nobody is called.
    assert ask(history, rules=STRICT) == NotNow(
        Bucket.DEFERRED,
        "had a conversation less than 7 days ago; possible from Monday 2026-11-30 10:00 (America/New_York)",
        datetime(2026, 11, 30, 15, 0, tzinfo=UTC),
    )


def test_a_shown_time_is_never_earlier_than_the_real_one() -> None:
    rules = replace(SANDBOX, gaps=STRICT.gaps)
    answer = ask([past(AttemptState.FAILED, -timedelta(seconds=1))], rules=rules)
    assert isinstance(answer, NotNow)
    assert answer.reason.endswith("possible from Tuesday 2026-11-24 13:01 (America/New_York)")


def test_reasons_hold_no_phone_number() -> None:
    histories = [
        [past(state, timedelta(minutes=5), **other)]
        for state in AttemptState
        for other in ({}, {"recipient_id": "c-7"}, {"campaign": "a"}, {"opted_out": True})
    ]
    for history in histories:
        for at in (NOW, NOW + timedelta(hours=9)):
            answer = ask(history, rules=STRICT, at=at)
            assert isinstance(answer, Go) or "555" not in answer.reason
            assert isinstance(answer, Go) or not answer.reason.endswith(".")


# -- what holds for any history -------------------------------------------------------------------------------------

ATTEMPTS = st.builds(
    past,
    st.sampled_from(list(AttemptState)),
    st.timedeltas(-timedelta(hours=1), timedelta(days=45)),
    campaign=st.sampled_from(["autumn", "a", "b"]),
    recipient_id=st.sampled_from(["c-1", "c-1", "c-7"]),
    phone=st.sampled_from([PHONE, PHONE, OTHER_PHONE]),
    attempt=st.integers(1, 4),
    run_id=st.sampled_from(["run-1", "run-2", None]),
)
POLICIES = st.builds(
    Policy,
    preset=st.sampled_from(["strict", "us", "ae", "sa", "fr", "unrestricted"]),
    max_attempts=st.integers(1, 4),
    redial_uncertain=st.booleans(),
).map(Policy.resolved)
PLACES = st.sampled_from(
    [
        (("America/New_York",), "US"),
        (("America/Anchorage", "America/Adak"), "US"),
        (("Asia/Riyadh",), "SA"),
        (("Asia/Kathmandu",), "NP"),
        (("Australia/Adelaide", "Australia/Perth"), "AU"),
        (("Europe/London", "Europe/Jersey"), "GB"),
        (("Africa/Cairo",), "EG"),
    ]
)
MOMENTS = st.datetimes(datetime(2026, 2, 1), datetime(2026, 12, 20)).map(lambda at: at.replace(tzinfo=UTC))  # noqa: DTZ001


@given(st.lists(ATTEMPTS, max_size=6), POLICIES, PLACES)
@settings(max_examples=400, deadline=None)
def test_until_is_the_earliest_moment_at_which_the_answer_is_go(
    history: list[PastAttempt], rules: Rules, place: tuple[tuple[str, ...], str]
) -> None:
    zones, country = place
    answer = ask(history, rules=rules, zones=zones, country=country)
    if not isinstance(answer, NotNow) or answer.until is None:
        return
    assert answer.until > NOW
    assert isinstance(ask(history, rules=rules, zones=zones, country=country, at=answer.until), Go)
    before = max(NOW, answer.until - timedelta(seconds=1))
    assert ask(history, rules=rules, zones=zones, country=country, at=before) == answer or before > NOW
    assert isinstance(ask(history, rules=rules, zones=zones, country=country, at=before), NotNow)
    # Nothing in between either: looked at in a hundred places.
    for n in range(100):
        at = NOW + (answer.until - NOW) * n / 100
        between = ask(history, rules=rules, zones=zones, country=country, at=at)
        assert isinstance(between, NotNow)
        assert between.until == answer.until


@given(st.lists(ATTEMPTS, max_size=6), POLICIES, PLACES, MOMENTS)
@settings(max_examples=400, deadline=None)
def test_go_keeps_every_rule(
    history: list[PastAttempt], rules: Rules, place: tuple[tuple[str, ...], str], at: datetime
) -> None:
    zones, country = place
    answer = ask(history, rules=rules, zones=zones, country=country, at=at)
    mine = [each for each in history if each.campaign == "autumn" and each.recipient_id == "c-1"]
    if not isinstance(answer, Go):
        assert answer.bucket.group != "called" or any(each.state in COUNTS for each in mine)
        return
    if rules.preset == "strict":
        for zone in zones:
            local = at.astimezone(ZoneInfo(zone))
            assert 10 <= local.hour < 18
            assert local.isoweekday() in ({7, 1, 2, 3, 4} if country in ("SA", "EG", "JO") else {1, 2, 3, 4, 5})
    counted = [each for each in mine if each.state in COUNTS]
    assert len(counted) < rules.max_attempts
    assert answer.attempt not in {each.attempt for each in counted}
    assert not any(each.state in DONE or each.state in (AttemptState.CLAIMED, AttemptState.PLACED) for each in mine)
    assert rules.redial_uncertain or not any(each.state is AttemptState.UNCERTAIN for each in mine)
    assert not any(each.campaign == "autumn" and each.phone == PHONE and each.recipient_id != "c-1" for each in history)


@given(
    POLICIES,
    PLACES,
    MOMENTS,
    st.lists(
        st.tuples(
            st.sampled_from([*sorted(ENDED - DONE), AttemptState.COMPLETED, AttemptState.UNCERTAIN]),
            st.timedeltas(timedelta(seconds=20), timedelta(hours=3)),
        ),
        min_size=10,
        max_size=40,
    ),
)
@settings(max_examples=120, deadline=None)
def test_a_month_of_calls_by_many_campaigns_never_exceeds_a_cap(
    rules: Rules,
    place: tuple[tuple[str, ...], str],
    start: datetime,
    fates: list[tuple[AttemptState, timedelta]],
) -> None:
    zones, country = place
    now, history = start, list[PastAttempt]()
    for number, (state, length) in enumerate(fates):
        campaign = f"campaign-{number}"  # each a new one, so that nothing but the caps and the silence holds them back
        while now < start + timedelta(days=31):
            answer = decide(
                recipient=customer(zones=zones, country=country),
                history=history,
                campaign=campaign,
                run_id="r",
                rules=rules,
                at=now,
            )
            if isinstance(answer, Go):
                break
            assert isinstance(answer, NotNow)
            assert answer.until is not None
            now = answer.until
        else:
            break
        ended_at = None if state is AttemptState.UNCERTAIN else now + length
        history.append(past(state, campaign=campaign, claimed_at=now, ended_at=ended_at))
        now += timedelta(seconds=30)
    calls = [each.claimed_at for each in history]
    for cap in rules.caps:
        for call in calls:
            assert sum(call <= other < call + cap.within for other in calls) <= cap.calls
    talks = [each.ended_at for each in history if each.state in (AttemptState.COMPLETED, AttemptState.TERMINATED)]
    for talk in talks:
        assert talk is not None
        # A call that was placed while another one went on is no call after it.
        assert not any(talk <= call < talk + rules.silence for call in calls)


# -- refusals in outcomes, and speed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [True, "true", "Yes", "yes.", 1, "نعم", "never call me again"])
def test_a_field_that_says_anything_but_no_is_a_refusal(value: object) -> None:
    assert asks_for_no_more_calls({"wants_no_more_calls": value}, ["wants_no_more_calls"])


@pytest.mark.parametrize("value", [False, None, "", "false", "No", "no.", 0, 0.0, " n/a ", "لا", "null", {}, []])
def test_a_field_that_says_no_or_nothing_is_no_refusal(value: object) -> None:
    assert not asks_for_no_more_calls({"wants_no_more_calls": value}, ["wants_no_more_calls"])


def test_only_the_named_fields_are_read() -> None:
    assert not asks_for_no_more_calls({"paid": True}, ["wants_no_more_calls"])
    assert not asks_for_no_more_calls(None, ["wants_no_more_calls"])
    assert not asks_for_no_more_calls({"wants_no_more_calls": True}, [])


def steps(work: Callable[[], object]) -> int:
    """How many functions are called for it: what it costs, however fast and however busy the machine is."""
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event in ("call", "c_call")

    work()  # what is kept from one time to the next is there now
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


@pytest.mark.parametrize(
    ("zones", "at", "most"),
    [
        pytest.param(NEW_YORK, NOW, 130, id="go"),
        # The sentence of a refusal costs half as much again.
        pytest.param(NEW_YORK, NOW + timedelta(hours=9), 180, id="closed"),
        pytest.param(
            ("Europe/London", "Europe/Jersey", "Europe/Guernsey", "Europe/Isle_of_Man"), NOW, 130, id="several zones"
        ),
    ],
)
def test_a_decision_takes_a_hundred_steps(zones: tuple[str, ...], at: datetime, most: int) -> None:
    history = [past(AttemptState.NO_ANSWER, timedelta(days=31 + n), campaign="a") for n in range(6)]
    assert steps(lambda: ask(history, rules=STRICT, zones=zones, at=at)) <= most


# -- calls in flight, people and debts ------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", [{"recipient_id": "x"}, {"phone": OTHER_PHONE}], ids=["same number", "same person"])
@pytest.mark.parametrize("state", [AttemptState.CLAIMED, AttemptState.PLACED, AttemptState.UNCERTAIN])
def test_nobody_else_rings_a_number_or_a_person_whose_phone_may_be_ringing(
    state: AttemptState, whose: dict[str, str]
) -> None:
    ringing = [past(state, timedelta(minutes=1), campaign="another", **whose)]
    answer = ask(ringing)
    assert isinstance(answer, NotNow)
    assert answer.bucket is (Bucket.DEFERRED if state is AttemptState.UNCERTAIN else Bucket.OTHER_RUN)
    assert "another" in answer.reason
    over = ringing[0].claimed_at + timedelta(days=1)
    assert answer.until == over
    assert isinstance(ask(ringing, at=over - timedelta(microseconds=1)), NotNow)
    assert ask(ringing, at=over) == Go(1)


def test_what_is_over_or_never_rang_stands_in_nobodys_way() -> None:
    others = [past(state, timedelta(minutes=1), campaign=state.value, recipient_id="x") for state in ENDED | VACANT]
    assert ask(others) == Go(1)


def by_debt(history: Sequence[PastAttempt], debt: str | None, rules: Rules) -> Go | NotNow | Never:
    return decide(
        recipient=customer(debt=debt),
        history=history,
        campaign="autumn",
        run_id="run-2",
        rules=rules,
        at=NOW,
    )


def test_us_counts_calls_and_conversations_by_person_and_debt_where_debts_are_known() -> None:
    rules = Policy(preset="us", max_attempts=20).resolved()
    week = [
        past(AttemptState.NO_ANSWER, timedelta(days=6, hours=-n), campaign=f"c{n}", debt="invoice-1") for n in range(7)
    ]
    answer = by_debt(week, "invoice-1", rules)
    assert isinstance(answer, NotNow)
    assert answer.reason.startswith("called 7 times in 7 days, the most for one number and debt")
    assert by_debt(week, "invoice-2", rules) == Go(1)
    assert isinstance(by_debt(week, None, rules), NotNow)
    unknown = [replace(each, debt=None) for each in week]
    assert isinstance(by_debt(unknown, "invoice-2", rules), NotNow)
    talked = [past(AttemptState.COMPLETED, timedelta(days=2), campaign="another", debt="invoice-1")]
    assert isinstance(by_debt(talked, "invoice-1", rules), NotNow)
    assert by_debt(talked, "invoice-2", rules) == Go(1)


def test_a_cap_or_silence_of_ones_own_looks_at_all_debts() -> None:
    rules = Policy(preset="us", max_attempts=20, per_7_days=1, silence_days_after_conversation=7).resolved()
    other = [past(AttemptState.COMPLETED, timedelta(days=2), campaign="another", debt="invoice-1")]
    answer = by_debt(other, "invoice-2", rules)
    assert isinstance(answer, NotNow)
    assert not rules.caps_per_debt
    assert not rules.silence_per_debt


def test_an_uncertain_attempt_among_others_that_count_uses_up_the_rest_as_uncertain() -> None:
    history = [
        past(AttemptState.NO_ANSWER, timedelta(days=3), attempt=1),
        past(AttemptState.UNCERTAIN, timedelta(days=2), attempt=2),
    ]
    rules = replace(SANDBOX, redial_uncertain=True, max_attempts=2)
    assert never(ask(history, rules=rules)) == Bucket.UNCERTAIN


def test_of_several_calls_in_flight_the_newest_is_named_with_whose_phone_it_rings() -> None:
    older = past(AttemptState.PLACED, timedelta(minutes=9), campaign="older", recipient_id="z")
    newer = past(AttemptState.PLACED, timedelta(minutes=2), campaign="newer", recipient_id="c-1", phone=OTHER_PHONE)
    answer = ask([older, newer])
    assert isinstance(answer, NotNow)
    assert answer.reason.startswith("this person, at another number, is being called by a call of the campaign newer;")
    alone = ask([older])
    assert isinstance(alone, NotNow)
    assert alone.reason.startswith("this number is being called by a call of the campaign older;")
