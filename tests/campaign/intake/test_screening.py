"""Screening: every row is somebody to call or lies in one bucket with its reason; nothing stops the others."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.buckets import Bucket
from campaign.intake.recipients import BadRow, ColumnMapping, Recipient, SourceError
from campaign.intake.screening import Bucketed, DoNotCallList, DueFilter, Screen, check_columns

JAD: dict[str, Any] = {"customer_id": "0187-ERLSR", "name": "Jad Khoury", "phone": "+12125550100", "region": "US"}


def row(**cells: Any) -> dict[str, Any]:
    return JAD | cells


def passed(result: Recipient | Bucketed) -> Recipient:
    assert isinstance(result, Recipient), result
    return result


def left(result: Recipient | Bucketed) -> Bucketed:
    assert isinstance(result, Bucketed), result
    return result


def test_a_good_row_becomes_a_recipient() -> None:
    recipient = passed(Screen().screen(7, row(timezone="America/New_York", language="en", do_not_call=0)))
    assert recipient == Recipient(
        id="0187-ERLSR",
        phone="+12125550100",
        zones=("America/New_York",),
        country="US",
        timezone="America/New_York",
        params={"name": "Jad Khoury", "language": "en"},
        row=7,
    )


REAL_FAULTS: list[tuple[dict[Any, Any], Bucket]] = [
    ({"phone": None}, Bucket.NO_NUMBER),
    ({"phone": ""}, Bucket.NO_NUMBER),
    ({"phone": "n/a", "region": "GB"}, Bucket.NOT_A_NUMBER),
    ({"phone": "+12125550147 x12"}, Bucket.NOT_A_NUMBER),
    ({"phone": "+1 212 555 01"}, Bucket.NOT_A_NUMBER),
    ({"phone": "(312) 555-0153", "region": None}, Bucket.NO_REGION),
    ({"phone": "(312) 555-0153", "region": "United States"}, Bucket.NO_REGION),
    ({"phone": "+1 900 555 0137"}, Bucket.WRONG_LINE),
    ({"phone": "020 7946 0067", "region": "GB", "timezone": "Mars/Olympus"}, Bucket.UNKNOWN_TIME_ZONE),
    ({"do_not_call": 1}, Bucket.DO_NOT_CALL),
    ({"do_not_call": "asked on 3 May"}, Bucket.DO_NOT_CALL),
    ({"do_not_call": b"\x00"}, Bucket.BAD_ROW),
    ({"timezone": "EST"}, Bucket.UNKNOWN_TIME_ZONE),
    ({"customer_id": True}, Bucket.BAD_ROW),
    ({"customer_id": [17]}, Bucket.BAD_ROW),
    ({"phone": 2.12555e9}, Bucket.NOT_A_NUMBER),
    ({"customer_id": None}, Bucket.NO_ID),
    ({"customer_id": " \u200f"}, Bucket.NO_ID),
    ({"customer_id": "x" * 201}, Bucket.BAD_ROW),
    ({"customer_id": b"0187"}, Bucket.BAD_ROW),
    ({"photo": b"\x89PNG"}, Bucket.BAD_ROW),
    ({"call_key": "mine"}, Bucket.BAD_ROW),
    ({7: "seven"}, Bucket.BAD_ROW),
]


@pytest.mark.parametrize(("fault", "bucket"), REAL_FAULTS, ids=ascii)
def test_a_row_that_is_not_called_lands_in_its_bucket_with_a_reason(fault: dict[Any, Any], bucket: Bucket) -> None:
    result = left(Screen().screen(3, {**JAD, **fault}))
    assert result.bucket is bucket
    assert result.row == 3
    assert result.reason
    assert not result.reason.endswith(".")


@pytest.mark.parametrize(
    "cells",
    [
        {"phone": "001 415 5550110"},
        {"phone": "4155550123.0"},
        {"phone": "\u202a+1 312-555-0105\u202c", "region": None},
        {"phone": 4155550123.0},
        {"name": '=HYPERLINK("http://x","y")'},
        {"name": "O'Brien; DROP TABLE customers--"},
        {"name": "ليلى الأحمد"},
    ],
    ids=ascii,
)
def test_odd_looking_rows_are_called_all_the_same(cells: dict[str, Any]) -> None:
    assert passed(Screen().screen(1, row(**cells))).params["name"] == cells.get("name", "Jad Khoury")


def test_a_row_that_could_not_be_read_keeps_its_reason() -> None:
    result = left(Screen().screen(9, BadRow("line 12 has 3 fields, the header has 5")))
    assert (result.bucket, result.reason) == (Bucket.BAD_ROW, "line 12 has 3 fields, the header has 5")


def test_the_sources_region_is_for_rows_that_name_none() -> None:
    screen = Screen(default_region="GB")
    national = row(phone="020 7946 0031", region=None)
    assert passed(screen.screen(1, national)).phone == "+442079460031"
    assert left(screen.screen(2, row(phone="020 7946 0032", region="US"))).bucket is Bucket.NOT_A_NUMBER


def test_columns_can_be_renamed() -> None:
    screen = Screen(mapping=ColumnMapping(id="account", phone="mobile"))
    recipient = passed(
        screen.screen(1, {"account": 17.0, "mobile": "+12125550100", "id": 3, "amount": Decimal("9.90")})
    )
    assert recipient.id == "17"
    assert recipient.params == {"id": 3, "amount": "9.90"}


def test_an_agent_is_not_let_loose_without_what_it_says() -> None:
    screen = Screen(required_params={"name", "amount", "due_date"})
    result = left(screen.screen(1, row(amount=" ")))
    assert result.bucket is Bucket.MISSING_PARAMS
    assert result.reason == "no value for amount, due_date, which the agent needs"
    passed(screen.screen(2, row(amount=0, due_date="2012-09-08")))


def test_a_value_keeps_the_name_of_its_column_whatever_its_case() -> None:
    screen = Screen(required_params={"agentName", "due_date"})
    cells = row(agentName="Salma", due_date="2012-09-08")
    assert passed(screen.screen(1, cells)).params == {
        "name": "Jad Khoury",
        "agentName": "Salma",
        "due_date": "2012-09-08",
    }


def test_a_list_of_numbers_holds_what_was_put_in() -> None:
    numbers = DoNotCallList()
    numbers.add("+12125550100")
    assert "+12125550100" in numbers
    assert "+12125550101" not in numbers
    assert len(numbers) == 1
    assert left(Screen(do_not_call=numbers).screen(1, row())).bucket is Bucket.DO_NOT_CALL


def test_a_list_of_people_bars_them_at_any_number_by_their_id_or_as_the_person_of_the_row() -> None:
    listed = DoNotCallList()
    listed.add("17")
    screen = Screen(do_not_call=listed, mapping=ColumnMapping(person="customer"))
    for number, cells in enumerate((row(customer_id=17.0, customer=None), row(customer="17.0")), start=1):
        result = left(screen.screen(number, cells))
        assert (result.bucket, result.reason) == (Bucket.DO_NOT_CALL, "the id is on the do-not-call list")
    passed(screen.screen(3, row(customer="18")))


@pytest.mark.parametrize(
    ("listed", "recipient_id"),
    [
        ("c-17", "C-17"),
        ("17", "0017"),
        ("0017", "17"),
        ("\uff11\uff17", "17"),
        ("\u0661\u0667", "17"),
        ("C\u201117", "C-17"),
        ("0", "000"),
    ],
    ids=["case", "zeros lost", "zeros added", "full width", "Arabic digits", "another dash", "nothing but zeros"],
)
def test_an_id_on_the_list_is_found_however_it_was_typed(listed: str, recipient_id: str) -> None:
    blocked = DoNotCallList()
    blocked.add(listed)
    result = left(Screen(do_not_call=blocked).screen(1, row(customer_id=recipient_id)))
    assert result.bucket is Bucket.DO_NOT_CALL
    passed(Screen(do_not_call=blocked).screen(2, row(customer_id="C-170")))


@pytest.mark.parametrize("cell", ["NULL", "None", "nan", "NaN", "#N/A", "#REF!", "\\N", "<NA>", "-", "undefined"])
def test_what_programs_write_for_nothing_is_no_id(cell: str) -> None:
    assert left(Screen().screen(1, row(customer_id=cell))).bucket is Bucket.NO_ID


@pytest.mark.parametrize("cell", ["1.23457E+11", "1,23457E+11", "1e+10"])
def test_an_id_that_a_spreadsheet_shortened_is_nobodys(cell: str) -> None:
    result = left(Screen().screen(1, row(customer_id=cell)))
    assert result.bucket is Bucket.BAD_ROW
    assert "lost digits to scientific notation" in result.reason


@pytest.mark.parametrize("recipient_id", ["4E07", "1E10", "NA", "O'NULL", "None-1", "+1E"])
def test_an_id_that_only_looks_a_little_like_that_is_an_id(recipient_id: str) -> None:
    assert passed(Screen().screen(1, row(customer_id=recipient_id))).id == recipient_id


def test_a_row_marked_do_not_call_bars_the_same_person_in_another_row() -> None:
    screen = Screen(mapping=ColumnMapping(id="invoice", person="customer"))
    marked = {"invoice": "1", "customer": "17", "phone": "+12125550100", "do_not_call": "yes"}
    other = {"invoice": "2", "customer": 17, "phone": "+12125550101", "do_not_call": "no"}
    screen.look_ahead(2, marked)
    assert left(screen.screen(1, other)).reason == "row 2 marks the same id do-not-call"


def test_empty_cells_are_no_params() -> None:
    cells = row(nickname="", score=float("nan"), since=None, note=" \x00 ", zero=0)
    assert passed(Screen().screen(1, cells)).params == {"name": "Jad Khoury", "zero": 0}


def test_the_second_row_with_a_number_is_a_duplicate() -> None:
    screen = Screen()
    passed(screen.screen(1, row(phone="+1 646 555 0159")))
    result = left(screen.screen(2, row(customer_id="7228-LEPPM", phone="001 646 555 0159")))
    assert result.bucket is Bucket.DUPLICATE_NUMBER
    assert result.reason == "row 1 has the same number"
    assert result.phone == "+16465550159"


def test_the_second_row_with_an_id_is_a_duplicate_recipient() -> None:
    screen = Screen()
    passed(screen.screen(1, row(customer_id=17)))
    result = left(screen.screen(2, row(customer_id=" 17 ", phone="+12125550101")))
    assert (result.bucket, result.reason) == (Bucket.DUPLICATE_RECIPIENT, "row 1 has the same id")


def test_a_row_that_is_not_called_makes_no_duplicate_of_the_next() -> None:
    screen = Screen()
    left(screen.screen(1, row(phone="n/a")))
    left(screen.screen(2, row(timezone="Mars/Olympus")))
    assert passed(screen.screen(3, row())).row == 3
    left(screen.screen(4, row(customer_id="other")))
    assert passed(screen.screen(5, row(customer_id="other", phone="+12125550101"))).row == 5


def test_a_row_is_no_duplicate_of_itself() -> None:
    screen = Screen()
    first = [screen.screen(number, row(customer_id=number // 2)) for number in range(1, 5)]
    assert [screen.screen(number, row(customer_id=number // 2)) for number in range(1, 5)] == first


def test_do_not_call_in_one_row_bars_the_person_in_every_row() -> None:
    rows = [
        row(do_not_call=0),
        row(customer_id="same number", do_not_call=0),
        row(phone="+12125550101", do_not_call=0),
        row(customer_id="someone else", phone="+12125550102", do_not_call=0),
        row(do_not_call=1),
    ]
    screen = Screen()
    for number, cells in enumerate(rows, 1):
        screen.look_ahead(number, cells)
    results = [screen.screen(number, cells) for number, cells in enumerate(rows, 1)]
    assert [left(result).bucket for result in results[:3]] == [Bucket.DO_NOT_CALL] * 3
    assert "row 5" in left(results[0]).reason
    assert passed(results[3]).id == "someone else"


def test_without_looking_ahead_later_rows_are_blocked() -> None:
    screen = Screen()
    left(screen.screen(1, row(do_not_call="yes")))
    assert left(screen.screen(2, row(do_not_call="no"))).bucket is Bucket.DO_NOT_CALL


@pytest.mark.parametrize(
    "marked",
    [
        row(phone="+12125550100 / 555-0101 ext", do_not_call="yes"),
        row(phone="555-0101", mobile="+1 212 555 0100", do_not_call="yes"),
        row(phone="555-0101", PersonMobilePhone="(212) 555-0100", do_not_call="yes"),
        row(phone="212 555 0100", region=["US"], do_not_call="yes"),
        BadRow("line 2 has too many fields", {"customer_id": "x", "phone": "+12125550100", "do_not_call": " Jane"}),
        BadRow("line 2 has too many fields", {"customer_id": "x", "phone": " Doe", "do_not_call": "(212) 555-0100"}),
        BadRow("line 2 has too few fields", {"customer_id": "0187-ERLSR"}),
    ],
    ids=["half a cell", "second phone", "phone of the person", "region", "row with a comma", "shifted row", "id alone"],
)
def test_whatever_can_be_made_out_of_a_marked_or_unread_row_keeps_its_person_from_being_called(marked: Any) -> None:
    screen = Screen(default_region="US")
    screen.look_ahead(1, marked)
    result = left(screen.screen(2, row(do_not_call="")))
    assert result.bucket is Bucket.DO_NOT_CALL
    assert "row 1" in result.reason


def test_an_unread_row_says_of_nobody_else_that_they_may_not_be_called() -> None:
    screen = Screen(default_region="US")
    screen.look_ahead(1, BadRow("line 2 has too many fields", {"customer_id": "17", "phone": "+12125550101"}))
    passed(screen.screen(2, row(do_not_call="")))


@pytest.mark.parametrize("cells", [BadRow("short"), {}, {"do_not_call": 1}, {"do_not_call": 1, "phone": "n/a"}, 7])
def test_looking_ahead_stumbles_over_nothing(cells: Any) -> None:
    Screen().look_ahead(1, cells)


def test_a_number_on_the_list_is_not_called() -> None:
    result = left(Screen(do_not_call={"+12125550100"}).screen(1, row(phone="(212) 555-0100")))
    assert result.bucket is Bucket.DO_NOT_CALL
    assert "list" in result.reason


DUE = DueFilter(as_of=date(2012, 9, 8), min_days_overdue=30, min_amount=Decimal(50))


@pytest.mark.parametrize(
    ("cells", "bucket", "reason"),
    [
        ({"due_date": "2012-08-10"}, Bucket.NOT_SELECTED, "overdue for fewer than 30 days"),
        ({"due_date": "2012-10-01"}, Bucket.NOT_SELECTED, "overdue for fewer than 30 days"),
        ({"due_date": None}, Bucket.NOT_SELECTED, "no due date"),
        ({"amount": 49.99}, Bucket.NOT_SELECTED, "amount below 50"),
        ({"amount": ""}, Bucket.NOT_SELECTED, "no amount"),
        (
            {"due_date": "09/08/2012"},
            Bucket.BAD_ROW,
            "the due date holds '••/••/••••', not a date written year-month-day",
        ),
        ({"amount": "1,234"}, Bucket.BAD_ROW, "the amount holds '1,234', not a number such as 1234.50"),
    ],
    ids=ascii,
)
def test_rows_are_chosen_by_what_is_due(cells: dict[str, Any], bucket: Bucket, reason: str) -> None:
    result = left(Screen(due_filter=DUE).screen(1, row(due_date="2012-08-01", amount=55.94) | cells))
    assert (result.bucket, result.reason) == (bucket, reason)


def test_what_is_due_is_called_and_the_agent_knows_it() -> None:
    due = row(due_date=date(2012, 8, 9), amount=Decimal("50.00"))
    recipient = passed(Screen(due_filter=DUE).screen(1, due))
    assert recipient.params == {"name": "Jad Khoury", "due_date": "2012-08-09", "amount": "50.00"}


def test_zero_days_overdue_takes_what_is_due_today() -> None:
    today = DueFilter(as_of=date(2012, 9, 8), min_days_overdue=0)
    assert today.why_not("2012-09-08", None) is None
    assert today.why_not("2012-09-09", None) is not None


def test_a_row_left_out_by_a_filter_need_not_have_a_number() -> None:
    cells = row(due_date="2012-09-01", amount=1, phone="n/a")
    assert left(Screen(due_filter=DUE).screen(1, cells)).bucket is Bucket.NOT_SELECTED


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["id", "telephone"], "there is no column phone (found: id, telephone)"),
        (["phone", "name"], "there is no column id or customer_id"),
        ([], "found: none"),
        (["id", "phone", "name", "name "], "more than one column is called name"),
        (["id", "phone", "name", "na\u200bme"], "more than one column is called name"),
        (["id", "phone", "Phone"], "the columns phone, Phone differ in upper and lower case alone"),
        (["ID", "id", "phone"], "the columns ID, id differ in upper and lower case alone"),
        (["id", "phone", "dnc list"], "the column dnc list may say who is not to be called"),
        (["id", "phone", "do_not_call_2"], "the column do_not_call_2 may say who is not to be called"),
        (["id", "phone", "OptOut__c"], "the column OptOut__c may say who is not to be called"),
        (["id", "phone", "call_allowed"], "the column call_allowed may say who agreed to be called"),
        (["API_KEY=hush", "root:x:0:0"], "found: a text of 12 characters, a text of 10 characters"),
        (["id", "phone", "call_key"], "rename it"),
        ([*(f"c{n}" for n in range(30))], "and 10 more"),
    ],
)
def test_a_source_without_the_columns_is_one_clear_error(names: list[str], message: str) -> None:
    with pytest.raises(SourceError, match=re.escape(message)):
        Screen().check_columns(names)


def test_a_column_that_somebody_named_has_to_be_there() -> None:
    with pytest.raises(SourceError, match=r"no column country .*`region`"):
        check_columns(["id", "phone"], ColumnMapping(region="country"))


@pytest.mark.parametrize(
    "name",
    [
        "Do Not Call",
        "DoNotCall",
        "DNC",
        "do-not-call",
        "do_not_contact",
        "DO_NOT_CALL ",
        "dnc?",
        "Opt-Out",
        "\ufeffDNC",
    ],
    ids=ascii,
)
def test_a_column_that_says_who_is_not_to_be_called_is_seen_as_that(name: str) -> None:
    check_columns(["customer_id", "phone", name], ColumnMapping())
    assert left(Screen().screen(1, row(**{name: "yes"}))).bucket is Bucket.DO_NOT_CALL
    recipient = passed(Screen().screen(1, row(**{name: "no"})))
    assert recipient.params == {"name": "Jad Khoury"}


def test_any_of_several_such_columns_is_enough() -> None:
    assert left(Screen().screen(1, row(do_not_call="no", DNC="x"))).bucket is Bucket.DO_NOT_CALL
    assert left(Screen().screen(1, row(do_not_call=True, DNC=0))).bucket is Bucket.DO_NOT_CALL
    passed(Screen().screen(1, row(do_not_call=False, DNC=0.0)))


@pytest.mark.parametrize("name", ["phone_opt_out", "dnc_2", "unsubscribed", "OptOut__c"])
@pytest.mark.parametrize("cell", ["yes", "TRUE", "x", 1, True, 1.0], ids=repr)
def test_a_plain_yes_in_a_column_that_may_say_no_is_enough_beside_another(name: str, cell: object) -> None:
    screen = Screen()
    marked = left(screen.screen(1, row(do_not_call="", **{name: cell})))
    assert marked.bucket is Bucket.DO_NOT_CALL
    assert name in marked.reason
    assert left(screen.screen(2, row(do_not_call="", **{name: ""}))).bucket is Bucket.DO_NOT_CALL


@pytest.mark.parametrize("cell", ["no", "", None, 0, False, "2026-05-03", "asked in May"], ids=repr)
def test_anything_else_in_such_a_column_is_a_value_like_others(cell: object) -> None:
    passed(Screen().screen(1, row(do_not_call="", dnc_reason=cell, email_opt_out="yes")))


def test_a_named_column_is_the_only_one_that_counts() -> None:
    mapping = ColumnMapping(do_not_call="asked")
    check_columns(["id", "phone", "asked", "dnc"], mapping)
    assert passed(Screen(mapping=mapping).screen(1, row(asked="no", dnc="x"))).params["dnc"] == "x"


@pytest.mark.parametrize("names", [["id", "phone", "soundncolor"], ["id", "phone", "dnc", "dnc_date"]], ids=str)
def test_nobody_is_asked_without_need(names: list[str]) -> None:
    check_columns(names, ColumnMapping())


def test_a_mark_that_is_neither_yes_nor_no_is_reported_as_that_and_the_person_is_not_called() -> None:
    rows = [row(DNC=False, customer_id="other"), row(DNC=b"\x00")]
    screen = Screen()
    for number, cells in enumerate(rows, 1):
        screen.look_ahead(number, cells)
    first, second = (left(screen.screen(number, cells)) for number, cells in enumerate(rows, 1))
    assert (first.bucket, second.bucket) == (Bucket.DO_NOT_CALL, Bucket.BAD_ROW)
    assert second.reason.startswith("the column 'DNC' holds a value of type bytes, which is neither yes nor no")
    doubtful = left(Screen().screen(1, row(DNC="maybe")))
    assert doubtful.bucket is Bucket.DO_NOT_CALL
    assert doubtful.reason == "the column 'DNC' holds 'maybe', which is neither yes nor no"


def test_a_mark_bars_every_number_in_its_row() -> None:
    rows = [
        row(customer_id="a", do_not_call=0),
        row(customer_id="b", phone="+12125550101 / 212-555-0100", do_not_call=1),
    ]
    screen = Screen()
    for number, cells in enumerate(rows, 1):
        screen.look_ahead(number, cells)
    assert left(screen.screen(1, rows[0])).reason == "row 2 marks the same number do-not-call"


@pytest.mark.parametrize("again", ["C-17\u200b", "C-17\u200d", "\ufeffC-17 ", "C-\u206017"], ids=ascii)
def test_ids_that_look_alike_are_one_person(again: str) -> None:
    screen = Screen()
    passed(screen.screen(1, row(customer_id="C-17")))
    assert left(screen.screen(2, row(customer_id=again, phone="+12125550101"))).bucket is Bucket.DUPLICATE_RECIPIENT


@pytest.mark.parametrize("again", [17, 17.0, "17.0", Decimal("17.00"), " 17"], ids=repr)
def test_a_number_is_one_id_from_every_source(again: object) -> None:
    screen = Screen()
    assert passed(screen.screen(1, row(customer_id="17"))).id == "17"
    assert left(screen.screen(2, row(customer_id=again, phone="+12125550101"))).bucket is Bucket.DUPLICATE_RECIPIENT


def test_a_name_of_nothing_is_no_value_for_the_agent() -> None:
    found = left(Screen(required_params=["name"]).screen(1, row(name="\u200b")))
    assert found.reason == "no value for name, which the agent needs"


@pytest.mark.parametrize(
    ("zone", "place"),
    [
        ("EST", "America/New_York"),
        ("MST", "Denver"),
        ("GMT", "Europe/London"),
        ("Greenwich", "Europe/London"),
        ("GMT+0", "Europe/London"),
    ],
)
def test_half_a_time_zone_is_refused_with_a_place_to_write(zone: str, place: str) -> None:
    found = left(Screen().screen(1, row(timezone=zone)))
    assert found.bucket is Bucket.UNKNOWN_TIME_ZONE
    assert f"the time zone '{zone}' does not say whether summer time is kept" in found.reason
    assert place in found.reason


@pytest.mark.parametrize("zone", ["America/New_York", "UTC", "CET", "EST5EDT", "Etc/GMT+5"])
def test_a_time_zone_that_says_what_it_means_is_taken(zone: str) -> None:
    assert passed(Screen().screen(1, row(timezone=zone))).timezone == zone


@pytest.mark.parametrize(
    ("due_filter", "column"), [({"min_days_overdue": 1}, "due_date"), ({"min_amount": 1}, "amount")]
)
def test_a_filter_needs_its_column(due_filter: dict[str, Any], column: str) -> None:
    screen = Screen(due_filter=DueFilter(as_of=date(2012, 9, 8), **due_filter))
    with pytest.raises(SourceError, match=f"no column {column} "):
        screen.check_columns(["id", "phone"])
    screen.check_columns(["ID", "Phone", column.upper()])


class Treacherous:
    """A cell that raises whatever one does with it."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError("+12125550100")

    def __str__(self) -> str:
        raise RuntimeError("+12125550100")


JUNK = st.one_of(
    st.none(),
    st.text(max_size=30),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.binary(max_size=8),
    st.dates(),
    st.lists(st.integers(), max_size=3),
    st.sampled_from(["+12125550100", "(212) 555-0100", 2125550100, "US", "n/a", "Asia/Riyadh", b"x", object]),
    st.builds(Treacherous),
)
NAMES = st.sampled_from(
    ["id", "customer_id", "phone", "region", "timezone", "do_not_call", "amount", "due_date", "name"]
)
ROWS: st.SearchStrategy[Any] = st.one_of(
    st.dictionaries(NAMES | st.text(max_size=8), JUNK, max_size=9),
    st.dictionaries(NAMES, JUNK, min_size=5),
    st.dictionaries(st.integers() | st.none(), JUNK, max_size=2),
    st.just(BadRow("line 3 has 2 fields")),
    JUNK,
)


@given(rows=st.lists(ROWS, max_size=12), due=st.booleans())
def test_any_rows_end_in_exactly_one_place_each(rows: list[Any], due: bool) -> None:
    screen = Screen(default_region="US", due_filter=DUE if due else None)
    for number, cells in enumerate(rows, 1):
        screen.look_ahead(number, cells)
    results = [screen.screen(number, cells) for number, cells in enumerate(rows, 1)]
    assert [result.row for result in results] == list(range(1, len(rows) + 1))
    called = [result for result in results if isinstance(result, Recipient)]
    assert len({recipient.phone for recipient in called}) == len(called)
    assert len({recipient.id for recipient in called}) == len(called)
    buckets = Counter(result.bucket for result in results if isinstance(result, Bucketed))
    assert len(called) + buckets.total() == len(rows)
    for recipient in called:
        json.dumps(recipient.params, allow_nan=False).encode()


NUMBER_FORMS = st.sampled_from(
    [
        "+12125550100",
        "(212) 555-0100",
        "212.555.0100",
        "001 212 5550100",
        "+1 212 555 0100 x3",
        2125550100,
        2125550100.0,
    ]
)


@given(cells=st.dictionaries(NAMES, NUMBER_FORMS, min_size=4), due=st.booleans())
def test_a_reason_never_holds_a_number_wherever_it_stood(cells: Mapping[str, Any], due: bool) -> None:
    screen = Screen(due_filter=DUE if due else None)
    for number in (1, 2):
        result = screen.screen(number, cells)
        if isinstance(result, Bucketed):
            assert "0100" not in result.reason
            assert "555" not in result.reason
