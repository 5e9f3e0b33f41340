"""Files that people posted because they went wrong: what comes of each row, from the file to the screening."""

from collections import Counter
from pathlib import Path

import pytest

from campaign.buckets import Bucket
from campaign.intake.csv_rows import CsvRows
from campaign.intake.recipients import Recipient
from campaign.intake.screening import Bucketed, Screen


def screened(tmp_path: Path, text: str, **options: object) -> list[Recipient | Bucketed]:
    path = tmp_path / "people.csv"
    path.write_text(text, encoding="utf-8", newline="")
    screen = Screen(**options)  # type: ignore[arg-type]
    with CsvRows(path) as rows:
        screen.check_columns(rows.columns)
        return [screen.screen(number, row) for number, row in enumerate(rows, 1)]


def test_four_people_are_four_though_a_quotation_mark_is_astray(tmp_path: Path) -> None:
    text = (
        'id,name,phone\nC-1,"Mona,+12125550114\nC-2,Priya,+12125550116\nC-3,"Sami",+12125550115\n'
        "C-4,Lina,+12125550117\n"
    )
    results = screened(tmp_path, text)
    assert [result.bucket if isinstance(result, Bucketed) else result.id for result in results] == [
        *[Bucket.BAD_ROW] * 3,
        "C-4",
    ]
    assert all("lines 2 to 4" in result.reason for result in results if isinstance(result, Bucketed))


def test_what_excel_says_and_wraps_is_read_as_meant(tmp_path: Path) -> None:
    [mona] = screened(tmp_path, 'sep=;\nid;name;phone\n="00017";Mona;="+12125550118"\n')
    assert isinstance(mona, Recipient)
    assert (mona.id, mona.phone, mona.params) == ("00017", "+12125550118", {"name": "Mona"})


def test_what_nobody_sees_makes_no_second_person_and_no_name(tmp_path: Path) -> None:
    text = (
        "id,phone,name,timezone\r\nC-17,+12125550157,Mona,America/New_York\r\n"
        "C-17\u200b,+12125550158,Mona,America/New_York\u200b\r\n"
        "C-18,+1 212\u2011555\u20110159,\u200b,America/New_York\r\n"
    )
    mona, again, nameless = screened(tmp_path, text, required_params=["name"])
    assert isinstance(mona, Recipient)
    assert isinstance(again, Bucketed)
    assert (again.bucket, again.recipient_id) == (Bucket.DUPLICATE_RECIPIENT, "C-17")
    assert isinstance(nameless, Bucketed)
    assert (nameless.bucket, nameless.phone) == (Bucket.MISSING_PARAMS, "+12125550159")
    assert nameless.reason == "no value for name, which the agent needs"


@pytest.mark.parametrize("depth", [200, 1300])
def test_json_within_json_within_json_is_a_text(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + '""' + "[" * depth + r'\""' + "[" * depth
    results = screened(tmp_path, f'id,phone,name\r\nC-1,+12125550161,"{deep}"\r\nC-2,+12125550162,Sami\r\n')
    first, second = results
    assert isinstance(first, Recipient)
    assert first.params["name"] == deep.replace('""', '"')
    assert isinstance(second, Recipient)


def test_a_file_of_every_fault_adds_up(tmp_path: Path) -> None:
    text = (
        "id,phone,Do Not Call\n1,+12125550100,no\n2,+12125550101,YES\n3,+12125550102\n"
        '4,"+12125550103\n5,+12125550104,"no\n'
        "6,+12125550105,0.00\n7.0,+12125550106,\n7,+12125550107,\n8,+1 212 555\u20130108,\n9,2.12555E+09,\n\n"
    )
    results = screened(tmp_path, text)
    counts = Counter(result.bucket if isinstance(result, Bucketed) else "called" for result in results)
    assert counts == {
        "called": 4,
        Bucket.DO_NOT_CALL: 1,
        Bucket.BAD_ROW: 3,
        Bucket.DUPLICATE_RECIPIENT: 1,
        Bucket.NOT_A_NUMBER: 1,
    }
