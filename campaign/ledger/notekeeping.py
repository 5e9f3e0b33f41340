"""What a ledger is asked to keep besides attempts: opt-outs, policies, refusals, holds, approvals, accounts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from campaign.ledger.claims.histories import opt_out, opt_outs_query
from campaign.ledger.database.connections import upsert
from campaign.ledger.database.locks import lock, lock_fields
from campaign.ledger.erasure.pseudonyms import pseudonyms_among, without_erased
from campaign.ledger.lifecycle import LedgerLifecycle
from campaign.ledger.notes.accounts import file_key, note_agent
from campaign.ledger.notes.approvals import Approval, write_answer, write_question
from campaign.ledger.notes.opt_outs import (
    lift,
    name_fields,
    note_opt_outs,
    note_searched,
    opt_out_of_list,
    said_in_the_past,
    unsearched,
)
from campaign.ledger.notes.refusals import AT_ONCE, Refusal, note_refusals, of_erased
from campaign.ledger.schema import campaigns, policies
from campaign.rules import LIST, OptOut, field_key


class LedgerNotes(LedgerLifecycle):
    """Keeps notes, or raises `LedgerError`. See `campaign.ledger.ledger.Ledger`."""

    # -- people who want no more calls -----------------------------------------------------------------------------

    async def name_opt_out_fields(self, fields: Iterable[str]) -> None:
        """Make known which outcome fields mean *no more calls*: from now on every outcome is read by them, too.

        A field that is new to the ledger is looked for in all outcomes that it holds, once.
        """
        if not (new := {field_key(name) for name in fields} - self._named - {""}):
            return
        async with self._naming:
            if unknown := await unsearched(self._database, new - self._named):

                async def name(connection: AsyncConnection) -> None:
                    await lock_fields(connection, shared=False)
                    await name_fields(connection, unknown, self.now())

                await self._transact(name)
                await self._search(unknown)
            self._named |= new

    async def _search(self, fields: Collection[str]) -> None:
        after: str | None = ""
        while after is not None:
            found, after = await said_in_the_past(self._database, fields, after, self.now())
            last = after is None

            async def note(connection: AsyncConnection, found: Sequence[OptOut] = found, last: bool = last) -> None:
                await note_opt_outs(connection, found)
                if last:
                    await note_searched(connection, fields, self.now())

            if found or last:
                await self._transact(note)

    async def add_opt_outs(self, people: Iterable[tuple[str | None, str | None]], *, origin: str) -> tuple[int, int]:
        """Keep people of another channel's list, who want no more calls.

        Args:
            people: For each the number (E.164) and the id; one of them may be missing.
            origin: What the list is called, for whoever asks why somebody is not called.

        Returns:
            How many are new, and how many of these a person had lifted before: they are on the list again.
        """
        wanted = list(dict.fromkeys(each for each in people if any(each)))
        phones, persons = {phone for phone, _ in wanted if phone}, {person for _, person in wanted if person}

        async def add(connection: AsyncConnection) -> tuple[int, int]:
            await lock(connection, {f"p:{phone}" for phone in phones} | {f"h:{person}" for person in persons})
            erased = await pseudonyms_among(self._database, phones, persons, connection)
            whose = (erased.added_to(phones), erased.added_to(persons))
            rows = await connection.execute(*opt_outs_query(self._database, *whose, lifted=True))
            known = [each for row in rows if (each := erased.named(opt_out(row))).source == LIST]
            held = {(each.phone, each.person) for each in known if each.lifted_at is None}
            before = {(each.phone, each.person) for each in known}
            new = [each for each in wanted if each not in held]
            now = self.now()
            kept = await without_erased(self._database, connection, new)
            await note_opt_outs(connection, [opt_out_of_list(*each, origin, now) for each in kept])
            return len(new), sum(each in before for each in new)

        return await self._transact(add)

    async def lift_opt_outs(
        self, *, by: str, because: str, phone: str | None = None, person: str | None = None
    ) -> list[OptOut]:
        """Let somebody be called again: whatever blocks this number or person is lifted, and kept with who and why.

        Returns:
            What was lifted; nothing if nothing blocked them.
        """
        now = self.now()

        async def write(connection: AsyncConnection) -> list[str]:
            await lock(connection, [f"{kind}:{whose}" for kind, whose in (("p", phone), ("h", person)) if whose])
            phones, persons = [phone] if phone else [], [person] if person else []
            erased = await pseudonyms_among(self._database, phones, persons, connection)
            whose = {"phones": erased.added_to(phones), "persons": erased.added_to(persons)}
            return await lift(connection, **whose, by=by, because=because, now=now)

        ids = set(await self._transact(write))
        found = await self.opt_outs([phone] if phone else [], [person] if person else [], lifted=True)
        return [each for each in found if each.opt_out_id in ids]

    # -- why somebody was called, or was not -----------------------------------------------------------------------

    async def note_policy(self, version: str | None, stated: Mapping[str, Any]) -> None:
        """Keep what a policy's version stands for: before the first claim or refusal that names it."""
        if version is None or version in self._known_policies:
            return
        row = {"policy": version, "rules": dict(stated), "first_used_at": self.now()}

        async def note(connection: AsyncConnection) -> None:
            statement = upsert(connection, policies).on_conflict_do_nothing(index_elements=["policy"])
            await connection.execute(statement, row)

        await self._transact(note)
        self._known_policies.add(version)

    async def note_refusals(self, found: Sequence[Refusal]) -> None:
        """Keep why somebody was not called; what is too old is forgotten meanwhile."""
        for first in range(0, len(found), AT_ONCE):
            part = found[first : first + AT_ONCE]

            async def note(connection: AsyncConnection, part: Sequence[Refusal] = part) -> None:
                await lock(connection, ())
                pairs = await without_erased(
                    self._database, connection, [(each.phone, each.recipient_id) for each in part]
                )
                kept = [of_erased(each, *pair) for each, pair in zip(part, pairs, strict=True)]
                await note_refusals(connection, kept)

            await self._transact(note)
        if found:
            self._cleaner.start()

    async def hold(self, campaign: str, *, note: str, held_by: str | None = None, on: bool = True) -> None:
        """Put a campaign on hold (no run gets a claim for it), or resume it with `on=False`."""

        async def write(connection: AsyncConnection) -> None:
            await lock(connection, [f"c:{campaign}"])
            values = {"on_hold": on, "note": note, "held_by": held_by if on else None, "changed_at": self.now()}
            changed = await connection.execute(update(campaigns).where(campaigns.c.campaign == campaign).values(values))
            if changed.rowcount == 0:
                await connection.execute(insert(campaigns).values(campaign=campaign, **values))

        await self._transact(write)

    async def keep_question(self, approval: Approval) -> None:
        """Remember what a person is asked to approve, before they are."""
        await self._transact(lambda connection: write_question(connection, approval))

    async def keep_answer(self, approval: Approval) -> None:
        """Remember what was answered."""
        await self._transact(lambda connection: write_answer(connection, approval))

    async def file_key(self, key_name: str, said: str | None) -> str:
        """Say under which account the attempts of a key are filed; see `campaign.ledger.notes.accounts.file_key`."""
        return await self._transact(lambda connection: file_key(connection, key_name, said, self.now()))

    async def note_agent(self, campaign: str, agent_id: str, updated_at: datetime) -> datetime | None:
        """Remember when the agent of a campaign was last changed.

        Returns:
            The same as it was when the campaign last ran with this agent; None if it never did.
        """
        return await self._transact(
            lambda connection: note_agent(connection, campaign, agent_id, updated_at, self.now())
        )
