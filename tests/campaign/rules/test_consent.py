"""Consent counts only as far as the policy says, and only if it still does when a call would be possible."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from campaign.buckets import Bucket
from campaign.intake.call_terms import CallTerms, Consent
from campaign.intake.recipients import ColumnMapping, SourceError
from campaign.rules.decision import decide
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Go, Never, NotNow
from tests.campaign.rules.people import customer, past
from tests.campaign.rules.policy.policies import problems

NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)  # a Tuesday in New York
TODAY = NOON.date()


def ask(consent: Consent | None, *, at: datetime = NOON, history: Any = (), **policy: Any) -> Go | NotNow | Never:
    return decide(
        recipient=customer(terms=CallTerms(consent=consent)),
        history=history,
        campaign="autumn",
        run_id="run-2",
        rules=Policy(max_attempts=2, **policy).resolved(),
        at=at,
    )


def refused(answer: Go | NotNow | Never) -> str:
    assert isinstance(answer, Never), answer
    assert answer.bucket is Bucket.NO_CONSENT
    return answer.reason


@pytest.mark.parametrize("basis", ["yes", "YES", " Opt-In ", "opt_in", "express written", "Express Written.", "1"])
def test_a_basis_on_the_list_counts_in_any_style(basis: str) -> None:
    assert isinstance(ask(Consent(basis)), Go)


@pytest.mark.parametrize("basis", ["no", "0", "withdrawn", "not given yet", "-", "unknown", "yes?", "opt-out", "نعم"])
def test_any_other_basis_is_none_and_is_quoted(basis: str) -> None:
    assert refused(ask(Consent(basis))) == (
        f"the consent noted is '{basis}', which the policy's `consent_bases` do not name"
    )


def test_a_policy_says_itself_what_counts() -> None:
    assert isinstance(ask(Consent("Einwilligung"), consent_bases=["einwilligung", 1, True]), Go)
    assert isinstance(ask(Consent("true"), consent_bases=["einwilligung", 1, True]), Go)
    refused(ask(Consent("yes"), consent_bases=["einwilligung", 1]))


def test_where_nothing_says_anything_of_consent_it_is_asked_for_only_if_the_policy_does() -> None:
    assert isinstance(ask(None), Go)
    assert refused(ask(None, require_consent=True)) == "nothing says that they agreed to be called"
    assert refused(ask(None, consent_max_days=30)) == "nothing says that they agreed to be called"


def test_an_empty_cell_is_no_consent() -> None:
    assert refused(ask(Consent(""))) == "no consent is noted in the row"
    assert refused(ask(Consent("", TODAY, dated=True))) == "no consent is noted in the row"
    assert refused(ask(Consent(None, None, dated=True))) == "no date of their consent is noted in the row"
    assert refused(ask(Consent("yes", None, dated=True))) == "no date of their consent is noted in the row"
    assert refused(ask(Consent("yes"), consent_max_days=9)) == "no date of their consent is noted in the row"
    assert isinstance(ask(Consent(None, TODAY, dated=True)), Go)


@pytest.mark.parametrize(("days", "counts"), [(0, True), (30, True), (31, False), (-1, False)])
def test_consent_counts_to_its_last_day_and_not_before_its_first(days: int, counts: bool) -> None:
    answer = ask(Consent("yes", TODAY - timedelta(days=days)), consent_max_days=30)
    assert isinstance(answer, Go) is counts
    if not counts:
        assert ("in the future" if days < 0 else "more than 30 days old") in refused(answer)


def test_its_day_is_the_callees_own() -> None:
    """At nine in the evening in New York it is tomorrow in London: the date there decides for somebody there."""
    evening = datetime(2026, 11, 25, 1, 0, tzinfo=UTC)
    for zone, counts in (("America/New_York", True), ("Europe/London", False)):
        rules = Policy(preset="unrestricted", consent_max_days=0).resolved()
        answer = decide(
            recipient=customer(
                zones=(zone,), country=None, terms=CallTerms(consent=Consent("yes", date(2026, 11, 24)))
            ),
            history=(),
            campaign="c",
            run_id="r",
            rules=rules,
            at=evening,
        )
        assert isinstance(answer, Go) is counts


def test_whoever_could_only_be_called_when_it_no_longer_counts_is_not_promised_a_call() -> None:
    closed = NOON + timedelta(hours=10)
    assert isinstance(ask(Consent("yes", TODAY), at=closed, consent_max_days=1), NotNow)
    reason = refused(ask(Consent("yes", TODAY), at=closed, consent_max_days=0))
    assert reason == "their consent of 2026-11-24 is more than 0 days old when a call is possible"


def test_a_refusal_comes_before_consent() -> None:
    from campaign.attempts import AttemptState

    answer = ask(Consent("yes", TODAY), history=[past(AttemptState.COMPLETED, opted_out=True)])
    assert isinstance(answer, Never)
    assert answer.bucket is Bucket.OPTED_OUT


def test_a_run_whose_rows_cannot_say_it_begins_nothing() -> None:
    asked = Policy(require_consent=True).resolved().consent
    with pytest.raises(SourceError, match="`columns` do not say which one is the `consent` or the `consent_at`"):
        asked.check_columns(ColumnMapping())
    asked.check_columns(ColumnMapping(consent="c"))
    asked.check_columns(ColumnMapping(consent_at="c"))
    aged = Policy(consent_max_days=30).resolved().consent
    with pytest.raises(SourceError, match="`columns` do not say which one is the `consent_at`"):
        aged.check_columns(ColumnMapping(consent="c"))
    Policy().resolved().consent.check_columns(ColumnMapping())


def test_a_policy_by_which_nobodys_consent_could_count_is_refused() -> None:
    said = "`consent_bases` is empty, so no consent would count and nobody could be called; name some."
    assert problems(consent_bases=[], require_consent=True) == [said]
    assert problems(consent_bases=[], consent_max_days=3) == [said]
    assert problems(consent_bases=["yes", " "]) == [
        "`consent_bases` has an empty entry; an empty cell is never consent, so remove the entry."
    ]
