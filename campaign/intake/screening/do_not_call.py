"""Do-not-call lists of any length."""

import re
from collections.abc import Container, Iterator

from campaign.intake.screening.duplicates import FirstRows
from campaign.intake.texts import ascii_digits

E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class DoNotCallList(Container[str]):
    """Numbers in E.164 and ids of people, any number of them, without keeping them in memory.

    Lists are typed, and pass through spreadsheets: an id is found whatever its case, dashes and digits, and with or
    without the zeros in front of a number. In doubt nobody is called.
    """

    def __init__(self) -> None:
        self._rows = FirstRows()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, number_or_id: object) -> bool:
        return isinstance(number_or_id, str) and self._rows.get(self._key(number_or_id)) is not None

    def __iter__(self) -> Iterator[str]:
        """All numbers, and ids as they are compared, in no order."""
        return (key if isinstance(key, str) else f"+{key}" for key in self._rows)

    def add(self, number_or_id: str) -> None:
        """Put a number or an id in."""
        self._rows.setdefault(self._key(number_or_id), 1)

    @staticmethod
    def _key(number_or_id: str) -> str | int:
        return number_key(number_or_id) if E164.fullmatch(number_or_id) else alike(number_or_id)


def alike(recipient_id: str) -> str:
    """The form that ids share which a person, or a spreadsheet, may take for one."""
    plain = ascii_digits(recipient_id).casefold().strip()
    return (plain.lstrip("0") or "0") if plain.isdigit() else plain


def number_key(e164: str) -> int:
    """A number as the integer that it takes least room as."""
    return int(e164[1:])
