"""Phone numbers: every way in which tables write them is read, and nothing that is not certain is dialed."""

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign.buckets import Bucket
from campaign.intake.numbers import (
    LONGEST_TEXT,
    NumberProblem,
    ParsedNumber,
    mask,
    number_in_id,
    parse_number,
    region_code,
)

ARABIC_INDIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def problem_of(raw: object, region: str | None = None) -> tuple[Bucket, str]:
    found = parse_number(raw, region)
    assert isinstance(found, NumberProblem), found
    return found.bucket, found.reason


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+12125550100", "US", "+12125550100"),
        ("+12125550100", None, "+12125550100"),
        ("(602) 555-0101", "US", "+16025550101"),
        ("(602) 555-0101", "us", "+16025550101"),
        ("(602) 555-0101", " US ", "+16025550101"),
        ("1-312-555-0103", "US", "+13125550103"),
        ("\u202a+1 312-555-0105\u202c", "US", "+13125550105"),
        ("+1\u200b312\u00a0555\u20110105", "US", "+13125550105"),
        *(
            (f"+1{dash}312{dash}555{dash}0105", None, "+13125550105")
            for dash in "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"
        ),
        ("020 7946 0007", "GB", "+442079460007"),
        ("020 7946 0007", "UK", "+442079460007"),
        ("+44 (0)20 7946 0007", None, "+442079460007"),
        ("٠٢٠ 7946 0031", "GB", "+442079460031"),
        ("\uff0b\uff14\uff1420 7946 0031", None, "+442079460031"),
        ("tel:+1-415-555-0123", None, "+14155550123"),
        ("+61 491 570 156", "AU", "+61491570156"),
        ("0491 570 158", "AU", "+61491570158"),
        ("+1 709 555 0114", "CA", "+17095550114"),
    ],
)
def test_every_way_of_writing_comes_to_one_number(raw: str, region: str | None, e164: str) -> None:
    found = parse_number(raw, region)
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == e164


@pytest.mark.parametrize(
    ("raw", "region"),
    [
        ("00442079460031", "SA"),  # its own prefix for calls abroad
        ("011442079460031", "US"),
        ("0011 44 20 7946 0031", "AU"),
        ("00 44 20 7946 0031", "US"),  # not its own, but what most of the world writes
        ("(00) 44 20 7946 0031", "AU"),
        ("00442079460031", None),
        ("0044 20 7946 0031".translate(ARABIC_INDIC), "US"),
    ],
)
def test_prefixes_for_calls_abroad_are_read_as_plus(raw: str, region: str | None) -> None:
    found = parse_number(raw, region)
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == "+442079460031"


def test_double_zero_is_read_in_north_america_too() -> None:
    found = parse_number("001 415 5550110", "US")
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == "+14155550110"


@pytest.mark.parametrize(
    "raw", [4155550123, 4.155550123e9, Decimal(4155550123), Decimal("4155550123.00"), "4155550123.0"], ids=repr
)
def test_what_spreadsheets_make_of_a_number_is_undone(raw: object) -> None:
    found = parse_number(raw, "US")
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == "+14155550123"


def test_dots_between_groups_are_not_taken_for_a_fraction() -> None:
    found = parse_number("415.555.0100", "US")
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == "+14155550100"


@pytest.mark.parametrize("raw", [None, "", "  ", "\u200f", float("nan"), Decimal("NaN"), Decimal("sNaN")], ids=ascii)
def test_nothing_is_read_from_nonsense(raw: object) -> None:
    assert problem_of(raw, "US") == (Bucket.NO_NUMBER, "no phone number")


@pytest.mark.parametrize(
    ("raw", "region", "because"),
    [
        ("n/a", "GB", "no digits"),
        ("+1 212 555 01", "US", "too short"),
        ("001 212 555 01", "US", "too short"),
        ("+1 212 555 0100 0100", "US", "too long"),
        ("+1 212 555 0100" * 5, "US", "cannot be read"),
        ("+1 212 555 0100" * 100, "US", "too long"),
        ("555-0100", "US", "area code"),
        ("+12125550147 x12", "US", "extension"),
        ("+1 212 555 0147 ext. 12", "US", "extension"),
        ("212-555-0147,,12", "US", "extension"),
        ("415-555-CALL", "US", "letters"),
        ("+1 415 555 0123 (home)", "US", "letters"),
        ("+1 415 555 0123 / 24", "US", "two numbers"),
        ("+14155550123\n+14155550124", "US", "cannot be read"),
        ("4.155550123E+9", "US", "scientific"),
        ("4,15555E+09", "US", "scientific"),
        ("+999 12345678", None, "country code"),
        ("911", "US", "too short"),
        (4155550123.5, "US", "cannot be a phone number"),
        (-4155550123, "US", "cannot be a phone number"),
        (float("inf"), "US", "cannot be a phone number"),
        (10**50, "US", "cannot be a phone number"),
        (Decimal("1E+999999"), "US", "cannot be a phone number"),
        (2.12555e9, "US", "scientific notation"),
        (Decimal("2.12555E+9"), "US", "scientific notation"),
        ("2.12555E+09", "US", "scientific notation"),
        (True, "US", "type bool"),
        (b"+12125550100", "US", "type bytes"),
        (["+12125550100"], "US", "type list"),
    ],
    ids=lambda value: ascii(value)[:24] if value != 10**50 else "enormous",
)
def test_what_cannot_be_dialed_says_why(raw: object, region: str | None, because: str) -> None:
    bucket, reason = problem_of(raw, region)
    assert bucket is Bucket.NOT_A_NUMBER
    assert because in reason


def test_a_national_number_is_never_guessed_a_country_for() -> None:
    bucket, reason = problem_of("(312) 555-0153")
    assert bucket is Bucket.NO_REGION
    assert "region" in reason


@pytest.mark.parametrize("region", ["United States", "USA", "1", "ZZ", "001"])
def test_a_region_that_is_no_country_code_is_named_not_guessed(region: str) -> None:
    bucket, reason = problem_of("(312) 555-0153", region)
    assert bucket is Bucket.NO_REGION
    assert f"'{region}'" in reason


def test_a_wrong_region_does_not_matter_to_a_number_that_names_its_country() -> None:
    found = parse_number("+44 20 7946 0031", "United Kingdom")
    assert isinstance(found, ParsedNumber)
    assert found.country == "GB"


def test_a_phone_number_in_the_region_column_is_not_repeated() -> None:
    _, reason = problem_of("(312) 555-0153", "212 555 0100")
    assert "555" not in reason


@pytest.mark.parametrize(("raw", "kind"), [("+1 900 555 0137", "premium rate"), ("+1 800 555 0100", "toll free")])
def test_valid_numbers_that_are_not_to_be_called_are_recognized_by_their_kind(raw: str, kind: str) -> None:
    bucket, reason = problem_of(raw, "US")
    assert bucket is Bucket.WRONG_LINE
    assert kind in reason


def test_other_kinds_of_line_can_be_asked_for() -> None:
    found = parse_number("+1 800 555 0100", kinds=("toll_free",))
    assert isinstance(found, ParsedNumber)
    assert found.kind == "toll_free"
    assert isinstance(parse_number("+1 212 555 0100", kinds=("toll_free",)), NumberProblem)


@pytest.mark.parametrize(
    ("e164", "zones", "country"),
    [
        ("+12125550100", ("America/New_York",), "US"),
        ("+16045550100", ("America/Vancouver",), "CA"),
        ("+442079460000", ("Europe/London",), "GB"),
    ],
)
def test_a_number_knows_its_country_and_time_zones(e164: str, zones: tuple[str, ...], country: str) -> None:
    found = parse_number(e164)
    assert isinstance(found, ParsedNumber)
    assert (found.zones, found.country) == (zones, country)


def test_a_number_without_a_place_has_every_zone_it_may_be_in() -> None:
    found = parse_number("+61 491 570 156")
    assert isinstance(found, ParsedNumber)
    assert found.kind == "mobile"
    assert len(found.zones) == 8


def test_zones_are_those_the_library_gives() -> None:
    import phonenumbers
    from phonenumbers.timezone import time_zones_for_number

    for area in ("212", "907", "709", "808", "604"):
        found = parse_number(f"+1{area}5550123")
        assert isinstance(found, ParsedNumber)
        assert found.zones == tuple(time_zones_for_number(phonenumbers.parse(found.e164)))


def test_a_country_is_not_taken_from_an_area_code_of_another_that_begins_alike() -> None:
    countries = []
    for e164 in ("+442079460000", "+12075550123"):  # London's 20 7…, and Maine's 207
        found = parse_number(e164)
        assert isinstance(found, ParsedNumber)
        countries.append(found.country)
    assert countries == ["GB", "US"]


def test_a_text_of_a_hundred_characters_is_read_and_a_longer_one_is_not() -> None:
    assert isinstance(parse_number("+12125550100".ljust(LONGEST_TEXT)), ParsedNumber)
    assert problem_of("+12125550100".ljust(LONGEST_TEXT + 1)) == (
        Bucket.NOT_A_NUMBER,
        "the text is too long for a phone number",
    )


class ArrayOfOne:
    """As a data frame's list in a cell: it has an `item`, and is no single value."""

    ndim = 1

    def item(self) -> int:
        return 12125550100


def test_a_list_of_one_number_is_no_number() -> None:
    bucket, reason = problem_of(ArrayOfOne(), "US")
    assert (bucket, "holds a value of type" in reason) == (Bucket.NOT_A_NUMBER, True)


@pytest.mark.parametrize(
    ("recipient_id", "beside", "e164"),
    [
        ("2125550123", "+12125550199", "+12125550123"),
        ("491570156", "+61491570157", None),  # nine digits: a number in Australia, but as likely an id
        ("0491570156", "+61491570157", "+61491570156"),
        ("011442079460000", "+12125550199", "+442079460000"),
        ("0011442079460000", "+61491570157", None),  # sixteen
        ("12125550123", None, "+12125550123"),
        ("12125550123", "n/a", "+12125550123"),
        ("1-212-555-0123", None, None),  # only digits that follow one another are read without a plus sign
        ("2125550123", None, None),
        ("2125550123", "n/a", None),
        ("2125550123", "+18005550123", "+12125550123"),
        ("8005550123", "+12125550199", "+18005550123"),
        ("invoice 2125550123", "+12125550199", None),
    ],
)
def test_an_id_that_is_a_number_is_recognized(recipient_id: str, beside: str | None, e164: str | None) -> None:
    assert number_in_id(recipient_id, beside) == e164


def test_an_unknown_zone_is_no_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campaign.intake.numbers.time_zones_for_geographical_number", lambda number: ("Etc/Unknown",))
    found = parse_number("+12125550100")
    assert isinstance(found, ParsedNumber)
    assert found.zones == ()


@given(raw=st.one_of(st.text(), st.integers(), st.floats(), st.decimals(), st.binary(), st.from_type(object)))
def test_no_cell_raises(raw: object) -> None:
    assert isinstance(parse_number(raw, "US"), ParsedNumber | NumberProblem)


@given(
    area=st.sampled_from(["212", "312", "415", "602", "604"]),
    last=st.integers(min_value=100, max_value=199),
    form=st.sampled_from(["+1{a}555{n}", "({a}) 555-{n}", "1 {a} 555 {n}", "001{a}555{n}", "\u202a{a}.555.{n}\u202c"]),
    arabic=st.booleans(),
)
def test_any_form_of_a_number_gives_that_number(area: str, last: int, form: str, arabic: bool) -> None:
    text = form.format(a=area, n=f"0{last}")
    found = parse_number(text.translate(ARABIC_INDIC) if arabic else text, "US")
    assert isinstance(found, ParsedNumber), found
    assert found.e164 == f"+1{area}5550{last}"


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+14155550123", "+1•••••0123"),
        ("+442079460031", "+44•••••0031"),
        ("+61491570156", "+61•••••0156"),
        ("020 7946 0031", "•••••0031"),
        ("+1\u2011212\u2011555\u20110159", "+1•••••0159"),
        ("\u202a+1\u00a0212\u2013555\u22120159\u202c", "+1•••••0159"),
        ("\uff0b14155550123", "+1•••••0123"),
        ("+2901234", "+290•••••"),
        ("123456", "•••••"),
        ("1234567", "•••••4567"),
        ("12", "•••••"),
        ("n/a", "•••••"),
        ("", "•••••"),
    ],
)
def test_a_masked_number_shows_its_country_and_its_end(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text())
def test_masking_shows_at_most_a_country_code_and_four_digits(text: str) -> None:
    assert sum(character.isdigit() for character in mask(text)) <= 7


@pytest.mark.parametrize(("text", "code"), [("us", "US"), (" gb ", "GB"), ("uk", "GB"), ("", None), ("ZZ", None)])
def test_region_codes_are_two_letters_of_a_country(text: str, code: str | None) -> None:
    assert region_code(text) == code


def test_the_geocoder_is_never_imported() -> None:
    program = "import sys, campaign.intake.numbers; sys.exit('phonenumbers.geocoder' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize(
    "cell",
    ["+12125550101*", "+44 20 7946 0001 **", "+12125550101?", "+1212555010•", "+1 212 555 010¹", "+1 212 555 010①"],
)
def test_a_number_with_a_sign_for_hidden_digits_or_a_footnote_is_not_dialed(cell: str) -> None:
    problem = parse_number(cell)
    assert isinstance(problem, NumberProblem)
    assert problem.bucket is Bucket.NOT_A_NUMBER
