"""The demo's data can be called where it should be, cannot where it should not, and rings no real phone."""

import re
import sqlite3
import unicodedata
from collections import Counter
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from campaign.buckets import Bucket
from campaign.intake.recipients import Recipient
from campaign.intake.screening import DueFilter, Screen
from examples.receivables import DO_NOT_CALL, OVERDUE, build_receivables, main

TODAY = date(2026, 11, 22)

FICTION = re.compile(r"\+1[2-9]\d{2}55501\d{2}|\+44207946\d{4}|\+61491570156")
"""The ranges that nobody's phone is in: North America, London, Australia."""


@pytest.fixture
def receivables(tmp_path: Path) -> Path:
    path = tmp_path / "receivables.sqlite"
    build_receivables(path, today=TODAY)
    return path


def read(path: Path, query: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        return [dict(row) for row in database.execute(query, {"today": TODAY.isoformat()} if ":today" in query else ())]


def screened(path: Path) -> list[Any]:
    screen = Screen(
        due_filter=DueFilter(TODAY, min_days_overdue=7, min_amount=Decimal(20)),
        do_not_call={"+14045550139", "+442079460998"},
        required_params={"name"},
    )
    return [screen.screen(number, row) for number, row in enumerate(read(path, OVERDUE), start=1)]


def test_most_rows_can_be_called_and_the_others_each_say_why_not(receivables: Path) -> None:
    results = screened(receivables)
    called = [result for result in results if isinstance(result, Recipient)]
    others = Counter(result.bucket for result in results if not isinstance(result, Recipient))
    assert (len(results), len(called)) == (43, 28)
    assert others == {
        Bucket.NOT_A_NUMBER: 4,
        Bucket.NO_NUMBER: 2,
        Bucket.NOT_SELECTED: 2,
        Bucket.DO_NOT_CALL: 2,
        Bucket.NO_REGION: 1,
        Bucket.WRONG_LINE: 1,
        Bucket.DUPLICATE_NUMBER: 1,
        Bucket.UNKNOWN_TIME_ZONE: 1,
        Bucket.MISSING_PARAMS: 1,
    }


def test_every_number_is_from_a_range_reserved_for_fiction(receivables: Path) -> None:
    for result in screened(receivables):
        assert result.phone is None or FICTION.fullmatch(result.phone), result.phone
    for row in [*read(receivables, "SELECT phone FROM customers"), *read(receivables, DO_NOT_CALL)]:
        digits = "".join(str(int(character)) for character in row["phone"] or "" if character.isdecimal())
        assert not digits or re.search(r"555?01|5550199|79460|491570156", digits), row["phone"]


def test_names_and_digits_come_in_the_scripts_of_the_world(receivables: Path) -> None:
    rows = read(receivables, OVERDUE)
    written = "".join(f"{row['name']}{row['phone']}" for row in rows)
    scripts = {unicodedata.name(character).split()[0] for character in written if character.isalnum()}
    wanted = "LATIN GREEK CYRILLIC HEBREW ARABIC ARABIC-INDIC DEVANAGARI THAI GEORGIAN ETHIOPIC CJK HANGUL FULLWIDTH"
    assert scripts >= set(wanted.split())


def test_amounts_are_texts_with_all_their_places(receivables: Path) -> None:
    assert all(re.fullmatch(r"\d+\.\d{2}", row["amount"]) for row in read(receivables, OVERDUE))


def test_a_file_that_is_there_is_replaced_whole(receivables: Path) -> None:
    receivables.write_bytes(b"half a file")
    build_receivables(receivables, today=TODAY)
    assert len(read(receivables, OVERDUE)) == 43
    assert [file.name for file in receivables.parent.iterdir()] == [receivables.name]


def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "nowhere" / "receivables.sqlite")]) == 2
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "name a file in a folder that exists" in said
    assert "Traceback" not in said
