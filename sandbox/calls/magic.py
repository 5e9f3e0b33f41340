"""Numbers and agent ids that always do the same thing, like a payment provider's test cards.

A magic number is a North American number reserved for fiction, any area code: `+1 <area> 555 0190` to `0199`. Data for
demonstrations may hold such numbers without meaning it; the scenario's `magic_numbers` switches them off.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sandbox.calls.lives import Phase
from sandbox.calls.outcomes import Attitude

_FICTION = re.compile(r"\+1[2-9][0-9]{2}555(01[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Magic:
    """What a magic number always does."""

    says: str
    fault: str | None = None
    """Kind of fault that its requests meet."""
    first_only: bool = False
    """Only its first request meets the fault."""
    through: Phase | None = None
    """A phase that its calls come to."""
    stays: bool = False
    """They stay there forever."""
    attitude: Attitude | None = None
    """How the callee takes the call."""


MAGIC_NUMBERS: Mapping[str, Magic] = {
    "0190": Magic("never answers", through=Phase.NO_ANSWER),
    "0191": Magic("fails", through=Phase.FAILED),
    "0192": Magic("places the call and loses the answer", fault="lost_answer", through=Phase.COMPLETED),
    "0193": Magic(
        "429 with Retry-After on the first try, then answers",
        fault="rate_limited",
        first_only=True,
        through=Phase.COMPLETED,
    ),
    "0194": Magic("502 with an HTML body, never placed", fault="html_502"),
    "0195": Magic("500 after placing: the phone rings all the same", fault="error_after", through=Phase.COMPLETED),
    "0196": Magic("answers, and the call never ends", through=Phase.TALKING, stays=True),
    "0197": Magic(
        "answers and asks not to be called again",
        through=Phase.COMPLETED,
        attitude=Attitude.WANTS_NO_MORE_CALLS,
    ),
    "0198": Magic("answers and promises to pay", through=Phase.COMPLETED, attitude=Attitude.PROMISES),
    "0199": Magic("refused with 400, never placed", fault="refused"),
}
"""Last four digits of a number reserved for fiction, and what such a number always does."""


@dataclass(frozen=True, slots=True)
class MagicAgent:
    """What an agent id that Hamsa would refuse is answered with."""

    status: int
    message_key: str
    message: str


MAGIC_AGENTS: Mapping[str, MagicAgent] = {
    "no-such-agent": MagicAgent(404, "VoiceAgentNotFound", "There is no voice agent with this id"),
    "not-for-this-key": MagicAgent(403, "KeyNotForAgent", "The API key is not for this agent"),
    "not-deployed": MagicAgent(409, "EnvironmentNotDeployed", "The agent is not deployed to this environment"),
}
"""Agent ids that are always refused."""


def magic_number(number: str) -> Magic | None:
    """Return what `number` (E.164) always does, if it is a magic one."""
    match = _FICTION.fullmatch(number)
    return MAGIC_NUMBERS.get(match.group(1)) if match else None
