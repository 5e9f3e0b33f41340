"""What is told of a call once the ledger has it, whoever found it out: the dialer, settling or a webhook."""

from dataclasses import dataclass
from typing import Literal

from campaign.ledger import CallEnd


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
