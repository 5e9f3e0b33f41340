"""The cells of one row, each read as what its column means; what cannot be read ends the row in its bucket."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from campaign.buckets import Bucket
from campaign.intake.call_terms import NO_TERMS, CallTerms, Consent, hours_named
from campaign.intake.cells import UnfitCell, basis_of, day_of, id_of, is_missing, json_value, quoted, text_of
from campaign.intake.recipients import BadRow, Columns
from campaign.time_zones import why_no_time_zone

_T = TypeVar("_T")

_LONGEST_ID = 200


class RowEnds(Exception):
    """A row that cannot be read further: it ends in this bucket, for this reason. All functions below raise it."""

    def __init__(self, bucket: Bucket, reason: str) -> None:
        self.bucket = bucket
        self.reason = reason


def cells_of(cells: object) -> Mapping[str, Any]:
    """The cells of a row, if it has any."""
    if isinstance(cells, BadRow):
        raise RowEnds(Bucket.BAD_ROW, cells.reason)
    if not isinstance(cells, Mapping):
        raise RowEnds(
            Bucket.BAD_ROW, f"a row has to map column names to values; this one is of type {type(cells).__name__}"
        )
    return cells


def text_in(cells: Mapping[str, Any], column: str | None, read: Callable[[Any], str] = text_of) -> str:
    """The text in a column; empty if there is no such column."""
    if column is None:
        return ""
    return cell_in(cells, column, read)


def cell_in(cells: Mapping[str, Any], column: str, read: Callable[[Any], _T]) -> _T:
    """What is in a column. An error names it."""
    try:
        return read(cells[column])
    except UnfitCell as error:
        raise RowEnds(Bucket.BAD_ROW, f"the column {quoted(column)} {error}") from None


def id_in(cells: Mapping[str, Any], columns: Columns) -> str:
    """The recipient's id, which every row needs."""
    recipient_id = text_in(cells, columns.id, id_of)
    if not recipient_id:
        raise RowEnds(Bucket.NO_ID, "no id")
    if len(recipient_id) > _LONGEST_ID:
        raise RowEnds(Bucket.BAD_ROW, f"the id is longer than {_LONGEST_ID} characters")
    return recipient_id


def time_zone_in(cells: Mapping[str, Any], columns: Columns) -> str | None:
    """A time zone that exists, if the row names one."""
    timezone = text_in(cells, columns.timezone)
    if timezone and (why := why_no_time_zone(timezone)):
        raise RowEnds(Bucket.UNKNOWN_TIME_ZONE, f"the time zone {quoted(timezone)} {why}")
    return timezone or None


def terms_in(cells: Mapping[str, Any], columns: Columns) -> CallTerms:
    """Where the person is within their country, when they want to be called, and what they consented to."""
    if not columns.has_terms:
        return NO_TERMS
    consent = None
    if columns.consent or columns.consent_at:
        basis = text_in(cells, columns.consent, basis_of) if columns.consent else None
        at = columns.consent_at
        day = None if at is None or is_missing(cells[at]) else cell_in(cells, at, day_of)
        consent = Consent(basis, day, dated=at is not None)
    hours = text_in(cells, columns.call_hours)
    return CallTerms(
        subdivision=text_in(cells, columns.subdivision) or None,
        hours=cell_in(cells, columns.call_hours, lambda _: hours_named(hours)) if columns.call_hours and hours else (),
        consent=consent,
    )


def params_in(cells: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """What the agent is to know of the person."""
    params = {param: cell_in(cells, name, json_value) for name, param in columns.params.items()}
    return {param: value for param, value in params.items() if value is not None}
