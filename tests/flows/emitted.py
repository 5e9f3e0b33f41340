"""What Prefect's server has of the events that a flow emitted."""

import asyncio
import time
from typing import Any

import httpx

from tests.servers.http import LOOPBACK
from tests.servers.prefect import PrefectServer

Event = dict[str, Any]


async def events_about(server: PrefectServer, resource: str, *, until: str, count: int = 1) -> list[Event]:
    """All events about or related to a resource, once so many of the name `until` are there: they keep their order."""
    deadline = time.monotonic() + 240
    wanted = {"filter": {"any_resource": {"id": [resource]}, "order": "ASC"}, "limit": 50}
    async with httpx.AsyncClient(**LOOPBACK, timeout=30) as client:
        while True:
            answer = await client.post(f"{server.api_url}/events/filter", json=wanted)
            page = answer.raise_for_status().json()
            found = list(page["events"])
            while page["next_page"]:
                page = (await client.get(page["next_page"])).raise_for_status().json()
                found += page["events"]
            if sum(event["event"] == until for event in found) >= count:
                return found
            assert time.monotonic() < deadline, f"no {until}; there are {[event['event'] for event in found]}"
            await asyncio.sleep(0.2)
