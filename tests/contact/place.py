"""A server with the project's deployments on it, blocks of the names that they take, and a sandbox to call."""

import subprocess
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tests.contact.saving import save_blocks
from tests.servers.http import ask
from tests.servers.prefect import PrefectServer
from tests.servers.program import PROJECT
from tests.servers.sandbox import RunningSandbox

POOL = "hamsa-calls"

OVER = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})

CAMPAIGN: dict[str, Any] = {"min_days_overdue": None, "min_amount": None}
"""Parameters by which a campaign calls everybody in its list."""


@dataclass
class Place:
    """Everything that a deployed flow needs.

    Attributes:
        server: The Prefect server.
        sandbox: Who is called.
        folder: For files of the tests.
        pool: The work pool.
    """

    BY_EVENT: ClassVar[str] = "call-customer/on-invoice-overdue"
    TRIGGER: ClassVar[str] = "call when an invoice is overdue"

    server: PrefectServer
    sandbox: RunningSandbox
    folder: Path
    pool: str = POOL

    @property
    def settings(self) -> dict[str, str]:
        """What a worker's environment has to say of where the tests' lists are."""
        return {"HAMSA_CSV_FOLDERS": str(self.folder)}

    def deploy(self) -> str:
        """`make deploy`, as a person types it. Returns what it printed."""
        done = subprocess.run(
            # What it installs is there: these tests run on it. A file that somebody touched is no reason to go and ask.
            ["make", "-o", ".venv/.runs", "deploy"],
            cwd=PROJECT,
            env=self.server.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    async def save_blocks(self, *, ledger_url: str | None = None, **policy: Any) -> None:
        """Save the blocks that prefect.yaml names, on the suite's server."""
        await save_blocks(
            self.folder,
            api_key=self.sandbox.api_key,
            base_url=self.sandbox.base_url,
            ledger_url=ledger_url,
            policy=policy,
        )

    def delete_blocks(self, name: str) -> None:
        """Delete the blocks of a name, whoever saved them."""
        for block in self.ask("POST", "/block_documents/filter", {"block_documents": {"name": {"any_": [name]}}}):
            self.ask("DELETE", f"/block_documents/{block['id']}")

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment as the server has it."""
        return dict(self.ask("GET", f"/deployments/name/{name}"))

    def start(self, deployment: str, *, environment: Any = None, **parameters: Any) -> str:
        """Start a run as the UI does, `environment` being variables over the worker's. Returns its id."""
        path = f"/deployments/{self.deployment(deployment)['id']}/create_flow_run"
        body = {"parameters": parameters, "job_variables": {"env": environment or {}}}
        return str(self.ask("POST", path, body)["id"])

    def runs_of(self, deployment: str, *, states: Collection[str] = ()) -> list[dict[str, Any]]:
        """The runs of a deployment, all or those in states of these types."""
        flow, _, name = deployment.partition("/")
        wanted: dict[str, Any] = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
        if states:
            wanted["flow_runs"] = {"state": {"type": {"any_": sorted(states)}}}
        return list(self.ask("POST", "/flow_runs/filter", wanted))

    def new_runs(self, deployment: str, *, since: set[str], count: int = 1) -> list[dict[str, Any]]:
        """Wait until a deployment has so many runs beyond those that were there before. Oldest first."""
        deadline = time.monotonic() + 240
        while len(found := [run for run in self.runs_of(deployment) if run["id"] not in since]) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} runs appeared"
            time.sleep(0.5)
        return sorted(found, key=lambda run: str(run["created"]))

    def trigger(self) -> dict[str, Any]:
        """The automation that the event's trigger is on the server."""
        (found,) = [each for each in self.ask("POST", "/automations/filter", {}) if each["name"] == self.TRIGGER]
        return dict(found)

    def switch_trigger(self, *, on: bool) -> None:
        """What the switch beside an automation does in the UI."""
        self.ask("PATCH", f"/automations/{self.trigger()['id']}", {"enabled": on})

    def state(self, run: str) -> dict[str, Any]:
        """The state of a run: `type`, `name`, `message`."""
        return dict(self.ask("GET", f"/flow_runs/{run}")["state"] or {})

    def wait(self, run: str, *, until: frozenset[str] = OVER, within_seconds: float = 240.0) -> dict[str, Any]:
        """Wait for a run to come to one of these state types. Returns the state."""
        deadline = time.monotonic() + within_seconds
        while (state := self.state(run)).get("type") not in until:
            assert time.monotonic() < deadline, f"still {state}"
            time.sleep(0.5)
        return state

    def let_end(self, deployment_id: str) -> None:
        """Cancel the runs that have not begun, and wait for the others: they would call in the next test."""
        wanted = {
            "deployments": {"id": {"any_": [deployment_id]}},
            "flow_runs": {"state": {"type": {"not_any_": sorted(OVER)}}},
        }
        deadline = time.monotonic() + 240
        while runs := self.ask("POST", "/flow_runs/filter", wanted):
            for run in runs:
                if run["state_type"] == "SCHEDULED":
                    self.set_state(run["id"], "CANCELLED")
            assert time.monotonic() < deadline, [run["state"] for run in runs]
            time.sleep(0.3)

    def wait_for_name(self, run: str, name: str, *, within_seconds: float = 240.0) -> None:
        """Wait for a run to come to a state of this name, such as `AwaitingConcurrencySlot`."""
        deadline = time.monotonic() + within_seconds
        while (state := self.state(run)).get("name") != name:
            assert state.get("type") not in OVER, state
            assert time.monotonic() < deadline, f"still {state}"
            time.sleep(0.2)

    def set_state(self, run: str, kind: str, *, name: str | None = None, **details: Any) -> None:
        """Ask for a state, as the UI's buttons do."""
        state = {"type": kind, "name": name, "state_details": details}
        self.ask("POST", f"/flow_runs/{run}/set_state", {"state": state})

    def states(self, run: str) -> list[dict[str, Any]]:
        """All states that a run has been in."""
        return list(self.ask("GET", f"/flow_run_states/?flow_run_id={run}"))

    def errors(self, run: str) -> list[str]:
        """What was logged as an error in a run and its tasks."""
        wanted = {"logs": {"flow_run_id": {"any_": [run]}, "level": {"ge_": 40}}}
        return [line["message"] for line in self.ask("POST", "/logs/filter", wanted)]

    def artifacts(self, run: str, *, key: str) -> list[dict[str, Any]]:
        """The artifacts of a run under a key."""
        wanted = {"artifacts": {"flow_run_id": {"any_": [run]}, "key": {"any_": [key]}}}
        return list(self.ask("POST", "/artifacts/filter", wanted))

    def events(self, name: str, *, resource: str, within_seconds: float = 240.0) -> list[dict[str, Any]]:
        """Wait for the events of a name about a resource. Prefect writes them down a moment after they are told."""
        deadline = time.monotonic() + within_seconds
        wanted = {"filter": {"event": {"name": [name]}, "resource": {"id": [resource]}}}
        while not (found := self.ask("POST", "/events/filter", wanted)["events"]):
            assert time.monotonic() < deadline, f"no {name} of {resource}"
            time.sleep(0.3)
        return list(found)

    def rings(self) -> Mapping[str, int]:
        """How often each phone rang."""
        return dict(self.sandbox.stats()["rings_per_number"])

    def wait_for_rings(self, count: int, *, within_seconds: float = 240.0) -> None:
        """Wait until so many phones have rung."""
        deadline = time.monotonic() + within_seconds
        while len(self.rings()) < count:
            assert time.monotonic() < deadline, f"{len(self.rings())} rang"
            time.sleep(0.1)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Prefect's REST API. A server that is busy with its SQLite file is asked again, as Prefect's client does."""
        deadline = time.monotonic() + 240
        while True:
            answer = ask(method, f"{self.server.api_url}{path}", body)
            if answer.status_code != 503 or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None


def customers(folder: Path, count: int, first: int) -> dict[str, str]:
    """A file of so many people at London's numbers for fiction."""
    return listed(folder, {f"c{n}": f"+4420794{60000 + n}" for n in range(first, first + count)}, f"customers-{first}")


def listed(folder: Path, phones: Mapping[str, str], name: str) -> dict[str, str]:
    """A file of people with these phones, by their ids."""
    path = folder / f"{name}.csv"
    rows = "".join(f"{who},{phone},Customer {who},10\n" for who, phone in phones.items())
    path.write_text(f"id,phone,name,amount\n{rows}", encoding="utf-8")
    return {"path": str(path)}
