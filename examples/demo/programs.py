"""The programs that the demo starts: a sandbox, a Prefect server, and the campaign itself.

Promises that none outlives the demo: a demo that ends in order stops them, the last one started first, and one that is
killed takes them along, because each is tied to it by a pipe.
"""

import contextlib
import json
import queue
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
    """

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.process = process
        self._log = log

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

    def start(self, name: str, log: str, module: str, *arguments: str, tells: bool = False) -> Program:
        """Start a module as a program tied to this one.

        Args:
            name: What people call it.
            log: The name of its log.
            module: What to run, as for `python -m`.
            arguments: Its command line.
            tells: Whether it tells what it does on its standard output; otherwise that goes to its log.
        """
        file = self._place.log(log)
        with file.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "examples.demo.tied", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if tells else output,
                stderr=output,
                cwd=PROJECT,
                env=self._environment,
                pass_fds=(self._lock,),
                # Ctrl-C is for the demo alone, which then stops them in order.
                start_new_session=True,
            )
        program = Program(name, process, file)
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


def start_prefect(programs: Programs, port: int) -> Program:
    """Start a Prefect server on that port; `wait_until(lambda: prefect_answers(port))`."""
    arguments = ["--factory", "prefect.server.api.server:create_app", "--host", "127.0.0.1", "--port", str(port)]
    # What `prefect server start` runs, without the program around it that would have to be ended as well.
    return programs.start("Prefect's server", "prefect-server", "uvicorn", *arguments, "--log-level", "warning")


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


def is_free(port: int) -> bool:
    """Whether a program could listen on that port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    # On some systems a port that is taken on all addresses can still be bound on one.
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex(("127.0.0.1", port)) != 0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def choose_port(wanted: int | None, *preferred: int | None, what: str) -> int:
    """Where Prefect's server shall listen.

    Args:
        wanted: The port that somebody asked for.
        preferred: Otherwise the first of these that is free, or `PREFERRED_PORT`, or any.
        what: The command, for the message.

    Raises:
        DemoProblem: The port that was asked for is taken.
    """
    if wanted is not None:
        if not is_free(wanted):
            raise DemoProblem(f"Port {wanted} is taken: name another one, as in `{what} ARGS='--port 4300'`.")
        return wanted
    return next((port for port in (*preferred, PREFERRED_PORT) if port is not None and is_free(port)), free_port())


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
