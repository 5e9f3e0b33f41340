"""`python -m sandbox`: a local Hamsa on a port of this machine's loopback."""

import argparse
import asyncio
import contextlib
import logging
import sys
from datetime import datetime

from sandbox.clock import SystemClock
from sandbox.in_process import Sandbox
from sandbox.scenario import PRESETS, Scenario, ScenarioProblem, load_scenario
from sandbox.server import LOOPBACK_ADDRESSES, address, make_server, open_socket


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted.

    Returns:
        The exit status: 0 after an interruption, 2 if it could not start.
    """
    options = parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # What a server logs of itself is of no interest beside what the sandbox does.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        sandbox = Sandbox(
            seed=options.seed, clock=_clock(options), scenario=_scenario(options), api_key=options.api_key
        )
        listening = open_socket(options.host, options.port)
    except (ScenarioProblem, ValueError) as problem:
        return _refuse(str(problem))
    except OverflowError:
        return _refuse(f"{options.port} is no port: give one from 0 to 65535.")
    except OSError as error:
        return _refuse(f"{options.host}:{options.port} cannot be listened on: {error.strerror}. Give another --port.")
    key = "any key is taken" if options.api_key is None else "only the given key is taken"
    print(
        f"Sandbox on {address(listening)} (seed {options.seed}, speed {sandbox.scenario.speed:g}, {key}). "
        "The truth is under /_sandbox/calls and /_sandbox/stats. Stop it with Ctrl-C.",
        flush=True,
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(make_server(sandbox).serve(sockets=[listening]))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__, allow_abbrev=False)
    parser.add_argument("--port", type=int, default=8765, help="its port; 0 takes a free one (default: 8765)")
    parser.add_argument(
        "--host", default="127.0.0.1", choices=LOOPBACK_ADDRESSES, help="its address (default: 127.0.0.1)"
    )
    parser.add_argument("--seed", type=int, default=7, help="decides everything that looks like chance (default: 7)")
    parser.add_argument("--speed", type=float, help="how many times as fast calls live (default: 1)")
    parser.add_argument("--scenario", default="plain", help=f"a JSON file, or one of {', '.join(PRESETS)}")
    parser.add_argument("--api-key", help="the only key that is let in (default: any secret key is)")
    parser.add_argument("--lines", type=int, help="calls that may be in progress at once (default: no limit)")
    parser.add_argument(
        "--clock-epoch",
        type=_moment,
        metavar="TIME",
        help="let the whole clock run at --speed since this moment (ISO 8601 with offset), for clients whose clock "
        "does so too; without it, the clock is the machine's",
    )
    parser.add_argument("--log-level", default="warning", choices=("debug", "info", "warning", "error"))
    return parser


def _scenario(options: argparse.Namespace) -> Scenario:
    given = {"lines": options.lines, "speed": options.speed}
    # With a clock that runs fast already, calls live at the clock's own pace.
    if options.clock_epoch is not None:
        given["speed"] = None
    return load_scenario(options.scenario).changed({name: value for name, value in given.items() if value is not None})


def _clock(options: argparse.Namespace) -> SystemClock:
    if options.clock_epoch is None:
        return SystemClock()
    return SystemClock(speed=options.speed or 1.0, epoch=options.clock_epoch)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def _refuse(problem: str) -> int:
    print(f"sandbox: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
