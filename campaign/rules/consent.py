"""Which consent counts: how it was given, and how long ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from campaign.intake import ColumnMapping, Consent, SourceError, quoted
from campaign.time_zones import is_time_zone, time_zone


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """What a policy asks of a person's consent.

    Attributes:
        required: Whether nobody is called of whose consent the rows say nothing.
        bases: What counts, each as `plain_basis` writes it.
        max_days: How old it may be; any age if None.
    """

    required: bool = False
    bases: frozenset[str] = frozenset()
    max_days: int | None = None

    def check_columns(self, columns: ColumnMapping) -> None:
        """Make sure that the rows say what this asks for.

        Raises:
            SourceError: No column is named that could. Nobody was called.
        """
        if self.max_days is not None and columns.consent_at is None:
            raise SourceError(
                "the calling policy asks how old each person's consent is (`consent_max_days`), but the source's "
                "`columns` do not say which one is the `consent_at`"
            )
        if self.required and columns.consent is None and columns.consent_at is None:
            raise SourceError(
                "the calling policy asks for each person's consent (`require_consent`), but the source's `columns` do "
                "not say which one is the `consent` or the `consent_at`"
            )

    def why_not(self, consent: Consent | None, at: datetime, zones: Sequence[str]) -> str | None:
        """Why nobody calls this person at a moment, as a clause; None if their consent counts, or none is asked for."""
        if consent is None:
            return "nothing says that they agreed to be called" if self.required or self.max_days is not None else None
        if consent.basis == "":
            return "no consent is noted in the row"
        if consent.basis is not None and plain_basis(consent.basis) not in self.bases:
            return f"the consent noted is {quoted(consent.basis)}, which the policy's `consent_bases` do not name"
        if consent.day is None:
            needed = consent.dated or self.max_days is not None
            return "no date of their consent is noted in the row" if needed else None
        today = _today(at, zones)
        if consent.day > today:
            return f"the date of their consent, {consent.day}, is in the future"
        if self.max_days is not None and (today - consent.day).days > self.max_days:
            return f"their consent of {consent.day} is more than {self.max_days} days old"
        return None


NO_CONSENT_NEEDED = ConsentRule()


def plain_basis(text: str) -> str:
    """A basis without its style: `Opt-In`, `opt_in` and `opt in` are one."""
    return " ".join(text.casefold().replace("_", " ").replace("-", " ").split()).strip(".")


def _today(at: datetime, zones: Sequence[str]) -> date:
    """The latest date that it may be at the callee's place."""
    known = (zone for zone in zones if is_time_zone(zone))
    return max((at.astimezone(time_zone(zone)).date() for zone in known), default=at.astimezone(UTC).date())
