"""A small receivables database to call from: `python -m examples.receivables receivables.sqlite`.

Open invoices of some forty customers, written the way real tables are: most rows can be called, some cannot, each for
another reason. Every number is from a range reserved for fiction, so that no row can ever ring a real phone. Due dates
count back from the day on which the file is made; everything else is always the same.
"""

# ruff: noqa: RUF001 - names and digits of many scripts, some of which look like Latin ones

import os
import sqlite3
import sys
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

OVERDUE = """
SELECT c.customer_id, c.name, c.phone, c.region, c.timezone, c.language, c.do_not_call,
       printf('%.2f', sum(i.amount)) AS amount, i.currency, min(i.due_date) AS due_date, count(*) AS invoices
FROM customers AS c JOIN invoices AS i USING (customer_id)
WHERE i.paid_on IS NULL AND i.due_date < :today
GROUP BY c.customer_id
ORDER BY c.customer_id
"""
"""One row per customer with open invoices that were due before `:today` (ISO 8601)."""

DO_NOT_CALL = "SELECT phone, region FROM do_not_call"
"""The company's own list of numbers that are not to be called."""

_SCHEMA = """
CREATE TABLE customers (
    customer_id TEXT PRIMARY KEY,
    name TEXT,
    phone TEXT,
    region TEXT,
    timezone TEXT,
    language TEXT NOT NULL,
    do_not_call INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE invoices (
    invoice_number INTEGER PRIMARY KEY,
    customer_id TEXT NOT NULL REFERENCES customers,
    due_date TEXT NOT NULL,
    amount REAL NOT NULL,
    currency TEXT NOT NULL,
    paid_on TEXT
);
CREATE TABLE do_not_call (phone TEXT NOT NULL, region TEXT, since TEXT NOT NULL);
"""


class Customer(NamedTuple):
    """A customer and what is open."""

    name: str | None
    phone: str | None
    region: str | None = "US"
    timezone: str | None = None
    language: str = "en"
    amounts: tuple[float, ...] = (120.0,)
    days_overdue: int = 30
    do_not_call: bool = False
    paid: bool = False


CUSTOMERS = (
    # Numbers as people, forms and spreadsheets write them. All of these can be called.
    Customer("أمينة حداد", "+12125550101", language="ar", timezone="America/New_York", amounts=(1250.0, 310.5)),
    Customer("Jürgen Weiß", "(312) 555-0102", amounts=(89.9,), days_overdue=12),
    Customer("王秀英", "+1 415 555 0103", language="zh", amounts=(640.0,), days_overdue=45),
    Customer("Олена Коваль", "020 7946 0104", "GB", language="uk", amounts=(410.25,)),
    Customer("Γιώργος Παππάς", "+44 20 7946 0105", "GB", language="el", amounts=(75.0, 75.0, 75.0), days_overdue=92),
    Customer("José Núñez", "12025550106", language="es", amounts=(233.1,), days_overdue=20),
    Customer("नेहा शर्मा", "tel:+1-604-555-0107", "CA", language="hi", amounts=(512.0,)),
    Customer("יעל כהן", "1 (416) 555 0108", "CA", language="he", amounts=(98.7,), days_overdue=9),
    Customer("Nguyễn Thị Mai", "0491 570 156", "AU", "Australia/Sydney", "vi", (1999.0,), 61),
    Customer("خالد منصور", "\u202a+1 313 555 0110\u202c", language="ar", amounts=(150.0,)),
    Customer("田中 さくら", "4155550111.0", language="ja", amounts=(87.45, 12.55), days_overdue=33),
    Customer("김민준", "２１２５５５０１１２", language="ko", amounts=(64.0,), days_overdue=15),
    Customer("ሰላም በቀለ", "0044 20 7946 0113", "GB", language="am", amounts=(705.0,)),
    Customer("Zoë O'Brien-Łukasz", "+1.617.555.0114", amounts=(340.0,), days_overdue=28),
    Customer("ليلى الفارسي", "٠٢٠ ٧٩٤٦ ٠١١٥", "GB", "Europe/London", "ar", (88.0,), 40),
    Customer("Мария Петрова", "+1 (907) 555-0116", language="ru", amounts=(1020.0,), days_overdue=70),
    Customer("Þórdís Jónsdóttir", "702-555-0117", language="is", amounts=(56.3,), days_overdue=11),
    Customer("สมชาย ใจดี", "+1 206 555 0118", language="th", amounts=(275.0, 25.0)),
    Customer("ქეთევან ბერიძე", "1-303-555-0119", language="ka", amounts=(430.0,), days_overdue=52),
    Customer("Jean-François Bélanger", "514 555 0120", "CA", language="fr", amounts=(149.99,), days_overdue=18),
    Customer("Ayşe Yılmaz", "+44 (0)20 7946 0121", "UK", language="tr", amounts=(260.0,)),
    # Numbers whose calls always go the same way in the sandbox (docs/reference/sandbox.md).
    Customer("Ebony Clarke", "+1 212 555 0190", amounts=(310.0,), days_overdue=25),
    Customer("Tomáš Dvořák", "(415) 555-0191", language="cs", amounts=(45.0,)),
    Customer("Chidi Okonkwo", "+1 312 555 0192", amounts=(880.0,), days_overdue=38),
    Customer("Fatou Ndiaye", "+1 617 555 0193", language="fr", amounts=(129.0,)),
    Customer("Sofía Álvarez", "+1 305 555 0195", language="es", amounts=(205.0, 205.0), days_overdue=64),
    Customer("Arjun Patel", "+1 206 555 0197", amounts=(95.5,)),
    Customer("Ingrid Sørensen", "+1 702 555 0198", language="no", amounts=(1420.0,), days_overdue=47),
    # Rows that nobody is called for, each for another reason.
    Customer("A. Haddad (billing)", "1 212 555 0101", amounts=(310.5,)),
    Customer("حسن عزيز", None, language="ar", amounts=(700.0,)),
    Customer("Pat Murphy", " ", "GB", amounts=(61.0,)),
    Customer("Lin Wei", "ask reception", amounts=(220.0,)),
    Customer("Oskar Nyström", "1.61755501E+10", amounts=(95.0,)),
    Customer("Grace Mwangi", "+1 212 555 0134 ext. 12", amounts=(310.0,)),
    Customer("Bruno Conti", "555-0135", language="it", amounts=(84.0,)),
    Customer("Hala Said", "(617) 555-0136", None, language="ar", amounts=(190.0,)),
    Customer("Northwind Stores", "+1 800 555 0199", amounts=(2300.0,)),
    Customer("Ruth Levi", "+1 305 555 0138", amounts=(77.0,), do_not_call=True),
    Customer("Dmitri Orlov", "+1 (404) 555-0139", language="ru", amounts=(415.0,)),
    Customer("سعاد الخطيب", "+1 202 555 0140", timezone="Amman time", language="ar", amounts=(133.0,)),
    Customer(None, "+1 303 555 0141", amounts=(58.0,)),
    Customer("Min-jun Seo", "+1 514 555 0142", "CA", amounts=(4.2,)),
    Customer("Carla Mendes", "+1 206 555 0143", language="pt", amounts=(600.0,), days_overdue=2),
    # Nothing open: the query leaves them out.
    Customer("Adaeze Obi", "+1 312 555 0144", paid=True),
    Customer("Piotr Zieliński", "+44 20 7946 0145", "GB", language="pl", paid=True),
    Customer("مها القاسم", "+1 313 555 0146", language="ar", paid=True),
)

_ON_THE_LIST = (("404.555.0139", "US"), ("020 7946 0998", "GB"))


def build_receivables(path: Path, *, today: date) -> None:
    """Make the database, in place of one that is there.

    Args:
        path: The file; its folder must exist.
        today: The day from which due dates count back.

    Raises:
        OSError: The file cannot be written.
    """
    # Written aside and put in place whole: whoever reads at the same time sees the old file or the new one.
    half = path.with_name(f"{path.name}.{os.getpid()}")
    half.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(half)) as database, database:
            database.executescript(_SCHEMA)
            _fill(database, today)
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)


def _fill(database: sqlite3.Connection, today: date) -> None:
    invoice = 5000
    for number, customer in enumerate(CUSTOMERS, start=1001):
        key = f"C-{number}"
        row = (key, *customer[:5], customer.do_not_call)
        database.execute("INSERT INTO customers VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        for place, amount in enumerate(customer.amounts):
            # The first invoice is the oldest; the others followed a few days apart.
            due = today - timedelta(days=max(1, customer.days_overdue - 4 * place))
            paid = (due + timedelta(days=2)).isoformat() if customer.paid else None
            currency = "GBP" if customer.region in ("GB", "UK") else "USD"
            invoice += 1
            database.execute(
                "INSERT INTO invoices VALUES (?, ?, ?, ?, ?, ?)",
                (invoice, key, due.isoformat(), amount, currency, paid),
            )
    for phone, region in _ON_THE_LIST:
        since = (today - timedelta(days=200)).isoformat()
        database.execute("INSERT INTO do_not_call VALUES (?, ?, ?)", (phone, region, since))


def main(arguments: list[str]) -> int:
    """Make the file that the arguments name.

    Returns:
        The exit status: 0, or 2 if it could not be made.
    """
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("Say which file to make: python -m examples.receivables receivables.sqlite", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    try:
        build_receivables(path, today=datetime.now().astimezone().date())
    except (OSError, sqlite3.Error) as error:
        print(f"{path} cannot be made ({error}); name a file in a folder that exists.", file=sys.stderr)
        return 2
    print(f"{path}: {len(CUSTOMERS)} customers and their invoices. Every number is from a range reserved for fiction.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
