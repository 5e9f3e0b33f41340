"""Parameters of a query in the types that the database wants, for a driver that takes no others.

A form and a JSON file know texts, numbers and booleans; asyncpg takes a `date` for a date and an `int` for an integer.
Other drivers hand texts to PostgreSQL, which reads them itself. Promises the same reading here, and one sentence where
a value cannot be read.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.intake import SourceError, SqlQuery, UnfitCell, quoted, text_of
from campaign.time_zones import is_time_zone

_SPAN = re.compile(r"\s*([+-]?\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?\s*", re.IGNORECASE)
_TRUTH = {"true": True, "t": True, "yes": True, "on": True, "1": True}
_TRUTH |= {"false": False, "f": False, "no": False, "off": False, "0": False}


async def typed_parameters(connection: AsyncConnection, source: SqlQuery) -> Mapping[str, Any]:
    """The parameters of a query as the connection's driver takes them.

    Raises:
        SourceError: A value cannot be what the query compares it with.
        Exception: What the database says of the query, if it cannot even prepare it.
    """
    if not source.parameters or connection.dialect.driver != "asyncpg":
        return source.parameters
    driver = (await connection.get_raw_connection()).driver_connection
    compiled = text(source.query).compile(dialect=connection.dialect)
    names = list(compiled.positiontup or ())
    wanted = (await driver.prepare(str(compiled))).get_parameters()  # type: ignore[union-attr]
    zone = str(driver.get_settings().TimeZone)  # type: ignore[union-attr]
    typed = dict(source.parameters)
    for name, kind in zip(names, wanted, strict=True):
        typed[name] = _typed(source, name, source.parameters[name], kind.name, zone)
    return typed


def _typed(source: SqlQuery, name: str, value: Any, kind: str, zone: str) -> Any:
    if value is None:
        return None
    if kind.endswith("[]") and isinstance(value, list | tuple):
        return [_typed(source, name, each, kind.removesuffix("[]"), zone) for each in value]
    if kind not in _READERS:
        return value
    what, read = _READERS[kind]
    try:
        found = read(value)
    except (ValueError, TypeError, KeyError, AttributeError, InvalidOperation, OverflowError):
        raise SourceError(
            f"the {source} compares :{name} with {what}, and its value is {quoted(value)}; correct it, or write "
            f"CAST(:{name} AS …) in the query"
        ) from None
    if kind == "timestamptz" and isinstance(found, datetime) and found.tzinfo is None:
        return found.replace(tzinfo=ZoneInfo(zone if is_time_zone(zone) else "UTC"))
    return found


def _whole(value: Any) -> int:
    number = _decimal(value)
    if number != number.to_integral_value():
        raise ValueError
    return int(number)


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TypeError
    number = Decimal(str(value).strip())
    if not number.is_finite():
        raise ValueError
    return number


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        return text_of(value)
    except UnfitCell:
        raise TypeError from None


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - its zone is the session's
    return datetime.fromisoformat(value.strip())


def _day(value: Any) -> date:
    return value if isinstance(value, date) and not isinstance(value, datetime) else _moment(value).date()


def _local_moment(value: Any) -> datetime:
    return _moment(value).replace(tzinfo=None)


def _time(value: Any) -> time:
    return value if isinstance(value, time) else time.fromisoformat(value.strip())


def _span(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = _SPAN.fullmatch(value)
    if found is None:
        raise ValueError
    return timedelta(**{f"{found[2].lower()}s": float(found[1])})


def _truth(value: Any) -> bool:
    return _TRUTH[str(value).strip().lower()]


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


_Reader = tuple[str, Callable[[Any], Any]]
_READERS: dict[str, _Reader] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), ("a whole number", _whole)),
    **dict.fromkeys(("float4", "float8"), ("a number", lambda value: float(_decimal(value)))),
    **dict.fromkeys(("text", "varchar", "bpchar", "name", "citext"), ("a text", _text)),
    "numeric": ("a number", _decimal),
    "date": ("a day such as 2026-11-22", _day),
    "timestamp": ("a time such as 2026-11-22T10:00", _local_moment),
    "timestamptz": ("a time such as 2026-11-22T10:00+03:00", _moment),
    "time": ("a time of day such as 10:00", _time),
    "interval": ("a length of time such as '7 days'", _span),
    "bool": ("true or false", _truth),
    "uuid": ("a UUID", _uuid),
}
"""What PostgreSQL calls a type, in words, and how a value becomes it."""
