"""The programs that the demo starts: a sandbox, a Prefect server, and the campaign itself.

Promises that none outlives the demo: a demo that ends in order stops them, the last one started first, and one that is
killed takes them along, because each is tied to it by a pipe.
"""

import contextlib
import json
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Self

from examples.demo.place import PROJECT, Place, server_address, shown
from examples.demo.problem import DemoProblem
from examples.demo.tied import GRACE_SECONDS

START_SECONDS = 120.0
"""How long a program may take to be ready, on a slow machine."""

PREFERRED_PORT = 4200
"""Where people expect Prefect's UI."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Program:
    """A running program of the demo.

    Args:
        name: What people call it; its log is called so too.
        process: Its process.
        log: What it wrote.
        before: Characters that were in its log before.
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path, *, before: int = 0) -> None:
        self.name = name
        self.process = process
        self._log = log
        self._before = before

    def wait_until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()` says so.

        Raises:
            DemoProblem: It ended, or took too long. The text says what its log says.
        """
        deadline = time.monotonic() + START_SECONDS
        while not ready():
            if self.process.poll() is not None:
                raise self.problem("ended before it was ready")
            if time.monotonic() > deadline:
                raise self.problem(f"was not ready within {START_SECONDS:g} seconds")
            time.sleep(0.05)

    def said(self, pattern: str) -> str | None:
        """What the first group of a regular expression matches in what it wrote last; None if nothing does."""
        found = re.findall(pattern, self._log.read_text(encoding="utf-8", errors="replace")[self._before :])
        return found[0] if found else None

    def problem(self, what: str) -> DemoProblem:
        """What to say when something is wrong with it."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
        return DemoProblem(f"{self.name} {what}. The last line of {shown(self._log)} says: {last}")

    def messages(self) -> "queue.Queue[dict[str, Any] | None]":
        """What it tells on its standard output, one JSON object a line, as it comes; None when it has ended."""
        told: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout, told), daemon=True).start()
        return told

    def _read(self, lines: IO[bytes], told: "queue.Queue[dict[str, Any] | None]") -> None:
        with lines, self._log.open("ab") as log:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:
                    message = None
                if isinstance(message, dict) and "step" in message:
                    told.put(message)
                else:
                    log.write(line)
        told.put(None)

    def ask_to_end(self) -> None:
        """Ask it to end, without waiting. Does nothing once it has ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait until it has ended, after it was asked to; kill it if it does not."""
        if self.process.poll() is None:
            try:
                self.process.wait(timeout=GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()


class Programs:
    """Starts programs, and stops them all at the end of its block.

    Args:
        place: Where their logs go.
        environment: Their whole environment.
        lock: A file descriptor that each of them keeps open as long as it lives.
    """

    def __init__(self, place: Place, environment: dict[str, str], lock: int) -> None:
        self._place = place
        self._environment = environment
        self._lock = lock
        self._running: list[Program] = []

    def start(
        self, name: str, log: str, module: str, *arguments: str, tells: bool = False, hand_over: int | None = None
    ) -> Program:
        """Start a module as a program tied to this one.

        Args:
            name: What people call it.
            log: The name of its log.
            module: What to run, as for `python -m`.
            arguments: Its command line.
            tells: Whether it tells what it does on its standard output; otherwise that goes to its log.
            hand_over: A file descriptor that it gets as well.
        """
        file = self._place.log(log)
        before = len(file.read_text(encoding="utf-8", errors="replace")) if file.exists() else 0
        with file.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "examples.demo.tied", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if tells else output,
                stderr=output,
                cwd=PROJECT,
                env=self._environment,
                pass_fds=(self._lock,) if hand_over is None else (self._lock, hand_over),
                # Ctrl-C is for the demo alone, which then stops them in order.
                start_new_session=True,
            )
        program = Program(name, process, file, before=before)
        self._running.append(program)
        return program

    def ended(self) -> list[Program]:
        """Those that have ended, although nobody stopped them."""
        return [program for program in self._running if program.process.poll() is not None]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # The campaign was started last. It ends first, so that it can still tell Prefect; the others end together.
        for programs in (self._running[-1:], self._running[:-1]):
            for program in programs:
                program.ask_to_end()
            for program in programs:
                program.end()


def start_prefect(programs: Programs, port: socket.socket) -> Program:
    """Start a Prefect server on a port that was kept for it: see `keep_port`. It answers some seconds later."""
    with port:
        descriptor = port.fileno()
        return programs.start(
            *("Prefect's server", "prefect-server", "examples.demo.prefect_server", str(descriptor)),
            hand_over=descriptor,
        )


def prefect_answers(port: int) -> bool:
    """Whether the Prefect server on that port is ready."""
    return answers(f"{server_address(port)}/api/health")


def answers(url: str) -> bool:
    """Whether somebody gives a good answer there."""
    try:
        ask(url)
    except OSError:
        return False
    return True


def ask(url: str) -> Any:
    """The JSON that stands at an address of this machine.

    Raises:
        OSError: There was no answer, or not a good one.
    """
    with _DIRECT.open(url, timeout=10) as answer:
        return json.load(answer)


def keep_port(wanted: int | None, *preferred: int | None, what: str) -> socket.socket:
    """Find a port of 127.0.0.1 for Prefect's server, and keep others from it.

    Args:
        wanted: The port that somebody asked for.
        preferred: Otherwise the first of these that is free, or `PREFERRED_PORT`, or any.
        what: The command, for the message.

    Returns:
        A socket bound to it. Connections are refused until a program listens.

    Raises:
        DemoProblem: The port that was asked for is taken.
    """
    if wanted is not None:
        kept = _bound(wanted)
        if kept is None:
            raise DemoProblem(f"Port {wanted} is taken: name another one, as in `{what} ARGS='--port 4300'`.")
        return kept
    for port in (*preferred, PREFERRED_PORT, 0):
        kept = None if port is None else _bound(port)
        if kept is not None:
            return kept
    raise DemoProblem("This machine has no free port left.")


def port_of(kept: socket.socket) -> int:
    """The port that a socket is bound to."""
    number: int = kept.getsockname()[1]
    return number


def _bound(port: int) -> socket.socket | None:
    # On some systems a port that is taken on all addresses can still be bound on one.
    with socket.socket() as caller:
        caller.settimeout(1)
        if port and caller.connect_ex(("127.0.0.1", port)) == 0:
            return None
    # asyncio turns Nagle's algorithm off only where the protocol is named.
    kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        kept.bind(("127.0.0.1", port))
    except OSError:
        kept.close()
        return None
    return kept


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and a closed terminal end the block in order, as Ctrl-C does."""

    def end(number: int, _frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
