"""Hides phone numbers in what a call left behind, before it is shown: the callee's own, and others in an outcome.

Promises to leave alone whatever is not a phone number, and never to fail, whatever Hamsa's JSON holds.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from campaign.intake import BETWEEN_DIGITS, ERASED, PSEUDONYM, ascii_digits, mask, number_in_id, same_number

_DIGITS = re.compile(r"\D+")
# Whatever may be a phone number, with anything that people write between its digits.
_NUMBER_LIKE = re.compile(rf"\+?[\s(]*\d(?:{BETWEEN_DIGITS}\d){{6,}}")
_FEWEST_DIGITS = 7
_INTERNATIONAL = range(8, 16)
_NUMBERS = (10**6, 10**18)
"""Between these, a number of JSON may be a phone number that was stored as one."""

Hide = Callable[[str], str]
"""Gives a text back with numbers masked."""


def hider(phone: str, *, others: bool = False) -> Hide:
    """Make the function that masks a number in a text, however the text writes it.

    Args:
        phone: E.164.
        others: Mask every other number in international form, with a plus sign, too.
    """
    digits = _DIGITS.sub("", phone)
    masked_phone = mask(phone)

    def hide_run(found: re.Match[str]) -> str:
        run = found.group()
        start = len(run) - len(run.lstrip())
        if same_number(phone, run):
            return run[:start] + masked_phone
        written = _DIGITS.sub("", run)
        if others and run.lstrip().startswith("+") and len(written) in _INTERNATIONAL:
            return run[:start] + mask(f"+{written}")
        return run

    def hide(text: str) -> str:
        plain = ascii_digits(text)
        shown = plain
        if digits and digits in _DIGITS.sub("", plain):
            # The number amid other digits, with or without its country code's plus sign or two zeros.
            shown = re.sub(r"(?:\+|\b00)?" + BETWEEN_DIGITS.join(digits), masked_phone, plain)
        shown = _NUMBER_LIKE.sub(hide_run, shown)
        return text if shown == plain else shown

    return hide


def masked(value: Any, hide: Hide) -> Any:
    """A copy of JSON-like data in which `hide` went over every text, and over numbers that may be phone numbers."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(name) if isinstance(name, str) else name: masked(item, hide) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item, hide) for item in value]
    if isinstance(value, int | float) and _NUMBERS[0] <= value < _NUMBERS[1]:
        written = f"{value:.0f}"
        shown = hide(written)
        return value if shown == written else shown
    return value


def masked_outcome(outcome: Mapping[str, Any] | None, phone: str) -> dict[str, Any] | None:
    """What an agent extracted, as it may be shown: without the callee's number, and without anybody else's.

    Args:
        outcome: Its fields, or None.
        phone: The callee's number, E.164.
    """
    return None if outcome is None else masked(outcome, hider(phone, others=True))


def shown_id(recipient_id: str | None, phone: str | None) -> str:
    """A recipient's id as it may be shown: some systems know people by their phone numbers.

    Masked is an id that is the person's own number or any number in international form, and one of ten digits or more
    that would be a phone number in the person's country, or if a plus sign were put before it.

    Args:
        recipient_id: The id, or None.
        phone: The person's number, E.164, or None.

    Example:
        >>> shown_id("212-555-0123", "+12125550123")
        '+1•••••0123'
    """
    if recipient_id is not None and recipient_id.startswith(PSEUDONYM):
        return ERASED
    if recipient_id is None or sum(map(str.isdigit, recipient_id)) < _FEWEST_DIGITS:
        return recipient_id or ""
    shown = hider(phone or "", others=True)(recipient_id)
    if shown == recipient_id and (number := number_in_id(recipient_id, phone)) is not None:
        return mask(number)
    return shown
