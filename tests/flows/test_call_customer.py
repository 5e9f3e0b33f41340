"""Call customer, and the two tasks it is made of."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from campaign.reporting.call_result import CallResult
from flows.call_customer import call_customer
from flows.settle_calls import settle_calls
from tasks import create_call, wait_for_call
from tests.flows.world import World, artifacts

PHONE = "+442079460123"


async def run(world: World, **arguments: Any) -> Any:
    any_flow: Any = call_customer
    given = {
        "agent": world.agent(),
        "phone": PHONE,
        "recipient_id": "c123",
        "policy": world.policy(),
        "ledger": world.ledger,
        "campaign": "single",
    }
    return await any_flow(**{**given, **arguments}, return_state=True)


async def test_one_customer_is_called_and_followed(world: World) -> None:
    state = await run(world)
    assert state.is_completed(), state.message
    call: CallResult = await state.aresult()
    assert call.is_over
    assert call.job_record is not None
    assert PHONE not in state.message
    assert world.rings() == {PHONE: 1}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"recipient_id": 17.0}, "call 17 for single"),
        ({"recipient_id": "17.0", "campaign": 2026}, "call 17 for 2026"),
        ({"recipient_id": "020 7946 0123", "campaign": ""}, "call +44•••••0123"),
    ],
    ids=["float", "campaign", "number"],
)
async def test_a_run_is_called_after_whom_it_calls_and_shows_no_number(
    world: World, given: dict[str, Any], name: str
) -> None:
    state = await run(world, **given)
    async with get_client() as client:
        made = await client.read_flow_run(state.state_details.flow_run_id)
    assert made.name == name
    assert PHONE[-6:] not in str(state.message)


async def test_an_event_that_comes_twice_rings_once(world: World) -> None:
    first = await (await run(world)).aresult()
    second = await (await run(world)).aresult()
    assert first.job_id == second.job_id
    assert world.rings() == {PHONE: 1}


async def test_a_number_that_cannot_be_called_fails_with_a_sentence(world: World) -> None:
    state = await run(world, phone="+1 900 555 0137")
    assert state.is_failed()
    assert "was not called" in state.message
    assert "\n" not in state.message
    assert world.rings() == {}


async def test_a_run_that_nobody_would_start_again_fails_outside_the_hours_and_says_when(world: World) -> None:
    opens = datetime.now(UTC) + timedelta(hours=3)
    window = {"days": ["every_day"], "start": f"{opens:%H:%M}", "end": f"{opens + timedelta(hours=1):%H:%M}"}
    closed = {"policy": world.policy(windows=[window]), "timezone": "UTC"}

    @flow
    async def mine() -> tuple[bool, str]:
        state = await run(world, **closed)
        return state.is_failed(), state.message

    by_hand = await run(world, **closed)
    for failed, message in ((by_hand.is_failed(), by_hand.message), await mine()):
        assert failed
        assert message.endswith(f"possible from {opens:%A %Y-%m-%d %H:%M} (UTC).")
    assert world.rings() == {}


async def test_the_two_tasks_work_alone_in_any_flow(world: World) -> None:
    @flow
    async def mine() -> CallResult:
        call = await create_call(
            world.agent(), PHONE, {"name": "Mona"}, policy=world.policy(), ledger=world.ledger, campaign="mine"
        )
        return await wait_for_call(world.agent(), call, policy=world.policy(), ledger=world.ledger)

    call = await mine()
    assert call.is_over
    assert world.rings() == {PHONE: 1}


async def test_settling_brings_a_lost_call_to_its_end(world: World) -> None:
    @flow
    async def only_place() -> CallResult:
        return await create_call(world.agent(), PHONE, policy=world.policy(), ledger=world.ledger, campaign="left")

    await only_place()
    any_flow: Any = settle_calls
    state = await any_flow(
        credentials=world.credentials, ledger=world.ledger, policy=world.policy(), wait_seconds=20, return_state=True
    )
    report = await state.aresult()
    assert state.is_completed(), state.message
    assert sum(report.settled.values()) == 1
    assert report.unfinished == {}
    assert world.rings() == {PHONE: 1}


async def test_a_call_has_one_record_that_is_read_from_the_top_down(world: World) -> None:
    state = await run(world, recipient_id="Mona 17", campaign="Single calls")
    assert state.is_completed(), state.message
    (record,) = await artifacts(state.state_details.flow_run_id)
    assert (record.type, record.key) == ("markdown", "single-calls-mona-17-call")
    assert record.data.startswith("# Call to Mona 17\n")
    assert "| **how it went** |" in record.data
    assert PHONE not in record.data
    async with get_client() as client:
        assert (await client.read_flow_run(state.state_details.flow_run_id)).name == "call Mona 17 for Single calls"


async def test_limits_hold_for_the_person_whatever_the_call_is_about(world: World) -> None:
    policy = world.policy(per_24_hours=1)
    first = await run(world, recipient_id="invoice-1", person=17, debt=2041.0, policy=policy)
    assert first.is_completed(), first.message
    other = {"phone": "+442079460124", "recipient_id": "invoice-2", "person": "17.0", "debt": "2042"}
    again = await run(world, policy=policy, **other)
    assert again.is_failed()
    assert "called 1 time in 24 hours, the most for one person" in again.message
    async with world.ledger.open() as ledger:
        [attempt] = await ledger.attempts()
    assert (attempt.person, attempt.debt) == ("17", "2041")
    assert world.rings() == {PHONE: 1}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"call_hours": "evenings"}, "call_hours holds 'evenings', which names no hours; write them as in 17:00-20:00"),
        ({"consent": "", "policy": {"require_consent": True}}, "nothing says that they agreed to be called"),
        ({"consent": "no", "consent_at": "2026-01-01"}, "the consent noted is 'no'"),
        ({"consent_at": "2020-01-01", "policy": {"consent_max_days": 30}}, "is more than 30 days old"),
        (
            {"subdivision": "Nowhere", "policy": {"by_place": [{"place": "GB-SCT", "holidays": True}]}},
            "'Nowhere' is no part of GB",
        ),
    ],
    ids=["hours", "no-consent", "a-no", "old", "no-part"],
)
async def test_what_a_form_says_of_the_person_is_judged_and_named(
    world: World, given: dict[str, Any], why: str
) -> None:
    state = await run(world, **{**given, "policy": world.policy(**given.get("policy", {}))})
    assert state.is_failed()
    assert why in state.message
    assert PHONE not in state.message
    assert world.rings() == {}
