"""Choosing rows by what is owed and since when."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TypeVar

from campaign.intake.cells import UnfitCell, amount_of, day_of, is_missing

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class DueFilter:
    """Chooses rows by what is owed and since when.

    Attributes:
        as_of: The day from which days overdue are counted.
        min_days_overdue: At least so many days have passed since the due date; 0 takes what is due today, too.
        min_amount: At least so much is owed, in the source's own currency.
    """

    as_of: date
    min_days_overdue: int | None = None
    min_amount: Decimal | None = None

    def why_not(self, due_date: object, amount: object) -> str | None:
        """Why a row is left out, or `None` if it is chosen.

        Raises:
            UnfitCell: What has to be compared cannot be read.
        """
        if self.min_days_overdue is not None:
            if is_missing(due_date):
                return "no due date"
            overdue = (self.as_of - _named("due date", day_of, due_date)).days
            if overdue < self.min_days_overdue:
                return f"overdue for fewer than {self.min_days_overdue} days"
        if self.min_amount is not None:
            if is_missing(amount):
                return "no amount"
            if _named("amount", amount_of, amount) < self.min_amount:
                return f"amount below {self.min_amount}"
        return None


def _named(name: str, read: Callable[[object], _T], cell: object) -> _T:
    """Read a cell; an error says which."""
    try:
        return read(cell)
    except UnfitCell as error:
        raise UnfitCell(f"the {name} {error}") from None
