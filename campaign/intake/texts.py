"""Texts from outside without what nobody sees: one form for all that looks alike, whoever typed it.

Two ids that look alike must be one person, a name of nothing must be no name, and a phone number must be found, read
and masked whatever dashes, blanks and digits it is written with. `ascii_digits` is what every reading and every mask
of a number begins with.
"""

import re
import unicodedata

from hamsa.plain_digits import BETWEEN_DIGITS, ascii_digits

__all__ = ["BETWEEN_DIGITS", "ERASED", "PSEUDONYM", "ascii_digits", "clean", "without_numbers"]

ERASED = "erased"
"""What is shown of somebody who was erased."""

PSEUDONYM = "erased:"
"""How begins what stands in the ledger for the number or the id of somebody who was erased."""

# Control characters (but for line feed and tab); lone surrogates, which no UTF-8 can hold; marks that only say how a
# text is painted, and can disguise it; spaces of no width; what is to be ignored by definition.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
# The two joiners are invisible too, but Persian, Hindi and emoji are not written without them: they stay between signs
# of such scripts, and after the sign that in Indian scripts takes a vowel away.
_JOINING = "[\u0590-\u1dff\u2190-\U0010ffff]"
_JOINERS = re.compile(
    f"(?<!{_JOINING})[\u200c\u200d]+|[\u200c\u200d]+(?!{_JOINING})|(?<=[\u200c\u200d])[\u200c\u200d]+"
)
_VIRAMA = 9
# Chooses between two looks of a sign; beside letters and digits it chooses nothing.
_LOOKS = re.compile("(?<![\u1800-\u18af\u2010-\ufdff\ufe10-\U0010ffff\u00a9\u00ae])[\ufe00-\ufe0f](?!\u20e3)")
_BLANKS = " \t\n\r\x0b\x0c\x1c-\x1f\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
# Letters that show nothing, and what may stand at either end of a text without being seen.
_UNSEEN = f"[{_BLANKS}\u115f\u1160\u200c\u200d\u2800\u3164\uffa0]+"
_EDGE = re.compile(rf"\A{_UNSEEN}|{_UNSEEN}\Z")

_MANY_DIGITS = re.compile(rf"\d(?:{BETWEEN_DIGITS}\d){{6,}}")


def clean(text: str) -> str:
    """`text` as it is seen: without invisible characters and blanks around it, each sign in one form (NFC)."""
    if text.isascii():
        return (text if text.isprintable() else _INVISIBLE.sub("", text)).strip()
    while True:  # what is taken out may leave something bare; nearly always once is enough
        seen = _JOINERS.sub(_kept_joiner, _LOOKS.sub("", _INVISIBLE.sub("", text)))
        seen = _EDGE.sub("", unicodedata.normalize("NFC", seen))
        if seen == text:
            return seen
        text = seen


def without_numbers(text: str) -> str:
    """`text` with every run of seven digits or more hidden, however they are written: it may be a phone number."""
    plain = ascii_digits(text)
    shown = _MANY_DIGITS.sub(lambda run: re.sub(r"\d", "•", run[0]), plain)
    return text if shown == plain else shown


def _kept_joiner(found: re.Match[str]) -> str:
    before = found.string[found.start() - 1] if found.start() else ""
    follows_virama = bool(before) and unicodedata.combining(before) == _VIRAMA
    return found[0][0] if follows_virama else ""
