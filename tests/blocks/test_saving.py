"""Blocks are saved in a real Prefect server and come back as they were; what is secret comes back to flows alone."""

import contextlib
import json
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from prefect import flow
from prefect.blocks.core import Block

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from tests.servers.http import ask
from tests.servers.prefect import PrefectServer
from tests.servers.process_reaper import ProcessReaper
from tests.servers.program import Program

B = TypeVar("B", bound=Block)

pytestmark = pytest.mark.prefect

API_KEY, LLM_KEY, WEBHOOK_SECRET, PASSWORD = "sk-4f1b9c7d2e", "llm-99c1f0ab", "hush-81b2aa", "opensesame-77"
SECRETS = (API_KEY, LLM_KEY, WEBHOOK_SECRET, PASSWORD)


@pytest.fixture
def name() -> str:
    """A name of this test's own: all tests share the server."""
    return f"t-{uuid.uuid4().hex[:8]}"


def api(server: PrefectServer, method: str, path: str, body: Any = None) -> Any:
    """Ask the server as its UI does; again while its database is locked by others, as Prefect's own client does."""
    until = time.monotonic() + 240
    while True:
        answer = ask(method, f"{server.api_url}{path}", body)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
            break
        time.sleep(0.2)
    return answer.raise_for_status().json() if answer.content else None


async def load(kind: type[B], name: str) -> B:
    """Load a block; Prefect's own way is not typed well enough to say what comes back."""
    block: object = await kind.aload(name)
    assert isinstance(block, kind)
    return block


async def test_every_block_comes_back_as_it_was_saved(prefect_server: PrefectServer, name: str) -> None:
    policy = CallingPolicy(
        preset="ae",
        lines=20,
        windows=[{"days": ["monday"], "start": "9:30", "end": "12:00"}],
        windows_on_dates=[{"first_day": date(2027, 2, 8), "last_day": date(2027, 3, 9)}],
        closed_dates=[date(2026, 12, 2)],
        max_cost=12.5,
    )
    credentials = HamsaCredentials(api_key=API_KEY, region="uae", read_timeout_seconds=20)
    ledger = CallLedger(url=f"postgresql://caller:{PASSWORD}@db/calls")
    for block in (policy, credentials, ledger):
        await block.asave(name)
        assert await load(type(block), name) == block
    assert (await load(CallingPolicy, name)).resolved() == policy.resolved()


async def test_an_agent_refers_to_its_credentials_and_follows_their_changes(
    prefect_server: PrefectServer, name: str
) -> None:
    await HamsaCredentials(api_key=API_KEY).asave(name)
    agent = VoiceAgent(
        credentials=await load(HamsaCredentials, name),
        agent_details={"agentName": "Amal", "llmConfig": {"apiKey": LLM_KEY}},
        webhook_url="https://example.com/hook",
        webhook_auth_secret=WEBHOOK_SECRET,
    )
    await agent.asave(name)
    await HamsaCredentials(api_key="sk-rotated").asave(name, overwrite=True)
    loaded = await load(VoiceAgent, name)
    assert loaded.credentials.api_key.get_secret_value() == "sk-rotated"
    assert loaded.calling_agent() == agent.calling_agent()


async def test_whoever_looks_at_a_block_is_shown_no_secret_nor_is_one_on_disk(
    prefect_server: PrefectServer, name: str
) -> None:
    # The credentials are not saved on their own, so that the agent's document holds them itself.
    agent = VoiceAgent(
        credentials=HamsaCredentials(api_key=API_KEY),
        agent_details={"agentName": "Amal", "llmConfig": {"apiKey": LLM_KEY}, "tools": [{"headers": LLM_KEY}]},
        webhook_url="https://example.com/hook",
        webhook_auth_secret=WEBHOOK_SECRET,
    )
    await agent.asave(name)
    await CallLedger(url=f"postgresql://caller:{PASSWORD}@db/calls").asave(name)
    for slug in ("hamsa-voice-agent", "call-ledger"):
        document = api(prefect_server, "GET", f"/block_types/slug/{slug}/block_documents/name/{name}")
        shown = json.dumps([document, api(prefect_server, "GET", f"/block_documents/{document['id']}")])
        assert not [secret for secret in SECRETS if secret in shown]
    shown = json.dumps(api(prefect_server, "POST", "/block_documents/filter", {}))
    assert not [secret for secret in SECRETS if secret in shown]
    with contextlib.closing(sqlite3.connect(prefect_server.database)) as database:
        stored = "".join(database.iterdump())
    assert name in stored
    assert not [secret for secret in SECRETS if secret in stored]


async def test_a_form_that_sends_back_what_it_was_shown_changes_no_secret(
    prefect_server: PrefectServer, name: str
) -> None:
    agent = VoiceAgent(
        credentials=HamsaCredentials(api_key=API_KEY),
        agent_details={"agentName": "Amal", "llmConfig": {"apiKey": LLM_KEY}},
        webhook_url="https://example.com/hook",
        webhook_auth_secret=WEBHOOK_SECRET,
    )
    document_id = await agent.asave(name)
    shown = api(prefect_server, "GET", f"/block_documents/{document_id}")["data"]
    changed = {**shown, "webhook_url": "https://example.com/other"}
    api(prefect_server, "PATCH", f"/block_documents/{document_id}", {"data": changed, "merge_existing_data": False})
    loaded = await load(VoiceAgent, name)
    assert loaded.webhook_url == "https://example.com/other"
    assert loaded.calling_agent().webhook_auth == agent.calling_agent().webhook_auth
    assert loaded.calling_agent().agent_details == agent.calling_agent().agent_details
    assert loaded.credentials.api_key == agent.credentials.api_key


async def test_a_deployments_reference_brings_the_agent_and_its_run_stores_no_secret(
    prefect_server: PrefectServer, name: str
) -> None:
    @flow
    async def who_talks(agent: VoiceAgent, policy: CallingPolicy | None, ledger: CallLedger | None) -> str | None:
        key = agent.credentials.api_key.get_secret_value()
        return agent.voice_agent_id if key == API_KEY and policy and policy.lines == 7 and ledger else None

    await HamsaCredentials(api_key=API_KEY).asave(name)
    await VoiceAgent(credentials=await load(HamsaCredentials, name), voice_agent_id="a1").asave(name)
    await CallingPolicy(lines=7).asave(name)
    await CallLedger(url=f"postgresql://caller:{PASSWORD}@db/calls").asave(name)
    slugs = {"agent": "hamsa-voice-agent", "policy": "calling-policy", "ledger": "call-ledger"}
    references = {parameter: {"$ref": {"block_document_slug": f"{slug}/{name}"}} for parameter, slug in slugs.items()}
    # Prefect turns references into blocks.
    assert await who_talks(**references) == "a1"  # type: ignore[call-overload]
    agent, policy, ledger = await load(VoiceAgent, name), await load(CallingPolicy, name), await load(CallLedger, name)
    assert await who_talks(agent, policy, ledger) == "a1"
    runs = json.dumps(api(prefect_server, "POST", "/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 50}))
    assert not [secret for secret in SECRETS if secret in runs]


@pytest.mark.parametrize(
    ("kind", "data", "sentence"),
    [
        (HamsaCredentials, {"api_key": "pk_live_1"}, "Hamsa Credentials: `api_key`: The Hamsa API key begins with pk_"),
        (VoiceAgent, {"credentials": {"api_key": API_KEY}}, "Hamsa Voice Agent: a call needs an agent"),
        (VoiceAgent, {"credentials": {"api_key": "pk_1"}, "voice_agent_id": "a1"}, "Hamsa Credentials: `api_key`: The"),
        (CallingPolicy, {"lines": 0}, "Calling Policy: `lines` is 0, but should be greater than or equal to 1."),
        (CallLedger, {"url": f"mysql://caller:{PASSWORD}@db"}, "Call Ledger: `url`: The ledger's URL names mysql"),
    ],
)
async def test_a_wrong_value_that_a_form_let_through_fails_the_run_with_its_sentence(
    prefect_server: PrefectServer, name: str, kind: type[Block], data: dict[str, Any], sentence: str
) -> None:
    @flow
    async def use(block: kind) -> None:  # type: ignore[valid-type]
        raise AssertionError("must not be reached")

    await kind.aregister_type_and_schema()
    slug = kind.get_block_type_slug()
    block_type = api(prefect_server, "GET", f"/block_types/slug/{slug}")
    schema = api(
        prefect_server,
        "POST",
        "/block_schemas/filter",
        {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}},
    )[0]
    body = {"name": name, "data": data, "block_type_id": block_type["id"], "block_schema_id": schema["id"]}
    api(prefect_server, "POST", "/block_documents/", body)
    state = await use({"$ref": {"block_document_slug": f"{slug}/{name}"}}, return_state=True)
    assert state.is_failed()
    assert sentence in str(state.message)
    assert "\n" not in str(state.message)
    runs = json.dumps(api(prefect_server, "POST", "/flow_runs/filter", {"sort": "START_TIME_DESC", "limit": 5}))
    assert not [secret for secret in SECRETS if secret in runs]


@pytest.mark.processes
@pytest.mark.thorough
async def test_the_blocks_are_registered_from_the_command_line(
    start_prefect_server: Callable[..., PrefectServer], reaper: ProcessReaper, tmp_path: Path
) -> None:
    server = start_prefect_server()
    program = Program(
        [sys.executable, "-m", "prefect", "block", "register", "-m", "blocks"],
        log=tmp_path / "register.log",
        reaper=reaper,
        environment=server.environment,
    )
    assert program.process.wait(timeout=240) == 0, program.log_text()
    types = {each["slug"]: each for each in api(server, "POST", "/block_types/filter", {})}
    ours = {slug: types[slug] for slug in ("hamsa-credentials", "hamsa-voice-agent", "calling-policy", "call-ledger")}
    assert all(each["description"] and each["code_example"] and each["documentation_url"] for each in ours.values())
    assert {each["logo_url"] for each in ours.values()} == {None}
