"""Two ways of writing a number: whether they mean one, and when that cannot be told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.intake.same_numbers import means_number, same_number


@pytest.mark.parametrize(
    "written",
    [
        "+442079460031",
        "00442079460031",
        "020 7946 0031",
        "2079460031",
        "+44 (0)20 7946-0031",
        "٠٢٠ ٧٩٤٦ ٠٠٣١",
        "7946 0031",
    ],
)
def test_one_number_is_recognized_however_it_is_written(written: str) -> None:
    assert same_number("+442079460031", written)
    assert same_number(written, "+442079460031")


@pytest.mark.parametrize("other", ["+442079460032", "+12125550100", "0031", "946003", "", "n/a"])
def test_other_numbers_are_not_taken_for_it(other: str) -> None:
    assert not same_number("+442079460031", other)
    assert not same_number(other, "+442079460031")


@pytest.mark.parametrize(
    "written",
    [
        "+12125550123",
        "(212) 555-0123",
        "5550123",
        "sip:+12125550123@54.172.60.0",
        "SIPS:12125550123@example.org:5061;transport=tls",
        "tel:+1-212-555-0123;ext=1",
        "+12125550123;ext=1",
        "001 1 212 555 0123",
    ],
)
def test_a_number_is_read_out_of_the_address_it_is_written_in(written: str) -> None:
    assert means_number(written, "+12125550123") is True
    assert same_number("+12125550123", written)


@pytest.mark.parametrize(
    ("written", "e164"),
    [
        *[
            (written, "+12125550123")
            for written in (
                None,
                "",
                "n/a",
                "0123",
                "+1212***0123",
                "+1212\u2022\u2022\u20220123",
                "+1212\u20260123",
                "+1 212 --- 0123",
                "+1212555",
                "***5550123",
                "%2B12125550123",
                "user_17",
                "Ann <sip:+12125550123@example.org>",
                "+12125550123,,1",
                "+12125550123 1",
            )
        ],
        ("8 (916) 123-45-67", "+79161234567"),
        ("+52 1 55 1234 5678", "+525512345678"),
        ("011 15 1234-5678", "+5491112345678"),
    ],
)
def test_a_number_that_cannot_be_read_whole_or_is_dialed_otherwise_is_not_ruled_out(
    written: str | None, e164: str
) -> None:
    assert means_number(written, e164) is not False


@pytest.mark.parametrize("written", ["+1212***0123", "***5550123", "0123", "+12125550123x1"])
def test_nothing_is_proved_by_a_number_with_hidden_digits(written: str) -> None:
    assert means_number(written, "+12125550123") is None


@pytest.mark.parametrize(
    "written",
    ["+12125550124", "sip:+12125550124@54.172.60.0", "+13125550123", "(312) 555-0123", "5550124", "+442075550123"],
)
def test_a_complete_other_number_is_recognized_as_another(written: str) -> None:
    assert means_number(written, "+12125550123") is False


@given(st.text(), st.text())
def test_no_text_is_too_odd_to_be_compared(written: str, other: str) -> None:
    assert means_number(written, "+12125550123") in (True, False, None)
    assert means_number(written, other) in (True, False, None)
