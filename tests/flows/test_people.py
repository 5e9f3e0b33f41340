"""People who want no more calls, and why somebody was called: kept by a list, lifted by a person, shown by a form."""

from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from campaign.intake.recipients import CsvFile
from campaign.reporting.report import CampaignReport
from flows.erase_person import erase_person
from flows.explain_customer import explain_customer
from flows.import_opt_outs import import_opt_outs
from flows.lift_opt_out import lift_opt_out
from flows.run_campaign import run_campaign
from tests.flows.world import World, artifacts, rows

pytestmark = [pytest.mark.prefect, pytest.mark.processes]

LAST_DIGITS = "60001"
"""Of customer c1's number."""


async def run(any_flow: Any, **parameters: Any) -> Any:
    """Run a flow. Returns its state."""
    return await any_flow(**parameters, return_state=True)


async def call(world: World, campaign: str, people: int = 3) -> CampaignReport:
    @flow(name=f"call {campaign}")
    async def calling() -> CampaignReport:
        return await run_campaign(
            rows(people), agent=world.agent(), policy=world.policy(), ledger=world.ledger, campaign=campaign
        )

    return await calling()


def listed(folder: Path, text: str) -> CsvFile:
    path = folder / "opt-outs.csv"
    path.write_text(text, encoding="utf-8")
    return CsvFile(path=path)


async def test_a_list_of_another_channel_bars_people_until_a_person_lifts_it_and_all_of_it_is_explained(
    world: World, tmp_path: Path
) -> None:
    people = listed(tmp_path, "id,phone\nc0,\n,+442079460001\n")
    state = await run(import_opt_outs, people=people, origin="web form", ledger=world.ledger)
    assert (state.is_completed(), state.message) == (True, "2 opt-outs in web form, 2 of them new.")
    await call(world, "first")
    assert list(world.rings()) == ["+442079460002"]

    state = await run(lift_opt_out, customer="+442079460001", lifted_by="Huda", reason="she wrote", ledger=world.ledger)
    assert state.message == "1 opt-out of +44•••••0001 lifted by Huda: she wrote."
    state = await run(lift_opt_out, customer="c9", lifted_by="Huda", reason="she wrote", ledger=world.ledger)
    assert state.message.startswith("Nothing blocks c9, so nothing was lifted")
    await call(world, "second")
    assert world.rings() == {"+442079460002": 2, "+442079460001": 1}

    state = await run(explain_customer, customer="c1", ledger=world.ledger)
    history = await state.result()
    (made,) = history.calls
    assert (made["campaign"], made["number"], made["attempt"]) == ("second", "+44•••••0001", "1")
    assert made["why called"].startswith("it was ")
    assert made["policy"]
    (refused,) = history.not_called
    assert refused["why not"] == "asked not to be called: asked not to be called again (web form)"
    (barred,) = history.opt_outs
    assert barred["lifted"].endswith("by Huda: she wrote")
    assert history.barred is None
    shown = await artifacts(state.state_details.flow_run_id)
    assert len(shown) == 3
    assert LAST_DIGITS not in str([artifact.data for artifact in shown]) + str(state.message)

    state = await run(explain_customer, customer="c0", ledger=world.ledger)
    assert state.message.endswith("They are not called: asked not to be called again (web form).")


async def test_an_id_that_a_frame_wrote_with_a_fraction_bars_the_same_person(world: World, tmp_path: Path) -> None:
    people = listed(tmp_path, "id,phone\n17.0,\n")
    await run(import_opt_outs, people=people, origin="frame", ledger=world.ledger)

    @flow(name="call 17 and 18")
    async def calling() -> CampaignReport:
        upstream: list[dict[str, Any]] = [
            {"id": 17, "phone": "+442079460017"},
            {"id": "18.0", "phone": "+442079460018"},
        ]
        return await run_campaign(
            upstream, agent=world.agent(), policy=world.policy(), ledger=world.ledger, campaign="numbers"
        )

    await calling()
    assert world.rings() == {"+442079460018": 1}
    for customer in ("18", "18.0"):
        state = await run(explain_customer, customer=customer, ledger=world.ledger)
        assert len((await state.result()).calls) == 1
    state = await run(lift_opt_out, customer="17.0", lifted_by="Huda", reason="she wrote", ledger=world.ledger)
    assert state.message.startswith("1 opt-out of 17 lifted")


async def test_rows_of_an_opt_out_list_that_name_nobody_are_said_to(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    people = listed(tmp_path, "id,phone,name\nc0,,Ann\n,,Bob\nNULL,,Cy\n")
    state = await run(import_opt_outs, people=people, ledger=world.ledger)
    assert state.message == "1 opt-out in opt-outs.csv, 1 of them new."
    assert "2 rows of opt-outs.csv name nobody" in caplog.text
    assert "the first is line 3" in caplog.text


async def test_a_list_that_is_not_understood_keeps_nobody_and_says_where(world: World, tmp_path: Path) -> None:
    people = listed(tmp_path, "id,phone\nc0,+442079460000\nc1,+44 20 79\n")
    state = await run(import_opt_outs, people=people, ledger=world.ledger)
    assert state.is_failed()
    assert "line 3" in state.message
    await call(world, "first", people=1)
    assert world.rings() == {"+442079460000": 1}


async def test_where_the_ledger_has_nothing_about_somebody_it_says_so(world: World) -> None:
    state = await run(explain_customer, customer="c-404", ledger=world.ledger)
    assert state.message.startswith("The ledger has nothing of c-404")
    state = await run(explain_customer, customer="+4420", ledger=world.ledger)
    assert state.is_failed()
    assert "is not a phone number" in state.message


async def test_a_person_is_erased_by_a_form_which_forgets_whom_it_was_about_and_stays_uncalled(world: World) -> None:
    await call(world, "first", 2)
    reason = "c0001 wrote"
    parameters = {"erased_by": "Huda", "reason": reason, "ledger": world.ledger}
    state = await run(erase_person, customer="+442079460001", **parameters)
    assert (state.is_completed(), state.message) == (
        True,
        "The person was erased by Huda: 1 call and 0 reasons not to call.",
    )
    async with get_client() as client:
        own = await client.read_flow_run(state.state_details.flow_run_id)
    assert (own.parameters["customer"], own.parameters["reason"]) == ("erased", reason)
    (page,) = await artifacts(state.state_details.flow_run_id)
    assert "### Calls at Hamsa\n\n- `" in page.data
    assert LAST_DIGITS not in page.data

    await call(world, "first", 2)
    await call(world, "second", 2)
    assert world.rings() == {"+442079460000": 2, "+442079460001": 1}

    state = await run(explain_customer, customer="c1", ledger=world.ledger)
    assert "They were erased on 20" in state.message
    assert "by Huda: c0001 wrote" in state.message
    history = await state.result()
    assert history.barred == "was erased from the ledger, and is not called unless somebody lifts that"
    assert [made["number"] for made in history.calls] == ["erased"]
    assert LAST_DIGITS not in str(history)

    state = await run(erase_person, customer="c1", **parameters)
    assert state.message.startswith("Nothing was left to erase: the person was erased on 20")
    state = await run(erase_person, customer="c-404", **parameters)
    assert state.message.startswith("The ledger has nothing of c-404, so nobody was erased")
    state = await run(erase_person, customer="+44", **parameters)
    assert state.is_failed()
