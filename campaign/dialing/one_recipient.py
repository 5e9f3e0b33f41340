"""Who is to be called by a single call: each value read as a row's would be, or the reason why nobody is called."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from campaign.agent import CALL_KEY
from campaign.buckets import Bucket
from campaign.errors import CampaignError
from campaign.intake import CallTerms, UnfitCell, id_of, json_value, mask, terms_given


class NotCalled(CampaignError):
    """Nobody was called, because of the number, the rules, or an earlier attempt. Trying again changes that only later.

    Attributes:
        number: Whose, masked.
        bucket: In which bucket of a campaign's report this would end.
        reason: A clause that says why.
        until: When the recipient may be called, if that is known.
    """

    def __init__(self, number: str, bucket: Bucket, reason: str, until: datetime | None = None) -> None:
        super().__init__(number, bucket, reason, until)
        self.number = number
        self.bucket = bucket
        self.reason = reason
        self.until = until

    def __str__(self) -> str:
        return f"{self.number} was not called: {self.reason}."


def clean_params(params: Mapping[str, Any], needed: frozenset[str], phone: str) -> dict[str, Any]:
    """The params as JSON can carry them, without those that hold nothing."""
    if CALL_KEY in params:
        reason = f"the param {CALL_KEY} has a name that every call uses for its own key; rename it"
        raise NotCalled(mask(phone), Bucket.BAD_ROW, reason)
    clean: dict[str, Any] = {}
    for name, value in params.items():
        try:
            clean[name] = json_value(value)
        except UnfitCell as error:
            raise NotCalled(mask(phone), Bucket.BAD_ROW, f"the param {name} {error}") from None
    clean = {name: value for name, value in clean.items() if value is not None}
    if missing := sorted(needed - clean.keys()):
        raise NotCalled(mask(phone), Bucket.MISSING_PARAMS, f"no value for {', '.join(missing)}, which the agent needs")
    return clean


def read_id(given: object, phone: str) -> str:
    """A recipient's id as a row's would be read: 17 and 17.0 are `17`."""
    try:
        return id_of(given)
    except UnfitCell as error:
        raise NotCalled(mask(phone), Bucket.BAD_ROW, f"its id {error}") from None


def read_terms(given: Mapping[str, Any], phone: str) -> CallTerms:
    """Where the person is, when they want to be called and what they consented to, as a row's columns would say it."""
    try:
        return terms_given(**given)
    except UnfitCell as error:
        raise NotCalled(mask(phone), Bucket.BAD_ROW, str(error)) from None
