"""`make demo` calls the overdue customers of a sandbox; `make ui` shows in Prefect how it went."""

import argparse
import io
import os
import signal
import sys
from pathlib import Path

from rich.console import Console

from campaign.errors import CampaignError
from examples.demo.place import PROJECT, DemoProblem, Place
from examples.demo.run import run_demo
from examples.demo.ui import show_ui
from sandbox.loopback import forbid_other_hosts


def main() -> int:
    """Run the demo, or the UI. Returns 0 if all went well, 1 if something did not, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("what", nargs="?", choices=("run", "ui"), default="run", help="the demo, or the UI over it")
    parser.add_argument("--folder", type=Path, default=PROJECT / ".demo", help="where all is kept (default: .demo)")
    parser.add_argument("--port", type=_port, help="of Prefect's server (default: 4200, or a free one)")
    parser.add_argument("--fresh", action="store_true", help="forget earlier demos, and call everybody once more")
    options = parser.parse_args()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may know no check marks
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    forbid_other_hosts()
    terminal, console = os.dup(2), Console(highlight=False, soft_wrap=True)
    try:
        place = Place(options.folder.resolve())
        if options.what == "ui":
            show_ui(place, console, port=options.port)
        else:
            run_demo(place, console, port=options.port, fresh=options.fresh)
    except (DemoProblem, CampaignError) as problem:
        os.write(terminal, f"demo: {problem}\n".encode())
        return 1
    except KeyboardInterrupt:
        console.print("Stopped. Whoever was called already is in the ledger, and is not called again.")
        return 130
    return 0


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{number} is no port: give one from 1 to 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
