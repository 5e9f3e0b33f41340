"""A server that speaks TLS as PostgreSQL does, before a real one that does not, and certificates for it.

Whether the suite's PostgreSQL was built with OpenSSL depends on the machine; what a client checks does not.
"""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SSL_REQUEST = struct.pack("!II", 8, 80877103)
"""What a client of PostgreSQL sends first, to be answered with one letter."""


@dataclass(frozen=True)
class Authority:
    """A CA that nobody knows: its own file, and a certificate with its key that it signed."""

    ca: Path
    certificate: Path
    key: Path


def authority(folder: Path, *, names: tuple[str, ...] = ("localhost",)) -> Authority:
    """Make a CA, and a certificate of it for some names; an address among them stands as one."""
    folder.mkdir(exist_ok=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {folder.name}")])
    now = dt.datetime.now(dt.UTC)

    def certificate(subject: x509.Name, whose: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(whose.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        )
        if not is_ca:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_name(name) for name in names]), critical=False
            )
        return builder.sign(ca_key, hashes.SHA256())

    made = Authority(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    for path, one in (
        (made.ca, certificate(issuer, ca_key, is_ca=True)),
        (made.certificate, certificate(own, key, is_ca=False)),
    ):
        path.write_bytes(one.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    made.key.write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
    return made


def _name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@contextlib.asynccontextmanager
async def tls_before(port: int, known: Authority | None, *, clients: Authority | None = None) -> AsyncIterator[int]:
    """Serve TLS with a certificate before a server on `port`. Gives the port on 127.0.0.1.

    Args:
        port: Where the real server listens.
        known: Whose certificate it shows; without one it refuses TLS, as a server without OpenSSL does.
        clients: Whose certificate a client must show, if it must.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if known is not None:
        context.load_cert_chain(known.certificate, known.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.ca)
    open_now: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        with contextlib.suppress(OSError, ssl.SSLError, asyncio.IncompleteReadError):
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                writer.write(b"N" if known is None else b"S")
                await writer.drain()
                if known is None:
                    first = await reader.readexactly(8)
                else:
                    await writer.start_tls(context)
                    first = b""
            inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
            inner_writer.write(first)
            await asyncio.gather(_pipe(reader, inner_writer), _pipe(inner_reader, writer))
        writer.close()
        open_now.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
