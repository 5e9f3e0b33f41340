"""What a person may decide, what the presets decide for them, and what is said of a wrong value."""

import importlib.util
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from campaign.attempts import AttemptState
from campaign.rules.policy.calling_windows import CallingWindow, WindowsOnDates, WorkingDays
from campaign.rules.policy.places import PlaceRules, QuietTime
from campaign.rules.policy.policy import Policy
from campaign.rules.policy.presets import PRESETS, WORKING_DAYS, PresetName
from campaign.rules.policy.problems import PolicyError
from campaign.rules.rules import Cap, Rules
from campaign.rules.windows import EVERY_DAY, MONDAY_TO_FRIDAY, SUNDAY_TO_THURSDAY, Window
from tests.campaign.rules.policy.policies import REFERENCE, problems

DAY, WEEK, MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)
FORMS: list[type[BaseModel]] = [Policy, CallingWindow, WindowsOnDates, WorkingDays, PlaceRules, QuietTime]


def rules(preset: PresetName) -> Rules:
    return Policy(preset=preset).resolved()


def fields_of(form: type[BaseModel]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from form.model_json_schema()["properties"].items()


# -- the form -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_every_field_has_a_title_a_sentence_and_bounds(form: type[BaseModel]) -> None:
    for name, schema in fields_of(form):
        field = form.model_fields[name]
        assert field.title, name
        assert field.description, name
        assert field.description.endswith("."), name
        if schema["type"] in ("integer", "number"):
            assert "maximum" in schema, name
            assert "minimum" in schema or "exclusiveMinimum" in schema, name
        if schema["type"] == "array" and form is Policy:
            assert "maxItems" in schema or "enum" in schema["items"], name


def test_no_field_of_the_policy_has_to_be_filled_in() -> None:
    assert not any(field.is_required() for field in Policy.model_fields.values())
    assert Policy() == Policy(preset="strict")


@pytest.mark.parametrize("form", FORMS)
def test_the_form_offers_each_field_as_one_plain_input(form: type[BaseModel]) -> None:
    # A union would show as tabs, one of them for null.
    assert not any("anyOf" in schema for _, schema in fields_of(form))


def test_what_a_form_left_empty_means_the_default() -> None:
    emptied = dict.fromkeys(Policy.model_fields)
    assert Policy(**emptied) == Policy()
    assert Policy(concurrency_limit=" ").concurrency_limit is None


def test_a_policy_survives_being_stored() -> None:
    policy = Policy(
        preset="sa",
        windows=[{"days": ["Monday", "working_days"], "start": "9:00", "end": "17:30"}],
        windows_on_dates=[{"first_day": "2027-02-07", "last_day": "2027-03-09"}],
        closed_dates=["2026-12-25"],
        working_days=[{"country": "kw", "days": ["sunday", "monday"]}],
    )
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
    # Prefect's own data lies beside a block's fields.
    stored = json.loads(policy.model_dump_json()) | {"block_type_slug": "calling-policy", "_block_document_id": "x"}
    assert Policy.model_validate(stored) == policy


def test_working_days_of_ones_own_go_before_those_that_are_known_and_leave_other_countries_alone() -> None:
    known = dict(WORKING_DAYS)
    own = Policy(working_days=[{"country": "SA", "days": ["monday"]}, {"country": "KW", "days": ["sunday", "friday"]}])
    days = dict(own.resolved().hours.working_days)
    assert days == known | {"SA": frozenset({0}), "KW": frozenset({6, 4})}
    assert dict(Policy().resolved().hours.working_days) == known


# -- wrong values ---------------------------------------------------------------------------------------------------


def night(start: str, end: str) -> str:
    return (
        f"`windows.1` begins at {start} and ends at {end}, so it would run through the night; swap the two times, or, "
        f"if the night is meant, write two windows: {start} to 24:00 and 00:00 to {end}."
    )


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"lines": 0}, "`lines` is 0, but should be greater than or equal to 1."),
        ({"lines": 2001}, "`lines` is 2001, but should be less than or equal to 2000."),
        ({"max_cost": -1}, "`max_cost` is -1, but should be greater than 0."),
        ({"max_cost": 0}, "`max_cost` is 0, but should be greater than 0."),
        ({"max_calls": 0}, "`max_calls` is 0, but should be greater than or equal to 1."),
        ({"assumed_call_cost": 0}, "`assumed_call_cost` is 0, but should be greater than 0."),
        (
            {"canary": 20, "max_calls": 10},
            "`canary` (20) is more than `max_calls` (10), so no run would get past its canary; make it smaller.",
        ),
        (
            {"max_cost": 2, "assumed_call_cost": 2.5},
            "`assumed_call_cost` (2.5) is more than `max_cost` (2), so nobody could be called; make it smaller.",
        ),
        ({"line": 5}, "A calling policy has no field `line`; perhaps `lines` is meant."),
        (
            {"preset": "de"},
            "`preset` is 'de', but should be 'strict', 'unrestricted', 'us', 'ae', 'sa', 'eg', 'jo', 'gb' or 'fr'.",
        ),
        (
            {"windows": [{"start": "25:00"}]},
            "`windows.1.start` is '25:00', which is not a time of day; write it as in '09:30'.",
        ),
        (
            {"windows": [{}, {"end": "24:30"}]},
            "`windows.2.end` is '24:30', which is not a time of day; write it as in '09:30'.",
        ),
        (
            {"windows": [{"start": 600}]},
            "`windows.1.start` is the number 600; write the time in quotes, as in '10:00'.",
        ),
        (
            {"windows": [{"start": "10:00", "end": "10:00"}]},
            "`windows.1` begins and ends at 10:00; for the whole day write '00:00' and '24:00'.",
        ),
        ({"windows": [{"start": "24:00"}]}, "`windows.1` begins at '24:00'; write '00:00' and the next day."),
        ({"windows": [{"hours": 3}]}, "`windows.1.hours` is not a field of a calling policy; remove it."),
        ({"windows_on_dates": [{"first_day": "2027-01-01"}]}, "`windows_on_dates.1.last_day` is missing."),
        (
            {"windows_on_dates": [{"first_day": "2027-02-01", "last_day": "2027-01-01"}]},
            "`windows_on_dates.1` ends on 2027-01-01, before it begins on 2027-02-01; swap the two dates.",
        ),
        (
            {"windows": [{"start": "18:00", "end": "10:00"}]},
            night("18:00", "10:00"),
        ),
        (
            {"windows": [{"start": "22:00", "end": "04:01"}]},
            night("22:00", "04:01"),
        ),
        (
            {"working_days": [{"country": "UK", "days": ["sunday"]}]},
            "`working_days.1.country` has 'UK', which is no country; write 'GB'.",
        ),
        (
            {"working_days": [{"country": "XX", "days": ["sunday"]}]},
            "`working_days.1.country` has 'XX', which is no country; correct it.",
        ),
        (
            {"working_days": [{"country": "kw", "days": ["sunday"]}, {"country": "KW", "days": ["monday"]}]},
            "`working_days` names KW twice; put its days into one entry.",
        ),
        (
            {"working_days": [{"country": "K1", "days": ["sunday"]}]},
            "`working_days.1.country` has 'K1', which is not a country code; write two letters, as in 'AE'.",
        ),
        (
            {"holiday_countries": ["France"]},
            "`holiday_countries` has 'France', which is not a country code; write two letters, as in 'AE'.",
        ),
        (
            {"opt_out_fields": ["refused", " "]},
            "`opt_out_fields` has an empty name; give the outcome field's name or remove the entry.",
        ),
        (
            {"poll_min_seconds": 9, "poll_max_seconds": 2},
            "`poll_min_seconds` (9) is more than `poll_max_seconds` (2); make it smaller.",
        ),
    ],
)
def test_a_wrong_value_gets_one_sentence(fields: dict[str, Any], sentence: str) -> None:
    assert problems(**fields) == [sentence]


def test_each_wrong_value_gets_its_own_sentence() -> None:
    assert len(problems(lines=0, max_attempts=0, preset="de")) == 3


def test_a_field_that_resembles_no_other_is_answered_with_all_there_are() -> None:
    assert problems(xyzzy=1)[0].startswith(
        "A calling policy has no field `xyzzy`; it has preset, beyond_preset, windows, "
    )


FOUND_US = "what the preset found (47 CFR 64.1200, Regulation F, Florida 501.616)"
FOUND_FR = "what the preset found (France (solicitation))"

RAMADAN = {"first_day": "2027-02-08", "last_day": "2027-03-08", "windows": [{"start": "11:00", "end": "14:00"}]}

BEYOND: list[tuple[dict[str, Any], str]] = [
    (
        {"preset": "us", "windows": [{"days": ["every_day"], "start": "07:59", "end": "20:00"}]},
        f"`windows.1` is open on Monday when {FOUND_US} allows only 08:00-20:00",
    ),
    (
        {"preset": "us", "windows": [{"days": ["sunday"], "start": "08:00", "end": "20:01"}]},
        f"`windows.1` is open on Sunday when {FOUND_US} allows only 08:00-20:00",
    ),
    (
        {"preset": "fr", "windows": [{"days": ["saturday"], "start": "10:00", "end": "12:00"}]},
        (
            f"`windows.1` is open on Saturday when {FOUND_FR} allows only Monday to Friday 10:00-13:00, "
            "Monday to Friday 14:00-20:00"
        ),
    ),
    (
        {"preset": "sa", "windows_on_dates": [RAMADAN]},
        (
            "`windows_on_dates.1.windows.1` is open on Monday when what the preset found (SAMA and CST) allows only "
            "12:00-01:00"
        ),
    ),
    ({"preset": "us", "per_24_hours": 4}, f"`per_24_hours` is 4, and {FOUND_US} allows 3"),
    ({"preset": "fr", "per_30_days": 5}, f"`per_30_days` is 5, and {FOUND_FR} allows 4"),
    (
        {"preset": "fr", "silence_days_after_conversation": 59},
        f"`silence_days_after_conversation` is 59, and {FOUND_FR} asks for 60",
    ),
    ({"preset": "fr", "holidays": "open"}, f"`holidays` is open, and {FOUND_FR} closes them"),
]


@pytest.mark.parametrize(("fields", "sentence"), BEYOND)
def test_more_than_a_preset_found_is_allowed_only_to_whoever_asks_for_it(fields: dict[str, Any], sentence: str) -> None:
    (problem,) = problems(**fields)
    assert problem.startswith(sentence)
    assert "set `beyond_preset` to true" in problem
    assert Policy(**fields, beyond_preset=True).resolved().preset == fields["preset"]


@pytest.mark.parametrize(
    "fields",
    [
        {"preset": "us", "windows": [{"days": ["every_day"], "start": "08:00", "end": "20:00"}], "per_24_hours": 3},
        {"preset": "fr", "windows": [{"days": ["friday"], "start": "14:00", "end": "20:00"}], "per_30_days": 4},
        {"preset": "fr", "silence_days_after_conversation": 60, "holidays": "closed"},
        {"preset": "sa", "windows": [{"start": "09:00", "end": "22:00"}], "per_30_days": 10},
        {"preset": "jo", "windows": [{"start": "00:00", "end": "24:00"}], "per_24_hours": 1000},
    ],
)
def test_up_to_the_edge_of_what_was_found_a_policy_may_go(fields: dict[str, Any]) -> None:
    assert Policy(**fields).preset == fields["preset"]


def test_after_a_conversation_france_is_left_alone_for_the_time_that_a_refusal_asks_for() -> None:
    assert Policy(preset="fr").resolved().silence == timedelta(days=60)


# -- what a policy decides ------------------------------------------------------------------------------------------


def test_ones_own_values_win_over_the_presets_and_the_others_stay() -> None:
    resolved = Policy(
        preset="us",
        windows=[{"days": ["every_day"], "start": "11:00", "end": "19:00"}],
        per_24_hours=1,
        minutes_after_failed=5,
        silence_days_after_conversation=0,
        beyond_preset=True,
    ).resolved()
    assert resolved.hours.windows == (Window(660, 1140, EVERY_DAY),)
    assert resolved.caps == (Cap(1, DAY), Cap(7, WEEK))
    assert resolved.gaps[AttemptState.FAILED] == timedelta(minutes=5)
    assert resolved.gaps[AttemptState.NO_ANSWER] == timedelta(hours=4)
    assert resolved.silence == timedelta()


def test_working_days_and_named_days_may_be_mixed_in_one_window() -> None:
    window = {"days": ["working_days", "saturday"], "start": "22:00", "end": "02:00"}
    assert Policy(windows=[window]).resolved().hours.windows == (
        Window(1320, 1560),
        Window(1320, 1560, frozenset({5})),
    )


def test_working_days_of_further_countries_are_added() -> None:
    resolved = Policy(working_days=[{"country": "kw", "days": ["sunday", "monday"]}]).resolved()
    assert dict(resolved.hours.working_days) == {
        "EG": SUNDAY_TO_THURSDAY,
        "JO": SUNDAY_TO_THURSDAY,
        "KW": frozenset({6, 0}),
        "SA": SUNDAY_TO_THURSDAY,
    }


def test_holidays_may_be_said_as_yes_or_no() -> None:
    assert Policy(holidays=True).resolved().hours.holidays
    assert not Policy(preset="fr", holidays=False, beyond_preset=True).resolved().hours.holidays
    assert Policy(preset="fr").resolved().hours.holidays


def test_dates_are_closed_as_they_are_given() -> None:
    assert Policy(closed_dates=["2026-12-25"]).resolved().hours.closed_dates == {date(2026, 12, 25)}


@pytest.mark.parametrize("fields", [{"preset": "fr"}, {"holidays": "closed"}, {"holiday_countries": ["AE"]}])
def test_holidays_without_their_package_are_refused_in_a_sentence(
    fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PolicyError, match=r"^The calling policy \(preset `\w+`\) keeps public holidays, but .*install"):
        Policy(**fields).resolved()
    Policy().resolved()


def test_a_country_without_known_holidays_is_refused_by_name() -> None:
    with pytest.raises(PolicyError, match="names ZZ, of which no holidays are known; remove it"):
        Policy(holiday_countries=["ZZ"]).resolved()
    with pytest.raises(PolicyError, match="names US-XX, but US has no such part; write US"):
        Policy(holiday_countries=["US-XX"]).resolved()


# -- the presets ----------------------------------------------------------------------------------------------------


def test_the_strict_preset_is_the_default_and_fits_nearly_all_rules() -> None:
    strict = Policy().resolved()
    assert strict.preset == "strict"
    assert strict.hours.windows == (Window(600, 1080),)
    assert dict(strict.hours.working_days) == dict.fromkeys(("EG", "JO", "SA"), SUNDAY_TO_THURSDAY)
    assert strict.caps == (Cap(1, DAY), Cap(2, WEEK), Cap(3, MONTH))
    assert strict.silence == WEEK
    assert strict.max_attempts == 1
    assert not strict.redial_uncertain
    assert strict.line_kinds == {"mobile", "fixed_line", "fixed_line_or_mobile"}


def test_unrestricted_has_no_hours_and_no_caps() -> None:
    unrestricted = rules("unrestricted")
    assert unrestricted.hours.always_open
    assert unrestricted.caps == ()
    assert unrestricted.gaps == {}
    assert unrestricted.silence == timedelta()


@pytest.mark.parametrize(
    ("preset", "windows", "caps"),
    [
        ("us", (Window(480, 1200, EVERY_DAY),), (Cap(3, DAY), Cap(7, WEEK))),
        ("ae", (Window(540, 1080),), (Cap(1, DAY), Cap(2, WEEK), Cap(3, MONTH))),
        ("sa", (Window(600, 1080),), (Cap(1, DAY), Cap(2, WEEK), Cap(10, MONTH))),
        ("eg", (Window(600, 1080),), (Cap(1, DAY), Cap(2, WEEK), Cap(3, MONTH))),
        ("jo", (Window(600, 1080),), (Cap(1, DAY), Cap(2, WEEK), Cap(3, MONTH))),
        ("gb", (Window(600, 1080),), (Cap(1, DAY), Cap(2, WEEK), Cap(3, MONTH))),
        (
            "fr",
            (Window(600, 780, MONDAY_TO_FRIDAY), Window(840, 1200, MONDAY_TO_FRIDAY)),
            (Cap(1, DAY), Cap(2, WEEK), Cap(4, MONTH)),
        ),
    ],
)
def test_a_countrys_preset_keeps_the_rules_that_were_found(
    preset: PresetName, windows: tuple[Window, ...], caps: tuple[Cap, ...]
) -> None:
    resolved = rules(preset)
    assert resolved.hours.windows == windows
    assert resolved.caps == caps
    assert resolved.silence == (timedelta(days=60) if preset == "fr" else WEEK)


def test_every_preset_says_what_it_rests_on_since_when_and_how_surely() -> None:
    assert set(PRESETS) == {"strict", "unrestricted", "us", "ae", "sa", "eg", "jo", "gb", "fr"}
    for preset in PRESETS.values():
        assert preset.findings
        for finding in preset.findings:
            assert finding.says.endswith(".")
            assert finding.effect.endswith(".")
            assert finding.found == "2026-11"
            assert finding.source


@pytest.mark.parametrize("preset", ["eg", "jo", "gb"])
def test_where_no_rule_was_found_the_preset_says_so(preset: PresetName) -> None:
    words = " ".join(finding.says + finding.effect for finding in PRESETS[preset].findings)
    assert "found" in words
    assert "strict's values stay" in words.lower()


def test_nothing_claims_to_be_compliant() -> None:
    sources = [path for path in Path("campaign", "rules").rglob("*.*") if path.suffix in (".py", ".toml")]
    assert len(sources) > 10
    for text in [REFERENCE, *(source.read_text(encoding="utf-8") for source in sources)]:
        assert "complian" not in text.lower()
    assert "Guardrails you configure; your counsel decides." in REFERENCE


# -- the reference --------------------------------------------------------------------------------------------------


def bounds(schema: dict[str, Any]) -> str:
    if "maximum" not in schema:
        return ""
    if schema["maximum"] > 1_000_000:  # there only to catch slips of the keyboard
        return "above 0" if "exclusiveMinimum" in schema else f"{schema['minimum']} and more"
    return f"{schema['minimum']:g} to {schema['maximum']:,g}"


def row_of(name: str, schema: dict[str, Any]) -> str:
    default = schema.get("default")
    shown = "" if default is None or default == [] else f"`{json.dumps(default)}`"
    return f"| `{name}` | {shown} | {bounds(schema)} | {schema['description']} |"


@pytest.mark.parametrize("form", FORMS)
def test_the_reference_has_every_field_as_it_is(form: type[BaseModel]) -> None:
    for name, schema in fields_of(form):
        assert row_of(name, schema) in REFERENCE


def test_the_reference_has_every_finding_as_it_is() -> None:
    for preset in PRESETS.values():
        for finding in preset.findings:
            row = f"| {finding.says} | {finding.source} | {finding.certainty} | {finding.effect} |"
            assert row in REFERENCE
