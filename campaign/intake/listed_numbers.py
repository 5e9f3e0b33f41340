"""Every number that a cell of a do-not-call list names: two in one cell, with a label, with an extension.

Whoever is on such a list must not be rung, so here a cell is taken apart that a list of people to call would refuse.
Promises that what comes back is all that the cell names; if a digit is left that nothing explains, it says so instead.
"""

import re

from campaign.buckets import Bucket
from campaign.intake.numbers import ALL_KINDS, NumberProblem, ParsedNumber, has_footnote, parse_number
from campaign.intake.texts import ascii_digits

_LONGEST = 2000
# An extension hangs on a number: whoever is blocked, is blocked at the number without it.
_EXTENSION = re.compile(
    r"(?<=\d)[\s,;(]*(?:(?:extension|extn?|ext|app|int|poste|durchwahl|доб|x)[\s.:=#\-]*|#\s*|(?<=,,))\d{1,6}(?!\d)\)?",
    re.IGNORECASE,
)
# One number, with what people write between its digits. A second plus sign begins another.
_NUMBER = re.compile(r"(?:\+[ \t(]*|\((?=[ \t(]*\d))?\d(?:[ \t().\-]*\d)*")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
# Between two numbers these say "all that lies between".
_RANGE = re.compile(
    r"[\s()]*(?:-+|~+|\.{2,}|…|→|[-=]*>|to|thru|through|until|till|bis|à|a|al|до|إلى|حتى)[\s()]*", re.IGNORECASE
)
# Beside a number these stand for digits that are not shown.
_WILD = re.compile(
    r"[*?%#~^\u2022\u2026\u25cf\u2588]|\.{2,}|(?<![^\W\d_])x{2,}(?![^\W\d_])|\bff?\b|\b(?:and|et|und)\s+(?:up|above|following|suiv|folgende)",
    re.IGNORECASE,
)


def numbers_named(cell: object, region: str | None) -> list[str] | NumberProblem:
    """Read all numbers in a cell of a list.

    Args:
        cell: As the source gives it.
        region: Two letters of the country of national numbers.

    Returns:
        The numbers in E.164, at least one; or why not all of them can be read. Bucket `NO_NUMBER` means that the cell
        holds nothing, or words without a digit.

    Example:
        >>> numbers_named("+1 212 555 0153 / +1 212 555 0154 (home)", None)
        ['+12125550153', '+12125550154']
    """
    if isinstance(cell, list | tuple) and cell:  # an array of a database
        return _together([numbers_named(each, region) for each in cell])
    whole = parse_number(cell, region, kinds=ALL_KINDS)
    if isinstance(whole, ParsedNumber):
        if isinstance(cell, str) and _WILD.search(cell) is not None:
            return NumberProblem(Bucket.NOT_A_NUMBER, "the cell holds a number and a sign that may stand for others")
        return [whole.e164]
    if whole.bucket is Bucket.NO_NUMBER or not isinstance(cell, str):
        return whole
    text = ascii_digits(cell)
    if has_footnote(cell):
        return whole
    if not any(character.isdigit() for character in text):
        return NumberProblem(Bucket.NO_NUMBER, whole.reason)
    if len(text) > _LONGEST:
        return whole
    return _taken_apart(_TRUNK_ZERO.sub(" ", _EXTENSION.sub(" ", text)), region, whole)


def numbers_among(text: str, region: str | None) -> list[str]:
    """The numbers that can be read in a text which need not hold any, such as a note; what cannot be read is left.

    Without a region, only those with a plus sign: other digits may be an account's.

    Example:
        >>> numbers_among("asked on 3 May 2026, also for +1 212 555 0154", None)
        ['+12125550154']
    """
    if len(text) > _LONGEST:
        return []
    runs = (run[0].rstrip() for run in _NUMBER.finditer(_EXTENSION.sub(" ", ascii_digits(text))))
    found = (parse_number(run, region, kinds=ALL_KINDS) for run in runs if region or run.startswith("+"))
    return [number.e164 for number in found if isinstance(number, ParsedNumber)]


def _together(found: list[list[str] | NumberProblem]) -> list[str] | NumberProblem:
    problem = next((each for each in found if isinstance(each, NumberProblem)), None)
    return problem or [number for each in found if isinstance(each, list) for number in each]


def _taken_apart(text: str, region: str | None, whole: NumberProblem) -> list[str] | NumberProblem:
    numbers: list[str] = []
    end = 0
    for run in _NUMBER.finditer(text):
        between = text[end : run.start()]
        touching = bool(numbers) and not between.strip() and "\n" not in between and run[0][0] != "+"
        if touching or _RANGE.fullmatch(between) is not None or _WILD.search(between) is not None:
            return whole
        found = parse_number(run[0].rstrip(), region, kinds=ALL_KINDS)
        if isinstance(found, NumberProblem):
            return found if found.bucket is Bucket.NO_REGION and "+" not in text else whole
        numbers.append(found.e164)
        end = run.end()
    return whole if not numbers or _WILD.search(text[end:]) is not None else numbers
