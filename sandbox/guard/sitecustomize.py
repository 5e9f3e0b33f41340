"""Keep this Python process on its own machine: connections and name look-ups for other hosts raise `ForeignHost`.

Python runs this by itself in every process that finds this folder on its PYTHONPATH, before anything else; it needs
nothing but the standard library. Within a program, `sandbox.loopback` turns on the same guard.
"""

import importlib.machinery
import importlib.util
import ipaddress
import socket
import sys
from pathlib import Path

_INSTALLED = "_sandbox_loopback_guard"
_LOOKUPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_CONNECTIONS = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})


class ForeignHost(RuntimeError):
    """This process may talk to its own machine only. Not an OSError, which would look like a failure of the network."""


def forbid_other_hosts() -> None:
    """Raise `ForeignHost` from now on wherever this process looks up or connects to a host that is not loopback.

    Unix sockets and sockets that only listen are not concerned. It cannot be turned off, and calling it again changes
    nothing.
    """
    if not getattr(sys, _INSTALLED, False):
        setattr(sys, _INSTALLED, True)
        sys.addaudithook(_watch)


def is_this_machine(host: object) -> bool:
    """Whether `host` (a name, an address, or what stands for any or none) is this machine."""
    if host is None:
        return True
    name = host.decode("ascii", "replace") if isinstance(host, bytes | bytearray) else str(host)
    name = name.rstrip(".").lower()
    if name in {"", "localhost"} or name.endswith(".localhost") or name == socket.gethostname().lower():
        return True
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or address.is_unspecified or (mapped is not None and mapped.is_loopback)


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if not _LOOKUPS:  # Python ends and has emptied its modules, this one and sockets too: nothing leaves any more
        return
    if event in _LOOKUPS:
        host = arguments[0]
    elif event in _CONNECTIONS:
        connection, address = arguments[0], arguments[-1]
        if getattr(connection, "family", None) not in {socket.AF_INET, socket.AF_INET6} or not address:
            return
        host = address[0] if isinstance(address, tuple) else address
    else:
        return
    if not is_this_machine(host):
        raise ForeignHost(
            f"This process may talk to its own machine only, but {event} was called for {host!r}. "
            "Give the address of a sandbox on loopback, or run it without sandbox.loopback."
        )


def _run_the_one_behind() -> None:
    """Run the `sitecustomize` that this one stands in front of: a machine may have its own."""
    here = Path(__file__).resolve().parent
    behind = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", behind)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    forbid_other_hosts()
    _run_the_one_behind()
