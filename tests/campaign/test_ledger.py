"""The ledger: a claim is durable before anybody dials, one caller alone gets it, and each fact is recorded once."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from campaign.attempts import AttemptState, Claim, PastAttempt
from campaign.ledger import CallEnd, ClaimRequest, Ledger
from campaign.rules import Go, Never, NotNow


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty ledger may be made: each test runs on both databases."""
    if request.param == "postgresql":
        return str(request.getfixturevalue("postgres_database"))
    return f"sqlite:///{tmp_path / 'calls.db'}"


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    """An open, empty ledger."""
    async with Ledger(ledger_url) as ledger:
        yield ledger


def always(_history: Sequence[PastAttempt], _at: datetime) -> Go | NotNow | Never:
    """No rules at all: the first attempt, whoever it is."""
    return Go(1)


def ask(
    number: int = 1,
    *,
    campaign: str = "c",
    run_id: str = "run",
    decide: Callable[[Sequence[PastAttempt], datetime], Go | NotNow | Never] = always,
) -> ClaimRequest:
    return ClaimRequest(
        campaign=campaign,
        recipient_id=f"r{number}",
        phone=f"+4420794{60000 + number}",
        run_id=run_id,
        lease_seconds=90.0,
        decide=decide,
    )


async def test_a_claim_is_written_and_its_call_followed_to_its_end(ledger: Ledger) -> None:
    claim = await ledger.claim(ask())
    assert isinstance(claim, Claim)
    (row,) = await ledger.attempts(campaign="c")
    assert (row.state, row.call_key) == (AttemptState.CLAIMED, claim.call_key)
    assert isinstance(await ledger.claim(ask()), Never)
    assert await ledger.place(claim.call_key, "job-1")
    assert await ledger.end(CallEnd(AttemptState.COMPLETED, cost=0.5), call_key=claim.call_key)
    assert not await ledger.end(CallEnd(AttemptState.COMPLETED), job_id="job-1")
    (row,) = await ledger.attempts(campaign="c")
    assert (row.state, row.job_id, row.cost) == (AttemptState.COMPLETED, "job-1", 0.5)
