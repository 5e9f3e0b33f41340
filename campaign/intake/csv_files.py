"""Opening a CSV file that somebody named in a form: from a folder that is allowed, a regular file, of a bounded size.

Promises that nothing else is read, waited for or shown: no device, no pipe, no file that the machine makes up, and in
an error nothing of what a file holds.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO

from campaign.intake.recipients import SourceError

LARGEST_FILE = 4 * 2**30
"""Bytes: some ten million rows."""
ENDINGS = (".csv", ".tsv", ".txt")
"""What a file's name may end in where folders are limited: there lie other files, too."""
_MADE_UP = ("/proc", "/sys", "/dev")
"""What lies here is made when it is read: the machine's memory, its devices, its processes' secrets."""


def open_csv(path: Path, folders: Collection[Path] | None = None) -> BinaryIO:
    """Open a file to read.

    Args:
        path: The file; a relative path begins in the working directory.
        folders: Where it must lie, after all links were followed; `None` is anywhere.

    Raises:
        SourceError: It may not or cannot be read, or is not a regular file, or too large.
    """
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise explained(path, error) from None
    _check_place(path, real, folders)
    try:
        # Without waiting: to open a pipe that nobody writes to would take forever.
        descriptor = os.open(real, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError as error:
        raise explained(path, error) from None
    try:
        _check_kind(path, os.fstat(descriptor))
    except SourceError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def explained(path: Path, error: Exception) -> SourceError:
    """What the machine says of a file that cannot be opened or read, as a sentence for its owner."""
    match error:
        case FileNotFoundError():
            where = "" if path.is_absolute() else f" in {Path.cwd()}"
            return SourceError(f"{path}: there is no such file{where}; name one that the flow's machine can see")
        case IsADirectoryError():
            return SourceError(f"{path} is a folder; name a CSV file")
        case OSError():
            return SourceError(f"{path}: the file cannot be read ({error.strerror})")
    return SourceError(f"{str(path)[:200]!r} is not the path of a file")


def _check_place(path: Path, real: Path, folders: Collection[Path] | None) -> None:
    if any(real.is_relative_to(place) for place in _MADE_UP):
        raise SourceError(f"{path} is not a CSV file but a part of the operating system; name a CSV file")
    if folders is None:
        return
    if not any(real.is_relative_to(folder.resolve()) for folder in folders):
        listed = ", ".join(map(str, folders)) or "none is named"
        raise SourceError(
            f"{path} is not in a folder from which this run may read ({listed}); put it there, or name its "
            "folder in HAMSA_CSV_FOLDERS where the flow runs"
        )
    if real.suffix.lower() not in ENDINGS:
        raise SourceError(f"{path}: the name of the file has to end in {', '.join(ENDINGS)}; rename it")


def _check_kind(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise SourceError(f"{path} is a folder; name a CSV file")
    if not stat.S_ISREG(found.st_mode):
        raise SourceError(f"{path} is not a regular file but a pipe, a socket or a device; name a CSV file")
    if found.st_size > LARGEST_FILE:
        raise SourceError(f"{path} has {found.st_size:,} bytes, and {LARGEST_FILE:,} are the most; divide it")
