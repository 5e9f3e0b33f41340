"""What is asked of the ledger before a recipient is dialed: the right to, by the rules, inside one transaction."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from campaign.attempts import PastAttempt
from campaign.intake import Recipient
from campaign.ledger import ClaimRequest, Limits
from campaign.rules import Go, Never, NotNow, Rules, decide, facts_of


def claim_request(
    recipient: Recipient,
    *,
    campaign: str,
    run_id: str,
    rules: Rules,
    lease_seconds: float,
    account: str | None,
    agent_id: str | None,
    route: str | None = None,
    limits: Limits | None = None,
    agent_updated_at: datetime | None = None,
) -> ClaimRequest:
    """Ask for the right to dial a recipient.

    Args:
        recipient: Whom.
        campaign: In which campaign.
        run_id: Who asks.
        rules: Asked with the number's history in the claim's own transaction.
        lease_seconds: How long the claim may be used.
        account: Whose key it is; only the same account can settle what it placed.
        agent_id: Who will talk; None for an inline agent.
        route: Whose number calls; with the agent it decides what a call costs.
        limits: What bounds the run's calls and the campaign's cost.
        agent_updated_at: When the agent was last changed, as far as Hamsa says.
    """

    def decision(history: Sequence[PastAttempt], at: datetime) -> Go | NotNow | Never:
        verdict = decide(
            recipient=recipient,
            zones=recipient.zones,
            country=recipient.country,
            history=history,
            campaign=campaign,
            run_id=run_id,
            rules=rules,
            at=at,
            person=recipient.person,
            debt=recipient.debt,
            terms=recipient.terms,
        )
        if not isinstance(verdict, Go):
            return verdict
        return replace(verdict, facts=facts_of(recipient, history, rules, at))

    return ClaimRequest(
        campaign=campaign,
        recipient_id=recipient.id,
        phone=recipient.phone,
        run_id=run_id,
        lease_seconds=lease_seconds,
        decide=decision,
        account=account,
        agent_id=agent_id,
        route=route,
        limits=limits,
        person=recipient.person,
        debt=recipient.debt,
        opt_out_fields=rules.opt_out_fields,
        policy=rules.version or None,
        stated=rules.stated,
        looks_back=rules.looks_back,
        silence=rules.longest_silence,
        most_counted=rules.most_counted,
        agent_updated_at=agent_updated_at,
    )
