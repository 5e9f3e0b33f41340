"""From rows to recipients: each upstream row becomes somebody to call, or lands in a bucket with its reason.

Promises exactly one result for each row and never an exception, whatever the row holds; and that a reason, which ends
in reports, never holds a phone number. Nothing here knows the hour or the ledger: rules and history are asked later.

Which row had each number and each id first is remembered on disk, so memory does not grow with the rows.
"""

import logging
import re
from collections.abc import Callable, Collection, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from campaign.agent import CALL_KEY, reserved_names
from campaign.buckets import Bucket
from campaign.intake.call_terms import NO_TERMS, CallTerms, Consent, hours_named
from campaign.intake.cells import (
    UnfitCell,
    amount_of,
    clean,
    day_of,
    id_of,
    is_missing,
    is_plain_yes,
    is_yes,
    json_value,
    quoted,
    text_of,
)
from campaign.intake.duplicates import FirstRows, SpoolUnwritable
from campaign.intake.listed_numbers import numbers_named
from campaign.intake.numbers import DEFAULT_KINDS, NumberProblem, ParsedNumber, parse_number
from campaign.intake.recipients import (
    ID_COLUMNS,
    TERMS,
    BadRow,
    ColumnMapping,
    Columns,
    Recipient,
    SourceError,
    may_say_do_not_call,
)
from campaign.time_zones import why_no_time_zone

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_NAME_LIKE = re.compile(r"[\w .,()#/%&'?\u200c\u200d-]{1,100}")
_LONGEST_ID = 200
_LAYOUTS_KEPT = 32
"""Column lists remembered per source. Rows of one query or file share one; mappings from elsewhere may differ."""
_COLUMNS_SHOWN = 20
_CALL_KEY_TAKEN = f"the column {CALL_KEY} has a name that every call uses for its own key; rename it"


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


class _Left(Exception):
    """Ends the reading of one row."""

    def __init__(self, bucket: Bucket, reason: str) -> None:
        self.bucket = bucket
        self.reason = reason


@dataclass(slots=True)
class _Seen:
    """What was read of a row so far: with that it ends, wherever the reading ends."""

    row: int
    recipient_id: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class CalledBefore:
    """Somebody of whom the ledger has a call at this number. A `Callee`."""

    row: int
    id: str
    phone: str


class Screen:
    """Reads the rows of one campaign, one after the other.

    Duplicates are told across all rows it has seen, so there is one `Screen` for a run. Rows marked do-not-call bar
    their id and number wherever these stand; for rows further up to know, show every row to `look_ahead` first.

    A row that is screened again is no duplicate of itself, so a forecast and the run after it can share a `Screen`.

    Args:
        kinds: The kinds of line that may be called, see `campaign.intake.numbers.LineKind`.
        default_region: Two letters of the country of national numbers where the row names none.
        mapping: Which columns hold what.
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
        self._barred_numbers = FirstRows()
        self._barred_ids = FirstRows()
        self._layouts: dict[tuple[Any, ...], Columns] = {}

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

        A row of which it cannot be told whether it is marked counts as marked.
        """
        try:
            cells = _mapping(cells)
            columns = self._columns(cells)
            if not any(_may_be_yes(cells[column]) for column in columns.do_not_call):
                return
            region = self._region(cells, columns)
            numbers = numbers_named(cells[columns.phone] if columns.phone is not None else None, region)
            for number in numbers if isinstance(numbers, list) else ():
                self._barred_numbers.setdefault(_number_key(number), row)
            for column in {columns.id, columns.person}:
                if person := _text(cells, column, id_of):
                    self._barred_ids.setdefault(person, row)
        except SpoolUnwritable:
            raise
        except Exception:  # noqa: BLE001, S110 - whatever is wrong with the row, `screen` says so
            pass

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
            cells = _mapping(cells)
            columns = self._columns(cells)
            raw = cells[columns.phone] if columns.phone is not None else None
            if (
                isinstance(raw, str)
                and _E164.fullmatch(raw) is not None
                and (recipient_id := _text(cells, columns.id, id_of))
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
            cells = _mapping(cells)
            return _text(cells, self._columns(cells).person, id_of) or None
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
        timezone = _timezone(cells, columns)
        params = _params(cells, columns)
        self._agent_can_talk(params)
        self._is_first(seen.row, recipient_id, number.e164)
        return Recipient.at(
            number,
            recipient_id=recipient_id,
            timezone=timezone,
            params=params,
            row=seen.row,
            person=_text(cells, columns.person, id_of) or None,
            debt=_text(cells, columns.debt, id_of) or None,
            terms=_terms(cells, columns),
        )

    def _screen_called(self, cells: Mapping[str, Any] | BadRow, phone: str, seen: _Seen) -> CalledBefore:
        _, _, recipient_id = self._begin(cells, seen)
        seen.phone = phone
        self._may_be_called(phone)
        self._is_first(seen.row, recipient_id, phone)
        return CalledBefore(seen.row, recipient_id, phone)

    def _begin(self, cells: Mapping[str, Any] | BadRow, seen: _Seen) -> tuple[Mapping[str, Any], Columns, str]:
        """What is asked of every row before its number is."""
        cells = _mapping(cells)
        columns = self._columns(cells)
        seen.recipient_id = recipient_id = _id(cells, columns)
        self._is_due(cells, columns)
        self._wants_calls(seen.row, recipient_id, cells, columns)
        return cells, columns, recipient_id

    def _columns(self, cells: Mapping[str, Any]) -> Columns:
        names = tuple(cells)
        columns = self._layouts.get(names)
        if columns is None:
            if not all(isinstance(name, str) for name in names):
                raise _Left(Bucket.BAD_ROW, "a column's name is not a text")
            if CALL_KEY in names:
                raise _Left(Bucket.BAD_ROW, _CALL_KEY_TAKEN)
            columns = Columns.of(names, self._mapping)
            for warning in reserved_names(columns.params.values()):
                logger.warning("%s", warning)
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
            raise _Left(Bucket.BAD_ROW, str(error)) from None
        if why_not:
            raise _Left(Bucket.NOT_SELECTED, why_not)

    def _wants_calls(self, row: int, recipient_id: str, cells: Mapping[str, Any], columns: Columns) -> None:
        for column in columns.do_not_call:
            try:
                if not _cell(cells, column, is_yes):
                    continue
            except _Left:
                self.look_ahead(row, cells)
                raise
            self.look_ahead(row, cells)
            if is_plain_yes(cells[column]):
                raise _Left(Bucket.DO_NOT_CALL, "marked do-not-call in the row")
            doubt = f"the column {quoted(column)} holds {quoted(cells[column])}, which is neither yes nor no"
            raise _Left(Bucket.DO_NOT_CALL, doubt)
        for person in {recipient_id: None, _text(cells, columns.person, id_of): None}:
            if person in self._do_not_call:
                raise _Left(Bucket.DO_NOT_CALL, "the id is on the do-not-call list")
            barred_by = self._barred_ids.get(person)
            if barred_by is not None:
                raise _Left(Bucket.DO_NOT_CALL, f"row {barred_by} marks the same id do-not-call")

    def _number(self, cells: Mapping[str, Any], columns: Columns) -> ParsedNumber:
        raw = cells[columns.phone] if columns.phone is not None else None
        number = parse_number(raw, self._region(cells, columns), kinds=self._kinds)
        if isinstance(number, NumberProblem):
            raise _Left(number.bucket, number.reason)
        return number

    def _region(self, cells: Mapping[str, Any], columns: Columns) -> str | None:
        return _text(cells, columns.region) or self._default_region

    def _may_be_called(self, phone: str) -> None:
        if phone in self._do_not_call:
            raise _Left(Bucket.DO_NOT_CALL, "the number is on the do-not-call list")
        barred_by = self._barred_numbers.get(_number_key(phone))
        if barred_by is not None:
            raise _Left(Bucket.DO_NOT_CALL, f"row {barred_by} marks the same number do-not-call")

    def _agent_can_talk(self, params: Mapping[str, Any]) -> None:
        missing = [name for name in self._required_params if name not in params]
        if missing:
            raise _Left(Bucket.MISSING_PARAMS, f"no value for {', '.join(missing)}, which the agent needs")

    def _is_first(self, row: int, recipient_id: str, phone: str) -> None:
        before = self._ids.get(recipient_id)
        if before is not None and before != row:
            raise _Left(Bucket.DUPLICATE_RECIPIENT, f"row {before} has the same id")
        before = self._numbers.setdefault(_number_key(phone), row)
        if before != row:
            raise _Left(Bucket.DUPLICATE_NUMBER, f"row {before} has the same number")
        self._ids.setdefault(recipient_id, row)


class DoNotCallList(Container[str]):
    """Numbers in E.164 and ids of people, any number of them, without keeping them in memory."""

    def __init__(self) -> None:
        self._rows = FirstRows()

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, number_or_id: object) -> bool:
        return isinstance(number_or_id, str) and self._rows.get(self._key(number_or_id)) is not None

    def __iter__(self) -> Iterator[str]:
        """All numbers and ids, in no order."""
        return (key if isinstance(key, str) else f"+{key}" for key in self._rows)

    def add(self, number_or_id: str) -> None:
        """Put a number or an id in."""
        self._rows.setdefault(self._key(number_or_id), 1)

    @staticmethod
    def _key(number_or_id: str) -> str | int:
        return _number_key(number_or_id) if _E164.fullmatch(number_or_id) else number_or_id


def check_columns(
    names: Sequence[str], mapping: ColumnMapping, due_filter: DueFilter | None = None, *, id_needed: bool = True
) -> None:
    """Make sure that a source has the columns that a campaign needs.

    Args:
        names: The source's columns, in order, as they are written there.
        mapping: Which columns hold what.
        due_filter: What else has to be there.
        id_needed: Whether there has to be an id, as in every list of people to call.

    Raises:
        SourceError: A column is missing, stands there twice, or has a name that is taken.
    """
    named = [name for name in map(clean, names) if name]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise SourceError(
            f"more than one column is called {_listed(twice)}; give each column a name of its own, in a query by AS"
        )
    if CALL_KEY in named:
        raise SourceError(_CALL_KEY_TAKEN)
    found = Columns.of(names, mapping)
    wanted = {"phone": mapping.phone, **mapping.named()}
    if id_needed:
        doubtful = [name for name in named if may_say_do_not_call(name)]
        if doubtful and not found.do_not_call:
            raise SourceError(
                f"the column {_listed(doubtful)} may say who is not to be called; name it in the source's `columns` as "
                "`do_not_call`, or give it another name"
            )
        wanted["id"] = mapping.id or " or ".join(ID_COLUMNS)
    if due_filter is not None and due_filter.min_days_overdue is not None:
        wanted["due_date"] = mapping.due_date
    if due_filter is not None and due_filter.min_amount is not None:
        wanted["amount"] = mapping.amount
    _check_alike(named, found)
    for field, column in wanted.items():
        if not getattr(found, field):
            raise SourceError(
                f"there is no column {column} (found: {_listed(named)}); rename one, or say in the source's `columns` "
                f"which one is the `{field}`"
            )


def _check_alike(names: Sequence[str], found: Columns) -> None:
    """Make sure that a column whose meaning matters has no twin that differs in upper and lower case alone."""
    terms = (getattr(found, field) for field in TERMS)
    for column in (found.id, found.phone, found.region, found.timezone, found.due_date, found.amount, *terms):
        twins = [name for name in names if column is not None and name.casefold() == clean(column).casefold()]
        if len(twins) > 1:
            raise SourceError(
                f"the columns {_listed(twins)} differ in upper and lower case alone, so nobody knows which is meant; "
                "rename one"
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
    except _Left as left:
        return Bucketed(row, seen.recipient_id, seen.phone, left.bucket, left.reason)
    except SpoolUnwritable:
        raise
    except Exception as error:  # noqa: BLE001 - as the docstring says
        return Bucketed(row, None, None, Bucket.BAD_ROW, f"the row cannot be read ({type(error).__name__})")


def _named(name: str, read: Callable[[object], _T], cell: object) -> _T:
    """Read a cell; an error tells which."""
    try:
        return read(cell)
    except UnfitCell as error:
        raise UnfitCell(f"the {name} {error}") from None


def _mapping(cells: object) -> Mapping[str, Any]:
    if isinstance(cells, BadRow):
        raise _Left(Bucket.BAD_ROW, cells.reason)
    if not isinstance(cells, Mapping):
        raise _Left(
            Bucket.BAD_ROW, f"a row has to map column names to values; this one is of type {type(cells).__name__}"
        )
    return cells


def _text(cells: Mapping[str, Any], column: str | None, read: Callable[[Any], str] = text_of) -> str:
    if column is None:
        return ""
    return _cell(cells, column, read)


def _cell(cells: Mapping[str, Any], column: str, read: Callable[[Any], _T]) -> _T:
    try:
        return read(cells[column])
    except UnfitCell as error:
        raise _Left(Bucket.BAD_ROW, f"the column {quoted(column)} {error}") from None


def _id(cells: Mapping[str, Any], columns: Columns) -> str:
    recipient_id = _text(cells, columns.id, id_of)
    if not recipient_id:
        raise _Left(Bucket.NO_ID, "no id")
    if len(recipient_id) > _LONGEST_ID:
        raise _Left(Bucket.BAD_ROW, f"the id is longer than {_LONGEST_ID} characters")
    return recipient_id


def _timezone(cells: Mapping[str, Any], columns: Columns) -> str | None:
    timezone = _text(cells, columns.timezone)
    if timezone and (why := why_no_time_zone(timezone)):
        raise _Left(Bucket.UNKNOWN_TIME_ZONE, f"the time zone {quoted(timezone)} {why}")
    return timezone or None


def _terms(cells: Mapping[str, Any], columns: Columns) -> CallTerms:
    if not columns.has_terms:
        return NO_TERMS
    consent = None
    if columns.consent or columns.consent_at:
        basis = _text(cells, columns.consent) if columns.consent else None
        at = columns.consent_at
        day = None if at is None or is_missing(cells[at]) else _cell(cells, at, day_of)
        consent = Consent(basis, day, dated=at is not None)
    hours = _text(cells, columns.call_hours)
    return CallTerms(
        subdivision=_text(cells, columns.subdivision) or None,
        hours=_cell(cells, columns.call_hours, lambda _: hours_named(hours)) if columns.call_hours and hours else (),
        consent=consent,
    )


def _params(cells: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    params = {param: _cell(cells, name, json_value) for name, param in columns.params.items()}
    return {param: value for param, value in params.items() if value is not None}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(_shown(name) for name in names[:_COLUMNS_SHOWN]) or "none"
    return f"{shown} and {len(names) - _COLUMNS_SHOWN} more" if len(names) > _COLUMNS_SHOWN else shown


def _shown(name: str) -> str:
    """A column's name; not what is none, such as the first line of a file that was taken for a list of people."""
    return quoted(name)[1:-1] if _NAME_LIKE.fullmatch(name) is not None else f"a text of {len(name)} characters"


def _number_key(e164: str) -> int:
    return int(e164[1:])
