"""People to call who do not exist: as many rows as are wanted, each with a number reserved for fiction.

North America's `555 0100` to `0199`, London's `7946 0000` to `0999`, and Australia's `5550` and `7010` exchanges: some
120,000 valid numbers. Where a million are wanted the rest of exchange 555 follows, in which nobody has a telephone. A
database file of them stands in for the warehouse, and nothing leaves this machine.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import cache
from itertools import islice
from pathlib import Path

import phonenumbers


@cache
def _area_codes() -> tuple[int, ...]:
    """North American area codes that are in use for people, not for toll-free and premium-rate lines."""
    both = phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE
    kinds = {code: phonenumbers.number_type(phonenumbers.parse(f"+1{code}5550100")) for code in range(201, 990)}
    return tuple(code for code, kind in kinds.items() if kind == both)


def numbers() -> Iterator[str]:
    """Every number, each once."""
    for line in range(100):
        for code in _area_codes():
            yield f"+1{code}55501{line:02}"
    for line in range(1000):
        yield f"+442079460{line:03}"
    for line in range(10_000):
        for exchange in ("25550", "27010", "35550", "37010", "75550", "77010", "85550", "87010"):
            yield f"+61{exchange}{line:04}"
    for line in range(200, 10_000):
        for code in _area_codes():
            yield f"+1{code}555{line:04}"


def people(count: int) -> list[tuple[str, str, str, float]]:
    """So many people: id, phone, name and amount."""
    found = [
        (f"c{row}", number, f"Customer {row}", 10.0 + row % 500)
        for row, number in enumerate(islice(numbers(), count), 1)
    ]
    if len(found) < count:
        message = f"There are only {len(found)} numbers that nobody has, not {count}."
        raise ValueError(message)
    return found


NEVER_ENDS = ("never-ends", "+12125550196", "Customer 0", 10.0)
"""One of the sandbox's magic numbers: it answers, and the call never ends."""


def write_database(path: Path, count: int) -> None:
    """Write a SQLite file with a table `customers` of so many people, after the one whose call never ends."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE customers (id TEXT PRIMARY KEY, phone TEXT, name TEXT, amount REAL)")
        database.executemany("INSERT INTO customers VALUES (?, ?, ?, ?)", [NEVER_ENDS, *people(count)])
        database.commit()
