"""A reaper: whatever is tied to it ends with the program that holds it, however that ends.

Promises that after the holder's end, even by SIGKILL, the processes it started are ended and the folders it named are
gone. A small process of its own reads a pipe from the holder; the pipe's end is the holder's end. Every process that
carries the reaper's tag in its environment is on it, children of children too; the others are tied by their pid.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import IO

import psutil

TAG = "HAMSA_TESTS_LEASH"
"""The environment variable by which a process says on whose reaper it is."""

GRACE_SECONDS = 5.0
"""How long a process may take to end itself before it is killed."""

ROUNDS = 5
"""How often to look again for processes that came up while others were ended."""


class ProcessReaper:
    """Ties processes and folders to the program that made it.

    Example:
        ```python
        reaper = ProcessReaper()
        process = subprocess.Popen(command, env={**os.environ, **reaper.environment})
        reaper.folder(Path(scratch))
        reaper.release()  # at a regular end; at any other end it happens by itself
        ```
    """

    def __init__(self) -> None:
        self.tag = uuid.uuid4().hex
        self.environment = {TAG: self.tag}
        """To be added to the environment of every process on the reaper."""
        self._watcher = subprocess.Popen(
            [sys.executable, __file__, self.tag], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def process(self, pid: int) -> None:
        """Tie a process by its id: one that loses its environment, or hides it, such as another user's."""
        self._say(f"+{pid}")

    def ended(self, pid: int) -> None:
        """Forget a process whose end was seen: its id may soon be somebody else's."""
        self._say(f"-{pid}")

    def folder(self, folder: Path) -> None:
        """Tie a folder: it is removed at the end."""
        self._say(f"/{folder}")

    def release(self) -> None:
        """End everything on the reaper now, and wait for it."""
        if self._watcher.stdin is not None and not self._watcher.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._watcher.stdin.close()
        self._watcher.wait(timeout=4 * GRACE_SECONDS)

    def _say(self, line: str) -> None:
        stdin = self._watcher.stdin
        if stdin is None or stdin.closed:
            message = "The reaper was released already."
            raise RuntimeError(message)
        stdin.write(line + "\n")
        stdin.flush()


def watch(lines: IO[str], tag: str) -> None:
    """Read what the holder ties until the holder ends; then end all of it."""
    pids: dict[int, psutil.Process] = {}
    folders: list[Path] = []
    for line in lines:
        what, rest = line[0], line[1:].rstrip("\n")
        if what == "+":
            with contextlib.suppress(psutil.NoSuchProcess):
                pids[int(rest)] = psutil.Process(int(rest))
        elif what == "-":
            pids.pop(int(rest), None)
        else:
            folders.append(Path(rest))
    for _ in range(ROUNDS):  # an ending process may leave children that were not seen before
        end([*pids.values(), *tagged(tag)])
        pids.clear()
        if not tagged(tag):
            break
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def tagged(tag: str) -> list[psutil.Process]:
    """Every process of this user, this one aside, that carries `tag`."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(TAG) == tag:
                found.append(process)
    return found


def end(processes: list[psutil.Process]) -> None:
    """Ask processes to end; kill those that have not after the grace."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=GRACE_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=GRACE_SECONDS)


if __name__ == "__main__":
    # Ctrl-C goes to everything in the terminal; this one has to outlive the holder.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch(sys.stdin, sys.argv[1])
