"""CSV files: read as people save them, each bad row named by its line, and no row lost."""

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.csv_rows import CsvRows
from campaign.intake.recipients import BadRow, SourceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "overdue.csv"


def rows_of(path: Path) -> list[Any]:
    with CsvRows(path) as rows:
        return list(rows)


def error_of(path: Path) -> str:
    with pytest.raises(SourceError) as caught:
        rows_of(path)
    assert "Traceback" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_every_way_of_saving_gives_the_same_rows(path: Path, encoding: str, delimiter: str, newline: str) -> None:
    lines = [["id", "phone", "name"], ["7", "+12125550100", "ليلى الأحمد"], ["8", "", "a, b; c\t\nd"]]
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=newline).writerows(lines)
    path.write_bytes(text.getvalue().encode(encoding))
    assert rows_of(path) == [
        {"id": "7", "phone": "+12125550100", "name": "ليلى الأحمد"},
        {"id": "8", "phone": None, "name": "a, b; c\t\nd"},
    ]


def test_quoted_headers_are_divided_by_their_own_delimiter(path: Path) -> None:
    path.write_text('"id, or key";"phone"\n7;+12125550100\n')
    with CsvRows(path) as rows:
        assert rows.columns == ["id, or key", "phone"]


def test_a_short_or_long_row_is_named_and_the_others_go_on(path: Path) -> None:
    path.write_text('id,phone\n1,"+1\n2125550100"\n2\n3,+12125550101,x\n\n4,+12125550102\n')
    assert rows_of(path) == [
        {"id": "1", "phone": "+1\n2125550100"},
        BadRow("line 4 has too few fields: 1 instead of the header's 2"),
        BadRow("line 5 has too many fields: 3 instead of the header's 2"),
        {"id": "4", "phone": "+12125550102"},
    ]


def test_a_misplaced_quotation_mark_spoils_one_row(path: Path) -> None:
    path.write_text('id,name\n1,"O"Brien"\n2,O"Brien\n')
    bad, good = rows_of(path)
    assert isinstance(bad, BadRow)
    assert bad.reason.startswith("line 2 cannot be read as CSV")
    assert good == {"id": "2", "name": 'O"Brien'}


@pytest.mark.parametrize("more", [2, 40_000])
def test_a_quotation_mark_that_swallows_rows_is_an_error(path: Path, more: int) -> None:
    path.write_text('id,name\n1,a\n2,"b\n' + "3,c\n" * more)
    assert error_of(path) == f"{path}: a quotation mark that opens in line 3 is not closed; close it"


def test_a_quotation_mark_that_swallows_the_header_is_an_error(path: Path) -> None:
    path.write_text('id,"name\n1,a\n')
    assert "the header cannot be read as CSV" in error_of(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("id,name\n1,a\n2,Zoë\n".encode("latin-1"), 3),
        ("id,näme\n1,a\n".encode("latin-1"), 1),
        ("id,name\n1,a\n".encode("utf-16"), 1),
        (b"id,name\n" + b"1,a\n" * 50_000 + b"2,\xff\n", 50_002),
    ],
    ids=["row", "header", "utf-16", "far down"],
)
def test_what_is_not_utf8_is_named_by_its_line(path: Path, content: bytes, line: int) -> None:
    path.write_bytes(content)
    assert error_of(path) == f"{path}: line {line} is not UTF-8; save the file as CSV UTF-8"


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_an_error(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf-8")
    assert "the file is empty" in error_of(path)


def test_a_header_alone_is_no_rows(path: Path) -> None:
    path.write_text("id,phone\n")
    assert rows_of(path) == []


def test_columns_without_a_name_are_left_out(path: Path) -> None:
    path.write_text("id,phone,,\n1,+12125550100,x,\n")
    assert rows_of(path) == [{"id": "1", "phone": "+12125550100"}]


def test_a_file_that_is_not_there_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert error_of(path) == f"{path}: there is no such file; name one that the flow's machine can see"
    monkeypatch.chdir(path.parent)
    assert f"no such file in {path.parent};" in error_of(Path("other.csv"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert error_of(tmp_path) == f"{tmp_path} is a folder; name a CSV file"


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8), delimiter=st.sampled_from(",;\t"))
def test_whatever_was_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("id", "phone", "name"), *rows])
    assert rows_of(path) == [
        dict(zip(("id", "phone", "name"), (cell or None for cell in row), strict=True)) for row in rows
    ]
