"""Whether two ways of writing a number mean one: asked when a call is looked for, and when a number is to be hidden.

How others write numbers is not known. Promises that in doubt two numbers are one where something is to be hidden, and
that they are taken for two only where that is sure when a phone could ring twice for it.
"""

import re
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, ValidationResult

from campaign.intake.numbers import LONGEST_TEXT, NOT_DIGITS, PLAIN
from campaign.intake.texts import ascii_digits

_ADDRESS_SCHEME = re.compile(r"(?:sips?|tel|callto):(?://)?", re.IGNORECASE)
_ADDRESS_END = re.compile(r"[@;?].*", re.DOTALL)
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")


def same_number(a: str, b: str) -> bool:
    """Whether two ways of writing may mean one number. In doubt yes.

    Only digits count, without the zeros in front; one has to end with the other, in at least seven digits. What
    surrounds a number in an address (`sip:`, `tel:`, a host, parameters) is no part of it.

    Example:
        >>> same_number("+442079460000", "020 7946 0000")
        True
    """
    first, second = _significant(_addressed(a)), _significant(_addressed(b))
    if len(first) < len(second):
        first, second = second, first
    return len(second) >= 7 and first.endswith(second)


def means_number(written: str | None, e164: str) -> bool | None:
    """Whether somebody else's way of writing a number means this one: asked when looking for a call already made.

    How others write numbers is not known, and a number that is wrongly taken for another makes a phone ring twice.
    So the answer is no only for what reads as one complete number that cannot come from this one, neither by leaving
    out digits or adding some nor by writing the beginning otherwise.

    Args:
        written: An international, national or local number, or an address with one in it; `None` if there is none.

    Returns:
        `None` if it cannot be told: digits are hidden, or there are fewer than seven, or letters among them.

    Example:
        >>> means_number("sip:+12125550123@198.51.100.7", "+12125550123")
        True
        >>> means_number("+1212***0123", "+12125550123") is None
        True
    """
    theirs, ours = _complete(written or ""), _complete(e164)
    if theirs is None or ours is None:
        return None
    longer, shorter = (theirs, ours) if len(theirs) > len(ours) else (ours, theirs)
    if longer.endswith(shorter):
        return True
    if _comes_from(longer, shorter):
        return None
    return False if longer[-7:] != shorter[-7:] or _is_another_subscriber(written or "", e164) else None


def _addressed(text: str) -> str:
    """What an address such as `sip:+12125550123@example.org;user=phone` dials."""
    dialed = _ADDRESS_SCHEME.sub("", ascii_digits(text[:LONGEST_TEXT]).strip(), count=1)
    return _ADDRESS_END.sub("", dialed).strip()


@lru_cache(maxsize=4096)
def _complete(written: str) -> str | None:
    """The digits of a number that shows all of them."""
    text = _addressed(written)
    digits = _significant(text) if PLAIN.fullmatch(text) is not None else ""
    return digits if len(digits) >= 7 else None


def _comes_from(digits: str, fewer: str) -> bool:
    """Whether leaving out some of the digits leaves the fewer."""
    rest = iter(digits)
    return all(digit in rest for digit in fewer)


def _is_another_subscriber(text: str, e164: str) -> bool:
    """Whether two numbers that end alike differ in their area or country, and not just in how they are dialed."""
    try:
        ours = phonenumbers.parse(e164)
        theirs = phonenumbers.parse(_addressed(text), phonenumbers.region_code_for_country_code(ours.country_code or 0))
    except NumberParseException:
        return False
    if phonenumbers.is_possible_number_with_reason(theirs) != ValidationResult.IS_POSSIBLE:
        return False
    if theirs.country_code != ours.country_code:
        return True
    mine, other = str(ours.national_number), str(theirs.national_number)
    return len(mine) == len(other) and mine != other


def _significant(text: str) -> str:
    return NOT_DIGITS.sub("", _TRUNK_ZERO.sub("", ascii_digits(text))).lstrip("0")
