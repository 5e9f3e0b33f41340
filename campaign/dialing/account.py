"""The first question to Hamsa: whose key is this, does it know the agent, and does the agent do what is expected of it?

Asked before anybody is called. Promises that attempts are never filed under another account without a word, and that a
misspelled outcome field, by which a refusal would be missed, is found before the first call.
"""

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import get_close_matches
from urllib.parse import urlsplit

from campaign.agent import CALL_KEY, CallingAgent, reserved_names
from campaign.errors import CampaignError
from campaign.ledger import Ledger
from campaign.rules import DEFAULT_OPT_OUT_FIELDS, field_key
from hamsa import HamsaClient, Refused, Unauthorized, Unavailable, VoiceAgentRecord
from hamsa.redaction import is_secret_name
from hamsa.requests import HAMSA_NUMBERS
from hamsa.urls import is_loopback

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Account:
    """What Hamsa said of the key and the agent.

    Attributes:
        id: Under which attempts are filed, Hamsa's project id: only this account can settle what it placed. None if
            Hamsa does not say; `filed` asks the ledger then.
        key_name: A name for the key that does not give it away.
        placeholders: The params without which the agent cannot talk.
        agent_updated_at: When the agent was last changed, as far as Hamsa says.
        warnings: What somebody should know before the first call, a sentence each.
    """

    id: str | None
    key_name: str = ""
    placeholders: frozenset[str] = frozenset()
    agent_updated_at: datetime | None = None
    warnings: tuple[str, ...] = ()


async def ask_account(
    client: HamsaClient,
    agent: CallingAgent,
    *,
    outcome_fields: Collection[str] = (),
    opt_out_fields: Collection[str] = (),
) -> Account:
    """Find out whose key this is, which values the agent needs, and whether it extracts what it should.

    Args:
        agent: Who is to talk; an agent without id and details asks for the key alone.
        outcome_fields: Fields of the outcome that events are to show.
        opt_out_fields: Fields in which the agent is to note that somebody wants no more calls.

    Raises:
        CampaignError: The key is not valid, Hamsa does not know the agent, or a field is not the agent's. Nobody was
            called.
        Unavailable: Hamsa does not answer; ask again.
    """
    said, silence = await _whose_key(client)
    record = await _known_agent(client, agent)
    warnings = [silence] if silence else []
    warnings += [*_check_caller_id(agent), *_check_reach(client, agent)]
    if record is None:
        return Account(said, client.key_name, warnings=tuple(warnings))
    name = f"The voice agent {agent.voice_agent_id}" if agent.voice_agent_id else "The agent described in the block"
    warnings += [
        f"{name} has a text that is not valid Jinja2, so no values are required for what is in it: {problem}."
        for problem in record.unreadable_texts
    ]
    warnings += _check_fields(name, record, outcome_fields, opt_out_fields)
    warnings += _check_webhook(name, record, agent)
    # An agent described inline brings values in its own `params`, which may be of a reserved name as well.
    warnings += reserved_names((agent.agent_details or {}).get("params") or ())
    return Account(
        said,
        client.key_name,
        placeholders=record.placeholders() - {CALL_KEY},
        agent_updated_at=record.updated_at,
        warnings=tuple(warnings),
    )


async def filed(account: Account, ledger: Ledger, *, remember: bool = True) -> Account:
    """The account under whose `id` attempts are filed, also where Hamsa did not say whose key this is.

    Then it is what Hamsa said of the same key before, or else the key's own name. What is filed under that moves to the
    account as soon as Hamsa says it.

    Raises:
        LedgerError: The ledger cannot be read or written.
    """
    if remember:
        found = await ledger.file_key(account.key_name, account.id)
    else:
        found = account.id or await ledger.account_of_key(account.key_name) or account.key_name
    if account.id is None:
        if found != account.key_name:
            where = f"the account {found}, to which the key belonged when Hamsa last said so"
        else:
            where = f"the key's own name, {found}, until it does"
        account = replace(account, id=found, warnings=(*account.warnings, f"Calls are filed under {where}."))
    return account


async def _whose_key(client: HamsaClient) -> tuple[str | None, str | None]:
    """Hamsa's project id, or else what it said instead."""
    try:
        return (await client.get_project()).id, None
    except Unauthorized as error:
        raise CampaignError(
            f"Hamsa does not accept the API key ({error}). Put a valid secret key into the Hamsa Credentials block; "
            "nobody was called."
        ) from error
    except (Refused, Unavailable) as error:
        # Assumed: Hamsa says whose key it is. Without an answer at all, or with one that says "later", ask again.
        unread = error.status_code is not None and 200 <= error.status_code < 300
        if isinstance(error, Unavailable) and not unread:
            raise
        return None, f"Hamsa does not say whose key this is ({error})."


async def _known_agent(client: HamsaClient, agent: CallingAgent) -> VoiceAgentRecord | None:
    if agent.voice_agent_id is None:
        details = agent.agent_details
        return VoiceAgentRecord.model_validate({**details, "id": "described"}) if details else None
    try:
        return await client.get_voice_agent(agent.voice_agent_id)
    except Unauthorized as error:
        raise CampaignError(
            f"This API key may not use the voice agent {agent.voice_agent_id} ({error}). Name another agent in the "
            "Hamsa Voice Agent block, or a key that may; nobody was called."
        ) from error
    except Refused as error:
        unknown = error.status_code == 404
        what = "Hamsa does not know the voice agent" if unknown else "Hamsa does not give out the voice agent"
        raise CampaignError(
            f"{what} {agent.voice_agent_id} ({error}). Check voice_agent_id in the Hamsa Voice Agent block; nobody was "
            "called."
        ) from error


def _check_fields(
    name: str, record: VoiceAgentRecord, outcome_fields: Collection[str], opt_out_fields: Collection[str]
) -> list[str]:
    """Compare fields with what the agent extracts.

    Raises:
        CampaignError: One does not belong to the agent.
    """
    shape = record.outcome_fields
    asked = {"outcome_fields": outcome_fields, "opt_out_fields": opt_out_fields}
    if shape is None:
        listed = ", ".join(f"`{each}`" for fields in asked.values() for each in fields)
        if not listed:
            return []
        return [f"{name} does not say what it extracts (outcomeResponseShape), so nobody can tell if it has {listed}."]
    known = shape | record.extracted_names
    warnings: list[str] = []
    for setting, fields in asked.items():
        # What has a secret's name is dropped from whatever Hamsa sends, so it is not to be found here either.
        missing = [each for each in fields if each not in known and not is_secret_name(each)]
        if setting == "opt_out_fields":
            # Refusals are heard however the agent writes the name, and however deep it lies.
            plain = set(map(field_key, known | record.nested_outcome_fields))
            missing = [each for each in missing if field_key(each) not in plain]
        if not missing:
            continue
        extracts = f"it extracts {', '.join(sorted(known))}"
        named = ", ".join(f"`{each}`" for each in missing)
        if setting == "opt_out_fields" and tuple(fields) == DEFAULT_OPT_OUT_FIELDS and not _alike(missing[0], known):
            warnings.append(
                f"{name} has no field {named}, so nobody who wants no more calls is noticed: {extracts}. If one of "
                "those notes it, name it in the policy's `opt_out_fields`."
            )
            continue
        where = "The policy's `opt_out_fields`" if setting == "opt_out_fields" else "`outcome_fields`"
        raise CampaignError(
            f"{where} has {named}, which is not a field of the agent's outcome. {name} does not extract it: {extracts}."
            " Correct the name, or the agent at Hamsa; nobody was called."
        )
    return warnings


def _alike(field: str, known: Collection[str]) -> bool:
    """Whether one of the known fields may be meant: `want_no_more_calls` for `wants_no_more_calls`."""
    return bool(get_close_matches(field_key(field), map(field_key, known), n=1, cutoff=0.85))


def _check_caller_id(agent: CallingAgent) -> list[str]:
    """From a number that is not known as Hamsa's, calls may be refused one by one; but it may have new ones."""
    if agent.number_source != "hamsa" or agent.from_number in (None, *HAMSA_NUMBERS):
        return []
    problem = f"The block's `from_number` is none of Hamsa's own caller ids ({', '.join(HAMSA_NUMBERS)})"
    return [f"{problem}: if it is a number of yours, set `number_source` to own or twilio."]


def _check_reach(client: HamsaClient, agent: CallingAgent) -> list[str]:
    """A webhook on this machine is for a sandbox that runs here too: Hamsa cannot reach it."""
    webhook, api = (urlsplit(url or "").hostname or "" for url in (agent.webhook_url, client.base_url))
    if not is_loopback(webhook) or is_loopback(api):
        return []
    problem = f"The block's `webhook_url` is on this machine ({webhook}), where Hamsa cannot reach it"
    return [f"{problem}: no events will come. Give an https address that can be reached from the internet."]


def _check_webhook(name: str, record: VoiceAgentRecord, agent: CallingAgent) -> list[str]:
    """What to know of where events go: to the call's own webhook, or to the one that is set at the agent."""
    theirs = record.webhook_host
    if theirs is None:
        return []
    # Assumed: events of a call from a number of one's own go to the agent's webhook. They take none of theirs.
    if agent.number_source == "own":
        return [f"{name} has its webhook at {theirs}: the events of calls from your own number go there."]
    # Assumed: a call's own webhook comes before the agent's.
    if agent.webhook_url is not None and record.webhook_url != agent.webhook_url:
        problem = f"{name} has a webhook of its own at {theirs} besides the block's `webhook_url`"
        return [f"{problem}, and Hamsa does not say which of them gets the events: set the same at both."]
    return []
