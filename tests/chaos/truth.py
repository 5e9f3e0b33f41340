"""What happened to every ring and every customer: what the sandbox knows, held against what the ledger says."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign.attempts import ENDED, Attempt, AttemptState
from campaign.ledger.ledger import Ledger
from campaign.reporting.report import CampaignReport
from tests.chaos.killed_run import CAMPAIGN, number_of
from tests.servers.sandbox import RunningSandbox


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true in the end. Everything that must not be is in `problems`, a sentence each.

    Attributes:
        rings: How often any phone rang.
        double_rings: Numbers that rang twice.
        hanging: Customers whose call the sandbox never ends.
        without_end: Other customers whose end the ledger does not know.
        uncertain: Attempts that stayed uncertain, each with its reason.
        never_called: Customers whose phone never rang, and who are not among the uncertain.
        mistaken: Attempts whose job is another's, a sentence each. Only a Hamsa that lies can bring that about.
        problems: What broke a promise.
    """

    rings: int
    double_rings: list[str]
    hanging: list[str]
    without_end: list[str]
    uncertain: dict[str, str]
    never_called: list[str]
    mistaken: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


async def judge(
    sandbox: RunningSandbox, ledger_url: str, customers: int, reports: Sequence[CampaignReport], *, lying: bool = False
) -> Verdict:
    """Compare."""
    async with Ledger(ledger_url) as ledger:
        attempts = await ledger.attempts(campaign=CAMPAIGN)
    return compare(sandbox.calls(), attempts, customers, reports, lying=lying)


def compare(
    calls: Sequence[dict[str, Any]],
    attempts: Sequence[Attempt],
    customers: int,
    reports: Sequence[CampaignReport],
    *,
    lying: bool = False,
) -> Verdict:
    """Hold what the sandbox tells of each call against the ledger's rows.

    Args:
        calls: Every call, from the sandbox.
        attempts: Every row of the ledger.
        customers: How many there are.
        reports: Those of the runs that came to their end.
        lying: Whether Hamsa's list and records lied: then an end may never be learned, or be another call's. That no
            attempt rings twice, nor without a claim, and that nobody is passed over, holds all the same.
    """
    rows = {attempt.phone: attempt for attempt in attempts}
    rung = Counter(str(call["number"]) for call in calls)
    endless = {str(call["number"]) for call in calls if call["never_ends"]}
    everybody = [number_of(customer) for customer in range(customers)]
    uncertain = {row.phone: row.error or "" for row in attempts if row.state is AttemptState.UNCERTAIN}
    open_ = [number for number in everybody if number in rows and rows[number].state not in ENDED]
    verdict = Verdict(
        rings=len(calls),
        double_rings=[number for number, count in rung.items() if count > 1],
        hanging=[number for number in open_ if number in endless and number not in uncertain],
        without_end=[number for number in open_ if number not in endless and number not in uncertain],
        uncertain=uncertain,
        never_called=[number for number in everybody if not rung[number] and number not in uncertain],
    )
    problems = verdict.problems
    problems += [f"{number} rang {rung[number]} times" for number in verdict.double_rings]
    keys = Counter(call["call_key"] for call in calls)
    problems += [f"attempt {key} rang {count} times" for key, count in keys.items() if count > 1]
    if not lying:
        problems += [f"{number} has no end, though its call has one" for number in verdict.without_end]
    passed_over = [number for number in verdict.never_called if not (lying and number in rows)]
    problems += [f"{number} was never called" for number in passed_over]
    problems += [f"{number} is uncertain without a reason" for number, why in uncertain.items() if not why]
    problems += [f"{number} rang twice in the ledger" for number, count in _rows_per_number(attempts) if count > 1]
    for call in calls:
        row = rows.get(str(call["number"]))
        if row is None or row.call_key != call["call_key"]:
            problems.append(f"{call['number']} rang without a claim")
        elif row.job_id not in (None, call["job_id"]):
            verdict.mistaken.append(f"{call['number']} owns job {row.job_id}, but {call['job_id']} is its call")
    if not lying:
        problems += verdict.mistaken
    for report in reports:
        if sum(report.buckets.values()) != customers or report.rows_read != customers:
            problems.append(f"the report of run {report.run_id} does not add up to {customers}: {report.buckets}")
    return verdict


def _rows_per_number(attempts: Sequence[Attempt]) -> list[tuple[str, int]]:
    return list(Counter(attempt.phone for attempt in attempts).items())
