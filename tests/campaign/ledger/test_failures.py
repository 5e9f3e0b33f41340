"""A ledger that cannot be used stops the dialing with a sentence, tells no secret, and works again once it is fixed."""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Pool, event, make_url

from campaign.attempts import AttemptState, Claim
from campaign.errors import LedgerError
from campaign.ledger.ledger import CallEnd, Ledger
from tests.campaign.ledger.asking import ask, claimed, phone
from tests.servers.wire import wired

HINT = "Nobody is called without it"


@contextlib.contextmanager
def on_connect(*pragmas: str) -> Iterator[None]:
    """Say something to SQLite on every connection that is opened in the block."""

    def say(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    event.listen(Pool, "connect", say)
    try:
        yield
    finally:
        event.remove(Pool, "connect", say)


async def refused(ledger: Ledger, number: int = 1) -> str:
    """The sentence with which a claim fails."""
    with pytest.raises(LedgerError) as shown:
        await asyncio.wait_for(ledger.claim(ask(number)), 20)
    sentence = str(shown.value)
    assert HINT in sentence
    assert "\n" not in sentence
    return sentence


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls.db"


# -- the SQLite file ---------------------------------------------------------------------------------------------


async def test_nobody_but_its_owner_can_read_the_file(path: Path) -> None:
    umask = os.umask(0)
    try:
        async with Ledger(f"sqlite:///{path.parent / 'new' / 'calls.db'}") as ledger:
            await claimed(ledger)
            files = sorted((path.parent / "new").iterdir())
            assert [file.name for file in files] == ["calls.db", "calls.db-shm", "calls.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
        assert stat.S_IMODE((path.parent / "new").stat().st_mode) == 0o700
    finally:
        os.umask(umask)


async def test_a_file_that_was_opened_to_others_is_closed_to_them(path: Path) -> None:
    async with Ledger(f"sqlite:///{path}") as first:
        await claimed(first)
        for name in ("calls.db", "calls.db-shm", "calls.db-wal"):
            (path.parent / name).chmod(0o644)
        async with Ledger(f"sqlite:///{path}"):
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("calls.db*")}
            assert modes == {0o600}


async def test_every_commit_waits_for_the_disk(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as before:
        before.execute("PRAGMA journal_mode=DELETE")
    async with Ledger(f"sqlite:///{path}") as ledger:
        await claimed(ledger)
        async with ledger._database.writing() as connection:  # noqa: SLF001  # these hold inside its own connections
            journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one()
            synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()
    assert (journal, synchronous) == ("wal", 2)


async def test_a_home_and_a_relative_path_are_settled_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    at_home, relative = Ledger("sqlite:///~/calls.db"), Ledger("sqlite:///calls.db")
    monkeypatch.chdir("/")
    assert at_home.name == relative.name
    async with at_home, relative:
        await claimed(at_home)
        assert len(await relative.attempts()) == 1
    assert path.exists()


async def test_a_locked_file_stops_the_claim_until_it_is_free(path: Path) -> None:
    async with Ledger(f"sqlite:///{path}", patience_seconds=0.2) as ledger:
        await claimed(ledger, 1)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sentence = await refused(ledger, 2)
        assert "is locked" in sentence
        assert "wait for the program that holds it" in sentence
        assert len(await ledger.attempts()) == 1  # it can be read all the while
        other.execute("ROLLBACK")
        other.close()
        await claimed(ledger, 2)


async def test_a_lock_that_is_soon_gone_is_waited_for(path: Path) -> None:
    async with Ledger(f"sqlite:///{path}", patience_seconds=10) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(ledger.claim(ask()))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.execute("COMMIT")
        other.close()
        assert isinstance(await waiting, Claim)


async def test_a_file_that_somebody_writes_in_the_old_way_is_waited_for_when_it_is_opened(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # without a write-ahead log: SQLite itself would not wait to switch to one
    other.execute("CREATE TABLE theirs (a TEXT)")
    ledger = Ledger(f"sqlite:///{path}", patience_seconds=10)
    opening = asyncio.create_task(ledger.open())
    await asyncio.sleep(0.1)
    assert not opening.done()
    other.execute("COMMIT")
    other.close()
    await opening
    await claimed(ledger)
    await ledger.close()


async def test_a_full_disk_stops_the_claims_and_loses_none_that_were_given(path: Path) -> None:
    given: list[Claim] = []
    errors: list[LedgerError] = []
    async with Ledger(f"sqlite:///{path}"):
        pass
    with on_connect("max_page_count=60"):
        async with Ledger(f"sqlite:///{path}") as ledger:
            for page in range(100):
                numbers = range(page * 20, page * 20 + 20)
                answers = await asyncio.gather(
                    *[ledger.claim(ask(number)) for number in numbers], return_exceptions=True
                )
                given += [answer for answer in answers if isinstance(answer, Claim)]
                errors += [answer for answer in answers if isinstance(answer, LedgerError)]
                if errors:
                    break
            assert "disk is full" in str(errors[0])
            assert "make room on its disk" in str(errors[0])
            assert len(await ledger.attempts()) == len(given)
    async with Ledger(f"sqlite:///{path}") as ledger:
        assert {row.call_key for row in await ledger.attempts()} == {claim.call_key for claim in given}
        await claimed(ledger, 5000)


FILLS_UP = """
import asyncio, resource, sys
from campaign.attempts import Claim
from campaign.errors import LedgerError
from campaign.ledger.ledger import Ledger
from tests.campaign.ledger.asking import ask

async def main():
    given = 0
    async with Ledger(sys.argv[1]) as ledger:
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        try:
            for number in range(5000):
                given += isinstance(await ledger.claim(ask(number)), Claim)
        except LedgerError as error:
            print(given, error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert isinstance(await ledger.claim(ask(9000)), Claim)

asyncio.run(main())
"""


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="this system limits no file's size")
async def test_a_write_that_the_system_refuses_is_no_claim(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FILLS_UP, f"sqlite:///{path}"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr
    given, sentence = done.stdout.split(" ", 1)
    assert HINT in sentence
    async with Ledger(f"sqlite:///{path}") as ledger:
        assert len(await ledger.attempts()) == int(given) + 1


READS_ONLY = """
import asyncio, os, sys
from campaign.errors import LedgerError
from campaign.ledger.ledger import Ledger
from tests.campaign.ledger.asking import ask

async def main():
    async with Ledger(sys.argv[1]):
        pass  # everything is imported now: another user could perhaps not read it
    if os.geteuid() == 0:  # root may write whatever it likes
        os.setegid(65534)
        os.seteuid(65534)
    for url in sys.argv[2:]:
        try:
            async with Ledger(url) as ledger:
                print(await ledger.claim(ask()))
        except LedgerError as error:
            print(error)

asyncio.run(main())
"""


@pytest.mark.processes
async def test_a_file_or_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    # Below a test's own folder another user could not even look.
    folder = Path(tempfile.mkdtemp(prefix="hamsa-read-only-"))
    try:
        file = folder / "calls.db"
        file.touch(mode=0o444)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            for owned in (file, folder):
                os.chown(owned, 65534, 65534)
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                READS_ONLY,
                f"sqlite:///{tmp_path}/any.db",
                f"sqlite:///{file}",
                f"sqlite:///{folder}/new.db",
            ],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parents[3],
        )
        assert done.returncode == 0, done.stderr
        readonly, unmade = done.stdout.strip().splitlines()
        assert str(file) in readonly
        assert "let this user write to it and its folder" in readonly
        assert f"The ledger file {folder}/new.db cannot be opened: Permission denied" in unmade
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


async def test_a_folder_or_another_kind_of_file_is_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"cannot be opened: Is a directory.*name a file"):
        await Ledger(f"sqlite:///{tmp_path}").open()
    letter = tmp_path / "letter.txt"
    letter.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(LedgerError, match=r"cannot be opened: file is not a database.*name another file"):
        await Ledger(f"sqlite:///{letter}").open()
    assert letter.read_text().startswith("Dear Sir")
    with pytest.raises(LedgerError, match="cannot be opened"):
        await Ledger("sqlite:////proc/nowhere/calls.db").open()


async def test_a_file_that_is_taken_away_stops_the_claims(path: Path) -> None:
    async with Ledger(f"sqlite:///{path}") as ledger:
        await claimed(ledger, 1)
        elsewhere = path.with_name("elsewhere.db")
        path.rename(elsewhere)
        assert "moved, deleted or replaced" in await refused(ledger, 2)
        path.touch()  # a new one, which knows nobody
        assert "moved, deleted or replaced" in await refused(ledger, 2)
        elsewhere.rename(path)
        await claimed(ledger, 2)


# -- the URL -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "cannot be read: write it like"),
        ("calls.db", "cannot be read: write it like"),
        ("postgresql://user:sec/ret@host:port/db", "cannot be read: write it like"),
        ("mysql://user:secret@host/db", "names mysql: this program keeps it in SQLite or PostgreSQL only"),
        ("sqlite://", "a ledger in memory would forget every call"),
        ("sqlite:///:memory:", "a ledger in memory would forget every call"),
        ("sqlite:///file:calls.db?mode=ro&uri=true", "says more than where its file is"),
        ("sqlite:///calls.db?timeout=5", "says more than where its file is"),
        ("postgresql://user:secret@host/db?options=-csearch_path%3Dx", "an option `options` that this program"),
        ("postgresql://user@host/db?password=secret", "an option `password` that this program does not know"),
        ("postgresql://user@host/db?sslmode=sometimes", "`sslmode` must be one of disable, allow, prefer, require,"),
    ],
)
def test_a_url_that_names_no_ledger_is_refused_without_repeating_it(url: str, sentence: str) -> None:
    with pytest.raises(LedgerError) as shown:
        Ledger(url)
    assert sentence in str(shown.value)
    everything = "".join(traceback.format_exception(shown.value))
    assert "secret" not in everything
    assert "sec/ret" not in everything


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgres://user:secret@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql+psycopg2://user:secret@host/db", "postgresql+asyncpg://user:***@host/db"),
        ("postgresql://user:secret@host/db?sslmode=require", "postgresql+asyncpg://user:***@host/db?ssl=require"),
        ("sqlite:////data/calls.db", "sqlite+aiosqlite:////data/calls.db"),
    ],
)
def test_a_url_is_taken_as_people_write_it_and_shown_without_its_password(url: str, name: str) -> None:
    assert Ledger(url).name == name


# -- PostgreSQL --------------------------------------------------------------------------------------------------


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "a wrong secret"}, "correct the user or the password"),
        ({"database": "nowhere"}, "does not exist"),
        ({"port": 1}, "check that the database runs and can be reached"),
    ],
)
async def test_a_database_that_cannot_be_opened_is_named_without_its_password(
    postgres_ledger: str, changes: dict[str, Any], words: str
) -> None:
    url = make_url(postgres_ledger).set(**changes)
    with pytest.raises(LedgerError) as shown:
        await Ledger(url.render_as_string(hide_password=False), patience_seconds=5).open()
    assert words in str(shown.value)
    assert HINT in str(shown.value)
    assert str(url.password) not in "".join(traceback.format_exception(shown.value))


@pytest.mark.postgres
async def test_a_database_that_vanishes_stops_the_claims_and_the_next_one_after_it_is_back_works(
    postgres_ledger: str,
) -> None:
    async with wired(postgres_ledger) as (url, wire), Ledger(url, patience_seconds=2) as ledger:
        claim = await claimed(ledger, 1)
        wire.cut()
        assert "check that the database runs and can be reached" in await refused(ledger, 2)
        with pytest.raises(LedgerError, match="cannot be read"):
            await ledger.attempts()
        with pytest.raises(LedgerError, match="cannot be written"):
            await ledger.place(claim.call_key, "job")
        with pytest.raises(LedgerError, match="cannot be written"):
            await ledger.expire_leases()
        wire.restore()
        await claimed(ledger, 2)
        assert await ledger.place(claim.call_key, "job")
        assert len(await ledger.attempts()) == 2


@pytest.mark.postgres
async def test_a_database_that_hangs_is_not_waited_for_without_end(postgres_ledger: str) -> None:
    async with wired(postgres_ledger) as (url, wire), Ledger(url, patience_seconds=0.3) as ledger:
        await claimed(ledger, 1)
        wire.hold()
        assert "cannot be written" in await refused(ledger, 2)
        wire.drop()
        wire.restore()
        answers = await asyncio.gather(*[ledger.claim(ask(number)) for number in range(10, 20)])
        assert all(isinstance(answer, Claim) for answer in answers)


@pytest.mark.postgres
async def test_connections_that_were_cut_while_they_were_idle_are_no_failure(postgres_ledger: str) -> None:
    async with wired(postgres_ledger) as (url, wire), Ledger(url) as ledger:
        await claimed(ledger, 1)
        await asyncio.gather(*[ledger.attempts() for _ in range(4)])
        wire.drop()
        assert len(await ledger.attempts()) == 1
        wire.drop()
        await claimed(ledger, 2)
        wire.drop()
        assert await ledger.expire_leases() == 0


# -- closing -----------------------------------------------------------------------------------------------------


async def test_closing_a_ledger_that_cannot_be_written_does_not_take_for_ever(path: Path) -> None:
    ledger = Ledger(f"sqlite:///{path}", patience_seconds=0.2)
    await ledger.open()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    claims = [asyncio.create_task(ledger.claim(ask(number))) for number in range(3000)]
    await asyncio.sleep(0.01)
    await asyncio.wait_for(ledger.close(), 2)  # one wait, not twelve
    answers = await asyncio.gather(*claims, return_exceptions=True)
    assert {type(answer) for answer in answers} == {LedgerError}
    other.close()


async def test_a_claim_that_cannot_be_given_back_is_left_to_its_lease(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Ledger(f"sqlite:///{path}", patience_seconds=0.2) as ledger:
        caller = asyncio.create_task(ledger.claim(ask()))
        while not caller.done():
            await asyncio.sleep(0)
            with contextlib.closing(sqlite3.connect(path, timeout=0)) as look:
                if look.execute("SELECT count(*) FROM call_attempts").fetchone()[0]:
                    break
        other = sqlite3.connect(path, isolation_level=None, timeout=5)
        other.execute("BEGIN IMMEDIATE")
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)
        await asyncio.sleep(0.3)
        other.execute("ROLLBACK")
        other.close()
    async with Ledger(f"sqlite:///{path}") as ledger:
        (row,) = await ledger.attempts()
    if caller.cancelled():  # else the answer was faster than the cancellation
        assert row.state is AttemptState.CLAIMED
        assert "could not be given back" in caplog.text


# -- what an error tells -----------------------------------------------------------------------------------------


async def test_no_error_says_whom_it_was_about(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    claim = await claimed(ledger, 1)
    errors = await asyncio.gather(
        ledger.end(CallEnd(AttemptState.FAILED, cost=phone(1)), call_key=claim.call_key),  # type: ignore[arg-type]
        ledger.claim(ask(2, recipient_id=b"r")),  # type: ignore[arg-type]
        ledger.claim(ask(3, campaign=object())),  # type: ignore[arg-type]
        return_exceptions=True,
    )
    for error in errors:
        if isinstance(error, Exception):
            shown = "".join(traceback.format_exception(error))
            assert not any(phone(number) in shown for number in range(1, 4)), shown
    assert not any(phone(number) in caplog.text for number in range(1, 4))
    await claimed(ledger, 4)
