"""Texts: what looks alike is alike, what shows nothing is nothing, and what a script needs stays."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.texts import ascii_digits, clean, without_numbers


@pytest.mark.parametrize(
    "text",
    [
        "C-17\u200b",
        "C-\u200b17",
        "\ufeffC-17",
        "C-17\u2060",
        "C-17\u200d",
        "C\u200c-17",
        "\u202aC-17\u202c",
        "C\u00ad-17",
        "C-17\ufe0f",
        "C-17\U000e0041",
        "C-17\u3164",
        "\u00a0C-17\u3000",
        "C-17\x00",
        "C-1\u034f7",
    ],
    ids=ascii,
)
def test_what_looks_alike_is_one_id(text: str) -> None:
    assert clean(text) == "C-17"


@pytest.mark.parametrize("text", ["\u200b", "\u2060 \ufeff", "\u3164", "\u200c", "\u2800", "\u00a0", "\x00"], ids=ascii)
def test_a_text_of_nothing_is_empty(text: str) -> None:
    assert clean(text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",  # Persian: a joiner within the word
        "\u0915\u094d\u200d\u0937",  # Hindi
        "\u0d28\u0d4d\u200d \u0d05",  # Malayalam, at a word's end
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",  # a family
        "\u2764\ufe0f",
        "1\ufe0f\u20e3",
        "\u0644\u064a\u0644\u0649 \u0627\u0644\u0623\u062d\u0645\u062f",
    ],
    ids=ascii,
)
def test_what_a_script_needs_stays(text: str) -> None:
    assert clean(text) == text


def test_one_name_is_one_however_its_accent_is_kept() -> None:
    assert clean("Zoe\u0308") == clean("Zo\u00eb") == "Zo\u00eb"


@given(
    st.text(st.sampled_from("a1\u0627\u0915\u094d \n\u200b\u200c\u200d\ufe0f\u3164e\u0301\u20e3\u2764\U0001f469\ufeff"))
)
def test_clean_text_stays_clean_among_marks(text: str) -> None:
    assert clean(clean(text)) == clean(text)


DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d\u2043"


@pytest.mark.parametrize("dash", DASHES, ids=ascii)
def test_every_dash_is_a_dash(dash: str) -> None:
    assert ascii_digits(f"+1{dash}212") == "+1-212"


@pytest.mark.parametrize(
    "between", [*DASHES, "\u00a0", "\u202f", "\u2009", "\u00b7", "\u2044", "\u2022", "_"], ids=ascii
)
def test_a_number_is_hidden_whatever_divides_it(between: str) -> None:
    shown = without_numbers(f"is {between.join(['+1', '212', '555', '0159'])} known?")
    assert not any(character.isdigit() for character in shown)
    assert shown.startswith("is +")


def test_a_text_without_a_number_is_left_as_it_is() -> None:
    assert without_numbers("Caf\u00e9 \u2013 12\u00a0345") == "Caf\u00e9 \u2013 12\u00a0345"
