"""Prefect's UI over what the demo left, until Ctrl-C."""

import contextlib
from collections.abc import Mapping
from typing import Any

from examples.demo.place import Place, alone, server_address
from examples.demo.problem import DemoProblem
from examples.demo.programs import Programs, keep_port, port_of, prefect_answers, start_prefect
from examples.demo.screen import Screen


def show_ui(place: Place, screen: Screen, *, port: int | None) -> int:
    """Serve the UI until interrupted.

    Args:
        place: What the demo left.
        screen: Where the addresses are shown.
        port: Where to listen; where the demo's links point to, or else any free port, if None.

    Returns:
        The exit status: 0, for an interruption is the way to end it.

    Raises:
        DemoProblem: There is nothing to show, or the server cannot run.
    """
    last = place.recall("run")
    if not last or not (place.prefect_home / "prefect.db").exists():
        raise DemoProblem(f"There is no run to show in {place} yet: type `make demo` first.")
    linked = place.recall("server").get("port")
    with alone(place, "ui", f"The UI is open already, at {server_address(place.recall('ui').get('port', 0))}.") as lock:
        kept = keep_port(port, linked, what="make ui")
        chosen = port_of(kept)
        with Programs(place, place.environment(chosen, ui=True), lock) as programs:
            with screen.doing("Starting Prefect's server …"):
                server = start_prefect(programs, kept)
                server.wait_until(lambda: prefect_answers(chosen))
            place.remember("ui", {**place.recall("ui"), "port": chosen})
            address = server_address(chosen)
            screen.say(f"Prefect's UI is at {address}. Stop it with Ctrl-C.")
            _say_runs(screen, address, last, place.recall("calling"))
            screen.say(f"  the blocks         {address}/blocks")
            if linked not in (None, chosen):
                screen.say(
                    f"Links inside the artifacts lead to port {linked}, where the demo was: put {chosen} instead."
                )
            with contextlib.suppress(KeyboardInterrupt):
                server.process.wait()
                raise server.problem("ended")
    return 0


def _say_runs(screen: Screen, address: str, last: Mapping[str, Any], calling: Mapping[str, Any]) -> None:
    runs = {"the last run": last}
    if calling and calling["run"] != last["run"]:
        runs["a run that called"] = calling
    for title, run in runs.items():
        screen.say(f"  {title:<18} {address}/runs/flow-run/{run['run']}")
        for what, kind in (("its summary", "markdown"), ("its records", "table")):
            found = next((artifact["id"] for artifact in run["artifacts"] if artifact["type"] == kind), None)
            if found is not None:
                screen.say(f"    {what:<16} {address}/artifacts/artifact/{found}")
