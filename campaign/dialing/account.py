"""The first question to Hamsa: whose key is this, and does it know the agent? Asked before anybody is called."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from campaign.agent import CALL_KEY, CallingAgent
from campaign.errors import CampaignError
from hamsa import HamsaClient, Refused, Unauthorized
from hamsa.agents import VoiceAgentRecord

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """What Hamsa said of the key and the agent.

    Attributes:
        id: Hamsa's project id: only this account can settle what it placed.
        placeholders: The params without which the agent cannot talk.
    """

    id: str | None
    placeholders: frozenset[str] = frozenset()


async def ask_account(client: HamsaClient, agent: CallingAgent) -> Account:
    """Find out whose key this is and which values the agent needs.

    Raises:
        CampaignError: The key is no good, or Hamsa does not know the agent. Nobody was called.
        Unavailable: Hamsa does not answer; ask again.
    """
    account: str | None
    try:
        account = (await client.get_project()).id
    except Unauthorized as error:
        raise CampaignError(
            f"Hamsa does not accept the API key ({error}). Put a valid secret key into the Hamsa Credentials block; "
            "nobody was called."
        ) from error
    except Refused as error:
        # Documented, but never seen by us: without it, the host stands for the account.
        account = urlsplit(client.base_url).hostname
        logger.warning("Hamsa does not say whose key this is (%s); settling goes by the host instead", error)
    if agent.voice_agent_id is None:
        return Account(account, _placeholders(agent.agent_details or {}))
    try:
        known = await client.get_voice_agent(agent.voice_agent_id)
    except Unauthorized as error:
        raise CampaignError(
            f"This API key may not use the voice agent {agent.voice_agent_id} ({error}). Name another agent in the "
            "Hamsa Voice Agent block, or a key that may; nobody was called."
        ) from error
    except Refused as error:
        raise CampaignError(
            f"Hamsa does not know the voice agent {agent.voice_agent_id} ({error}). Check voice_agent_id in the Hamsa "
            "Voice Agent block; nobody was called."
        ) from error
    return Account(account, known.placeholders() - {CALL_KEY})


def _placeholders(details: Mapping[str, Any]) -> frozenset[str]:
    """What an agent that is described in its block needs to be told, besides what its own `params` say."""
    described = VoiceAgentRecord.model_validate({**details, "id": "described"})
    return described.placeholders() - {CALL_KEY}
