"""Whether the voice agent is still the one that the campaign began with. Hamsa keeps no versions, only a time."""

import logging
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from campaign.clock import Clock
from hamsa import HamsaClient, HamsaError

logger = logging.getLogger(__name__)

LOOK_SECONDS = 60.0
"""How soon a run notices that its agent was changed, at one request each."""

_SAME = timedelta(seconds=1)
"""Two versions of the API may write the same time with and without fractions."""


def is_changed(before: datetime | None, now: datetime | None) -> bool:
    """Whether an agent was changed between two looks. What Hamsa does not say is no change."""
    # Assumed: `updatedAt` of an agent changes whenever the agent does.
    return before is not None and now is not None and abs(now - before) >= _SAME


def change_sentence(agent_id: str, before: datetime, now: datetime) -> str:
    """The change, for a person."""
    return (
        f"The voice agent {agent_id} was changed at {now:%Y-%m-%d %H:%M} UTC, after this campaign had begun with it as "
        f"it was at {before:%Y-%m-%d %H:%M} UTC"
    )


async def watch_agent(
    client: HamsaClient,
    agent_id: str,
    since: datetime,
    *,
    clock: Clock,
    on_change: Callable[[datetime, datetime], Awaitable[None]],
) -> None:
    """Look at the agent every minute until cancelled; report when it had been changed before, and when now."""
    while True:
        await clock.sleep(LOOK_SECONDS)
        try:
            now = (await client.get_voice_agent(agent_id)).updated_at
        except HamsaError as error:
            # Whoever places calls will find out soon enough what is wrong.
            logger.debug("The voice agent could not be looked at: %s", error)
            continue
        if now is not None and is_changed(since, now):
            await on_change(since, now)
            since = now
