"""What a row says about how its person may be called: what could mean two things is refused by name."""

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.buckets import Bucket
from campaign.intake.call_terms import NO_TERMS, CallTerms, Consent, hours_named, hours_shown, terms_given
from campaign.intake.cells import UnfitCell
from campaign.intake.recipients import ColumnMapping, Recipient, SourceError
from campaign.intake.screening import Bucketed, Screen, check_columns

MAPPING = ColumnMapping(subdivision="state", call_hours="hours", consent="consent", consent_at="agreed")


def screened(**cells: Any) -> Recipient | Bucketed:
    row = {"id": "c1", "phone": "+12125550100", "state": "", "hours": "", "consent": "yes", "agreed": "2026-01-02"}
    return Screen(mapping=MAPPING).screen(1, row | cells)


def terms(**cells: Any) -> CallTerms:
    recipient = screened(**cells)
    assert isinstance(recipient, Recipient), recipient
    return recipient.terms


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("17:00-20:00", ["17:00-20:00"]),
        ("9-12", ["09:00-12:00"]),
        ("09:30 – 12", ["09:30-12:00"]),  # noqa: RUF001 - a dash as word processors write it
        ("9-12, 17:00-20:30", ["09:00-12:00", "17:00-20:30"]),
        ("17-20; 9-12", ["09:00-12:00", "17:00-20:00"]),
        ("9-12 and 11-13", ["09:00-13:00"]),
        ("after 17:00", ["17:00-24:00"]),
        ("From 17", ["17:00-24:00"]),
        ("before 12:00", ["00:00-12:00"]),
        ("until 05:00", ["00:00-05:00"]),
        ("from 17:00 to 20:00", ["17:00-20:00"]),
        ("22:00-24:00, 0:00-02:00", ["00:00-02:00", "22:00-24:00"]),
        ("١٧:٠٠-٢٠:٠٠", ["17:00-20:00"]),  # noqa: RUF001 - as Arabic writes digits
        ("0-24", ["00:00-24:00"]),
    ],
)
def test_hours_are_read_as_people_write_them(text: str, hours: list[str]) -> None:
    assert list(hours_shown(hours_named(text))) == hours


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("evenings", "names no hours"),
        ("17:00", "names no hours"),
        ("9am-5pm", "names no hours"),
        ("Mon-Fri 17:00-20:00", "names no hours"),
        ("17:00-20:00, later", "names no hours"),
        ("17:00-20:00,", "names no hours"),
        ("not after 17:00", "names no hours"),
        ("17.00-20.00", "names no hours"),
        ("-", "names no hours"),
        ("5-8", "morning or in the evening; write 05:00 or 17:00"),
        ("9-5", "morning or in the evening; write 05:00 or 17:00"),
        ("after 7", "morning or in the evening; write 07:00 or 19:00"),
        ("before 9", "morning or in the evening; write 09:00 or 21:00"),
        ("20:00-17:00", "ends before it begins"),
        ("17:00-17:00", "ends before it begins"),
        ("22:00-02:00", "write a night as two"),
        ("17:60-20:00", "a time cannot be read"),
        ("17:00-25:00", "a time cannot be read"),
        ("17:00-24:30", "a time cannot be read"),
    ],
)
def test_hours_that_are_none_or_could_be_two_are_refused(text: str, why: str) -> None:
    with pytest.raises(UnfitCell, match=why):
        hours_named(text)
    row = screened(hours=text)
    assert isinstance(row, Bucketed)
    assert row.bucket is Bucket.BAD_ROW
    assert row.reason.startswith("the column 'hours' holds '")


@given(st.text(max_size=30))
def test_whatever_a_cell_holds_its_hours_are_within_a_day_or_refused(text: str) -> None:
    try:
        hours = hours_named(text)
    except UnfitCell:
        return
    assert all(0 <= start < end <= 1440 for start, end in hours)
    assert list(hours) == sorted(hours)


def test_a_row_says_where_when_and_by_what_consent() -> None:
    said = terms(state="Texas", hours="after 17:00", consent="Opt-in", agreed=datetime(2026, 3, 4, 23, 0))  # noqa: DTZ001
    assert said == CallTerms("Texas", ((1020, 1440),), Consent("Opt-in", date(2026, 3, 4), dated=True))


def test_an_empty_cell_says_nothing_and_a_column_of_consent_that_nothing_was_given() -> None:
    assert terms(consent=None, agreed=None) == CallTerms(None, (), Consent("", None, dated=True))
    recipient = Screen().screen(1, {"id": "c1", "phone": "+12125550100"})
    assert isinstance(recipient, Recipient)
    assert recipient.terms is NO_TERMS


@pytest.mark.parametrize(
    ("cell", "basis"), [(True, "true"), (False, "false"), (1, "1"), (1.0, "1"), ("1.0", "1"), ("No", "No")], ids=repr
)
def test_consent_may_be_a_boolean_or_a_number_as_databases_and_frames_keep_it(cell: object, basis: str) -> None:
    said = terms(consent=cell)
    assert said.consent is not None
    assert said.consent.basis == basis
    given = terms_given(consent=cell).consent
    assert given is not None
    assert given.basis == basis


def test_what_rules_look_at_is_no_param_of_the_agent_but_the_state_is() -> None:
    recipient = screened(state="TX", hours="9-12")
    assert isinstance(recipient, Recipient)
    assert recipient.params == {"state": "TX"}


@pytest.mark.parametrize("agreed", ["03/04/2026", "last spring", 45000, True])
def test_a_date_of_consent_that_is_none_makes_a_bad_row(agreed: object) -> None:
    row = screened(agreed=agreed)
    assert isinstance(row, Bucketed)
    assert row.bucket is Bucket.BAD_ROW
    assert "the column 'agreed' holds" in row.reason


def test_a_column_that_was_named_and_is_missing_stops_the_run() -> None:
    with pytest.raises(SourceError, match="there is no column hours"):
        check_columns(["id", "phone", "state", "consent", "agreed"], MAPPING)


def test_a_column_with_a_twin_in_other_case_stops_the_run() -> None:
    with pytest.raises(SourceError, match="differ in upper and lower case alone"):
        check_columns(["id", "phone", "state", "hours", "consent", "agreed", "Agreed"], MAPPING)


def test_one_call_is_given_the_same_by_its_program() -> None:
    given_terms = terms_given(subdivision="TX", call_hours="9-12", consent="yes", consent_at="2026-01-02")
    assert given_terms == CallTerms("TX", ((540, 720),), Consent("yes", date(2026, 1, 2)))
    assert terms_given(subdivision="", call_hours=None, consent=" ", consent_at=None) is NO_TERMS
    with pytest.raises(UnfitCell, match="call_hours holds 'evenings', which names no hours"):
        terms_given(call_hours="evenings")
    with pytest.raises(UnfitCell, match="consent_at holds 'soon', not a date"):
        terms_given(consent_at="soon")
    with pytest.raises(UnfitCell, match="subdivision holds a value of type list"):
        terms_given(subdivision=["TX"])
