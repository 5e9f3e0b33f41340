"""Recognizing our keys in what Hamsa gives back of a call, however they are written there.

Promises that what is found is one of ours for certain: a key is 32 random digits, which nothing else can be. That none
is found means nothing: a key may come late, or not at all.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hamsa.models import JobRecord
from hamsa.redaction import decoded

KEY_LENGTH = 32

SHORTEST_CUT = 16
"""So many digits of a key that was cut off are still nobody else's."""

_DIGITS = re.compile(rf"[0-9a-f]{{{SHORTEST_CUT},}}")

_LONGEST_RUN = 256
"""Longer runs of digits are no keys, whatever they are."""


@dataclass(frozen=True, slots=True)
class ShownKeys:
    """What in a record may be a key: in whatever field, padded, quoted, in capitals, or cut off.

    Attributes:
        whole: Everything that is as long as a key.
        cut: What is shorter, but stands where a key belongs.
    """

    whole: frozenset[str] = frozenset()
    cut: frozenset[str] = frozenset()

    def hold(self, call_key: str) -> bool:
        """Whether this key is among them."""
        key = call_key.casefold()
        return key in self.whole or any(key.startswith(cut) or key.endswith(cut) for cut in self.cut)


def shown_keys(record: JobRecord) -> ShownKeys:
    """Find what may be a key in a record."""
    whole: set[str] = set()
    cut: set[str] = set()
    for name, text in _texts(record.as_json()):
        plain = text.casefold().replace("-", "")  # a key may be written as the UUID that it looks like
        for run in _DIGITS.findall(plain):
            if len(run) >= KEY_LENGTH:
                whole |= {run[at : at + KEY_LENGTH] for at in range(min(len(run), _LONGEST_RUN) - KEY_LENGTH + 1)}
            elif re.sub(r"[^a-z]", "", name.casefold()) == "callkey":
                cut.add(run)
    return ShownKeys(frozenset(whole), frozenset(cut))


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every text in JSON-like data, with the name that it goes by."""
    value = decoded(value)
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, str(key))
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member, name)
