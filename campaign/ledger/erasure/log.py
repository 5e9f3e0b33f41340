"""The log of erasures as a file next to the ledger: what was erased stays erased when an older copy comes back.

Promises that what it names was erased in the ledger first, that only its owner may read it, and that a line which was
cut off by a crash loses nothing. It holds pseudonyms, and the key by which the names in a copy become the same ones.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from campaign.errors import LedgerError
from campaign.private_files import create_private


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the log: a number or an id of somebody who was erased.

    Attributes:
        pseudonym: What stands for it in the ledger.
        kind: `phone`, `person`, or `recipient` for an id in one campaign that is not the person's own.
        theirs_alone: Whether whoever has it is the one who was erased.
        barred: Whether they are kept from being called until somebody lifts that.
    """

    erasure: str
    pseudonym: str
    kind: str
    theirs_alone: bool
    barred: bool
    erased_at: datetime
    erased_by: str
    reason: str


@dataclass(slots=True)
class Log:
    """What the file holds.

    Attributes:
        key: The ledger's key; None if there is no file yet.
    """

    key: bytes | None = None
    erasures: dict[str, list[Entry]] = field(default_factory=dict)


def read_log(path: Path) -> Log:
    """Read the file.

    Raises:
        LedgerError: It cannot be read, or a line of it is not understood.
    """
    log = Log()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return log
    except (OSError, ValueError) as error:
        raise LedgerError(_problem(path, f"cannot be read ({type(error).__name__})")) from None
    *whole, _cut_off = text.split("\n")  # what was being written when the machine stopped is in the ledger
    for number, line in enumerate(whole, 1):
        if not line:
            continue
        try:
            said: dict[str, Any] = json.loads(line)
            if "key" in said:
                key: bytes | None = bytes.fromhex(said["key"])
            else:
                key = log.key
                entry = Entry(**{**said, "erased_at": datetime.fromisoformat(said["erased_at"])})
                log.erasures.setdefault(entry.erasure, []).append(entry)
        except (ValueError, TypeError, KeyError):
            raise LedgerError(_problem(path, f"has a line {number} that is not understood")) from None
        if log.key not in (None, key):
            raise LedgerError(_problem(path, f"has a second key in line {number}: it is from two ledgers"))
        log.key = key
    if log.erasures and log.key is None:
        raise LedgerError(_problem(path, "lacks its first line, with the key"))
    return log


def append_to_log(path: Path, key: bytes, entries: Iterable[Entry], *, is_new: bool) -> None:
    """Write rows at the end, on the disk when this returns.

    Raises:
        OSError: They cannot be written.
    """
    create_private(path)
    lines = [{"key": key.hex()}] if is_new else []
    lines += [{**asdict(each), "erased_at": each.erased_at.isoformat()} for each in entries]
    # Begins a line of its own, whatever a crash left of the one before.
    text = "\n" + "".join(json.dumps(line) + "\n" for line in lines)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)


def _problem(path: Path, what: str) -> str:
    return (
        f"The log of erasures {path} {what}, so nobody can say whether everybody who was erased is: nobody is called. "
        "Bring back a whole copy of it, or move it away if the ledger was never replaced by an older one."
    )
