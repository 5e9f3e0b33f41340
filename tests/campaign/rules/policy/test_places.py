"""Rules by country, region and person: each narrows what holds without it, and is kept with why somebody was called."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from campaign.attempts import AttemptState, PastAttempt
from campaign.buckets import Bucket
from campaign.intake import CallTerms, Recipient
from campaign.intake.call_terms import hours_named
from campaign.rules.decision import decide
from campaign.rules.evidence import facts_of
from campaign.rules.policy.places import overlay
from campaign.rules.policy.policy import Policy
from campaign.rules.policy.presets import PRESETS
from campaign.rules.policy.problems import PolicyError
from campaign.rules.rules import Go, Never, NotNow, Rules
from campaign.rules.subdivisions import part_of
from tests.campaign.rules.policy.policies import REFERENCE, problems

NEW_YORK, PARIS, BERLIN = "America/New_York", "Europe/Paris", "Europe/Berlin"
BY_COUNTRY = Policy(presets_by_country=["us", "fr"]).resolved()
STATES = Policy(preset="us", overlays=["us_states"], max_attempts=9).resolved()


def local(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def ask(
    rules: Rules,
    at: datetime,
    *,
    zone: str = NEW_YORK,
    country: str | None = "US",
    part: str | None = None,
    hours: str = "",
    history: Sequence[PastAttempt] = (),
) -> Go | NotNow | Never:
    return decide(
        recipient=Recipient(
            id="c1",
            phone="+12125550100",
            zones=(zone,),
            country=country,
            terms=CallTerms(part, hours_named(hours) if hours else ()),
        ),
        history=history,
        campaign="c",
        run_id="r",
        rules=rules,
        at=at,
    )


def later(answer: Go | NotNow | Never) -> NotNow:
    assert isinstance(answer, NotNow), answer
    return answer


# -- a preset by country --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "zone", "time", "may"),
    [
        ("US", NEW_YORK, "2026-11-28T19:59", True),  # a Saturday evening
        ("FR", PARIS, "2026-11-28T15:00", False),
        ("FR", PARIS, "2026-11-27T19:59", True),
        ("FR", PARIS, "2026-11-27T13:30", False),
        ("US", NEW_YORK, "2026-11-27T13:30", True),
        ("CA", "America/Toronto", "2026-11-28T15:00", False),  # +1 as well, and no number of the United States
        ("CA", "America/Toronto", "2026-11-27T15:00", True),
        (None, NEW_YORK, "2026-11-28T15:00", False),
    ],
)
def test_each_country_has_its_preset_and_all_others_the_policys(
    country: str | None, zone: str, time: str, may: bool
) -> None:
    assert isinstance(ask(BY_COUNTRY, local(time, zone), country=country, zone=zone), Go) is may


def test_caps_and_silence_are_the_countrys_too() -> None:
    at = local("2026-11-27T15:00", NEW_YORK)
    talked = [PastAttempt("other", "c1", "+12125550100", 1, AttemptState.COMPLETED, at - timedelta(days=20))]
    assert isinstance(ask(BY_COUNTRY, at, history=talked), Go)
    french = later(ask(BY_COUNTRY, at, country="FR", zone=PARIS, history=talked))
    assert french.reason.startswith("had a conversation less than 60 days ago")
    assert BY_COUNTRY.longest_silence == timedelta(days=60)
    assert BY_COUNTRY.looks_back >= timedelta(days=60)


def test_how_far_the_ledger_looks_back_is_as_far_as_any_place_needs() -> None:
    narrow = Policy(by_place=[{"place": "DE", "per_30_days": 9, "silence_days_after_conversation": 90}]).resolved()
    assert narrow.looks_back > timedelta(days=90)
    assert narrow.most_counted == Policy().resolved().most_counted == 3
    assert BY_COUNTRY.most_counted is None  # `us` counts by debt


def test_what_the_policy_says_itself_keeps_to_each_preset() -> None:
    [said] = problems(presets_by_country=["us", "fr"], windows=[{"start": "09:00", "end": "12:00", "days": ["monday"]}])
    assert "what the preset found (France (solicitation))" in said
    Policy(presets_by_country=["us", "fr"], windows=[{"start": "10:00", "end": "12:00"}])


# -- parts of a country ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["TX", "tx", "US-TX", "us_tx", "Texas", " TEXAS ", "US TX"])
def test_a_part_is_known_by_its_code_and_its_name(text: str) -> None:
    assert part_of("US", text) == "US-TX"


@pytest.mark.parametrize(
    ("country", "text", "part"),
    [
        ("US", "D.C.", "US-DC"),
        ("US", "XX", None),
        ("US", "Teksas", None),
        ("US", "TX-1", None),
        ("FR", "57", "FR-57"),
        ("FR", "67", "FR-6AE"),
        ("FR", "75", "FR-75"),
        ("FR", "Alsace", "FR-6AE"),
        ("FR", "Île-de-France", None),
        ("AE", "DU", "AE-DU"),
        ("ZZ", "whatever", None),
    ],
)
def test_what_is_no_part_is_not_taken_for_one(country: str, text: str, part: str | None) -> None:
    assert part_of(country, text) == part


@pytest.mark.parametrize(
    ("part", "time", "may"),
    [
        ("TX", "2026-11-29T11:59", False),  # a Sunday
        ("TX", "2026-11-29T12:00", True),
        ("RI", "2026-11-29T12:00", False),
        ("RI", "2026-11-28T16:59", True),
        ("RI", "2026-11-28T17:00", False),
        ("RI", "2026-11-30T17:59", True),
        ("AL", "2026-11-26T12:00", False),  # Thanksgiving
        ("TX", "2026-11-26T12:00", True),
        ("CO", "2026-11-29T19:59", True),  # not in the list: the preset's
        ("CO", "2026-11-29T20:00", False),
        (None, "2026-11-30T09:59", False),  # Kentucky begins at 10
        (None, "2026-11-30T10:00", True),
        (None, "2026-11-30T17:59", True),
        (None, "2026-11-30T18:00", False),  # Rhode Island ends at 18
        (None, "2026-11-28T12:00", False),  # South Dakota has weekdays
        ("", "2026-11-28T12:00", False),
    ],
)
def test_a_state_has_its_rules_and_an_unknown_one_all_of_them(part: str | None, time: str, may: bool) -> None:
    assert isinstance(ask(STATES, local(time, NEW_YORK), part=part), Go) is may


def test_whoever_has_to_wait_learns_by_whose_rules_and_until_when() -> None:
    sunday = later(ask(STATES, local("2026-11-29T11:00", NEW_YORK), part="Texas"))
    assert sunday.until == local("2026-11-29T12:00", NEW_YORK)
    assert "outside the hours for calling by the rules for US-TX" in sunday.reason
    unknown = later(ask(STATES, local("2026-11-29T11:00", NEW_YORK)))
    assert unknown.until == local("2026-11-30T10:00", NEW_YORK)
    assert "not a day for calling there by the rules for any part of US" in unknown.reason


def test_a_state_that_is_none_is_refused_by_name_where_states_have_rules() -> None:
    answer = ask(STATES, local("2026-11-30T12:00", NEW_YORK), part="Teksas")
    assert answer == Never(Bucket.BAD_ROW, "'Teksas' is no part of US; write its code, as in US-TX")
    assert isinstance(ask(BY_COUNTRY, local("2026-11-30T12:00", NEW_YORK), part="Teksas"), Go)


def test_entries_of_a_country_and_of_its_part_add_up_and_none_widens() -> None:
    rules = Policy(
        by_place=[
            {"place": "us", "windows": [{"start": "08:00", "end": "12:00"}], "per_24_hours": 5},
            {"place": "US-TX", "windows": [{"start": "11:00", "end": "22:00", "days": ["every_day"]}]},
        ]
    ).resolved()
    monday = "2026-11-30T"
    for time, part, may in (
        ("10:00", None, False),
        ("11:00", None, True),
        ("10:00", "CO", True),
        ("11:59", "TX", True),
        ("12:00", "TX", False),
        ("13:00", "CO", False),
    ):
        assert isinstance(ask(rules, local(monday + time, NEW_YORK), part=part), Go) is may, (time, part)
    assert rules.by_place["US"].caps == Policy().resolved().caps  # five a day allow no more than strict's one
    assert isinstance(ask(rules, local(monday + "13:00", BERLIN), country="DE", zone=BERLIN), Go)


def test_a_cap_and_a_silence_of_a_place_are_the_smaller_and_the_longer() -> None:
    rules = Policy(preset="us", by_place=[{"place": "US-TX", "per_7_days": 2, "silence_days_after_conversation": 30}])
    texas = rules.resolved().by_place["US-TX"]
    assert [(cap.calls, cap.within.days) for cap in texas.caps] == [(3, 1), (2, 7)]
    assert texas.silence == timedelta(days=30)
    assert not texas.caps_per_debt  # its own cap counts all calls
    at = local("2026-11-30T12:00", NEW_YORK)
    called = [
        PastAttempt(
            "o", "c1", "+12125550100", n, AttemptState.NO_ANSWER, at - timedelta(days=n), at - timedelta(days=n)
        )
        for n in (2, 3)
    ]
    answer = later(ask(rules.resolved(), at, part="TX", history=called))
    assert "called 2 times in 7 days, the most for one number by the rules for US-TX" in answer.reason
    assert answer.until == at + timedelta(days=4)
    assert isinstance(ask(rules.resolved(), at, part="CO", history=called), Go)


def test_dates_are_closed_for_one_country_alone() -> None:
    rules = Policy(by_place=[{"place": "DE", "closed_dates": ["2026-12-24"]}]).resolved()
    answer = later(ask(rules, local("2026-12-24T12:00", BERLIN), country="DE", zone=BERLIN))
    assert answer.until == local("2026-12-25T10:00", BERLIN)
    assert "is one of the closed dates by the rules for DE" in answer.reason
    assert isinstance(ask(rules, local("2026-12-24T12:00", PARIS), country="FR", zone=PARIS), Go)


# -- regional holidays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "may"),
    [("57", False), ("68", False), ("Moselle", False), ("75", True), (None, True), ("Île-de-France", True)],
)
def test_holidays_of_a_part_are_kept_where_the_part_is_known(part: str | None, may: bool) -> None:
    good_friday = local("2026-04-03T11:00", PARIS)
    rules = Policy(preset="fr").resolved()
    assert isinstance(ask(rules, good_friday, country="FR", zone=PARIS, part=part), Go) is may
    # Holidays of the whole country hold in each part, also in one that nobody tells apart.
    bastille = local("2026-07-14T11:00", PARIS)
    assert isinstance(ask(rules, bastille, country="FR", zone=PARIS, part=part), NotNow)


def test_a_part_costs_nothing_where_no_holidays_are_kept() -> None:
    rules = Policy().resolved()
    for part in ("TX", "CA", "NY"):
        ask(rules, local("2026-11-30T12:00", NEW_YORK), part=part)
    assert {key[1] for key in rules.hours._remembered if key[0] == (NEW_YORK,)} == {"US"}  # noqa: SLF001


# -- quiet times and hours that a person named ------------------------------------------------------------------------


LUNCH = Policy(preset="us", quiet_times=[{}]).resolved()


@pytest.mark.parametrize(("time", "may"), [("11:59", True), ("12:00", False), ("13:59", False), ("14:00", True)])
def test_nobody_is_called_in_a_quiet_time(time: str, may: bool) -> None:
    answer = ask(LUNCH, local(f"2026-11-29T{time}", NEW_YORK))
    assert isinstance(answer, Go) is may
    if not may:
        assert later(answer).until == local("2026-11-29T14:00", NEW_YORK)
        assert "a quiet time" in later(answer).reason


def test_where_the_hours_end_with_a_quiet_time_it_is_said_to_be_over() -> None:
    rules = Policy(preset="us", windows=[{"start": "10:00", "end": "14:00"}], quiet_times=[{}]).resolved()
    assert "a quiet time" in later(ask(rules, local("2026-11-30T13:59", NEW_YORK))).reason
    assert "outside the hours for calling" in later(ask(rules, local("2026-11-30T14:00", NEW_YORK))).reason


def test_a_quiet_time_may_run_over_midnight_and_have_its_days() -> None:
    rules = Policy(
        preset="unrestricted", quiet_times=[{"start": "23:00", "end": "02:00", "days": ["saturday"]}]
    ).resolved()
    for time, may in (
        ("2026-11-28T22:59", True),
        ("2026-11-28T23:00", False),
        ("2026-11-29T01:59", False),
        ("2026-11-29T02:00", True),
        ("2026-11-29T23:30", True),
    ):
        assert isinstance(ask(rules, local(time, NEW_YORK)), Go) is may, time


@pytest.mark.parametrize(
    ("hours", "time", "opens"),
    [
        ("after 17:00", "2026-11-30T12:00", "2026-11-30T17:00"),
        ("9-12, 17:00-19:00", "2026-11-30T12:00", "2026-11-30T17:00"),
        ("17:00-23:00", "2026-11-30T20:00", "2026-12-01T17:00"),  # it does not widen the hours for calling
        ("06:00-09:00", "2026-11-30T06:00", "2026-11-30T08:00"),
    ],
)
def test_hours_that_a_person_named_narrow_the_others(hours: str, time: str, opens: str) -> None:
    rules = Policy(preset="us").resolved()
    answer = later(ask(rules, local(time, NEW_YORK), hours=hours))
    assert answer.until == local(opens, NEW_YORK)
    assert isinstance(ask(rules, answer.until, hours=hours), Go)


def test_the_reason_says_that_the_person_named_other_hours() -> None:
    answer = later(ask(Policy(preset="us").resolved(), local("2026-11-30T12:00", NEW_YORK), hours="after 17:00"))
    assert "outside the hours that the person named (17:00-24:00)" in answer.reason


def test_hours_of_which_none_is_for_calling_are_said_to_be_so() -> None:
    answer = ask(Policy().resolved(), local("2026-11-30T12:00", NEW_YORK), hours="20:00-22:00")
    assert answer == NotNow(
        Bucket.DEFERRED, "the person named 20:00-22:00, and none of it is within the hours for calling", None
    )


def test_named_hours_hold_where_the_policy_has_none_of_its_own() -> None:
    rules = Policy(preset="unrestricted").resolved()
    assert isinstance(ask(rules, local("2026-11-30T12:00", NEW_YORK), hours="9-12"), NotNow)
    answer = decide(
        recipient=Recipient(
            id="c1", phone="+12125550100", zones=(), country=None, terms=CallTerms(hours=((540, 720),))
        ),
        history=(),
        campaign="c",
        run_id="r",
        rules=rules,
        at=local("2026-11-30T11:00", NEW_YORK),
    )
    assert isinstance(answer, Never)
    assert answer.bucket is Bucket.UNKNOWN_TIME_ZONE


# -- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"presets_by_country": ["us", "us"]}, "`presets_by_country` names us twice; remove one."),
        ({"overlays": ["us_states", "us_states"]}, "`overlays` names us_states twice; remove one."),
        ({"by_place": [{"place": "DE"}]}, "`by_place.1` says nothing about DE: give it windows, closed dates"),
        (
            {"by_place": [{"place": "UK", "holidays": True}]},
            "`by_place.1.place` has 'UK', which is no country; write 'GB'",
        ),
        (
            {"by_place": [{"place": "US-XX", "holidays": True}]},
            "`by_place.1.place` has 'US-XX', which is not a part of US",
        ),
        (
            {"by_place": [{"place": "Texas", "holidays": True}]},
            "`by_place.1.place` has 'Texas', which is not a country code",
        ),
        ({"by_place": [{"place": "DE", "max_cost": 3}]}, "`by_place.1.max_cost` is not a field of a calling policy"),
        (
            {"by_place": [{"place": "DE", "holidays": True}, {"place": "de", "per_7_days": 1}]},
            "`by_place` names DE twice; put its rules into one entry.",
        ),
        ({"by_place": [{"place": "DE", "per_7_days": 0}]}, "`by_place.1.per_7_days` is 0, but should be"),
        (
            {"by_place": [{"place": "DE", "windows": [{"start": "18:00", "end": "10:00"}]}]},
            "`by_place.1.windows.1` begins at 18:00 and ends at 10:00, so it would run through the night",
        ),
        (
            {"quiet_times": [{"start": "10:00", "end": "18:00"}]},
            "no hour of the week is left for calling, so nobody could be called; look at `quiet_times`",
        ),
        (
            {"by_place": [{"place": "DE", "windows": [{"start": "06:00", "end": "09:00"}]}]},
            "no hour of the week is left for calling in DE, so nobody could be called",
        ),
        (
            {
                "by_place": [
                    {"place": "DE-BY", "windows": [{"start": "10:00", "end": "12:00"}]},
                    {"place": "DE-BE", "windows": [{"start": "13:00", "end": "15:00"}]},
                ]
            },
            "no hour of the week is left for calling in any part of DE, so nobody could be called",
        ),
        ({"quiet_times": [{"start": "14:00", "end": "12:00"}]}, "`quiet_times.1` begins at 14:00 and ends at 12:00"),
    ],
    ids=range(14),
)
def test_a_policy_that_cannot_be_meant_is_refused_in_a_sentence(fields: dict[str, Any], said: str) -> None:
    assert problems(**fields)[0].startswith(said)


def test_holidays_that_nobody_knows_are_not_taken_for_none() -> None:
    policy = Policy(by_place=[{"place": "AC", "holidays": True}])
    with pytest.raises(PolicyError, match=r"`by_place` names AC, of which no holidays are known; remove it\."):
        policy.resolved()
    Policy(by_place=[{"place": "FR-75", "holidays": True}]).resolved()


# -- what is kept ---------------------------------------------------------------------------------------------------


def test_why_somebody_was_called_says_whose_rules_and_what_the_row_said() -> None:
    at = local("2026-11-30T17:30", NEW_YORK)

    def facts(rules: Rules, **terms: Any) -> dict[str, Any]:
        recipient = Recipient(id="c1", phone="+12125550100", zones=(NEW_YORK,), country="US", terms=CallTerms(**terms))
        return facts_of(recipient, [], rules, at)

    texas = facts(STATES, subdivision="Texas", hours=((1020, 1140),))
    assert texas["rules_for"] == texas["part_of_country"] == "US-TX"
    assert texas["hours_named"] == ["17:00-19:00"]
    assert texas["window"] == ["2026-11-30T17:00-05:00", "2026-11-30T19:00-05:00"]
    assert texas["preset"] == "us"
    assert texas["calls_in_1_days"]["most"] == 3
    unknown = facts(STATES)
    assert unknown["rules_for"] == "any part of US"
    assert unknown["part_of_country"] is None
    plain = facts(Policy().resolved())
    assert not plain.keys() & {"rules_for", "part_of_country", "hours_named", "consent"}
    json.dumps(texas)


def test_other_rules_have_another_version_and_what_they_were_is_kept() -> None:
    one, other = Policy(preset="us").resolved(), STATES
    assert one.version != other.version
    [first, *_] = other.stated["overlays"]["us_states"]
    assert first["place"] == "US-AL"
    assert first["source"]
    assert BY_COUNTRY.stated["presets_by_country"].keys() == {"us", "fr"}
    json.dumps(other.stated)


def test_each_rule_of_the_overlay_has_its_source_its_date_and_a_place_in_the_reference() -> None:
    found = overlay("us_states")
    assert len({rule.place for rule in found}) == len(found)
    for rule in found:
        assert rule.says.endswith(".")
        assert rule.found == "2026-11"
        row = f"| `{rule.place}` | {rule.says} | {rule.source} | {rule.certainty} | {rule.found} |"
        assert row in REFERENCE
    text = Path("campaign/rules/policy/us_states.toml").read_text(encoding="utf-8")
    for said in (text, REFERENCE):
        assert "not complete" in said


def test_the_overlay_leaves_time_in_each_state_within_what_its_preset_found() -> None:
    for rules in STATES.by_place.values():
        assert rules.hours.opens_in_a_week
        assert rules.silence >= timedelta(days=PRESETS["us"].silence_days)
    assert date(2026, 11, 26) not in STATES.hours.closed_dates
