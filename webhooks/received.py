"""What is kept of an event: enough to record it, and nothing else of what was said in the call.

Promises that whatever arrives is an event or is refused with a reason, and never breaks anything; and that no secret
and no transcript is kept.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from hamsa.bodies import read_json
from hamsa.models import WebhookEvent
from hamsa.redaction import decoded

STARTED, ANSWERED, ENDED = "call.started", "call.answered", "call.ended"

RECORDED = frozenset({STARTED, ANSWERED, ENDED})
"""Events that say something about an attempt. All others are accepted, counted and dropped."""

LONGEST_NAME = 200
"""Characters of an id or a type. Longer ones are nobody's."""

_OUR_KEY = re.compile(r"[\s\"']*([0-9a-f]{32})[\s\"']*")

_FACTS = ("status", "callDuration", "duration", "totalCost", "cost")
"""What `campaign.following.outcomes.end_of_event` reads beside the outcome."""


class NoEvent(ValueError):
    """A body is not an event of Hamsa's. The text says why, for whoever sent it."""


@dataclass(frozen=True, slots=True)
class Received:
    """One event, as far as it is kept.

    Attributes:
        event_type: One of `RECORDED`.
        call_id: Hamsa's id of the call: the job's id.
        call_key: The key that our claim sent along, if it is echoed: proof of which attempt this is about.
        happened_at: When it happened, by Hamsa's clock.
        data: What an end needs, in the shape in which Hamsa sends it.
    """

    event_type: str
    call_id: str | None
    call_key: str | None
    happened_at: datetime | None
    data: dict[str, Any] | None = None

    @property
    def identity(self) -> str:
        """The same for an event and its duplicates."""
        moment = self.happened_at.isoformat() if self.happened_at else ""
        return "\n".join((self.call_id or self.call_key or "", self.event_type, moment))

    def as_event(self) -> WebhookEvent:
        """The event again, as Hamsa would send it."""
        return WebhookEvent(
            event_type=self.event_type, call_id=self.call_id, timestamp=self.happened_at, data=self.data
        )


def read_event(body: bytes) -> WebhookEvent:
    """Read a request's body.

    Raises:
        NoEvent: It is not JSON, or not an event.
    """
    document = _read_json(body)
    if not isinstance(document, dict):
        raise NoEvent("The body is not a JSON object.")
    try:
        event = WebhookEvent.model_validate(document)
    except ValidationError:
        raise NoEvent("The body is not an event: it has no eventType.") from None
    if not _is_name(event.event_type):
        raise NoEvent("The body is not an event: its eventType is not a name.")
    return event


def to_be_kept(event: WebhookEvent) -> Received | None:
    """Pick out what is needed to record an event. None if there is nothing to record, or it names no call."""
    if event.event_type not in RECORDED:
        return None
    call_id, call_key = _name_or_none(event.call_id), _call_key(event)
    if call_id is None and call_key is None:
        return None
    data = _needed(event) if event.event_type == ENDED else None
    return Received(event.event_type, call_id, call_key, event.timestamp, data)


def _read_json(body: bytes) -> Any:
    # Half of an emoji, where somebody cut a text, is no reason to lose the end of a call.
    try:
        return read_json(body)
    except ValueError:
        raise NoEvent("The body is not JSON.") from None


def _call_key(event: WebhookEvent) -> str | None:
    """The key that our claim sent along: in the outcome, as documented for `call.ended`, or wherever params are.

    Other events carry params too, and nobody says under which name: there, the one key counts that goes by its name.
    """
    documented = (event.outcome_result.get(name) for name in ("call_key", "callKey"))
    for values in (documented, _named_call_key(event.data)):
        found = {key for value in values if (key := _name_or_none(_plain_key(value))) is not None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _named_call_key(value: object) -> Iterator[object]:
    """Whatever goes by the name of our key, at any depth."""
    value = decoded(value)
    if isinstance(value, Mapping):
        for name, each in value.items():
            if _plain_name(name) == "callkey":
                yield each
            yield from _named_call_key(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named_call_key(each)


def _plain_name(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _plain_key(value: object) -> object:
    """A key of ours as it was sent, though it came padded, quoted, dashed or in capitals; anything else as it is."""
    ours = _OUR_KEY.fullmatch(value.casefold().replace("-", "")) if isinstance(value, str) else None
    return value if ours is None else ours[1]


def _needed(event: WebhookEvent) -> dict[str, Any]:
    data = event.data or {}
    inner = decoded(data.get("data"))
    needed: dict[str, Any] = _facts(data)
    needed["data"] = _facts(inner if isinstance(inner, Mapping) else {}) | {"outcomeResult": event.outcome_result}
    return needed


def _facts(layer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name in _FACTS
        if isinstance(value := layer.get(name), int | float) or (isinstance(value, str) and len(value) <= LONGEST_NAME)
    }


def _name_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and _is_name(value) else None


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()
