"""The ledger, saved in Prefect: where it is kept who was called, so that nobody is called twice."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar

from prefect.blocks.core import Block
from prefect.settings import get_current_settings
from pydantic import Field, HttpUrl, SecretStr, field_validator
from sqlalchemy import make_url

from blocks.checked import CheckedBlock
from blocks.run_environment import run_environment, why_it_would_be_lost
from campaign.clock import Clock
from campaign.errors import LedgerError
from campaign.form_inputs import SingleInput
from campaign.ledger import Keep, Ledger, checked_url, default_url


class CallLedger(CheckedBlock, Block):
    """Names the database that remembers who was called: every run of every campaign must share it.

    Left empty it is a SQLite file next to Prefect's own data, good for one machine. Workers in containers or on several
    machines need PostgreSQL.

    Example:
        Load a ledger and count the calls of a campaign:
        ```python
        import asyncio

        from blocks import CallLedger

        calls = CallLedger.load("BLOCK_NAME")


        async def called(campaign: str) -> int:
            async with calls.open() as ledger:
                return (await ledger.totals(campaign)).called


        print(asyncio.run(called("call-overdue-customers-2026-11-22")))
        ```
    """

    _block_type_name: ClassVar[str | None] = "Call Ledger"
    _block_type_slug: ClassVar[str | None] = "call-ledger"
    # How such a URL is written.
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://docs.sqlalchemy.org/en/20/core/engines.html#database-urls"
    )

    url: Annotated[SecretStr | None, SingleInput()] = Field(
        default=None,
        title="Database URL",
        description="Such as postgresql://user:password@host/database or sqlite:////data/calls.db; empty means a "
        "SQLite file next to Prefect's own data, on this machine alone.",
    )

    keep_records_days: Annotated[int | None, Field(ge=1, le=3650), SingleInput()] = Field(
        default=None,
        title="Keep records (days)",
        description="Days after which what was said in a call is emptied: outcome, job record with its params, texts. "
        "What protects people stays. Empty keeps it forever.",
    )
    keep_refusals_days: int = Field(
        default=90,
        ge=1,
        le=3650,
        title="Keep reasons (days)",
        description="Days after which it is forgotten why somebody was not called.",
    )
    erasure_log: Annotated[Path | None, SingleInput()] = Field(
        default=None,
        title="Log of erasures",
        description="File in which erasures are logged next to the ledger, so that they are done again when an older "
        "copy comes back; empty means .erasures next to a SQLite file, and none for PostgreSQL.",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        return checked_url(url)

    def open(self, *, clock: Clock | None = None) -> Ledger:
        """Make the ledger, to be opened by whoever uses it: `async with calls.open() as ledger`.

        Args:
            clock: Where it takes the time from; the machine's clock if none is given.
        """
        keep = Keep(
            records=None if self.keep_records_days is None else timedelta(days=self.keep_records_days),
            refusals=timedelta(days=self.keep_refusals_days),
        )
        log = None if self.erasure_log is None else self.erasure_log.expanduser().absolute()
        return Ledger(self._resolved_url(), clock=clock, keep=keep, erasure_log=log)

    def file(self) -> str | None:
        """The path of its SQLite file as it was named; None for another database."""
        url = make_url(self._resolved_url())
        return url.database if url.get_backend_name() == "sqlite" else None

    def _resolved_url(self) -> str:
        return default_url(get_current_settings().home) if self.url is None else self.url.get_secret_value()


async def ensure_ledger_outlives(calls: CallLedger) -> None:
    """Stop the present run before it dials, if its ledger would go away with it. See `blocks.run_environment`.

    Raises:
        LedgerError: It would; the text says what to set.
    """
    file = calls.file()
    if file is None:
        return
    block = calls._block_document_name  # noqa: SLF001 - Prefect has it nowhere else
    why = why_it_would_be_lost(await run_environment(), named=calls.url is not None, file=file, block=block)
    if why is not None:
        raise LedgerError(why)
