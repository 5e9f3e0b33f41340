"""One run of the demo: start the programs, follow the campaign, and hold its report against what the sandbox knows."""

import queue
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from examples.demo.place import Place, alone, is_taken, server_address, shown
from examples.demo.problem import DemoProblem
from examples.demo.programs import Program, Programs, ask, keep_port, port_of, start_prefect
from examples.demo.screen import Attempts, Screen
from examples.receivables import build_receivables

API_KEY = "sandbox-key-of-the-demo"
"""The key that the demo's sandbox takes. Made up, but treated as a secret, and a test looks whether it shows."""

SPEED = 60.0
"""How many times as fast as real ones the sandbox's calls live."""

_ADDRESS = r"Sandbox on (http://\S+)"


def run_demo(place: Place, screen: Screen, *, port: int | None, fresh: bool) -> int:
    """Run the campaign once, and show what became of it.

    Args:
        place: Where everything is kept.
        screen: Where it is shown.
        port: Where Prefect's server shall listen; any will do if None.
        fresh: Whether to forget what earlier demos did.

    Returns:
        The exit status: 1 if the sandbox contradicts the report.

    Raises:
        DemoProblem: It cannot go on.
    """
    began = time.monotonic()
    with alone(place, "demo", f"A demo is running already in {place}: wait until it is through, or stop it.") as lock:
        open_ui = _open_ui(place)
        if fresh:
            if open_ui:
                raise DemoProblem("The UI is open over what --fresh would remove: stop `make ui` first.")
            place.forget()
        _build(place)
        kept = None if open_ui else keep_port(port, place.recall("server").get("port"), what="make demo")
        chosen = open_ui if kept is None else port_of(kept)
        place.remember("server", {"port": chosen})
        with Programs(place, place.environment(chosen), lock) as programs:
            if kept is not None:
                start_prefect(programs, kept)
            return _Run(place, screen, programs, chosen).from_start_to_end(began)


def _open_ui(place: Place) -> int:
    """The port of an open UI, which has a server over the same data: there the run can be watched. 0 if none is."""
    return int(place.recall("ui").get("port", 0)) if is_taken(place, "ui") else 0


class _Run:
    """One run, with its programs.

    Args:
        place: Where everything is kept.
        screen: Where it is shown.
        programs: Starts the programs.
        port: Of Prefect's server.
    """

    def __init__(self, place: Place, screen: Screen, programs: Programs, port: int) -> None:
        self._place = place
        self._screen = screen
        self._programs = programs
        self._port = port
        self._sandbox = ""

    def from_start_to_end(self, began: float) -> int:
        """Start the other programs, follow the campaign, conclude. Returns the exit status."""
        with self._screen.doing("Starting a sandbox of Hamsa and a Prefect server …"):
            campaign = self._start()
            told = campaign.messages()
            self._next(campaign, told, "ready")
        self._screen.done(f"A sandbox of Hamsa and a Prefect server are up ({time.monotonic() - began:.0f} s).")
        rang_before = self._truth()["rings"]
        with self._screen.doing("Saving blocks, and asking for a dry run …"):
            blocks = self._next(campaign, told, "saved")["blocks"]
            self._screen.done(f"Blocks are saved: {', '.join(blocks)}.")
            planned = self._next(campaign, told, "planned")
        self._screen.done(planned["headline"])
        done = self._call(campaign, told, planned["report"]["buckets"].get("would_call", 0))
        facts = {name: done[name] for name in ("run", "artifacts", "report")}
        self._place.remember("run", facts)
        if done["report"]["calls"]:
            self._place.remember("calling", facts)
        self._screen.table(done["report"])
        return self._conclude(done, rang_before, began)

    def _call(self, campaign: Program, told: "queue.Queue[dict[str, Any] | None]", would_call: int) -> dict[str, Any]:
        if not would_call:
            with self._screen.doing("Running the campaign once more …"):
                return self._next(campaign, told, "done")
        attempts = Attempts(self._place)
        with self._screen.bar(would_call) as bar:
            done = self._next(campaign, told, "done", meanwhile=lambda: bar.show(attempts.states()))
            bar.show(attempts.states())
        return done

    def _start(self) -> Program:
        sandbox = self._programs.start(
            *("The sandbox", "sandbox", "sandbox", "--port", "0", "--speed", str(SPEED), "--api-key", API_KEY)
        )
        sandbox.wait_until(lambda: sandbox.said(_ADDRESS) is not None)
        self._sandbox = sandbox.said(_ADDRESS) or ""
        # Before the server answers: it takes its seconds to import what it needs, as the server does.
        return self._programs.start(
            *("The campaign", "demo", "examples.demo.calling", "--folder", str(self._place.folder)),
            *("--sandbox", self._sandbox, "--prefect", f"{server_address(self._port)}/api", "--api-key", API_KEY),
            tells=True,
        )

    def _next(
        self,
        campaign: Program,
        told: "queue.Queue[dict[str, Any] | None]",
        step: str,
        *,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Wait until the campaign tells of a step.

        Raises:
            DemoProblem: It failed, or one of the programs ended.
        """
        while True:
            meanwhile()
            try:
                message = told.get(timeout=0.1)
            except queue.Empty:
                for program in self._programs.ended():
                    if program is not campaign:
                        raise program.problem("ended too early") from None
                continue
            if message is None:
                raise campaign.problem("ended too early")
            if message["step"] == "failed":
                raise DemoProblem(str(message["why"]))
            if message["step"] == step:
                return message

    def _truth(self) -> dict[str, Any]:
        try:
            stats: dict[str, Any] = ask(f"{self._sandbox}/_sandbox/stats")
        except OSError as error:
            raise DemoProblem(f"The sandbox does not answer any more ({error}).") from None
        return stats

    def _conclude(self, done: Mapping[str, Any], rang_before: int, began: float) -> int:
        truth, report = self._truth(), done["report"]
        rings = truth["rings"] - rang_before
        self._screen.say(str(done["headline"]))
        if rings != report["calls"] or truth["most_rings_of_a_number"] > 1:
            raise DemoProblem(
                f"The sandbox counts {rings} rings, at most {truth['most_rings_of_a_number']} of one phone, and the "
                f"report {report['calls']} calls: that must never be. The logs are in {self._place}."
            )
        if rings:
            self._screen.say(f"The sandbox counts {rings} rings, one for each: nobody's phone rang twice.")
        else:
            self._screen.say("The sandbox, asked as well, counts no ring in this run.")
        self._screen.say("")
        tables = sum(artifact["type"] == "table" for artifact in done["artifacts"])
        kept = f"{tables} tables" if tables > 1 else "a table"
        self._screen.say(f"Job records: {kept} and a summary in Prefect, which `make ui` shows;")
        self._screen.say(f"             in SQL the table call_attempts of {shown(self._place.ledger)}.")
        self._screen.say("Next:        `make demo` again calls nobody twice; `make demo ARGS=--fresh` begins anew.")
        self._screen.say(f"             It took {time.monotonic() - began:.0f} s. Logs are in {self._place}.")
        return 0


def _build(place: Place) -> None:
    try:
        build_receivables(place.receivables, today=datetime.now().astimezone().date())
    except (OSError, sqlite3.Error) as error:
        raise DemoProblem(f"{shown(place.receivables)} cannot be made: {error}.") from None
