"""What is asked of the ledger before a recipient is dialed: the right to, by the rules, inside one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from campaign.attempts import PastAttempt
from campaign.intake import Recipient
from campaign.ledger import ClaimRequest, Limits
from campaign.rules import Go, Never, NotNow, Rules, decide, facts_of


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who claims, for which calls.

    Attributes:
        rules: Asked with the number's history, in each claim's own transaction.
        lease_seconds: How long a claim is good for.
        account: Whose key it is; only the same account can settle what it placed.
        route: Whose number calls; with the agent it decides what a call costs.
        agent_updated_at: When the agent was last changed, as far as Hamsa says.
    """

    campaign: str
    run_id: str
    rules: Rules
    lease_seconds: float
    account: str | None
    agent_id: str | None
    route: str | None = None
    agent_updated_at: datetime | None = None


def claim_request(recipient: Recipient, claimant: Claimant, limits: Limits | None = None) -> ClaimRequest:
    """Ask for the right to dial a recipient, within the limits of the run's calls and the campaign's cost."""
    rules = claimant.rules

    def decision(history: Sequence[PastAttempt], at: datetime) -> Go | NotNow | Never:
        verdict = decide(
            recipient=recipient,
            history=history,
            campaign=claimant.campaign,
            run_id=claimant.run_id,
            rules=rules,
            at=at,
        )
        if not isinstance(verdict, Go):
            return verdict
        return replace(verdict, facts=facts_of(recipient, history, rules, at))

    return ClaimRequest(
        campaign=claimant.campaign,
        recipient_id=recipient.id,
        phone=recipient.phone,
        run_id=claimant.run_id,
        lease_seconds=claimant.lease_seconds,
        decide=decision,
        account=claimant.account,
        agent_id=claimant.agent_id,
        agent_updated_at=claimant.agent_updated_at,
        route=claimant.route,
        limits=limits,
        person=recipient.person,
        debt=recipient.debt,
        opt_out_fields=rules.opt_out_fields,
        policy=rules.version or None,
        stated=rules.stated,
        looks_back=rules.looks_back,
        silence=rules.longest_silence,
        most_counted=rules.most_counted,
    )
