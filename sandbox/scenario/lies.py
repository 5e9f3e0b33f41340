"""How this Hamsa departs from its documentation in what it says of calls: what list, records and events show otherwise.

Every lie is a field, and any of them may be combined. None changes what really happened: `Sandbox.calls()` stays true.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from sandbox.calls import Call, Page, Phase, Wanted

FAR_AWAY_SECONDS = 3 * 3600
"""How far off the clock of another time zone is."""

ListParameter = Literal["page", "perPage", "status", "startTime", "endTime", "voiceAgentId"]

KEY_NAME = "call_key"


class Lies(BaseModel):
    """What the call list, the job records and the events show otherwise than documented."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    list_times: Literal["exact", "zone", "zone_filtered", "date", "missing"] = Field(
        default="exact",
        description="`createdAt` in the list: exact, of another zone (which the filters may share), a date, missing.",
    )
    list_agents: Literal["as_sent", "revision", "missing"] = Field(
        default="as_sent", description="`voiceAgentId` in the list: as it was sent, that of a revision, missing."
    )
    list_ends: Literal["as_sent", "swapped", "missing"] = Field(
        default="as_sent", description="The two ends of a call in the list: as they were, swapped, missing."
    )
    list_digits: Literal["all", "hidden", "last_four", "sip", "extension"] = Field(
        default="all", description="What of `userNumber` the list shows, and how, beside `list_numbers`."
    )
    list_newest: int | None = Field(default=None, ge=0, description="The list knows only so many of the newest calls.")
    list_oldest: int | None = Field(default=None, ge=0, description="The list knows only so many of the oldest calls.")
    list_latest_of_number: bool = Field(
        default=False, description="Whether the list shows only the latest call to each number."
    )
    list_hides: Literal["nothing", "everything", "in_progress", "ended", "unanswered", "no_answer"] = Field(
        default="nothing", description="Calls that the list does not show at all."
    )
    list_counts: Literal["right", "page", "all", "none", "zero", "too_many", "text", "negative"] = Field(
        default="right", description="`total` and `filtered`: right, of the page, of all, left out, or nonsense."
    )
    list_page_rows: int | None = Field(default=None, ge=1, description="Rows on a page, whatever `perPage` says.")
    list_ignores: tuple[ListParameter, ...] = Field(default=(), description="Query parameters that change nothing.")
    list_repeats: int = Field(default=0, ge=0, description="Rows of each page that the next one shows again.")
    list_shuffled: bool = Field(default=False, description="Whether every request meets another order of rows.")
    list_cached_seconds: float = Field(
        default=0.0, ge=0, description="For so long the list's last answer is given again, whatever is asked."
    )
    record_key: Literal[
        "kept", "late", "gone", "padded", "quoted", "upper", "dashed", "cut", "changed", "renamed", "elsewhere"
    ] = Field(default="kept", description="The caller's `call_key` in records: as it was sent, or otherwise.")
    record_of: Literal["itself", "other_content", "other_record"] = Field(
        default="itself",
        description="Whose record comes: the call's own, another's under its id, another's with that one's id.",
    )
    record_missing: bool = Field(default=False, description="Whether every job is answered with 404.")
    record_late: Literal["no", "unknown", "in_progress", "without_outcome"] = Field(
        default="no",
        description="What a job is for five seconds after its call's end: complete, 404, still in progress, without "
        "`jobResponse`.",
    )
    record_data: Literal["object", "null", "list", "text"] = Field(
        default="object", description="What `data` of a record is."
    )
    record_numbers: Literal["numbers", "strings", "words"] = Field(
        default="numbers", description="How records and list write numbers such as cost and duration."
    )
    event_key: Literal[
        "kept", "gone", "padded", "quoted", "upper", "dashed", "cut", "changed", "renamed", "elsewhere"
    ] = Field(default="kept", description="The caller's `call_key` in events: as it was sent, or otherwise.")
    event_call_id: Literal["job", "own", "other", "missing"] = Field(
        default="job", description="`callId` of events: the job id, an id of its own, another call's, missing."
    )
    unknown_statuses: bool = Field(
        default=False,
        description="Whether calls in progress are `BUSY`, and ended ones `DONE`, which is documented nowhere.",
    )

    # -- the list ------------------------------------------------------------------------------------------------

    def honored(self, wanted: Wanted) -> Wanted:
        """The part of a query that is honored."""
        ignored = set(self.list_ignores)
        if "page" in ignored:
            wanted = replace(wanted, page=1)
        if "perPage" in ignored:
            wanted = replace(wanted, per_page=100)
        if "status" in ignored:
            wanted = replace(wanted, statuses=frozenset())
        if "startTime" in ignored:
            wanted = replace(wanted, from_ms=float("-inf"))
        if "endTime" in ignored:
            wanted = replace(wanted, to_ms=float("inf"))
        if "voiceAgentId" in ignored:
            wanted = replace(wanted, agent_id=None)
        if self.list_times == "zone_filtered":
            shift = FAR_AWAY_SECONDS * 1000
            wanted = replace(wanted, from_ms=wanted.from_ms - shift, to_ms=wanted.to_ms - shift)
        return replace(wanted, per_page=self.list_page_rows or wanted.per_page)

    @property
    def cuts_the_list(self) -> bool:
        """Whether pages are not simply consecutive pieces of all calls."""
        return bool(
            self.list_newest is not None
            or self.list_oldest is not None
            or self.list_latest_of_number
            or self.list_hides != "nothing"
            or self.list_repeats
            or self.list_shuffled
        )

    def cut(self, everything: Page, wanted: Wanted, at: float, chance: random.Random) -> Page:
        """Make a page of all calls that match.

        Args:
            everything: They, in their order.
            wanted: Which page.
            at: The moment that the list shows, in epoch seconds.
            chance: Orders shuffled rows.
        """
        calls = [call for call in everything.calls if not self._hides(call, at)]
        by_age = sorted(calls, key=lambda call: (call.created, call.ordinal))
        if self.list_newest is not None:
            kept = {call.id for call in by_age[max(0, len(by_age) - self.list_newest) :]}
            calls = [call for call in calls if call.id in kept]
        if self.list_oldest is not None:
            kept = {call.id for call in by_age[: self.list_oldest]}
            calls = [call for call in calls if call.id in kept]
        if self.list_latest_of_number:
            latest = {call.number: call.id for call in by_age}
            calls = [call for call in calls if latest[call.number] == call.id]
        if self.list_shuffled:
            chance.shuffle(calls)
        step = max(1, wanted.per_page - self.list_repeats)
        start = (wanted.page - 1) * step
        return Page(everything.total, len(calls), calls[start : start + wanted.per_page])

    def _hides(self, call: Call, at: float) -> bool:
        over = call.life.ends_at <= at
        return {
            "nothing": False,
            "everything": True,
            "in_progress": not over,
            "ended": over,
            "unanswered": over and call.life.began(Phase.TALKING) is None,
            "no_answer": over and call.life.phases[-1] is Phase.NO_ANSWER,
        }[self.list_hides]

    def row(self, row: dict[str, Any], far: str) -> dict[str, Any]:
        """A list's row as it is shown; `far` is its time in another zone."""
        shown = dict(row)
        if self.list_times != "exact":
            times = {"zone": far, "zone_filtered": far, "date": row["createdAt"][:10], "missing": None}
            shown["createdAt"] = times[self.list_times]
        if self.list_agents != "as_sent":
            shown["voiceAgentId"] = None if self.list_agents == "missing" else f"{row['voiceAgentId']}-r7"
        ends = dict(row["callParams"])
        ends["userNumber"] = self._digits(ends["userNumber"])
        if self.list_ends == "swapped":
            ends = {"machineNumber": ends["userNumber"], "userNumber": ends["machineNumber"]}
        shown["callParams"] = None if self.list_ends == "missing" else ends
        shown["status"] = self.status(row["status"])
        shown["duration"] = self._number(row["duration"])
        return shown

    def _digits(self, number: str) -> str:
        if self.list_digits == "hidden":
            return f"{number[:4]}***{number[-3:]}"
        if self.list_digits == "last_four":
            return number[-4:]
        if self.list_digits == "sip":
            return f"sip:{number}@203.0.113.9"
        return f"{number};ext=1" if self.list_digits == "extension" else number

    def counts(self, page: Page) -> dict[str, Any]:
        """`total` and `filtered` as they are shown."""
        shown: Mapping[str, Any] = {
            "right": (page.total, page.filtered),
            "page": (len(page.calls), len(page.calls)),
            "all": (page.total, page.total),
            "zero": (0, 0),
            "too_many": (page.total + 1000, page.filtered + 1000),
            "text": ("many", f"{page.filtered} calls"),
            "negative": (-1, -1),
        }
        if self.list_counts == "none":
            return {}
        total, filtered = shown[self.list_counts]
        return {"total": total, "filtered": filtered}

    # -- records -------------------------------------------------------------------------------------------------

    def shown_instead(self, call: Call, calls: Sequence[Call]) -> Call:
        """Whose record is shown where this call's is asked for."""
        return call if self.record_of == "itself" else another(call, calls)

    def params(self, params: Mapping[str, Any], *, over: bool) -> dict[str, Any]:
        """The caller's params as records give them back."""
        return dict(params) if self.record_key == "late" and over else _with_key(params, self.record_key)

    def record(self, record: dict[str, Any]) -> dict[str, Any]:
        """A job record as it is shown."""
        shown = {**record, "status": self.status(record["status"])}
        for name in ("totalCost", "usageTime"):
            shown[name] = self._number(record[name])
        return shown

    def data(self, record: dict[str, Any]) -> Any:
        """What stands in `data` where a record is asked for."""
        return {"object": record, "null": None, "list": [record], "text": "see the dashboard"}[self.record_data]

    # -- events --------------------------------------------------------------------------------------------------

    def event(self, event: dict[str, Any], other: str) -> dict[str, Any]:
        """An event as it is sent; `other` is the job id of another call."""
        own = f"event-of-{event['callId']}"
        ids = {"job": event["callId"], "own": own, "other": other, "missing": None}
        shown = {**event, "callId": ids[self.event_call_id]}
        data = event["data"]
        if event["eventType"] == "call.ended":
            result = _with_key(data["data"]["outcomeResult"], self.event_key)
            shown["data"] = {**data, "data": {**data["data"], "outcomeResult": result}}
            if "status" in data:
                shown["data"]["status"] = self.status(data["status"])
        return shown

    # -- all of them ---------------------------------------------------------------------------------------------

    def status(self, status: str) -> str:
        """A call's status as it is shown."""
        if not self.unknown_statuses:
            return status
        return "BUSY" if status in {"PENDING", "IN_PROGRESS"} else "DONE"

    def _number(self, value: Any) -> Any:
        if value is None or self.record_numbers == "numbers":
            return value
        return str(value) if self.record_numbers == "strings" else f"about {value}"


def another(call: Call, calls: Sequence[Call]) -> Call:
    """Another call than this one, if there is another: always the same."""
    return calls[call.ordinal % len(calls)]


def _with_key(params: Mapping[str, Any], how: str) -> dict[str, Any]:
    """Params that hold the caller's key otherwise than they were sent."""
    key = params.get(KEY_NAME)
    if not isinstance(key, str) or how == "kept":
        return dict(params)
    others = {name: value for name, value in params.items() if name != KEY_NAME}
    shown: Mapping[str, dict[str, Any]] = {
        "late": {},
        "gone": {},
        "padded": {KEY_NAME: f"  {key}\n"},
        "quoted": {KEY_NAME: f'"{key}"'},
        "upper": {KEY_NAME: key.upper()},
        "dashed": {KEY_NAME: "-".join((key[:8], key[8:12], key[12:16], key[16:20], key[20:]))},
        "cut": {KEY_NAME: key[:20]},
        "changed": {KEY_NAME: key[::-1]},
        "renamed": {"callkey": key},
        "elsewhere": {"custom": {"values": [{"k": KEY_NAME, "v": key}]}},
    }
    return {**others, **shown[how]}
