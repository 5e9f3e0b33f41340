"""Settle one attempt by hand: a person says whether the phone rang, where neither Hamsa's list nor an event can."""

import logging
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from prefect import task
from prefect.cache_policies import NO_CACHE
from pydantic import BaseModel, ConfigDict, Field, model_validator

from blocks.forms import Campaign, RecipientId, RequiredText
from campaign.attempts import Attempt, AttemptState
from campaign.errors import CampaignError
from campaign.ledger import Ledger
from campaign.unexpected import redact_unexpected_errors

logger = logging.getLogger(__name__)


class SettledByHand(BaseModel):
    """What a person found out about one attempt: from the customer, the carrier's list or Hamsa's dashboard.

    All of it is said, or nothing: a form that was left untouched settles nothing by hand.
    """

    model_config = ConfigDict(extra="forbid", title="Settle one attempt by hand", validate_default=False)

    campaign: Campaign = Field(default="", description="The campaign's name.")
    recipient_id: RecipientId = Field(default="", description="Whom it was to call: the id that the source has.")
    attempt: int = Field(default=1, ge=1, le=100, description="Which attempt at this recipient, from 1.")
    the_phone: Literal["not said", "rang", "did not ring"] = Field(
        default="not said",
        title="The phone",
        description="Whether it rang. If it did, the attempt counts as a call; if not, the next run may make it.",
    )
    who: Annotated[RequiredText, Field(max_length=200)] = Field(
        default="", description="Who says so; kept in the ledger."
    )
    why: Annotated[RequiredText, Field(max_length=1000)] = Field(
        default="", description="How they know; kept in the ledger."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_empty(cls, given: Any) -> Any:
        """Forms send a field that was left empty as null or as an empty text."""
        if not isinstance(given, Mapping):
            return {} if given is None else given
        return {name: value for name, value in given.items() if value is not None and str(value).strip()}

    @model_validator(mode="after")
    def _all_or_nothing(self) -> Self:
        said = {"campaign", "recipient_id", "the_phone", "who", "why"}
        missing = sorted(name for name in said if getattr(self, name) in ("", "not said"))
        if missing and len(missing) < len(said):
            raise ValueError(f"lacks {', '.join(f'`{name}`' for name in missing)}: say all of it, or nothing")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self.the_phone == "not said"


NOTHING_SAID = SettledByHand()
"""What a form that was left untouched says."""


@task(name="settle by hand", cache_policy=NO_CACHE, persist_result=False)
@redact_unexpected_errors
async def settle_by_hand(ledger: Ledger, said: SettledByHand, *, account: str | None) -> Attempt:
    """Write down what a person says of an attempt that nobody else can settle.

    Returns:
        The attempt as the ledger has it afterwards.

    Raises:
        CampaignError: There is no such attempt, or it is not uncertain (any more), or the ledger cannot be written.
    """
    await ledger.expire_leases()
    which = f"attempt {said.attempt} at {said.recipient_id} in campaign {said.campaign}"
    rows = await ledger.attempts(campaign=said.campaign, recipient_ids=[said.recipient_id], account=account)
    found = next((row for row in rows if row.attempt == said.attempt), None)
    if found is None:
        raise CampaignError(
            f"The ledger has no {which} that was made with this key: look up campaign and id in the ledger's table "
            "`call_attempts`, and try again."
        )
    if found.state is not AttemptState.UNCERTAIN:
        raise _not_uncertain(which, found)
    # Somebody else may find out in this very moment: what Hamsa says then stands.
    changed = await ledger.settle_by_hand(found, rang=said.the_phone == "rang", who=said.who, why=said.why)
    (settled,) = await ledger.attempts(call_keys=[found.call_key])
    if not changed:
        raise _not_uncertain(which, settled)
    logger.info("Settled by hand: the phone of %s %s, says %s", which, said.the_phone, said.who)
    return settled


def _not_uncertain(which: str, found: Attempt) -> CampaignError:
    state = f"{which} is {found.state.value.replace('_', ' ')}"
    hamsas = f" (Hamsa has its call: job {found.job_id})" if found.job_id is not None else ""
    return CampaignError(
        f"Nothing is to be settled by hand: {state}{hamsas}, and only one that is uncertain can be settled. What was "
        "said is not kept."
    )
