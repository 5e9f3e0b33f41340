"""What the ledger notes besides attempts: whose a key was, and when an agent had been changed that a campaign used."""

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.database.locks import lock
from campaign.ledger.schema import call_accounts, call_agents, call_attempts

_KEYS, _AGENTS = call_accounts.c, call_agents.c


async def file_key(connection: AsyncConnection, key_name: str, said: str | None, now: datetime) -> str:
    """Say under which account the attempts of a key are filed, inside the caller's transaction.

    What was filed under the key's own name, while Hamsa did not say whose it is, moves to the account once it does.
    """
    await lock(connection, [f"k:{key_name}"])
    known = (await connection.execute(select(_KEYS.account).where(_KEYS.key_name == key_name))).first()
    if known is None:
        await connection.execute(insert(call_accounts).values(key_name=key_name, account=said, noted_at=now))
    elif said is not None and known.account != said:
        if known.account is None:
            mine = update(call_attempts).where(call_attempts.c.account == key_name)
            await connection.execute(mine.values(account=said))
        changed = update(call_accounts).where(_KEYS.key_name == key_name)
        await connection.execute(changed.values(account=said, noted_at=now))
    return said or (known.account if known is not None else None) or key_name


async def note_agent(
    connection: AsyncConnection, campaign: str, agent_id: str, updated_at: datetime, now: datetime
) -> datetime | None:
    """Remember how an agent is, inside the caller's transaction, and return how it was when the campaign last ran."""
    await lock(connection, [f"a:{campaign}"])
    mine = (_AGENTS.campaign == campaign, _AGENTS.agent_id == agent_id)
    values = {"agent_updated_at": updated_at, "noted_at": now}
    before = (await connection.execute(select(_AGENTS.agent_updated_at).where(*mine))).scalar_one_or_none()
    if before is None:
        await connection.execute(insert(call_agents).values(campaign=campaign, agent_id=agent_id, **values))
    elif before != updated_at:
        await connection.execute(update(call_agents).where(*mine).values(values))
    return before
