"""Whatever stands in the headers of a request, the receiver answers it, and lets nobody in who shows no secret."""

import asyncio
import json
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.webhooks.in_process import House, an_event, house
from tests.webhooks.running import HEADERS

NAMES = (
    *("authorization", "content-type", "content-length", "content-encoding", "transfer-encoding", "expect", "host"),
    *("connection", "accept", "cookie", "x-forwarded-for", "range", "upgrade"),
)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.integers().map(lambda number: str(number).encode()),
    st.sampled_from(
        [b"", b"9" * 5000, b"-1", b"1e9", b"gzip", b"chunked", b"application/json; charset=\xff", b"Bearer "]
    ),
    st.sampled_from([value.encode() for value in HEADERS.values()]),
)
BODY = json.dumps(an_event("call.started", "job-1")).encode()


async def post(receiver: House, headers: list[tuple[bytes, bytes]]) -> int:
    """Hand a request to the receiver as its server would."""
    statuses = []
    parts = iter([{"type": "http.request", "body": BODY, "more_body": False}])

    async def receive() -> Any:
        return next(parts, {"type": "http.disconnect"})

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/hamsa",
        "raw_path": b"/hamsa",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
    }
    await receiver.app(scope, receive, send)
    (status,) = statuses
    return int(status)


def test_any_header_is_answered_and_opens_nothing(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        entered = house(tmp_path)
        receiver = runner.run(entered.__aenter__())

        @given(headers=st.lists(st.tuples(st.sampled_from(NAMES).map(str.encode), VALUES), max_size=6))
        @example(headers=[(name.encode(), value.encode()) for name, value in HEADERS.items()])
        def any_headers(headers: list[tuple[bytes, bytes]]) -> None:
            status = runner.run(post(receiver, headers))
            shown = [value for name, value in headers if name == b"authorization"]
            if shown != [HEADERS["authorization"].encode()]:
                assert status == 401
            else:
                assert status in (200, 400, 408, 411, 413, 415, 422)

        try:
            any_headers()
        finally:
            runner.run(entered.__aexit__(None, None, None))
