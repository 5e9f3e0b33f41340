"""What is kept of an event: enough to record it, nothing else, whatever arrives."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhooks.received import ANSWERED, ENDED, STARTED, NoEvent, Received, read_event, to_be_kept

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
NAMES = ["eventType", "callId", "timestamp", "data", "agentId"]
KINDS = st.sampled_from([STARTED, ANSWERED, ENDED, "transcription.update", "tool.executed", "call.paused"])


def kept(event: dict[str, Any]) -> Received | None:
    return to_be_kept(read_event(json.dumps(event).encode()))


def ended(**data: Any) -> dict[str, Any]:
    return {"eventType": ENDED, "callId": "job-1", "timestamp": "2026-11-03T15:01:00Z", "data": data}


@given(body=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"")
@example(b"[" * 100_000)
@example(b'{"eventType":' * 100_000)
@example(b"9" * 5000)
@example(b'{"eventType": "call.ended", "callId": ' + b"9" * 5000 + b"}")
@example(b'{"eventType": null}')
@example(b'{"eventType": ["call.ended"]}')
def test_garbage_is_refused_with_a_reason(body: bytes) -> None:
    reason = "The body is not refused."
    try:
        to_be_kept(read_event(body))
    except NoEvent as error:  # and nothing else
        reason = str(error)
    assert reason.startswith("The body is not ")


@given(event=st.dictionaries(st.sampled_from(NAMES), JSON), kind=KINDS)
@example({"callId": "c", "timestamp": "0001-01-01T00:00:00+23:00"}, ENDED)
@example({"callId": "c", "timestamp": "9999-12-31T23:59:59-23:00"}, ENDED)
@example({"callId": "c", "timestamp": 1e308, "data": '{"data": "{\\"outcomeResult\\": \\"{}\\"}"}'}, ENDED)
def test_an_event_with_anything_in_it_is_kept_or_not_and_can_be_read_again(event: dict[str, Any], kind: str) -> None:
    found = kept({**event, "eventType": kind})
    if found is not None:
        assert found.event_type in (STARTED, ANSWERED, ENDED)
        json.dumps(found.data)
        again = found.as_event()
        assert (again.event_type, again.call_id) == (found.event_type, found.call_id)


def test_half_an_emoji_loses_no_end() -> None:
    event = read_event(
        b'{"eventType": "call.ended", "callId": "job-1", "data": {"status": "COMPLETED", "x": "\\ud83d"}}'
    )
    found = to_be_kept(event)
    assert found is not None
    assert found.data == {"status": "COMPLETED", "data": {"outcomeResult": {}}}


def test_nothing_is_kept_that_recording_does_not_need() -> None:
    found = kept(
        ended(
            data={
                "outcomeResult": {"call_key": "k", "promised": True, "apiKey": "s3cret"},
                "transcript": "Hello, Ann.",
            },
            status="COMPLETED",
            callDuration=12,
            transcript=[{"role": "user", "text": "Hello"}],
            llmConfig={"apiKey": "s3cret"},
            recordingUrl="https://media.invalid/1.wav",
        )
    )
    assert found is not None
    assert found.data == {
        "status": "COMPLETED",
        "callDuration": 12,
        "data": {"outcomeResult": {"call_key": "k", "promised": True}},
    }


@pytest.mark.parametrize("kind", ["call.started", "call.answered", "call.ended"])
def test_three_of_the_five_documented_events_say_something_about_an_attempt(kind: str) -> None:
    params = {"params": {"call_key": "k"}, "ringing": 7}
    found = kept({"eventType": kind, "callId": "job-1", "timestamp": "2026-11-03T15:01:00Z", "data": params})
    assert found is not None
    assert (found.event_type, found.call_id, found.call_key) == (kind, "job-1", "k")


@pytest.mark.parametrize("kind", ["transcription.update", "tool.executed", "call.paused", "CALL.ENDED"])
def test_events_of_which_nothing_is_recorded_are_not_kept(kind: str) -> None:
    assert kept({"eventType": kind, "callId": "job-1", "data": {"text": "Hello"}}) is None


@pytest.mark.parametrize("call_id", [None, "", "x" * 201, "a\nb", "a\x00b"])
def test_an_event_that_names_no_call_is_not_kept(call_id: str | None) -> None:
    assert kept({"eventType": ENDED, "callId": call_id, "data": None}) is None


@pytest.mark.parametrize(
    "data",
    [
        {"data": {"outcomeResult": {"call_key": "k"}}},
        {"data": json.dumps({"outcomeResult": json.dumps({"callKey": "k"})})},
        {"params": {"call_key": "k"}},
        {"params": json.dumps({"call_key": "k"})},
        {"data": {"params": {"call_key": "k"}}},
        {"agentDetails": json.dumps({"params": {"call_key": "k"}})},
        {"customParams": {"name": "Mona", "call_key": "k"}},
        {"call": {"variables": [{"callKey": "k"}, {"name": "Mona"}]}},
        {"call_key": "k", "params": {"call_key": "k"}},
    ],
)
@pytest.mark.parametrize("kind", [STARTED, ANSWERED, ENDED])
def test_our_key_is_found_wherever_params_are_echoed(kind: str, data: dict[str, Any]) -> None:
    found = kept({"eventType": kind, "callId": "job-1", "data": data})
    assert found is not None
    assert found.call_key == "k"


def test_of_two_keys_the_documented_place_has_ours_and_elsewhere_neither_counts() -> None:
    others = {"params": {"call_key": "k"}, "previous": {"call_key": "j"}}
    started = kept({"eventType": STARTED, "callId": "job-1", "data": others})
    assert started is not None
    assert started.call_key is None
    result = {"call_key": "k", "previous": {"call_key": "j"}}
    over = kept(ended(data={"outcomeResult": result}, previous={"call_key": "j"}))
    assert over is not None
    assert over.call_key == "k"


@pytest.mark.parametrize("key", [None, "", 7, ["k"], "k" * 201, "a\x00b"])
def test_what_cannot_be_our_key_is_none(key: object) -> None:
    found = kept(ended(data={"outcomeResult": {"call_key": key}}))
    assert found is not None
    assert found.call_key is None


def test_duplicates_are_the_same_and_others_are_not() -> None:
    event = ended(status="COMPLETED")
    same = {**event, "timestamp": "2026-11-03T16:01:00+01:00", "agentName": "x"}
    others = [
        {**event, name: value} for name, value in [("callId", "job-2"), ("eventType", ANSWERED), ("timestamp", None)]
    ]
    identities = [found.identity for found in map(kept, [event, same, *others]) if found is not None]
    assert identities[0] == identities[1]
    assert len(set(identities)) == 4


@pytest.mark.parametrize(
    "shown",
    ["  {key}\n", '"{key}"', "'{key}'", "{KEY}", "01234567-89ab-cdef-0123-456789abcdef"],
    ids=["padded", "quoted", "single", "capitals", "dashed"],
)
def test_our_key_is_known_however_it_is_written(shown: str) -> None:
    key = "0123456789abcdef0123456789abcdef"
    result = {"call_key": shown.format(key=key, KEY=key.upper())}
    found = kept({"eventType": "call.ended", "callId": "job-1", "data": {"data": {"outcomeResult": result}}})
    assert found is not None
    assert found.call_key == key
