"""From rows to recipients: each upstream row becomes somebody to call, or lands in a bucket with its reason.

Promises exactly one result for each row and never an exception, whatever the row holds; and that a reason, which ends
in reports, never holds a phone number. Nothing here knows the hour or the ledger: rules and history are asked later.

Which row had each number and each id first is remembered on disk, so memory does not grow with the rows.
"""

import logging
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from campaign.agent import CALL_KEY, reserved_names
from campaign.buckets import Bucket
from campaign.intake.cells import UnfitCell, id_of, is_plain_yes, is_word_for_yes, is_yes, quoted
from campaign.intake.column_names import may_be_phone_column
from campaign.intake.listed_numbers import numbers_among, numbers_named
from campaign.intake.numbers import DEFAULT_KINDS, NumberProblem, ParsedNumber, parse_number
from campaign.intake.recipients import BadRow, ColumnMapping, Columns, Recipient
from campaign.intake.screening.column_check import CALL_KEY_TAKEN, check_columns
from campaign.intake.screening.do_not_call import E164, number_key
from campaign.intake.screening.due_filter import DueFilter
from campaign.intake.screening.duplicates import FirstRows, SpoolUnwritable
from campaign.intake.screening.row_cells import (
    RowEnds,
    cell_in,
    cells_of,
    id_in,
    params_in,
    terms_in,
    text_in,
    time_zone_in,
)

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_LAYOUTS_KEPT = 32
"""Column lists remembered per source. Rows of one query or file share one; mappings from elsewhere may differ."""


@dataclass(frozen=True, slots=True)
class Bucketed:
    """A row that is not called, and why.

    Attributes:
        row: The row's number in its source, from 1.
        recipient_id: The id, if the row had one that could be read.
        phone: E.164, if the row had a number that may be dialed. Never shown unmasked.
        bucket: Exactly one.
        reason: A clause without a full stop and without a phone number.
    """

    row: int
    recipient_id: str | None
    phone: str | None
    bucket: Bucket
    reason: str


@dataclass(slots=True)
class _Seen:
    """What was read of a row so far: with that it ends, wherever the reading ends."""

    row: int
    recipient_id: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class CalledBefore:
    """Somebody of whom the ledger has a call at this number."""

    row: int
    id: str
    phone: str


class Screen:
    """Reads the rows of one campaign, one after the other.

    Duplicates are found across all rows it has seen, so there is one `Screen` for a run. Rows marked do-not-call bar
    their id and number wherever these stand; for rows further up to know, show every row to `look_ahead` first.

    A row that is screened again is no duplicate of itself, so a forecast and the run after it can share a `Screen`.

    Args:
        kinds: The kinds of line that may be called, see `campaign.intake.numbers.LineKind`.
        default_region: Two letters of the country of national numbers where the row names none.
        due_filter: Chooses rows by due date and amount.
        do_not_call: Numbers in E.164, and ids of people, that are not to be called.
        required_params: Names without which the agent cannot talk; see `VoiceAgentRecord.placeholders`.
    """

    def __init__(
        self,
        *,
        kinds: Collection[str] = DEFAULT_KINDS,
        default_region: str | None = None,
        mapping: ColumnMapping | None = None,
        due_filter: DueFilter | None = None,
        do_not_call: Container[str] = frozenset(),
        required_params: Collection[str] = (),
    ) -> None:
        self._kinds = kinds
        self._default_region = default_region
        self._mapping = mapping or ColumnMapping()
        self._due_filter = due_filter
        self._do_not_call = do_not_call
        self._required_params = sorted(required_params)
        self._numbers = FirstRows()
        self._ids = FirstRows()
        self._blocked_numbers = FirstRows()
        self._blocked_ids = FirstRows()
        self._layouts: dict[tuple[Any, ...], Columns] = {}
        self.warnings: list[str] = []
        """What is to be known of the columns; each is logged once."""

    def check_columns(self, names: Sequence[str]) -> None:
        """Make sure that a source has the columns this campaign needs.

        Args:
            names: The source's columns, in order, as they are written there.

        Raises:
            SourceError: One is missing, stands there twice, or has a name that is taken.
        """
        check_columns(names, self._mapping, self._due_filter)

    def look_ahead(self, row: int, cells: Mapping[str, Any] | BadRow) -> None:
        """Note a row that is marked do-not-call, so that the same person in another row is not called either.

        A row of which it cannot be told whether it is marked counts as marked, also one that cannot be read: whatever
        number is seen in it. Of one that can be, its second numbers count too (`mobile`, `home_phone`).
        """
        try:
            unread = isinstance(cells, BadRow)
            cells = cells.cells if isinstance(cells, BadRow) else cells_of(cells)
            columns = self._columns(cells)
            if not unread and not _may_be_marked(cells, columns):
                return
            for number in self._numbers_seen(cells, columns, all_columns=unread):
                self._blocked_numbers.setdefault(number_key(number), -row if unread else row)
            for column in {columns.id, columns.person}:
                if column in cells and (person := text_in(cells, column, id_of)):
                    self._blocked_ids.setdefault(person, -row if unread else row)
        except SpoolUnwritable:
            raise
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with the row, `screen` says so
            pass

    def _numbers_seen(self, cells: Mapping[str, Any], columns: Columns, *, all_columns: bool) -> Iterator[str]:
        """Every number of a row that can be made out, whether or not it could be called."""
        try:
            region = self._region(cells, columns) if columns.region in cells else self._default_region
        except RowEnds:
            region = self._default_region
        for name, cell in cells.items():
            if all_columns or name == columns.phone or may_be_phone_column(name):
                numbers = numbers_named(cell, region)
                yield from numbers if isinstance(numbers, list) else numbers_among(str(cell), region)

    def screen(self, row: int, cells: Mapping[str, Any] | BadRow) -> Recipient | Bucketed:
        """Read one row.

        Args:
            row: The row's number in its source, from 1.
            cells: Column names and cells; or why there are none.

        Returns:
            Whom to call, or where the row ended.
        """
        return _or_bucket(row, partial(self._screen, cells))

    def glance(self, cells: Mapping[str, Any] | BadRow) -> tuple[str, str] | None:
        """The id and the number of a row that writes its number as the ledger does; None if it does not, or has none.

        Nothing is made sure of: it only says whom to ask the ledger for.
        """
        try:
            cells = cells_of(cells)
            columns = self._columns(cells)
            raw = cells[columns.phone] if columns.phone is not None else None
            if (
                isinstance(raw, str)
                and E164.fullmatch(raw) is not None
                and (recipient_id := text_in(cells, columns.id, id_of))
            ):
                return recipient_id, raw
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with the row, `screen` says so
            pass
        return None

    def person(self, cells: Mapping[str, Any] | BadRow) -> str | None:
        """Who a row is about, where the mapping names a column of its own for that. Nothing is made sure of."""
        if self._mapping.person is None:
            return None
        try:
            cells = cells_of(cells)
            return text_in(cells, self._columns(cells).person, id_of) or None
        except Exception:  # noqa: BLE001 - whatever is wrong with the row, `screen` says so
            return None

    def screen_called(self, row: int, cells: Mapping[str, Any] | BadRow, phone: str) -> CalledBefore | Bucketed:
        """Read a row whose recipient was called at `phone` before: ten times quicker, and no more than that needs.

        The number was read before it was called, and if nobody is to call it again, neither where it is nor what the
        agent would say there matters. Otherwise `screen` the row: it is no duplicate of itself.
        """
        return _or_bucket(row, partial(self._screen_called, cells, phone))

    def _screen(self, cells: Mapping[str, Any] | BadRow, seen: _Seen) -> Recipient:
        cells, columns, recipient_id = self._begin(cells, seen)
        number = self._number(cells, columns)
        seen.phone = number.e164
        self._may_be_called(number.e164)
        timezone = time_zone_in(cells, columns)
        params = params_in(cells, columns)
        self._agent_can_talk(params)
        self._is_first(seen.row, recipient_id, number.e164)
        return Recipient.at(
            number,
            recipient_id=recipient_id,
            timezone=timezone,
            params=params,
            row=seen.row,
            person=text_in(cells, columns.person, id_of) or None,
            debt=text_in(cells, columns.debt, id_of) or None,
            terms=terms_in(cells, columns),
        )

    def _screen_called(self, cells: Mapping[str, Any] | BadRow, phone: str, seen: _Seen) -> CalledBefore:
        _, _, recipient_id = self._begin(cells, seen)
        seen.phone = phone
        self._may_be_called(phone)
        self._is_first(seen.row, recipient_id, phone)
        return CalledBefore(seen.row, recipient_id, phone)

    def _begin(self, cells: Mapping[str, Any] | BadRow, seen: _Seen) -> tuple[Mapping[str, Any], Columns, str]:
        """What is asked of every row before its number is."""
        cells = cells_of(cells)
        columns = self._columns(cells)
        seen.recipient_id = recipient_id = id_in(cells, columns)
        self._is_due(cells, columns)
        self._wants_calls(seen.row, recipient_id, cells, columns)
        return cells, columns, recipient_id

    def _columns(self, cells: Mapping[str, Any]) -> Columns:
        names = tuple(cells)
        columns = self._layouts.get(names)
        if columns is None:
            if not all(isinstance(name, str) for name in names):
                raise RowEnds(Bucket.BAD_ROW, "a column's name is not a text")
            if CALL_KEY in names:
                raise RowEnds(Bucket.BAD_ROW, CALL_KEY_TAKEN)
            columns = Columns.of(names, self._mapping)
            for warning in reserved_names(columns.params.values()):
                if warning not in self.warnings:
                    logger.warning("%s", warning)
                    self.warnings.append(warning)
            if len(self._layouts) < _LAYOUTS_KEPT:
                self._layouts[names] = columns
        return columns

    def _is_due(self, cells: Mapping[str, Any], columns: Columns) -> None:
        if self._due_filter is None:
            return
        due_date = cells[columns.due_date] if columns.due_date is not None else None
        amount = cells[columns.amount] if columns.amount is not None else None
        try:
            why_not = self._due_filter.why_not(due_date, amount)
        except UnfitCell as error:
            raise RowEnds(Bucket.BAD_ROW, str(error)) from None
        if why_not:
            raise RowEnds(Bucket.NOT_SELECTED, why_not)

    def _wants_calls(self, row: int, recipient_id: str, cells: Mapping[str, Any], columns: Columns) -> None:
        for column in columns.do_not_call:
            try:
                if not cell_in(cells, column, is_yes):
                    continue
            except RowEnds:
                self.look_ahead(row, cells)
                raise
            self.look_ahead(row, cells)
            if is_plain_yes(cells[column]):
                raise RowEnds(Bucket.DO_NOT_CALL, "marked do-not-call in the row")
            doubt = f"the column {quoted(column)} holds {quoted(cells[column])}, which is neither yes nor no"
            raise RowEnds(Bucket.DO_NOT_CALL, doubt)
        for column in columns.may_say_no:
            if is_word_for_yes(cells[column]):
                self.look_ahead(row, cells)
                raise RowEnds(Bucket.DO_NOT_CALL, f"the column {quoted(column)}, which may mean that, says yes")
        for person in {recipient_id: None, text_in(cells, columns.person, id_of): None}:
            if person in self._do_not_call:
                raise RowEnds(Bucket.DO_NOT_CALL, "the id is on the do-not-call list")
            blocked_by = self._blocked_ids.get(person)
            if blocked_by is not None:
                raise RowEnds(Bucket.DO_NOT_CALL, _marked_by(blocked_by, "id"))

    def _number(self, cells: Mapping[str, Any], columns: Columns) -> ParsedNumber:
        raw = cells[columns.phone] if columns.phone is not None else None
        number = parse_number(raw, self._region(cells, columns), kinds=self._kinds)
        if isinstance(number, NumberProblem):
            raise RowEnds(number.bucket, number.reason)
        return number

    def _region(self, cells: Mapping[str, Any], columns: Columns) -> str | None:
        return text_in(cells, columns.region) or self._default_region

    def _may_be_called(self, phone: str) -> None:
        if phone in self._do_not_call:
            raise RowEnds(Bucket.DO_NOT_CALL, "the number is on the do-not-call list")
        blocked_by = self._blocked_numbers.get(number_key(phone))
        if blocked_by is not None:
            raise RowEnds(Bucket.DO_NOT_CALL, _marked_by(blocked_by, "number"))

    def _agent_can_talk(self, params: Mapping[str, Any]) -> None:
        missing = [name for name in self._required_params if name not in params]
        if missing:
            raise RowEnds(Bucket.MISSING_PARAMS, f"no value for {', '.join(missing)}, which the agent needs")

    def _is_first(self, row: int, recipient_id: str, phone: str) -> None:
        before = self._ids.get(recipient_id)
        if before is not None and before != row:
            raise RowEnds(Bucket.DUPLICATE_RECIPIENT, f"row {before} has the same id")
        before = self._numbers.setdefault(number_key(phone), row)
        if before != row:
            raise RowEnds(Bucket.DUPLICATE_NUMBER, f"row {before} has the same number")
        self._ids.setdefault(recipient_id, row)


def _marked_by(row: int, what: str) -> str:
    """Why another row keeps somebody from being called; the number of one that could not be read is negative."""
    if row < 0:
        return f"row {-row}, which cannot be read, may mark the same {what} do-not-call"
    return f"row {row} marks the same {what} do-not-call"


def _may_be_marked(cells: Mapping[str, Any], columns: Columns) -> bool:
    """Whether a row is marked do-not-call, or may be."""
    return any(_may_be_yes(cells[column]) for column in columns.do_not_call) or any(
        is_word_for_yes(cells[column]) for column in columns.may_say_no
    )


def _may_be_yes(cell: object) -> bool:
    try:
        return is_yes(cell)
    except UnfitCell:
        return True


def _or_bucket(row: int, read: Callable[[_Seen], _T]) -> _T | Bucketed:
    """What reading a row comes to: whatever the row holds, it stops no other row and is not lost."""
    seen = _Seen(row)
    try:
        return read(seen)
    except RowEnds as left:
        return Bucketed(row, seen.recipient_id, seen.phone, left.bucket, left.reason)
    except SpoolUnwritable:
        raise
    except Exception as error:  # noqa: BLE001 - as the docstring says
        return Bucketed(row, None, None, Bucket.BAD_ROW, f"the row cannot be read ({type(error).__name__})")
