"""No number and no secret is in anything that leaves: logs at their loudest, Prefect's database, artifacts, results."""

import functools
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hamsa.plain_digits import BETWEEN_DIGITS, ascii_digits
from sandbox.scenario import PLANTED_LLM_KEY, PLANTED_WEBHOOK_SECRET
from tests.flows.everything import LOUD
from tests.servers.prefect import PrefectServer
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import PROJECT
from tests.webhooks.running import SECRET, start_receiver

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

NUMBERS = {
    "hyphens that keep a line": "+44 20 7946\u20110011",
    "dashes": "+44\u201320\u20137946\u20130012",
    "no-break blanks": "+44\N{NO-BREAK SPACE}20\N{NARROW NO-BREAK SPACE}7946 0013",
    "arabic digits": "+٤٤ ٢٠ ٧٩٤٦ ٠٠١٤",
    "full width": "+\uff14\uff14 \uff12\uff10 \uff17\uff19\uff14\uff16 \uff10\uff10\uff11\uff15",
    "bidi marks": "\N{LEFT-TO-RIGHT MARK}+442079460016\N{POP DIRECTIONAL FORMATTING}",
    "national": "020 7946 0017",
    "trunk zero": "+44 (0)20 7946 0018",
    "with dots": "+44.20.7946.0019",
}
OF_THE_QUERY = ["+44 20 7946\u20100031", "+442079460032"]
SINGLE = ["+44 20 7946\u20110041", "+442079460042"]
SECRETS = {
    "the API key": "sk_live_leak0123456789abcdef",
    "the database's password": "leak-pa55-of-the-database",
    "the ledger's password": "leak-pa55-of-the-ledger",
    "the webhook's secret": SECRET,
    "the agent's SIP PIN": "leak-sip-735591",
    "the agent's password": "leak-smtp-pass",
    "the tool's header": "leakbearer0123456789abcdef",
    "the password in a URL": "leak-url-pass",
    "Hamsa's model key": PLANTED_LLM_KEY,
    "Hamsa's webhook secret": PLANTED_WEBHOOK_SECRET,
}
ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")


@functools.cache
def subscriber(number: str) -> re.Pattern[str]:
    """The digits of a London number by which it is known, with whatever may stand between them."""
    return re.compile(BETWEEN_DIGITS.join(re.sub(r"\D", "", ascii_digits(number))[-8:]))


def plain(text: str) -> str:
    """A text in which each form of a number is the plain one, also where JSON escaped it."""
    return ascii_digits(ESCAPED.sub(lambda found: chr(int(found[1], 16)), text))


def leaks(text: str, numbers: list[str]) -> Iterator[str]:
    """What a text gives away, with what stands around it."""
    shown = plain(text)
    for number in numbers:
        if found := subscriber(number).search(shown):
            yield f"{number}: …{shown[max(0, found.start() - 120) : found.end() + 40]!r}"
    for name, secret in SECRETS.items():
        if (at := text.find(secret)) >= 0:
            yield f"{name}: …{text[max(0, at - 120) : at + 40]!r}"


def texts_of(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes().decode("utf-8", "replace")


def cells_of(database: Path) -> Iterator[tuple[str, str]]:
    """Each text in a SQLite file, with where it is."""
    connection = sqlite3.connect(database)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in tables:
        rows = connection.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - the tables' own names
        for row in rows:
            for column, cell in zip(rows.description, row, strict=True):
                if isinstance(cell, bytes):
                    yield f"{table}.{column[0]}", cell.decode("utf-8", "replace")
                elif isinstance(cell, str):
                    yield f"{table}.{column[0]}", cell
    connection.close()


@pytest.fixture
def with_role(postgres_database: str) -> Iterator[Callable[[str], str]]:
    """Gives the database's address as another role's, with a password."""
    roles: list[str] = []
    engine = sa.create_engine(postgres_database.replace("+asyncpg", "+psycopg"), isolation_level="AUTOCOMMIT")

    def make(password: str) -> str:
        roles.append(f"leaks_{uuid.uuid4().hex[:8]}")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {roles[-1]} LOGIN SUPERUSER PASSWORD '{password}'")
        url = sa.make_url(postgres_database).set(username=roles[-1], password=password)
        return url.render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        for role in roles:
            connection.exec_driver_sql(f"REASSIGN OWNED BY {role} TO postgres")
            connection.exec_driver_sql(f"DROP ROLE {role}")
    engine.dispose()


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["postgresql", pytest.param("sqlite", marks=pytest.mark.thorough)])
def test_no_form_of_a_number_and_no_secret_is_in_logs_database_artifacts_events_or_results(
    start_sandbox: Callable[..., Any],
    start_prefect_server: Callable[..., PrefectServer],
    postgres_database: str,
    with_role: Callable[[str], str],
    reaper: ProcessReaper,
    tmp_path: Path,
    kind: str,
) -> None:
    people = list(NUMBERS.values())
    sandbox = start_sandbox(
        speed=600.0,
        api_key=SECRETS["the API key"],
        scenario={"magic_numbers": False, "opt_outs": 0.5, "error_after": 0.1},
    )
    server = start_prefect_server()
    ledger = f"sqlite:///{tmp_path / 'calls.db'}"
    if kind == "postgresql":
        ledger = sa.make_url(with_role(SECRETS["the ledger's password"])).render_as_string(hide_password=False)
    source = sa.make_url(with_role(SECRETS["the database's password"]))
    receiver = start_receiver(reaper, tmp_path, ledger_url=ledger, log_level="debug")

    engine = sa.create_engine(postgres_database.replace("+asyncpg", "+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (id text, phone text, name text)")
        for number, phone in enumerate(OF_THE_QUERY):
            row = {"id": f"q{number}", "phone": phone, "name": f"Call {phone}"}
            connection.execute(sa.text("INSERT INTO customers VALUES (:id, :phone, :name)"), row)
    engine.dispose()
    rows = "".join(
        f"{number if name == 'dashes' else f'c{at}'},{number},also at {number}\n"
        for at, (name, number) in enumerate(NUMBERS.items())
    )
    (tmp_path / "people.csv").write_text(f"id,phone,note\n{rows}", encoding="utf-8")
    (tmp_path / "opt-outs.csv").write_text(f"phone\n{people[0]}\n", encoding="utf-8")
    place = {
        "api_key": SECRETS["the API key"],
        "hamsa": sandbox.base_url,
        "webhook_url": receiver.url,
        "webhook_secret": SECRET,
        "ledger": ledger,
        "source": {name: getattr(source, name) for name in ("username", "password", "host", "port", "database")},
        "csv": str(tmp_path / "people.csv"),
        "opt_outs": str(tmp_path / "opt-outs.csv"),
        "agent": {
            "agentName": "Leaks",
            "greetingMessage": "Hello {{note}}",
            "sipPin": SECRETS["the agent's SIP PIN"],
            "smtp": {"pass": SECRETS["the agent's password"]},
            "tools": [
                {"url": f"https://u:{SECRETS['the password in a URL']}@example.com/hook"},
                {"note": "Authorization: Bearer " + SECRETS["the tool's header"]},
            ],
        },
        "single": [
            {"phone": SINGLE[0], "recipient_id": "s0", "params": {"note": SINGLE[0]}, "campaign": "single"},
            {"phone": SINGLE[1], "recipient_id": SINGLE[1], "params": {"note": "x"}, "campaign": "single"},
        ],
        "customers": ["c0", "+442079460012", SINGLE[1]],
        "erased": ["+442079460013", "c3"],
    }
    (tmp_path / "place.json").write_text(json.dumps(place), encoding="utf-8")
    loud = {
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_LOGGING_ROOT_LEVEL": "DEBUG",
        "PREFECT_LOGGING_EXTRA_LOGGERS": ",".join(LOUD),
        "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "true",
        "PREFECT_LOCAL_STORAGE_PATH": str(tmp_path / "results"),
        "HAMSA_CSV_FOLDERS": str(tmp_path),
    }
    program = subprocess.run(
        [sys.executable, "-m", "tests.flows.everything", str(tmp_path / "place.json")],
        cwd=PROJECT,
        env={**os.environ, **server.environment, **loud},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    receiver.program.stop()
    server.program.stop()
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "program.log").write_text(program.stdout + program.stderr)
    assert program.returncode == 0, program.stderr[-4000:]
    states = json.loads(program.stdout.splitlines()[-1])
    assert {name for name, _ in states} == {"Completed"}, states
    assert sum(sandbox.stats()["rings_per_number"].values()) >= len(people)

    shutil.copy(receiver.program.log, tmp_path / "logs")
    shutil.copytree(tmp_path / "results", tmp_path / "logs" / "results")
    everybody = [*people, *OF_THE_QUERY, *SINGLE]
    found = [f"{name}: {leak}" for name, text in texts_of(tmp_path / "logs") for leak in leaks(text, everybody)]
    for where, cell in cells_of(server.database):
        # What somebody typed into a form is Prefect's parameter: told of in docs/how-to/erase-a-person.md.
        typed = [*SINGLE, *people[:2]] if where == "flow_run.parameters" else []
        found += [f"{where}: {leak}" for leak in leaks(cell, [each for each in everybody if each not in typed])]
    if kind == "sqlite":
        held = [text for name, text in texts_of(tmp_path) if name.startswith(("calls.db", "webhooks.db"))]
        erased = [people[2], people[3]]
        found += [f"the ledger's or receiver's file: {leak}" for text in held for leak in leaks(text, erased)]
    assert "sqlalchemy.engine" in program.stderr + program.stdout  # it was loud
    assert not found, "\n".join(dict.fromkeys(found))
