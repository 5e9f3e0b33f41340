"""The last look before each claim: has the customer paid since the list was made, or asked not to be called?"""

import asyncio
import logging
from collections.abc import Container, Mapping, Sequence
from copy import copy
from datetime import datetime, timedelta
from typing import Any

from campaign.buckets import Bucket
from campaign.clock import Clock
from campaign.intake.recipients import Recipient, Source, SourceError, SourceUnavailable, SqlQuery
from campaign.rules.decision import Never
from runtime.queries import Connect, Connector, load_connector, read_query
from tasks.do_not_call import load_do_not_call

logger = logging.getLogger(__name__)

ID_PARAMETER = "id"
"""The parameter of a `still_due` query that stands for the recipient's id."""

LIST_READ_EVERY = timedelta(minutes=10)
"""How old the do-not-call list may be in the moment of dialing."""


TRY_AGAIN_AFTER = (1.0, 5.0)
"""Seconds after which a database that could not be reached is asked again: a dropped connection ends no campaign."""


class Recheck:
    """Asked just before each claim; gives the reason why a recipient is not called after all.

    Args:
        clock: Tells how old the do-not-call list is.
        still_due: A query with the parameter `:id`: whoever gives no row is no longer due.
        do_not_call: Where the do-not-call list is read from, again and again.
        listed: What it held when the run began.
        connect: Gives the connector of the query.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        still_due: SqlQuery | None,
        do_not_call: Source | None,
        listed: Container[str],
        connect: Connect = load_connector,
    ) -> None:
        self._clock = clock
        self._connector = _Connector(connect)
        self._still_due = still_due
        self._do_not_call = do_not_call
        self._listed = listed
        self._read_at: datetime = clock.now()
        self._reading = asyncio.Lock()

    async def __call__(self, recipient: Recipient) -> Never | None:
        """Look once more.

        Raises:
            SourceError: It cannot be told: the query or the list cannot be read. Nobody is called then.
        """
        await self._refresh()
        if recipient.phone in self._listed:
            return Never(Bucket.DO_NOT_CALL, "on the do-not-call list")
        if self._still_due is not None and not await self._is_due(self._still_due, recipient):
            return Never(Bucket.NO_LONGER_DUE, "no longer due in the moment of dialing")
        return None

    async def _refresh(self) -> None:
        if self._do_not_call is None:
            return
        async with self._reading:
            if self._clock.now() - self._read_at >= LIST_READ_EVERY:
                self._listed = await load_do_not_call(self._do_not_call)
                self._read_at = self._clock.now()

    async def _is_due(self, query: SqlQuery, recipient: Recipient) -> bool:
        asked = query.model_copy(update={"parameters": {**query.parameters, ID_PARAMETER: recipient.id}})
        waits = iter(TRY_AGAIN_AFTER)
        while True:
            found = _AnyRow()
            try:
                await read_query(asked, found, page_rows=1, connect=self._connector)
            except SourceError as error:
                if isinstance(error, SourceUnavailable) and (wait := next(waits, None)) is not None:
                    logger.warning("still_due: %s. It is asked again in %.0f s", error, wait)
                    self._connector.forget()
                    await self._clock.sleep(wait)
                    continue
                raise type(error)(f"still_due: {error}") from error
            return found.any


class _Connector:
    """Loads a connector block once, and gives a copy of it to each who asks: each disposes of an engine of its own."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._loading = asyncio.Lock()
        self._loaded: Connector | None = None

    async def __call__(self, name: str) -> Connector:
        async with self._loading:
            if self._loaded is None:
                self._loaded = await self._connect(name)
            return copy(self._loaded)

    def forget(self) -> None:
        """Load it anew the next time: its address may have been corrected."""
        self._loaded = None


class _AnyRow:
    """Takes note of whether there was a row."""

    def __init__(self) -> None:
        self.any = False

    def take_columns(self, names: Sequence[str]) -> None:
        """Any columns will do."""

    def take_rows(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One row is enough."""
        self.any = self.any or bool(rows)
