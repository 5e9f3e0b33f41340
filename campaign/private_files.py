"""Private files: made for their owner alone before anything is written, and known again after they were replaced."""

import contextlib
import errno
import os
from pathlib import Path


def create_private(path: Path) -> None:
    """Make a file that only its owner may read, and its folder, unless it is there: SQLite would make it for everybody.

    Raises:
        OSError: It cannot be made, or is a folder.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        # Never an existing file: to close it here would drop the locks that this process has on it elsewhere.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is at this place now; None if there is none. SQLite writes into a deleted file forever."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
