"""CSV files: read as people save them, each bad row named by its line, and no row lost."""

import csv
import io
import re
from pathlib import Path
from random import Random
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
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


SWALLOWS = """id,name,phone
C-1,"Mona,+12125550114
C-2,Priya,+12125550116
C-3,"Sami",+12125550115
C-4,Lina,+12125550117
"""


def test_rows_that_a_stray_quotation_mark_swallows_are_all_accounted_for(path: Path) -> None:
    path.write_text(SWALLOWS)
    *bad, good = rows_of(path)
    assert good == {"id": "C-4", "name": "Lina", "phone": "+12125550117"}
    assert len(bad) == 3
    assert all(isinstance(row, BadRow) and row.reason.startswith("lines 2 to 4 cannot be read as CSV") for row in bad)


def test_two_stray_quotation_marks_do_not_give_one_person_the_number_of_another(path: Path) -> None:
    path.write_text('id,name,phone\nC-1,"Mona,+12125550114\nC-2,Priya",+12125550116\nC-3,Sami,+12125550115\n')
    *bad, good = rows_of(path)
    assert good == {"id": "C-3", "name": "Sami", "phone": "+12125550115"}
    why = "lines 2 to 3 belong to one quoted cell, but line 3 looks like a row of its own; fix the quotation mark"
    assert bad == [BadRow(why), BadRow(why)]


@pytest.mark.parametrize(
    "swallowing",
    [
        'C-1,"Doe, J"",+12125550101\nC-2,",+12125550102\n',
        'C-1,",+12125550101\nC-2,""Doe, J",+12125550102\n',
        'C-1,"Doe, J"",+12125550101\nC-2,""Doe, J",+12125550102\n',
    ],
)
def test_a_row_that_is_swallowed_with_its_own_quotation_marks_is_seen(path: Path, swallowing: str) -> None:
    path.write_text(f"id,name,phone\n{swallowing}")
    assert [type(row) for row in rows_of(path)] == [BadRow, BadRow]


def test_a_date_in_a_note_of_several_lines_is_no_row(path: Path) -> None:
    path.write_text('phone,note\n+12125550101,"asked\non 2026-05-03, and on 3/5/2026,\nby mail"\n')
    assert rows_of(path) == [{"phone": "+12125550101", "note": "asked\non 2026-05-03, and on 3/5/2026,\nby mail"}]


@given(seed=st.integers(0, 10**9))
def test_quotation_marks_anywhere_lose_nobody_and_mix_nobody_up(tmp_path_factory: Any, seed: int) -> None:
    random = Random(seed)
    delimiter = random.choice(",;\t")
    names = ["Mona", "", f'"Doe{delimiter} J"', '"O""Brien"']
    people = random.randint(2, 7)
    text = [*"".join(f"C-{n}{delimiter}{random.choice(names)}{delimiter}+121255501{n:02}\n" for n in range(people))]
    for _ in range(random.randint(1, 3)):
        text.insert(random.randint(0, len(text) - 1), '"')
    path = tmp_path_factory.mktemp("csv") / "rows.csv"
    path.write_text(delimiter.join(["id", "name", "phone"]) + "\n" + "".join(text))
    try:
        rows = rows_of(path)
    except SourceError:
        return
    assert len(rows) == people
    for row in rows:
        if isinstance(row, dict) and re.fullmatch(r"C-\d", row["id"] or "") and row["phone"]:
            assert row["phone"].replace('"', "").endswith(row["id"][-1])


def test_lines_that_make_no_row_of_the_headers_width_are_each_counted(path: Path) -> None:
    path.write_text('id,name,phone\nC-1,"Mona,+12125550114\n\nC-2,"\nC-3,Sami,+12125550115\n')
    *bad, good = rows_of(path)
    assert good == {"id": "C-3", "name": "Sami", "phone": "+12125550115"}
    assert bad == [BadRow("lines 2 to 4 have too few fields: 2 instead of the header's 3")] * 2


def test_a_cell_of_several_lines_is_a_cell(path: Path) -> None:
    path.write_text('id,address,phone\nC-1,"12 Main Street,\nApt 4, 10001\nNew York",+12125550114\n')
    assert rows_of(path) == [
        {"id": "C-1", "address": "12 Main Street,\nApt 4, 10001\nNew York", "phone": "+12125550114"}
    ]


def test_the_line_of_a_row_is_known_whatever_came_before(path: Path) -> None:
    path.write_text('id,phone\n\n1,a\n2,"b\nb"\n\n\n3,c\n4\n5,"d\nd\nd"\n6,e\n')
    with CsvRows(path) as rows:
        assert len(list(rows)) == 6
        assert [rows.line_of(number) for number in range(1, 7)] == [3, 4, 8, 9, 10, 13]


@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
@pytest.mark.parametrize("mark", ["sep={}\n", '"sep={}"\r\n', "SEP={}\n", "\n\ufeffsep={}\n"], ids=ascii)
def test_what_a_spreadsheet_says_of_its_delimiter_is_no_header(path: Path, mark: str, delimiter: str) -> None:
    header = mark.format(delimiter).replace("\n\ufeff", "\ufeff")
    path.write_text(header + delimiter.join(["id", "phone"]) + "\n" + delimiter.join(['="00017"', '="+12125550118"']))
    with CsvRows(path) as rows:
        assert list(rows) == [{"id": "00017", "phone": "+12125550118"}]
        assert rows.line_of(1) == 3


def test_a_text_written_as_a_formula_is_that_text(path: Path) -> None:
    path.write_text('="id",name,phone\n"=""00017""","=""say """"hi"""" ""","=SUM(A1)"\n="",=,="x\n')
    assert rows_of(path) == [
        {"id": "00017", "name": 'say "hi" ', "phone": "=SUM(A1)"},
        {"id": None, "name": "=", "phone": '="x'},
    ]


def test_a_cell_longer_than_the_csv_module_takes_by_itself_is_read(path: Path) -> None:
    path.write_text(f'id,name\n1,"{"x" * 400_000}"\n2,{"y" * 200_000}\n')
    assert [len(row["name"]) for row in rows_of(path)] == [400_000, 200_000]


def test_a_cell_that_nobody_can_mean_refuses_the_file(path: Path) -> None:
    path.write_text(f'id,name\n1,a\n2,"{"x" * 1_000_001}"\n')
    assert f"{path}: a cell that begins in line 3 has more than 1,000,000 characters" in error_of(path)
    path.write_text("id,name\n1," + "x" * 9_000_000)
    assert "line 2 has more than 8,000,000 characters" in error_of(path)


def test_a_nul_spoils_one_row(path: Path) -> None:
    path.write_text("id,name\n1,a\0b\n2,c\n")
    assert rows_of(path) == [
        BadRow("line 2 cannot be read (it holds a NUL character, which no text has)"),
        {"id": "2", "name": "c"},
    ]
    path.write_text("id,na\0me\n1,a\n")
    assert "the header cannot be read (it holds a NUL" in error_of(path)


def test_utf_16_that_breaks_off_is_one_sentence(path: Path) -> None:
    path.write_bytes("id,name\n1,a\n2,b\n".encode("utf-16")[:-1])
    assert error_of(path).endswith("is not UTF-16; save the file as CSV UTF-8")


def test_a_quotation_mark_that_swallows_the_header_is_an_error(path: Path) -> None:
    path.write_text('id,"name\n1,a\n')
    assert "the header cannot be read as CSV" in error_of(path)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("id,name\n1,a\n2,Zoë\n".encode("latin-1"), 3),
        ("id,näme\n1,a\n".encode("latin-1"), 1),
        (b"id,name\n" + b"1,a\n" * 50_000 + b"2,\xff\n", 50_002),
    ],
    ids=["row", "header", "far down"],
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


# What is read as it is meant, and not as it is written, has tests of its own.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\x00=", exclude_categories=["Nd"]), max_size=12)


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
