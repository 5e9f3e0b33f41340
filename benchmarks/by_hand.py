"""What one would write without this project: the other side of the comparison.

It does not know whether a phone rang when an answer is lost, follows no call to its end and keeps no record.
"""

import httpx
from prefect import flow, task

AGENT = "agent-plain"

Person = tuple[str, str, str, float]


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
