"""Before anybody is called it is known whose key it is, what the agent needs, and that it extracts what it should."""

from datetime import UTC, datetime
from typing import Any

import pytest

from campaign.agent import CallingAgent, reserved_names
from campaign.dialing.account import Account, ask_account, filed
from campaign.errors import CampaignError
from campaign.ledger.ledger import Ledger
from campaign.rules.policy.rule_fields import DEFAULT_OPT_OUT_FIELDS
from hamsa import HamsaClient, Unavailable
from sandbox.world import PROJECT_ID
from tests.campaign.campaign_world import CampaignWorld
from tests.campaign.ledger.asking import ask
from tests.sandbox_transport import SandboxTransport

AGENT = CallingAgent(voice_agent_id="agent")

OWN = {"voice_agent_id": "agent", "number_source": "own", "from_number": "+12125550100"}


async def account_of(world: CampaignWorld, agent: CallingAgent = AGENT, **fields: Any) -> Account:
    async with world.client() as client:
        return await ask_account(client, agent, **fields)


def give_agent(world: CampaignWorld, **parts: Any) -> None:
    world.sandbox.change(agents={"agent": {"name": "A", **parts}})


# ------------------------------------------------------------------------------------------------ what the agent needs


@pytest.mark.parametrize(
    ("details", "needs"),
    [
        ({"greetingMessage": "Hello {{name}}", "preamble": "They owe {{ amount }}."}, "name amount"),
        ({"greeting_message": "Hello {{name}}"}, "name"),
        ({"greetingMessage": "Hello {{name}} of {{shop}}", "params": {"shop": "ours"}}, "name"),
        ({"greetingMessage": "Hello {{name}}", "preamble": "Key {{call_key}}", "params": None}, "name"),
        ({"greetingMessage": "Hello {{name}}, {{agent_name}} here on {{current_date}}"}, "name"),
        ({"greetingMessage": 7, "preamble": ["{{name}}"]}, ""),
        ({"agentName": "A"}, ""),
    ],
    ids=range(7),
)
async def test_an_agent_that_is_described_needs_what_its_texts_name_and_it_does_not_bring(
    world: CampaignWorld, details: dict[str, Any], needs: str
) -> None:
    account = await account_of(world, CallingAgent(agent_details=details))
    assert account.placeholders == set(needs.split())


@pytest.mark.parametrize("versions", ["both", "v1", "v2"])
async def test_an_agent_of_hamsas_needs_what_hamsa_says_in_either_version(world: CampaignWorld, versions: str) -> None:
    world.sandbox.change(agent_versions=versions)
    give_agent(
        world,
        greeting_message="Hello {{name}}, this is {{agent_name}}.",
        preamble="{% if language == 'ar' %}Speak Arabic.{% endif %} Owes {{amount | default('it')}} in {{currency}}.",
        params={"currency": "USD"},
        updated_at="2026-11-02T10:00:00.000Z",
    )
    account = await account_of(world)
    assert account.placeholders == {"name"}
    assert account.agent_updated_at == datetime(2026, 11, 2, 10, tzinfo=UTC)
    assert account.warnings == ()


async def test_a_text_that_cannot_be_parsed_demands_nothing_and_somebody_hears_of_it(world: CampaignWorld) -> None:
    give_agent(world, greeting_message="Hello {{first name}}", preamble="{{amount}}")
    account = await account_of(world)
    assert account.placeholders == {"amount"}
    [warning] = account.warnings
    assert "conversation.greetingMessage (line 1: expected token" in warning


def test_a_param_of_a_reserved_name_is_warned_of() -> None:
    assert reserved_names({"name": 1, "agent_Name": 2}) == []
    [warning] = reserved_names(["name", "agent_name"])
    assert "param agent_name has a name that Hamsa fills itself" in warning


# ---------------------------------------------------------------------------------------------- what the agent extracts


async def test_fields_that_the_agent_extracts_are_no_matter(world: CampaignWorld) -> None:
    give_agent(world, outcome={"promised": "boolean", "wantsNoMoreCalls": "boolean"})
    account = await account_of(world, outcome_fields=["promised"], opt_out_fields=DEFAULT_OPT_OUT_FIELDS)
    assert account.warnings == ()


@pytest.mark.parametrize(
    ("fields", "setting"),
    [
        ({"outcome_fields": ["promised", "promissed"]}, r"^`outcome_fields` has `promissed`"),
        ({"outcome_fields": ["Promised"]}, r"^`outcome_fields` has `Promised`"),
        ({"opt_out_fields": ["wants_no_more_cals"]}, r"^The policy's `opt_out_fields` has `wants_no_more_cals`"),
        ({"opt_out_fields": ["wants_no_more_calls", "other"]}, r"^The policy's `opt_out_fields` has `other`"),
    ],
    ids=["misspelled", "case", "opt-out", "second"],
)
async def test_a_misspelled_field_stops_the_run_and_those_that_exist_are_named(
    world: CampaignWorld, fields: dict[str, Any], setting: str
) -> None:
    give_agent(world, outcome={"promised": "boolean", "wants_no_more_calls": "boolean"})
    with pytest.raises(CampaignError, match=setting) as error:
        await account_of(world, **fields)
    assert "it extracts promised, wants_no_more_calls." in str(error.value)
    assert "nobody was called" in str(error.value)
    assert world.sandbox.rings() == 0


async def test_what_a_node_extracts_is_a_field_too(world: CampaignWorld) -> None:
    nodes = [{"id": "1", "type": "extract", "variables": [{"name": "new_day"}]}]
    give_agent(world, outcome={"promised": "boolean"}, nodes=nodes)
    assert (await account_of(world, outcome_fields=["new_day", "promised"])).warnings == ()


async def test_the_untouched_default_for_refusals_only_warns_unless_a_field_looks_like_it(world: CampaignWorld) -> None:
    give_agent(world, outcome={"promised": "boolean"})
    [warning] = (await account_of(world, opt_out_fields=DEFAULT_OPT_OUT_FIELDS)).warnings
    assert "no field `wants_no_more_calls`, so nobody who wants no more calls is noticed" in warning
    give_agent(world, outcome={"want_no_more_calls": "boolean"})
    with pytest.raises(CampaignError, match="it extracts want_no_more_calls"):
        await account_of(world, opt_out_fields=DEFAULT_OPT_OUT_FIELDS)


async def test_an_agent_that_does_not_say_what_it_extracts_is_warned_of(world: CampaignWorld) -> None:
    give_agent(world, outcome=None)
    [warning] = (await account_of(world, outcome_fields=["promised"], opt_out_fields=DEFAULT_OPT_OUT_FIELDS)).warnings
    assert "nobody can tell if it has `promised`, `wants_no_more_calls`" in warning
    assert (await account_of(world)).warnings == ()


@pytest.mark.parametrize(
    ("theirs", "agent", "says"),
    [
        ("https://theirs.example.com/hook?token=made-up", OWN, "the events of calls from your own number go there"),
        ("https://theirs.example.com/hook?token=made-up", {"webhook_url": "https://ours.example.com"}, "set the same"),
        ("https://ours.example.com", {"webhook_url": "https://ours.example.com"}, None),
        ("https://theirs.example.com", {}, None),
        (None, {"webhook_url": "https://ours.example.com"}, None),
        (None, OWN, None),
    ],
    ids=range(6),
)
async def test_where_events_go_is_said_where_it_may_surprise(
    world: CampaignWorld, theirs: str | None, agent: dict[str, Any], says: str | None
) -> None:
    give_agent(world, webhook_url=theirs)
    account = await account_of(world, CallingAgent(**{"voice_agent_id": "agent", **agent}))
    if says is None:
        assert account.warnings == ()
    else:
        [warning] = account.warnings
        assert "theirs.example.com" in warning
        assert says in warning
        assert "made-up" not in warning


@pytest.mark.parametrize(
    ("api", "webhook", "reached"),
    [
        ("https://api.tryhamsa.com", "http://127.0.0.1:8766/hamsa", False),
        ("https://api.tryhamsa.com", "http://localhost:8766/hamsa", False),
        ("https://api.tryhamsa.com", "https://hooks.example.com/hamsa", True),
        ("https://api.tryhamsa.com", None, True),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8766/hamsa", True),
    ],
    ids=["address", "name", "public", "none", "sandbox"],
)
async def test_a_webhook_on_this_machine_is_for_a_sandbox_and_hamsa_cannot_reach_it(
    world: CampaignWorld, api: str, webhook: str | None, reached: bool
) -> None:
    agent = CallingAgent(voice_agent_id="agent", webhook_url=webhook)
    async with HamsaClient("secret-key", base_url=api, transport=SandboxTransport(world.sandbox)) as client:
        said = " ".join((await ask_account(client, agent)).warnings)
    assert ("where Hamsa cannot reach it: no events will come" in said) is not reached


@pytest.mark.parametrize(
    ("number", "source", "warned"),
    [
        ("+18449292835", "hamsa", False),
        ("+18558961879", "hamsa", False),
        (None, "hamsa", False),
        ("+12125550177", "hamsa", True),
        ("+12125550177", "own", False),
        ("+12125550177", "twilio", False),
    ],
)
async def test_a_number_that_is_not_hamsas_is_warned_of_unless_it_is_said_whose_it_is(
    world: CampaignWorld, number: str | None, source: Any, warned: bool
) -> None:
    agent = CallingAgent(voice_agent_id="agent", from_number=number, number_source=source)
    said = (await account_of(world, agent)).warnings
    assert ["set `number_source` to own or twilio" in each for each in said] == [True] * warned
    assert not any("0177" in each for each in said)


# ---------------------------------------------------------------------------------------------------------- whose key


async def file(world: CampaignWorld, ledger: Ledger, **how: Any) -> Account:
    return await filed(await account_of(world), ledger, **how)


async def test_attempts_are_filed_under_hamsas_project(world: CampaignWorld) -> None:
    async with Ledger(world.url, clock=world.clock) as ledger:
        account = await file(world, ledger)
    assert (account.id, account.warnings) == (PROJECT_ID, ())


async def test_a_key_of_which_hamsa_says_nothing_is_said_and_its_attempts_move_to_the_project_once_it_does(
    world: CampaignWorld,
) -> None:
    world.sandbox.change(knows_project=False)
    async with Ledger(world.url, clock=world.clock) as ledger:
        silent = await file(world, ledger)
        assert silent.id is not None
        assert silent.id.startswith("key-")
        assert "Hamsa does not say whose key this is (404 NotFound" in silent.warnings[0]
        assert f"filed under the key's own name, {silent.id}, until it does" in silent.warnings[1]
        assert (await file(world, ledger)).id == silent.id
        await ledger.claim(ask(1, account=silent.id))
        await ledger.claim(ask(2, account="somebody else's"))

        world.sandbox.change(knows_project=True)
        assert (await file(world, ledger)).id == PROJECT_ID
        assert [row.recipient_id for row in await ledger.unfinished(account=PROJECT_ID)] == ["r1"]
        assert [row.recipient_id for row in await ledger.unfinished(account="somebody else's")] == ["r2"]

        world.sandbox.change(knows_project=False)
        again = await file(world, ledger)
        assert again.id == PROJECT_ID
        assert f"{PROJECT_ID}, to which the key belonged when Hamsa last said so" in again.warnings[-1]


async def test_a_dry_run_files_nothing(world: CampaignWorld) -> None:
    async with Ledger(world.url, clock=world.clock) as ledger:
        assert (await file(world, ledger, remember=False)).id == PROJECT_ID
        world.sandbox.change(knows_project=False)
        first = await file(world, ledger, remember=False)
        assert first.id == first.key_name
        assert await ledger.account_of_key(first.key_name) is None


async def test_another_key_has_another_name_and_none_shows_the_key(world: CampaignWorld) -> None:
    names = set()
    for key in ("secret-key", "secret-kez"):
        async with HamsaClient(key, transport=SandboxTransport(world.sandbox)) as client:
            names.add(client.key_name)
    assert len(names) == 2
    assert not any("secret" in name for name in names)


@pytest.mark.parametrize(
    ("agent_id", "says"),
    [
        ("not-for-this-key", r"may not use the voice agent not-for-this-key \(403 KeyNotForAgent: "),
        ("no-such-agent", r"does not know the voice agent no-such-agent \(404 VoiceAgentNotFound: "),
        ("not-deployed", r"does not give out the voice agent not-deployed \(409 EnvironmentNotDeployed: "),
    ],
)
async def test_an_agent_that_cannot_talk_is_told_from_one_that_is_unknown(
    world: CampaignWorld, agent_id: str, says: str
) -> None:
    with pytest.raises(CampaignError, match=rf"{says}.*; nobody was called\.$"):
        await account_of(world, CallingAgent(voice_agent_id=agent_id))


async def test_no_answer_at_all_is_no_silence(world: CampaignWorld) -> None:
    world.sandbox.change(reads_fail=1)
    with pytest.raises(Unavailable):
        await account_of(world)
