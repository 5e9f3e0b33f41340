"""Events hold no phone number, and are never too large to be told."""

from typing import Any

import pytest
from prefect.events import Event

from campaign.attempts import AttemptState
from campaign.following.call_events import CallEvent
from campaign.ledger.transitions import CallEnd
from runtime import events

PHONE = "+442079460123"


def shown(outcome: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Event:
    """The event of a call that ended with this outcome, every field of it allowed."""
    emitted: list[Event] = []
    monkeypatch.setattr(events, "emit_event", lambda event, **rest: emitted.append(Event(event=event, **rest)))
    fact = CallEvent(
        kind="ended",
        campaign="c",
        recipient_id="c1",
        call_key="k",
        attempt=1,
        phone=PHONE,
        run_id=None,
        end=CallEnd(state=AttemptState.COMPLETED, outcome=outcome),
    )
    events.call_event_emitter(list(outcome))(fact)
    (event,) = emitted
    return event


def test_a_number_that_the_agent_noted_is_masked_in_payload_and_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = {"callback": PHONE, "list": ["020 7946 0123", {"n": 442079460123}], "son": "+1 212 555 0199"}
    event = shown(outcome, monkeypatch)
    assert event.payload["outcome"] == {
        "callback": "+44•••••0123",
        "list": ["+44•••••0123", {"n": "+44•••••0123"}],
        "son": "+1•••••0199",
    }
    assert event.resource["hamsa.outcome.callback"] == "+44•••••0123"
    assert "0199" in event.resource["hamsa.outcome.son"]
    assert "5550199" not in "".join(filter(str.isdigit, event.resource["hamsa.outcome.son"]))


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 10**6], {"a": {"b": ["x"] * 10**6}}, 10**4000])
def test_a_huge_value_is_cut(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    event = shown({"value": value}, monkeypatch)
    assert len(str(event.payload["outcome"]["value"])) == events.LONGEST_VALUE
    assert event.size_bytes < 5000


def test_small_values_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = {"promised": True, "amount": 12.5, "times": 3, "none": None, "list": ["a", {"b": 1}], "text": "Will pay."}
    assert shown(outcome, monkeypatch).payload["outcome"] == outcome
