"""The mask: a phone number in what a call left behind is hidden, whatever dashes and digits it is written with."""

import pytest

from campaign.reporting.masking import hider, masked, masked_outcome, shown_id

PHONE = "+12125550159"
ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
WRITTEN = [
    "+12125550159",
    "+1 212\u2011555\u20110159",
    "(212) 555\u20130159",
    "+1\u00a0212\u00a0555\u00a00159",
    "1\u2212212\u2212555\u22120159",
    "212\u00b7555\u00b70159",
    "212_555_0159",
    "2125550159",
    "\u202a+1 212 555\u200b 0159\u202c",
    "\uff0b\uff11\uff12\uff11\uff12 555 0159",
    "212 555 0159".translate(ARABIC_INDIC),
]


@pytest.mark.parametrize("written", WRITTEN, ids=ascii)
def test_the_callees_number_is_masked_however_it_is_written(written: str) -> None:
    shown = hider(PHONE)(f"Call {written} back.")
    assert shown == "Call +1•••••0159 back."


@pytest.mark.parametrize("written", ["+44 20\u20107946\u20100031", "+44\u00a020\u00a07946\u00a00031"], ids=ascii)
def test_another_number_in_an_outcome_is_masked_too(written: str) -> None:
    assert masked_outcome({"call": f"my brother, {written}"}, PHONE) == {"call": "my brother, +44•••••0031"}


def test_what_is_no_number_stays_as_it_is() -> None:
    record = {"amount": 120.5, "due": "2026\u201311\u201322", "note": "Caf\u00e9 \u2013 3\u00a0pieces", "n": 1234567}
    assert masked(record, hider(PHONE, others=True)) == record


@pytest.mark.parametrize("written", WRITTEN, ids=ascii)
def test_an_id_that_is_the_phone_is_masked_as_one(written: str) -> None:
    assert shown_id(written, PHONE) == "+1•••••0159"


def test_an_id_that_is_any_phone_in_international_form_is_masked() -> None:
    assert shown_id("+44 20 7946 0031", PHONE) == shown_id("+442079460031", None) == "+44•••••0031"
    assert shown_id("sms:+442079460031", None) == "sms:+44•••••0031"


@pytest.mark.parametrize("recipient_id", ["0187-ERLSR", "17", "10003482", "INV-2026-000017", "\u0645\u0646\u0649", ""])
def test_an_id_that_is_none_is_shown(recipient_id: str) -> None:
    assert shown_id(recipient_id, PHONE) == recipient_id
    assert shown_id(None, PHONE) == ""


@pytest.mark.parametrize(
    ("recipient_id", "phone", "shown"),
    [
        ("6465550142", PHONE, "+1•••••0142"),
        ("646-555-0142", PHONE, "+1•••••0142"),
        ("02079460031", "+442079460000", "+44•••••0031"),
        ("442079460031", PHONE, "+44•••••0031"),
        ("442079460031", None, "+44•••••0031"),
        ("6465550142", "+442079460000", "6465550142"),  # no number in London, and none with a plus sign
        ("1234567890", PHONE, "1234567890"),
        ("0000104211", PHONE, "0000104211"),
        ("2026-11-27 101", PHONE, "2026-11-27 101"),
        ("C6465550142", PHONE, "C6465550142"),
        ("erased:0123456789abcdef", PHONE, "erased"),
    ],
)
def test_an_id_of_digits_that_would_be_a_number_is_masked_where_a_number_would_be(
    recipient_id: str, phone: str | None, shown: str
) -> None:
    assert shown_id(recipient_id, phone) == shown


def test_the_callees_number_is_masked_among_other_digits() -> None:
    assert hider(PHONE)("ref9912125550159x") == "ref99+1•••••0159x"
    assert hider(PHONE)("ref991212555015x") == "ref991212555015x"


def test_a_number_that_is_the_name_of_a_field_is_masked() -> None:
    assert masked({PHONE: {PHONE: 1}, 17: "x"}, hider(PHONE)) == {"+1•••••0159": {"+1•••••0159": 1}, 17: "x"}


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (999_999, False),
        (10**6, True),
        (1e6, True),
        (10**18 - 1, True),
        (10**18, False),
        (-(10**9), False),
        (True, False),
    ],
)
def test_a_number_of_json_is_looked_at_if_it_is_as_long_as_a_phone_number(value: float, asked: bool) -> None:
    assert masked([value], lambda _text: "hidden") == ["hidden" if asked else value]
    assert masked([value], lambda text: text) == [value]
