"""The do-not-call list: every number on it is barred, and a list that says nothing is not taken for an empty one."""

import logging
import re
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from campaign.intake.recipients import ColumnMapping, CsvFile, SourceError
from campaign.intake.screening import DoNotCallList
from runtime.sources.number_lists import numbers_in
from runtime.sources.rows import Rows
from tasks.load import load_do_not_call


async def listed(rows: list[Any], **options: Any) -> DoNotCallList:
    with Rows(rows, id_needed=False, **options) as source:
        await source.read()
        return await numbers_in(source)


async def test_a_number_is_blocked_however_it_is_written() -> None:
    numbers = await listed(
        [
            {"phone": "+1 212 555 0100"},
            {"phone": 2125550101.0, "region": "US"},
            {"phone": "020 7946 0031"},
            {"phone": "+1 900 555 0137"},
        ],
        default_region="GB",
    )
    assert len(numbers) == 4
    assert all(number in numbers for number in ("+12125550100", "+12125550101", "+442079460031", "+19005550137"))
    assert "+12125550102" not in numbers


async def test_the_column_may_have_another_name() -> None:
    numbers = await listed([{"mobile": "+12125550100"}], columns=ColumnMapping(phone="mobile"))
    assert "+12125550100" in numbers


async def test_an_empty_list_bars_nobody_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    assert len(await listed([])) == 0
    assert "The do-not-call list rows has no rows: it blocks nobody" in caplog.text


async def test_a_national_number_without_a_region_stops_the_run() -> None:
    with pytest.raises(
        SourceError, match=r"the do-not-call list rows, row 2: national number.*; name a default region"
    ):
        await listed([{"phone": "+12125550100"}, {"phone": "(212) 555-0101"}])


async def test_a_list_without_any_number_stops_the_run() -> None:
    with pytest.raises(SourceError, match=r"no number that can be read \(the first row without one is row 1\)"):
        await listed([{"phone": "n/a"}, {"phone": "none"}])


async def test_rows_in_which_nothing_is_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "runtime.sources.number_lists"):
        numbers = await listed([{"phone": "+12125550100"}, {"phone": "n/a"}, {"phone": None, "reason": "moved"}])
    assert len(numbers) == 1
    assert "2 of 3 rows of the do-not-call list rows block nobody" in caplog.text
    assert "the first is row 2" in caplog.text


async def test_every_number_in_a_row_is_blocked() -> None:
    numbers = await listed(
        [
            {"phone": "+12125550153 / +12125550154", "reason": "moved"},
            {"phone": "+1 212 555 0156 (home)", "reason": "asked"},
            {"phone": "+12125550157", "mobile": "+1 212 555 0158", "office": "2125550160"},
            {"phone": "", "mobile": "(212) 555-0159", "region": "US"},
            {"phone": ["+12125550161", "+12125550162"]},
        ]
    )
    assert [n for n in range(150, 165) if f"+12125550{n}" in numbers] == [153, 154, 156, 157, 158, 159, 161, 162]


@pytest.mark.parametrize(
    "row",
    [
        {"phone": "+12125550153 / 54"},
        {"phone": "+1 212 555 01"},
        {"phone": "+12125550150 - +12125550155"},
        {"phone": "2.12555E+09"},
        {"phone": 2.12555e9},
        {"phone": "+1212555015*"},
        {"phone": "since 3 May 2026"},
        {"phone": b"+12125550153"},
        {"phone": True},
        {"phone": "", "mobile": "+1 212 555 01"},
        {"phone": "+12125550153", "region": [1]},
        7,
    ],
    ids=lambda row: ascii(row)[:48],
)
async def test_a_row_that_is_not_understood_stops_the_run(row: Any) -> None:
    with pytest.raises(SourceError, match=r"^the do-not-call list rows[,:] row 2.*correct the list") as caught:
        await listed([{"phone": "+12125550100"}, row], default_region="US")
    assert not re.search(r"\d{3}", str(caught.value))


async def test_a_row_without_a_number_bars_the_person_with_its_id() -> None:
    barred = await listed([{"customer_id": 17.0, "phone": None}, {"customer_id": "C-18", "phone": "n/a"}])
    assert [each in barred for each in ("17", "C-18", "17.0", "C-19")] == [True, True, False, False]


@pytest.mark.parametrize(
    ("row", "columns", "bars_the_person"),
    [
        ({"customer_id": "17", "phone": "+12125550153"}, None, True),
        ({"id": "17", "phone": "+12125550153"}, None, False),
        ({"id": "17", "phone": ""}, None, True),
        ({"id": "17", "phone": "+12125550153"}, ColumnMapping(id="id"), True),
        ({"id": "1", "patient": "17", "phone": "+12125550153"}, ColumnMapping(person="patient"), True),
    ],
    ids=["customer_id", "serial", "no number", "named", "person"],
)
async def test_an_id_beside_a_number_bars_the_person_unless_it_only_counts_the_rows(
    row: dict[str, Any], columns: ColumnMapping | None, bars_the_person: bool
) -> None:
    barred = await listed([row], columns=columns)
    assert ("17" in barred) is bars_the_person
    assert ("+12125550153" in barred) is bool(row["phone"])


@pytest.mark.parametrize(
    "row",
    [
        {"phone": "+12125550157", "mobile": "2125550160"},
        {"phone": "+12125550157", "home_phone_2": 2125550160},
        {"phone": "+12125550157", "Work Tel.": "212 555"},
        {"phone": "", "number": "2125550160"},
        {"phone": "", "number": 2125550160},
        {"customer_id": "C-17", "phone": "", "note": "now at 212 555 0160"},
    ],
    ids=["second phone", "second phone as a number", "half a number", "other column", "integer", "note"],
)
async def test_digits_that_may_be_a_number_and_are_not_understood_stop_the_run(row: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match=r"^the do-not-call list rows, row 1: .*correct the list|default region"):
        await listed([row])


@pytest.mark.parametrize(
    "other",
    [
        {"phones": "212 555 0160"},
        {"Téléphone portable": "212 555 0160"},
        {"رقم الجوال": "212 555 0160"},
        {"PersonMobilePhone": "(212) 555-0160"},
        {"TELF2": "212-555-0160"},
        {"contact": "2125550160"},
        {"contact": 2125550160.0},
        {"notes": "asked on 2026-05-03, also for tel. 212 555 0160"},
    ],
    ids=["plural", "French", "Arabic", "Salesforce", "SAP", "contact", "float", "note"],
)
async def test_every_number_of_a_row_is_blocked_whatever_its_column_is_called(other: dict[str, Any]) -> None:
    found = await listed([{"phone": "+12125550157", **other}], default_region="US")
    assert "+12125550160" in found


async def test_a_number_with_its_country_in_a_note_is_blocked_without_a_region() -> None:
    found = await listed([{"phone": "+12125550157", "notes": "2026-05-03: not at +1 212 555 0160 either"}])
    assert "+12125550160" in found


@pytest.mark.parametrize("name", ["phone_numbers", "PersonMobilePhone", "رقم الجوال", "TELF2", "Téléphone"])
async def test_a_second_phone_that_is_not_understood_stops_the_run(name: str) -> None:
    with pytest.raises(SourceError, match=r"row 1: national number.*; name a default region"):
        await listed([{"phone": "+12125550157", name: "(212) 555-0160"}])


async def test_an_id_of_letters_names_a_person_beside_a_number_and_a_count_does_not() -> None:
    found = await listed([{"id": "C-17", "phone": "+12125550157"}, {"id": 18, "phone": "+12125550158"}])
    assert "C-17" in found
    assert "18" not in found


async def test_an_id_that_lost_its_digits_stops_the_run() -> None:
    with pytest.raises(SourceError, match=r"row 1, column 'customer_id' holds '1.23457E\+11', an id that lost digits"):
        await listed([{"customer_id": "1.23457E+11", "phone": ""}])


async def test_other_columns_of_a_list_may_hold_digits_that_are_no_numbers() -> None:
    rows = [
        {
            "customer_id": "C-17",
            "phone": "",
            "added": "2026-11-03",
            "at": "03.11.2026 17:00:00",
            "phone_type": "mobile",
        },
        {"customer_id": "C-18", "phone": "+12125550153", "account": "0012125550160", "added": 20261103},
    ]
    assert list(await listed(rows)) == ["+12125550153", "c-17", "c-18"]


async def listed_in_file(path: Path, text: str) -> DoNotCallList:
    path.write_text(text, encoding="utf-8")
    with Rows(CsvFile(path=path), id_needed=False) as source:
        await source.read()
        return await numbers_in(source)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('phone,reason\n+12125550153,"asked\n+12125550154,"x"\n+12125550155,y\n', "lines 2 to 3"),
        ("phone,reason\n+12125550155,y\n+12125550153, +12125550154,asked\n", "line 3"),
        ('phone,reason\n+12125550155,y\n\n+12125550153,"asked\n', "line 4"),
        ('phone,reason\n+12125550153,"asked\n+12125550154,twice"\n', "lines 2 to 3"),
        ('phone,reason\n\n"+12125550155",y\n+1 212 555 01,asked\n', "line 4: the number is too short (column 'phone'"),
        ("phone\n+12125550155\n+1212555\0" + "0153\n", "line 3 cannot be read"),
    ],
    ids=["quote closed by the next", "comma", "quote never closed", "quote around a row", "too short", "nul"],
)
async def test_a_file_that_is_not_understood_is_named_by_line_and_cell(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(SourceError) as caught:
        await listed_in_file(tmp_path / "barred.csv", text)
    assert "barred.csv" in str(caught.value)
    assert where in str(caught.value)
    assert "555" not in str(caught.value)


async def test_two_numbers_in_a_cell_and_a_label_bar_all_four(tmp_path: Path) -> None:
    text = "phone,reason\n+12125550153 / +12125550154,moved\n+1 212 555 0156 (home),asked\n+12125550155,y\n"
    numbers = await listed_in_file(tmp_path / "barred.csv", text)
    assert all(f"+121255501{n}" in numbers for n in (53, 54, 55, 56))


@pytest.mark.prefect
async def test_a_list_is_loaded_in_a_task_run_and_needs_no_ids(prefect_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "barred.csv"
    path.write_text("phone\n+12125550100\n")

    @flow(name="load a do-not-call list")
    async def load_list() -> DoNotCallList:
        return await load_do_not_call(CsvFile(path=path))

    assert "+12125550100" in await load_list()


@pytest.mark.prefect
async def test_a_list_without_a_phone_column_is_one_sentence(prefect_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "barred.csv"
    path.write_text("number\n+12125550100\n")

    @flow(name="load a wrong do-not-call list")
    async def load_list() -> DoNotCallList:
        return await load_do_not_call(CsvFile(path=path))

    with pytest.raises(SourceError, match=r"barred.csv: there is no column phone \(found: number\)"):
        await load_list()
