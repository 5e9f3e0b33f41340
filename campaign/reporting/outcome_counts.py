"""What people said, counted: each outcome field by value, by sum and median, or by how many answered in words.

Promises to show nobody's own words or numbers, and memory that does not grow with the campaign. What agents extract has
no declared types, so a field is read by its values: short ones that come again and again are choices, others are words.
"""

import math
import random
import re
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict

from campaign.agent import CALL_KEY
from campaign.intake import ascii_digits
from campaign.reporting.masking import masked_outcome

MOST_FIELDS = 40
"""Outcome fields that are counted, and that get a column of their own; agents have a handful."""

MOST_CHOICES = 12
"""Different answers to one question that are shown; the rest are counted together."""

MOST_DIFFERENT = 100
"""Different answers after which a field is taken for words."""

LONGEST_CHOICE = 40
"""Characters of an answer that may be one of several to choose from."""

SAMPLE = 10_000
"""Numbers of a field that are kept for its median; of more than that, a random sample."""

LONG_NUMBER = 10**7
"""Whole numbers from here on may be somebody's phone, account or id: they are shown in no sum."""

_DEPTH = 3
_YES = frozenset({"yes", "y", "true", "نعم"})
_NO = frozenset({"no", "n", "false", "لا"})
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[T ]\d{2}:.*)?")
_CODE = re.compile(r"[a-z]+(?:[_-][a-z]+)*|[A-Z]+(?:[_-][A-Z]+)*")
"""A value as programs name it. It is no person's own words, even when it comes once."""


class NumberCounts(BaseModel):
    """The numbers that people gave. The median is estimated from a sample when there are very many."""

    model_config = ConfigDict(frozen=True)

    count: int
    sum: float
    median: float
    lowest: float
    highest: float


class OutcomeCounts(BaseModel):
    """The answers to one outcome field.

    Attributes:
        answers: Calls in which the field had a value.
        choices: Answers by value, `yes` and `no` first, then the most frequent.
        other_choices: Short answers that were too rare to be shown, or one too many.
        earliest: The first day that was given.
        dates: How many days were given.
        in_words: Answers in free text, which are not shown.
    """

    model_config = ConfigDict(frozen=True)

    answers: int = 0
    choices: dict[str, int] = {}
    other_choices: int = 0
    numbers: NumberCounts | None = None
    earliest: date | None = None
    latest: date | None = None
    dates: int = 0
    in_words: int = 0


class OutcomeTally:
    """Counts outcomes as they come.

    Attributes:
        heard: Calls that left an outcome.
    """

    def __init__(self) -> None:
        self.heard = 0
        self._fields: dict[str, _Field] = {}

    def add(self, outcome: Mapping[str, Any] | None, phone: str) -> None:
        """Count what was extracted from one call.

        Args:
            outcome: Its fields, or None.
            phone: The callee's number, E.164, which is not counted, however a field holds it.
        """
        fields = outcome_fields(outcome, phone)
        if not fields:
            return
        self.heard += 1
        for name, value in fields.items():
            if name not in self._fields and len(self._fields) >= MOST_FIELDS:
                continue
            self._fields.setdefault(name, _Field()).add(value)

    def counts(self) -> dict[str, OutcomeCounts]:
        """What was counted, by field, in the order in which the fields first came."""
        return {name: field.counts() for name, field in self._fields.items()}


def outcome_fields(outcome: Mapping[str, Any] | None, phone: str) -> dict[str, Any]:
    """The fields of an outcome that have a value, numbers masked; one within another is named `payment.amount`."""
    return flat_fields(masked_outcome(outcome, phone) or {})


def flat_fields(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """The same of an outcome whose numbers are masked already."""
    return {name: value for name, value in _flat(outcome, "", _DEPTH) if name != CALL_KEY}


def _flat(fields: Mapping[Any, Any], prefix: str, depth: int) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if value in (None, "", [], {}):
            continue
        if isinstance(value, Mapping) and depth > 1:
            yield from _flat(value, f"{prefix}{name}.", depth - 1)
        else:
            yield f"{prefix}{name}"[:100], value


class _Field:
    """One field's answers so far."""

    def __init__(self) -> None:
        self._answers = 0
        self._plain: Counter[str] = Counter()
        self._choices: Counter[str] | None = Counter()
        self._spelled: dict[str, str] = {}
        self._in_words = 0
        self._numbers = _Numbers()
        self._days: list[date] = []
        self._dates = 0

    def add(self, value: Any) -> None:
        """Count one call's answer. Of a list, each of its items is one."""
        self._answers += 1
        for item in value if isinstance(value, list) else [value]:
            self._add_one(item)

    def _add_one(self, value: Any) -> None:
        if isinstance(value, bool):
            self._plain["yes" if value else "no"] += 1
        elif isinstance(value, int | float):
            self._add_number(value)
        elif isinstance(value, str):
            self._add_text(" ".join(value.split()))
        else:
            self._in_words += 1

    def _add_text(self, text: str) -> None:
        folded = text.strip(".").casefold()
        digits = ascii_digits(text)
        if folded in _YES or folded in _NO:
            self._plain["yes" if folded in _YES else "no"] += 1
        elif len(digits) <= LONGEST_CHOICE and _NUMBER.fullmatch(digits):
            self._add_number(float(digits))
        elif (found := _DATE.fullmatch(digits)) and (day := _day(found[1])) is not None:
            self._days = [min([*self._days, day]), max([*self._days, day])]
            self._dates += 1
        elif _may_be_choice(text) and self._choices is not None:
            self._spelled.setdefault(folded, text)
            self._choices[folded] += 1
            if len(self._choices) > MOST_DIFFERENT:
                self._in_words += self._choices.total()
                self._choices, self._spelled = None, {}
        else:
            self._in_words += 1

    def _add_number(self, value: float) -> None:
        if abs(value) >= LONG_NUMBER or not math.isfinite(value):
            self._in_words += 1
        else:
            self._numbers.add(float(value))

    def counts(self) -> OutcomeCounts:
        """What they come to."""
        choices, others, in_words = self._shown_choices()
        return OutcomeCounts(
            answers=self._answers,
            choices={**{word: self._plain[word] for word in ("yes", "no") if self._plain[word]}, **choices},
            other_choices=others,
            numbers=self._numbers.counts(),
            earliest=self._days[0] if self._days else None,
            latest=self._days[1] if self._days else None,
            dates=self._dates,
            in_words=self._in_words + in_words,
        )

    def _shown_choices(self) -> tuple[dict[str, int], int, int]:
        """Which values are shown, how many answers had others, and how many are taken for words."""
        found = self._choices or Counter[str]()
        total = found.total()
        known = sum(count for word, count in found.items() if count > 1 or _CODE.fullmatch(self._spelled[word]))
        if 2 * known < total + self._in_words:
            return {}, 0, total
        # What somebody said alone, and in several words, may be about that person.
        shown = [(word, n) for word, n in found.most_common() if n > 1 or " " not in word][:MOST_CHOICES]
        choices = {self._spelled[word].replace("_", " "): count for word, count in shown}
        return choices, total - sum(choices.values()), 0


class _Numbers:
    """Numbers that are added up, with a sample of them."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0.0
        self._lowest = math.inf
        self._highest = -math.inf
        self._sample = array("d")
        self._chance = random.Random(0)

    def add(self, value: float) -> None:
        self._count += 1
        self._sum += value
        self._lowest = min(self._lowest, value)
        self._highest = max(self._highest, value)
        if len(self._sample) < SAMPLE:
            self._sample.append(value)
        elif (place := self._chance.randrange(self._count)) < SAMPLE:
            self._sample[place] = value

    def counts(self) -> NumberCounts | None:
        if not self._count:
            return None
        return NumberCounts(
            count=self._count,
            sum=round(self._sum, 6),
            median=median(self._sample),
            lowest=self._lowest,
            highest=self._highest,
        )


def _may_be_choice(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return len(text) <= LONGEST_CHOICE and digits <= 3 and len(text.split()) <= 5 and not set("•@") & set(text)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
