"""The calling policy: what a person may decide about a campaign, with bounds, words for a form, and safe defaults.

Promises that a policy which was accepted can be kept, that a wrong value gives one sentence, and that a field left
alone means what the preset says. Guardrails you configure; your counsel decides.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, Self, TypeVar

from pydantic import model_validator

from campaign.attempts import AttemptState
from campaign.rules.consent import ConsentRule, plain_basis
from campaign.rules.policy.beyond_preset import beyond_preset
from campaign.rules.policy.calling_windows import NUMBER_OF_DAY
from campaign.rules.policy.dial_settings import DialFields
from campaign.rules.policy.places import overlay, own_caps, with_places
from campaign.rules.policy.presets import CAP_FIELDS, PRESETS, WORKING_DAYS, PresetName
from campaign.rules.policy.problems import check_holidays
from campaign.rules.policy.rule_fields import RuleFields
from campaign.rules.rules import Cap, Rules
from campaign.rules.windows import DatedWindows, Hours

WEEK = CAP_FIELDS["per_7_days"]

_T = TypeVar("_T")


class Policy(DialFields, RuleFields):
    """How a campaign may call: when, how often, whom, how many at once, and when to stop.

    A field that is left empty means what the preset says. `resolved()` decides all of it.

    Example:
        >>> Policy(preset="sa", lines=20, max_attempts=2).resolved().max_attempts
        2
    """

    @model_validator(mode="before")
    @classmethod
    def _known_fields(cls, values: object) -> object:
        if not isinstance(values, Mapping):
            return values
        for name in values:
            # Prefect keeps a block's own data beside its fields, under these names.
            if name in cls.model_fields or str(name).startswith("_") or name == "block_type_slug":
                continue
            close = get_close_matches(str(name), cls.model_fields, n=1)
            hint = f"perhaps `{close[0]}` is meant" if close else f"it has {', '.join(cls.model_fields)}"
            raise ValueError(f"A calling policy has no field `{name}`; {hint}")
        # A form sends null for what was left empty, lists and numbers alike.
        return {name: value for name, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _leaves_time(self) -> Self:
        """Make sure that what narrows the hours leaves some, in each place."""
        rules = self._rules(holidays_known=False)
        for each in (rules, *rules.by_place.values()):
            if not each.hours.opens_in_a_week:
                where = f" in {each.place}" if each.place else ""
                raise ValueError(
                    f"no hour of the week is left for calling{where}, so nobody could be called; look at "
                    "`quiet_times`, `by_place` and `windows`"
                )
        return self

    @model_validator(mode="after")
    def _within_the_preset(self) -> Self:
        names = (self.preset, *self.presets_by_country)
        problem = next((found for name in names if (found := beyond_preset(self, PRESETS[name]))), None)
        if not self.beyond_preset and problem:
            raise ValueError(f"{problem}. Keep to it, or set `beyond_preset` to true if you know that more is allowed")
        return self

    def resolved(self) -> Rules:
        """Decide everything: the preset's values where this policy has none of its own.

        Keep the result for the whole run: it remembers the windows it has worked out.

        Raises:
            PolicyError: Holidays are asked for and cannot be looked up.
        """
        return self._rules(holidays_known=True)

    def _rules(self, *, holidays_known: bool) -> Rules:
        by_country = {name.upper(): self._rules_of(name, holidays_known) for name in self.presets_by_country}
        found = [*self.by_place, *(rule for name in self.overlays for rule in overlay(name))]
        rules = with_places(self._rules_of(self.preset, holidays_known), by_country, found)
        return replace(rules, **self._version())

    def _rules_of(self, name: PresetName, holidays_known: bool) -> Rules:
        """What holds where no place has rules of its own: the values of a preset under those of this policy."""
        preset = PRESETS[name]
        holidays = preset.holidays if self.holidays == "as_preset" else self.holidays == "closed"
        theirs = [own.place for own in self.by_place if own.holidays]
        if holidays_known and (holidays or self.holiday_countries or theirs):
            check_holidays({"holiday_countries": self.holiday_countries, "by_place": theirs}, name)
        windows = tuple(window for own in self.windows for window in own.as_windows())
        own_days = {own.country: frozenset(NUMBER_OF_DAY[day] for day in own.days) for own in self.working_days}
        hours = Hours(
            windows=windows or preset.windows,
            dated=preset.dated
            + tuple(
                DatedWindows(
                    own.first_day, own.last_day, tuple(w for window in own.windows for w in window.as_windows())
                )
                for own in self.windows_on_dates
            ),
            closed_dates=frozenset(self.closed_dates),
            holidays=holidays,
            holiday_countries=tuple(self.holiday_countries),
            working_days=tuple(sorted((dict(WORKING_DAYS) | own_days).items())),
            quiet=tuple(window for own in self.quiet_times for window in own.as_windows()),
        )
        return Rules(
            preset=name,
            hours=hours,
            caps=self._caps(preset.caps),
            gaps=self._gaps(preset.gaps),
            silence=timedelta(days=_either(self.silence_days_after_conversation, preset.silence_days)),
            max_attempts=self.max_attempts,
            redial_uncertain=self.redial_uncertain,
            opt_out_fields=tuple(self.opt_out_fields),
            line_kinds=frozenset(self.line_kinds),
            caps_per_debt=frozenset({WEEK} if preset.per_debt and self.per_7_days is None else ()),
            silence_per_debt=preset.per_debt and self.silence_days_after_conversation is None,
            consent=ConsentRule(
                self.require_consent, frozenset(map(plain_basis, self.consent_bases)), self.consent_max_days
            ),
        )

    def _version(self) -> dict[str, Any]:
        """What the ledger keeps of these rules, and what it is called there: other rules, another version."""
        stated: dict[str, Any] = {
            "policy": self.model_dump(mode="json", include=set(Policy.model_fields)),
            "preset": PRESETS[self.preset].stated,
        }
        if self.presets_by_country:
            stated["presets_by_country"] = {name: PRESETS[name].stated for name in self.presets_by_country}
        if self.overlays:
            stated["overlays"] = {
                name: [rule.model_dump(mode="json", exclude_defaults=True) for rule in overlay(name)]
                for name in self.overlays
            }
        text = json.dumps(stated, sort_keys=True)
        return {"version": hashlib.sha256(text.encode()).hexdigest()[:16], "stated": stated}

    def _caps(self, preset: Iterable[Cap]) -> tuple[Cap, ...]:
        calls = {cap.within: cap.calls for cap in preset} | own_caps(self)
        return tuple(Cap(calls[within], within) for within in sorted(calls))

    def _gaps(self, preset: Mapping[AttemptState, timedelta]) -> dict[AttemptState, timedelta]:
        own = {
            AttemptState.NO_ANSWER: self.minutes_after_no_answer,
            AttemptState.FAILED: self.minutes_after_failed,
            AttemptState.TERMINATED: self.minutes_after_terminated,
        }
        return dict(preset) | {state: timedelta(minutes=gap) for state, gap in own.items() if gap is not None}


def _either(own: _T | None, preset: _T) -> _T:
    return preset if own is None else own
