"""The presets of a calling policy as data: what each allows, on what finding, from when, and how sure that is.

Promises that every number here says where it comes from, and that a preset with no rule behind it says so. None of
it is legal advice, and no preset claims to be the law: guardrails you configure; your counsel decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from campaign.attempts import AttemptState
from campaign.rules.rules import Cap
from campaign.rules.windows import EVERY_DAY, MONDAY_TO_FRIDAY, SUNDAY_TO_THURSDAY, DatedWindows, Window

PresetName = Literal["strict", "unrestricted", "us", "ae", "sa", "eg", "jo", "gb", "fr"]

CountryPreset = Literal["us", "ae", "sa", "eg", "jo", "gb", "fr"]
"""Presets that are a country's, each named by its code."""

Certainty = Literal["A", "B", "C", "A/B", "A/C", "none"]
"""A: the regulator's text was seen. B: a secondary source was. C: recalled, to be verified. none: no rule found."""

FOUND = "2026-11"
"""The month in which all of these were looked up."""

WORKING_DAYS = (("EG", SUNDAY_TO_THURSDAY), ("JO", SUNDAY_TO_THURSDAY), ("SA", SUNDAY_TO_THURSDAY))
"""Countries whose numbers are called from Sunday to Thursday. All others: Monday to Friday."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that was looked for: what was found, where, when, how surely, and what the preset makes of it."""

    says: str
    source: str
    certainty: Certainty
    effect: str
    found: str = FOUND


@dataclass(frozen=True, slots=True)
class Found:
    """The bounds that rules set which were found. What is empty was not found.

    Attributes:
        source: Whose rules.
        windows: When calls are allowed.
        caps: How many calls are.
        silence_days: For how long nobody calls after a conversation.
        holidays: Whether public holidays are closed.
    """

    source: str = ""
    windows: tuple[Window, ...] = ()
    caps: tuple[Cap, ...] = ()
    silence_days: int = 0
    holidays: bool = False


@dataclass(frozen=True, slots=True)
class Preset:
    """A starting point for a policy. Whatever the policy itself says wins over it."""

    label: str
    windows: tuple[Window, ...]
    caps: tuple[Cap, ...]
    silence_days: int
    gaps: Mapping[AttemptState, timedelta]
    findings: tuple[Finding, ...]
    dated: tuple[DatedWindows, ...] = ()
    holidays: bool = False
    per_debt: bool = False
    """Whether the cap of a week and the silence are about one debt, where it is known what calls are about."""
    found: Found = Found()
    """What a policy that starts from here must not exceed unasked."""

    @property
    def stated(self) -> dict[str, Any]:
        """What the ledger keeps of it."""
        return {
            "windows": [[w.start, w.end, sorted(w.days) if w.days is not None else None] for w in self.windows],
            "caps": [[cap.calls, cap.within.days] for cap in self.caps],
            "silence_days": self.silence_days,
            "gap_minutes": {state.value: gap.total_seconds() / 60 for state, gap in self.gaps.items()},
            "per_debt": self.per_debt,
        }


def _hours(start: int, end: int, days: frozenset[int] | None = None) -> Window:
    return Window(start * 60, end * 60, days)


_DAY, _WEEK, _MONTH = timedelta(days=1), timedelta(days=7), timedelta(days=30)

CAP_FIELDS = {"per_24_hours": _DAY, "per_7_days": _WEEK, "per_30_days": _MONTH}
"""The fields in which a policy, or the rules of a place, bound how often somebody is called."""

_STRICT_WINDOWS = (_hours(10, 18),)
_STRICT_CAPS = (Cap(1, _DAY), Cap(2, _WEEK), Cap(3, _MONTH))
_STRICT_SILENCE_DAYS = 7
_GAPS = {
    AttemptState.NO_ANSWER: timedelta(hours=4),
    AttemptState.FAILED: timedelta(hours=1),
    AttemptState.TERMINATED: timedelta(hours=24),
}

_RAMADAN = tuple(
    (date.fromisoformat(before), date.fromisoformat(after))
    for before, after in (
        ("2026-02-17", "2026-03-20"),
        ("2027-02-07", "2027-03-09"),
        ("2028-01-27", "2028-02-26"),
        ("2029-01-15", "2029-02-14"),
        ("2030-01-04", "2030-02-04"),
        ("2030-12-25", "2031-01-24"),
        ("2031-12-14", "2032-01-14"),
        ("2032-12-03", "2033-01-02"),
        ("2033-11-22", "2033-12-23"),
        ("2034-11-11", "2034-12-12"),
        ("2035-10-31", "2035-12-01"),
        ("2036-10-19", "2036-11-19"),
    )
)
"""Estimates (the package `holidays`), a day wider on both sides: the moon decides, sighted the evening before."""

_RAMADAN_UNKNOWN = (date(2037, 1, 1), date.max)
"""From here on nobody has estimated it for us, so that every day is held to be Ramadan until someone does."""

_STRICT = Finding(
    says="No rule of its own: a cautious default that fits within nearly all the rules that were found.",
    source="this project",
    certainty="none",
    effect="10:00-18:00 on working days (Sunday-Thursday for numbers of SA, EG and JO, Monday-Friday elsewhere); 1 "
    "call in 24 hours, 2 in 7 days and 3 in 30 days to a number; 7 days of silence after a conversation.",
)

_NOTHING_FOUND = Finding(
    says="No hours for voice calls and no limits on them were found.",
    source="none",
    certainty="none",
    effect="Strict's values stay.",
)


def _strict(label: str, finding: Finding) -> Preset:
    """The cautious default, under the name of whoever has it for want of numbers that were found."""
    return Preset(label, _STRICT_WINDOWS, _STRICT_CAPS, _STRICT_SILENCE_DAYS, _GAPS, (finding,))


TIME_ZONES: dict[str, str] = {
    # Where it is late evening in New York, nobody in the United States is called any more on that day.
    "us": "America/New_York",
    "ae": "Asia/Dubai",
    "sa": "Asia/Riyadh",
    "eg": "Africa/Cairo",
    "jo": "Asia/Amman",
    "gb": "Europe/London",
    "fr": "Europe/Paris",
}
"""Where the day of a campaign begins, by preset, if nobody says otherwise."""

PRESETS: Mapping[PresetName, Preset] = {
    "strict": _strict("Strict", _STRICT),
    "unrestricted": Preset(
        "Unrestricted (sandboxes only)",
        (Window(0, 24 * 60, EVERY_DAY),),
        (),
        0,
        {},
        (
            Finding(
                says="No rule at all: for sandboxes and for numbers of one's own.",
                source="this project",
                certainty="none",
                effect="No hours, no caps, no silence, no gaps. Whoever asked for no more calls is never called again.",
            ),
        ),
    ),
    "us": Preset(
        "United States",
        (_hours(8, 20, EVERY_DAY),),
        (Cap(3, _DAY), Cap(7, _WEEK)),
        7,
        _GAPS,
        (
            Finding(
                says="Telephone solicitations only from 08:00 to 21:00, on any day.",
                source="TCPA, 47 CFR 64.1200(c)(1)",
                certainty="B",
                effect="The hours lie within.",
            ),
            Finding(
                says="An AI voice counts as an artificial voice: prior express consent, caller identified, opt-out.",
                source="FCC 24-17",
                certainty="A/B",
                effect="None here: consent and what the agent says are up to you. An opt-out is kept forever.",
            ),
            Finding(
                says="Debt collection before 08:00 and after 21:00 at the consumer's place is presumed inconvenient.",
                source="Regulation F, 12 CFR 1006.6(b)",
                certainty="A",
                effect="The hours lie within, in every time zone where the number may be.",
            ),
            Finding(
                says="More than 7 calls in 7 days about one debt, or a call within 7 days after a conversation, is "
                "presumed too often (third-party collectors).",
                source="Regulation F, 12 CFR 1006.14(b)",
                certainty="B",
                effect="7 calls in 7 days to a person and to a number, and 7 days of silence after a conversation, "
                "for each debt where a column names it (`columns.debt`), for all together where none does. Whose a "
                "number is now, whether two ids are one person, and debts that another system calls about, is not "
                "known here. No rule for 30 days was found; strict's 3 would undo the 7, so there is none.",
            ),
            Finding(
                says="In Florida only from 08:00 to 20:00, and 3 calls in 24 hours on one subject.",
                source="Florida Statutes 501.616(6)",
                certainty="A/B",
                effect="08:00-20:00 and 3 calls in 24 hours, for all states. What was found of other states is in the "
                "overlay `us_states`, which is not complete and holds only where a policy names it. A number does not "
                "say in which state somebody is: a column does (`columns.subdivision`).",
            ),
        ),
        per_debt=True,
        found=Found(
            "47 CFR 64.1200, Regulation F, Florida 501.616",
            windows=(_hours(8, 20, EVERY_DAY),),
            caps=(Cap(3, _DAY), Cap(7, _WEEK)),
            silence_days=7,
        ),
    ),
    "ae": Preset(
        "United Arab Emirates",
        (_hours(9, 18),),
        _STRICT_CAPS,
        _STRICT_SILENCE_DAYS,
        _GAPS,
        (
            Finding(
                says="Marketing calls only from 09:00 to 18:00, not again after a refusal; one that was not answered "
                "or was ended: at most once a day and twice a week.",
                source="Cabinet Resolution 56 of 2024",
                certainty="B",
                effect="09:00-18:00; 1 call in 24 hours, 2 in 7 days. A refusal that your agent notes in a field named "
                "in `opt_out_fields` is kept forever; no other refusal is known here. No rule was found for weekdays, "
                "for 30 days and for silence after a conversation, nor any for other than marketing calls; strict's "
                "values stay.",
            ),
        ),
        found=Found(
            "Cabinet Resolution 56 of 2024", windows=(_hours(9, 18, EVERY_DAY),), caps=(Cap(1, _DAY), Cap(2, _WEEK))
        ),
    ),
    "sa": Preset(
        "Saudi Arabia",
        _STRICT_WINDOWS,
        (Cap(1, _DAY), Cap(2, _WEEK), Cap(10, _MONTH)),
        _STRICT_SILENCE_DAYS,
        _GAPS,
        (
            Finding(
                says="Banks and finance companies: at most 10 attempts in 30 days. A 2025 update exists; its chapter "
                "on telephone calls was not seen.",
                source="SAMA, 2018",
                certainty="A/C",
                effect="10 calls in 30 days. No rule for a day or a week was found; strict's 1 and 2 stay.",
            ),
            Finding(
                says="Advertising calls are not allowed from 22:00 to 09:00, in Ramadan from 01:00 to 12:00.",
                source="CST (advertising)",
                certainty="B",
                effect="No hours for other calls were found; strict's 10:00-18:00, which lie within, stay. In Ramadan "
                "they begin at 12:00. Ramadan's dates are estimates, a day wider on both sides, up to 2036; from 2037 "
                "on every day is held to be Ramadan until the dates are added.",
            ),
        ),
        dated=tuple(
            DatedWindows(first, last, (_hours(12, 25, EVERY_DAY),), narrows=True)
            for first, last in (*_RAMADAN, _RAMADAN_UNKNOWN)
        ),
        found=Found("SAMA and CST", windows=(_hours(9, 22, EVERY_DAY),), caps=(Cap(10, _MONTH),)),
    ),
    "eg": _strict("Egypt", _NOTHING_FOUND),
    "jo": _strict("Jordan", _NOTHING_FOUND),
    "gb": _strict(
        "United Kingdom",
        Finding(
            says="No unreasonable times, and requests are to be honoured; no numbers are given.",
            source="FCA Handbook, CONC 7.9",
            certainty="A/B",
            effect="No number was found to take; strict's values stay.",
        ),
    ),
    "fr": Preset(
        "France",
        (_hours(10, 13, MONDAY_TO_FRIDAY), _hours(14, 20, MONDAY_TO_FRIDAY)),
        (Cap(1, _DAY), Cap(2, _WEEK), Cap(4, _MONTH)),
        60,
        _GAPS,
        (
            Finding(
                says="Solicitation only Monday to Friday from 10:00 to 13:00 and from 14:00 to 20:00, not on public "
                "holidays; 4 calls in 30 days; not within 60 days after a refusal.",
                source="France (solicitation)",
                certainty="B",
                effect="These days and hours, 4 calls in 30 days, and 60 days of silence after any conversation, since "
                "it is not known which was a refusal; whoever asked for no more calls is never called again. Holidays "
                "of the whole country are closed; those of a part (`FR-57`) where the row names the part "
                "(`columns.subdivision`) or `holiday_countries` does, since a number does not say where somebody is. "
                "No rule for a day or a week was found; strict's 1 and 2 "
                "stay.",
            ),
            Finding(
                says="People must be told that they talk to an AI.",
                source="EU AI Act, article 50(1)",
                certainty="B",
                effect="None here: what the agent says is up to you.",
            ),
        ),
        holidays=True,
        found=Found(
            "France (solicitation)",
            windows=(_hours(10, 13, MONDAY_TO_FRIDAY), _hours(14, 20, MONDAY_TO_FRIDAY)),
            caps=(Cap(4, _MONTH),),
            silence_days=60,
            holidays=True,
        ),
    ),
}
