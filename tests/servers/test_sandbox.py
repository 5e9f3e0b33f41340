"""A sandbox as a process of its own tells the truth over TCP, and takes faults while it runs."""

from collections.abc import Callable

import httpx
import pytest

from tests.servers.sandbox import RunningSandbox

pytestmark = pytest.mark.processes

ORDER = {"toNumber": "+12125550123", "voiceAgentId": "agent-1", "params": {}}


def test_it_counts_the_rings_of_a_call(start_sandbox: Callable[..., RunningSandbox]) -> None:
    sandbox = start_sandbox()
    answer = _place(sandbox, sandbox.api_key)
    assert answer.is_success, answer.text
    assert [call["number"] for call in sandbox.calls()] == ["+12125550123"]
    sandbox.reset()
    assert sandbox.calls() == []


def test_it_lets_its_own_key_in_and_no_other(start_sandbox: Callable[..., RunningSandbox]) -> None:
    sandbox = start_sandbox(api_key="the-one-key")
    assert _place(sandbox, "another-key").status_code == 401
    assert _place(sandbox, "the-one-key").is_success


def test_faults_are_there_from_the_start_and_change_while_it_runs(
    start_sandbox: Callable[..., RunningSandbox],
) -> None:
    sandbox = start_sandbox(scenario={"list_lag_seconds": 5.0})
    assert sandbox.change_scenario(webhook_lost=0.5)["webhook_lost"] == 0.5
    assert sandbox.change_scenario()["list_lag_seconds"] == 5.0


def test_two_of_them_run_side_by_side(start_sandbox: Callable[..., RunningSandbox]) -> None:
    first, second = start_sandbox(), start_sandbox()
    _place(first, first.api_key)
    assert second.calls() == []


def _place(sandbox: RunningSandbox, key: str) -> httpx.Response:
    return httpx.post(
        f"{sandbox.base_url}/v1/voice-agents/call",
        headers={"Authorization": f"Token {key}"},
        json=ORDER,
        trust_env=False,
    )
