"""What one would write without this project: the other side of each comparison.

Neither of them knows whether a phone rang when an answer is lost, follows a call to its end or keeps a record.
"""

import asyncio
import time
from collections.abc import Sequence

import httpx
from prefect import flow, task

AGENT = "agent-plain"

Person = tuple[str, str, str, float]


async def post_all(base_url: str, api_key: str, who: Sequence[Person], *, workers: int, connections: int) -> float:
    """The limit: workers that send one POST after the other through one `httpx.AsyncClient`, and nothing else.

    Args:
        base_url: Where Hamsa is.
        api_key: The key.
        who: Whom to call.
        workers: Requests in progress at once.
        connections: The size of the client's pool.

    Returns:
        Seconds from the first request to the last answer.
    """
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    headers = {"Authorization": f"Token {api_key}"}
    async with httpx.AsyncClient(base_url=base_url, headers=headers, limits=limits, timeout=60) as client:
        waiting = iter(who)

        async def work() -> None:
            for person in waiting:
                (await client.post("/v1/voice-agents/call", json=_body(person))).raise_for_status()

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(workers)))
        return time.perf_counter() - began


def _body(person: Person) -> dict[str, object]:
    recipient_id, phone, name, amount = person
    return {
        "toNumber": phone,
        "voiceAgentId": AGENT,
        "params": {"name": name, "amount": amount, "customer_id": recipient_id},
    }


@task(retries=3)
def place_call(base_url: str, api_key: str, person: Person) -> str:
    """One call, one task run, as in many a tutorial."""
    response = httpx.post(
        f"{base_url}/v1/voice-agents/call",
        json=_body(person),
        headers={"Authorization": f"Token {api_key}"},
        timeout=60,
    )
    response.raise_for_status()
    return str(response.json()["data"]["id"])


@flow(name="call by map")
def call_by_map(base_url: str, api_key: str, who: list[Person]) -> int:
    """A task run per customer."""
    placed = place_call.map(base_url, api_key, who)
    return len([call.result() for call in placed])
