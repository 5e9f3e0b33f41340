"""Two tasks for people's own flows: make a call, and wait for its end. Each works alone in any `@flow`.

Promises what a campaign promises: a task that is retried, or a flow that is run again, goes on with the call that was
made instead of making another.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run, task_run
from prefect.tasks import exponential_backoff

from blocks import CallingPolicy, CallLedger, VoiceAgent
from blocks.campaign_day import campaign_time_zone, default_campaign
from campaign.intake import mask
from campaign.reporting import CallResult, shown_id
from campaign.unexpected import redact_unexpected_errors
from hamsa import NotPlaced, Unavailable
from runtime.events import call_event_emitter
from runtime.retries import only_after
from runtime.run_logs import link_logs_to_runs


def _name_of_call() -> str:
    given = task_run.parameters
    phone = str(given.get("phone"))
    return f"call {shown_id(str(given.get('recipient_id') or ''), phone) or mask(phone)}"


def _name_of_wait() -> str:
    return f"wait for {getattr(task_run.parameters.get('call'), 'recipient_id', 'call')}"


@task(
    name="create call",
    task_run_name=_name_of_call,
    retries=5,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=only_after(NotPlaced, Unavailable),
    cache_policy=NO_CACHE,
)
@redact_unexpected_errors
async def create_call(
    agent: VoiceAgent,
    phone: str,
    params: Mapping[str, Any] | None = None,
    *,
    recipient_id: str | None = None,
    campaign: str | None = None,
    policy: CallingPolicy | None = None,
    ledger: CallLedger | None = None,
    region: str | None = None,
    timezone: str | None = None,
    person: str | None = None,
    debt: str | None = None,
    subdivision: str | None = None,
    call_hours: str | None = None,
    consent: str | None = None,
    consent_at: date | str | None = None,
    outcome_fields: Sequence[str] = (),
) -> CallResult:
    """Call somebody, or find the call that was made already in this campaign.

    Args:
        agent: Who talks.
        phone: E.164, or a national number together with `region`.
        params: Values for the agent's placeholders.
        recipient_id: The person's id upstream; without one it is whoever the campaign called at this number.
        campaign: The name under which each recipient is called at most `max_attempts` times; by default the flow's name
            and the date on which its run was to start.
        policy: The rules; strict if none is given.
        ledger: Where claims are kept; a file next to Prefect's own data if none is given.
        region: Two letters of the country of a national number.
        timezone: The person's time zone, where it is known better than by the number.
        person: Who it is, where the recipient's id is something else's, such as an invoice's; limits hold for them.
        debt: What the call is about, such as an invoice's number.
        subdivision: The part of the country in which the person is, such as `US-TX`.
        call_hours: When the person wants to be called, such as `17:00-20:00`.
        consent: How the person agreed to be called.
        consent_at: The day on which they did, year-month-day.
        outcome_fields: Fields of the outcome that events may show.

    Returns:
        The call with its job record, in progress or over; its number masked.

    Raises:
        NotCalled: The number, the rules or an earlier attempt say no. Nobody was called.
        NotPlaced, Unavailable: Nobody was called, and the retries are used up; try again later.
        Refused: Hamsa said no. Nobody was called; fix the input.
        Uncertain: Nobody knows whether the phone rang. Never try again by hand; `settle_calls` finds out.
        CampaignError: Key, agent or ledger cannot be used. Nobody was called.
    """
    calling = agent.caller(
        campaign=campaign or default_campaign(zone=campaign_time_zone(policy)),
        run_id=_run_id(),
        policy=policy,
        ledger=ledger,
        on_event=call_event_emitter(outcome_fields),
        outcome_fields=outcome_fields,
    )
    link_logs_to_runs()
    async with calling as caller:
        opened = await caller.open(
            phone,
            params,
            recipient_id=recipient_id,
            region=region,
            timezone=timezone,
            person=person,
            debt=debt,
            subdivision=subdivision,
            call_hours=call_hours,
            consent=consent,
            consent_at=consent_at,
        )
    return CallResult.of(opened.attempt)


@task(
    name="wait for call",
    task_run_name=_name_of_wait,
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_condition_fn=only_after(NotPlaced, Unavailable),
    cache_policy=NO_CACHE,
)
@redact_unexpected_errors
async def wait_for_call(
    agent: VoiceAgent,
    call: CallResult,
    *,
    policy: CallingPolicy | None = None,
    ledger: CallLedger | None = None,
    outcome_fields: Sequence[str] = (),
) -> CallResult:
    """Follow a call to its end and note it in the ledger. May be repeated at any time.

    Args:
        agent: The one that talks.
        call: What `create_call` returned.
        policy: How long to follow, and which outcome fields mean that somebody wants no more calls.
        ledger: The one that the call was made with.
        outcome_fields: Fields of the outcome that events may show.

    Returns:
        The call with its end, however it went: `state`, `duration_seconds`, `cost`, `outcome`, `job_record`.

    Raises:
        NoEndYet: It did not end within the policy's `give_up_after_seconds`; `settle_calls` follows it further.
        CampaignError: The ledger does not know the call, or cannot be read or written.
    """
    calling = agent.caller(
        campaign=call.campaign,
        run_id=_run_id(),
        policy=policy,
        ledger=ledger,
        on_event=call_event_emitter(outcome_fields),
    )
    link_logs_to_runs()
    async with calling as caller:
        return CallResult.of(await caller.follow(call.call_key))


def _run_id() -> str:
    return str(flow_run.id or uuid.uuid4())
