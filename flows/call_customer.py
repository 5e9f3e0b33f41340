"""Call one customer: from the UI, from another flow, or from an event, under the same promises as a campaign."""

import sys
from datetime import date, datetime
from typing import Annotated, Any

from prefect.artifacts import acreate_markdown_artifact
from prefect.runtime import flow_run
from pydantic import Field

from blocks import VoiceAgent
from blocks.forms import (
    OptionalCampaign,
    OptionalLedger,
    OptionalPolicy,
    OptionalText,
    OutcomeFields,
    Phone,
    RecipientId,
    titled,
)
from campaign.dialing import NotCalled
from campaign.errors import CampaignError
from campaign.form_inputs import SingleInput
from campaign.intake import id_of, text_of
from campaign.reporting import CallResult, call_page, shown_id
from campaign.rules import why_and_from_when
from hamsa import HamsaError
from runtime.artifacts import slug
from runtime.campaign_flow import campaign_flow
from runtime.command_line import run_from_command_line
from runtime.run_states import can_reschedule, is_within, reschedule_at
from tasks import create_call, wait_for_call


def _run_name() -> str:
    given = flow_run.parameters
    whom = shown_id(id_of(given["recipient_id"]), str(given["phone"]))
    campaign = text_of(given.get("campaign"))
    return f"call {whom} for {campaign}" if campaign else f"call {whom}"


@campaign_flow(
    name="call-customer",
    flow_run_name=_run_name,
    description="Calls one person if the rules allow it, and follows the call to its end.",
)
async def call_customer(
    agent: Annotated[VoiceAgent, titled("Voice agent")],
    phone: Phone,
    recipient_id: RecipientId,
    params: Annotated[dict[str, Any] | None, SingleInput(), titled("Params")] = None,
    region: Annotated[OptionalText, titled("Region", maxLength=2)] = "",
    timezone: Annotated[OptionalText, titled("Time zone")] = "",
    policy: OptionalPolicy = None,
    ledger: OptionalLedger = None,
    campaign: OptionalCampaign = "",
    wait_at_most_hours: Annotated[float, Field(ge=0, le=720), titled("Wait at most (hours)")] = 120,
    outcome_fields: OutcomeFields = None,
    person: Annotated[OptionalText, titled("Person")] = "",
    debt: Annotated[OptionalText, titled("Debt")] = "",
    subdivision: Annotated[OptionalText, titled("State or part of the country")] = "",
    call_hours: Annotated[OptionalText, titled("Hours they named")] = "",
    consent: Annotated[OptionalText, titled("Consent")] = "",
    consent_at: Annotated[date | None, SingleInput(), titled("Date of consent")] = None,
) -> CallResult:
    """Call one customer.

    Asking twice for the same person in the same campaign rings once: the second run goes on with the first one's call.
    The number becomes a parameter of the run, so Prefect stores it as it was given. A deployment's run that comes too
    early for the rules waits for its time, without a worker.

    Args:
        agent: The voice agent that talks. The picker stays empty though the deployment names one, which is then used.
        phone: The number, in the form +12125550123, or a national one together with a region.
        recipient_id: The id by which your own system knows this person. A number is taken as its text: 17 is `17`.
        params: Values for what the agent says, by name.
        region: Two letters of the country of a national number.
        timezone: The person's time zone, such as Asia/Dubai, where it is known better than by the number.
        policy: When and how often. An empty picker means the policy that the deployment names, or else the strict
            preset.
        ledger: Where it is kept who was called. An empty picker means the ledger that the deployment names, or else a
            file next to Prefect's own data.
        campaign: The name under which this person is called at most `max_attempts` times; the flow's name and the date
            if empty.
        wait_at_most_hours: How long a deployment's run may wait for a time at which the rules allow the call, counted
            from its planned start; with 0 it fails instead.
        outcome_fields: Fields of the outcome that may appear in events; none if empty.
        person: The person's own id, where the recipient's id is something else's, such as an invoice's; limits on calls
            and refusals then hold for the person.
        debt: What the call is about, such as an invoice's number: the `us` preset counts calls by person and debt.
        subdivision: The part of the country in which the person is, such as US-TX, if it is known.
        call_hours: When the person wants to be called, as in `17:00-20:00` or `after 17:00`; empty means any time.
        consent: How the person agreed to be called, in a word of the policy's `consent_bases`.
        consent_at: The day on which they agreed.
    """
    try:
        call = await create_call(
            agent,
            phone,
            params,
            recipient_id=recipient_id,
            campaign=campaign or None,
            policy=policy,
            ledger=ledger,
            region=region or None,
            timezone=timezone or None,
            person=person or None,
            debt=debt or None,
            subdivision=subdivision or None,
            call_hours=call_hours or None,
            consent=consent or None,
            consent_at=consent_at,
            outcome_fields=outcome_fields or (),
        )
        call = await wait_for_call(agent, call, policy=policy, ledger=ledger, outcome_fields=outcome_fields or ())
    except NotCalled as error:
        if error.until is not None and wait_at_most_hours and can_reschedule():
            await _wait(shown_id(recipient_id, phone), error, error.until, wait_at_most_hours)
        raise
    except HamsaError as error:
        raise CampaignError(f"{shown_id(recipient_id, phone)}: {error}") from error
    await acreate_markdown_artifact(
        markdown=call_page(call), key=f"{slug(f'{call.campaign} {call.recipient_id}')}-call", description=call.headline
    )
    return call


async def _wait(whom: str, why: NotCalled, until: datetime, at_most_hours: float) -> None:
    if not is_within(at_most_hours, until):
        reason = (
            f"{why.reason}, and a run waits for {at_most_hours:g} hours at most (wait_at_most_hours): run it again then"
        )
        raise NotCalled(why.number, why.bucket, reason, until) from why
    reason, when = why_and_from_when(why.reason)
    # The moment first: pages of Prefect cut a long message off.
    await reschedule_at(until, f"Waits until {when} to call {whom} ({why.number}): {reason}.")


if __name__ == "__main__":
    sys.exit(run_from_command_line(call_customer))
