"""A number in a page can be copied by anybody, and dialed: each is one that nobody has, or a caller id of Hamsa's."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import name_of, pages

RESERVED = re.compile(r"1?[2-9]\d{2}55501\d{2}|(?:44|0)2079460\d{3}|61491570156")
CALLER_IDS = {"18449292835", "18558961879"}
WRITTEN = re.compile(r"(?<![\w./:-])(?:\+|\(|0(?=\d))[\d ()-]{8,}\d(?![\w.:])")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_phone_numbers_are_reserved_for_fiction(page: Path) -> None:
    numbers = {re.sub(r"\D", "", found) for found in WRITTEN.findall(page.read_text(encoding="utf-8"))}
    assert [number for number in numbers if not RESERVED.fullmatch(number) and number not in CALLER_IDS] == []


@pytest.mark.parametrize("number", ["+12125550123", "+1 212 555 0123", "(212) 555-0190", "020 7946 0122"])
def test_numbers_are_found_however_they_are_written(number: str) -> None:
    (found,) = WRITTEN.findall(f"call {number}, please")
    assert RESERVED.fullmatch(re.sub(r"\D", "", found))
