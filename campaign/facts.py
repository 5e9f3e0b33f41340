"""What is told of a call once the ledger has it, whoever found it out: the dialer, settling or a webhook."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from campaign.attempts import Attempt, Claim
from campaign.ledger import CallEnd

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something happened to a call, and the ledger has it. Told once."""

    kind: Literal["placed", "ended", "uncertain"]
    campaign: str
    recipient_id: str
    call_key: str
    attempt: int
    phone: str
    run_id: str | None
    agent_id: str | None = None
    job_id: str | None = None
    end: CallEnd | None = None
    reason: str | None = None


class Teller:
    """Tells the facts of one run's calls, and lets no listener take a call down.

    Args:
        on_fact: The listener; must be quick.
        run_id: The run.
        agent_id: Whose calls the run makes.
    """

    def __init__(self, on_fact: Callable[[Fact], None], *, run_id: str, agent_id: str | None) -> None:
        self._on_fact = on_fact
        self._run_id = run_id
        self._agent_id = agent_id

    def tell(
        self,
        kind: Literal["placed", "ended", "uncertain"],
        attempt: Attempt | Claim,
        *,
        job_id: str | None = None,
        end: CallEnd | None = None,
        reason: str | None = None,
    ) -> None:
        """Tell of an attempt what the ledger has of it."""
        fact = Fact(
            kind=kind,
            campaign=attempt.campaign,
            recipient_id=attempt.recipient_id,
            call_key=attempt.call_key,
            attempt=attempt.attempt,
            phone=attempt.phone,
            run_id=self._run_id,
            # A call of an earlier run, or one that settling found, may be another agent's.
            agent_id=attempt.agent_id if isinstance(attempt, Attempt) else self._agent_id,
            job_id=job_id,
            end=end,
            reason=reason,
        )
        try:
            self._on_fact(fact)
        except Exception:
            # The ledger has it; whoever did not hear of it must not take the call down with them.
            logger.exception("The event of attempt %s (%s) could not be told", attempt.call_key, kind)
