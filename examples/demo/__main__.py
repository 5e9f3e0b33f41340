"""`make demo` calls the overdue customers of a sandbox; `make ui` shows in Prefect what became of it."""

import argparse
import io
import sys
from pathlib import Path

from rich.console import Console

from examples.demo.place import PROJECT, Place
from examples.demo.problem import DemoProblem
from examples.demo.programs import ended_by_signals
from examples.demo.running import run_demo
from examples.demo.screen import Screen
from examples.demo.ui import show_ui
from sandbox.loopback import forbid_other_hosts


def main(arguments: list[str] | None = None) -> int:
    """Run the demo, or the UI.

    Returns:
        The exit status: 0 if all went well, 1 if something did not, 2 for a wrong command line, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that knows no check marks shall show something else, not stop the demo.
        sys.stdout.reconfigure(errors="replace")
    place = Place(options.folder.resolve())
    screen = Screen(Console())
    # This program too: what it starts is kept on this machine by its environment.
    forbid_other_hosts()
    try:
        with ended_by_signals():
            place.make()
            if options.what == "ui":
                return show_ui(place, screen, port=options.port)
            return run_demo(place, screen, port=options.port, fresh=options.fresh)
    except DemoProblem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        screen.say("Stopped. Whoever was called already is in the ledger, and is not called again.")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.demo", description=__doc__, allow_abbrev=False)
    parser.add_argument("what", nargs="?", choices=("run", "ui"), default="run", help="the demo, or the UI over it")
    parser.add_argument(
        "--folder", type=Path, default=PROJECT / ".demo", help="where everything is kept (default: .demo)"
    )
    parser.add_argument(
        "--port", type=_port, help="where Prefect's server shall listen (default: 4200, or a free port)"
    )
    parser.add_argument("--fresh", action="store_true", help="forget earlier demos, and call everybody once more")
    return parser


def _port(text: str) -> int:
    number = int(text)
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{number} is no port: give one from 1 to 65535")
    return number


if __name__ == "__main__":
    sys.exit(main())
