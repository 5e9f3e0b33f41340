"""A large campaign asks before it dials: it shows whom it would call, and waits for a person's answer.

Promises that nobody is called before the answer, never more people than the page showed, and that an answer is asked
for once: a run that was suspended begins anew and finds it.
"""

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
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

from campaign.dialing.dialer import Dialer
from campaign.dialing.screener import Screener
from campaign.errors import NotApproved
from campaign.intake.numbers import mask
from campaign.intake.recipients import Recipient
from campaign.ledger.reader import CallAverages
from campaign.unexpected import redact_unexpected_errors
from runtime.artifacts import link, slug
from runtime.campaign_run import CampaignRun
from tasks.load import Rows

logger = logging.getLogger(__name__)

SHOWN = 200
"""People listed on the page; all of them are counted."""

RINGING_SECONDS = 15.0
"""What a line is busy with each call beyond the talk, for the estimate."""

SUPPOSED_SECONDS = 60.0
"""How long a call lasts, for the estimate, as long as the ledger has none to tell from."""

PAUSE_SECONDS = 24 * 3600
"""How long a run that cannot be suspended waits for its answer."""


AT_MOST = FieldInfo(title="At most", description="The most people whom this run may call.")


class Approval(RunInput):
    """The form that the answer is given in."""

    decision: Literal["approve", "fewer", "cancel"] = Field(
        default="approve",
        title="Decision",
        description="approve: call them; fewer: call no more than the number below, the rest in a later run; cancel: "
        "call nobody.",
    )
    at_most: int | None = Field(default=None, ge=0, title=AT_MOST.title, description=AT_MOST.description)
    note: str = Field(default="", max_length=1000, title="Note", description="For the run's log: who decided, and why.")


@dataclass(slots=True)
class Forecast:
    """Whom a run would call now.

    Attributes:
        campaign: Its name.
        count: People who would be called.
        rows: Rows that were looked at.
        first: The first of the people.
        reasons: Rows that would not be called, by why.
    """

    campaign: str
    count: int = 0
    rows: int = 0
    first: list[Recipient] = field(default_factory=list)
    reasons: dict[str, int] = field(default_factory=dict)

    def page(
        self,
        *,
        lines: int,
        calls_per_minute: float | None,
        averages: CallAverages,
        max_calls: int | None,
        max_cost: float | None,
        now: datetime,
    ) -> str:
        """The Markdown page that the answer is given by.

        Args:
            lines: Calls at once.
            calls_per_minute: Calls started in a minute, if that is bounded.
            averages: What earlier calls took and cost.
            max_calls: How many calls a run may make, if that is bounded.
            max_cost: What the campaign may cost, if that is bounded.
            now: When the calls would begin.
        """
        text = [
            f"# May {self.campaign} call {self.count} people?",
            "",
            f"**{self.count} of {self.rows} rows would be called now, each once.** Nobody has been called by this run.",
            "",
            "Answer with *Resume* on the page of the flow run.",
            "",
        ]
        calls = self.count
        if max_calls is not None and max_calls < calls:
            calls = max_calls
            text += [f"The policy lets a run make at most {calls} calls (max_calls): the others wait for the next.", ""]
        text += self._estimates(
            calls, lines=lines, calls_per_minute=calls_per_minute, averages=averages, max_cost=max_cost, now=now
        )
        if self.reasons:
            text += ["## Who would not be called", "", "| | rows |", "| --- | ---: |"]
            text += [f"| {label} | {count} |" for label, count in sorted(self.reasons.items(), key=_most_first)]
            text += [""]
        text += ["## Who would be called", "", "| row | recipient | number |", "| ---: | --- | --- |"]
        text += [f"| {each.row} | {_cell(each.id)} | {mask(each.phone)} |" for each in self.first]
        if self.count > len(self.first):
            text += ["", f"These are the first {len(self.first)} of {self.count}."]
        return "\n".join(text)

    @staticmethod
    def _estimates(
        calls: int,
        *,
        lines: int,
        calls_per_minute: float | None,
        averages: CallAverages,
        max_cost: float | None,
        now: datetime,
    ) -> list[str]:
        seconds = calls * ((averages.seconds if averages.calls else SUPPOSED_SECONDS) + RINGING_SECONDS) / lines
        if calls_per_minute is not None:
            seconds = max(seconds, 60 * calls / calls_per_minute)
        end = now + timedelta(seconds=seconds)
        text = ["| estimate | |", "| --- | --- |"]
        if averages.calls:
            text += [
                f"| cost, as calls cost so far on average | {calls * averages.cost:.2f} |",
                f"| cost at most, at the price of the most expensive call | {calls * averages.max_call_cost:.2f} |",
            ]
            source = f"Estimates, from {averages.calls} ended calls in the ledger."
        else:
            text += ["| cost | not known: the ledger has no ended call yet to tell it from |"]
            source = f"The end is estimated for calls of {SUPPOSED_SECONDS:.0f} seconds."
        text += [f"| end, with {lines} lines and no pause | {end:%Y-%m-%d %H:%M} UTC |", ""]
        bound = f" The policy stops the campaign at {max_cost:.2f} (max_cost)." if max_cost is not None else ""
        return [*text, f"{source} Whose hours are over is left for a later run.{bound}", ""]


@task(name="forecast", task_run_name="forecast whom to call", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def forecast(rows: Rows, screener: Screener, campaign: str) -> Forecast:
    """Screen all rows as the run is going to, and count whom it would call."""
    found = Forecast(campaign)
    async for page in rows.pages():
        screened = await screener.page(page)
        found.rows += len(page)
        people = [*screened.go, *screened.held]
        found.count += len(people)
        found.first += people[: SHOWN - len(found.first)]
        for result in screened.results:
            found.reasons[result.bucket.label] = found.reasons.get(result.bucket.label, 0) + 1
    return found


async def approve(run: CampaignRun, rows: Rows, screener: Screener, dialer: Dialer) -> None:
    """Ask a person if the run would call more people than the policy's `approve_above`, and hold the dialer to it.

    Args:
        run: The run; a dry run asks nobody.
        rows: All of them.
        screener: One of its own: the run screens the rows once more, as their turn comes.
        dialer: Told how many calls it may make.

    Raises:
        NotApproved: The answer was no.
        prefect.exceptions.Pause: The run is suspended until there is an answer, and starts over then.
    """
    above, settings = run.policy.approve_above, run.settings
    if above is None or run.dry_run:
        return
    answer = await earlier_answer(run.campaign)
    if answer is None:
        found = await forecast(rows, screener, run.campaign)
        if found.count <= above:
            # Rows are screened again as their turn comes: hours may have opened, and no more are called unasked.
            dialer.allow(above, "that need no approval (approve_above)")
            return
        page = found.page(
            lines=settings.lines,
            calls_per_minute=settings.calls_per_minute,
            averages=await run.ledger.averages(run.agent.voice_agent_id, run.agent.number_source),
            max_calls=settings.max_calls,
            max_cost=settings.max_cost,
            now=run.clock.now(),
        )
        answer = await ask(found, page)
    if answer.at_most is not None:
        dialer.allow(answer.at_most, "that were approved")


async def earlier_answer(campaign: str) -> Approval | None:
    """What was answered earlier in this very run: it holds for all of it, however often it begins anew.

    Raises:
        NotApproved: Somebody decided to call nobody.
    """
    if flow_run.id is None:
        return None
    for state in ("suspended", "paused"):
        keyset = keyset_from_base_key(f"{state}-{_key(campaign)}")
        if await read_flow_run_input(keyset["response"], flow_run_id=UUID(flow_run.id)) is not None:
            schema = await read_flow_run_input(keyset["schema"], flow_run_id=UUID(flow_run.id)) or {}
            asked = schema.get("properties", {}).get("at_most", {}).get("default")
            return _check_answer(await Approval.aload(keyset, flow_run_id=UUID(flow_run.id)), campaign, asked)
    return None


async def ask(found: Forecast, page: str) -> Approval:
    """Show the page and wait for the answer, without holding a worker where that can be.

    Raises:
        NotApproved: Somebody decided to call nobody, or a run that cannot be suspended got no answer within a day.
        prefect.exceptions.Pause: The run is suspended. It begins anew when it is resumed.
    """
    artifact = await acreate_markdown_artifact(
        markdown=page,
        key=f"{slug(found.campaign)}-approval",
        description=f"Whom **{found.campaign}** would call: {found.count} people",
    )
    logger.info("%d people would be called: waiting for somebody to approve it", found.count)
    # The form of this very question: the number is filled in, and keeps its help.
    asked = create_model(
        "Approval",
        __base__=Approval,
        at_most=(int, Field(default=found.count, ge=0, title=AT_MOST.title, description=AT_MOST.description)),
    )
    form = asked.with_initial_data(
        description=f"**{found.campaign}** would call **{found.count} people**: "
        f"[whom, what it may cost and when it would end]({link(artifact)})."
    )
    key = _key(found.campaign)
    if await _can_be_suspended():
        answer = await asuspend_flow_run(wait_for_input=form, key=key)
    else:
        try:
            # Prefect is given longer: it would end the run as Failed, with a sentence that tells nobody what to do.
            async with asyncio.timeout(PAUSE_SECONDS):
                answer = await apause_flow_run(wait_for_input=form, key=key, timeout=2 * PAUSE_SECONDS)
        except TimeoutError as error:
            hours = PAUSE_SECONDS // 3600
            raise NotApproved(
                f"Nobody answered within {hours} hours whether {found.campaign} may call: nobody was called. Run it "
                "again to be asked again."
            ) from error
    return _check_answer(answer, found.campaign, found.count)


def _key(campaign: str) -> str:
    return f"approve-{slug(campaign)}"


def _check_answer(answer: Approval, campaign: str, asked: int | None) -> Approval:
    """The answer, if it lets the campaign call; `asked` is how many people the form named."""
    note = f" Note: {answer.note}" if answer.note else ""
    if answer.decision == "cancel" or answer.at_most == 0:
        raise NotApproved(f"{campaign} was not approved: nobody was called.{note}")
    if answer.decision == "fewer" and answer.at_most is None:
        raise NotApproved(f"Fewer were approved for {campaign}, but not how many: nobody was called.{note}")
    if answer.decision == "fewer" and asked is not None and answer.at_most is not None and answer.at_most >= asked:
        raise NotApproved(
            f"Fewer than {asked} were approved for {campaign}, but the number was left at {answer.at_most}: nobody was "
            f"called.{note}"
        )
    logger.info("Approved: %s.%s", "all" if answer.at_most is None else f"at most {answer.at_most} people", note)
    return answer


async def _can_be_suspended() -> bool:
    """Whether somebody would start the run again: it belongs to a deployment, and no other run waits for it."""
    async with get_client() as client:
        run = await client.read_flow_run(UUID(flow_run.id))
    return run.deployment_id is not None and run.parent_task_run_id is None


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
