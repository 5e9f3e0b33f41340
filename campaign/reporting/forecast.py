"""Whom a run would call, as the page on which a person approves it shows it.

Promises that it shows how the list changed since the campaign showed it last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from campaign.intake import PeopleShown, Recipient, mask
from campaign.ledger import Approval, CallAverages
from campaign.reporting.masking import shown_id
from campaign.rules import DialSettings
from campaign.wording import counted, in_markdown

SHOWN = 200
"""People listed on the page; all of them are counted."""

RINGING_SECONDS = 15.0
"""What a line is busy with each call beyond the talk, for the estimate."""

SUPPOSED_SECONDS = 60.0
"""How long a call lasts, for the estimate, as long as the ledger has none to go by."""


@dataclass(slots=True)
class Forecast:
    """Whom a run would call now.

    Attributes:
        reasons: Rows that would not be called, by why.
        before: What the campaign showed last, if it ever did.
        came: How many people were not in that list.
        went: How many of that list would not be called now.
    """

    campaign: str
    people: PeopleShown = field(init=False)
    count: int = 0
    rows: int = 0
    first: list[Recipient] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)
    before: Approval | None = None
    came: int = 0
    went: int = 0

    def __post_init__(self) -> None:
        self.people = PeopleShown(self.campaign)

    def add(self, people: Sequence[Recipient]) -> None:
        """These would be called as well."""
        self.people.add(people)
        self.count += len(people)
        self.first += people[: SHOWN - len(self.first)]

    def compare(self, before: Approval) -> None:
        """Count how many came and went since the campaign showed its list last."""
        if before.recipients is None:
            return
        earlier = PeopleShown(self.campaign, before.recipients)
        self.before = before
        self.came, self.went = self.people.missing_from(earlier), earlier.missing_from(self.people)

    @property
    def changes(self) -> str:
        """What changed since the list was last shown, as a sentence; empty if it never was."""
        if self.before is None:
            return ""
        when = f"{self.before.asked_at:%Y-%m-%d %H:%M} UTC"
        if not self.came and not self.went:
            same = counted(self.before.people, "person", "people")
            return f"The list is the same as on {when}, when it was last shown: {same}."
        shown = f"Since {when}, when the list was last shown with {counted(self.before.people, 'person', 'people')}"
        return f"{shown}, {self.came} came and {self.went} went."

    def calls(self, max_calls: int | None) -> int:
        """How many of them this run may call."""
        return self.count if max_calls is None else min(self.count, max_calls)

    def page(self, settings: DialSettings, averages: CallAverages, now: datetime) -> str:
        """The Markdown page that the answer is given by.

        Args:
            settings: How the calls would be made.
            averages: What earlier calls took and cost.
            now: When the calls would begin.
        """
        text = [
            f"# May {in_markdown(self.campaign)} call {counted(self.count, 'person', 'people')}?",
            "",
            f"**{self.count} of {self.rows} rows would be called now, each once.** Nobody has been called by this run.",
            "",
            "Answer with *Resume* on the page of the flow run. It does not call anybody who joins the list later.",
            "",
        ]
        if self.changes:
            went = (
                " Those who went were called meanwhile, left the list, or are held back by a rule." if self.went else ""
            )
            text += [f"**{self.changes}**{went}", ""]
        calls = self.calls(settings.max_calls)
        if calls < self.count:
            bound = f"at most {counted(calls, 'call')} (max_calls)"
            text += [f"The policy lets a run make {bound}: the others wait for the next.", ""]
        text += self._estimates(calls, settings, averages, now)
        if self.reasons:
            text += ["## Who would not be called", "", "| | rows |", "| --- | ---: |"]
            reasons = sorted(self.reasons.items(), key=_most_first)
            text += [f"| {in_markdown(label)} | {count} |" for label, count in reasons]
            text += [""]
        text += ["## Who would be called", "", "| row | recipient | number | |", "| ---: | --- | --- | --- |"]
        earlier = PeopleShown(self.campaign, self.before.recipients or b"") if self.before is not None else None
        text += [
            f"| {each.row} | {in_markdown(shown_id(each.id, each.phone))} | {mask(each.phone)} | "
            f"{'new' if earlier is not None and each not in earlier else ''} |"
            for each in self.first
        ]
        if self.count > len(self.first):
            text += ["", f"These are the first {len(self.first)} of {self.count}."]
        text += ["", f"List {self.people.fingerprint}."]
        return "\n".join(text)

    @staticmethod
    def _estimates(calls: int, settings: DialSettings, averages: CallAverages, now: datetime) -> list[str]:
        lines, max_cost = settings.lines, settings.max_cost
        seconds = calls * ((averages.seconds if averages.calls else SUPPOSED_SECONDS) + RINGING_SECONDS) / lines
        if settings.calls_per_minute is not None:
            seconds = max(seconds, 60 * calls / settings.calls_per_minute)
        end = now + timedelta(seconds=seconds)
        text = ["| estimate | |", "| --- | --- |"]
        if averages.calls:
            text += [
                f"| cost, as calls cost so far on average | {calls * averages.cost:.2f} |",
                f"| cost at most, at the price of the most expensive call | {calls * averages.max_call_cost:.2f} |",
            ]
            source = f"Estimates, from {counted(averages.calls, 'ended call')} in the ledger."
        else:
            text += ["| cost | not known: the ledger has no ended call yet to estimate it by |"]
            source = f"The end is estimated for calls of {SUPPOSED_SECONDS:.0f} seconds."
        text += [f"| end, with {lines} lines and no pause | {end:%Y-%m-%d %H:%M} UTC |", ""]
        bound = f" The policy stops the campaign at {max_cost:.2f} (max_cost)." if max_cost is not None else ""
        return [*text, f"{source} Those whose hours are over are left for a later run.{bound}", ""]


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
