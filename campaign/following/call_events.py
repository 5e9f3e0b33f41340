"""Call events: what is emitted about a call once the ledger has it, whether dialer, settling or webhook learned it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

from campaign.attempts import Attempt, Claim
from campaign.intake import PSEUDONYM
from campaign.ledger import CallEnd
from campaign.unexpected import log_unexpected

logger = logging.getLogger(__name__)

CallEventKind: TypeAlias = Literal["placed", "ended", "uncertain"]


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something happened to a call, and the ledger has it. Emitted once."""

    kind: CallEventKind
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

    @classmethod
    def of(
        cls,
        kind: CallEventKind,
        attempt: Attempt | Claim,
        *,
        run_id: str | None,
        agent_id: str | None = None,
        job_id: str | None = None,
        end: CallEnd | None = None,
        reason: str | None = None,
    ) -> Self:
        """What happened to the call of an attempt. Of a person who was erased meanwhile it says nothing.

        Args:
            attempt: To which attempt; a claim is enough.
            run_id: Who found it out, or whose call it is.
            agent_id: Who talks, where there is but a claim. An attempt knows its own agent, who may be another.
            reason: Why nobody knows whether the phone rang.
        """
        erased = isinstance(attempt, Attempt) and attempt.erasure is not None
        if erased and end is not None:
            end = replace(end, outcome=None, record=None, error=None)
        return cls(
            kind=kind,
            campaign=attempt.campaign,
            recipient_id=PSEUDONYM if erased else attempt.recipient_id,
            call_key=attempt.call_key,
            attempt=attempt.attempt,
            phone=PSEUDONYM if erased else attempt.phone,
            run_id=run_id,
            agent_id=attempt.agent_id if isinstance(attempt, Attempt) else agent_id,
            job_id=job_id,
            end=end,
            reason=reason,
        )


class EventEmitter:
    """Emits the events of one run's calls, and lets no listener take a call down."""

    def __init__(self, on_event: Callable[[CallEvent], None], *, run_id: str, agent_id: str | None) -> None:
        self._on_event = on_event
        self._run_id = run_id
        self._agent_id = agent_id

    def emit(
        self,
        kind: CallEventKind,
        attempt: Attempt | Claim,
        *,
        job_id: str | None = None,
        end: CallEnd | None = None,
        reason: str | None = None,
    ) -> None:
        """Emit what the ledger has of an attempt."""
        event = CallEvent.of(
            kind, attempt, run_id=self._run_id, agent_id=self._agent_id, job_id=job_id, end=end, reason=reason
        )
        try:
            self._on_event(event)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is logged below
            # The ledger has it; a listener must not take the call down.
            log_unexpected(logger, f"The event of attempt {attempt.call_key} ({kind}) could not be emitted", error)
