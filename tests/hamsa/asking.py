"""Whatever a client can be asked for."""

from collections.abc import Awaitable, Callable
from typing import Any

from hamsa import CallRequest, HamsaClient

CALL = CallRequest(to_number="+12125550123", voice_agent_id="agent-1", params={"name": "Mona"})

Ask = Callable[[HamsaClient], Awaitable[Any]]
GETS: list[Ask] = [
    lambda client: client.get_job("job-1"),
    lambda client: client.list_calls_page(),
    lambda client: client.get_project(),
    lambda client: client.get_voice_agent("agent-1"),
]
