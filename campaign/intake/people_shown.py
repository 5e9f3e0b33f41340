"""Who was shown to the person who approves a run: a set of recipients that is small enough to be kept for a million.

Promises that a recipient is in it if the very same id and number were shown, and for practical purposes only then: each
is kept as eight bytes of a hash.
"""

import hashlib
import sys
from array import array
from bisect import bisect_left
from collections.abc import Iterable

from campaign.intake.recipients import Recipient


class PeopleShown:
    """A set of recipients of one campaign.

    Args:
        campaign: Its name: the same person is kept otherwise for another one.
        kept: What `as_bytes` gave.
    """

    def __init__(self, campaign: str, kept: bytes = b"") -> None:
        self._key = hashlib.blake2b(campaign.encode(errors="surrogatepass"), digest_size=32).digest()
        self._digests = array("Q", kept)
        if sys.byteorder == "big":
            self._digests.byteswap()
        self._in_order = True

    def add(self, people: Iterable[Recipient]) -> None:
        """Show some more."""
        self._digests.extend([self._digest(person.id, person.phone) for person in people])
        self._in_order = False

    def remove(self, people: Iterable[tuple[str, str]]) -> bool:
        """Take some out again, by their ids and numbers. Returns whether any of them was shown."""
        gone = {self._digest(*person) for person in people}.intersection(self._digests)
        if gone:
            self._digests = array("Q", [digest for digest in self._digests if digest not in gone])
        return bool(gone)

    def __contains__(self, person: Recipient) -> bool:
        digests, digest = self.digests, self._digest(person.id, person.phone)
        place = bisect_left(digests, digest)
        return place < len(digests) and digests[place] == digest

    def __len__(self) -> int:
        return len(self.digests)

    def missing_from(self, others: "PeopleShown") -> int:
        """How many of these are not among the others."""
        theirs = frozenset(others.digests)
        return sum(digest not in theirs for digest in self.digests)

    def as_bytes(self) -> bytes:
        """To be kept, the same for the same people in whichever order they came."""
        digests = array("Q", self.digests)
        if sys.byteorder == "big":
            digests.byteswap()
        return digests.tobytes()

    @property
    def digests(self) -> "array[int]":
        """The hashes, in order, each once."""
        if not self._in_order:
            self._digests = array("Q", sorted(frozenset(self._digests)))
            self._in_order = True
        return self._digests

    @property
    def fingerprint(self) -> str:
        """A few letters that differ for another list."""
        return hashlib.blake2b(self.as_bytes(), digest_size=6).hexdigest()

    def _digest(self, recipient_id: str, phone: str) -> int:
        said = f"{recipient_id}\0{phone}".encode(errors="surrogatepass")
        return int.from_bytes(hashlib.blake2b(said, digest_size=8, key=self._key).digest())
