"""`python -m tests.chaos`: kill campaigns again and again, on real databases, and print what became of every ring."""

import argparse
import contextlib
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.loopback import forbid_other_hosts, guarded_environment
from tests.servers.environment import isolated_environment
from tests.servers.postgres import run_postgres
from tests.servers.prefect import api_url, run_prefect_server
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import PROJECT, Port

LOGS = PROJECT / ".chaos"
"""Where the logs of the killed stay, for somebody to look at."""

PLANS = tuple(itertools.product((False, True), ("sqlite", "postgresql"), (1, 2)))
"""Whether Hamsa lies, the ledger's database, and how many runs of the campaign go on at once."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill campaigns at random until the plan is through, and report.

    Returns:
        The exit status: 0 if every promise was kept.
    """
    options = _parser().parse_args(arguments)
    port = Port()
    # All this must stand before anything imports Prefect, which reads its settings once.
    with tempfile.TemporaryDirectory(prefix="hamsa-chaos-") as scratch:
        environment = isolated_environment(os.environ, home=Path(scratch) / "prefect", api_url=api_url(port.number))
        os.environ.clear()
        os.environ.update(guarded_environment(environment))
        forbid_other_hosts()
        return _kill_loop(options, port, Path(scratch))


def _kill_loop(options: argparse.Namespace, port: Port, scratch: Path) -> int:
    from tests.chaos.kill_loop import KillLoop, Plan
    from tests.chaos.report import shown

    reaper = ProcessReaper()
    os.environ.update(reaper.environment)
    broken = 0
    try:
        with run_prefect_server(reaper, scratch / "prefect", port=port):
            for number, (lies, database, at_once) in enumerate(PLANS):
                if options.database not in (None, database) or options.at_once not in (None, at_once):
                    continue
                if options.lies not in ("both", "yes" if lies else "no"):
                    continue
                name = f"{database}-{at_once}-at-once{'-lying' if lies else ''}"
                folder = LOGS / name
                shutil.rmtree(folder, ignore_errors=True)  # what an earlier call left would be read as this one's
                folder.mkdir(parents=True)
                with _ledger(database, scratch / f"{name}.db", reaper) as (url, version):
                    plan = Plan(
                        name=f"{version}, {'one run' if at_once == 1 else f'{at_once} runs'} at a time"
                        + (", Hamsa lies" if lies else ""),
                        ledger_url=url,
                        customers=options.customers,
                        kills=options.kills,
                        at_once=at_once,
                        echo=options.echo,
                        # Other lies in each round: the more of them, the better.
                        seed=options.seed + (100 * number if lies else 0),
                        deadline_seconds=options.deadline,
                        lies=lies,
                    )
                    outcome = KillLoop(plan, folder, reaper).carry_out()
                print(shown(outcome), flush=True)
                broken += bool(outcome.problems)
    finally:
        reaper.release()
    print(f"\nEvery promise was kept. Logs of all runs: {LOGS.name}/" if not broken else "\nPROMISES WERE BROKEN.")
    return 1 if broken else 0


@contextlib.contextmanager
def _ledger(database: str, file: Path, reaper: ProcessReaper) -> Iterator[tuple[str, str]]:
    """A new ledger's address, and what its database calls itself."""
    if database == "sqlite":
        yield f"sqlite:///{file}", "SQLite"
        return
    # As in use: a commit waits for the disk.
    with run_postgres(reaper, durable=True) as server, server.database() as url:
        yield url, server.version.removeprefix("postgres (").replace(")", "", 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__, allow_abbrev=False)
    parser.add_argument("--customers", type=int, default=500, help="of each campaign, at most 1000; 500 if left out")
    parser.add_argument("--kills", type=int, default=50, help="processes killed in each campaign, 50 if left out")
    parser.add_argument("--seed", type=int, default=1, help="decides what Hamsa does and when a process is killed")
    parser.add_argument("--database", choices=("sqlite", "postgresql"), help="only this one; both if left out")
    parser.add_argument("--at-once", type=int, choices=(1, 2), help="only so many runs at once; both if left out")
    parser.add_argument(
        "--lies",
        nargs="?",
        choices=("yes", "no", "both"),
        const="yes",
        default="both",
        help="whether Hamsa's list and records lie, in another way every ten kills; both if left out",
    )
    parser.add_argument("--echo", action="store_true", help="job records give params back: settling is certain")
    parser.add_argument("--deadline", type=float, default=1200.0, help="seconds that one campaign may take")
    return parser


if __name__ == "__main__":
    sys.exit(main())
