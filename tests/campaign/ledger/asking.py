"""Claims as tests ask for them, and the shortest way to bring an attempt into any state."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from campaign.attempts import COUNTS, ENDED, AttemptState, Claim, PastAttempt
from campaign.buckets import Bucket
from campaign.intake.recipients import Recipient
from campaign.ledger.claims.limits import Limits
from campaign.ledger.ledger import CallEnd, ClaimRequest, Decide, Ledger
from campaign.ledger.schema import call_totals
from campaign.rules.decision import decide
from campaign.rules.policy.policy import Policy
from campaign.rules.rules import Go, Never, NotNow


def first(_history: Sequence[PastAttempt], _at: datetime) -> Go:
    """No rules at all: the first attempt, whoever asks. Only the ledger itself stands between two calls."""
    return Go(1)


def up_to(attempts: int) -> Decide:
    """The lowest free attempt, if there is one left."""

    def decision(history: Sequence[PastAttempt], _at: datetime) -> Go | Never:
        taken = {past.attempt for past in history if past.state in COUNTS}
        free = min(set(range(1, attempts + 2)) - taken)
        return Go(free) if free <= attempts else Never(Bucket.ALREADY_CALLED, "called often enough")

    return decision


def phone(number: int) -> str:
    """A number reserved for fiction."""
    return f"+4420794{60000 + number}"


def ask(
    number: int = 1,
    *,
    campaign: str = "c",
    run_id: str = "run",
    decision: Decide = first,
    recipient_id: str | None = None,
    lease_seconds: float = 90.0,
    account: str | None = None,
    agent_id: str | None = "agent",
    route: str | None = "hamsa",
    limits: Limits | None = None,
) -> ClaimRequest:
    """Ask for a claim on customer `number`."""
    return ClaimRequest(
        campaign=campaign,
        recipient_id=recipient_id or f"r{number}",
        phone=phone(number),
        run_id=run_id,
        lease_seconds=lease_seconds,
        decide=decision,
        account=account,
        agent_id=agent_id,
        route=route,
        limits=limits,
    )


def ask_by(policy: Policy, number: int, *, campaign: str, run_id: str = "run") -> ClaimRequest:
    """Ask for a claim on customer `number` by the project's own rules."""
    recipient = Recipient(
        id=f"r{number}", phone=phone(number), zones=("Europe/London",), country="GB", params={}, row=number + 1
    )
    rules = policy.resolved()

    def decision(history: Sequence[PastAttempt], at: datetime) -> Go | NotNow | Never:
        return decide(
            recipient=recipient,
            history=history,
            campaign=campaign,
            run_id=run_id,
            rules=rules,
            at=at,
        )

    return ask(number, campaign=campaign, run_id=run_id, decision=decision)


async def claimed(ledger: Ledger, number: int = 1, **how: object) -> Claim:
    """Claim customer `number`; it is an error if that is not possible."""
    claim = await ledger.claim(ask(number, **how))  # type: ignore[arg-type]
    assert isinstance(claim, Claim), claim
    return claim


async def brought_to(ledger: Ledger, state: AttemptState, number: int = 1, **how: object) -> Claim:
    """Claim customer `number` and bring the attempt into a state."""
    claim = await claimed(ledger, number, **how)
    job_id = f"job-{number}"
    if (claim.campaign, claim.attempt) != ("c", 1):
        job_id += f"-{claim.campaign}-{claim.attempt}"
    if state is AttemptState.RELEASED:
        assert await ledger.release(claim, error="no connection")
    elif state is AttemptState.REFUSED:
        assert await ledger.refuse(claim, error="400", message_key="BadNumber", status_code=400)
    elif state is AttemptState.UNCERTAIN:
        assert await ledger.mark_uncertain(claim, error="the answer was lost", status_code=502)
    elif state is AttemptState.NOT_PLACED:
        assert await ledger.mark_uncertain(claim, error="the answer was lost")
        (attempt,) = await ledger.attempts(call_keys=[claim.call_key])
        assert await ledger.prove_absent(attempt, reason="no trace of it")
    elif state is AttemptState.PLACED:
        assert await ledger.place(claim.call_key, job_id, status="PENDING", record={"id": job_id})
    elif state in ENDED:
        assert await ledger.end(CallEnd(state, status=state.name), call_key=claim.call_key, job_id=job_id)
    return claim


def soon() -> timedelta:
    """How far two clocks may be apart that agree."""
    return timedelta(seconds=5)


async def kept(ledger: Ledger) -> list[tuple[Any, ...]]:
    """The rows of the table of totals, without those that came to nothing."""

    async def read(connection: Any) -> list[tuple[Any, ...]]:
        rows = await connection.execute(select(call_totals).where(call_totals.c.calls != 0))
        return sorted((*row[:6], round(row.cost, 6)) for row in rows)

    return await ledger._transact(read)  # noqa: SLF001 - sums are kept for claims, and no method shows them
