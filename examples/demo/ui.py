"""Prefect's UI over what the demo left, until Ctrl-C."""

import contextlib
import time

from rich.console import Console

from examples.demo.place import DemoProblem, Place, address_of
from examples.demo.server import keep_port, prefect_server


def show_ui(place: Place, console: Console, *, port: int | None) -> None:
    """Serve the UI until interrupted, on the port of the demo's links if none is asked for."""
    last, calling = place.recall("run"), place.recall("calling")
    if not last or not (place.prefect_home / "prefect.db").exists():
        raise DemoProblem(f"There is no run to show in {place} yet: type `make demo` first.")
    linked = place.recall("server").get("port")
    with place.alone() as lock, contextlib.ExitStack() as stack:
        kept = keep_port(port, linked, what="make ui")
        chosen = kept.getsockname()[1]
        with console.status("Starting Prefect's server …"):
            check = stack.enter_context(prefect_server(place, kept, lock, ui=True))
        stack.enter_context(contextlib.suppress(KeyboardInterrupt))
        address = address_of(chosen)
        console.print(f"Prefect's UI is at {address}. Stop it with Ctrl-C.")
        runs = {"the last run": last, "a run that called": {} if calling.get("run") == last["run"] else calling}
        for title, run in ((title, run) for title, run in runs.items() if run):
            console.print(f"  {title:<18} {address}/runs/flow-run/{run['run']}")
            first = {artifact["type"]: artifact["id"] for artifact in reversed(run["artifacts"])}
            for what, kind in (("its summary", "markdown"), ("its records", "table")):
                if kind in first:
                    console.print(f"    {what:<16} {address}/artifacts/artifact/{first[kind]}")
        console.print(f"  the blocks         {address}/blocks")
        if linked not in (None, chosen):
            console.print(f"Links in the artifacts lead to port {linked}, where the demo was: use {chosen} instead.")
        while True:
            check()
            time.sleep(1)
