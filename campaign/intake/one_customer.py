"""One customer, as people write of them: a number, or an id."""

import re
from collections.abc import Collection

from campaign.intake.cells import id_of
from campaign.intake.numbers import ALL_KINDS, NumberProblem, parse_number
from campaign.intake.recipients import SourceError
from campaign.intake.same_numbers import same_number
from campaign.intake.texts import BETWEEN_DIGITS, ERASED, ascii_digits

_SHORTEST_ID = 4
_NUMBER_LIKE = re.compile(rf"\+?\(?\d(?:{BETWEEN_DIGITS}\d){{6,}}")


def id_or_number(customer: str, region: str = "") -> tuple[str | None, str | None]:
    """Read who is meant: what begins with a plus sign, or comes with a region, is a number, anything else an id.

    Returns:
        The number (E.164) and the id; one of them is None.

    Raises:
        SourceError: It is meant as a number, and is none.
    """
    text = customer.strip()
    if not region and not text.startswith("+"):
        return None, id_of(text)
    number = parse_number(text, region or None, kinds=ALL_KINDS)
    if isinstance(number, NumberProblem):
        raise SourceError(
            f"The customer is not a phone number ({number.reason}): write it as in +12125550123, or an id."
        )
    return number.e164, None


def without_person(text: str, phones: Collection[str], ids: Collection[str]) -> str:
    """A text that names somebody no more, neither by a number, however it is written, nor by an id.

    Args:
        text: What people wrote.
        phones: E.164.
        ids: Those of fewer than four characters are left: they are words and counts as well.

    Example:
        >>> without_person("c-1042 wrote from +1 (212) 555-0123", {"+12125550123"}, {"c-1042"})
        'erased wrote from erased'
    """
    plain = ascii_digits(text)

    def erased(run: re.Match[str]) -> str:
        return ERASED if any(same_number(phone, run[0]) for phone in phones) else run[0]

    shown = _NUMBER_LIKE.sub(erased, plain)
    text = text if shown == plain else shown
    for each in sorted(ids, key=len, reverse=True):
        if len(each) >= _SHORTEST_ID:
            text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", ERASED, text)
    return text
