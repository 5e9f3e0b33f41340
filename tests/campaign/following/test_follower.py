"""What is noted with the end of a call: only what its own record showed."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from campaign.agent import CallingAgent
from campaign.attempts import AttemptState, Claim
from campaign.dialing.claiming.requests import Claimant, claim_request
from campaign.following.call_events import EventEmitter
from campaign.following.follower import CALLS_WITHOUT_OUTCOME, OUTCOME_TRIES, CallFollower, EndedCall
from campaign.following.watched import EndSeen
from campaign.ledger.ledger import CallEnd, Ledger
from campaign.reporting.results import Batch
from campaign.rules.policy.dial_settings import DialSettings
from hamsa import HamsaClient
from hamsa.models import FINAL_STATUSES
from tests.campaign.campaign_world import UNRESTRICTED, CampaignWorld, people
from tests.sandbox_transport import SandboxTransport


class ChangingParams(SandboxTransport):
    """Hamsa, whose records give back other params than those that were sent, or none."""

    def __init__(self, *args: Any, params: dict[str, str] | None) -> None:
        super().__init__(*args)
        self._params = params

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path != "/v1/jobs":
            return answer
        document = json.loads(await answer.aread())
        if self._params is not None:
            document["data"]["agentDetails"]["params"] |= self._params
        return httpx.Response(answer.status_code, content=json.dumps(document))


class WithoutResponse(SandboxTransport):
    """Hamsa, whose agent extracts nothing."""

    asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path != "/v1/jobs":
            return answer
        self.asked += 1
        document = json.loads(await answer.aread())
        document["data"]["jobResponse"] = None
        return httpx.Response(answer.status_code, content=json.dumps(document))


@pytest.mark.parametrize(
    ("params", "echoed"),
    [(None, True), ({"call_key": "of-somebody-else"}, False), ({"call_key": ""}, False), ({"more": "yes"}, True)],
    ids=["as sent", "another key", "an empty key", "more than sent"],
)
async def test_an_echo_is_noted_only_of_a_record_that_gives_our_own_key_back(
    world: CampaignWorld, monkeypatch: pytest.MonkeyPatch, params: dict[str, str] | None, echoed: bool
) -> None:
    transport = ChangingParams(world.sandbox, params=params)
    monkeypatch.setattr(
        world, "client", lambda: HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
    )

    async def run() -> None:
        async with world.dialer() as dialer:
            await dialer.run(Batch(1, people(3)))

    await world.drive(run())
    assert {attempt.echoed for attempt in await world.attempts()} == {echoed}


@pytest.mark.parametrize("late", ["unknown", "in_progress", "without_outcome"])
async def test_what_was_said_is_read_though_the_record_is_behind_the_list(world: CampaignWorld, late: str) -> None:
    world.sandbox.change(lies={"record_late": late})
    await world.dial(people(12), settings=DialSettings(lines=4, poll_min_seconds=0.5, poll_max_seconds=1))
    talked = {call["number"]: call["outcome"] for call in world.sandbox.calls() if call["outcome"] is not None}
    assert len(talked) > 3
    noted = {attempt.phone: attempt.outcome for attempt in await world.attempts() if attempt.phone in talked}
    assert noted == talked


async def test_what_was_said_is_read_though_a_call_is_over_by_its_record_before_that_holds_it(
    world: CampaignWorld,
) -> None:
    world.sandbox.change(
        lies={"list_hides": "everything", "record_late": "without_outcome"},
        job_statuses="three",
        dwells={"talk": {"mean_seconds": 20, "sigma": 0.1}},
    )
    await world.dial(people(8), settings=DialSettings(lines=8, unseen_after_seconds=1))
    talked = {call["number"]: call["outcome"] for call in world.sandbox.calls() if call["outcome"] is not None}
    assert len(talked) > 3
    noted = {attempt.phone: attempt.outcome for attempt in await world.attempts() if attempt.phone in talked}
    assert noted == talked


class RefusalBeside(SandboxTransport):
    """Hamsa, whose records hold what was said beside an outcome that is empty."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await super().handle_async_request(request)
        if request.url.path != "/v1/jobs":
            return answer
        document = json.loads(await answer.aread())
        document["data"]["jobResponse"] = {"outcomeResult": {}, "analysis": {"no_more": True}}
        return httpx.Response(answer.status_code, content=json.dumps(document))


async def test_a_refusal_in_the_record_of_a_call_of_which_an_event_told_the_end_is_heard(world: CampaignWorld) -> None:
    agent, (somebody,) = CallingAgent(voice_agent_id="agent-plain"), people(1)
    client = HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=RefusalBeside(world.sandbox))
    async with client, Ledger(world.url, clock=world.clock) as ledger:
        named_on_the_claim = replace(UNRESTRICTED.resolved(), opt_out_fields=("no_more",))
        claimant = Claimant("c", "r", named_on_the_claim, lease_seconds=60, account="project", agent_id=None)
        claim = await ledger.claim(claim_request(somebody, claimant))
        assert isinstance(claim, Claim)
        job = await client.create_call(agent.request(somebody.phone, {}, claim.call_key))
        world.clock.advance(3600)
        await ledger.end(CallEnd(AttemptState.COMPLETED, cost=0.2), call_key=claim.call_key, job_id=job.id)
        follower = CallFollower(
            client,
            ledger,
            rules=UNRESTRICTED.resolved(),
            emitter=EventEmitter(world.facts.append, run_id="r", agent_id=agent.voice_agent_id),
            agent=agent,
            account="project",
            settings=DialSettings(),
            clock=world.clock,
        )
        await world.drive(follower.note(EndedCall(claim, job.id, EndSeen(in_ledger=True), world.clock.now())))
        (attempt,) = await ledger.attempts()
    assert (attempt.state, attempt.opted_out) == (AttemptState.COMPLETED, True)


async def test_how_a_call_ended_is_learned_from_the_list_where_its_record_knows_three_statuses(
    world: CampaignWorld,
) -> None:
    ways = [{"to": phase, "weight": 1, "dwell": "talk"} for phase in ("completed", "forwarded", "terminated")]
    world.sandbox.change(job_statuses="three", transitions={"talking": ways})
    results = await world.dial(people(30), settings=DialSettings(lines=10))
    truth = {call["number"]: call["status"] for call in world.sandbox.calls()}
    assert set(truth.values()) == FINAL_STATUSES
    assert {attempt.phone: attempt.status for attempt in await world.attempts()} == truth
    assert {result.phone: result.bucket.name for result in results} == truth


async def test_an_agent_that_extracts_nothing_is_not_waited_for_at_each_call(world: CampaignWorld) -> None:
    transport = WithoutResponse(world.sandbox)
    with pytest.MonkeyPatch.context() as planted:
        planted.setattr(
            world, "client", lambda: HamsaClient("secret-key", base_url="http://127.0.0.1:8765", transport=transport)
        )
        await world.dial(people(40), settings=DialSettings(lines=1))
    assert transport.asked <= 40 + CALLS_WITHOUT_OUTCOME * OUTCOME_TRIES


async def test_a_record_that_stays_behind_is_said_to_be_so(world: CampaignWorld) -> None:
    world.sandbox.change(lies={"record_missing": True})
    await world.dial(people(12))
    ended = await world.attempts(states=[AttemptState.COMPLETED])
    assert ended
    assert all("record could not be read: 404" in (attempt.error or "") for attempt in ended)


async def test_an_account_that_gives_no_params_back_is_not_noted_as_one_that_does(world: CampaignWorld) -> None:
    world.sandbox.change(echo_params=False)
    await world.dial(people(3))
    assert {attempt.echoed for attempt in await world.attempts()} == {False}
