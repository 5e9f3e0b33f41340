"""Which files are read: regular ones, of a bounded size, from folders that are allowed; and nothing of others shows."""

import os
from pathlib import Path

import pytest

from campaign.intake import csv_files
from campaign.intake.csv_files import open_csv
from campaign.intake.csv_rows import CsvRows
from campaign.intake.recipients import SourceError


def refused(path: Path, folders: list[Path] | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        CsvRows(path, folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_in_an_allowed_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lists").mkdir()
    path = tmp_path / "lists" / "overdue.csv"
    path.write_text("id,phone\n")
    monkeypatch.chdir(tmp_path)
    for named in (path, Path("lists/overdue.csv"), Path("lists/../lists/overdue.csv")):
        with CsvRows(named, [tmp_path]) as rows:
            assert rows.columns == ["id", "phone"]


@pytest.mark.parametrize("way", ["beside", "dots", "link"])
def test_a_file_elsewhere_is_refused_by_its_path(tmp_path: Path, way: str) -> None:
    allowed = tmp_path / "lists"
    allowed.mkdir()
    secret = tmp_path / "secrets.csv"
    secret.write_text("key-of-the-house,phone\n")
    paths = {"beside": secret, "dots": allowed / ".." / "secrets.csv", "link": allowed / "link.csv"}
    if way == "link":
        paths["link"].symlink_to(secret)
    message = refused(paths[way], [allowed])
    assert "is not in a folder from which this run may read" in message
    assert str(allowed) in message
    assert "house" not in message


@pytest.mark.parametrize("name", [".env", "config.ini", "prefect.yaml", "calls.db"])
def test_other_files_in_an_allowed_folder_are_refused_by_their_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("API_KEY=hush\n")
    message = refused(tmp_path / name, [tmp_path])
    assert "has to end in .csv" in message
    assert "hush" not in message


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    os.mkfifo(path)
    assert "is not a regular file" in refused(path)


@pytest.mark.parametrize(
    "path", ["/dev/zero", "/dev/null", "/proc/self/environ", "/proc/version", "/sys/kernel/uevent_seqnum"]
)
def test_what_the_machine_makes_up_is_no_file(path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"this machine has no {path}")
    assert "is not a CSV file but a part of the operating system" in refused(Path(path))


def test_a_link_to_a_device_is_no_file_either(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").symlink_to("/dev/zero")
    assert "is not a CSV file" in refused(tmp_path / "rows.csv")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_files, "LARGEST_FILE", 10)
    path = tmp_path / "rows.csv"
    path.write_text("id,phone\n\n")
    open_csv(path).close()
    path.write_text("id,phone\n1\n")
    assert "has 11 bytes, and 10 are the most" in refused(path)


@pytest.mark.parametrize("path", ["\0", "a" * 300, "x/" * 3000], ids=["nul", "long name", "long path"])
def test_what_is_no_path_is_one_sentence(path: str) -> None:
    assert refused(Path(path))


def test_links_in_a_circle_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "b.csv")
    (tmp_path / "b.csv").symlink_to(tmp_path / "a.csv")
    assert refused(tmp_path / "a.csv")
