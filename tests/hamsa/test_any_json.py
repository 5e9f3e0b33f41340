"""Whatever Hamsa answers, deep, endless, half a character or no number: a record comes of it or a `HamsaError`."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamsa import HamsaClient, HamsaError, Unavailable, Uncertain
from hamsa.bodies import LEFT_OUT, read_json
from hamsa.models import JobRecord, WebhookEvent
from hamsa.redaction import decoded, without_secrets
from tests.hamsa.asking import CALL, GETS
from tests.hamsa.conftest import API_KEY


def nested(levels: int, inside: str = "1") -> str:
    return "[" * levels + inside + "]" * levels


def json_in_json(times: int, levels: int) -> str:
    """Lists in a text in lists in a text, as it stands in a customer's cell."""
    text = nested(levels)
    for _ in range(times):
        text = nested(levels, json.dumps(text))
    return text


ODD = {
    "deep": nested(150),
    "too deep to parse": nested(5000),
    "json in json": json.dumps(json_in_json(3, 140)),
    "not a number": "NaN",
    "endless": "-Infinity",
    "huge float": "1e999",
    "huge number": "9" * 5000,
    "long number": "9" * 4000,
    "half a character": '"\\ud83d"',
    "both halves": '"\\ud83d\\ude00"',
    "nul": '"a\\u0000b"',
    "end of time": '"9999-12-31T23:59:59-14:00"',
    "beginning of time": '"0001-01-01T00:00:00+14:00"',
    "seconds of another age": "99999999999999999999",
    "object": '{"a": {"apiKey": "hush"}}',
    "list": '[null, {"id": []}]',
}

FIELDS: tuple[str, ...] = (
    "status",
    "totalCost",
    "usageTime",
    "createdAt",
    "updatedAt",
    "jobResponse",
    "agentDetails",
    "callParams",
)
FIELDS += ("duration", "callDuration", "params", "somethingNew", "webhookUrl", "outcomeResponseShape", "conversation")


def client_of(body: str | bytes) -> HamsaClient:
    data = body if isinstance(body, bytes) else body.encode()
    return HamsaClient(API_KEY, transport=httpx.MockTransport(lambda _: httpx.Response(200, content=data)))


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("field", FIELDS)
async def test_an_odd_field_costs_itself_and_what_is_kept_can_be_written(field: str, odd: str) -> None:
    async with client_of(f'{{"data": {{"id": "job-1", "title": "kept", "{field}": {odd}}}}}') as client:
        try:
            record = await client.create_call(CALL)
        except Uncertain:
            assert odd == ODD["too deep to parse"]
            return
        assert (record.id, record.title) == ("job-1", "kept")
        kept = json.dumps(record.as_json(), allow_nan=False)
        kept.encode("utf-8")
        assert "hush" not in kept
        assert record.outcome_result is not None
        assert record.call_key is None


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_an_odd_row_of_the_list_costs_itself_and_not_the_others(odd: str) -> None:
    rows = f'[{{"id": "a"}}, {{"id": {odd}, "duration": {odd}}}, {{"id": "b", "createdAt": {odd}}}]'
    async with client_of(f'{{"data": {{"total": {odd}, "calls": {rows}}}}}') as client:
        try:
            page = await client.list_calls_page()
        except Unavailable:
            assert odd == ODD["too deep to parse"]
            return
        ids = [call.id for call in page.calls]
        assert ids[0] == "a"
        assert ids[-1] == "b"


_ODD_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes().map(str),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "calls", "message", "outcomeResult", *FIELDS]), inner, max_size=4
        )
        | inner.map(json.dumps)
    ),
    max_leaves=15,
)


async def _create_call(client: HamsaClient) -> Any:
    return await client.create_call(CALL)


@settings(max_examples=60, deadline=None)
@given(
    body=st.one_of(st.binary(max_size=200), _ODD_JSON.map(lambda each: json.dumps(each).encode())),
    status=st.sampled_from([200, 400, 429, 500]),
)
async def test_no_body_whatever_raises_anything_but_hamsas_errors(body: bytes, status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=body))
    async with HamsaClient(API_KEY, transport=transport) as client:
        for ask in (*GETS, _create_call):
            try:
                await ask(client)
            except (HamsaError, StopAsyncIteration):
                continue


@given(_ODD_JSON)
def test_what_was_cleaned_is_clean_and_stays_as_it_is(value: Any) -> None:
    clean = without_secrets(value)
    json.dumps(clean, allow_nan=False).encode("utf-8")
    assert without_secrets(clean) == clean
    decoded(clean)


def test_a_cell_of_json_in_json_is_bounded_in_depth_and_everything_beside_it_is_kept() -> None:
    cell = json_in_json(2, 148)
    record = JobRecord.model_validate({"id": "j", "agentDetails": {"params": {"name": cell, "call_key": "k-1"}}})
    assert record.call_key == "k-1"
    assert LEFT_OUT in json.dumps(record.as_json(), ensure_ascii=False)
    event = WebhookEvent.model_validate(
        {"eventType": "call.ended", "data": {"data": {"outcomeResult": {"name": cell, "call_key": "k-1"}}}}
    )
    assert event.call_key == "k-1"


def test_json_that_is_nearly_json_is_read() -> None:
    assert read_json(b'{"a": "\xff"}') == {"a": "\ufffd"}
    assert read_json('["\\ud83d"]') == ["\ud83d"]
    for text in ("", "{", nested(100_000), b"\x00"):
        with pytest.raises(ValueError):  # noqa: PT011 - any
            read_json(text)
