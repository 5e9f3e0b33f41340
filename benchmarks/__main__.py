"""`python -m benchmarks`: measure, print the table, and keep it in `.bench/`."""

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import psutil

from benchmarks.figures import QUICK, SECTIONS, Figure, Sizes, plain, table

FOLDER = Path(__file__).resolve().parents[1] / ".bench"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure.

    Returns:
        The exit status: 0 if everything could be measured, whatever came of it.
    """
    options = _parser().parse_args(arguments)
    sizes = replace(QUICK if options.quick else Sizes(), **dict(options.size))
    FOLDER.mkdir(exist_ok=True)
    print(machine(), flush=True)
    figures: list[Figure] = []
    for name in options.sections or SECTIONS:
        print(f"\nMeasuring {name} ...", file=sys.stderr, flush=True)
        found = SECTIONS[name](sizes)
        figures += found
        text = json.dumps({"machine": machine(), "figures": [plain(figure) for figure in found]}, indent=1)
        (FOLDER / f"{name}{'-quick' if options.quick else ''}.json").write_text(text, encoding="utf-8")
        print(table(found), flush=True)
    print("\n" + table(figures))
    return 0


def machine() -> str:
    """Where and when, and how busy the machine was besides."""
    memory = psutil.virtual_memory().total / 2**30
    load = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {platform.system()} {platform.machine()}, {os.cpu_count()} processors"
        f", {memory:.0f} GiB; Python {platform.python_version()}; load before: {load}"
    )


def _section(name: str) -> str:
    """The name of a section, as it is typed."""
    if name not in SECTIONS:
        message = f"There is no section {name!r}; there are {', '.join(SECTIONS)}."
        raise argparse.ArgumentTypeError(message)
    return name


def _size(word: str) -> tuple[str, float]:
    """A size and its number, as they are typed."""
    name, _, number = word.partition("=")
    defaults = asdict(Sizes())
    if name not in defaults:
        message = f"There is no size {name!r}; there are {', '.join(defaults)}."
        raise argparse.ArgumentTypeError(message)
    try:
        value = type(defaults[name])(number)
    except ValueError:
        value = 0
    if not 0 < value < math.inf:
        kind = "whole number" if isinstance(defaults[name], int) else "number"
        message = f"The size {name} is {number!r}; give a {kind} above 0."
        raise argparse.ArgumentTypeError(message)
    return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "sections", nargs="*", type=_section, help=f"what to measure: {', '.join(SECTIONS)}; all if left out"
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes, to see that it works; the figures mean nothing"
    )
    defaults = ", ".join(f"{name}={value}" for name, value in asdict(Sizes()).items())
    parser.add_argument(
        "--size",
        action="append",
        default=[],
        type=_size,
        metavar="NAME=NUMBER",
        help=f"another size than {defaults}",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
