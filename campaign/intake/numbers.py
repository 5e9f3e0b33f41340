"""Phone numbers: from what a table holds to one E.164 number that may be dialed, or the reason why not.

Promises never to guess: a national number needs a region, letters and extensions are refused, and of the valid numbers
only the kinds of line that were asked for pass. Never raises, whatever the cell holds, and no reason repeats a number.
About 40 µs a number. `phonenumbers.geocoder` (3 s and 109 MB) is never imported.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, get_args

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_geographical_number, time_zones_for_number

from campaign.buckets import Bucket
from campaign.intake.cells import Unfit, is_missing, quoted, type_name
from campaign.intake.texts import ERASED, PSEUDONYM, ascii_digits

LineKind = Literal[
    "mobile",
    "fixed_line",
    "fixed_line_or_mobile",
    "voip",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
]
"""What kind of line a number belongs to, as far as its country's numbering plan tells."""

ALL_KINDS: tuple[LineKind, ...] = get_args(LineKind)

DEFAULT_KINDS: tuple[LineKind, ...] = ("mobile", "fixed_line", "fixed_line_or_mobile")
"""The kinds on which a person is reached at no extra cost. In North America mobile and fixed lines look alike."""

_KINDS: dict[int, LineKind] = {getattr(PhoneNumberType, kind.upper()): kind for kind in ALL_KINDS}
_WRONG_LENGTH = {
    ValidationResult.TOO_SHORT: "the number is too short",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the number lacks its area code",
    ValidationResult.TOO_LONG: "the number is too long",
    ValidationResult.INVALID_LENGTH: "the number has too few or too many digits",
}
_REGION_ALIASES = {"UK": "GB"}
_COUNTRY_OF_AREA_CODE: dict[str, str | None] = {}
"""At most 800 of them."""
LONGEST_TEXT = 100
_LARGEST = 10**20
"""Above any phone number; below what would take long to write out in digits."""

_AS_TEXT = "format the column as text"
_SPREADSHEET_FRACTION = re.compile(r"(\+?\d{7,})\.0{1,2}")
_LOST_DIGITS = 10**4
"""What a float that was read from scientific notation, as `2.12555E+09`, can be divided by. So can one true number in
10,000."""
_SCIENTIFIC = re.compile(r"\+?\d+(?:[.,]\d+)?[eE]\+?\d+")
_URI_SCHEME = re.compile(r"tel:", re.IGNORECASE)
PLAIN = re.compile(r"\+?[\d\s().\-/]+", re.ASCII)
"""A number in which no digit is hidden."""
_DOUBLE_ZERO = re.compile(r"\(?00\)?(?=[\s().-]*\d)")
_ALTERNATIVE_ENDING = re.compile(r"/\s*\d{1,2}$")
_LETTER = re.compile(r"[^\W\d_]")
_HIDING = re.compile(r"[*?^\u2022\u2026\u25cf\u2588]")
"""Signs that stand for digits, or for a doubt. Where numbers are of many lengths, as in Germany, what is left of a
masked number may be another person's."""
NOT_DIGITS = re.compile(r"\D+")


@dataclass(frozen=True, slots=True)
class ParsedNumber:
    """A number that may be dialed."""

    e164: str
    """`+` and 7 to 15 digits."""
    kind: LineKind
    zones: tuple[str, ...]
    """Every time zone in which the number may be at home; empty if none is known."""
    country: str | None
    """The country the number belongs to, as two letters; `None` for international services that belong to none."""


@dataclass(frozen=True, slots=True)
class NumberProblem:
    """Why there is no number to dial."""

    bucket: Bucket
    reason: str


def parse_number(
    raw: object, region: str | None = None, *, kinds: Collection[str] = DEFAULT_KINDS
) -> ParsedNumber | NumberProblem:
    """Read a phone number as tables hold it.

    Understood are texts with any punctuation, in any script's digits, with bidi marks, with `+`, `00` or the region's
    own prefix for calls abroad; numbers (`4155550123`), and what spreadsheets make of them (`4155550123.0`).

    Args:
        region: Two letters of the country in which a number without a country code is to be read. Not looked at
            for numbers that name their country.
        kinds: The kinds of line that may be called, see `LineKind`.

    Returns:
        The number, or a problem whose bucket is `NO_NUMBER`, `NOT_A_NUMBER`, `NO_REGION` or `WRONG_LINE`.

    Example:
        >>> parse_number("(415) 555-0123", "us").e164
        '+14155550123'
        >>> parse_number("(415) 555-0123").bucket
        <Bucket.NO_REGION: 'no_region'>
    """
    text = _text(raw)
    if isinstance(text, NumberProblem):
        return text
    found = _find(text, region)
    if isinstance(found, NumberProblem):
        return found
    number, kind = found
    if kind not in kinds:
        return NumberProblem(Bucket.WRONG_LINE, f"the number is a {kind.replace('_', ' ')} line")
    return ParsedNumber(
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164),
        kind,
        _zones(number, kind),
        _country_of(number),
    )


def region_code(text: str) -> str | None:
    """The two letters of a country, upper case, or `None` if `text` is no such code. `UK` is taken for `GB`."""
    code = text.strip().upper()
    code = _REGION_ALIASES.get(code, code)
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


def has_footnote(text: str) -> bool:
    """Whether a text holds a digit that is no part of a number: raised, lowered, in a circle, a fraction."""
    return not text.isascii() and any(unicodedata.category(character) == "No" for character in text)


def mask(e164: str) -> str:
    """A number as it may be shown: country code, five bullets, last four digits.

    Safe with any text: whoever was erased is shown as that; what is not E.164 loses all but its last four digits, and
    all of them if it is short.

    Example:
        >>> mask("+14155550123")
        '+1•••••0123'
    """
    if e164.startswith(PSEUDONYM):
        return ERASED
    plain = ascii_digits(e164).strip()
    digits = NOT_DIGITS.sub("", plain)
    country = ""
    if plain.startswith("+"):
        country = next((digits[:n] for n in (1, 2, 3) if _is_country_code(digits[:n])), "")
    tail = digits[-4:] if len(digits) - len(country) >= 7 else ""
    return f"{'+' if country else ''}{country}•••••{tail}"


def number_in_id(recipient_id: str, beside: str | None) -> str | None:
    """The number (E.164) that an id of ten to fifteen digits would be, or None.

    It is read as in the person's country, and if it is of more than ten digits without a sign between them, as if it
    lacked a plus sign.

    Args:
        beside: The person's number, E.164, if it is known.

    Example:
        >>> number_in_id("2125550123", "+12125550199")
        '+12125550123'
    """
    plain = ascii_digits(recipient_id).strip()
    digits = NOT_DIGITS.sub("", plain)
    if not 10 <= len(digits) <= 15 or PLAIN.fullmatch(plain) is None:
        return None
    home = None
    if beside is not None and isinstance(theirs := parse_number(beside, kinds=ALL_KINDS), ParsedNumber):
        home = theirs.country
    abroad = f"+{digits}" if len(digits) > 10 and plain == digits else ""
    for text, region in ((plain, home), (abroad, None)):
        if text and isinstance(found := parse_number(text, region, kinds=ALL_KINDS), ParsedNumber):
            return found.e164
    return None


def _text(raw: object) -> str | NumberProblem:
    """The cell as a text in ASCII digits."""
    if is_missing(raw):
        return NumberProblem(Bucket.NO_NUMBER, "no phone number")
    if not isinstance(raw, str):
        return _digits_of(raw)
    if len(raw) > LONGEST_TEXT:
        return _not_a_number("the text is too long for a phone number")
    if has_footnote(raw):
        return _not_a_number("the cell holds a raised or circled digit, which may be the mark of a footnote")
    text = ascii_digits(raw).strip()
    if not text:
        return NumberProblem(Bucket.NO_NUMBER, "no phone number")
    if (whole := _SPREADSHEET_FRACTION.fullmatch(text)) is not None:
        return whole[1]
    if _SCIENTIFIC.fullmatch(text) is not None:
        return _not_a_number("the number is in scientific notation, which loses digits; " + _AS_TEXT)
    return _URI_SCHEME.sub("", text, count=1) if text[:1] in "tT" else text


def _digits_of(raw: Any) -> str | NumberProblem:
    """A number that was stored as one."""
    if isinstance(raw, Unfit):
        return _not_a_number(f"the cell {raw.reason}")
    if getattr(raw, "ndim", None) == 0 and hasattr(raw, "item"):  # a data frame's own integer type
        raw = raw.item()
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal):
        return _not_a_number(f"the cell holds a value of type {type_name(raw)}")
    if not 0 < raw < _LARGEST or raw != int(raw):
        return _not_a_number("the cell holds a number that cannot be a phone number")
    exponent = raw.as_tuple().exponent if isinstance(raw, Decimal) else 0
    if (isinstance(exponent, int) and exponent > 0) or (isinstance(raw, float) and raw % _LOST_DIGITS == 0):
        return _not_a_number(
            "the cell holds a number that seems to have lost digits to scientific notation; " + _AS_TEXT
        )
    return str(int(raw))


def _find(text: str, region: str | None) -> tuple[PhoneNumber, LineKind] | NumberProblem:
    """The valid number in a text: as its region reads it, or with `00` for `+`, as most of the world writes it."""
    home = region_code(region) if region and not region.isspace() else None
    found = _read(text, home)
    if isinstance(found, NumberProblem) and (zeros := _DOUBLE_ZERO.match(text)) is not None:
        # In regions whose own prefix is another (011 in North America), tables hold 00 all the same.
        found = _read("+" + text[zeros.end() :], None)
    if isinstance(found, NumberProblem) and found.bucket is Bucket.NO_REGION and region and not region.isspace():
        reason = f"national number, and the region {quoted(region)} is not a two-letter country code such as US"
        return NumberProblem(Bucket.NO_REGION, reason)
    return found


def _read(text: str, home: str | None) -> tuple[PhoneNumber, LineKind] | NumberProblem:
    try:
        number = phonenumbers.parse(text, home)
    except NumberParseException as error:
        return _unreadable(text, error, home)
    if number.extension:
        return _not_a_number("the number has an extension, which a voice agent cannot dial")
    if _LETTER.search(text) is not None:
        return _not_a_number("the number has letters in it")
    if _HIDING.search(text) is not None:
        return _not_a_number("the cell holds a sign that may stand for digits")
    if _ALTERNATIVE_ENDING.search(text) is not None:
        return _not_a_number("the cell holds two numbers")
    kind = _KINDS.get(phonenumbers.number_type(number))
    if kind is None:
        wrong = _WRONG_LENGTH.get(phonenumbers.is_possible_number_with_reason(number))
        return _not_a_number(wrong or f"no such number is in use in country code +{number.country_code}")
    return number, kind


def _unreadable(text: str, error: NumberParseException, home: str | None) -> NumberProblem:
    if not any(character.isdigit() for character in text):
        return _not_a_number("the cell holds no digits")
    if error.error_type == NumberParseException.INVALID_COUNTRY_CODE:
        if home is None and not text.lstrip("( ").startswith("+"):
            return NumberProblem(Bucket.NO_REGION, "national number, and neither the row nor the source names a region")
        return _not_a_number("the number begins with a country code that does not exist")
    if error.error_type == NumberParseException.TOO_LONG:
        return _not_a_number("the number is too long")
    if error.error_type in (NumberParseException.TOO_SHORT_NSN, NumberParseException.TOO_SHORT_AFTER_IDD):
        return _not_a_number("the number is too short")
    return _not_a_number("the cell cannot be read as a phone number")


def _not_a_number(reason: str) -> NumberProblem:
    return NumberProblem(Bucket.NOT_A_NUMBER, reason)


def _zones(number: PhoneNumber, kind: LineKind) -> tuple[str, ...]:
    if kind in ("fixed_line", "fixed_line_or_mobile"):
        # Known to be valid and tied to a place: what `time_zones_for_number` would find out again, for 10 µs.
        zones = time_zones_for_geographical_number(number)
    else:
        zones = time_zones_for_number(number)
    return tuple(zone for zone in zones if zone != UNKNOWN_TIMEZONE)


def _country_of(number: PhoneNumber) -> str | None:
    """The country of a valid number. Where several share a country code the library tries them one by one (15 µs)."""
    national = str(number.national_number)
    if number.country_code != 1 or len(national) != 10:
        return _look_up_country(number)
    # In North America an area code is in one country, so that one look-up serves all its numbers.
    area_code = national[:3]
    if area_code not in _COUNTRY_OF_AREA_CODE:
        _COUNTRY_OF_AREA_CODE[area_code] = _look_up_country(number)
    return _COUNTRY_OF_AREA_CODE[area_code]


def _look_up_country(number: PhoneNumber) -> str | None:
    code = phonenumbers.region_code_for_number(number)
    return code if code in phonenumbers.SUPPORTED_REGIONS else None


def _is_country_code(digits: str) -> bool:
    return bool(digits) and int(digits) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE
