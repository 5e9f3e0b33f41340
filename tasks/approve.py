"""A large campaign asks before it dials: it shows whom it would call, and waits for a person's answer.

Promises that nobody is called before the answer, and nobody then but those who were shown; and that an answer is asked
for once: a run that was suspended starts over, and finds the answer and the list that it was given for.
"""

import asyncio
import logging
from dataclasses import replace
from typing import Literal
from uuid import UUID

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.flow_runs import apause_flow_run, asuspend_flow_run
from prefect.input import RunInput, keyset_from_base_key, read_flow_run_input
from prefect.runtime import flow_run
from pydantic import Field, create_model
from pydantic.fields import FieldInfo

from campaign.dialing import Dialer, Screener
from campaign.errors import NotApproved
from campaign.intake import PeopleShown
from campaign.ledger import Approval
from campaign.reporting import Forecast
from campaign.unexpected import redact_unexpected_errors
from campaign.wording import counted, in_markdown
from runtime.artifacts import link, slug
from runtime.campaign_run import CampaignRun
from runtime.sources import Rows

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 24 * 3600
"""How long a run that cannot be suspended waits for its answer."""

POLL_SECONDS = 2
"""How often it looks whether somebody has answered."""

AT_MOST = FieldInfo(
    title="At most", description="The most people whom this run may call; left as it is, everybody who was shown."
)


class Answer(RunInput):
    """The form that the answer is given in."""

    decision: Literal["approve", "fewer", "cancel"] = Field(
        default="approve",
        title="Decision",
        description="approve: call them; fewer: call no more than the number below, the rest in a later run; cancel: "
        "call nobody.",
    )
    at_most: int | None = Field(default=None, title=AT_MOST.title, description=AT_MOST.description)
    note: str = Field(default="", max_length=1000, title="Note", description="For the run's log: who decided, and why.")


@task(name="forecast", task_run_name="forecast whom to call", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def forecast(rows: Rows, screener: Screener, campaign: str) -> Forecast:
    """Screen all rows as the run is going to, and count whom it would call."""
    found = Forecast(campaign)
    async for page in rows.pages():
        screened = await screener.page(page)
        found.rows += len(page)
        found.add([*screened.go, *screened.held])
        for result in screened.results:
            found.reasons[result.bucket.label] = found.reasons.get(result.bucket.label, 0) + 1
    return found


async def approve(run: CampaignRun, rows: Rows, screener: Screener, dialer: Dialer) -> None:
    """Ask a person if the run would call more people than the policy's `approve_above`, and hold the dialer to it.

    The screener is one of its own: the run screens the rows once more, as their turn comes.

    Raises:
        NotApproved: The answer was no.
        prefect.exceptions.Pause: The run is suspended until there is an answer, and starts over then.
    """
    above = run.policy.approve_above
    if above is None or run.dry_run:
        return
    given = await earlier_answer(run.campaign)
    if given is None:
        found = await forecast(rows, screener, run.campaign)
        if found.count <= above:
            # Rows are screened again as their turn comes: hours may have opened, and no more are called unasked.
            dialer.allow(above, "as many as need no approval (approve_above)")
            return
        given = await _show_and_ask(run, found)
    asked = await run.ledger.last_approval(run.campaign, run.run_id)
    if asked is None or asked.recipients is None:
        raise NotApproved(
            f"The ledger no longer has the list of people that was shown for {run.campaign}, so nobody can say who was "
            "approved: nobody was called. Run it again to be asked again."
        )
    people = PeopleShown(run.campaign, asked.recipients)
    if asked.answered_at is None:
        asked = replace(
            asked,
            answered_at=run.ledger.now(),
            decision=given.decision,
            at_most=asked.people if given.at_most is None else given.at_most,
            note=given.note or None,
        )
        await run.ledger.keep_answer(asked)
    at_most = check_answer(given, asked)
    cost = asked.cost
    if cost is not None:  # of all whom the run may call, at the price that was shown
        shown = min(asked.people, run.settings.max_calls or asked.people)
        cost *= min(at_most, shown) / shown
    dialer.approve(people, at_most=at_most, cost=cost)


async def _show_and_ask(run: CampaignRun, found: Forecast) -> Answer:
    """Keep whom the page shows, show it, and wait for the answer."""
    settings, ledger = run.settings, run.ledger
    before = await ledger.last_approval(run.campaign)
    if before is not None:
        await asyncio.to_thread(found.compare, before)
    averages = await ledger.averages(run.agent.voice_agent_id, run.agent.number_source)
    page = found.page(settings, averages, run.clock.now())
    await ledger.keep_question(
        Approval(
            campaign=run.campaign,
            run_id=run.run_id,
            asked_at=ledger.now(),
            people=found.count,
            cost=found.calls(settings.max_calls) * averages.max_call_cost or None,
            fingerprint=found.people.fingerprint,
            recipients=await asyncio.to_thread(found.people.as_bytes),
        )
    )
    return await ask(found, page)


async def earlier_answer(campaign: str) -> Answer | None:
    """What was answered earlier in this very run: it holds for all of it, however often it starts over."""
    if flow_run.id is None:
        return None
    for state in ("suspended", "paused"):
        keyset = keyset_from_base_key(f"{state}-{_key(campaign)}")
        if await read_flow_run_input(keyset["response"], flow_run_id=UUID(flow_run.id)) is not None:
            return await Answer.aload(keyset, flow_run_id=UUID(flow_run.id))
    return None


async def ask(found: Forecast, page: str) -> Answer:
    """Show the page and wait for the answer, without holding a worker where that can be.

    Raises:
        NotApproved: A run that cannot be suspended got no answer within a day.
        prefect.exceptions.Pause: The run is suspended. It starts over when it is resumed.
    """
    people = counted(found.count, "person", "people")
    artifact = await acreate_markdown_artifact(
        markdown=page,
        key=f"{slug(found.campaign)}-approval",
        description=f"Whom **{in_markdown(found.campaign)}** would call: {people}",
    )
    logger.info("%s would be called: waiting for somebody to approve it. %s", people, found.changes)
    # The form of this very question: the number is filled in and bounds what may be put in its place.
    asked = create_model(
        "Approval",
        __base__=Answer,
        at_most=(
            int,
            Field(default=found.count, ge=1, le=found.count, title=AT_MOST.title, description=AT_MOST.description),
        ),
    )
    form = asked.with_initial_data(
        description=f"**{in_markdown(found.campaign)}** would call **{people}**: "
        f"[whom, what it may cost and when it would end]({link(artifact)}). {found.changes}".rstrip()
    )
    key = _key(found.campaign)
    if await _can_be_suspended():
        return await asuspend_flow_run(wait_for_input=form, key=key)
    try:
        # Prefect is given longer: it would end the run as Failed, with a sentence that tells nobody what to do.
        async with asyncio.timeout(PAUSE_SECONDS):
            return await apause_flow_run(
                wait_for_input=form, key=key, timeout=2 * PAUSE_SECONDS, poll_interval=POLL_SECONDS
            )
    except TimeoutError as error:
        hours = PAUSE_SECONDS // 3600
        raise NotApproved(
            f"Nobody answered within {hours} hours whether {found.campaign} may call: nobody was called. Run it "
            "again to be asked again."
        ) from error


def check_answer(answer: Answer, asked: Approval) -> int:
    """How many of those who were shown may be called.

    Raises:
        NotApproved: Nobody is to be called, or the answer contradicts itself.
    """
    note = f" Note: {answer.note}" if answer.note else ""
    campaign, shown = asked.campaign, asked.people
    at_most = shown if answer.at_most is None else answer.at_most
    if answer.decision == "cancel" or at_most < 1:
        raise NotApproved(f"{campaign} was not approved: nobody was called.{note}")
    if at_most > shown:
        raise NotApproved(
            f"{at_most} were approved for {campaign}, but the page showed only {shown}: nobody was called.{note}"
        )
    if answer.decision == "fewer" and answer.at_most is None:
        raise NotApproved(f"Fewer were approved for {campaign}, but not how many: nobody was called.{note}")
    if answer.decision == "fewer" and at_most == shown:
        raise NotApproved(
            f"Fewer than {shown} were approved for {campaign}, but the number was left at {at_most}: nobody was "
            f"called.{note}"
        )
    logger.info("Approved: at most %d of the %d people in list %s.%s", at_most, shown, asked.fingerprint, note)
    return at_most


def _key(campaign: str) -> str:
    return f"approve-{slug(campaign)}"


async def _can_be_suspended() -> bool:
    """Whether somebody would start the run again: it belongs to a deployment, and no other run waits for it."""
    async with get_client() as client:
        run = await client.read_flow_run(UUID(flow_run.id))
    return run.deployment_id is not None and run.parent_task_run_id is None
