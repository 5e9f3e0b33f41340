"""The sandbox as a process of its own, spoken to over TCP as Hamsa would be."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.servers.http import ask
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Port, Program

API_KEY = "sandbox-key-for-tests"

SEED = 7


class RunningSandbox:
    """A running sandbox.

    Args:
        program: Its process.
        port: Its port on 127.0.0.1.
        api_key: The key that it takes.
    """

    def __init__(self, program: Program, *, port: int, api_key: str) -> None:
        self.program = program
        self.base_url = f"http://127.0.0.1:{port}"
        self.api_key = api_key

    def calls(self) -> list[dict[str, Any]]:
        """The truth: every call that it placed, as `GET /_sandbox/calls` tells it."""
        return list(self._ask("GET", "/_sandbox/calls"))

    def stats(self) -> dict[str, Any]:
        """Rings per number, most calls at once, requests per endpoint, as `GET /_sandbox/stats` tells it."""
        return dict(self._ask("GET", "/_sandbox/stats"))

    def reset(self, **body: Any) -> None:
        """Forget all calls. `seed` and `scenario` replace those that it has."""
        self._ask("POST", "/_sandbox/reset", body or None)

    def change_scenario(self, **faults: Any) -> dict[str, Any]:
        """Change faults while it runs; those not named stay as they are. Returns the whole scenario."""
        return dict(self._ask("PATCH", "/_sandbox/scenario", faults))

    def plant(self, number: str, *, voice_agent_id: str, call_key: str) -> None:
        """Put in a call that carries a claim's key, as if that claim's request had made it."""
        body = {"toNumber": number, "voiceAgentId": voice_agent_id, "params": {"call_key": call_key}}
        self._ask("POST", "/_sandbox/calls", body)

    def answers(self) -> bool:
        """Whether it is ready."""
        try:
            self.stats()
        except httpx.TransportError:
            return False
        return True

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        answer = ask(method, self.base_url + path, body)
        return answer.raise_for_status().json() if answer.content else None


def start_sandbox(
    reaper: ProcessReaper,
    folder: Path,
    *,
    seed: int = SEED,
    speed: float = 60.0,
    scenario: Mapping[str, Any] | str | None = None,
    api_key: str = API_KEY,
    arguments: tuple[str, ...] = (),
) -> RunningSandbox:
    """Start `python -m sandbox` and wait until it answers.

    Args:
        reaper: What it is tied to.
        folder: Where its log and its scenario file go.
        seed: What its outcomes are drawn from.
        speed: How many of its seconds pass in one real second.
        scenario: Its faults from the start, or the name of one of its own scenarios; none when left out.
        api_key: The key that it takes.
        arguments: Further arguments of its command line.

    Raises:
        ProgramFailed: It did not start; the message holds the end of its log.
    """
    port = Port()
    command = [sys.executable, "-m", "sandbox", "--port", str(port.number), "--seed", str(seed), "--speed", str(speed)]
    command += ["--api-key", api_key, *arguments]
    if isinstance(scenario, Mapping):
        file = folder / f"scenario-{port.number}.json"
        file.write_text(json.dumps(dict(scenario)), encoding="utf-8")
        scenario = str(file)
    if scenario is not None:
        command += ["--scenario", scenario]
    port.hand_over()
    program = Program(command, log=folder / f"sandbox-{port.number}.log", reaper=reaper)
    sandbox = RunningSandbox(program, port=port.number, api_key=api_key)
    program.wait_until(sandbox.answers, what="answered", within_seconds=240)
    return sandbox
