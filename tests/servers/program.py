"""A program of the project, or one it stands on, run as a process of its own.

Promises a log to read, a wait that ends early with that log when the program dies, and an end that is the end.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.servers.process_reaper import ProcessReaper

PROJECT = Path(__file__).resolve().parents[2]
"""The folder that holds the packages: where every program is started, so that `python -m sandbox` works."""


KEEPS_PORTS = sys.platform == "linux"
"""Linux lets a server have a port that another socket has bound and does not listen on, if both allow it: a port that
is kept so is given to no other program that asks for a free one, as several do at once when tests run side by side."""

_KEPT: list[socket.socket] = []


class ProgramFailed(RuntimeError):
    """A program ended, or did not get ready in time. The message holds the end of its log."""


class Port:
    """A free TCP port on loopback, kept from others until a program is about to take it.

    Its number can be told to everybody before the program runs; connections are refused until then.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        if KEEPS_PORTS:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def hand_over(self) -> int:
        """Let the program that is started next have the port. Returns its number."""
        if KEEPS_PORTS:
            _KEPT.append(self._socket)
        else:
            self._socket.close()
        return self.number


class Program:
    """A running process.

    Args:
        command: The program and its arguments.
        log: The file that takes what it writes.
        reaper: What it is tied to.
        environment: The whole environment it gets; this process's own when left out.
        user: Run as this user id (and the group `group`), for a program that refuses to run as root.
        group: The group id that goes with `user`.
        stop_signal: The signal that asks it to end.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        reaper: ProcessReaper,
        environment: Mapping[str, str] | None = None,
        user: int | None = None,
        group: int | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.command = [str(word) for word in command]
        self.log = log
        self.stop_signal = stop_signal
        self._reaper = reaper
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=PROJECT if user is None else "/",
                env={**(os.environ if environment is None else environment), **reaper.environment},
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        reaper.process(self.pid)

    @property
    def pid(self) -> int:
        """The id of the process; its process group has the same."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def log_text(self) -> str:
        """What it wrote so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, ready: Callable[[], bool], *, what: str, within_seconds: float = 240.0) -> None:
        """Wait until `ready()` says so.

        Args:
            ready: Asked again and again.
            what: What is waited for, for the message: "answers".
            within_seconds: How long, in real time.

        Raises:
            ProgramFailed: The program ended, or the time is up. It is stopped then.
        """
        deadline = time.monotonic() + within_seconds
        while not ready():
            ended = not self.is_running
            if ended or time.monotonic() > deadline:
                self.stop()
                why = f"ended with {self.process.returncode}" if ended else f"took more than {within_seconds:g} s"
                message = f"{' '.join(self.command)} {why} before it {what}. Its log ends:\n{self.log_text()[-4000:]}"
                raise ProgramFailed(message)
            time.sleep(0.05)

    def kill(self) -> None:
        """Kill it (SIGKILL), and all in its process group: it has no chance to put anything in order."""
        self._end(signal.SIGKILL)

    def stop(self, *, within_seconds: float = 10.0) -> None:
        """Ask it to end; kill it when it has not within `within_seconds`. Does nothing once it has ended."""
        if self.is_running:
            self.process.send_signal(self.stop_signal)
            try:
                self.process.wait(timeout=within_seconds)
            except subprocess.TimeoutExpired:
                self._end(signal.SIGKILL)
        self._reaper.ended(self.pid)

    def _end(self, by: signal.Signals) -> None:
        if self.is_running:
            os.killpg(self.pid, by)
        self.process.wait()
        self._reaper.ended(self.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
