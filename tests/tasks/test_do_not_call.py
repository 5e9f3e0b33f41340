"""The do-not-call list: every number on it is barred, and a list that says nothing is not taken for an empty one."""

import logging
from pathlib import Path
from typing import Any

import pytest
from prefect import flow

from campaign.intake.recipients import ColumnMapping, CsvFile, SourceError
from campaign.intake.screening import NumberSet
from tasks.do_not_call import load_do_not_call, numbers_in
from tasks.load import Rows


async def listed(rows: list[Any], **options: Any) -> NumberSet:
    with Rows(rows, id_needed=False, **options) as source:
        await source.read()
        return await numbers_in(source)


async def test_a_number_is_barred_however_it_is_written() -> None:
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


async def test_an_empty_list_bars_nobody() -> None:
    assert len(await listed([])) == 0


async def test_a_national_number_without_a_region_stops_the_run() -> None:
    with pytest.raises(
        SourceError, match=r"the do-not-call list rows, row 2: national number.*; name a default region"
    ):
        await listed([{"phone": "+12125550100"}, {"phone": "(212) 555-0101"}])


async def test_a_list_without_any_number_stops_the_run() -> None:
    with pytest.raises(SourceError, match=r"no number that can be read \(row 1: the cell holds no digits\)"):
        await listed([{"phone": "n/a"}, {"phone": "none"}, 7])


async def test_rows_without_a_number_are_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tasks.do_not_call"):
        numbers = await listed([{"phone": "+12125550100"}, {"phone": "n/a"}, 7, {"phone": b"x", "region": b"US"}])
    assert len(numbers) == 1
    assert "3 of 4 rows of the do-not-call list rows bar nobody" in caplog.text
    assert "row 2: the cell holds no digits" in caplog.text


@pytest.mark.prefect
async def test_a_list_is_loaded_in_a_task_run_and_needs_no_ids(prefect_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "barred.csv"
    path.write_text("phone\n+12125550100\n")

    @flow(name="load a do-not-call list")
    async def load_list() -> NumberSet:
        return await load_do_not_call(CsvFile(path=path))

    assert "+12125550100" in await load_list()


@pytest.mark.prefect
async def test_a_list_without_a_phone_column_is_one_sentence(prefect_server: Any, tmp_path: Path) -> None:
    path = tmp_path / "barred.csv"
    path.write_text("number\n+12125550100\n")

    @flow(name="load a wrong do-not-call list")
    async def load_list() -> NumberSet:
        return await load_do_not_call(CsvFile(path=path))

    with pytest.raises(SourceError, match=r"barred.csv: there is no column phone \(found: number\)"):
        await load_list()
