"""Screening: a row whose recipient was called before is read quickly, and ends where it would have ended anyway."""

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import create_async_engine

from campaign.attempts import AttemptState
from campaign.dialing.screener import Screened, Screener
from campaign.intake.screening import Screen
from campaign.ledger.ledger import Ledger
from campaign.ledger.schema import call_attempts
from campaign.reporting.results import Result
from campaign.rules.policy.policy import Policy

NUMBERS = [f"+44207946{line:04}" for line in range(4)]

WRITTEN = [*NUMBERS, "020 7946 0001", "+44 20 7946 0002", "+4402079460003", "+442079461234567", "", "+12125550123"]

RULES = Policy(preset="unrestricted", max_attempts=2).resolved()


@dataclass(frozen=True)
class Past:
    """An attempt that the ledger has."""

    campaign: str
    recipient: int
    phone: str
    attempt: int
    state: AttemptState
    run_id: str
    opted_out: bool


PASTS = st.lists(
    st.builds(
        Past,
        st.sampled_from(["spring", "spring", "autumn"]),
        st.integers(0, 4),
        st.sampled_from(NUMBERS),
        st.integers(1, 2),
        st.sampled_from(AttemptState),
        st.sampled_from(["this", "other"]),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=8,
    unique_by=(
        lambda past: (past.campaign, past.recipient, past.attempt),
        lambda past: (past.campaign, past.phone, past.attempt),
    ),
)

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from(["c0", "c1", "c2", "c3", "c4", ""]),
            "phone": st.sampled_from(WRITTEN),
            "do_not_call": st.sampled_from(["", "", "", "yes"]),
            "region": st.just("GB"),
        }
    ),
    min_size=1,
    max_size=8,
)


class Unhurried(Screen):
    """Reads every row in full."""

    def glance(self, cells: Any) -> None:
        """See nothing at a glance."""


async def screened(folder: Path, pasts: list[Past], rows: list[Mapping[str, Any]], *, dry_run: bool) -> list[Any]:
    """What comes of the rows, read quickly and in full."""
    url = f"sqlite:///{folder / 'calls.db'}"
    outcomes = []
    async with Ledger(url) as ledger:
        engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"))
        async with engine.begin() as connection:
            for number, past in enumerate(pasts):
                await connection.execute(insert(call_attempts), _columns(number, past, ledger))
        await engine.dispose()
        for screen in (Screen(), Unhurried()):
            for number, row in enumerate(rows, 1):
                screen.look_ahead(number, row)
            screener = Screener(
                screen=screen, ledger=ledger, rules=RULES, campaign="spring", run_id="this", dry_run=dry_run
            )
            outcomes.append(_ends(await screener.page(list(enumerate(rows, 1)))))
    return outcomes


def _columns(number: int, past: Past, ledger: Ledger) -> dict[str, Any]:
    then = ledger.now() - timedelta(days=10 - number)
    return {
        "call_key": f"{number:032x}",
        "campaign": past.campaign,
        "recipient_id": f"c{past.recipient}",
        "phone": past.phone,
        "attempt": past.attempt,
        "state": past.state.value,
        "run_id": past.run_id,
        "claimed_at": then,
        "lease_until": then + timedelta(minutes=5),
        "ended_at": then + timedelta(minutes=2),
        "updated_at": then,
        "opted_out": past.opted_out,
        "echoed": False,
        "tries": 1,
        "looks": 0,
    }


def _ends(screened: Screened) -> dict[int, tuple[Any, ...]]:
    results: list[Result] = sorted(screened.results, key=lambda result: result.row)
    ends: dict[int, tuple[Any, ...]] = {
        result.row: (result.recipient_id, result.phone, result.bucket, result.reason, result.call_key)
        for result in results
    }
    ends |= {recipient.row: ("go", recipient) for recipient in screened.go}
    ends |= {recipient.row: ("held", recipient) for recipient in screened.held}
    return dict(sorted(ends.items()))


@settings(max_examples=settings().max_examples // 2, deadline=None)
@given(PASTS, ROWS, st.booleans())
def test_a_row_read_quickly_ends_where_it_would_have_ended_anyway(
    pasts: list[Past], rows: list[Mapping[str, Any]], dry_run: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        quick, full = asyncio.run(screened(Path(folder), pasts, rows, dry_run=dry_run))
    assert list(full) == list(range(1, len(rows) + 1)), "every row ends once"
    assert quick == full
