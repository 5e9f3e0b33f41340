"""The voice agent, saved in Prefect: who talks, from which number, and where Hamsa reports what happens."""

import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from datetime import date
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from prefect import runtime
from prefect.blocks.abstract import JobBlock
from prefect.types import SecretDict
from pydantic import Field, HttpUrl, SecretStr, ValidationError, model_validator

from blocks.call import PhoneCall
from blocks.campaign_day import campaign_time_zone, default_campaign
from blocks.checked import DOCUMENTATION, CheckedBlock, clauses
from blocks.credentials import HamsaCredentials
from blocks.ledger import CallLedger, ensure_ledger_outlives
from blocks.policy import CallingPolicy
from campaign.agent import CALL_KEY, CallingAgent
from campaign.clock import Clock
from campaign.dialing import Caller
from campaign.following import CallEvent
from campaign.form_inputs import SingleInput
from hamsa import WebhookAuth

_ANYBODY = "+12125550100"
"""A number of no one, with which a call is made up to see whether the agent could make one."""


# Prefect's base class is generic; with a parameter it would register itself as one more block type.
class VoiceAgent(CheckedBlock, JobBlock):  # type: ignore[type-arg]
    """Says who talks on the phone: an agent made at Hamsa, or one described here, and the number it calls from.

    Example:
        Load an agent, call somebody, and print how it went:
        ```python
        import asyncio

        from blocks import VoiceAgent

        agent = VoiceAgent.load("BLOCK_NAME")


        async def call_mona() -> None:
            call = await agent.trigger("+12125550123", {"name": "Mona"}, campaign="say-hello")
            await call.wait_for_completion()
            print(await call.fetch_result())


        asyncio.run(call_mona())
        ```
    """

    _block_type_name: ClassVar[str | None] = "Hamsa Voice Agent"
    _block_type_slug: ClassVar[str | None] = "hamsa-voice-agent"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(f"{DOCUMENTATION}/api-reference/endpoint/start-a-call")

    credentials: HamsaCredentials = Field(
        title="Credentials", description="The key of the Hamsa project in which the agent lives."
    )
    voice_agent_id: Annotated[Annotated[str, Field(max_length=255)] | None, SingleInput()] = Field(
        default=None,
        title="Voice agent id",
        description="Id of the agent in Hamsa's dashboard; leave it empty only if the agent is described below.",
    )
    from_number: Annotated[Annotated[str, Field(max_length=64)] | None, SingleInput()] = Field(
        default=None,
        title="From number",
        description="The number to call from, like +18449292835; empty leaves it to Hamsa.",
        examples=["+18449292835"],
    )
    number_source: Literal["hamsa", "own", "twilio"] = Field(
        default="hamsa",
        title="Whose number",
        description="Whether the number to call from is one of Hamsa's, your own at Hamsa, or your own at Twilio.",
    )
    webhook_url: Annotated[Annotated[str, Field(max_length=2048)] | None, SingleInput()] = Field(
        default=None,
        title="Webhook URL",
        description="Where Hamsa reports what happens in a call: an https address that it can reach; empty means that "
        "Hamsa is asked instead.",
    )
    webhook_auth_key: str = Field(
        default="Bearer",
        max_length=255,
        title="Webhook authorization scheme",
        description="First word of the Authorization header with which Hamsa comes to the webhook.",
    )
    webhook_auth_secret: Annotated[SecretStr | None, SingleInput()] = Field(
        default=None, title="Webhook secret", description="The secret that follows that word; needs a webhook URL."
    )
    # Secret as a whole: an agent's own description holds the keys of its language model and tools.
    agent_details: Annotated[SecretDict | None, SingleInput()] = Field(
        default=None,
        title="Agent described here",
        description="A whole agent as Hamsa's `agentDetails`, instead of an id, for calls from Hamsa's own numbers; "
        "kept secret, as it may hold keys.",
    )

    @model_validator(mode="after")
    def _could_make_a_call(self) -> Self:
        if self.voice_agent_id is not None and self.agent_details is not None:
            raise ValueError("give `voice_agent_id` or `agent_details`, not both")
        if self.webhook_auth_secret is not None and self.webhook_url is None:
            raise ValueError("`webhook_auth_secret` needs a `webhook_url`")
        if not isinstance(self._details().get("params", {}), Mapping):
            raise ValueError("`agent_details.params` must be an object of names and values")
        try:
            self.calling_agent().request(_ANYBODY, {}, CALL_KEY)
        except ValidationError as error:
            problems = "; ".join(clauses(error))
        else:
            return self
        raise ValueError(problems)

    def _details(self) -> dict[str, Any]:
        return self.agent_details.get_secret_value() if self.agent_details is not None else {}

    def calling_agent(self) -> CallingAgent:
        """The agent as a campaign takes it."""
        auth = None
        if self.webhook_auth_secret is not None:
            auth = WebhookAuth(auth_key=self.webhook_auth_key, auth_secret=self.webhook_auth_secret)
        return CallingAgent(
            voice_agent_id=self.voice_agent_id,
            agent_details=self._details() or None,
            from_number=self.from_number,
            number_source=self.number_source,
            webhook_url=self.webhook_url,
            webhook_auth=auth,
        )

    @asynccontextmanager
    async def caller(
        self,
        *,
        campaign: str,
        run_id: str,
        policy: CallingPolicy | None = None,
        ledger: CallLedger | None = None,
        clock: Clock | None = None,
        on_event: Callable[[CallEvent], None] | None = None,
        outcome_fields: Collection[str] = (),
    ) -> AsyncIterator[Caller]:
        """Open what single calls are made with: a client and the ledger, closed again at the end.

        Args:
            campaign: The name under which each recipient is called at most `max_attempts` times.
            run_id: Who claims.
            policy: The rules; strict if none is given.
            ledger: Where claims are kept; a file next to Prefect's own data if none is given.
            clock: Where the time comes from; the machine's clock if none is given.
            on_event: Called with each event once the ledger has it.
            outcome_fields: Fields of the outcome that its listener shows; the agent must have them.

        Raises:
            LedgerError: The ledger cannot be opened, or would go away with this run.
        """
        calls = ledger or CallLedger()
        await ensure_ledger_outlives(calls)
        async with self.credentials.get_client() as client, calls.open(clock=clock) as opened:
            yield Caller(
                client,
                opened,
                self.calling_agent(),
                policy or CallingPolicy(),
                campaign=campaign,
                run_id=run_id,
                clock=clock,
                on_event=on_event,
                outcome_fields=outcome_fields,
            )

    async def trigger(  # type: ignore[override]  # Prefect's own takes nothing; a call needs somebody to call
        self,
        phone: str,
        params: Mapping[str, Any] | None = None,
        *,
        recipient_id: str | None = None,
        campaign: str | None = None,
        ledger: CallLedger | None = None,
        policy: CallingPolicy | None = None,
        region: str | None = None,
        timezone: str | None = None,
        person: str | None = None,
        debt: str | None = None,
        subdivision: str | None = None,
        call_hours: str | None = None,
        consent: str | None = None,
        consent_at: date | str | None = None,
        clock: Clock | None = None,
    ) -> PhoneCall:
        """Call somebody, under a claim and by the rules; asking again in the same campaign rings no second time.

        Args:
            phone: E.164, or a national number together with `region`.
            params: Values for the agent's placeholders.
            recipient_id: The person's id upstream. Without one, it is whoever the campaign called at this number.
            campaign: The name under which each recipient is called at most `max_attempts` times; by default the flow's
                name and the date on which its run was to start.
            ledger: Where claims are kept; a file next to Prefect's own data if none is given.
            policy: The rules; strict if none is given.
            region: Two letters of the country of a national number.
            timezone: The person's time zone, where it is known better than by the number.
            person: Who it is, where the recipient's id is something else's, such as an invoice's; limits hold for them.
            debt: What the call is about, such as an invoice's number.
            subdivision: The part of the country in which the person is, such as `US-TX`.
            call_hours: When the person wants to be called, such as `17:00-20:00`.
            consent: How the person agreed to be called.
            consent_at: The day on which they did, year-month-day.
            clock: Where the time comes from; the machine's clock if none is given.

        Returns:
            The call, in progress or, if it had been made before, perhaps over.

        Raises:
            NotCalled: The number, the rules or an earlier attempt say no. Nobody was called.
            NotPlaced: There was no connection, or Hamsa asked to wait (429). Nobody was called; try again.
            Refused: Hamsa said no. Nobody was called.
            Uncertain: Nobody knows whether the phone rang. Never try again; settling finds out.
            Unavailable: Hamsa does not answer. Nobody was called; try again.
            CampaignError: Key, agent or ledger cannot be used. Nobody was called.
        """
        connect = partial(
            self.caller,
            campaign=campaign or default_campaign(zone=campaign_time_zone(policy)),
            run_id=str(runtime.flow_run.id or uuid.uuid4()),
            policy=policy,
            ledger=ledger,
            clock=clock,
        )
        async with connect() as caller:
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
        return PhoneCall(opened, connect)
