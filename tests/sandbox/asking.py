"""Requests as the tests of the sandbox make them."""

from typing import Any

import httpx

PLACE = "/v1/voice-agents/call"
LIST = "/v1/voice-agents/conversations/minimal-list"
ANN = "+12125550101"
BEN = "+12125550102"


def fictional(ordinal: int) -> str:
    """Return one of many numbers reserved for fiction, none of them magic."""
    return f"+1{201 + ordinal // 90}55501{ordinal % 90:02}"


def order(number: str = ANN, **fields: Any) -> dict[str, Any]:
    """Return the body of a request to call `number`; a field that is None is left out."""
    body = {"toNumber": number, "voiceAgentId": "agent-collections", "params": {"call_key": f"key-{number}"}, **fields}
    return {name: value for name, value in body.items() if value is not None}


async def place(http: httpx.AsyncClient, number: str = ANN, **fields: Any) -> dict[str, Any]:
    """Place a call that must go well, and return its job record."""
    response = await http.post(PLACE, json=order(number, **fields))
    assert response.status_code in {200, 201}, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def job(http: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    """Return the job record of that id."""
    response = await http.get("/v1/jobs", params={"jobId": job_id})
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def listed(http: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    """Return the data of one page of the list."""
    response = await http.get(LIST, params=query)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data
