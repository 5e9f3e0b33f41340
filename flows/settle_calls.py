"""Settle calls: bring every unfinished attempt of every campaign to the truth. Made to be scheduled."""

import logging
import sys
import uuid
from collections import Counter
from contextlib import AsyncExitStack
from typing import Annotated

from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from pydantic import BaseModel, Field

from blocks import CallingPolicy, CallLedger, HamsaCredentials
from blocks.forms import OptionalLedger, OptionalPolicy, OutcomeFields, titled
from blocks.ledger import ensure_ledger_outlives
from campaign.agent import CallingAgent
from campaign.attempts import OPEN, AttemptState
from campaign.following import CallFollower, EventEmitter, Settler
from campaign.reporting import attempt_rows
from campaign.rules import DialSettings
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from runtime.events import call_event_emitter
from runtime.run_logs import link_logs_to_runs
from tasks.account import check_account
from tasks.settle import settle
from tasks.settle_by_hand import NOTHING_SAID, SettledByHand, settle_by_hand

logger = logging.getLogger("campaign")


class SettleReport(BaseModel):
    """What a round of settling came to.

    Attributes:
        settled: Attempts that were unfinished and are not any more, by the state they came to.
        unfinished: Attempts that are still unfinished, by state.
    """

    settled: dict[str, int]
    unfinished: dict[str, int]

    @property
    def headline(self) -> str:
        """One sentence."""
        settled = ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in self.settled.items())
        words = {"claimed": "being placed", "placed": "in progress"}
        left = ", ".join(f"{count} {words.get(state, state)}" for state, count in self.unfinished.items())
        return f"Settled: {settled or 'nothing'}. Still unfinished: {left or 'nothing'}."


@campaign_flow(
    name="settle-calls",
    flow_run_name="settle calls",
    description="Finds out about every call whose end or answer is not known yet, over all campaigns.",
)
async def settle_calls(
    credentials: Annotated[HamsaCredentials, titled("Credentials")],
    ledger: OptionalLedger = None,
    policy: OptionalPolicy = None,
    wait_seconds: Annotated[int, Field(ge=0, le=3600), titled("Wait for calls in progress (seconds)")] = 30,
    outcome_fields: OutcomeFields = None,
    by_hand: Annotated[SettledByHand, titled("Settle one attempt by hand")] = NOTHING_SAID,
) -> SettleReport:
    """Settle calls.

    Calls nobody. Claims that a dead run left, answers that were lost and calls in progress are looked up at Hamsa, and
    the ledger is updated. Only attempts of this key's own account are touched.

    Args:
        credentials: The key that the calls were made with. The picker stays empty though the deployment names one,
            which is then used.
        ledger: Where the attempts are. An empty picker means the ledger that the deployment names, or else a file
            next to Prefect's own data.
        policy: Which outcome fields mean that somebody wants no more calls, and how long absence is not believed. An
            empty picker means the policy that the deployment names, or else the strict preset.
        wait_seconds: How long to wait for calls that are still in progress; what is left is taken up by the next round.
        outcome_fields: Fields of the outcome that may appear in events; none if empty.
        by_hand: What a person found out about one attempt, where nothing else can tell whether the phone rang. Left
            alone, it settles nothing.
    """
    ledger = ledger or CallLedger()
    policy = policy or CallingPolicy()
    await ensure_ledger_outlives(ledger)
    link_logs_to_runs()
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(credentials.get_client())
        book = await stack.enter_async_context(ledger.open())
        account = await check_account(client, CallingAgent(), book)
        before = {attempt.call_key for attempt in await book.unfinished(account=account.id)}
        settings = DialSettings.of(policy)
        settler = Settler(client, book, settings)
        follower = CallFollower(
            client,
            book,
            rules=policy.resolved(),
            emitter=EventEmitter(
                call_event_emitter(outcome_fields or ()), run_id=str(flow_run.id or uuid.uuid4()), agent_id=None
            ),
            agent=CallingAgent(),
            account=account.id,
            settler=settler,
            settings=settings.model_copy(update={"give_up_after_seconds": wait_seconds, "unseen_after_seconds": 0.0}),
        )
        earlier = await settle(book, settler, account=account.id)
        if not by_hand.is_empty:
            # After a look at Hamsa: where it shows the call, nobody's word against it is taken.
            await settle_by_hand(book, by_hand, account=account.id)
        async with follower:
            await follower.follow_all([row for row in earlier if row.state is AttemptState.PLACED])
        after = await book.attempts(call_keys=sorted(before)) if before else []
    done = [attempt for attempt in after if attempt.state not in OPEN]
    report = SettleReport(
        settled=dict(Counter(attempt.state.value for attempt in done)),
        unfinished=dict(Counter(attempt.state.value for attempt in after if attempt.state in OPEN)),
    )
    if after:
        await acreate_table_artifact(
            table=attempt_rows(after, with_campaign=True), key="settled-calls", description=report.headline
        )
    return report


if __name__ == "__main__":
    sys.exit(run_from_command_line(settle_calls))
