"""Intake: what upstream tables, files and tasks hold, and how it becomes recipients. Promises that no row is lost."""

from campaign.intake.call_terms import CallTerms, Consent, NamedHours, hours_shown, terms_given
from campaign.intake.cells import JSON_INTEGER_LIMIT, UnfitCell, id_of, is_missing, json_value, quoted, text_of
from campaign.intake.column_names import is_phone_column, may_be_phone_column
from campaign.intake.csv_rows import CsvRows
from campaign.intake.listed_numbers import numbers_among, numbers_named
from campaign.intake.numbers import NumberProblem, mask, number_in_id, parse_number
from campaign.intake.one_customer import id_or_number, without_person
from campaign.intake.people_shown import PeopleShown
from campaign.intake.recipients import (
    BadRow,
    ColumnMapping,
    Columns,
    CsvFile,
    Recipient,
    Source,
    SourceError,
    SourceUnavailable,
    SqlQuery,
    check_connectors,
)
from campaign.intake.row_spool import PAGE_ROWS, Row, Spool
from campaign.intake.same_numbers import means_number, same_number
from campaign.intake.screening import Bucketed, CalledBefore, DoNotCallList, DueFilter, Screen, check_columns
from campaign.intake.texts import BETWEEN_DIGITS, ERASED, PSEUDONYM, ascii_digits, without_numbers

__all__ = [
    "BETWEEN_DIGITS",
    "ERASED",
    "JSON_INTEGER_LIMIT",
    "PAGE_ROWS",
    "PSEUDONYM",
    "BadRow",
    "Bucketed",
    "CallTerms",
    "CalledBefore",
    "ColumnMapping",
    "Columns",
    "Consent",
    "CsvFile",
    "CsvRows",
    "DoNotCallList",
    "DueFilter",
    "NamedHours",
    "NumberProblem",
    "PeopleShown",
    "Recipient",
    "Row",
    "Screen",
    "Source",
    "SourceError",
    "SourceUnavailable",
    "Spool",
    "SqlQuery",
    "UnfitCell",
    "ascii_digits",
    "check_columns",
    "check_connectors",
    "hours_shown",
    "id_of",
    "id_or_number",
    "is_missing",
    "is_phone_column",
    "json_value",
    "mask",
    "may_be_phone_column",
    "means_number",
    "number_in_id",
    "numbers_among",
    "numbers_named",
    "parse_number",
    "quoted",
    "same_number",
    "terms_given",
    "text_of",
    "without_numbers",
    "without_person",
]
