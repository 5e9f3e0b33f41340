"""TLS to the ledger: verified against a CA and a host when the URL says so, and refused with a sentence otherwise."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from campaign.errors import LedgerError
from campaign.ledger.ledger import Ledger
from tests.campaign.ledger.asking import claimed
from tests.campaign.ledger.tls_server import Authority, authority, tls_before

pytestmark = pytest.mark.postgres


@pytest.fixture
def known(tmp_path: Path) -> Authority:
    return authority(tmp_path / "known", names=("localhost",))


@pytest.fixture
def stranger(tmp_path: Path) -> Authority:
    return authority(tmp_path / "stranger", names=("localhost",))


def at(url: str, port: int, host: str, **options: object) -> str:
    """The same database by another address, with options in its URL."""
    changed = sa.make_url(url).set(host=host, port=port, query={name: str(value) for name, value in options.items()})
    return changed.render_as_string(hide_password=False)


async def use(url: str) -> None:
    async with Ledger(url, patience_seconds=10) as ledger:
        await claimed(ledger)


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_whose_certificate_the_ca_signed_is_used(
    postgres_ledger: str, known: Authority, mode: str
) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, known) as port:
        await use(at(postgres_ledger, port, "localhost", sslmode=mode, sslrootcert=known.ca))


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
async def test_a_server_of_another_ca_is_not(
    postgres_ledger: str, known: Authority, stranger: Authority, mode: str
) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, stranger) as port:
        url = at(postgres_ledger, port, "localhost", sslmode=mode, sslrootcert=known.ca)
        with pytest.raises(LedgerError, match="certificate verify failed") as refused:
            await use(url)
    assert "set `sslrootcert` in its URL to the CA" in str(refused.value)
    assert str(sa.make_url(url).password) not in str(refused.value)


async def test_a_server_of_another_name_is_only_where_the_name_is_not_asked_for(
    postgres_ledger: str, known: Authority
) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, known) as port:
        await use(at(postgres_ledger, port, "127.0.0.1", sslmode="verify-ca", sslrootcert=known.ca))
        with pytest.raises(LedgerError, match=r"IP address mismatch, certificate is not valid for '127\.0\.0\.1'"):
            await use(at(postgres_ledger, port, "127.0.0.1", sslmode="verify-full", sslrootcert=known.ca))


async def test_what_the_machine_trusts_is_what_verifies_without_a_file(postgres_ledger: str, known: Authority) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, known) as port:
        for options in ({"sslmode": "verify-full"}, {"sslrootcert": "system"}):
            with pytest.raises(LedgerError, match="certificate verify failed"):
                await use(at(postgres_ledger, port, "localhost", **options))
        await use(at(postgres_ledger, port, "localhost", sslmode="require"))  # encrypted, and nothing more is asked


async def test_a_server_without_tls_is_not_used_where_it_is_asked_for(postgres_ledger: str, known: Authority) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, None) as port:
        for mode in ("require", "verify-ca", "verify-full"):
            with pytest.raises(LedgerError, match="rejected SSL upgrade"):
                await use(at(postgres_ledger, port, "localhost", sslmode=mode, sslrootcert=known.ca))
        await use(at(postgres_ledger, port, "localhost", sslmode="prefer"))


async def test_a_client_shows_its_own_certificate(postgres_ledger: str, known: Authority, stranger: Authority) -> None:
    async with tls_before(sa.make_url(postgres_ledger).port or 0, known, clients=stranger) as port:
        own = {"sslcert": stranger.certificate, "sslkey": stranger.key}
        await use(at(postgres_ledger, port, "localhost", sslmode="verify-full", sslrootcert=known.ca, **own))
        with pytest.raises(LedgerError):
            await use(at(postgres_ledger, port, "localhost", sslmode="verify-full", sslrootcert=known.ca))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"sslmode": "verify-full", "sslrootcert": "/nowhere/ca.pem"},
            "`sslrootcert=/nowhere/ca.pem`, which cannot be",
        ),
        ({"sslmode": "verify-full", "sslrootcert": __file__}, r"it holds none, or not its key\): nobody is called"),
        ({"sslmode": "require", "sslcert": "/nowhere/own.pem"}, "`sslcert=/nowhere/own.pem`, which cannot be used"),
        ({"sslmode": "require", "sslkey": "own.key"}, "names `sslkey` and no `sslcert`"),
        ({"sslrootcert": "ca.pem"}, "its `sslmode` checks nothing by it: write `sslmode=verify-full`"),
        ({"sslmode": "prefer", "sslrootcert": "system"}, "its `sslmode` checks nothing by it"),
        ({"sslmode": "verify-all"}, "must be one of disable, allow, prefer, require, verify-ca, verify-full"),
        ({"sslcrl": "x"}, "an option `sslcrl` that this program does not know"),
        ({"sslnegotiation": "direct"}, "an option `sslnegotiation` that this program does not know"),
    ],
)
async def test_what_cannot_be_meant_is_named(options: dict[str, str], said: str) -> None:
    with pytest.raises(LedgerError, match=said):
        await use(at("postgresql://user:secret@127.0.0.1/calls", 1, "127.0.0.1", **options))


async def test_an_option_that_is_said_twice_is_refused() -> None:
    with pytest.raises(LedgerError, match="says `sslmode` twice"):
        Ledger("postgresql://user:secret@host/db?sslmode=verify-full&sslmode=disable")
