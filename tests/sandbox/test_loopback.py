"""Nothing leaves the machine: not from a guarded process, nor from the processes that it starts."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.loopback import GUARD, guarded_environment, is_this_machine

PROJECT = Path(__file__).resolve().parents[2]


def run(program: str, environment: dict[str, str] | None = None) -> str:
    """Run `program` in a Python of its own and return what it prints, errors included."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env=environment if environment is not None else guarded_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('api.tryhamsa.com', 443))",
        "socket.getaddrinfo('api.tryhamsa.com', 443)",
        "socket.gethostbyname('api.tryhamsa.com')",
        "socket.gethostbyaddr('192.0.2.1')",
        "socket.socket().connect(('192.0.2.1', 80))",
        "socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80))",
        "socket.socket().connect_ex(('192.0.2.1', 80))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, ('192.0.2.1', 53))",
        "urllib.request.urlopen('http://example.com')",
        "asyncio.run(asyncio.wait_for(asyncio.open_connection('example.com', 80), 5))",
    ],
)
def test_every_way_to_another_host_is_refused_with_a_sentence(attempt: str) -> None:
    said = run(f"import asyncio, socket, urllib.request; {attempt}")
    assert "ForeignHost: This process may talk to its own machine only" in said


def test_this_machine_can_be_talked_to() -> None:
    said = run(
        "import asyncio, os, socket, tempfile\n"
        "async def scene():\n"
        "    async def answer(reader, writer):\n"
        "        writer.write(await reader.readline()); writer.close()\n"
        "    for host in ('127.0.0.1', 'localhost'):\n"
        "        async with await asyncio.start_server(answer, host, 0) as server:\n"
        "            reader, writer = await asyncio.open_connection(host, server.sockets[0].getsockname()[1])\n"
        "            writer.write(b'hello\\n'); print(await reader.readline()); writer.close()\n"
        "    path = os.path.join(tempfile.mkdtemp(), 'socket')\n"
        "    async with await asyncio.start_unix_server(answer, path):\n"
        "        reader, writer = await asyncio.open_unix_connection(path)\n"
        "        writer.write(b'unix\\n'); print(await reader.readline()); writer.close()\n"
        "asyncio.run(scene()); socket.getaddrinfo(None, 80); socket.gethostname()\n"
    )
    assert said == "b'hello\\n'\nb'hello\\n'\nb'unix\\n'\n"


def test_what_a_program_does_while_python_ends_is_not_disturbed() -> None:
    said = run(
        "import os, sys\n"
        "class Late:\n"
        "    def __init__(self): self.list, self.write = os.listdir, os.write\n"
        "    def __del__(self):\n"
        "        try: self.list('.'); self.write(1, b'listed')\n"
        "        except BaseException as error: self.write(1, repr(error).encode())\n"
        "late = Late()\n"
        "sys.guard, sys.late = sys.modules['sitecustomize'], late\n"
        "del late\n"
    )
    assert said == "listed"


def test_children_of_children_are_guarded_too() -> None:
    said = run(
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', 'import socket; socket.gethostbyname(\"example.com\")'])"
    )
    assert "ForeignHost" in said


def test_a_process_guards_itself_by_calling_once_or_more_often() -> None:
    program = (
        "import socket\n"
        "from sandbox.loopback import ForeignHost, forbid_other_hosts\n"
        "forbid_other_hosts(); forbid_other_hosts()\n"
        "try:\n"
        "    socket.gethostbyname('example.com')\n"
        "except ForeignHost as error:\n"
        "    print(type(error).__mro__[1].__name__)\n"
    )
    unguarded = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert run(program, unguarded) == "RuntimeError\n"


def test_the_guard_leaves_a_machines_own_sitecustomize_in_force(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the machine speaks')")
    environment = guarded_environment({**os.environ, "PYTHONPATH": str(tmp_path)})
    assert run("import socket; socket.gethostbyname('example.com')", environment).startswith("the machine speaks\n")
    assert "ForeignHost" in run("import socket; socket.gethostbyname('example.com')", environment)


def test_a_guarded_environment_keeps_what_was_on_the_path_and_names_the_guard_once() -> None:
    once = guarded_environment({"PYTHONPATH": f"first{os.pathsep}second", "HOME": "somewhere"})
    assert guarded_environment(once) == once
    assert once == {"PYTHONPATH": os.pathsep.join([str(GUARD), "first", "second"]), "HOME": "somewhere"}


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("LOCALHOST.", True),
        ("sandbox.localhost", True),
        (b"localhost", True),
        ("0.0.0.0", True),  # noqa: S104 - nothing is bound here
        ("", True),
        (None, True),
        (socket.gethostname(), True),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:192.0.2.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example.com", False),
        ("127.0.0.1.nip.io", False),
        ("2130706433", False),
    ],
)
def test_only_loopback_counts_as_this_machine(host: object, expected: bool) -> None:
    assert is_this_machine(host) is expected
