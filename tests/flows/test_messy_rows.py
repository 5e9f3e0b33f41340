"""Rows and lists as people's programs write them, to the ring: whoever may have said no is not called."""

from typing import Any

import pytest

from campaign import CampaignReport, CsvFile
from flows.call_overdue_customers import call_overdue_customers
from tests.flows.world import World

PEOPLE = "id,phone,name\n0017,+12125550101,Ann\nB,+12125550102,Bob\nC,+12125550103,Cy\n"


async def run(world: World, people: str, barred: str | None = None) -> Any:
    files = {"people": people, **({"barred": barred} if barred else {})}
    for name, text in files.items():
        (world.folder / f"{name}.csv").write_text(text, encoding="utf-8")
    lists = {"do_not_call": CsvFile(path=world.folder / "barred.csv", default_region="US")} if barred else {}
    flow_of_anything: Any = call_overdue_customers
    return await flow_of_anything(
        agent=world.agent(),
        policy=world.policy(),
        ledger=world.ledger,
        campaign="messy",
        customers=CsvFile(path=world.folder / "people.csv", default_region="US"),
        **lists,
        return_state=True,
    )


async def test_a_list_bars_second_numbers_and_ids_that_a_spreadsheet_changed(world: World) -> None:
    barred = "phone,customer_id,PersonMobilePhone,remark\n+12125550177,17,,\n+12125550178,,212 555 0102,x\n"
    state = await run(world, PEOPLE, barred)
    report: CampaignReport = await state.aresult()
    assert report.rows_read == 3
    assert set(world.rings()) == {"+12125550103"}


async def test_a_row_that_cannot_be_read_may_have_been_marked(world: World) -> None:
    people = (
        "id,phone,name,do_not_call\n"
        "A,+12125550101,Doe, Jane,yes\n"  # the comma in the name makes five cells of four
        "X,(212) 555-0101,Jane Doe,\n"
        "A,+12125550103,Jane Doe,\n"
        "B,+12125550102,Bob,\n"
    )
    state = await run(world, people)
    report: CampaignReport = await state.aresult()
    assert report.rows_read == 4
    assert set(world.rings()) == {"+12125550102"}


@pytest.mark.parametrize("column", ["OptOut__c", "phone_opt_out", "unsubscribed", "call_allowed"])
async def test_a_column_that_may_say_no_stops_the_run_before_anybody_is_called(world: World, column: str) -> None:
    state = await run(world, f"id,phone,{column}\nA,+12125550101,yes\nB,+12125550102,\n")
    assert state.is_failed()
    assert state.message.startswith(f"people.csv: the column {column} may say who ")
    assert world.rings() == {}
