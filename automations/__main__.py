"""Put automations on the Prefect server in use: `python -m automations`, or with the names of some of the files.

May be repeated: an automation of the same name is brought up to date, and stays off if somebody switched it off.
"""

import asyncio
import sys

from automations.putting import FOLDER, AutomationError, put, read
from automations.server import why_not


def main(arguments: list[str]) -> int:
    """Put the files that the arguments name, or all of them.

    Returns:
        The exit status: 0, or 1 if one of them could not be put, or there is no server.
    """
    if (problem := asyncio.run(why_not())) is not None:
        print(problem, file=sys.stderr)
        return 1
    files = [FOLDER / f"{name.removesuffix('.yaml')}.yaml" for name in arguments] or sorted(FOLDER.glob("*.yaml"))
    failed = False
    for file in files:
        try:
            print(asyncio.run(put(read(file))))
        except AutomationError as error:
            print(error, file=sys.stderr)
            failed = True
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
