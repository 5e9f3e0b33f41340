"""The blocks that prefect.yaml names, for a sandbox."""

import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect_sqlalchemy import ConnectionComponents, SqlAlchemyConnector, SyncDriver
from pydantic import SecretStr

from blocks import CallingPolicy, CallLedger, HamsaCredentials, VoiceAgent
from examples.receivables import build_receivables
from tests.servers.prefect import PrefectServer
from tests.servers.program import PROJECT


async def save_blocks(
    folder: Path,
    *,
    api_key: str,
    base_url: str,
    agent: str = "agent-collections",
    ledger_url: str | None = None,
    policy: Mapping[str, Any],
) -> None:
    """Save all of them on the Prefect server in use, over what is there.

    Args:
        folder: Where the receivables are, and the ledger if no other is named.
        api_key: The sandbox's.
        base_url: The sandbox's.
        agent: Which of its agents talks.
        ledger_url: The ledger's.
        policy: Fields of the policy, beyond: no hours, no caps, quick looks.
    """
    credentials = HamsaCredentials(api_key=SecretStr(api_key), base_url=base_url)
    await credentials.asave("default", overwrite=True)
    await VoiceAgent(credentials=credentials, voice_agent_id=agent).asave("collections", overwrite=True)
    quick = {"preset": "unrestricted", "poll_min_seconds": 0.2, "poll_max_seconds": 0.5}
    await CallingPolicy(**{**quick, **policy}).asave("collections", overwrite=True)
    await CallLedger(url=SecretStr(ledger_url or f"sqlite:///{folder / 'calls.db'}")).asave("default", overwrite=True)
    database = folder / "receivables.sqlite"
    if not database.exists():
        build_receivables(database, today=datetime.now().astimezone().date())
    connection = ConnectionComponents(driver=SyncDriver.SQLITE_PYSQLITE, database=str(database))
    await SqlAlchemyConnector(connection_info=connection).asave("receivables", overwrite=True)


def save_blocks_on(server: PrefectServer, folder: Path, **given: Any) -> None:
    """Save all of them on a server that is not the suite's: in a process of its own, as a person's script would."""
    script = (
        "import asyncio, json, sys; from pathlib import Path; from tests.contact.saving import save_blocks; "
        "given = json.load(sys.stdin); asyncio.run(save_blocks(Path(given.pop('folder')), **given))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT,
        env=server.environment,
        input=json.dumps({"folder": str(folder), **given}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
