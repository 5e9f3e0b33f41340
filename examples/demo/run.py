"""One run of the demo: start the servers, run the campaign, and hold its report against what the sandbox knows."""

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from importlib import import_module

from rich.console import Console

from campaign.buckets import Bucket
from campaign.wording import counted
from examples.demo.place import DemoProblem, Place, shown
from examples.demo.screen import calls_bar, say_done, say_report
from examples.demo.server import keep_port, prefect_server
from examples.receivables import build_receivables
from sandbox import Sandbox, load_scenario
from sandbox.server import serving

API_KEY = "sandbox-key-of-the-demo"  # made up, but treated as a secret


def run_demo(place: Place, console: Console, *, port: int | None, fresh: bool) -> None:
    """Run the campaign once, and show how it went; forget first, if `fresh`, what earlier demos did."""
    began = time.monotonic()
    with place.alone() as lock:
        if fresh:
            place.forget()
        build_receivables(place.receivables, today=datetime.now().astimezone().date())
        kept = keep_port(port, place.recall("server").get("port"), what="make demo")
        chosen = kept.getsockname()[1]
        place.remember("server", {"port": chosen})
        place.enter(chosen)  # before Prefect, which reads its settings when it is imported
        with (place.folder / "demo.log").open("ab") as log:
            os.dup2(log.fileno(), 2)  # Prefect's log; `main` has kept the terminal
        with _sandbox() as (address, hamsa), contextlib.ExitStack() as stack:
            with console.status("Starting a sandbox of Hamsa and a Prefect server …"):
                start = prefect_server(place, kept, lock, meanwhile=lambda: import_module("examples.demo.campaign"))
                stack.enter_context(start)
            say_done(console, f"A sandbox of Hamsa and a Prefect server are up ({time.monotonic() - began:.0f} s).")
            asyncio.run(_campaign(place, console, address, hamsa))
        console.print("Next:        `make demo` again calls nobody twice; `make demo ARGS=--fresh` starts over.")
        console.print(f"             It took {time.monotonic() - began:.0f} s. Logs are in {place}.")


async def _campaign(place: Place, console: Console, address: str, hamsa: Sandbox) -> None:
    from examples.demo.campaign import artifacts_of, run_flow, save_blocks, send_all  # noqa: PLC0415 - see above

    with console.status("Saving blocks, and asking for a dry run …"):
        parameters = await save_blocks(place, sandbox=address, api_key=API_KEY)
        saved = [f"{parameters[name].get_block_type_slug()}/demo" for name in ("agent", "policy", "ledger")]
        saved = ["hamsa-credentials/demo", *saved, "sqlalchemy-connector/receivables"]
        say_done(console, f"Blocks are saved: {', '.join(saved)}.")
        planned, _ = await run_flow(**parameters, dry_run=True)
    say_done(console, planned.headline)
    async with calls_bar(console, planned.buckets.get(Bucket.WOULD_CALL, 0), place.ledger):
        report, run = await run_flow(**parameters)
    artifacts = await artifacts_of(run)
    await asyncio.to_thread(send_all)
    facts = {"run": run, "artifacts": artifacts, "report": report.model_dump(mode="json")}
    place.remember("run", facts)
    if report.calls:
        place.remember("calling", facts)
    say_report(console, report)
    truth = hamsa.stats()
    if truth["rings"] != report.calls or truth["most_rings_of_a_number"] > 1:
        raise DemoProblem(
            f"The sandbox counts {counted(truth['rings'], 'ring')}, at most {truth['most_rings_of_a_number']} of one "
            f"phone, and the report {counted(report.calls, 'call')}: that must never be. The logs are in {place}."
        )
    rings = f"counts {counted(report.calls, 'ring')}, one for each: nobody's phone rang twice"
    console.print(f"The sandbox {rings if report.calls else 'was asked as well, and counts no ring in this run'}.\n")
    tables = counted(sum(artifact["type"] == "table" for artifact in artifacts), "table")
    console.print(f"Job records: {tables} and a summary in Prefect, which `make ui` shows;")
    console.print(f"             in SQL the table call_attempts of {shown(place.ledger)}.")


@contextlib.contextmanager
def _sandbox() -> Iterator[tuple[str, Sandbox]]:
    """A sandbox, served from a thread of its own. Yields its address, and itself."""
    sandbox = Sandbox(api_key=API_KEY, scenario=load_scenario("plain").changed({"speed": 60.0}))
    up, over = threading.Event(), threading.Event()
    address: list[str] = []

    async def serve() -> None:
        async with serving(sandbox) as url:
            address.append(url)
            up.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    up.wait(timeout=60)
    try:
        yield address[0], sandbox
    finally:
        over.set()
        thread.join(timeout=10)
