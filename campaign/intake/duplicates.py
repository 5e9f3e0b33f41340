"""Which row was the first with a key: what finds duplicates among any number of rows, in some 30 bytes a key.

A `dict[int, int]` of 100,000 numbers takes 12 MB at rest and 14 MB while it grows, and a campaign needs two of them;
here it is 3 MB and 5 MB, because keys and rows lie side by side in two arrays: a hash table with open addressing. It
costs two microseconds more a row. Keys are integers other than 0 and are compared exactly.
"""

from array import array
from collections.abc import Iterator

_SPREAD = 0x9E3779B97F4A7C15
"""Odd and without a pattern (2**64 divided by the golden ratio): consecutive phone numbers land far from each other."""
_WORD = 2**64 - 1


class FirstRows:
    """Remembers, for each key, the number of the row that had it first."""

    __slots__ = ("_bits", "_count", "_keys", "_rows")

    def __init__(self) -> None:
        self._bits = 10
        self._count = 0
        self._keys, self._rows = _empty(self._bits)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[int]:
        """All keys, in no order."""
        return (key for key in self._keys if key)

    def get(self, key: int) -> int | None:
        """The row that had `key` first, or `None`."""
        slot = self._slot(key)
        return self._rows[slot] if self._keys[slot] else None

    def setdefault(self, key: int, row: int) -> int:
        """The row that had `key` first: `row` itself, if none had it before.

        Args:
            key: From 1 to 2**64 - 1.
            row: From 0 to 2**32 - 1.
        """
        slot = self._slot(key)
        if self._keys[slot]:
            return self._rows[slot]
        self._rows[slot] = row
        self._keys[slot] = key
        self._count += 1
        if self._count * 3 > len(self._keys) * 2:
            self._grow()
        return row

    def _slot(self, key: int) -> int:
        """Where `key` is, or the empty place where it belongs."""
        keys = self._keys
        slot = (key * _SPREAD & _WORD) >> (64 - self._bits)
        while (there := keys[slot]) and there != key:
            slot = slot + 1 if slot + 1 < len(keys) else 0
        return slot

    def _grow(self) -> None:
        keys, rows = self._keys, self._rows
        self._bits += 1
        self._keys, self._rows = _empty(self._bits)
        for key, row in zip(keys, rows, strict=True):
            if key:
                slot = self._slot(key)
                self._keys[slot] = key
                self._rows[slot] = row


def _empty(bits: int) -> "tuple[array[int], array[int]]":
    return array("Q", [0]) * (1 << bits), array("I", [0]) * (1 << bits)
