"""One measured program: `python -m benchmarks.measured KIND JSON`, a process of its own, its figures on its last line.

It measures what it alone can see: its time, its processor, its memory, from the moment at which everything is imported.
"""

import asyncio
import cProfile
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import Flow, flow
from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import SecretStr

from benchmarks.by_hand import AGENT, call_by_map
from benchmarks.loop_watch import LoopWatch
from benchmarks.people import people
from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from campaign.intake import SqlQuery
from campaign.reporting import CampaignReport
from flows.run_campaign import run_campaign
from sandbox.clock import SystemClock

QUERY = "SELECT id, phone, name, amount FROM customers WHERE rowid >= :first ORDER BY rowid LIMIT :rows"


@flow(name="benchmark campaign")
async def call_customers(options: dict[str, Any]) -> CampaignReport:
    """A campaign as any flow of the project runs it."""
    return await run_campaign(
        SqlQuery(
            connector="customers",
            query=QUERY,
            parameters={"rows": options["rows"], "first": 2 - options.get("never_ends", 0)},
        ),
        agent=_agent(options),
        policy=CallingPolicy(preset="unrestricted", **options["policy"]),
        ledger=CallLedger(url=SecretStr(f"sqlite:///{options['ledger']}")),
        campaign=options.get("campaign", "benchmark"),
        events_per_call=options.get("events_per_call", True),
        clock=_clock(options),
    )


def _agent(options: dict[str, Any]) -> VoiceAgent:
    credentials = HamsaCredentials(api_key=SecretStr(options["api_key"]), base_url=options["base_url"])
    webhook = {}
    if options.get("webhook_url"):
        webhook = {"webhook_url": options["webhook_url"], "webhook_auth_secret": SecretStr(options["webhook_secret"])}
    return VoiceAgent(credentials=credentials, voice_agent_id=AGENT, **webhook)


def _clock(options: dict[str, Any]) -> SystemClock | None:
    if "epoch" not in options:
        return None
    return SystemClock(speed=options["speed"], epoch=datetime.fromisoformat(options["epoch"]))


async def _watched(options: dict[str, Any], figures: Path) -> tuple[CampaignReport, dict[str, Any]]:
    """The campaign, its loop watched; what was seen so far lies in a file, for whoever ends this process early."""
    profile = cProfile.Profile() if options.get("profile") else None
    async with LoopWatch() as watch:
        keeping = asyncio.create_task(_keep(watch, figures))
        if profile is not None:
            profile.enable()
        try:
            return await call_customers(options), watch.figures()
        finally:
            keeping.cancel()
            if profile is not None:
                profile.disable()
                profile.dump_stats(options["profile"])


async def _keep(watch: LoopWatch, file: Path) -> None:
    while True:
        await asyncio.sleep(1.0)
        half = file.with_suffix(".half")
        half.write_text(json.dumps({**watch.figures(), "processor": time.process_time()}), encoding="utf-8")
        half.replace(file)


def campaign(options: dict[str, Any]) -> dict[str, Any]:
    """Run a campaign over the rows of a database."""
    connector = SqlAlchemyConnector(
        connection_info=ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=options["database"])
    )
    connector.save("customers", overwrite=True)
    _load_all(call_customers)
    began = Began()
    report, seen = asyncio.run(_watched(options, Path(f"{options['ledger']}.figures")))
    return (
        began.figures()
        | seen
        | {
            "calls": report.calls,
            "rows": report.rows_read,
            "buckets": {bucket.value: count for bucket, count in report.buckets.items()},
            "stopped": report.stopped,
        }
    )


def by_map(options: dict[str, Any]) -> dict[str, Any]:
    """`@task(retries=3)` and `.map`."""
    who = people(options["rows"])
    _load_all(call_by_map)
    began = Began()
    calls = call_by_map(options["base_url"], options["api_key"], who)
    return began.figures() | {"calls": calls}


def _load_all(measured: Flow[..., Any]) -> None:
    """Load what Prefect would load in the flow's own loop, before its first line: FastAPI takes a fifth of a second."""
    measured.serialize_parameters({})


class Began:
    """What was used up to a moment, so that the rest can be computed."""

    def __init__(self) -> None:
        self._wall = time.perf_counter()
        self._processor = time.process_time()
        self._before = peak_memory()

    def figures(self) -> dict[str, Any]:
        """Seconds of time and of processor since then; peak memory of the whole process and before, in bytes."""
        return {
            "seconds": time.perf_counter() - self._wall,
            "processor": time.process_time() - self._processor,
            "peak": peak_memory(),
            "peak_before": self._before,
        }


def peak_memory() -> int:
    """The most memory that this process has held at once, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        # What `getrusage` reports begins with the memory of whoever started this process.
        line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


KINDS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {"campaign": campaign, "map": by_map}


if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]](json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")))))
