"""Texts in which a phone number can be found, however it is written: what every mask and every reading begins with.

Dashes, blanks and digits come in many forms, such as the hyphen of text processors that keeps a line together, and a
number that is not seen is shown in full.
"""

import unicodedata

_SIGNS = {"\u2212": "-", "\u02d7": "-", "\u2043": "-", "\u00b7": ".", "\u2027": ".", "\u30fb": "."}
_SIGNS |= {"\u2044": "/", "\u2215": "/", "\u2028": "\n", "\u2029": "\n"}

BETWEEN_DIGITS = r"[\s().\-/_\u2022\u2219|]*"
"""What people write between the digits of one number, in a text that went through `ascii_digits`."""


def ascii_digits(text: str) -> str:
    """`text` with the digits of every script as 0-9, dashes, blanks and full-width signs as plain ones.

    Invisible marks are left out.
    """
    if text.isascii():
        return text
    kept = []
    for character in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(character)
        if category == "Nd":
            kept.append(str(unicodedata.decimal(character)))
        elif category == "Pd":
            kept.append("-")
        elif category == "Zs":
            kept.append(" ")
        elif category != "Cf":
            kept.append(_SIGNS.get(character, character))
    return "".join(kept)
