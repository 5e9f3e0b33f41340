"""The rules that hold for a campaign, and what they can say of a call: now, not now, never."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from campaign.attempts import AttemptState
from campaign.buckets import Bucket
from campaign.intake import quoted
from campaign.rules.consent import NO_CONSENT_NEEDED, ConsentRule
from campaign.rules.subdivisions import part_of
from campaign.rules.windows import Hours

DialableKind = Literal["mobile", "fixed_line", "fixed_line_or_mobile", "voip", "personal_number", "uan", "toll_free"]
"""Kinds of line that a policy may allow. Premium-rate and shared-cost numbers are not among them."""

LONGEST_CALL = timedelta(days=1)
"""How long a phone may be ringing or in use for a call whose end is not known; afterwards what came of it counts."""


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `calls` calls to one number and to one person, over all campaigns, in any stretch of `within`."""

    calls: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Go:
    """May be called now, as this attempt (counted from 1; a vacant ledger row of that number is to be reused).

    `facts` are what decided, for the ledger: see `campaign.rules.evidence`.
    """

    attempt: int
    facts: Mapping[str, Any] | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class NotNow:
    """May be called later: from `until` on (UTC), or at no foreseeable time if that is None."""

    bucket: Bucket
    reason: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Never:
    """Is not called by this run, whatever the hour."""

    bucket: Bucket
    reason: str


@dataclass(frozen=True, slots=True)
class Rules:
    """A policy with everything decided: what the preset says where the policy says nothing.

    Attributes:
        preset: The name of the preset it started from.
        hours: When a phone may ring, at the callee's place.
        caps: Limits on calls to one number and to one person over all campaigns.
        gaps: How long to wait after an attempt of the campaign that ended so; not named: no wait.
        silence: How long a number and a person are left alone after a conversation, in any campaign.
        max_attempts: Attempts at one recipient within the campaign, uncertain ones included.
        redial_uncertain: Whether an attempt of unknown fate may be followed by another one.
        opt_out_fields: Outcome fields in which the agent notes that somebody wants no more calls.
        line_kinds: Kinds of line that may be called.
        caps_per_debt: Lengths of the caps that do not count calls about other debts, where these are known.
        silence_per_debt: Whether a conversation about another debt does not count.
        consent: What consent of a person counts.
        by_place: Other rules for numbers of a country (`US`) and of a part of one (`US-TX`); under `US-*`, those for
            numbers of which it is not known in which part they are, where parts differ.
        place: For which place these are, if not for all.
        version: Stands for all of it in the ledger: other rules have another one.
        stated: What the ledger keeps of the policy under its version.
    """

    preset: str
    hours: Hours
    caps: tuple[Cap, ...]
    gaps: Mapping[AttemptState, timedelta]
    silence: timedelta
    max_attempts: int
    redial_uncertain: bool
    opt_out_fields: tuple[str, ...]
    line_kinds: frozenset[DialableKind]
    caps_per_debt: frozenset[timedelta] = frozenset()
    silence_per_debt: bool = False
    consent: ConsentRule = NO_CONSENT_NEEDED
    by_place: "Mapping[str, Rules]" = field(default_factory=dict, repr=False)
    place: str = ""
    version: str = ""
    stated: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def looks_back(self) -> timedelta:
        """How old a call may be that still matters to a cap or to the silence, wherever the callee is."""
        spans = (cap.within for rules in self._everywhere for cap in rules.caps)
        return max(self.longest_silence, *spans, timedelta()) + LONGEST_CALL

    @property
    def longest_silence(self) -> timedelta:
        """How old a conversation may be that still matters, wherever the callee is."""
        return max(rules.silence for rules in self._everywhere)

    @property
    def most_counted(self) -> int | None:
        """How many of the newest calls to a number or a person matter to a cap; all, if only those about a debt do."""
        if any(rules.caps_per_debt or rules.silence_per_debt for rules in self._everywhere):
            return None
        return max((cap.calls for rules in self._everywhere for cap in rules.caps), default=0)

    @property
    def _everywhere(self) -> "tuple[Rules, ...]":
        return (self, *self.by_place.values())

    def at(self, country: str | None, subdivision: str | None) -> "tuple[Rules, str | None] | Never":
        """The rules for a number, and its place as far as it is known.

        Args:
            country: Of the number.
            subdivision: The part of it in which the callee is, as a row writes it.

        Returns:
            `Never` if what the row writes is no part of the country, and parts of it have rules of their own.
        """
        if country is None:
            return self, None
        rules = self.by_place.get(country, self)
        anywhere = self.by_place.get(f"{country}-*")
        if not subdivision:
            return anywhere or rules, country
        part = part_of(country, subdivision)
        if part is not None:
            return self.by_place.get(part, rules), part
        if anywhere is None:
            return rules, country
        return Never(Bucket.BAD_ROW, f"{quoted(subdivision)} is no part of {country}; write its code, as in US-TX")
